"""What is said of single machines by their curves: how likely each lasts how long, and when to take it out."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from scoring.model.curve import Curve
from scoring.model.outputs import FloatArray, Outputs
from training.data.dataset import Dataset
from training.data.task import Words
from training.report.plots import BLUE, ORANGE, panels

SHOWN = 6
"""Machines that are drawn, from the one that is worn most to the one that is worn least."""
LISTED = 10
"""Machines that are told when to be taken out, those that are due first."""


def lasting(survival: FloatArray, curve: Curve, rul: NDArray[np.int64], titles: list[str], words: Words) -> Figure:
    """How likely each of some machines lasts longer, from its newest record on, and how long it did.

    Args:
        survival: float32 [machines, edges], as a model tells it.
        curve: What it is of.
        rul: int64 [machines], the truth, in cycles.
        titles: What each panel is called.
        words: What the figures are told in.
    """
    figure, axes = panels(-(-len(rul) // 3), 3, (10.0, 2.5 * -(-len(rul) // 3)))
    for axis in axes[len(rul) :]:
        axis.set_visible(False)
    moments = np.arange(int(curve.beyond[-1]) + 1)
    lasts = curve.lasts(survival, moments.tolist())
    for axis, line, truth, title in zip(axes, lasts, rul.tolist(), titles, strict=False):
        seen = moments <= max(truth * 1.2, moments[np.argmax(line < 0.02)])
        axis.plot(moments[seen], line[seen], color=BLUE, lw=1.8)
        axis.fill_between(
            moments[seen], line[seen], where=((line >= 0.1) & (line <= 0.9))[seen], color=BLUE, alpha=0.15
        )
        axis.axvline(truth, color=ORANGE, lw=1.4)
        axis.set_ylim(0, 1.02)
        axis.set_xlim(left=0)
        axis.set_title(title)
    for axis in axes[::3]:
        axis.set_ylabel("chance to last longer")
    for axis in axes[max(0, len(rul) - 3) : len(rul)]:
        axis.set_xlabel(f"{words.unit} from now")
    return figure


def spread(middle: FloatArray, count: int = SHOWN) -> NDArray[np.int64]:
    """Places of some machines, from the shortest life to the longest.

    Args:
        middle: float32 [machines], in cycles.
        count: How many.
    """
    ranks = np.unique(np.linspace(0, len(middle) - 1, min(count, len(middle))).round().astype(int))
    return np.asarray(np.argsort(middle, kind="stable")[ranks])


def due(said: Outputs, removal: NDArray[np.int64], data: Dataset) -> dict[str, dict[str, Any]]:
    """The machines to be taken out first, as columns of a table by name.

    Args:
        said: Of each machine's newest record.
        removal: int64 [machines], after how many cycles it is best to take each out.
        data: The machines.
    """
    first = np.lexsort((said.middle[:, 0], removal))[:LISTED]
    names = data.names or tuple(f"no. {unit}" for unit in range(1, data.trajectories.engines + 1))
    return {
        names[each]: {
            "take out in": int(removal[each]),
            "low": round(float(said.rul[each, 0]), 1),
            "middle": round(float(said.middle[each, 0]), 1),
            "high": round(float(said.rul[each, 2]), 1),
        }
        for each in first
    }
