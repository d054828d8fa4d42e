"""Drawings of telemetry, predictions and errors, each on a figure of its own."""

from __future__ import annotations

import io
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from numpy.typing import NDArray

from training.data.dataset import Dataset
from training.data.labels import Classes
from training.data.task import Words

FloatArray = NDArray[np.float32]

BLUE, ORANGE, GREEN, RED, GREY = "#2b6cb0", "#dd6b20", "#2f855a", "#c53030", "#718096"
CLASS_COLOURS = (RED, ORANGE, GREEN, BLUE)
_STYLE: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e2e8f0",
    "axes.edgecolor": "#a0aec0",
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}


def png(figure: Figure) -> bytes:
    """A figure as a PNG file; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()


def panels(rows: int = 1, columns: int = 1, size: tuple[float, float] = (7.0, 4.2)) -> tuple[Figure, list[Axes]]:
    """A figure with a grid of axes in the house's style, and the axes row by row.

    Args:
        rows: Of panels.
        columns: Of panels.
        size: Of the figure, in inches.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=size)
        axes = np.atleast_1d(figure.subplots(rows, columns)).ravel().tolist()
    return figure, axes


def sensors_against_rul(data: Dataset, columns: list[int], names: list[str], regime: NDArray[np.int64]) -> Figure:
    """Each sensor's course towards failure: mean and 10% to 90% of the most frequent regime's rows, by RUL.

    Args:
        data: The machines.
        columns: Which fields, by their place.
        names: What these are called.
        regime: int64 [rows], each row's.
    """
    rows = -(-len(columns) // 4)
    figure, axes = panels(rows, 4, (11.0, 1.9 * rows))
    # Twice as far as is predicted, to see where the course begins.
    edges = np.linspace(0, 2 * data.task.cap, 51)
    shown = np.flatnonzero((regime == 0) & (data.rul <= edges[-1]))
    where = np.digitize(data.rul[shown], edges) - 1
    for axis, column, name in zip(axes, columns, names, strict=False):
        values = data.trajectories.values[shown, column]
        at = [each for each in range(len(edges)) if np.count_nonzero(where == each) > 2]
        low, middle, high = np.array([np.percentile(values[where == each], [10, 50, 90]) for each in at]).T
        axis.fill_between(edges[at], low, high, color=BLUE, alpha=0.2, lw=0)
        axis.plot(edges[at], middle, color=BLUE, lw=1.5)
        axis.set_title(name)
        axis.invert_xaxis()
    for axis in axes[len(columns) :]:
        axis.set_visible(False)
    figure.supxlabel(f"true RUL, {data.task.words.unit} (failure at the right)", fontsize=9)
    return figure


def predicted_against_true(
    median: FloatArray, rul: NDArray[np.int64], last: NDArray[np.int64], cap: float, words: Words
) -> Figure:
    """Median against the truth, every row in grey, each machine's last one in colour.

    Args:
        median: float32 [rows], in the task's unit.
        rul: int64 [rows], the truth.
        last: Which rows are their machine's last.
        cap: Where RUL was cut in training.
        words: What the figures are told in.
    """
    figure, (axis,) = panels(size=(6.0, 5.0))
    truth = np.minimum(rul, cap)
    axis.scatter(truth, median, s=3, color=GREY, alpha=0.15, lw=0, label=f"every {words.step}")
    axis.scatter(truth[last], median[last], s=16, color=ORANGE, lw=0, label=f"the last {words.step} of each")
    axis.plot([0, cap], [0, cap], color="black", lw=0.8)
    axis.set_xlabel(f"true RUL, cut at {cap:g} {words.unit}")
    axis.set_ylabel(f"predicted RUL (median), {words.unit}")
    # A single point of the cloud would hardly be seen.
    for handle in axis.legend(loc="upper left").legend_handles:
        if handle is not None:
            handle.set_alpha(1)
    return figure


def residuals(median: FloatArray, rul: NDArray[np.int64], cap: float, words: Words) -> Figure:
    """What was missed: its distribution, and its spread along the truth.

    Args:
        median: float32 [rows], in the task's unit.
        rul: int64 [rows], the truth.
        cap: Where RUL was cut in training.
        words: What the figures are told in.
    """
    figure, (left, right) = panels(1, 2, (10.0, 3.8))
    truth = np.minimum(rul, cap)
    missed = median - truth
    left.hist(missed, bins=list(np.linspace(-0.64, 0.64, 41) * cap), color=BLUE)
    left.set_xlabel(f"predicted less true RUL, {words.unit} (late to the right)")
    left.set_ylabel(f"{words.step}s scored")
    edges = np.linspace(0, cap, 11)
    where = np.minimum(np.digitize(truth, edges) - 1, len(edges) - 2)
    at = [each for each in range(len(edges) - 1) if (where == each).any()]
    low, middle, high = np.array([np.percentile(missed[where == each], [10, 50, 90]) for each in at]).T
    centres = (edges[:-1] + edges[1:])[at] / 2
    right.fill_between(centres, low, high, color=BLUE, alpha=0.2, lw=0, label="10% to 90%")
    right.plot(centres, middle, color=BLUE, label="median")
    right.axhline(0, color="black", lw=0.8)
    right.set_xlabel(f"true RUL, {words.unit}")
    right.set_ylabel(f"predicted less true RUL, {words.unit}")
    right.legend()
    return figure


def single_machines(intervals: FloatArray, data: Dataset, cap: float, shown: list[int], titles: list[str]) -> Figure:
    """Prediction, with its band, against the truth over the cycles of some machines.

    Args:
        intervals: float32 [rows, 3], low, median and high.
        data: What is predicted, with the truth.
        cap: Where the truth is cut.
        shown: Numbers of the machines, from 1.
        titles: One for each of them.
    """
    columns = min(3, len(shown))
    rows = -(-len(shown) // columns)
    figure, axes = panels(rows, columns, (11.0, 2.7 * rows))
    for axis, unit, title in zip(axes, shown, titles, strict=False):
        of_it = data.trajectories.units == unit
        cycles, (low, median, high) = data.trajectories.cycles[of_it], intervals[of_it].T
        axis.fill_between(cycles, low, high, color=BLUE, alpha=0.2, lw=0, label="low to high")
        axis.plot(cycles, median, color=BLUE, lw=1.3, label="predicted (median)")
        axis.plot(cycles, np.minimum(data.rul[of_it], cap), color="black", lw=1.0, label="truth")
        axis.set_ylim(0, 1.15 * cap)
        axis.set_title(title)
    for axis in axes[len(shown) :]:
        axis.set_visible(False)
    axes[0].legend(loc="lower left")
    figure.supxlabel(f"{data.task.words.step}s", fontsize=9)
    figure.supylabel(f"RUL, {data.task.words.unit}", fontsize=9)
    return figure


def confusion(labels: NDArray[np.int64], found: NDArray[np.int64], classes: Classes) -> Figure:
    """True against predicted class: shares of the true class, and how many rows.

    Args:
        labels: int64 [rows], the true class of each.
        found: int64 [rows], the predicted one.
        classes: Their names.
    """
    count = len(classes.names)
    matrix = np.zeros((count, count))
    np.add.at(matrix, (labels, found), 1)
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    figure, (axis,) = panels(size=(5.2, 4.4))
    axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
    axis.grid(visible=False)
    axis.set_xticks(range(count), classes.names)
    axis.set_yticks(range(count), classes.names)
    axis.set_xlabel("predicted class")
    axis.set_ylabel("true class")
    for row in range(count):
        for column in range(count):
            colour = "white" if share[row, column] > 0.5 else "black"
            text = f"{share[row, column]:.0%}\n{matrix[row, column]:,.0f}"
            axis.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
    return figure


def reliability(probabilities: FloatArray, labels: NDArray[np.int64], classes: Classes) -> Figure:
    """How often a class is the true one, by the probability that it was given.

    Args:
        probabilities: float32 [rows, classes].
        labels: int64 [rows], the true class of each.
        classes: Their names.
    """
    figure, (axis,) = panels(size=(5.2, 4.6))
    edges = np.linspace(0, 1, 11)
    for index, (name, colour) in enumerate(zip(classes.names, _colours(len(classes.names)), strict=True)):
        where = np.minimum((probabilities[:, index] * 10).astype(int), 9)
        at = [each for each in range(10) if np.count_nonzero(where == each) >= 30]
        said = [probabilities[where == each, index].mean() for each in at]
        true = [(labels[where == each] == index).mean() for each in at]
        axis.plot(said, true, marker="o", ms=4, color=colour, label=name)
    axis.plot([0, 1], [0, 1], color="black", lw=0.8)
    axis.set_xticks(edges[::2])
    axis.set_xlabel("probability given")
    axis.set_ylabel("share that was true")
    axis.legend()
    return figure


def coverage(by_class: dict[str, float | None], share: float) -> Figure:
    """The share of true RULs within low..high, by true class."""
    shown = {name: value for name, value in by_class.items() if value is not None}
    figure, (axis,) = panels(size=(5.2, 3.4))
    axis.bar(list(shown), list(shown.values()), color=_colours(len(by_class))[: len(shown)], width=0.6)
    axis.axhline(share, color="black", lw=0.8)
    axis.set_ylim(0, 1)
    axis.set_ylabel(f"true RUL within low..high (asked: {share:.0%})")
    for index, value in enumerate(shown.values()):
        axis.text(index, value + 0.02, f"{value:.0%}", ha="center")
    return figure


def errors_by_age(missed: FloatArray, right: NDArray[np.bool_], cycles: NDArray[np.int64], words: Words) -> Figure:
    """RMSE and accuracy by how many cycles a machine has done.

    Args:
        missed: float64 [rows], predicted less true RUL.
        right: bool [rows], whether the class is the true one.
        cycles: int64 [rows], each machine's age.
        words: What the figures are told in.
    """
    figure, (left, other) = panels(1, 2, (10.0, 3.4))
    edges = np.array([0, 1, 5, 10, 20, 30, 50, 75, 100, 150, 200, 300, 600, 1_000, 2_000, 5_000, 10_000, 1_000_000])
    where = np.searchsorted(edges, cycles, side="left") - 1
    at = [each for each in range(len(edges) - 1) if np.count_nonzero(where == each) >= 20]
    names = [f"{edges[each] + 1}-{edges[each + 1]}" if edges[each + 1] > 1 else "1" for each in at]
    left.bar(names, [np.sqrt(np.mean(np.square(missed[where == each]))) for each in at], color=BLUE)
    left.set_ylabel(f"RMSE, {words.unit}")
    other.bar(names, [right[where == each].mean() for each in at], color=GREEN)
    other.set_ylabel("accuracy")
    for axis in (left, other):
        axis.set_xlabel(f"{words.step}s done")
        axis.tick_params(axis="x", rotation=45)
    return figure


def costs_by_threshold(
    thresholds: list[float], by_threshold: list[float], others: dict[str, float], words: Words
) -> Figure:
    """What machines cost if they are removed at a probability, by that probability, and by other rules as lines.

    Args:
        thresholds: Probabilities at which machines would be removed.
        by_threshold: The cost at each.
        others: The cost of other rules, by name.
        words: What the figures are told in.
    """
    figure, (axis,) = panels(size=(6.4, 3.6))
    axis.plot(thresholds, by_threshold, color=BLUE, lw=1.8, label="remove at a probability")
    for (name, cost), colour in zip(others.items(), (GREEN, ORANGE, RED), strict=False):
        axis.axhline(cost, color=colour, lw=1.2, label=name)
    axis.set_yscale("log")
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.yaxis.set_minor_locator(NullLocator())
    axis.set_xlabel("probability at which one is removed")
    axis.set_ylabel(f"cost for 1,000 {words.step}s")
    axis.legend()
    return figure


def bars(values: dict[str, float], label: str, colour: str = BLUE) -> Figure:
    """Horizontal bars, in the order given, from the top.

    Args:
        values: By name.
        label: Of the axis.
        colour: Of all bars.
    """
    figure, (axis,) = panels(size=(6.4, 0.6 + 0.24 * len(values)))
    axis.barh(list(values)[::-1], list(values.values())[::-1], color=colour)
    axis.set_xlabel(label)
    return figure


def _colours(count: int) -> list[str]:
    return [CLASS_COLOURS[index % len(CLASS_COLOURS)] for index in range(count)]
