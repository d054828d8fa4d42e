"""Telemetry messages: what one looks like, and how a received one is parsed and checked."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from scoring.errors import InvalidTelemetry
from scoring.model.signature import Field, FloatArray

CYCLE = "CycleTime"
ENGINE = "ConnectionDeviceId"

FIELDS: tuple[Field, ...] = (
    Field(CYCLE, "cycle"),
    Field("OperationalSetting1", "kft"),
    Field("OperationalSetting2", "Mach"),
    Field("OperationalSetting3", "deg"),
    Field("Sensor1", "degR"),
    Field("Sensor2", "degR"),
    Field("Sensor3", "degR"),
    Field("Sensor4", "degR"),
    Field("Sensor5", "psia"),
    Field("Sensor6", "psia"),
    Field("Sensor7", "psia"),
    Field("Sensor8", "rpm"),
    Field("Sensor9", "rpm"),
    Field("Sensor10", ""),
    Field("Sensor11", "psia"),
    Field("Sensor12", "pps/psi"),
    Field("Sensor13", "rpm"),
    Field("Sensor14", "rpm"),
    Field("Sensor15", ""),
    Field("Sensor16", ""),
    Field("Sensor17", ""),
    Field("Sensor18", "rpm"),
    Field("Sensor19", "rpm"),
    Field("Sensor20", "lbm/s"),
    Field("Sensor21", "lbm/s"),
)
"""C-MAPSS telemetry: the columns of a row, with units after Saxena et al. 2008, table 2."""

# IoT Hub carries 256 kB; anything larger did not come through it.
MAX_BODY_BYTES = 262_144
# A full body of the smallest records; keeps one message from taking the processor for seconds.
MAX_RECORDS = 1_000
# Objects and lists in one message: a list of as many records as may be, each with a few more within.
MAX_NESTED = 10_000
# Values in one message: no quarter of a megabyte holds so many with their names.
MAX_VALUES = 50_000
# A record of the widest model, and as many fields again that are none of the model's.
MAX_NAMES = 2_000
# A cycle is one flight: a million of them is 100 years of 27 a day, and float32 still counts exactly.
MAX_CYCLE = 1_000_000
LARGEST = float(np.finfo(np.float32).max)
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""What some programs put before a text in UTF-8."""
# Those of UTF-16, and of UTF-32, which begins alike.
_FOREIGN_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
MAX_ENGINE_NUMBER = 2**53 - 1
"""The largest number that names an engine: up to here each is a float of its own."""

ENGINE_ID = r"[A-Za-z0-9\-.+%_#*?!(),:=@$']{1,128}"
"""What IoT Hub admits as a device id, as a regular expression."""
_ENGINE_ID = re.compile(ENGINE_ID)


class Reason(StrEnum):
    """Why a message or a record cannot be scored; the dead letter carries it."""

    TOO_LARGE = "too_large"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    TOO_DEEP = "too_deep"
    TOO_COMPLEX = "too_complex"
    NOT_A_RECORD = "not_a_record"
    EMPTY = "empty"
    TOO_MANY_RECORDS = "too_many_records"
    DUPLICATE_FIELD = "duplicate_field"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    NOT_A_NUMBER = "not_a_number"
    INFINITE = "infinite"
    CYCLE_OUT_OF_RANGE = "cycle_out_of_range"
    ENGINE_ID = "engine_id"
    UNNAMED_ENGINE = "unnamed_engine"
    FOREIGN_ENGINE = "foreign_engine"
    STALE_CYCLE = "stale_cycle"
    UNCONFIRMED_JUMP = "unconfirmed_jump"
    SCORING_FAILED = "scoring_failed"
    NOT_TAKEN = "not_taken"


