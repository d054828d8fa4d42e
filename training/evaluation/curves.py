"""How good curves are: what they say of every moment, against when engines failed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoring.model.curve import Curve
from training.data.dataset import Dataset
from training.evaluation.bootstrap import resampled

FloatArray = NDArray[np.float32]
DoubleArray = NDArray[np.float64]

YOUNG = (1, 25, 50, 100, 150, 200)
"""From which ages on, in cycles, figures are told."""

_ROWS = 2048
"""Rows at once: of each, some hundred moments are looked at."""


@dataclass(frozen=True)
class CurveFigures:
    """What curves reached on one data set; smaller is better.

    Attributes:
        crps: The continuous ranked probability score in cycles, mean over rows, true RUL not cut: the sum over all
            cycles of the squared difference of the chance to have failed by then, and whether it had (J. E. Matheson,
            R. L. Winkler, "Scoring rules for continuous probability distributions", Management Science 22(10), 1976).
            Of a certain prediction it is the absolute error.
        crps_95: Its 95% interval, by resampling engines.
        brier: The Brier score of having failed by a moment, mean over all cycles up to the cap and over rows (E. Graf,
            C. Schmoor, W. Sauerbrei, M. Schumacher, "Assessment and comparison of prognostic classification schemes for
            survival data", Statistics in Medicine 18, 1999; nobody is censored here).
        brier_95: Its 95% interval.
        crps_by_class: The mean of rows of each true class; None for a class without rows.
        crps_by_age: That of rows of engines from each age on to the next, in cycles.
    """

    crps: float
    crps_95: tuple[float, float]
    brier: float
    brier_95: tuple[float, float]
    crps_by_class: dict[str, float | None]
    crps_by_age: dict[str, float]


def curve_figures(survival: FloatArray, curve: Curve, data: Dataset, cap: float) -> CurveFigures:
    """Judge curves.

    Args:
        survival: float32 [rows, edges], how likely engines last longer than each edge.
        curve: What they are of.
        data: What was predicted, with the truth.
        cap: Up to which moment the Brier score looks, in cycles.
    """
    crps, brier = np.concatenate(list(_scores(survival, curve, data.rul, cap)), axis=1)
    labels, cycles = data.task.classes.of(data.rul), data.trajectories.cycles
    ages = [*YOUNG, np.inf]
    of_age = {f"{low}": (cycles >= low) & (cycles < high) for low, high in itertools.pairwise(ages)}
    engines = data.trajectories.units - 1
    return CurveFigures(
        crps=float(crps.mean()),
        crps_95=resampled(crps, engines),
        brier=float(brier.mean()),
        brier_95=resampled(brier, engines),
        crps_by_class={
            name: float(crps[labels == label].mean()) if (labels == label).any() else None
            for label, name in enumerate(data.task.classes.names)
        },
        crps_by_age={age: float(crps[rows].mean()) for age, rows in of_age.items() if rows.any()},
    )


def _scores(survival: FloatArray, curve: Curve, rul: NDArray[np.int64], cap: float) -> Iterator[DoubleArray]:
    """CRPS and Brier score of each row, float64 [2, rows], some rows at a time."""
    moments = np.arange(max(int(rul.max(initial=0)), int(curve.beyond[-1]), int(cap)) + 1)
    soon = moments <= cap
    for start in range(0, len(rul), _ROWS):
        rows = slice(start, start + _ROWS)
        failed = rul[rows, np.newaxis] <= moments
        squares = np.square(1.0 - curve.lasts(survival[rows], moments.tolist()) - failed)
        yield np.stack([squares.sum(axis=1), squares[:, soon].mean(axis=1)])
