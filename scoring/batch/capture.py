"""Avro files with messages: what IoT Hub's routing, Event Hubs Capture and the module avrowriter write."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import BinaryIO

import fastavro

from scoring.batch.entry import GROUP, BatchError, Entry, in_one_line
from scoring.batch.envelope import Envelope, is_envelope
from scoring.wire.fast import FastParser
from scoring.wire.items import ItemParser
from scoring.wire.json_body import MAX_BODY_BYTES


def read_capture(file: BinaryIO, parser: ItemParser) -> Iterator[Entry]:
    """Messages from their bodies; the engine is the device that the hub received a message from.

    Raises:
        BatchError: The file is not Avro, or its records have no body.
    """
    fast = FastParser(parser)
    messages = enumerate(_records(file), start=1)
    while group := list(itertools.islice(messages, GROUP)):
        envelopes = [_envelope(record, parser) for _, record in group]
        bodies = [
            each.body if isinstance(each.body, bytes) and len(each.body) <= MAX_BODY_BYTES else b""
            for each in envelopes
        ]
        known = fast.known(bodies, [each.sender or parser.sender for each in envelopes])
        for (number, _), envelope, item in zip(group, envelopes, known, strict=True):
            yield Entry(number, [item] if item else envelope.items(parser), envelope.body)


def _records(file: BinaryIO) -> Iterator[object]:
    """The file's records; none of a file without a byte, which a capture leaves where nothing came."""
    try:
        yield from fastavro.reader(file)
    except BatchError:
        raise
    # Of damaged bytes fastavro makes whatever they lead to; no list of its errors is complete.
    except Exception as error:
        if file.tell():
            raise BatchError(f"it is no readable Avro file: {in_one_line(error)}") from error


def _envelope(record: object, parser: ItemParser) -> Envelope:
    if not isinstance(record, dict) or not is_envelope(record, parser):
        raise BatchError("its records have no Body; expected the messages that IoT Hub captures")
    return Envelope.of(record)