@dataclass(frozen=True, slots=True)
class Telemetry:
    """One checked record: what an engine measured in one cycle.

    Attributes:
        engine: The engine's id (its device id in IoT Hub).
        cycle: The cycle's number, from 1; 0 for a model that counts no cycles.
        values: float32 [fields], in the order of the model's fields; NaN where the record says null.
        source: Who sent it, "" where that is not known.
    """

    engine: str
    cycle: int
    values: FloatArray
    source: str = ""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent a message, as the hub knows it.

    Attributes:
        device: The engine of a record that names none: a leaf device's own id, or the one that the message names;
            "" where a record must name its own.
        is_module: A module of this edge device speaks for any engine; a leaf device only for itself.
        name: Who it is, to tell senders apart.
    """

    device: str
    is_module: bool = False
    name: str = ""


class TelemetryParser:
    """Turns a message's body into checked records, for one model's fields."""

    def __init__(self, fields: Sequence[str], cycle: str = CYCLE) -> None:
        self._fields = tuple(fields)
        self._cycle = self._fields.index(cycle) if cycle else None

    def parse(self, body: bytes, sender: Sender) -> list[Telemetry | InvalidTelemetry]:
        """Parse one object or a list of them; a record that fails its checks comes back as its error.

        Raises:
            InvalidTelemetry: The whole message is unusable: its size, encoding, JSON or shape.
        """
        if len(body) > MAX_BODY_BYTES:
            raise InvalidTelemetry(
                Reason.TOO_LARGE, f"the body has {len(body)} bytes, at most {MAX_BODY_BYTES} are taken"
            )
        # Counted before anything is made of it: a quarter of a megabyte can hold a hundred thousand.
        nested = body.count(b"{") + body.count(b"[")
        if nested > MAX_NESTED:
            raise InvalidTelemetry(
                Reason.TOO_DEEP, f"the body has {nested} objects and lists, at most {MAX_NESTED} are taken"
            )
        values = body.count(b",")
        if values > MAX_VALUES:
            raise InvalidTelemetry(Reason.TOO_COMPLEX, f"the body has {values} values, at most {MAX_VALUES} are taken")
        return [self._parsed(record, sender) for record in listed(decode(body))]

    def _parsed(self, record: object, sender: Sender) -> Telemetry | InvalidTelemetry:
        try:
            return self.check(record, sender)
        except InvalidTelemetry as invalid:
            return invalid

    def check(self, record: object, sender: Sender) -> Telemetry:
        """Check one record as `decode` gives it.

        Raises:
            InvalidTelemetry: It cannot be scored.
        """
        values = self.values(record)
        cycle = 0 if self._cycle is None else self.cycle_of(values[self._cycle])
        engine = self._engine(cast("dict[str, object]", record), sender)
        return Telemetry(engine, cycle, np.array(values, dtype=np.float32), sender.name)

    def _engine(self, record: dict[str, object], sender: Sender) -> str:
        """A record's engine; "" where there is no history that it could get into."""
        return "" if self._cycle is None and not sender.device and ENGINE not in record else engine_of(record, sender)

    def values(self, record: object) -> list[float]:
        """A record's values in the fields' order, NaN where it says null.

        Raises:
            InvalidTelemetry: It is no object, or lacks a number that float32 holds.
        """
        if not isinstance(record, dict):
            raise InvalidTelemetry(Reason.NOT_A_RECORD, f"a record is {kind(record)}, expected an object")
        values = []
        for name in self._fields:
            value = record.get(name)
            # Exact types on purpose: a bool is an int to isinstance. The comparison is false for NaN too.
            if (type(value) is float or type(value) is int) and -LARGEST <= value <= LARGEST:
                values.append(value)
            else:
                values.append(_absent_or_raise(record, name))
        return values

    def cycle_of(self, value: float) -> int:
        """The cycle that a value of the cycle's field stands for.

        Raises:
            InvalidTelemetry: It is no whole number in the range of cycles.
        """
        # NaN here is a null, which a sensor may send and the cycle may not.
        if not (1 <= value <= MAX_CYCLE) or value != int(value):
            name = self._fields[self._cycle or 0]
            raise InvalidTelemetry(
                Reason.CYCLE_OUT_OF_RANGE,
                f"{name} is {value:g}, expected a whole number from 1 to {MAX_CYCLE}",
                name,
            )
        return int(value)


def listed(payload: object, most: int = MAX_RECORDS) -> list[Any]:
    """The records that a decoded message holds: those of a list, or the only one.

    Raises:
        InvalidTelemetry: It holds none, or more than `most`.
    """
    found = payload if isinstance(payload, list) else [payload]
    if not found:
        raise InvalidTelemetry(Reason.EMPTY, "the body is an empty list")
    if len(found) > most:
        raise InvalidTelemetry(Reason.TOO_MANY_RECORDS, f"the body has {len(found)} records, at most {most} are taken")
    return found


