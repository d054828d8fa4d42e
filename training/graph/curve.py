"""An engine's curve as nodes: what `training.estimators.prognosis.outputs` makes of estimators' answers, in float64."""

from __future__ import annotations

import numpy as np

from training.estimators.grades import SMALLEST, TINY
from training.estimators.intervals import Intervals
from training.estimators.prognosis import MIDDLE, Prognosis
from training.graph.nodes import Nodes, doubles, whole_numbers

_GRADES = whole_numbers([1])


def add_curve(nodes: Nodes, together: str, median: str, prognosis: Prognosis) -> str:
    """Add what follows from the answers of a model's estimators.

    Args:
        nodes: The graph.
        together: The name of the sum of the graders' chances, float64 [engines, grades].
        median: The name of the capped median, float64 [engines, 1].
        prognosis: The model.

    Returns:
        The name of probabilities, low, median and high, middle, and survival side by side, float64 [engines, columns].
    """
    grades, calibration = prognosis.grades_, prognosis.calibration
    chances = _sharpened(nodes, together, len(prognosis.graders_), 1.0 if calibration is None else calibration.power)
    levels = [MIDDLE] if calibration is None else [calibration.intervals.below, MIDDLE, calibration.intervals.above]
    # Several levels side by side, each with all parts.
    tables = [
        grades.places(prognosis.classes),
        grades.later,
        np.tile(grades.parts, len(levels)),
        np.tile(grades.earlier, len(levels)),
        grades.means[:, np.newaxis],
    ]
    every = nodes("MatMul", chances, nodes.constant("of grades", np.concatenate(tables, axis=1)))
    classes, survival, fine, below, mean = nodes.split(every, [each.shape[1] for each in tables], axis=1)
    wanted = nodes.constant("levels", doubles(np.repeat(levels, len(grades.widths)))[np.newaxis])
    share = nodes("Div", nodes("Sub", wanted, below), nodes("Max", fine, nodes.constant("tiny", doubles([TINY]))))
    share = nodes("Clip", share, nodes.constant("none", doubles(0)), nodes.constant("all", doubles(1)))
    widths = np.kron(np.eye(len(levels)), grades.widths[:, np.newaxis])
    quantiles = nodes("MatMul", share, nodes.constant("widths", widths))
    if calibration is None:
        return nodes("Concat", classes, quantiles, median, quantiles, quantiles, survival, axis=1)
    ends = nodes("Add", quantiles, _offsets(nodes, mean, calibration.intervals))
    low, middle, high = nodes.split(ends, [1, 1, 1], axis=1)
    low = nodes("Relu", nodes("Min", low, middle))
    return nodes("Concat", classes, low, median, nodes("Max", high, middle), middle, survival, axis=1)


def _sharpened(nodes: Nodes, together: str, count: int, power: float) -> str:
    """Chances by `sharpened`; the members' sum does as well as their mean, as all is divided by its own sum."""
    smallest = nodes.constant("smallest", doubles([SMALLEST * count]))
    raised = nodes("Max", together, smallest)
    raised = nodes("Pow", raised, nodes.constant("power", doubles([power])))
    return nodes("Div", raised, nodes("ReduceSum", raised, _GRADES))


def _offsets(nodes: Nodes, mean: str, intervals: Intervals) -> str:
    """What low, middle and high are off their quantiles, the middle by nothing, float64 [engines, 3].

    A piecewise linear function is a sum of ramps from its knots.
    """
    knots = doubles(intervals.knots)
    ramps = nodes("Relu", nodes("Sub", mean, nodes.constant("knots", knots[np.newaxis])))
    values = np.stack([doubles(intervals.low), np.zeros(len(knots)), doubles(intervals.high)], axis=1)
    slopes = np.diff(values, axis=0) / np.diff(knots)[:, np.newaxis]
    # Level before the first knot and after the last.
    bends = np.diff(slopes, axis=0, prepend=np.zeros((1, 3)), append=np.zeros((1, 3)))
    steeper = nodes.constant("how much steeper at each knot", bends)
    return nodes("Gemm", ramps, steeper, nodes.constant("at first", values[0]))
