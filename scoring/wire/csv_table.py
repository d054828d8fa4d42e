"""A CSV table of telemetry: a header, then a row for each message of each machine."""

from __future__ import annotations

import csv
from collections.abc import Sequence

from scoring.errors import InvalidTelemetry, Reason, TableError
from scoring.names import ENGINE
from scoring.telemetry.items import Item
from scoring.wire.cells import Cells
from scoring.wire.items import ItemParser
from scoring.wire.json_body import BYTE_ORDER_MARK

_QUOTE = b'"'
BLANKS = b" \r\n"
"""What may stand around a line and is none of its cells: a tab at its end is an empty one."""
SEPARATORS = (";", "\t", "|")
"""What may stand between cells in place of a comma."""


class CsvTable:
    """Reads rows under a header, whose columns may stand in any order; those that no field is named by are passed over.

    Attributes:
        engine: The column that names the engine of each row; None where there is none.
    """

    def __init__(self, header: bytes, parser: ItemParser) -> None:
        """Read the header.

        Args:
            header: The first line.
            parser: Names the fields, and checks their values.

        Raises:
            TableError: It does not name all fields, or one of them twice.
        """
        header = header.removeprefix(BYTE_ORDER_MARK).strip(BLANKS)
        self._separator = separator_of(header)
        try:
            self._header = cells_of(header, self._separator)
        except InvalidTelemetry:
            self._header = []
        require_columns(self._header, parser)
        self.engine = engine_column(self._header, parser)
        self._parser = parser
        self._quick = Cells(self._header, self.engine, parser, self._split)

    def known(self, lines: Sequence[bytes]) -> list[Item | None]:
        """The items of rows; None where a closer look is due."""
        return self._quick.known(lines)

    def item(self, line: bytes) -> Item | InvalidTelemetry:
        """The item of a row, or why it cannot be scored."""
        try:
            return self._parser.check(self.record(line))
        except InvalidTelemetry as invalid:
            return invalid

    def record(self, line: bytes) -> dict[str, object]:
        """A row's fields by their names, and its engine where it names one; a cell that is no number is left as text.

        Raises:
            InvalidTelemetry: It is not CSV, or has another number of cells than the header.
        """
        cells = cells_of(line, self._separator)
        if len(cells) != len(self._header):
            told = f"the row has {len(cells)} cells, expected {len(self._header)}"
            raise InvalidTelemetry(Reason.NOT_A_RECORD, told)
        named = dict(zip(self._header, cells, strict=True))
        engine = named.pop(self.engine, "") if self.engine else ""
        record: dict[str, object] = {name: value_of(cell) for name, cell in named.items()}
        return {**record, ENGINE: engine} if engine else record

    def _split(self, line: bytes) -> Sequence[str]:
        return () if _QUOTE in line else line.decode("utf-8", "replace").split(self._separator)

    def parse_lines(self, lines: Sequence[bytes]) -> list[Item | InvalidTelemetry]:
        """The items of rows; one that cannot be scored comes back as its error."""
        stripped = [line.strip(BLANKS) for line in lines]
        return [item or self.item(line) for item, line in zip(self.known(stripped), stripped, strict=True)]


def engine_column(found: Sequence[str], parser: ItemParser) -> str | None:
    """Which of a table's columns names the engines: the one named as messages do, or as the model's task does."""
    return next((name for name in (ENGINE, parser.machine) if name and name in found), None)


def require_columns(found: Sequence[str], parser: ItemParser) -> None:
    """Make sure that a table has one column for each of the model's fields, and at most one for the engine.

    Raises:
        TableError: It has not.
    """
    twice = [name for name in (*parser.columns, ENGINE, parser.machine) if name and found.count(name) > 1]
    if twice:
        raise TableError(f"the column {twice[0]} stands there twice; leave one of them, or rename the other")
    missing = [name for name in parser.columns if name not in found and name not in parser.optional]
    if missing:
        raise TableError(f"there is no column {missing[0]}; the model needs {', '.join(parser.columns)}")


def separator_of(header: bytes) -> str:
    """What stands between a table's cells: a comma, unless its header has none."""
    return "," if b"," in header else next((each for each in SEPARATORS if each.encode() in header), ",")


def cells_of(line: bytes, separator: str = ",") -> list[str]:
    """A row's cells.

    Raises:
        InvalidTelemetry: It is not CSV.
    """
    text = line.decode("utf-8", "replace")
    if '"' not in text:
        return text.split(separator)
    try:
        return next(csv.reader([text], delimiter=separator))
    except csv.Error as error:
        raise InvalidTelemetry(Reason.NOT_A_RECORD, f"the row is not CSV: {error}") from error


def value_of(cell: str) -> float | str | None:
    """A cell's number; the text itself where it is none, so that the field's fault names it."""
    if not cell:
        return None
    try:
        # float() takes 1_000, which no other reader does.
        return cell if "_" in cell else float(cell)
    except ValueError:
        return cell
