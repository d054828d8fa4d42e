"""How good predictions are, in the measures that the field uses."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, f1_score

from scoring.model.curve import Curve
from scoring.model.outputs import Outputs
from training.data.dataset import Dataset
from training.data.labels import Classes
from training.evaluation.curves import CurveFigures, curve_figures
from training.evaluation.measures import calibration_error, nasa_score, root_mean_square

_NEAR = 50
WELL_HELD = 0.7
"""An engine is held if so many of its rows are."""


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
        engines_held: Share of engines of which at least 70% of the rows are held.
        width: Mean width of low..high, in cycles.
        class_f1: F1 of each class.
        curve: What the model's curves reached; None for a model without.
        mode_f1: Macro-F1 of the most probable failure mode over the last 50 cycles of engines whose mode is known; None
            where none is, or the model tells none.
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
    engines_held: float
    width: float
    class_f1: dict[str, float]
    curve: CurveFigures | None
    mode_f1: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """The figures as plain numbers, rounded to 4 digits so that they compare across machines."""
        # As files of before it was known.
        told = {key: value for key, value in asdict(self).items() if key != "mode_f1" or value is not None}
        return {key: _rounded(value) for key, value in told.items()}


def evaluate(said: Outputs, data: Dataset, classes: Classes, cap: float, curve: Curve | None) -> Figures:
    """Figures of predictions against the truth.

    Args:
        said: What a model says of each row.
        data: What was predicted, with the truth.
        classes: The RUL classes.
        cap: Where the truth is cut for errors of the median, in cycles.
        curve: What the outputs `survival` are of; None: there are none.
    """
    rul, last = data.rul, data.last
    truth, labels, found = np.minimum(rul, cap), classes.of(rul), said.probabilities.argmax(axis=1)
    low, median, high = said.rul.astype(np.float64).T
    cut_off = bool(rul[last].any())
    covered = (low <= rul) & (rul <= high)
    held = np.bincount(data.trajectories.units - 1, covered) / data.trajectories.lengths
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
        calibration_error=calibration_error(said.probabilities, labels),
        coverage=float(covered.mean()),
        coverage_by_class=by_class,
        engines_held=float(np.mean(held >= WELL_HELD)),
        width=float(np.mean(high - low)),
        class_f1={name: float(value) for name, value in zip(classes.names, f1, strict=True)},
        curve=None if curve is None else curve_figures(said.survival, curve, data, cap),
        mode_f1=_mode_f1(said, data),
    )


def _mode_f1(said: Outputs, data: Dataset) -> float | None:
    if not said.modes.shape[1] or not data.mode_names:
        return None
    engines = np.array([data.mode_names.index(each) if each else -1 for each in data.modes])
    modes = engines[data.trajectories.units - 1]
    rows = (modes >= 0) & (data.rul < _NEAR)
    return float(f1_score(modes[rows], said.modes[rows].argmax(axis=1), average="macro", zero_division=0.0))


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return [_rounded(each) for each in value]
    return round(value, 4) if isinstance(value, float) else value
