"""Fitting: a recipe and engines that ran to failure in, a calibrated pipeline out."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from scoring.model.outputs import Outputs
from training.data.dataset import Dataset
from training.data.windows import FloatArray
from training.errors import DataError
from training.estimators.calibration import Calibration, sharpness
from training.estimators.experts import Experts
from training.estimators.grades import sharpened
from training.estimators.intervals import Intervals
from training.estimators.prognosis import outputs
from training.estimators.recipe import Recipe
from training.evaluation.figures import Figures, evaluate
from training.evaluation.guarantee import Guarantee, attainable, guaranteed
from training.evaluation.measures import root_mean_square
from training.fitting.drawing import Cut, drawn
from training.fitting.modes import fit_modes
from training.fitting.tearing import torn_copies
from training.progress import Tell

DoubleArray = NDArray[np.float64]


@dataclass(frozen=True)
class Fitted:
    """A fitted pipeline with what cross-validation says of it.

    Attributes:
        pipeline: WindowFeatures and Experts, fitted on all engines.
        outputs: Of cross-validation by engine: every row of the training data was predicted by a model that had not
            seen its engine.
        figures: Of these predictions.
        torn: Of the same for windows from which messages are missing: accuracy, coverage and RMSE.
        alert: When an alert on the first class is raised.
        share: The share of true RULs that low..high is made to hold.
        unfailed: How many engines that have not failed were learned from; nothing of the above is of them.
    """

    pipeline: Pipeline
    outputs: Outputs
    figures: Figures
    torn: dict[str, float]
    alert: Guarantee
    share: float
    unfailed: int = 0


def fit(recipe: Recipe, data: Dataset, progress: Tell, jobs: int = 1, alpha: float | None = None) -> Fitted:
    """Fit a recipe's pipeline; calibrate it by cross-validation grouped by engine.

    The result does not depend on the number of processes. Engines that have not failed are learned from, each member of
    the model with a life of its own for them (`drawing`); probabilities, intervals, threshold and figures are those of
    engines that failed.

    Args:
        recipe: How the model is made.
        data: Engines, and how they ended.
        progress: Is told what is being done.
        jobs: How many processes work at once.
        alpha: The risk that the alert's threshold is to keep; None: `guarantee.ALPHA`, or the least that so few
            engines can show.

    Raises:
        DataError: There are too few engines, also for this alpha, or all rows are of one class.
    """
    given, data = data, data.of(data.failed)
    task = data.task
    rows, labels = len(data.rul), task.classes.of(data.rul)
    if min(recipe.folds, data.trajectories.engines) < 2 or len(np.unique(labels)) < 2:
        raise DataError(
            f"{data.name} has {data.trajectories.engines} engines that failed and RUL from 0 to "
            f"{data.rul.max(initial=0)}: training needs at least 2 of them and rows of at least 2 classes"
        )
    alpha = attainable(data, alpha)
    with TemporaryDirectory() as folder:
        x, source, cut = _with_torn_copies(data, given.of(~given.failed), Path(folder) / "windows")
        labels, rul = labels[source], data.rul[source]
        units = data.trajectories.units[source]
        pipeline, chances, median = _cross_validated(recipe, data, x, rul, units, cut, progress, jobs)
        modes = np.empty((rows, 0), dtype=np.float32)
        if data.mode_names:
            progress(f"{data.name}: fitting failure modes")
            pipeline[-1].modes, modes = fit_modes(recipe, pipeline, data, x[: len(source)], source)
        whole = pipeline[-1].are_whole(pipeline[0].counts(x[: len(source)]))
    found = _calibrated(pipeline, chances, median, rul, whole, recipe.share)
    low, median, high = found.rul[rows:].T
    torn = {
        "accuracy": float(np.mean(found.probabilities[rows:].argmax(axis=1) == labels[rows:])),
        "coverage": float(np.mean((low <= rul[rows:]) & (rul[rows:] <= high))),
        "rmse": root_mean_square(median.astype(np.float64) - np.minimum(rul[rows:], task.cap)),
    }
    found = replace(Outputs(*(each[:rows] for each in found.each())), modes=modes)
    figures = evaluate(found, data, task.classes, task.cap, pipeline[-1].grades_.curve)
    guarantee = guaranteed(found.probabilities[:, 0], data, alpha)
    unfailed = 0 if cut is None else len(cut.last)
    return Fitted(pipeline, found, figures, torn, guarantee, recipe.share, unfailed)


def _calibrated(  # noqa: PLR0913, PLR0917
    pipeline: Pipeline,
    chances: DoubleArray,
    median: DoubleArray,
    rul: NDArray[np.int64],
    whole: NDArray[np.bool_],
    share: float,
) -> Outputs:
    """Calibrate both parts of a pipeline by what was said of engines that had not been seen; and say it anew."""
    experts: Experts = pipeline[-1]
    grades, classes = experts.grades_, experts.classes
    found, order = [], []
    for part, kind in ((experts.whole, whole), (experts.torn, ~whole)):
        those = np.flatnonzero(kind)
        power = sharpness(chances[those], grades.places(classes), classes.of(rul[those]))
        intervals = Intervals.fit(grades, sharpened(chances[those], power), rul[those], share)
        part.calibration = Calibration(power, intervals)
        found.append(outputs(chances[those], median[those], grades, classes, part.calibration))
        order.append(those)
    places = np.argsort(np.concatenate(order))
    both = zip(*(each.each() for each in found), strict=True)
    return Outputs(*(np.concatenate(parts)[places] for parts in both))


def _with_torn_copies(data: Dataset, unfailed: Dataset, path: Path) -> tuple[FloatArray, NDArray[np.int64], Cut | None]:
    """All windows and torn copies of them, in a file that processes share instead of a copy each.

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
        after=trajectories.ends[units - 1] - trajectories.cycles[rows],
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
) -> tuple[Pipeline, DoubleArray, DoubleArray]:
    """The pipeline fitted on all windows, and what pipelines that had not seen their engine say of each."""
    folds = min(recipe.folds, data.trajectories.engines)
    splits = GroupKFold(folds, shuffle=True, random_state=0).split(units, groups=units)
    every = np.arange(len(units))
    # The last fit, on all engines, predicts nothing but serves.
    parts = [*splits, (every, every[:0])]
    chances: list[DoubleArray] = []
    medians: list[DoubleArray] = []
    progress(f"{data.name}: fitting", 0, len(parts))
    done = Parallel(n_jobs=jobs, return_as="generator")(
        delayed(fit_and_predict)(recipe.pipeline(data.task), x, rul, known, unknown, cut) for known, unknown in parts
    )
    pipeline = recipe.pipeline(data.task)
    for number, (fitted, *predicted) in enumerate(done, start=1):
        pipeline = fitted
        chances.append(predicted[0])
        medians.append(predicted[1])
        progress(f"{data.name}: fitted {number} of {len(parts)}", number, len(parts))
    places = np.argsort(np.concatenate([unknown for _, unknown in parts]))
    return pipeline, np.concatenate(chances)[places], np.concatenate(medians)[places]


