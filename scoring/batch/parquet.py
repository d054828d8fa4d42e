"""Parquet files: records in, predictions out."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from scoring.batch.entry import BatchError, Entry
from scoring.batch.text import require_columns
from scoring.items import ItemParser
from scoring.telemetry import ENGINE

# As many rows as are scored in a few milliseconds: what is read ahead stays small.
_ROWS = 1_024


def read_parquet(file: BinaryIO, parser: ItemParser) -> Iterator[Entry]:
    """Records from the columns named as the fields; null and NaN are values that are absent.

    Raises:
        BatchError: The file is not Parquet, or lacks a column.
    """
    try:
        table = pq.ParquetFile(file)
        found = list(table.schema_arrow.names)
        require_columns(found, parser)
        wanted = [*parser.field_names, *([ENGINE] if ENGINE in found else [])]
        number = 0
        for batch in table.iter_batches(batch_size=_ROWS, columns=wanted):
            for row in batch.to_pylist():
                number += 1
                record = {name: _present(value) for name, value in row.items() if name != ENGINE or value is not None}
                yield Entry(number, parser.check_each([record]), row)
    except pa.ArrowException as error:
        raise BatchError(f"it is no readable Parquet file: {error}") from error


class ParquetSink:
    """Writes predictions as rows; probabilities are a struct."""

    def __init__(self, file: BinaryIO, columns: Mapping[str, Any]) -> None:
        self._schema = pa.Table.from_pylist([dict(columns)]).schema
        self._writer = pq.ParquetWriter(file, self._schema)

    def write(self, lines: bytes) -> None:
        """Write lines of JSON as one row group."""
        if lines:
            records = [json.loads(line) for line in lines.splitlines()]
            self._writer.write_table(pa.Table.from_pylist(records, self._schema))

    def close(self) -> None:
        """Write what the file ends with."""
        self._writer.close()


def _present(value: object) -> object:
    return None if isinstance(value, float) and math.isnan(value) else value
