"""Trajectories: an engine's messages in one piece, each of which is scored."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import repeat

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from scoring.model.signature import FloatArray
from scoring.telemetry.window import Window


@dataclass(frozen=True, slots=True)
class Trajectory:
    """What one engine went through, or for a model that counts no cycles any table of rows.

    Attributes:
        engine: The engine's id; "" where none is named.
        cycles: In their order.
        values: float32 [cycles, W, fields], the window that ends with each, NaN where there is no message or value.
    """

    engine: str
    cycles: list[int]
    values: FloatArray

    @classmethod
    def of(cls, engine: str, values: FloatArray, cycles: npt.NDArray[np.int64], length: int) -> Trajectory:
        """The trajectory of messages in any order; of two of one cycle the later one counts.

        Args:
            engine: The engine's id; "" where none is named.
            values: float32 [rows, fields].
            cycles: int64 [rows].
            length: Cycles in a window (W).
        """
        steps = np.diff(cycles)
        if (steps <= 0).any():
            order = np.argsort(cycles, kind="stable")
            counted = order[np.append(np.diff(cycles[order]) > 0, True)]
            values, cycles = values[counted], cycles[counted]
            steps = np.diff(cycles)
        # What is W cycles or more apart is in no window together, however far it is.
        places = np.append(0, np.minimum(steps, length).cumsum())
        rows = np.full((length + places[-1], values.shape[1]), np.nan, dtype=np.float32)
        rows[places + length - 1] = values
        windows = sliding_window_view(rows, length, axis=0).swapaxes(1, 2)
        is_unbroken = len(windows) == len(cycles)
        return cls(engine, cycles.tolist(), windows if is_unbroken else windows[places])

    def __len__(self) -> int:
        return len(self.cycles)

    @property
    def windows(self) -> list[Window]:
        """The window that ends with each cycle."""
        places = np.arange(self.values.shape[1])
        return list(map(Window, repeat(self.engine), self.cycles, self.values, repeat(places)))
