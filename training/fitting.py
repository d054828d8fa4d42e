"""Fitting: a recipe and engines that ran to failure in, a calibrated pipeline out."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from training.augmentation import disturbed_copies
from training.calibration import Calibration, sharpened, sharpness
from training.dataset import Dataset
from training.decision import alert_threshold
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
        probabilities: float32 [rows, classes] of cross-validation by engine: every row of the training data was
            predicted by a model that had not seen its engine.
        intervals: float32 [rows, 3], low, median and high RUL of the same, in cycles.
        figures: Of these predictions.
        alert: The probability of the first class from which on an alert is raised.
    """

    pipeline: Pipeline
    probabilities: FloatArray
    intervals: FloatArray
    figures: Figures
    alert: float


def fit(recipe: Recipe, data: Dataset, progress: Progress, jobs: int = 1) -> Fitted:
    """Fit a recipe's pipeline; calibrate it by cross-validation grouped by engine.

    The result does not depend on the number of processes.

    Args:
        recipe: How the model is made.
        data: Engines that ran to failure.
        progress: Is told what is being done.
        jobs: How many processes work at once.

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
    splits = GroupKFold(folds, shuffle=True, random_state=0).split(x, groups=data.trajectories.units)
    every = np.arange(len(x))
    # The last fit, on all engines, predicts nothing but serves.
    parts = [*splits, (every, every[:0])]
    probabilities = np.zeros((len(x), len(recipe.classes.names)), dtype=np.float32)
    median = np.zeros(len(x), dtype=np.float32)
    done = Parallel(n_jobs=jobs, return_as="generator")(
        delayed(fit_and_predict)(recipe.pipeline(), x, data.rul, known, unknown) for known, unknown in parts
    )
    pipeline = recipe.pipeline()
    for number, ((_, unknown), (fitted, *predicted)) in enumerate(zip(parts, done, strict=True), start=1):
        pipeline, (probabilities[unknown], median[unknown]) = fitted, predicted
        progress(f"{data.name}: fitted {number} of {len(parts)}")
    calibration = Calibration(sharpness(probabilities, labels), Intervals.fit(median, data.rul, recipe.share))
    pipeline.set_params(prognosis__calibration=calibration)
    probabilities = sharpened(probabilities, calibration.power)
    low, high = calibration.intervals.around(median)
    intervals = np.stack([low, median, high], axis=1)
    figures = evaluate(probabilities, intervals, data, recipe.classes, recipe.cap)
    threshold = alert_threshold(probabilities[:, 0], labels == 0)
    return Fitted(pipeline, probabilities, intervals, figures, threshold)


def fit_and_predict(
    pipeline: Pipeline, x: FloatArray, rul: NDArray[np.int64], known: NDArray[np.int64], unknown: NDArray[np.int64]
) -> tuple[Pipeline, FloatArray, FloatArray]:
    """Fit on the known rows and predict the unknown ones.

    Args:
        pipeline: WindowFeatures and Prognosis, not fitted.
        x: float32 [rows, W, fields], raw windows.
        rul: int64 [rows], true RUL in cycles, not cut.
        known: Indices of the rows to fit on.
        unknown: Indices of the rows to predict; may be none.

    Returns:
        The fitted pipeline; probabilities float32 [unknown, classes]; median RUL float32 [unknown], in cycles.
    """
    # One thread: sums in another order are other sums.
    with warnings.catch_warnings(), threadpool_limits(limits=1):
        # Networks stop after a few epochs on purpose: that regularises them.
        warnings.simplefilter("ignore", ConvergenceWarning)
        # A few short-lived engines have fewer rows than a batch.
        warnings.filterwarnings("ignore", "Got `batch_size` less than 1 or larger", UserWarning)
        rows, disturbed = disturbed_copies(x, known, pipeline[0].cycle)
        pipeline.fit(np.concatenate([x[known], disturbed]), rul[np.append(known, rows)])
        if not len(unknown):
            none = np.zeros(0, dtype=np.float32)
            return pipeline, np.zeros((0, len(pipeline[-1].classes.names)), dtype=np.float32), none
        features = pipeline[:-1].transform(x[unknown])
        return pipeline, pipeline[-1].predict_proba(features), pipeline[-1].predict_median(features)
