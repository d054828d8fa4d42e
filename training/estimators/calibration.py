"""Probabilities that mean what they say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar  # type: ignore[import-untyped]

from training.estimators.intervals import Intervals

FloatArray = NDArray[np.float32]

SMALLEST = 1e-6
"""Probabilities are kept this far from 0 before they are raised to a power."""


@dataclass(frozen=True)
class Calibration:
    """What cross-validation adds to averaged estimators.

    Attributes:
        power: To which probabilities are raised.
        intervals: Low and high around the median.
    """

    power: float
    intervals: Intervals


def sharpness(probabilities: FloatArray, labels: NDArray[np.int64]) -> float:
    """The power that calibrates probabilities best, by the log loss.

    Raising to a power and dividing by the sum is temperature scaling, the power being the inverse temperature (C. Guo,
    G. Pleiss, Y. Sun, K. Weinberger, "On calibration of modern neural networks", ICML 2017).

    Args:
        probabilities: float32 [rows, classes], for engines that the predicting model had not seen.
        labels: int64 [rows], the true classes.
    """
    logs = np.log(np.maximum(probabilities, SMALLEST).astype(np.float64))
    rows = np.arange(len(labels))

    def loss(power: float) -> float:
        scaled = power * logs
        return float(np.mean(np.logaddexp.reduce(scaled, axis=1) - scaled[rows, labels]))

    return round(float(minimize_scalar(loss, bounds=(0.25, 4.0), method="bounded").x), 3)


def sharpened(probabilities: FloatArray, power: float) -> FloatArray:
    """Probabilities float32 [rows, classes] raised to a power, with sum 1 again.

    Args:
        probabilities: float32 [rows, classes].
        power: Above 1, they become more certain.
    """
    raised = np.maximum(probabilities, np.float32(SMALLEST)) ** np.float32(power)
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), dtype=np.float32)
