"""What IoT Hub's routing stores of messages: files of batches, by partition and time, in Avro or as JSON lines."""

from __future__ import annotations

import base64
import io
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import fastavro

from simulator.cloud.upstream import Received

PARTITIONS = 4
"""How many a hub has by default; all messages of a device are in one."""
NAMES = "{iothub}/{partition}/{YYYY}/{MM}/{DD}/{HH}/{mm}"
"""IoT Hub's default for the names of files; it takes any order and other separators, but needs all of these."""

_SCHEMA = fastavro.parse_schema(
    {
        "type": "record",
        "name": "Message",
        "namespace": "turbofan_edge",
        "fields": [
            {"name": "EnqueuedTimeUtc", "type": "string"},
            {"name": "Properties", "type": {"type": "map", "values": "string"}},
            {"name": "SystemProperties", "type": {"type": "map", "values": "string"}},
            {"name": "Body", "type": ["null", "bytes"]},
        ],
    }
)


class Encoding(StrEnum):
    """How a file holds messages."""

    AVRO = "avro"
    JSON = "json"


@dataclass(frozen=True)
class Batching:
    """When a batch ends.

    Attributes:
        seconds: After its first message; IoT Hub takes 60 to 720.
        size: Of its bodies and properties, in bytes; IoT Hub takes 10 to 500 MB.
    """

    seconds: float = 100.0
    size: int = 300_000_000


@dataclass
class CapturedBatch:
    """Messages of one partition that become a file.

    Attributes:
        partition: Which.
        messages: In the order in which they were enqueued.
        size: Of their bodies and properties, in bytes.
    """

    partition: int
    messages: list[Received] = field(default_factory=list)
    size: int = 0

    def name(self, hub: str, pattern: str = NAMES) -> str:
        """The file's, by the time of its first message.

        Args:
            hub: The hub's name.
            pattern: With IoT Hub's placeholders.
        """
        begun = datetime.fromtimestamp(self.messages[0].enqueued, UTC)
        parts = {"YYYY": "%Y", "MM": "%m", "DD": "%d", "HH": "%H", "mm": "%M"}
        name = pattern.replace("{iothub}", hub).replace("{partition}", f"{self.partition:02d}")
        for placeholder, form in parts.items():
            name = name.replace(f"{{{placeholder}}}", begun.strftime(form))
        return name


def batches(messages: Iterable[Received], batching: Batching) -> Iterator[CapturedBatch]:
    """Batches as they end, and those that have not ended at last.

    Args:
        messages: In the order in which they were enqueued.
        batching: When a batch ends.
    """
    open_ones: dict[int, CapturedBatch] = {}
    for message in messages:
        for each in list(open_ones.values()):
            if message.enqueued - each.messages[0].enqueued >= batching.seconds:
                yield open_ones.pop(each.partition)
        # As good as random, and the same each time.
        partition = zlib.crc32(message.device.encode()) % PARTITIONS
        batch = open_ones.setdefault(partition, CapturedBatch(partition))
        batch.messages.append(message)
        batch.size += len(message.body) + sum(len(name) + len(value) for name, value in message.properties.items())
        if batch.size >= batching.size:
            yield open_ones.pop(partition)
    yield from open_ones.values()


def encoded(batch: CapturedBatch, encoding: Encoding) -> bytes:
    """The file of a batch."""
    if encoding is Encoding.JSON:
        return b"".join(json.dumps(_as_json(each)).encode() + b"\n" for each in batch.messages)
    file = io.BytesIO()
    fastavro.writer(file, _SCHEMA, map(_record, batch.messages), codec="deflate", strict=True)
    return file.getvalue()


def _record(message: Received) -> dict[str, Any]:
    enqueued = _time(message.enqueued)
    # What the cloud adds has other names here than in Event Hubs.
    system = {
        **{name: value for name, value in message.system.items() if not name.startswith("iothub-")},
        "connectionDeviceId": message.device,
        "connectionModuleId": message.module,
        "messageId": message.message_id,
        "correlationId": message.correlation_id,
        "contentType": message.content_type,
        "contentEncoding": message.content_encoding,
        "enqueuedTime": enqueued,
    }
    return {
        "EnqueuedTimeUtc": enqueued,
        "Properties": message.properties,
        "SystemProperties": {name: value for name, value in system.items() if value},
        "Body": message.body,
    }


def _as_json(message: Received) -> dict[str, Any]:
    """IoT Hub opens a body only if its message says that it is JSON in UTF-8; any other is in base64."""
    return {**_record(message), "Body": _opened(message) or base64.b64encode(message.body).decode()}


def _opened(message: Received) -> Mapping[str, Any] | list[Any] | None:
    is_json = (message.content_type or "").lower().startswith("application/json")
    if not is_json or (message.content_encoding or "").lower() not in {"utf-8", "utf8"}:
        return None
    try:
        found = json.loads(message.body)
    except ValueError:
        return None
    return found if isinstance(found, dict | list) else None


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "0Z"
