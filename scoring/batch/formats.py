"""Which format a file has, by its name."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, BinaryIO, Protocol

from scoring.batch.entry import BatchError, Entry
from scoring.batch.text import read_cmapss, read_csv, read_ndjson
from scoring.extras import import_for
from scoring.wire.items import ItemParser

Reader = Callable[[BinaryIO, ItemParser], Iterator[Entry]]

# What is inflated on the way, whatever it holds.
_COMPRESSED = (".gz", ".bz2", ".xz", ".zst")


class PredictionWriter(Protocol):
    """Takes predictions in and writes them to a file."""

    def write(self, lines: bytes) -> None:
        """Write predictions that are given as lines of JSON."""

    def close(self) -> None:
        """Write what the file ends with."""


class NdjsonSink:
    """Writes predictions as JSON, one on each line."""

    def __init__(self, file: BinaryIO, _columns: Mapping[str, Any]) -> None:
        self._file = file

    def write(self, lines: bytes) -> None:
        """Write lines as they are."""
        self._file.write(lines)

    def close(self) -> None:
        """Nothing comes after the last line."""


class CsvSink:
    """Writes predictions as rows; each probability has a column, such as `Probabilities.F25`."""

    def __init__(self, file: BinaryIO, columns: Mapping[str, Any]) -> None:
        self._file = file
        self._text = io.StringIO()
        self._writer = csv.DictWriter(self._text, _flat(columns), restval="", lineterminator="\n")
        self._writer.writeheader()

    def write(self, lines: bytes) -> None:
        """Write a row for each line of JSON."""
        self._writer.writerows(_flat(json.loads(line)) for line in lines.splitlines())
        self._flush()

    def close(self) -> None:
        """Write the header where there was no record."""
        self._flush()

    def _flush(self) -> None:
        self._file.write(self._text.getvalue().encode())
        self._text.seek(0)
        self._text.truncate()


def reader(path: str) -> Reader:
    """What reads a file of this name.

    Raises:
        BatchError: No format has such names, or a library is missing that reads it.
    """
    match suffix_of(path):
        case ".csv":
            return read_csv
        case ".ndjson" | ".jsonl" | ".json":
            return read_ndjson
        case ".txt":
            return read_cmapss
        case ".parquet":
            return _imported("parquet").read_parquet  # type: ignore[no-any-return]
        case ".avro":
            return _imported("capture").read_capture  # type: ignore[no-any-return]
    raise BatchError(
        f"{path}: expected a name that ends in .csv, .ndjson, .jsonl, .json, .parquet, .avro or .txt (C-MAPSS)"
    )


def sink(path: str) -> Callable[[BinaryIO, Mapping[str, Any]], PredictionWriter]:
    """What writes a file of this name, once it is given the file and what a record holds.

    Raises:
        BatchError: No format has such names, or a library is missing that writes it.
    """
    match suffix_of(path):
        case ".csv":
            return CsvSink
        case ".ndjson" | ".jsonl":
            return NdjsonSink
        case ".parquet":
            return _imported("parquet").ParquetSink  # type: ignore[no-any-return]
    raise BatchError(f"{path}: expected a name that ends in .csv, .ndjson, .jsonl or .parquet")


def suffix_of(path: str) -> str:
    """The end of a file's name that tells its format, without that of a compression."""
    name = PurePosixPath(path)
    return PurePosixPath(name.stem).suffix.lower() if name.suffix.lower() in _COMPRESSED else name.suffix.lower()


def _imported(module: str) -> Any:  # noqa: ANN401 - a module
    """Formats whose libraries are imported only for files that have them."""
    return import_for(f"a file of {module}", f"scoring.batch.{module}", "batch")


def _flat(record: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in record.items():
        flat |= {f"{name}.{key}": each for key, each in value.items()} if isinstance(value, dict) else {name: value}
    return flat
