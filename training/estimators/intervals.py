"""Intervals that hold the true RUL in a given share of cases, read from an engine's curve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.estimators.grades import Grades

DoubleArray = NDArray[np.float64]

_MAX_BINS = 12
_ROWS_PER_BIN = 50
_CLOSEST = 0.5


@dataclass(frozen=True)
class Intervals:
    """Low and high as two quantiles of an engine's curve, moved by a piecewise linear function of its mean.

    By how much comes of what the quantiles missed for engines that the predicting model had not seen: conformalised
    quantile regression (Y. Romano, E. Patterson, E. Candes, "Conformalized quantile regression", NeurIPS 2019), each
    end on its own, in the Mondrian form by the size of the prediction (V. Vovk, A. Gammerman, G. Shafer, "Algorithmic
    Learning in a Random World", 2005, chapter 4), made continuous. The true RUL is not cut, nor are curve and ends.

    Attributes:
        share: The share of true RULs to hold, such as 0.8.
        knots: float64 [knots], means of curves, rising, in cycles.
        low: float64 [knots], by how much the low quantile is moved at each knot, in cycles.
        high: float64 [knots], by how much the high one is.
    """

    share: float
    knots: DoubleArray
    low: DoubleArray
    high: DoubleArray

    @property
    def below(self) -> float:
        """The level of the low quantile."""
        return (1 - self.share) / 2

    @property
    def above(self) -> float:
        """The level of the high quantile."""
        return (1 + self.share) / 2

    @classmethod
    def fit(cls, grades: Grades, chances: DoubleArray, rul: NDArray[np.int64], share: float) -> Intervals:
        """Learn intervals from chances for engines that the predicting model had not seen.

        Args:
            grades: What the chances are of.
            chances: float64 [rows, grades], calibrated.
            rul: int64 [rows], true RUL in cycles, not cut.
            share: The share of true RULs to hold.
        """
        empty = np.zeros(0)
        found = cls(share, empty, empty, empty)
        mean = grades.mean(chances)
        missed = [(rul - grades.quantile(chances, level), level) for level in (found.below, found.above)]
        bins = max(1, min(_MAX_BINS, len(mean) // _ROWS_PER_BIN))
        parts = np.array_split(np.argsort(mean, kind="stable"), bins)
        knots = np.array([mean[rows].mean() for rows in parts])
        low, high = (np.array([np.quantile(by[rows], level) for rows in parts]) for by, level in missed)
        # A step between two knots that lie too close would turn a prediction's last bits into cycles.
        kept = [0]
        for each in range(1, bins):
            if knots[each] - knots[kept[-1]] >= _CLOSEST:
                kept.append(each)
        return cls(share, knots[kept], low[kept], high[kept])

    def around(self, grades: Grades, chances: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
        """Low and high, float64 [rows] each, in cycles; low is not below 0.

        Args:
            grades: What the chances are of.
            chances: float64 [rows, grades], calibrated.
        """
        mean = grades.mean(chances)
        low = grades.quantile(chances, self.below) + np.interp(mean, self.knots, self.low)
        high = grades.quantile(chances, self.above) + np.interp(mean, self.knots, self.high)
        return np.maximum(low, 0.0), high
