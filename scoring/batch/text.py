"""Files of lines: CSV with a header, NDJSON, and the text of C-MAPSS."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

from scoring.batch.cells import Cells
from scoring.batch.entry import GROUP, BatchError, Entry
from scoring.errors import InvalidTelemetry
from scoring.fast.parser import FastParser
from scoring.items import Item, ItemParser
from scoring.telemetry import ENGINE, FIELDS, MAX_BODY_BYTES, Reason, decode, listed

_UNIT_DIGITS = 3
_QUOTE = b'"'


def read_ndjson(file: BinaryIO, parser: ItemParser) -> Iterator[Entry]:
    """Messages as JSON, one on each line: a record, a window, a trajectory, or a list of them."""

    def items(line: bytes) -> list[Item | InvalidTelemetry]:
        return parser.check_each(listed(decode(line)))

    return _entries(_lines(file), FastParser(parser).known, items)


def read_csv(file: BinaryIO, parser: ItemParser) -> Iterator[Entry]:
    """Records as rows below the names of their fields; an empty cell is a value that is absent.

    Raises:
        BatchError: The first line does not name all fields.
    """
    lines = _lines(file)
    _, first = next(lines, (0, b""))
    try:
        header = _cells((first or b"").removeprefix(b"\xef\xbb\xbf"))
    except InvalidTelemetry:
        header = []
    require_columns(header, parser)

    def items(line: bytes) -> list[Item | InvalidTelemetry]:
        cells = _cells(line)
        if len(cells) != len(header):
            raise InvalidTelemetry(Reason.NOT_A_RECORD, f"the row has {len(cells)} cells, expected {len(header)}")
        record = {name: cell if name == ENGINE else _value(cell) for name, cell in zip(header, cells, strict=True)}
        if not record.get(ENGINE, "x"):
            del record[ENGINE]
        return parser.check_each([record])

    def cells(line: bytes) -> Sequence[str]:
        return () if _QUOTE in line else line.decode("utf-8", "replace").split(",")

    return _entries(lines, Cells(header, parser, cells).known, items)


def read_cmapss(file: BinaryIO, parser: ItemParser) -> Iterator[Entry]:
    """Rows of C-MAPSS: unit, cycle, settings and sensors, separated by blanks; unit 7 is the engine Client_007."""
    names = [field.name for field in FIELDS]

    def items(line: bytes) -> list[Item | InvalidTelemetry]:
        unit, *cells = line.decode("ascii", "replace").split()
        if len(cells) != len(names):
            raise InvalidTelemetry(
                Reason.NOT_A_RECORD, f"the row has {len(cells) + 1} columns, expected {len(names) + 1}"
            )
        record: dict[str, object] = {name: _value(cell) for name, cell in zip(names, cells, strict=True)}
        return parser.check_each([{**record, ENGINE: f"Client_{unit.zfill(_UNIT_DIGITS)}"}])

    def cells(line: bytes) -> Sequence[str]:
        unit, *values = line.decode("ascii", "replace").split()
        return (f"Client_{unit.zfill(_UNIT_DIGITS)}", *values)

    return _entries(_lines(file), Cells([ENGINE, *names], parser, cells).known, items)


def require_columns(found: list[str], parser: ItemParser) -> None:
    """Make sure that a table has a column for each of the model's fields.

    Raises:
        BatchError: It has not.
    """
    missing = [name for name in parser.field_names if name not in found]
    if missing:
        raise BatchError(f"there is no column {missing[0]}; the model needs {', '.join(parser.field_names)}")


def _entries(
    numbered: Iterator[tuple[int, bytes | None]],
    known: Callable[[Sequence[bytes]], list[Item | None]],
    items: Callable[[bytes], list[Item | InvalidTelemetry]],
) -> Iterator[Entry]:
    """Entries for lines: `known` gives what can be read many at a time, `items` all else."""
    while group := list(itertools.islice(numbered, GROUP)):
        quick = iter(known([line for _, line in group if line is not None]))
        for number, line in group:
            if line is None:
                overlong = InvalidTelemetry(Reason.TOO_LARGE, f"the line has more than {MAX_BODY_BYTES} bytes")
                yield Entry(number, [overlong], line)
            elif item := next(quick):
                yield Entry(number, [item], line)
            else:
                try:
                    yield Entry(number, items(line), line)
                except InvalidTelemetry as invalid:
                    yield Entry(number, [invalid], line)


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Lines that are not empty, with their numbers; None in place of one that is too long to be a message."""
    number = 0
    while line := file.readline(MAX_BODY_BYTES + 1):
        number += 1
        if len(line) > MAX_BODY_BYTES:
            while line and not line.endswith(b"\n"):
                line = file.readline(MAX_BODY_BYTES)
            yield number, None
        elif stripped := line.strip():
            yield number, stripped


def _cells(line: bytes) -> list[str]:
    text = line.decode("utf-8", "replace")
    if '"' not in text:
        return text.split(",")
    try:
        return next(csv.reader([text]))
    except csv.Error as error:
        raise InvalidTelemetry(Reason.NOT_A_RECORD, f"the row is not CSV: {error}") from error


def _value(cell: str) -> float | str | None:
    """A cell's number; the text itself where it is none, so that the field's fault names it."""
    if not cell:
        return None
    try:
        # float() takes 1_000, which no other reader does.
        return cell if "_" in cell else float(cell)
    except ValueError:
        return cell
