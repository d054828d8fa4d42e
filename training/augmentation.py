"""Windows as they are when not all goes well, for a model to learn from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.windows import FloatArray

SHARE = 0.05
"""Disturbed copies, as a share of the rows."""

_LONGEST_GAP = 15


def disturbed_copies(x: FloatArray, known: NDArray[np.int64], cycle: int) -> tuple[NDArray[np.int64], FloatArray]:
    """Copies of some windows of which a part is missing.

    Half have forgotten what was before their last messages, as a device that starts to watch an engine in mid-life; a
    quarter have a gap; a quarter have a silent field and scattered holes. The newest message always stays.

    Args:
        x: float32 [rows, W, fields], raw windows.
        known: The rows to choose from.
        cycle: Column of the cycle.

    Returns:
        Which rows were chosen, int64 [copies], and the copies, float32 [copies, W, fields].
    """
    rng = np.random.default_rng(0)
    rows = rng.choice(known, size=int(SHARE * len(known)), replace=False)
    copies = x[rows]
    window, fields = x.shape[1:]
    half, three_quarters = len(rows) // 2, 3 * len(rows) // 4
    for copy, seen in zip(copies[:half], rng.integers(1, window, half), strict=True):
        copy[: window - seen] = np.nan
    for copy in copies[half:three_quarters]:
        length = int(rng.integers(1, min(_LONGEST_GAP, window - 1) + 1))
        start = int(rng.integers(0, window - length))
        copy[start : start + length] = np.nan
    others = [each for each in range(fields) if each != cycle]
    for copy in copies[three_quarters:]:
        copy[:, rng.choice(others)] = np.nan
        holes = rng.random(copy.shape) < rng.uniform(0, 0.2)
        holes[:, cycle] = False
        copy[holes] = np.nan
    return rows, copies
