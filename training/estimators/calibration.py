"""Chances that mean what they say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar  # type: ignore[import-untyped]

from training.estimators.grades import sharpened
from training.estimators.intervals import Intervals

DoubleArray = NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """What cross-validation adds to averaged estimators.

    Attributes:
        power: To which chances of grades are raised.
        intervals: Low and high RUL, read from the chances.
    """

    power: float
    intervals: Intervals


def sharpness(chances: DoubleArray, places: DoubleArray, labels: NDArray[np.int64]) -> float:
    """The power that calibrates the classes' probabilities best, by the log loss.

    Raising to a power and dividing by the sum is temperature scaling, the power being the inverse temperature (C. Guo,
    G. Pleiss, Y. Sun, K. Weinberger, "On calibration of modern neural networks", ICML 2017).

    Args:
        chances: float64 [rows, grades], for engines that the predicting model had not seen.
        places: float64 [grades, classes], 1 where a grade is of a class.
        labels: int64 [rows], the true classes.
    """
    right = places[:, labels].T

    def loss(power: float) -> float:
        return float(-np.mean(np.log((sharpened(chances, power) * right).sum(axis=1))))

    return round(float(minimize_scalar(loss, bounds=(0.25, 4.0), method="bounded").x), 3)
