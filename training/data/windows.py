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
        float32 [rows, length, fields], oldest cycle first; the slots before an engine's first cycle, and of a gap,
        are NaN.
    """
    rows = np.arange(len(trajectories)) if rows is None else rows
    values, cycles = trajectories.values.astype(np.float32), trajectories.cycles[rows]
    out = np.full((len(rows), length, values.shape[1]), np.nan, dtype=np.float32)
    # How many rows of the same engine stand before each.
    before = rows - (np.cumsum(trajectories.lengths) - trajectories.lengths)[trajectories.units[rows] - 1]
    for back in range(min(length, int(before.max(initial=-1)) + 1)):
        found = np.flatnonzero(before >= back)
        ages = cycles[found] - trajectories.cycles[rows[found] - back]
        near = ages < length
        found = found[near]
        out[found, length - 1 - ages[near]] = values[rows[found] - back]
    return out
