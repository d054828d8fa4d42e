"""How good predictions are, in the measures that the field uses."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, f1_score

from training.data.dataset import Dataset
from training.data.labels import Classes

FloatArray = NDArray[np.float32]

_CONFIDENCE_BINS = 10


@dataclass(frozen=True)
class Figures:
    """What a model reached on one data set.

    Attributes:
        rows: Rows that were scored; one is one cycle of one engine.
        engines: Engines that were scored.
        accuracy: Share of rows whose most probable class is the true one.
        macro_f1: F1 of the classes, averaged without weights, over all rows.
        rmse: Root mean square error of the median RUL over all rows, truth cut at the cap, in cycles.
        rmse_last: The same over each engine's last row, as the literature reports it; None if all have failed there.
        nasa_score_last: Sum over engines of the PHM08 score at the last row, truth cut at the cap; late costs more.
            None as above.
        calibration_error: Expected calibration error of the most probable class, 10 bins.
        coverage: Share of rows whose true RUL (not cut) lies within low..high.
        coverage_by_class: The same by true class; None for a class without rows.
        class_f1: F1 of each class.
    """

    rows: int
    engines: int
    accuracy: float
    macro_f1: float
    rmse: float
    rmse_last: float | None
    nasa_score_last: float | None
    calibration_error: float
    coverage: float
    coverage_by_class: dict[str, float | None]
    class_f1: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        """The figures as plain numbers, rounded to 4 digits so that they compare across machines."""
        return {key: _rounded(value) for key, value in asdict(self).items()}


def evaluate(probabilities: FloatArray, intervals: FloatArray, data: Dataset, classes: Classes, cap: float) -> Figures:
    """Figures of predictions against the truth.

    Args:
        probabilities: float32 [rows, classes].
        intervals: float32 [rows, 3], low, median and high RUL in cycles.
        data: What was predicted, with the truth.
        classes: The RUL classes.
        cap: Where the truth is cut for errors of the median, in cycles.
    """
    rul, last = data.rul, data.last
    truth, labels, found = np.minimum(rul, cap), classes.of(rul), probabilities.argmax(axis=1)
    low, median, high = intervals.astype(np.float64).T
    cut_off = bool(rul[last].any())
    covered = (low <= rul) & (rul <= high)
    every = list(range(len(classes.names)))
    by_class = {
        name: float(covered[labels == index].mean()) if (labels == index).any() else None
        for index, name in enumerate(classes.names)
    }
    f1 = f1_score(labels, found, labels=every, average=None, zero_division=0.0)
    return Figures(
        rows=len(rul),
        engines=len(last),
        accuracy=float(accuracy_score(labels, found)),
        macro_f1=float(f1_score(labels, found, average="macro", zero_division=0.0)),
        rmse=root_mean_square(median - truth),
        rmse_last=root_mean_square((median - truth)[last]) if cut_off else None,
        nasa_score_last=nasa_score((median - truth)[last]) if cut_off else None,
        calibration_error=calibration_error(probabilities, labels),
        coverage=float(covered.mean()),
        coverage_by_class=by_class,
        class_f1={name: float(value) for name, value in zip(classes.names, f1, strict=True)},
    )


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


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return round(value, 4) if isinstance(value, float) else value
