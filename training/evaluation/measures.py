"""Measures of errors and of probabilities that the field uses."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

_CONFIDENCE_BINS = 10


def root_mean_square(errors: NDArray[np.float64]) -> float:
    """The root of the mean of squared errors, in their unit.

    Args:
        errors: float64 [rows].
    """
    return float(np.sqrt(np.mean(np.square(errors))))


def nasa_score(errors: NDArray[np.float64]) -> float:
    """The score of Saxena et al. 2008: a late prediction costs more than an early one.

    Args:
        errors: float64 [engines], predicted less true RUL, in cycles.
    """
    return float(np.sum(np.where(errors < 0, np.exp(-errors / 13), np.exp(errors / 10)) - 1))


def calibration_error(probabilities: FloatArray, labels: NDArray[np.int64]) -> float:
    """Expected calibration error of the most probable class (Guo et al. 2017), by 10 bins of equal width.

    Args:
        probabilities: float32 [rows, classes].
        labels: int64 [rows], the true class of each.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * _CONFIDENCE_BINS).astype(np.int64), _CONFIDENCE_BINS - 1)
    gaps = np.bincount(bins, right - confidence.astype(np.float64), minlength=_CONFIDENCE_BINS)
    return float(np.abs(gaps).sum() / len(labels))
