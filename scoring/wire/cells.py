"""Rows of cells, as text, read many at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter

from scoring.names import ENGINE
from scoring.telemetry.items import Item
from scoring.wire.items import ItemParser
from scoring.wire.windows import ROWS


class Cells:
    """Turns rows of cells into items where all is as it should be."""

    def __init__(
        self, header: Sequence[str], engine: str | None, parser: ItemParser, split: Callable[[bytes], Sequence[str]]
    ) -> None:
        """Prepare to read.

        Args:
            header: The names of the cells.
            engine: Which of them names the engine; None: none does.
            parser: Names the fields, and checks their values.
            split: Gives the cells of a row, or anything shorter where a closer look is due.
        """
        self._parser = parser
        self._split = split
        self._width = len(header)
        places = {name: place for place, name in enumerate(header)}
        fields = parser.field_names
        self._engine = None if engine is None else places[engine]
        self._are_records = (
            not parser.is_derived
            and ENGINE not in fields
            and (ROWS in fields or ROWS not in places)
            and places.keys() >= set(fields)
        )
        wanted = [places.get(name, 0) for name in fields]
        # Of one place alone, itemgetter would give no sequence.
        self._pick = itemgetter(*wanted) if len(wanted) > 1 else itemgetter(slice(wanted[0], wanted[0] + 1))

    def known(self, lines: Sequence[bytes]) -> list[Item | None]:
        """The items of rows; None where a closer look is due."""
        items: list[Item | None] = [None] * len(lines)
        numbers: list[int] = []
        rows: list[Sequence[float | None]] = []
        named: list[str | None] = []
        for number, line in enumerate(lines if self._are_records else ()):
            cells = self._split(line)
            row = _values(self._pick(cells)) if len(cells) == self._width else None
            if row is not None:
                numbers.append(number)
                rows.append(row)
                named.append(None if self._engine is None else cells[self._engine] or None)
        for number, item in zip(numbers, self._parser.check_rows(rows, named), strict=True):
            items[number] = item
        return items


def _values(cells: Sequence[str]) -> Sequence[float | None] | None:
    """Numbers, and None for empty cells; nothing where one is neither."""
    # float() takes 1_000, which no other reader does.
    if "_" in "".join(cells):
        return None
    try:
        return list(map(float, cells))
    except ValueError:
        pass
    try:
        return [float(cell) if cell else None for cell in cells]
    except ValueError:
        return None
