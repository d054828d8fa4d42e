"""Fitting: a recipe and engines that ran to failure in, a calibrated pipeline out."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from training.alert import alert_threshold
from training.calibration import Calibration, sharpened, sharpness
from training.dataset import Dataset
from training.errors import DataError
from training.evaluation import Figures, evaluate
from training.intervals import Intervals
from training.recipe import Recipe
from training.windows import FloatArray

Progress = Callable[[str], None]
"""Is told what is being done, in a few words."""


@dataclass(frozen=True)
class Fitted:
    """A fitted pipeline with what cross-validation says of it.

    Attributes:
        pipeline: WindowFeatures and Prognosis, fitted on all engines.
        figures: Of cross-validation by engine: every row was predicted by a model that had not seen its engine.
        alert: The probability of the first class from which on an alert is raised.
    """

    pipeline: Pipeline
    figures: Figures
    alert: float


def fit(recipe: Recipe, data: Dataset, progress: Progress) -> Fitted:
    """Fit a recipe's pipeline; calibrate it by cross-validation grouped by engine.

    Raises:
        DataError: There are too few engines, or all rows are of one class.
    """
    x = data.windows()
    labels = recipe.classes.of(data.rul)
    folds = min(recipe.folds, data.trajectories.engines)
    if folds < 2 or len(np.unique(labels)) < 2:
        raise DataError(
            f"{data.name} has {data.trajectories.engines} engines and RUL from 0 to {data.rul.max()}: "
            "training needs at least 2 engines and rows of at least 2 classes"
        )
    pipeline = recipe.pipeline()
    probabilities, median = _out_of_fold(pipeline, x, data, folds, progress)
    power = sharpness(probabilities, labels)
    intervals = Intervals.fit(median, data.rul, recipe.share)
    probabilities = sharpened(probabilities, power)
    low, high = intervals.around(median)
    figures = evaluate(probabilities, np.stack([low, median, high], axis=1), data, recipe.classes, recipe.cap)
    progress("fitting on all engines")
    pipeline.set_params(prognosis__calibration=Calibration(power, intervals))
    _fit_quietly(pipeline, x, data.rul)
    return Fitted(pipeline, figures, alert_threshold(probabilities[:, 0], labels == 0))


def _out_of_fold(
    pipeline: Pipeline, x: FloatArray, data: Dataset, folds: int, progress: Progress
) -> tuple[FloatArray, FloatArray]:
    """Probabilities and median of every row, from models that had not seen its engine."""
    probabilities = np.zeros((len(x), len(pipeline[-1].classes.names)), dtype=np.float32)
    median = np.zeros(len(x), dtype=np.float32)
    splits = GroupKFold(folds, shuffle=True, random_state=0).split(x, groups=data.trajectories.units)
    for number, (known, unknown) in enumerate(splits, start=1):
        progress(f"cross-validation, fold {number} of {folds}")
        fold = _fit_quietly(clone(pipeline), x[known], data.rul[known])
        features = fold[:-1].transform(x[unknown])
        probabilities[unknown] = fold[-1].predict_proba(features)
        median[unknown] = fold[-1].predict_median(features)
    return probabilities, median


def _fit_quietly(pipeline: Pipeline, x: FloatArray, rul: NDArray[np.int64]) -> Pipeline:
    with warnings.catch_warnings(), threadpool_limits(limits=1):
        # Networks stop after a few epochs on purpose: that regularises them.
        warnings.simplefilter("ignore", ConvergenceWarning)
        # A few short-lived engines have fewer rows than a batch.
        warnings.filterwarnings("ignore", "Got `batch_size` less than 1 or larger", UserWarning)
        return pipeline.fit(x, rul)
