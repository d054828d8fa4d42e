"""Rows: several messages of an engine in one piece, so that nothing need be remembered of it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from scoring.errors import InvalidTelemetry, Reason
from scoring.model.signature import FloatArray, Signature
from scoring.names import ENGINE
from scoring.telemetry.record import LARGEST, Sender, are_cycles
from scoring.telemetry.trajectory import Trajectory
from scoring.telemetry.window import Window
from scoring.wire.arrays import table
from scoring.wire.json_body import kind
from scoring.wire.records import RecordParser, engine_of

ROWS = "rows"
"""The key that tells these from a record."""
EACH = "each"
"""Whether each row is answered, not the newest alone."""

# Far more than any window is long, so that the whole life of most engines may be sent.
MAX_ROWS = 1_000


class RowsParser:
    """Turns an object with rows into a checked window, or into a trajectory if each row is to be answered.

    Rows may come in any order, as objects or as lists of values in the fields' order: their cycles say where they
    belong. Of two rows of one cycle the later one counts, and rows that are too old for a window are left out of it.
    """

    def __init__(self, signature: Signature) -> None:
        self._fields = signature.field_names
        self._cycle = self._fields.index(signature.cycle) if signature.cycle else None
        self._length = signature.window
        self._columns = signature.columns
        self._is_derived = bool(signature.derived)
        self._parser = RecordParser(self._fields, signature.cycle, signature.derived)

    def check(self, item: dict[str, Any]) -> Window | Trajectory:
        """Check one object that has rows.

        Raises:
            InvalidTelemetry: It cannot be scored.
        """
        engine = engine_of(item, Sender("", is_module=True)) if ENGINE in item else ""
        rows, each = item[ROWS], item.get(EACH, False)
        if not isinstance(rows, list):
            raise InvalidTelemetry(Reason.WRONG_TYPE, f"{ROWS} is {kind(rows)}, expected a list", ROWS)
        if not isinstance(each, bool):
            raise InvalidTelemetry(Reason.WRONG_TYPE, f"{EACH} is {kind(each)}, expected true or false", EACH)
        most = self._most(each=each)
        if not 1 <= len(rows) <= most:
            raise InvalidTelemetry(
                Reason.EMPTY if not rows else Reason.TOO_MANY_RECORDS,
                f"{ROWS} has {len(rows)} messages, expected 1 to {most}",
                ROWS,
            )
        values = self._numbers(rows) if _are_numbers(rows) else None
        if values is None:
            values = np.array([self._row(row, number) for number, row in enumerate(rows)])
        return self._trajectory(engine, values) if each else self._placed(engine, values.astype(np.float32))

    def known(self, engines: Sequence[str], rows: Sequence[Sequence[Sequence[float | None]]]) -> list[Window | None]:
        """Windows of rows that are known to be lists of numbers and nulls; None where a closer look is due."""
        lengths = set(map(len, rows))
        if len(lengths) == 1 and 1 <= max(lengths) <= self._most(each=False):
            values = self._numbers(list(chain.from_iterable(rows)))
            if values is not None:
                return self._placed_together(engines, values.astype(np.float32).reshape(len(rows), -1, values.shape[1]))
        if len(rows) <= 1:
            return [None] * len(rows)
        return [self.known([engine], [each])[0] for engine, each in zip(engines, rows, strict=True)]

    def known_trajectory(self, engine: str, rows: Sequence[Sequence[float | None]]) -> Trajectory | None:
        """A trajectory of rows that are known to be lists of numbers and nulls; None where a closer look is due."""
        values = self._numbers(rows) if 1 <= len(rows) <= self._most(each=True) else None
        return None if values is None else self._trajectory(engine, values)

    def _most(self, *, each: bool) -> int:
        return MAX_ROWS if each or self._cycle is not None else 1

    def _trajectory(self, engine: str, values: npt.NDArray[np.float64]) -> Trajectory:
        rows = values.astype(np.float32)
        if self._cycle is None:
            return Trajectory(engine, [0] * len(rows), rows[:, np.newaxis])
        return Trajectory.of(engine, rows, values[:, self._cycle].astype(np.int64), self._length)

    def _placed_together(self, engines: Sequence[str], values: FloatArray) -> list[Window | None]:
        """Windows of equally many rows [windows, rows, fields]."""
        count = values.shape[1]
        if self._cycle is not None and count <= self._length:
            cycles = values[:, :, self._cycle]
            if ((cycles[:, 1:] - cycles[:, :-1]) == 1).all():
                # Cycle after cycle, as windows mostly come.
                places = np.arange(self._length - count, self._length)
                newest = map(int, cycles[:, -1].tolist())
                return [Window(*each, places) for each in zip(engines, newest, values, strict=True)]
        return [self._placed(*each) for each in zip(engines, values, strict=True)]

    def _numbers(self, rows: Sequence[Sequence[float | None]]) -> npt.NDArray[np.float64] | None:
        """The values of lists of numbers and nulls, NaN for a null; None where a closer look is due."""
        values = None if self._is_derived else table(rows, len(self._fields))
        if values is None:
            return None
        absent = values.size - np.count_nonzero(np.abs(values) <= LARGEST)
        # A NaN that was no null, or an infinity.
        if absent and absent != sum(row.count(None) for row in rows):
            return None
        if self._cycle is not None and not are_cycles(values[:, self._cycle]).all():
            return None
        return values

    def _row(self, row: object, number: int) -> list[float]:
        try:
            values = self._parser.values(self._named(row))
            if self._cycle is not None:
                self._parser.cycle_of(values[self._cycle])
        except InvalidTelemetry as invalid:
            raise InvalidTelemetry(
                invalid.reason, f"message {number} of {ROWS}: {invalid.detail}", invalid.field
            ) from invalid
        return values

    def _named(self, row: object) -> object:
        if not isinstance(row, list):
            return row
        if len(row) != len(self._columns):
            raise InvalidTelemetry(
                Reason.MISSING_FIELD, f"it has {len(row)} values, expected {len(self._columns)}, one for each field"
            )
        return dict(zip(self._columns, row, strict=True))

    def _placed(self, engine: str, values: FloatArray) -> Window:
        if self._cycle is None:
            return Window(engine, 0, values, _ONLY)
        cycles = values[:, self._cycle].astype(np.int64)
        newest = int(cycles.max())
        places = cycles - newest + self._length - 1
        if len(places) > 1 and not (places[0] >= 0 and (np.diff(places) > 0).all()):
            last = {place: row for row, place in enumerate(places.tolist()) if place >= 0}
            places = np.array(sorted(last), dtype=np.int64)
            values = values[[last[place] for place in sorted(last)]]
        return Window(engine, newest, values, places)


_ONLY = np.zeros(1, dtype=np.int64)
_LISTS = {list}
_NUMBERS_AND_NULLS = {float, type(None)}


def _are_numbers(rows: list[Any]) -> bool:
    """Whether these are lists of nothing but numbers and nulls."""
    return set(map(type, rows)) == _LISTS and set(map(type, chain.from_iterable(rows))) <= _NUMBERS_AND_NULLS
