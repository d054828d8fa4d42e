"""What a model does when telemetry is not what it should be: young engines, silent sensors, gaps."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from scoring.model.model import Model
from training.data.dataset import Dataset
from training.data.labels import Classes
from training.data.task import Task
from training.data.windows import FloatArray
from training.export.verify import predict_by_graph

AGES = (1, 5, 20, 50)
"""Numbers of messages seen for which figures are given, up to a whole window, and the whole window."""


def by_messages_seen(model: Model, windows: FloatArray, data: Dataset) -> dict[str, dict[str, float]]:
    """Figures by how many messages of an engine have been seen, on the same rows throughout.

    The rows are those of engines that have been seen for a whole window; what was seen before is forgotten, as by a
    device that starts watching an engine in mid-life.

    Args:
        model: The model to judge.
        windows: float32 [rows, W, fields] of the data.
        data: What is predicted, with the truth.

    Returns:
        Accuracy, macro-F1 and RMSE of all those rows, by number of messages.
    """
    classes, cap = _classes(model), model.signature.rul_cap or np.inf
    old_enough = data.trajectories.cycles >= windows.shape[1]
    rul, figures = data.rul[old_enough], {}
    length = windows.shape[1]
    for seen in sorted({*(age for age in AGES if age < length), length}):
        forgetful = windows[old_enough].copy()
        forgetful[:, : length - seen] = np.nan
        said = predict_by_graph(model, forgetful)
        labels, found = classes.of(rul), said.probabilities.argmax(axis=1)
        figures[str(seen)] = {
            "accuracy": float((labels == found).mean()),
            "macro_f1": float(f1_score(labels, found, average="macro")),
            "rmse": float(np.sqrt(np.mean((said.rul[:, 1] - np.minimum(rul, cap)) ** 2))),
        }
    return figures


def from_the_first_message_on(
    probabilities: FloatArray, intervals: FloatArray, data: Dataset, classes: Classes, cap: float
) -> dict[str, dict[str, float]]:
    """Figures by the engine's age in cycles, for engines watched from their first cycle on.

    Args:
        probabilities: float32 [rows, classes].
        intervals: float32 [rows, 3], low, median and high.
        data: The engines.
        classes: The RUL classes.
        cap: Where RUL is cut, in cycles.

    Returns:
        Accuracy and RMSE over the rows of that age, by age; ages that no engine has are left out.
    """
    figures = {}
    for age in AGES:
        rows = data.trajectories.cycles == age
        if rows.any():
            found = probabilities[rows].argmax(axis=1)
            missed = intervals[rows, 1] - np.minimum(data.rul[rows], cap)
            figures[str(age)] = {
                "accuracy": float((classes.of(data.rul[rows]) == found).mean()),
                "rmse": float(np.sqrt(np.mean(np.square(missed)))),
            }
    return figures


def changes_of_macro_f1(model: Model, windows: FloatArray, data: Dataset) -> dict[str, float]:
    """By how much macro-F1 changes when telemetry is disturbed.

    Args:
        model: The model to judge.
        windows: float32 [rows, W, fields] of the data.
        data: What is predicted, with the truth.

    Returns:
        The change by name of the disturbance; `as it is` has the undisturbed macro-F1 itself.
    """
    classes = _classes(model)
    labels = classes.of(data.rul)

    def macro_f1(disturbed: FloatArray) -> float:
        said = predict_by_graph(model, disturbed)
        if not all(np.isfinite(each).all() for each in said.each()):
            return float("nan")
        return float(f1_score(labels, said.probabilities.argmax(axis=1), average="macro"))

    usual = macro_f1(windows)
    figures = {"as it is": usual}
    for name, disturbed in _disturbances(data.task, windows):
        figures[name] = macro_f1(disturbed) - usual
    return figures


def _disturbances(task: Task, windows: FloatArray) -> Iterator[tuple[str, FloatArray]]:
    rng = np.random.default_rng(0)
    holes = rng.random(windows.shape) < 0.1
    # The newest cycle's number is always there: without it no message is taken.
    holes[:, -1, task.cycle_column] = False
    yield "10% of values missing at random", np.where(holes, np.float32(np.nan), windows)
    # A fifth of the window, before the newest message and in the middle of the window.
    length = windows.shape[1]
    gap = max(1, length // 5)
    of = f"a gap of {gap} {task.words.step}{'s' if gap > 1 else ''}"
    for name, end in ((f"{of} before the newest", length - 1), (f"{of} in mid-window", max(gap, length - 2 * gap))):
        gapped = windows.copy()
        gapped[:, end - gap : end] = np.nan
        yield name, gapped
    kept = {task.cycle, *task.settings}
    sensors = [(column, name) for column, name in enumerate(task.field_names) if name not in kept]
    for column, name in sensors:
        silent = windows.copy()
        silent[:, :, column] = np.nan
        yield f"{name} missing", silent
    for column, name in sensors:
        stuck = windows.copy()
        # At what it showed when the window began, or when the engine was first seen.
        stuck[:, :, column] = _first_seen(windows[:, :, column])[:, np.newaxis]
        yield f"{name} stuck", stuck


def _first_seen(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(values[np.arange(len(values)), np.argmax(~np.isnan(values), axis=1)], dtype=np.float32)


def _classes(model: Model) -> Classes:
    return Classes(model.signature.classes, model.signature.edges)
