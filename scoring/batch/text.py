"""Files of lines: CSV with a header, NDJSON, and the text of C-MAPSS."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

from scoring.batch.entry import GROUP, BatchError, Entry
from scoring.batch.envelope import Envelope, is_envelope
from scoring.errors import InvalidTelemetry, Reason
from scoring.names import ENGINE
from scoring.telemetry.items import Item
from scoring.telemetry.turbofan import FIELDS
from scoring.wire.cells import Cells
from scoring.wire.cmapss import CUT
from scoring.wire.csv_table import BLANKS, CsvTable, value_of
from scoring.wire.fast import FastParser
from scoring.wire.items import ItemParser
from scoring.wire.json_body import BYTE_ORDER_MARK, MAX_BODY_BYTES, decode, is_foreign, listed

# A body of the largest size as base64, and as much again as the hub may tell of it.
_MAX_LINE_BYTES = 2 * MAX_BODY_BYTES
# What float tells apart from its neighbours.
_MAX_UNIT = 2**53


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
        BatchError: The file is not UTF-8, or names its engines and all are said to be of one.
        TableError: The first line does not name all fields, or one of them twice.
    """
    lines = _lines(file)
    _, first = next(lines, (0, b""))
    if first == b"":
        return iter(())
    table = CsvTable(first or b"", parser)
    if table.engine is not None:
        refuse_engine(parser, f"the column {table.engine}")
    return _entries(lines, table.known, lambda line: [table.item(line)])


def read_cmapss(file: BinaryIO, parser: ItemParser) -> Iterator[Entry]:
    """Rows of C-MAPSS: unit, cycle, settings and sensors, separated by blanks; unit 7 is the engine Client_007.

    Raises:
        BatchError: All are said to be of one engine, or the last line has no end.
    """
    names = [field.name for field in FIELDS]
    refuse_engine(parser, "their units")

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
        record: dict[str, object] = {name: value_of(cell) for name, cell in zip(names, cells, strict=True)}
        return parser.check_each([{**record, ENGINE: engine}])

    def cells(line: bytes) -> Sequence[str]:
        unit, *values = line.decode("ascii", "replace").split()
        engine = _engine(unit)
        return () if engine is None else (engine, *values)

    return _entries(_lines(file, ends=True), Cells([ENGINE, *names], ENGINE, parser, cells).known, items)


def refuse_engine(parser: ItemParser, by: str) -> None:
    """Refuse a name for the engine of all messages where a file names them itself: it would hide what the file says.

    Raises:
        BatchError: There is such a name.
    """
    if parser.sender.device:
        raise BatchError(f"it names its engines by {by}; leave --engine {parser.sender.device} out")


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


def _lines(file: BinaryIO, most: int = MAX_BODY_BYTES, *, ends: bool = False) -> Iterator[tuple[int, bytes | None]]:
    """Lines that are not empty, with their numbers; None in place of one that is too long to be a message.

    Args:
        file: Of the lines.
        most: How long a line may be.
        ends: The last line has to have an end as well.

    Raises:
        BatchError: The file is in UTF-16 or UTF-32, as its first bytes say, or its last line has no end.
    """
    number = 0
    while line := file.readline(most + 1):
        number += 1
        if number == 1 and is_foreign(line):
            raise BatchError("it is UTF-16 or UTF-32; save it as UTF-8")
        if ends and not line.endswith(b"\n") and len(line) <= most:
            raise BatchError(f"line {number}: {CUT}")
        if len(line) > most:
            while line and not line.endswith(b"\n"):
                line = file.readline(most)
            yield number, None
        # Also within a file: several that begin with a byte order mark may have been joined.
        elif stripped := _stripped(line.removeprefix(BYTE_ORDER_MARK)):
            yield number, stripped


def _engine(unit: str) -> str | None:
    """The engine of a unit's number, however that is written; None where it is no whole number from 1."""
    value = value_of(unit)
    whole = isinstance(value, float) and 1 <= value < _MAX_UNIT and value == int(value)
    return f"Client_{int(value):03}" if whole and isinstance(value, float) else None


def _stripped(line: bytes) -> bytes:
    """A line without the blanks around it; nothing of one that has nothing else, be it tabs."""
    return line.strip(BLANKS) if line.strip() else b""
