"""Trajectories: an engine's messages in one piece, each of which is scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scoring.signature import FloatArray
from scoring.window import Window


@dataclass(frozen=True, slots=True)
class Trajectory:
    """What one engine went through, or for a model that counts no cycles any table of rows.

    Attributes:
        windows: In the order of cycles, the window that ends with each.
    """

    windows: Sequence[Window]

    @classmethod
    def of(cls, engine: str, values: FloatArray, cycles: npt.NDArray[np.int64], length: int) -> Trajectory:
        """The trajectory of messages in any order; of two of one cycle the later one counts.

        Args:
            engine: The engine's id; "" where none is named.
            values: float32 [rows, fields].
            cycles: int64 [rows].
            length: Cycles in a window (W).
        """
        if (np.diff(cycles) <= 0).any():
            order = np.argsort(cycles, kind="stable")
            counted = order[np.append(np.diff(cycles[order]) > 0, True)]
            values, cycles = values[counted], cycles[counted]
        starts = np.searchsorted(cycles, cycles - length, side="right").tolist()
        all_places = np.arange(length)
        windows = []
        for end, (start, cycle) in enumerate(zip(starts, cycles.tolist(), strict=True), start=1):
            is_full = end - start == length
            places = all_places if is_full else cycles[start:end] - (cycle - length + 1)
            windows.append(Window(engine, cycle, values[start:end], places))
        return cls(windows)
