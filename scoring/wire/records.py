"""Records in JSON: how a received one is parsed and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, cast

import numpy as np

from scoring.errors import InvalidTelemetry, Reason
from scoring.model.derived import Derived, Period
from scoring.names import CYCLE, ENGINE
from scoring.telemetry.engine_id import MAX_ENGINE_NUMBER, is_engine_id
from scoring.telemetry.record import LARGEST, MAX_CYCLE, Sender, Telemetry, is_cycle
from scoring.wire.json_body import (
    MAX_BODY_BYTES,
    MAX_NESTED,
    MAX_VALUES,
    decode,
    kind,
    listed,
)

_NOTHING: Mapping[str, Derived] = MappingProxyType({})


class RecordParser:
    """Turns a message's body into checked records, for one model's fields."""

    def __init__(self, fields: Sequence[str], cycle: str = CYCLE, derived: Mapping[str, Derived] = _NOTHING) -> None:
        self._fields = tuple(fields)
        self._derived = derived
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
        if self._derived:
            record = {**record, **{name: _derived(record, each) for name, each in self._derived.items()}}
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
        if not is_cycle(value):
            name = self._fields[self._cycle or 0]
            raise InvalidTelemetry(
                Reason.CYCLE_OUT_OF_RANGE,
                f"{name} is {value:g}, expected a whole number from 1 to {MAX_CYCLE}",
                name,
            )
        return int(value)


def _derived(record: dict[str, Any], derived: Derived) -> float | None:
    """A field's number, made of what a record holds.

    Raises:
        InvalidTelemetry: The record lacks that, or it is nothing that a number is made of.
    """
    name = derived.source
    if name not in record and not derived.is_optional:
        raise InvalidTelemetry(Reason.MISSING_FIELD, f"the field {name} is missing", name)
    value = record.get(name)
    try:
        number = derived.of(value)
    except ValueError as error:
        told = f" {value[:40]!r}" if isinstance(value, str) else f", {kind(value)}"
        reason = Reason.NOT_A_TIME if isinstance(derived, Period) else Reason.UNKNOWN_CATEGORY
        raise InvalidTelemetry(reason, f"the field {name} is{told}; {error}", name) from error
    return None if number != number else number  # noqa: PLR0124 - NaN is what differs from itself


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
