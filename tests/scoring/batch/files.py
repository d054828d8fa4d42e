"""Telemetry in each of the formats that files may have."""

import csv
import io
import json
from pathlib import Path

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq

from scoring.telemetry.turbofan import FIELDS

NAMES = [field.name for field in FIELDS]
COLUMNS = ["ConnectionDeviceId", *NAMES]

CAPTURE = {
    "type": "record",
    "name": "EventData",
    "namespace": "Microsoft.ServiceBus.Messaging",
    "fields": [
        {"name": "EnqueuedTimeUtc", "type": "string"},
        {"name": "Properties", "type": {"type": "map", "values": "string"}},
        {"name": "SystemProperties", "type": {"type": "map", "values": "string"}},
        {"name": "Body", "type": ["null", "bytes"]},
    ],
}
ARCHIVE = {
    "type": "record",
    "name": "Message",
    "fields": [
        {"name": "CorrelationId", "type": "string"},
        {"name": "ConnectionDeviceId", "type": "string"},
        {"name": "CreationTimeUtc", "type": "string"},
        {"name": "EnqueuedTimeUtc", "type": "string"},
        {"name": "Body", "type": "string"},
    ],
}


def write_ndjson(path: Path, records: list) -> Path:
    path.write_bytes(ndjson(records))
    return path


def ndjson(records: list) -> bytes:
    return b"".join((each if isinstance(each, bytes) else json.dumps(each).encode()) + b"\n" for each in records)


def write_csv(path: Path, records: list[dict]) -> Path:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="")
    writer.writeheader()
    writer.writerows(records)
    path.write_text(text.getvalue())
    return path


def write_parquet(path: Path, records: list[dict]) -> Path:
    pq.write_table(pa.Table.from_pylist(records), path)
    return path


def write_cmapss(path: Path, records: list[dict]) -> Path:
    path.write_text(
        "".join(
            f"{int(each['ConnectionDeviceId'][-3:])} {' '.join(str(each[name]) for name in NAMES)}  \n"
            for each in records
        )
    )
    return path


def without_engine(record: dict) -> dict:
    return {name: value for name, value in record.items() if name != "ConnectionDeviceId"}


def write_capture(path: Path, records: list) -> Path:
    """As IoT Hub writes it; bytes stand for the body of a message of Client_001."""
    messages = [
        {
            "EnqueuedTimeUtc": "2026-01-01T00:00:00.0000000Z",
            "Properties": {},
            "SystemProperties": {
                "connectionDeviceId": "Client_001" if isinstance(each, bytes) else each["ConnectionDeviceId"]
            },
            "Body": each if isinstance(each, bytes) else json.dumps(without_engine(each)).encode(),
        }
        for each in records
    ]
    with path.open("wb") as file:
        fastavro.writer(file, fastavro.parse_schema(CAPTURE), messages, codec="deflate")
    return path


def write_archive(path: Path, records: list[dict]) -> Path:
    """As the module avrowriter writes it."""
    messages = [
        {
            "CorrelationId": "c",
            "ConnectionDeviceId": each["ConnectionDeviceId"],
            "CreationTimeUtc": "",
            "EnqueuedTimeUtc": "",
            "Body": json.dumps(without_engine(each)),
        }
        for each in records
    ]
    with path.open("wb") as file:
        fastavro.writer(file, fastavro.parse_schema(ARCHIVE), messages)
    return path
