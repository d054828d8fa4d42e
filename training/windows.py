"""Windows: what a device knows of an engine after each of its cycles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scoring.cmapss import Trajectories

FloatArray = NDArray[np.float32]


def windows(trajectories: Trajectories, length: int) -> FloatArray:
    """The last `length` cycles of an engine as they were after each row.

    Args:
        trajectories: The cycles of several engines.
        length: How many cycles a window holds (W).

    Returns:
        float32 [rows, length, fields], oldest cycle first; the slots before an engine's first cycle are NaN.
    """
    rows, fields = trajectories.values.shape
    out = np.full((rows, length, fields), np.nan, dtype=np.float32)
    values = trajectories.values.astype(np.float32)
    for age in range(min(length, int(trajectories.cycles.max(initial=0)))):
        old_enough = np.flatnonzero(trajectories.cycles > age)
        out[old_enough, length - 1 - age] = values[old_enough - age]
    return out
