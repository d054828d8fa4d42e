"""The benchmark: the same measures of anybody's predictions on the four test sets, as docs/benchmark.md has it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from scoring.model.curve import Curve
from scoring.model.outputs import Outputs
from training.data.dataset import Dataset
from training.data.task import CMAPSS
from training.data.windows import FloatArray
from training.evaluation.bootstrap import engine_intervals, resampled
from training.evaluation.curves import curve_figures
from training.evaluation.figures import WELL_HELD, evaluate
from training.evaluation.measures import root_mean_square

LAST = 30
"""In how many last cycles errors matter most: nobody takes an engine out sooner."""
NOISE = 0.25
"""What is added to each value, in standard deviations of its sensor in its operating condition."""
SETS = ("FD001", "FD002", "FD003", "FD004")


@dataclass(frozen=True)
class Measure:
    """One figure with its 95% interval, by resampling engines; without one where that is not told.

    Attributes:
        value: The figure.
        low: Where the interval begins.
        high: Where it ends.
    """

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Said:
    """What is judged: predictions of all cycles of one test set.

    Attributes:
        outputs: As a model says them.
        curve: What `survival` is of; None: there are no curves, and CRPS is the error of the uncut median.
        has_interval: Whether low and high are told.
    """

    outputs: Outputs
    curve: Curve | None
    has_interval: bool


def judged(said: Said, data: Dataset) -> dict[str, Measure]:
    """The measures of one test set, in the order in which they are shown.

    Args:
        said: Predictions of each row.
        data: One of the four test sets.
    """
    classes, cap, outputs = CMAPSS.classes, CMAPSS.cap, said.outputs
    figures = evaluate(outputs, data, classes, cap, None)
    ends = engine_intervals(outputs, data, classes, cap)
    engines = data.trajectories.units - 1
    found = {
        "RMSE, last cycle": Measure(figures.rmse_last or 0.0, *ends["rmse_last"]),
        "NASA score, last cycle": Measure(figures.nasa_score_last or 0.0, *ends["nasa_score_last"]),
        "macro-F1": Measure(figures.macro_f1, *ends["macro_f1"]),
    }
    late = data.rul < LAST
    squares = np.square(outputs.rul[late, 1].astype(np.float64) - data.rul[late])
    low, high = resampled(squares, engines[late])
    found[f"RMSE, last {LAST} cycles"] = Measure(
        float(np.sqrt(squares.mean())), float(np.sqrt(low)), float(np.sqrt(high))
    )
    if said.curve is not None:
        curve = curve_figures(outputs.survival, said.curve, data, cap)
        found["CRPS"] = Measure(curve.crps, *curve.crps_95)
    else:
        errors = np.abs(outputs.middle[:, 0].astype(np.float64) - data.rul)
        found["CRPS"] = Measure(float(errors.mean()), *resampled(errors, engines))
    if said.has_interval:
        found["coverage"] = Measure(figures.coverage, *ends["coverage"])
        for name, share in figures.coverage_by_class.items():
            if share is not None:
                found[f"coverage {name}"] = Measure(share, *ends[f"coverage {name}"])
        held = (outputs.rul[:, 0] <= data.rul) & (data.rul <= outputs.rul[:, 2])
        by_engine = (np.bincount(engines, held) / data.trajectories.lengths >= WELL_HELD).astype(np.float64)
        found["engines held"] = Measure(figures.engines_held, *resampled(by_engine, np.arange(len(by_engine))))
        found["width"] = Measure(figures.width)
    return found


def disturbed(ask: Callable[[FloatArray], Outputs], data: Dataset) -> dict[str, Measure]:
    """Changes of macro-F1 and of RMSE at the last cycle where telemetry is torn or noisy.

    Args:
        ask: What a model says of windows, float32 [rows, W, fields].
        data: One of the four test sets.
    """
    windows, labels = data.windows(), CMAPSS.classes.of(data.rul)
    truth = np.minimum(data.rul[data.last], CMAPSS.cap)

    def both(given: FloatArray) -> tuple[float, float]:
        said = ask(given)
        f1 = float(f1_score(labels, said.probabilities.argmax(axis=1), average="macro"))
        return f1, root_mean_square((said.rul[data.last, 1] - truth).astype(np.float64))

    usual = both(windows)
    found = {}
    for name, given in _disturbances(windows, data):
        f1, rmse = both(given)
        found[f"macro-F1, {name}"] = Measure(f1 - usual[0])
        found[f"RMSE, {name}"] = Measure(rmse - usual[1])
    return found


def _disturbances(windows: FloatArray, data: Dataset) -> Iterator[tuple[str, FloatArray]]:
    length = windows.shape[1]
    gapped = windows.copy()
    gapped[:, length - 11 : length - 1] = np.nan
    yield "gap of 10", gapped
    forgetful = windows.copy()
    forgetful[:, : length - 10] = np.nan
    yield "10 seen", forgetful
    rng = np.random.default_rng(0)
    sensors = [column for column in range(windows.shape[2]) if column not in {0, *CMAPSS.setting_columns}]
    noise = _noise(data)[:, sensors] * NOISE
    noisy = windows.copy()
    # The same noise on the same reading in each window that holds it, as a noisy sensor has.
    drawn = (rng.standard_normal((len(data.rul), len(sensors))) * noise).astype(np.float32)
    rows, cycles = np.arange(len(data.rul)), data.trajectories.cycles
    for back in range(length):
        old = np.flatnonzero(cycles > back)
        noisy[old[:, np.newaxis], length - 1 - back, sensors] += drawn[rows[old] - back]
    yield "noise", noisy


def _noise(data: Dataset) -> NDArray[np.float64]:
    """The standard deviation of each value's field in its operating condition, float64 [rows, fields]."""
    values = data.trajectories.values
    # C-MAPSS has at most six conditions, which whole numbers of the first setting tell apart.
    _, condition = np.unique(np.rint(values[:, 1]), return_inverse=True)
    spread = np.array([values[condition == each].std(axis=0) for each in range(condition.max() + 1)])
    return np.asarray(spread[condition])
