"""Avro files with messages: what IoT Hub's capture and the module avrowriter write."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import fastavro

from scoring.batch.entry import GROUP, BatchError, Entry
from scoring.errors import InvalidTelemetry
from scoring.fast.parser import FastParser
from scoring.items import Item, ItemParser
from scoring.telemetry import ENGINE, MAX_BODY_BYTES, Reason, Sender, decode, listed


def read_capture(file: BinaryIO, parser: ItemParser) -> Iterator[Entry]:
    """Messages from their bodies; the engine is the device that the hub received a message from.

    Raises:
        BatchError: The file is not Avro, or its records have no body.
    """
    fast = FastParser(parser)
    try:
        messages = enumerate(map(_message, fastavro.reader(file)), start=1)
        while group := list(itertools.islice(messages, GROUP)):
            bodies = [
                body if isinstance(body, bytes) and len(body) <= MAX_BODY_BYTES else b"" for _, (body, _) in group
            ]
            known = fast.known(bodies, [sender for _, (_, sender) in group])
            for (number, (body, sender)), item in zip(group, known, strict=True):
                yield Entry(number, [item] if item else _items(body, sender, parser), body)
    except (ValueError, EOFError, IndexError, KeyError, TypeError, StopIteration) as error:
        raise BatchError(f"it is no readable Avro file: {error!r}") from error


def _message(message: object) -> tuple[object, Sender]:
    """A message's body and its sender."""
    if not isinstance(message, dict) or "Body" not in message:
        raise BatchError("its records have no Body; expected the messages that IoT Hub captures")
    body = message["Body"]
    return body.encode() if isinstance(body, str) else body, _sender(message)


def _items(body: object, sender: Sender, parser: ItemParser) -> list[Item | InvalidTelemetry]:
    if not isinstance(body, bytes):
        return [InvalidTelemetry(Reason.NOT_JSON, "the message has no body")]
    if len(body) > MAX_BODY_BYTES:
        return [InvalidTelemetry(Reason.TOO_LARGE, f"the body has more than {MAX_BODY_BYTES} bytes")]
    try:
        return parser.check_each(listed(decode(body)), sender)
    except InvalidTelemetry as invalid:
        return [invalid]


def _sender(message: Mapping[str, Any]) -> Sender:
    system = message.get("SystemProperties") or {}
    device = system.get("connectionDeviceId") or message.get(ENGINE) or ""
    return Sender(str(device), is_module=bool(system.get("connectionModuleId")) or not device)
