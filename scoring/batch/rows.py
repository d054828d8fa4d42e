"""Rows of any file of readings as they stand there, before anybody has said what they mean."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, BinaryIO

import fastavro
import pyarrow.parquet as pq

from scoring.batch.entry import BatchError, in_one_line
from scoring.batch.envelope import BODY, Envelope
from scoring.batch.formats import suffix_of
from scoring.batch.store import Store
from scoring.names import ENGINE
from scoring.wire.csv_table import separator_of, value_of
from scoring.wire.json_body import listed

Row = dict[str, Any]

MOST_ROWS = 200_000
"""Enough to see what columns hold; more would only take longer."""


def records(url: str) -> Iterator[Row]:
    """Records of files as `rows` finds them, messages with their envelopes and all, in order.

    Args:
        url: As `batch` takes it.

    Raises:
        BatchError: A file cannot be read, or has a form that nothing here reads.
    """
    try:
        store = Store(url)
        for each in store.find():
            if each["type"] == "file" and each["size"] != 0:
                with store.reading(each["name"]) as file:
                    yield from _records_of(str(each["name"]), file)
    except BatchError:
        raise
    # Of damaged bytes fastavro and pyarrow make whatever they lead to; no list of their errors is complete.
    except Exception as error:
        raise BatchError(f"{url} cannot be read: {in_one_line(error)}") from error


def rows(url: str, most: int = MOST_ROWS) -> Iterator[Row]:
    """Rows of a file, of all files that a pattern names, or of all below a folder: numbers, texts, None.

    A message that IoT Hub stored is the row that its body holds, with the device that sent it.

    Args:
        url: As `batch` takes it.
        most: How many rows are read.

    Raises:
        BatchError: A file cannot be read, or has a form that nothing here reads.
    """
    return islice(_opened(url), most)


def body_of(record: Mapping[str, Any]) -> object:
    """What a message's body says: JSON, or else the text or the bytes that it is.

    Args:
        record: A message with its envelope.
    """
    body = Envelope.of(record).body
    if not isinstance(body, bytes):
        return body
    try:
        return json.loads(body)
    except ValueError:
        pass
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body


def _records_of(name: str, file: BinaryIO) -> Iterator[Row]:
    match suffix_of(name):
        case ".parquet":
            for batch in pq.ParquetFile(file).iter_batches():
                yield from map(_plain, batch.to_pylist())
        case ".avro":
            yield from (record for record in fastavro.reader(file) if isinstance(record, dict))
        case ".ndjson" | ".jsonl" | ".json":
            yield from (found for line in file if line.strip() for found in listed(json.loads(line)))
        case ".csv":
            yield from _table(file)
        case _:
            raise ValueError(f"{name}: expected a name that ends in .csv, .ndjson, .jsonl, .json, .parquet or .avro")


def _table(file: BinaryIO) -> Iterator[Row]:
    header = file.readline()
    separator = separator_of(header)
    names = next(csv.reader([header.decode("utf-8-sig")], delimiter=separator), [])
    for cells in csv.reader(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""), delimiter=separator):
        if cells:
            yield {name: value_of(cell.strip()) for name, cell in zip(names, cells, strict=False)}


def _opened(url: str) -> Iterator[Row]:
    """Records, and what is in those that are messages with their envelope."""
    for record in records(url):
        if BODY not in record:
            yield dict(record)
            continue
        envelope = Envelope.of(record)
        device = {ENGINE: envelope.sender.device} if envelope.sender and envelope.sender.device else {}
        body = envelope.body
        for found in listed(json.loads(body) if isinstance(body, bytes) else body):
            if isinstance(found, dict):
                yield device | found


def _plain(row: Mapping[str, Any]) -> Row:
    return {name: each.isoformat() if isinstance(each, datetime) else each for name, each in row.items()}
