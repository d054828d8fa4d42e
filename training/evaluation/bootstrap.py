"""How far figures would vary with other engines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scoring.model.outputs import Outputs
from training.data.dataset import Dataset
from training.data.labels import Classes
from training.evaluation.measures import nasa_score, root_mean_square

ROUNDS = 1000
_TAIL = 2.5


def engine_intervals(said: Outputs, data: Dataset, classes: Classes, cap: float) -> dict[str, tuple[float, float]]:
    """95% intervals of figures by resampling engines, whose rows are not independent.

    B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 8 (clusters resampled whole), 1000
    rounds, percentiles.

    Args:
        said: What a model says of each row.
        data: What was predicted, with the truth.
        classes: The RUL classes.
        cap: Where the truth is cut for errors of the median, in cycles.

    Returns:
        Low and high of `accuracy`, `macro_f1`, `rmse_last`, `nasa_score_last`, `coverage`, and `coverage NAME` of each
        class that has rows.
    """
    engines, count = data.trajectories.engines, len(classes.names)
    labels = classes.of(data.rul)
    confusion = np.zeros((engines, count, count))
    np.add.at(confusion, (data.trajectories.units - 1, labels, said.probabilities.argmax(axis=1)), 1)
    errors = (said.rul[data.last, 1] - np.minimum(data.rul[data.last], cap)).astype(np.float64)
    drawn = np.random.default_rng(0).integers(engines, size=(ROUNDS, engines))
    figures: dict[str, list[float]] = {"accuracy": [], "macro_f1": [], "rmse_last": [], "nasa_score_last": []}
    for engine in drawn:
        total = confusion[engine].sum(axis=0)
        figures["accuracy"].append(float(np.trace(total) / total.sum()))
        figures["macro_f1"].append(_macro_f1(total))
        figures["rmse_last"].append(root_mean_square(errors[engine]))
        figures["nasa_score_last"].append(nasa_score(errors[engine]))
    ends = {name: np.percentile(values, [_TAIL, 100 - _TAIL]) for name, values in figures.items()}
    found = {name: (round(float(low), 4), round(float(high), 4)) for name, (low, high) in ends.items()}
    held = ((said.rul[:, 0] <= data.rul) & (data.rul <= said.rul[:, 2])).astype(np.float64)
    found["coverage"] = resampled(held, data.trajectories.units - 1)
    for label, name in enumerate(classes.names):
        rows = labels == label
        if rows.any():
            found[f"coverage {name}"] = resampled(held[rows], data.trajectories.units[rows] - 1)
    return found


def resampled(scores: NDArray[np.float64], engines: NDArray[np.int64]) -> tuple[float, float]:
    """The 95% interval of the mean of rows' scores, by resampling engines as above.

    Args:
        scores: float64 [rows].
        engines: int64 [rows], whose each is, from 0.
    """
    sums, counts = np.bincount(engines, scores), np.bincount(engines)
    drawn = np.random.default_rng(0).integers(len(counts), size=(ROUNDS, len(counts)))
    rows = counts[drawn].sum(axis=1)
    # Engines that have no such row may be all that is drawn.
    means = sums[drawn].sum(axis=1)[rows > 0] / rows[rows > 0]
    low, high = np.percentile(means, [_TAIL, 100 - _TAIL])
    return round(float(low), 4), round(float(high), 4)


def _macro_f1(confusion: NDArray[np.float64]) -> float:
    occurring = confusion.sum(axis=0) + confusion.sum(axis=1)
    seen = occurring > 0
    return float(np.mean(2 * np.diag(confusion)[seen] / occurring[seen]))
