"""How far figures would vary with other engines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.data.dataset import Dataset
from training.data.labels import Classes
from training.evaluation.figures import nasa_score, root_mean_square

FloatArray = NDArray[np.float32]

ROUNDS = 1000
_TAIL = 2.5


def engine_intervals(
    probabilities: FloatArray, intervals: FloatArray, data: Dataset, classes: Classes, cap: float
) -> dict[str, tuple[float, float]]:
    """95% intervals of figures by resampling engines, whose rows are not independent.

    B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 8 (clusters resampled whole), 1000
    rounds, percentiles.

    Args:
        probabilities: float32 [rows, classes].
        intervals: float32 [rows, 3], low, median and high RUL in cycles.
        data: What was predicted, with the truth.
        classes: The RUL classes.
        cap: Where the truth is cut for errors of the median, in cycles.

    Returns:
        Low and high of `accuracy`, `macro_f1`, `rmse_last` and `nasa_score_last`.
    """
    engines, count = data.trajectories.engines, len(classes.names)
    confusion = np.zeros((engines, count, count))
    np.add.at(confusion, (data.trajectories.units - 1, classes.of(data.rul), probabilities.argmax(axis=1)), 1)
    errors = (intervals[data.last, 1] - np.minimum(data.rul[data.last], cap)).astype(np.float64)
    drawn = np.random.default_rng(0).integers(engines, size=(ROUNDS, engines))
    figures: dict[str, list[float]] = {"accuracy": [], "macro_f1": [], "rmse_last": [], "nasa_score_last": []}
    for engine in drawn:
        total = confusion[engine].sum(axis=0)
        figures["accuracy"].append(float(np.trace(total) / total.sum()))
        figures["macro_f1"].append(_macro_f1(total))
        figures["rmse_last"].append(root_mean_square(errors[engine]))
        figures["nasa_score_last"].append(nasa_score(errors[engine]))
    ends = {name: np.percentile(values, [_TAIL, 100 - _TAIL]) for name, values in figures.items()}
    return {name: (round(float(low), 4), round(float(high), 4)) for name, (low, high) in ends.items()}


def _macro_f1(confusion: NDArray[np.float64]) -> float:
    occurring = confusion.sum(axis=0) + confusion.sum(axis=1)
    seen = occurring > 0
    return float(np.mean(2 * np.diag(confusion)[seen] / occurring[seen]))
