"""Fitting: a recipe and engines that ran to failure in, a calibrated pipeline out."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from training.data.dataset import Dataset
from training.data.windows import FloatArray
from training.errors import DataError
from training.estimators.calibration import Calibration, sharpened, sharpness
from training.estimators.intervals import Intervals
from training.estimators.recipe import Recipe
from training.evaluation.alerts import alert_threshold
from training.evaluation.figures import Figures, evaluate, root_mean_square
from training.fitting.drawing import Cut, drawn
from training.fitting.tearing import torn_copies
from training.progress import Tell


@dataclass(frozen=True)
class Fitted:
    """A fitted pipeline with what cross-validation says of it.

    Attributes:
        pipeline: WindowFeatures and Experts, fitted on all engines.
        probabilities: float32 [rows, classes] of cross-validation by engine: every row of the training data was
            predicted by a model that had not seen its engine.
        intervals: float32 [rows, 3], low, median and high RUL of the same, in cycles.
        figures: Of these predictions.
        torn: Of the same for windows from which messages are missing: accuracy, coverage and RMSE.
        alert: The probability of the first class from which on an alert is raised.
        unfailed: How many engines that have not failed were learned from; nothing of the above is of them.
    """

    pipeline: Pipeline
    probabilities: FloatArray
    intervals: FloatArray
    figures: Figures
    torn: dict[str, float]
    alert: float
    unfailed: int = 0


def fit(recipe: Recipe, data: Dataset, progress: Tell, jobs: int = 1) -> Fitted:
    """Fit a recipe's pipeline; calibrate it by cross-validation grouped by engine.

    The result does not depend on the number of processes. Engines that have not failed are learned from, each member of
    the model with a life of its own for them (`drawing`); probabilities, intervals, threshold and figures are those of
    engines that failed.

    Args:
        recipe: How the model is made.
        data: Engines, and how they ended.
        progress: Is told what is being done.
        jobs: How many processes work at once.

    Raises:
        DataError: There are too few engines, or all rows are of one class.
    """
    given, data = data, data.of(data.failed)
    task = data.task
    rows, labels = len(data.rul), task.classes.of(data.rul)
    if min(recipe.folds, data.trajectories.engines) < 2 or len(np.unique(labels)) < 2:
        raise DataError(
            f"{data.name} has {data.trajectories.engines} engines that failed and RUL from 0 to "
            f"{data.rul.max(initial=0)}: training needs at least 2 of them and rows of at least 2 classes"
        )
    with TemporaryDirectory() as folder:
        x, source, cut = _with_torn_copies(data, given.of(~given.failed), Path(folder) / "windows")
        labels, rul = labels[source], data.rul[source]
        units = data.trajectories.units[source]
        pipeline, probabilities, median = _cross_validated(recipe, data, x, rul, units, cut, progress, jobs)
        whole = pipeline[-1].are_whole(pipeline[0].counts(x[: len(source)]))
    low, high = median.copy(), median.copy()
    for kind, those in (("whole", whole), ("torn", ~whole)):
        power = sharpness(probabilities[those], labels[those])
        calibration = Calibration(power, Intervals.fit(median[those], rul[those], recipe.share))
        pipeline.set_params(**{f"prognosis__{kind}__calibration": calibration})
        probabilities[those] = sharpened(probabilities[those], power)
        low[those], high[those] = calibration.intervals.around(median[those])
    intervals = np.stack([low, median, high], axis=1)
    torn = {
        "accuracy": float(np.mean(probabilities[rows:].argmax(axis=1) == labels[rows:])),
        "coverage": float(np.mean((low[rows:] <= rul[rows:]) & (rul[rows:] <= high[rows:]))),
        "rmse": root_mean_square(median[rows:].astype(np.float64) - np.minimum(rul[rows:], task.cap)),
    }
    probabilities, intervals = probabilities[:rows], intervals[:rows]
    figures = evaluate(probabilities, intervals, data, task.classes, task.cap)
    threshold = alert_threshold(probabilities[:, 0], labels[:rows] == 0)
    unfailed = 0 if cut is None else len(cut.last)
    return Fitted(pipeline, probabilities, intervals, figures, torn, threshold, unfailed)


def _with_torn_copies(data: Dataset, unfailed: Dataset, path: Path) -> tuple[FloatArray, NDArray[np.int64], Cut | None]:
    """All windows and torn copies of some, in a file that processes share instead of a copy each.

    Returns:
        float32 [windows and copies, W, fields], those of engines that have not failed behind all others; the row that
        each of the others comes from; and which are of engines that have not failed, if any are.
    """
    column = data.task.cycle_column
    parts = []
    for each in (data, unfailed):
        windows = each.windows()
        rows, copies = torn_copies(windows, column) if len(windows) else (np.zeros(0, dtype=np.int64), windows)
        parts += [(windows, np.arange(len(windows))), (copies, rows)]
    x = np.memmap(path, np.float32, "w+", shape=(sum(len(part) for part, _ in parts), *parts[0][0].shape[1:]))
    np.concatenate([part for part, _ in parts], out=x)
    source = np.append(parts[0][1], parts[1][1])
    if not len(unfailed.rul):
        return x, source, None
    rows, trajectories = np.append(parts[2][1], parts[3][1]), unfailed.trajectories
    units = trajectories.units[rows]
    cut = Cut(
        rows=len(source) + np.arange(len(rows)),
        engines=units - 1,
        after=trajectories.lengths[units - 1] - trajectories.cycles[rows],
        last=len(source) + unfailed.last,
    )
    return x, source, cut


def _cross_validated(  # noqa: PLR0913, PLR0917
    recipe: Recipe,
    data: Dataset,
    x: FloatArray,
    rul: NDArray[np.int64],
    units: NDArray[np.int64],
    cut: Cut | None,
    progress: Tell,
    jobs: int,
) -> tuple[Pipeline, FloatArray, FloatArray]:
    """The pipeline fitted on all windows, and what pipelines that had not seen their engine say of each."""
    folds = min(recipe.folds, data.trajectories.engines)
    splits = GroupKFold(folds, shuffle=True, random_state=0).split(units, groups=units)
    every = np.arange(len(units))
    # The last fit, on all engines, predicts nothing but serves.
    parts = [*splits, (every, every[:0])]
    probabilities = np.zeros((len(units), len(data.task.classes.names)), dtype=np.float32)
    median = np.zeros(len(units), dtype=np.float32)
    progress(f"{data.name}: fitting", 0, len(parts))
    done = Parallel(n_jobs=jobs, return_as="generator")(
        delayed(fit_and_predict)(recipe.pipeline(data.task), x, rul, known, unknown, cut) for known, unknown in parts
    )
    pipeline = recipe.pipeline(data.task)
    for number, ((_, unknown), (fitted, *predicted)) in enumerate(zip(parts, done, strict=True), start=1):
        pipeline, (probabilities[unknown], median[unknown]) = fitted, predicted
        progress(f"{data.name}: fitted {number} of {len(parts)}", number, len(parts))
    return pipeline, probabilities, median


def fit_and_predict(  # noqa: PLR0913, PLR0917 - all of it
    pipeline: Pipeline,
    x: FloatArray,
    rul: NDArray[np.int64],
    known: NDArray[np.int64],
    unknown: NDArray[np.int64],
    cut: Cut | None = None,
) -> tuple[Pipeline, FloatArray, FloatArray]:
    """Fit on the known rows and predict the unknown ones.

    Args:
        pipeline: WindowFeatures, and Experts or a Prognosis; not fitted.
        x: float32 [rows, W, fields], raw windows.
        rul: int64 [rows], true RUL in cycles, not cut.
        known: Indices of the rows to fit on.
        unknown: Indices of the rows to predict; may be none.
        cut: Rows of engines that have not failed, to fit on as well; then the pipeline has Experts.

    Returns:
        The fitted pipeline; probabilities float32 [unknown, classes]; median RUL float32 [unknown], in cycles.
    """
    # One thread: sums in another order are other sums.
    with warnings.catch_warnings(), threadpool_limits(limits=1):
        # Networks stop after a few epochs on purpose: that regularises them.
        warnings.simplefilter("ignore", ConvergenceWarning)
        # A few short-lived engines have fewer rows than a batch.
        warnings.filterwarnings("ignore", "Got `batch_size` less than 1 or larger", UserWarning)
        features, prognosis = pipeline[0], pipeline[-1]
        learned = known if cut is None else np.append(known, cut.rows)
        features.learn(x[learned, -1], x.shape[1])
        labels = rul[known]
        if cut is not None:
            left = drawn(prognosis, features.transform(x, known), labels, features.transform(x, cut.last))
            labels = np.concatenate(
                [np.broadcast_to(labels[:, np.newaxis], (len(known), left.shape[1])), cut.rul(left)]
            )
        prognosis.fit(features.transform(x, learned), labels)
        seen = features.transform(x, unknown)
        if not len(unknown):
            return pipeline, np.zeros((0, len(prognosis.classes.names)), np.float32), np.zeros(0, np.float32)
        return pipeline, prognosis.predict_proba(seen), prognosis.predict_median(seen)
