"""What a message is in an Avro file: as IoT Hub captures it, or flat, as the turbofan tutorial's reader takes it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import avro.schema

from modules.edge.hub.answer import READING_TIME
from modules.edge.hub.message import InputMessage
from scoring.errors import InvalidTelemetry, Reason
from scoring.names import ENGINE
from scoring.telemetry.record import LARGEST
from scoring.telemetry.turbofan import FIELDS
from scoring.wire.json_body import MAX_BODY_BYTES, decode, kind, listed

Record = dict[str, Any]


class RecordForm(StrEnum):
    """What the records of a file look like."""

    CAPTURE = "capture"
    """Body, properties and system properties, as IoT Hub stores messages."""
    TUTORIAL = "tutorial"
    """A turbofan's reading with its predicted RUL, as the tutorial's module avroFileWriter stores it."""


@dataclass(frozen=True)
class Shape:
    """How messages become records.

    Attributes:
        schema: Avro's, of a record.
        records: A message's records.
    """

    schema: avro.schema.Schema
    records: Callable[[InputMessage], Iterator[Record]]


def shape(form: RecordForm) -> Shape:
    """The shape of a form's records."""
    return _CAPTURE if form is RecordForm.CAPTURE else _TUTORIAL


# IoT Hub's names of what travels under short ones.
_SYSTEM = {
    "mid": "messageId",
    "cid": "correlationId",
    "ct": "contentType",
    "ce": "contentEncoding",
    "ctime": "creationTimeUtc",
    "cdid": "connectionDeviceId",
    "cmid": "connectionModuleId",
    "schema": "dtSchema",
}
_DIGITS_AT_THE_END = re.compile(r"[0-9]{1,9}$")


def _captured(message: InputMessage) -> Iterator[Record]:
    """One record, whatever the body is."""
    enqueued = _time(message.arrived)
    system = {_SYSTEM[name]: value for name, value in message.system.items() if name in _SYSTEM}
    yield {
        "EnqueuedTimeUtc": enqueued,
        "Properties": dict(message.properties),
        "SystemProperties": {**system, "enqueuedTime": enqueued},
        "Body": message.body,
    }


def _flat(message: InputMessage) -> Iterator[Record]:
    """A record for each reading of a turbofan.

    Raises:
        InvalidTelemetry: The body is no reading, or a list of them.
    """
    if len(message.body) > MAX_BODY_BYTES:
        raise InvalidTelemetry(Reason.TOO_LARGE, f"the body has {len(message.body)} bytes")
    for reading in listed(decode(message.body)):
        if not isinstance(reading, dict):
            raise InvalidTelemetry(Reason.NOT_A_RECORD, f"a record is {kind(reading)}, expected an object")
        engine = str(reading.get(ENGINE) or message.properties.get(ENGINE) or message.device)
        number = _DIGITS_AT_THE_END.search(engine)
        numbers = {name: _number(reading, name) for name in (*(each.name for each in FIELDS), "PredictedRul")}
        yield {
            "CorrelationId": message.correlation_id,
            "ConnectionDeviceId": engine,
            "CreationTimeUtc": message.properties.get(READING_TIME) or _time(message.created),
            "EnqueuedTimeUtc": _time(message.arrived),
            "Body": {**numbers, "DeviceId": float(number.group()) if number else float("nan")},
        }


def _number(reading: Mapping[str, object], name: str) -> float:
    """A value as the form has it, NaN where there is none."""
    value = reading.get(name)
    if value is None:
        return float("nan")
    if not isinstance(value, float) or not abs(value) <= LARGEST:
        raise InvalidTelemetry(Reason.NOT_A_NUMBER, f"{name} is no number that float32 holds", name)
    return value


def _time(time: datetime | None) -> str:
    """A time as IoT Hub writes it, in UTC; "" where it is not known."""
    return "" if time is None else f"{time.replace(tzinfo=None).isoformat(timespec='microseconds')}0Z"


def _schema(name: str, namespace: str, fields: list[dict[str, Any]]) -> avro.schema.Schema:
    return avro.schema.parse(json.dumps({"type": "record", "name": name, "namespace": namespace, "fields": fields}))


def _fields(names: list[str], kind: str) -> list[dict[str, Any]]:
    return [{"name": name, "type": kind} for name in names]


_CAPTURE = Shape(
    _schema(
        "Message",
        "turbofan_edge",
        [
            {"name": "EnqueuedTimeUtc", "type": "string"},
            {"name": "Properties", "type": {"type": "map", "values": "string"}},
            {"name": "SystemProperties", "type": {"type": "map", "values": "string"}},
            {"name": "Body", "type": "bytes"},
        ],
    ),
    _captured,
)
_TUTORIAL = Shape(
    _schema(
        "EngineData",
        "turbofan",
        [
            *_fields(["CorrelationId", "ConnectionDeviceId", "CreationTimeUtc", "EnqueuedTimeUtc"], "string"),
            {
                "name": "Body",
                "type": {
                    "type": "record",
                    "name": "Body",
                    "fields": _fields([*(each.name for each in FIELDS), "DeviceId", "PredictedRul"], "float"),
                },
            },
        ],
    ),
    _flat,
)
