"""Parquet files: records in, predictions out."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from scoring.batch.entry import BatchError, Entry, in_one_line
from scoring.batch.text import refuse_engine
from scoring.errors import TableError
from scoring.names import ENGINE
from scoring.telemetry.items import Item
from scoring.wire.csv_table import engine_column, require_columns
from scoring.wire.items import ItemParser

# As many rows as are scored in a few milliseconds: what is read ahead stays small.
_ROWS = 1_024

# Of two bytes, some versions of pyarrow make no Python float.
_FLOATS = (pa.float32(), pa.float64())


def read_parquet(file: BinaryIO, parser: ItemParser) -> Iterator[Entry]:
    """Records from the columns named as the fields; null and NaN are values that are absent.

    Raises:
        BatchError: The file is not Parquet, or names its engines and all are said to be of one.
        TableError: It lacks a column or has it twice.
    """
    number = 0
    for batch in _batches(file, parser):
        for row, item in enumerate(_known(batch, parser)):
            number += 1
            original = partial(_row, batch, row)
            yield Entry(number, [item] if item else parser.check_each([_record(original())]), original)


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


def _batches(file: BinaryIO, parser: ItemParser) -> Iterator[Any]:
    """The file's rows, some at a time; none of a file without a byte."""
    if not file.seek(0, io.SEEK_END):
        return
    try:
        table = pq.ParquetFile(file)
        found = list(table.schema_arrow.names)
        require_columns(found, parser)
        engine = engine_column(found, parser)
        if engine is not None:
            refuse_engine(parser, f"the column {engine}")
        wanted = [*(name for name in parser.columns if name in found), *([engine] if engine else [])]
        for batch in table.iter_batches(batch_size=_ROWS, columns=wanted):
            # Damaged bytes may be no text, which would be noticed where it is too late to say so.
            batch.validate(full=True)
            yield batch.rename_columns([ENGINE if name == engine else name for name in batch.schema.names])
    except (BatchError, TableError):
        raise
    # Of damaged bytes pyarrow makes whatever they lead to; no list of its errors is complete.
    except Exception as error:
        raise BatchError(f"it is no readable Parquet file: {in_one_line(error)}") from error


def _known(batch: Any, parser: ItemParser) -> list[Item | None]:  # noqa: ANN401 - pyarrow has no types
    """The items of a table's rows; None where a closer look is due."""
    if parser.is_derived:
        return [None] * len(batch)
    columns = [batch.column(name) for name in parser.field_names]
    engines = batch.column(ENGINE).to_pylist() if ENGINE in batch.schema.names else [None] * len(batch)
    engines = [str(each) if type(each) is int else each for each in engines]
    if (
        ENGINE in parser.field_names
        or not all(pa.types.is_integer(each.type) or each.type in _FLOATS for each in columns)
        or not {type(each) for each in engines} <= {str, type(None)}
    ):
        return [None] * len(batch)
    values = np.stack([each.to_numpy(zero_copy_only=False).astype(np.float64) for each in columns], axis=1)
    # One NaN is as good as another, but they have not all the same bytes.
    values[np.isnan(values)] = np.nan
    return parser.check_rows(values, engines)


def _row(batch: Any, row: int) -> dict[str, Any]:  # noqa: ANN401 - pyarrow has no types
    found: dict[str, Any] = batch.slice(row, 1).to_pylist()[0]
    return {name: each.isoformat() if isinstance(each, datetime) else each for name, each in found.items()}


def _record(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _present(value) for name, value in row.items() if name != ENGINE or value is not None}


def _present(value: object) -> object:
    return None if isinstance(value, float) and math.isnan(value) else value