def fit_and_predict(  # noqa: PLR0913, PLR0917 - all of it
    pipeline: Pipeline,
    x: FloatArray,
    rul: NDArray[np.int64],
    known: NDArray[np.int64],
    unknown: NDArray[np.int64],
    cut: Cut | None = None,
) -> tuple[Pipeline, DoubleArray, DoubleArray]:
    """Fit on the known rows and predict the unknown ones.

    Args:
        pipeline: WindowFeatures, and Experts or a Prognosis; not fitted.
        x: float32 [rows, W, fields], raw windows.
        rul: int64 [rows], true RUL in cycles, not cut.
        known: Indices of the rows to fit on.
        unknown: Indices of the rows to predict; may be none.
        cut: Rows of engines that have not failed, to fit on as well; then the pipeline has Experts.

    Returns:
        The fitted pipeline; chances float64 [unknown, grades]; median RUL float64 [unknown], in cycles.
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
        seen, labels = features.transform(x, learned), rul[known]
        if cut is not None:
            labels = drawn(prognosis, seen[: len(known)], labels, seen[len(known) :], cut)
        prognosis.fit(seen, labels)
        seen = features.transform(x, unknown)
        if not len(unknown):
            return pipeline, np.zeros((0, prognosis.grades_.count)), np.zeros(0)
        return pipeline, *prognosis.answers(seen)
