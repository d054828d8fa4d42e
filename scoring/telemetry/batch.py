"""Batches: the windows of one call of the model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from scoring.errors import InvalidTelemetry, Reason
from scoring.model.signature import FloatArray
from scoring.telemetry.history import Change, History, StaleCycle
from scoring.telemetry.items import Item
from scoring.telemetry.trajectory import Trajectory
from scoring.telemetry.window import Window

IntArray = npt.NDArray[np.int32]


class Batch:
    """What is scored in one call of the model.

    Attributes:
        engines: The engine of each window; "" where none is named.
        cycles: The newest cycle of each window.
        refused: By number, the records that are too old to be taken in; their windows are NaN.
        changes: By number, what a record has changed in the histories, in order.
        repeats: By number, the records that came before: what was answered to them, or the number of the earlier one.
        replaced: The numbers of those with which a new life of their engine began.
    """

    def __init__(self, room: FloatArray) -> None:
        """Begin a batch.

        Args:
            room: float32 [rows, W, fields] for the windows that are to come.
        """
        self.engines: list[str] = []
        self.cycles: list[int] = []
        self.refused: dict[int, InvalidTelemetry] = {}
        self.changes: dict[int, tuple[Change, ...]] = {}
        self.repeats: dict[int, FloatArray | int] = {}
        self.replaced: set[int] = set()
        self._numbers: dict[tuple[str, int], int] = {}
        self._room = room

    @property
    def windows(self) -> FloatArray:
        """float32 [rows, W, fields], what the model is to see."""
        return self._room[: len(self.engines)]

    @property
    def absent(self) -> IntArray:
        """How many of each window's values are not there."""
        windows = self.windows
        # Half the time of `count_nonzero` over the same axes.
        counts: IntArray = np.isnan(windows).reshape(len(windows), -1).sum(axis=1, dtype=np.int32)
        return counts

    def add(self, items: Sequence[Item], history: History) -> None:
        """Take records in, in their order, and make the windows that the model is to see."""
        for item in items:
            row = len(self.engines)
            if isinstance(item, Trajectory):
                self._room[row : row + len(item)] = item.values
                self.engines += [item.engine] * len(item)
                self.cycles += item.cycles
                continue
            self.engines.append(item.engine)
            self.cycles.append(item.cycle)
            window = self._room[row]
            if isinstance(item, Window):
                item.fill(window)
                continue
            try:
                placed = history.insert(item, window)
            except StaleCycle as stale:
                self.refused[row] = stale
                self.changes[row] = stale.changes
                window.fill(np.nan)
                continue
            self.changes[row] = placed.changes
            if placed.replaces:
                self.replaced.add(row)
            earlier = self._numbers.setdefault((item.engine, item.cycle), row)
            if placed.answer is not None:
                self.repeats[row] = placed.answer
            elif placed.repeats and earlier != row:
                self.repeats[row] = earlier
            else:
                self._numbers[item.engine, item.cycle] = row

    def unanswered(self, row: int) -> InvalidTelemetry:
        """Why there is no prediction where the model's answer is no number."""
        return InvalidTelemetry(
            Reason.SCORING_FAILED,
            f"the model answers {self.engines[row]}, cycle {self.cycles[row]}, with no number",
        )

    def part(self, start: int, end: int) -> Batch:
        """Some rows that follow each other."""
        part = Batch(self._room[start:end])
        part.engines = self.engines[start:end]
        part.cycles = self.cycles[start:end]
        part.refused = {row - start: invalid for row, invalid in self.refused.items() if start <= row < end}
        return part

    def repeat(self, packed: FloatArray) -> None:
        """Put what was answered before in place of what the model says now.

        Args:
            packed: The answers as `Predictions.packed` has them.
        """
        for row, answer in self.repeats.items():
            packed[row] = packed[answer] if isinstance(answer, int) else answer
