"""Intervals around a predicted RUL that hold the true one in a given share of cases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

_MAX_BINS = 12
_ROWS_PER_BIN = 50
_CLOSEST = 0.5


@dataclass(frozen=True)
class Intervals:
    """Low and high as piecewise linear functions of the predicted median.

    They come from the quantiles of what was missed (true RUL less prediction) for engines that the predicting model
    had not seen, by the size of the prediction: split conformal prediction in its Mondrian form (V. Vovk,
    A. Gammerman, G. Shafer, "Algorithmic Learning in a Random World", 2005, chapter 4), made continuous. The true RUL
    is not cut: the median ends at the cap, the interval's high end does not.

    Attributes:
        share: The share of true RULs to hold, such as 0.8.
        knots: float32 [knots], predicted medians, rising.
        low: float32 [knots], what the interval's low end is off the median at each knot, in cycles, not above 0.
        high: float32 [knots], what its high end is off the median, not below 0.
    """

    share: float
    knots: FloatArray
    low: FloatArray
    high: FloatArray

    @classmethod
    def fit(cls, median: FloatArray, rul: NDArray[np.int64], share: float) -> Intervals:
        """Learn intervals from predictions for engines that the predicting model had not seen.

        Args:
            median: float32 [rows], predicted RUL in cycles.
            rul: int64 [rows], true RUL in cycles, not cut.
            share: The share of true RULs to hold.
        """
        bins = max(1, min(_MAX_BINS, len(median) // _ROWS_PER_BIN))
        order = np.argsort(median, kind="stable")
        ends = [_ends(median[rows], rul[rows], share) for rows in np.array_split(order, bins)]
        knots, low, high = np.asarray(ends, dtype=np.float32).T
        # Many healthy engines share nearly the same prediction; a step between two knots that lie too close would turn
        # its last bits into cycles.
        kept = [0]
        for each in range(1, bins):
            if knots[each] - knots[kept[-1]] >= _CLOSEST:
                kept.append(each)
        return cls(share, knots[kept], low[kept], high[kept])

    def around(self, median: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Low and high, float32 [rows] each, in cycles from 0 up; the median lies between them.

        Args:
            median: float32 [rows], in cycles.
        """
        low = median + np.interp(median, self.knots, self.low).astype(np.float32)
        high = median + np.interp(median, self.knots, self.high).astype(np.float32)
        return np.maximum(low, np.float32(0)), high


def _ends(median: FloatArray, rul: NDArray[np.int64], share: float) -> tuple[float, float, float]:
    missed = rul - median
    # Where nearly all engines outlast the prediction, it is the low end, and what may lie outside lies above.
    below = min((1 - share) / 2, float(np.mean(missed < 0)))
    low, high = np.quantile(missed, [below, min(1.0, below + share)])
    return float(median.mean()), min(0.0, float(low)), max(0.0, float(high))
