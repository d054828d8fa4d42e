"""Files of lines: CSV with a header, NDJSON, and the text of C-MAPSS."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

from scoring.batch.cells import Cells
from scoring.batch.entry import GROUP, BatchError, Entry
from scoring.batch.envelope import Envelope, is_envelope
from scoring.errors import InvalidTelemetry
from scoring.fast.parser import FastParser
from scoring.items import Item, ItemParser
from scoring.telemetry import (
    BYTE_ORDER_MARK,
    ENGINE,
    FIELDS,
    MAX_BODY_BYTES,
    Reason,
    decode,
    is_foreign,
    listed,
)

# A body of the largest size as base64, and as much again as the hub may tell of it.
_MAX_LINE_BYTES = 2 * MAX_BODY_BYTES
# What float tells apart from its neighbours.
_MAX_UNIT = 2**53
_QUOTE = b'"'


def read_ndjson(file: BinaryIO, parser: ItemParser) -> Iterator[Entry]:
    """Messages as JSON, one on each line: a record, a window, a trajectory, a list of them, or as IoT Hub routes one.

    Raises:
        BatchError: The file is not UTF-8.
    """
    fast = FastParser(parser)

    def known(lines: Sequence[bytes]) -> list[Item | None]:
        return fast.known([line if len(line) <= MAX_BODY_BYTES else b"" for line in lines])

    def items(line: bytes) -> list[Item | InvalidTelemetry]:
        payload = decode(line)
        if is_envelope(payload, parser):
            return Envelope.of(payload).items(parser)
        if len(line) > MAX_BODY_BYTES:
            raise _overlong(MAX_BODY_BYTES)
        return parser.check_each(listed(payload))

    return _entries(_lines(file, _MAX_LINE_BYTES), known, items)


def read_csv(file: BinaryIO, parser: ItemParser) -> Iterator[Entry]:
    """Records as rows below the names of their fields; an empty cell is a value that is absent.

    Raises:
        BatchError: The first line does not name all fields, or one of them twice, or the file is not UTF-8.
    """
    lines = _lines(file)
    _, first = next(lines, (0, b""))
    if first == b"":
        return iter(())
    try:
        header = _cells(first or b"")
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
    """Rows of C-MAPSS: unit, cycle, settings and sensors, separated by blanks; unit 7 is the engine Client_007.

    Raises:
        BatchError: The file is not ASCII.
    """
    names = [field.name for field in FIELDS]

    def items(line: bytes) -> list[Item | InvalidTelemetry]:
        unit, *cells = line.decode("ascii", "replace").split()
        if len(cells) != len(names):
            raise InvalidTelemetry(
                Reason.NOT_A_RECORD, f"the row has {len(cells) + 1} columns, expected {len(names) + 1}"
            )
        engine = _engine(unit)
        if engine is None:
            raise InvalidTelemetry(
                Reason.ENGINE_ID, f"the unit is {unit[:40]!r}, expected a whole number from 1", ENGINE
            )
        record: dict[str, object] = {name: _value(cell) for name, cell in zip(names, cells, strict=True)}
        return parser.check_each([{**record, ENGINE: engine}])

    def cells(line: bytes) -> Sequence[str]:
        unit, *values = line.decode("ascii", "replace").split()
        engine = _engine(unit)
        return () if engine is None else (engine, *values)

    return _entries(_lines(file), Cells([ENGINE, *names], parser, cells).known, items)


def require_columns(found: list[str], parser: ItemParser) -> None:
    """Make sure that a table has one column for each of the model's fields, and at most one for the engine.

    Raises:
        BatchError: It has not.
    """
    twice = [name for name in (*parser.field_names, ENGINE) if found.count(name) > 1]
    if twice:
        raise BatchError(f"the column {twice[0]} stands there twice; leave one of them, or rename the other")
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
                yield Entry(number, [_overlong(MAX_BODY_BYTES)], line)
            elif item := next(quick):
                yield Entry(number, [item], line)
            else:
                try:
                    yield Entry(number, items(line), line)
                except InvalidTelemetry as invalid:
                    yield Entry(number, [invalid], line)


def _overlong(most: int) -> InvalidTelemetry:
    return InvalidTelemetry(Reason.TOO_LARGE, f"the line has more than {most} bytes")


def _lines(file: BinaryIO, most: int = MAX_BODY_BYTES) -> Iterator[tuple[int, bytes | None]]:
    """Lines that are not empty, with their numbers; None in place of one that is too long to be a message.

    Raises:
        BatchError: The file is in UTF-16 or UTF-32, as its first bytes say.
    """
    number = 0
    while line := file.readline(most + 1):
        number += 1
        if number == 1 and is_foreign(line):
            raise BatchError("it is UTF-16 or UTF-32; save it as UTF-8")
        if len(line) > most:
            while line and not line.endswith(b"\n"):
                line = file.readline(most)
            yield number, None
        # Also within a file: several that begin with a byte order mark may have been joined.
        elif stripped := line.removeprefix(BYTE_ORDER_MARK).strip():
            yield number, stripped


def _engine(unit: str) -> str | None:
    """The engine of a unit's number, however that is written; None where it is no whole number from 1."""
    value = _value(unit)
    whole = isinstance(value, float) and 1 <= value < _MAX_UNIT and value == int(value)
    return f"Client_{int(value):03}" if whole and isinstance(value, float) else None


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
