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
    classes = nodes("MatMul", chances, nodes.constant("classes of grades", grades.places(prognosis.classes)))
    survival = nodes("MatMul", chances, nodes.constant("later grades", grades.later))
    # In its own axis, several levels at once.
    fine = nodes("Unsqueeze", nodes("MatMul", chances, nodes.constant("parts", grades.parts)), _GRADES)
    below = nodes("Unsqueeze", nodes("MatMul", chances, nodes.constant("earlier parts", grades.earlier)), _GRADES)
    levels = [MIDDLE] if calibration is None else [calibration.intervals.below, MIDDLE, calibration.intervals.above]
    missing = nodes("Sub", nodes.constant("levels", doubles(levels)[np.newaxis, :, np.newaxis]), below)
    share = nodes("Div", missing, nodes("Max", fine, nodes.constant("tiny", doubles([TINY]))))
    share = nodes("Clip", share, nodes.constant("none", doubles(0)), nodes.constant("all", doubles(1)))
    times = nodes("MatMul", share, nodes.constant("widths", grades.widths[:, np.newaxis]))
    quantiles = nodes("Reshape", times, whole_numbers([-1, len(levels)]))
    if calibration is None:
        return nodes("Concat", classes, quantiles, median, quantiles, quantiles, survival, axis=1)
    low, middle, high = (nodes.columns(quantiles, whole_numbers([each])) for each in range(3))
    mean = nodes("MatMul", chances, nodes.constant("means", grades.means[:, np.newaxis]))
    below_by, above_by = _offsets(nodes, mean, calibration.intervals)
    low = nodes("Relu", nodes("Min", nodes("Add", low, below_by), middle))
    high = nodes("Max", nodes("Add", high, above_by), middle)
    return nodes("Concat", classes, low, median, high, middle, survival, axis=1)


def _sharpened(nodes: Nodes, together: str, count: int, power: float) -> str:
    """Chances by `sharpened`; the members' sum does as well as their mean, as all is divided by its own sum."""
    smallest = nodes.constant("smallest", doubles([SMALLEST * count]))
    raised = nodes("Max", together, smallest)
    raised = nodes("Pow", raised, nodes.constant("power", doubles([power])))
    return nodes("Div", raised, nodes("ReduceSum", raised, _GRADES))


def _offsets(nodes: Nodes, mean: str, intervals: Intervals) -> list[str]:
    """What ends are off their quantiles; a piecewise linear function is a sum of ramps from its knots."""
    ramps = nodes("Relu", nodes("Sub", mean, nodes.constant("knots", doubles(intervals.knots)[np.newaxis])))
    found = []
    for name, values in (("low", doubles(intervals.low)), ("high", doubles(intervals.high))):
        slopes = np.diff(values) / np.diff(doubles(intervals.knots))
        # Level before the first knot and after the last.
        bends = np.diff(slopes, prepend=0.0, append=0.0)[:, np.newaxis]
        bent = nodes("MatMul", ramps, nodes.constant(f"{name}, how much steeper at each knot", bends))
        found.append(nodes("Add", bent, nodes.constant(f"{name} at first", values[:1])))
    return found
