"""Windows: what a device knows of an engine after each of its cycles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scoring.wire.cmapss import Trajectories

FloatArray = NDArray[np.float32]


def windows(trajectories: Trajectories, length: int, rows: NDArray[np.int64] | None = None) -> FloatArray:
    """The last `length` cycles of an engine as they were after each row.

    Args:
        trajectories: The cycles of several engines.
        length: How many cycles a window holds (W).
        rows: After which rows, int64 [rows]; None: after each.

    Returns:
        float32 [rows, length, fields], oldest cycle first; the slots before an engine's first cycle are NaN.
    """
    rows = np.arange(len(trajectories)) if rows is None else rows
    values, cycles = trajectories.values.astype(np.float32), trajectories.cycles[rows]
    out = np.full((len(rows), length, values.shape[1]), np.nan, dtype=np.float32)
    for age in range(min(length, int(cycles.max(initial=0)))):
        old_enough = np.flatnonzero(cycles > age)
        out[old_enough, length - 1 - age] = values[rows[old_enough] - age]
    return out