def decode(body: bytes) -> Any:  # noqa: ANN401 - any JSON
    """A body's JSON, each number as a float.

    Raises:
        InvalidTelemetry: It is not UTF-8, not JSON, nested too deep or too complex, or an object names a field twice.
    """
    try:
        return _DECODER.decode(body.removeprefix(BYTE_ORDER_MARK).decode("utf-8"))
    except UnicodeDecodeError as error:
        if is_foreign(body):
            raise InvalidTelemetry(Reason.NOT_UTF8, "the body is UTF-16 or UTF-32; send UTF-8") from error
        raise InvalidTelemetry(Reason.NOT_UTF8, f"byte {error.start} of the body is not UTF-8") from error
    except RecursionError as error:
        raise InvalidTelemetry(Reason.TOO_DEEP, "the body is nested too deep to be telemetry") from error
    except ValueError as error:
        raise InvalidTelemetry(Reason.NOT_JSON, f"the body is not JSON: {error}") from error


def is_foreign(text: bytes) -> bool:
    """Whether a text begins as one in UTF-16 or UTF-32 does."""
    return text.startswith(_FOREIGN_MARKS)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose fields are named once: which of two values is meant, nobody could tell later."""
    record = dict(pairs)
    if len(record) != len(pairs):
        last = {name: place for place, (name, _) in enumerate(pairs)}
        twice = next(name for place, (name, _) in enumerate(pairs) if last[name] != place)
        raise InvalidTelemetry(
            Reason.DUPLICATE_FIELD, f"the field {twice[:40]!r} stands twice in one object", twice[:40]
        )
    if len(record) > MAX_NAMES:
        raise InvalidTelemetry(Reason.TOO_COMPLEX, f"an object has {len(record)} fields, at most {MAX_NAMES} are taken")
    return record


# One for all messages: json.loads would build a decoder anew for each. Integers are read as floats, because
# int() refuses long ones with an error of its own, and float32 is what the model takes.
_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=float)


def _absent_or_raise(record: dict[str, Any], name: str) -> float:
    """NaN for a null.

    Raises:
        InvalidTelemetry: The field is missing, or is anything that is no finite float32.
    """
    if name not in record:
        raise InvalidTelemetry(Reason.MISSING_FIELD, f"the field {name} is missing", name)
    value = record[name]
    if value is None:
        return float("nan")
    if not isinstance(value, float):
        raise InvalidTelemetry(Reason.WRONG_TYPE, f"the field {name} is {kind(value)}, expected a number", name)
    if value != value:  # noqa: PLR0124 - NaN is what differs from itself
        raise InvalidTelemetry(
            Reason.NOT_A_NUMBER, f"the field {name} is NaN; send null for a value that is absent", name
        )
    raise InvalidTelemetry(Reason.INFINITE, f"the field {name} is {value:g}, beyond what float32 holds", name)


def engine_of(record: dict[str, Any], sender: Sender) -> str:
    """The engine that a record is of: the one that it names, or its sender; a whole number is its digits.

    Raises:
        InvalidTelemetry: The name cannot be a device id, or the sender may not speak for it.
    """
    engine = record.get(ENGINE, sender.device)
    if engine == "" and ENGINE not in record:
        raise InvalidTelemetry(
            Reason.UNNAMED_ENGINE,
            f"neither the field nor the message's property {ENGINE} names the engine; a module has to",
            ENGINE,
        )
    if type(engine) is int or (type(engine) is float and abs(engine) <= MAX_ENGINE_NUMBER and engine.is_integer()):
        engine = str(int(engine))
    if not isinstance(engine, str):
        told = "" if isinstance(engine, list | dict) else f" {str(engine)[:40]!r}"
        raise InvalidTelemetry(
            Reason.ENGINE_ID, f"the engine id{told} is {kind(engine)}, expected text or a whole number", ENGINE
        )
    if not is_engine_id(engine):
        raise InvalidTelemetry(
            Reason.ENGINE_ID,
            f"the engine id {engine[:40]!r} does not have the form of an IoT Hub device id",
            ENGINE,
        )
    if engine != sender.device and not sender.is_module:
        raise InvalidTelemetry(
            Reason.FOREIGN_ENGINE,
            f"the record names the engine {engine!r}, its sender speaks for {sender.device!r} only",
            ENGINE,
        )
    return engine


def is_engine_id(name: str) -> bool:
    """Whether a name has the form of an IoT Hub device id."""
    return _ENGINE_ID.fullmatch(name) is not None


def are_cycles(values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Which values are whole numbers in the range of cycles."""
    whole: npt.NDArray[np.bool_] = (values >= 1) & (values <= MAX_CYCLE) & (values == np.floor(values))
    return whole


_KINDS = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "true or false",
    float: "a number",
    type(None): "null",
}


def kind(value: object) -> str:
    """What a JSON value is, in words."""
    return _KINDS.get(type(value)) or f"of type {type(value).__name__}"
