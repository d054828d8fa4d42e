"""`WindowFeatures.transform` as nodes, operation by operation."""

from __future__ import annotations

import numpy as np
import onnx

from training.features import LIMIT, WindowFeatures
from training.nodes import Nodes, floats, whole_numbers
from training.regimes import HIGHEST, LARGEST, LOWEST, UNCLEAR, Regimes

_TURNED = [0, 2, 1]
_OVER_LAST = whole_numbers([-1])


def add_features(nodes: Nodes, windows: str, features: WindowFeatures) -> str:
    """Add the nodes that make features of raw windows.

    Filling what is absent or impossible takes longer than all the rest, so a call without any does without. Windows
    are turned so that each sensor's values lie side by side: to pick sensors is then to copy whole rows.

    Args:
        nodes: The graph.
        windows: The name of the raw windows, [engines, W, fields].
        features: Fitted.

    Returns:
        The name of the features, [engines, sensors x filters + 2].
    """
    turned = nodes("Transpose", windows, perm=_TURNED)
    raw = nodes("Gather", turned, features.sensors_, axis=1)
    settings = ""
    if features.regimes_.count > 1:
        settings = nodes("Transpose", nodes("Gather", turned, whole_numbers(features.settings), axis=1), perm=_TURNED)
    counted = nodes("Gather", turned, np.asarray(features.cycle), axis=1)
    cycle = nodes("Gather", counted, whole_numbers([features.window_ - 1]), axis=1)
    cycle = nodes("Where", nodes("IsNaN", cycle), floats([1]), cycle)
    cycle = nodes("Round", nodes("Clip", cycle, floats(1), floats(features.oldest_)))
    deviation = _deviation(nodes, raw, _nearest(nodes, settings, features), features)
    # A sum is NaN if one of its terms is.
    absent = nodes("IsNaN", nodes("ReduceSum", windows, keepdims=0))
    beyond = nodes("ReduceMax", nodes("Sub", nodes("Abs", deviation), features.limit_[:, np.newaxis]), keepdims=0)
    doubtful = nodes("Or", absent, nodes("Greater", beyond, floats(0)))
    steps, messages = nodes.either(
        doubtful,
        lambda torn: (_filled(torn, raw, settings, features), _messages(torn, counted)),
        lambda whole: (_steps(whole, deviation), _all_messages(whole, cycle, features)),
    )
    # By powers of two: exact.
    filtered = nodes("Mul", nodes("MatMul", steps, features.bank_), floats(1 / features.divisor_))
    flat = whole_numbers([0, len(features.sensors_) * features.bank_.shape[1]])
    return nodes("Concat", nodes("Reshape", filtered, flat), cycle, messages, axis=1)


def divided(nodes: Nodes, numerator: str, denominator: str) -> str:
    """Divide float32 by way of float64, which rounds to the same as dividing float32 does by IEEE 754.

    ONNX Runtime on 32-bit ARM divides float32 by an estimate of the reciprocal, up to 7e-6 off: enough to round a
    filled value to another step.
    """
    as_double = (nodes("Cast", each, to=onnx.TensorProto.DOUBLE) for each in (numerator, denominator))
    return nodes("Cast", nodes("Div", *as_double), to=onnx.TensorProto.FLOAT)


def _messages(nodes: Nodes, counted: str) -> str:
    there = nodes("Where", nodes("IsNaN", counted), floats([0]), floats([1]))
    return nodes("ReduceSum", there, _OVER_LAST)


def _all_messages(nodes: Nodes, cycle: str, features: WindowFeatures) -> str:
    return nodes("Add", nodes("Mul", cycle, floats([0])), floats([features.window_]))


def _filled(nodes: Nodes, raw: str, settings: str, features: WindowFeatures) -> str:
    """Standardised sensors, and in place of absent and impossible ones the mean of those that are near."""
    missing = nodes("IsNaN", raw)
    raw = nodes("Where", missing, floats([0]), raw)
    regime = ""
    if settings:
        regime, unclear = _regime(nodes, settings, features.regimes_)
        missing = nodes("Or", missing, nodes("Transpose", unclear, perm=_TURNED))
    deviation = _deviation(nodes, raw, regime, features)
    missing = nodes("Or", missing, nodes("Greater", nodes("Abs", deviation), features.limit_[:, np.newaxis]))
    present = nodes("Where", missing, floats([0]), floats([1]))
    steps = nodes("Mul", _steps(nodes, deviation), present)
    seen = nodes("Max", nodes("ReduceSum", present, _OVER_LAST), floats([1]))
    usual = nodes("Round", divided(nodes, nodes("ReduceSum", steps, _OVER_LAST), seen))
    # Who is near to whom is mutual: the same from either side.
    near = nodes("MatMul", present, features.near_)
    local = divided(nodes, nodes("MatMul", steps, features.near_), nodes("Max", near, floats([1])))
    filled = nodes("Where", nodes("Greater", near, floats([0])), nodes("Round", local), usual)
    return nodes("Where", missing, filled, steps)


def _deviation(nodes: Nodes, raw: str, regime: str, features: WindowFeatures) -> str:
    """How far sensors are off the mean of their message's regime, in steps."""
    mean, scale = (
        nodes("Transpose", nodes("Gather", each, regime, axis=0), perm=_TURNED) if regime else each.T
        for each in (features.mean_, features.scale_)
    )
    raw = nodes("Clip", raw, floats(-LARGEST), floats(LARGEST))
    return nodes("Mul", nodes("Sub", raw, mean), scale)


def _steps(nodes: Nodes, deviation: str) -> str:
    return nodes("Round", nodes("Clip", deviation, floats(-LIMIT), floats(LIMIT)))


def _nearest(nodes: Nodes, settings: str, features: WindowFeatures) -> str:
    """The regime of messages whose settings are all there."""
    if not settings:
        return ""
    return nodes("ArgMin", _distances(nodes, settings, features.regimes_), axis=-1, keepdims=0)


def _regime(nodes: Nodes, settings: str, regimes: Regimes) -> tuple[str, str]:
    """`Regimes.of` and `Regimes.unclear` (with a last axis of length 1), operation by operation."""
    missing = nodes("IsNaN", settings)
    absent = nodes("Where", missing, floats([1]), floats([0]))
    present = nodes("Sub", floats([1]), absent)
    distances = _distances(nodes, nodes("Where", missing, floats([0]), settings), regimes, present)
    regime = nodes("ArgMin", distances, axis=-1, keepdims=0)
    margin = nodes("Mul", nodes("ReduceMax", absent, _OVER_LAST), floats([UNCLEAR]))
    furthest = nodes("Add", nodes("ReduceMin", distances, _OVER_LAST), margin)
    meant = nodes("Where", nodes("LessOrEqual", distances, furthest), floats([1]), floats([0]))
    return regime, nodes("Greater", nodes("ReduceSum", meant, _OVER_LAST), floats([1]))


def _distances(nodes: Nodes, settings: str, regimes: Regimes, present: str = "") -> str:
    """Squared distances to each centre, less what is the same for all; `present` has 0 for a setting to leave out."""
    settings = nodes("Clip", settings, floats(-LARGEST), floats(LARGEST))
    grid = nodes("Mul", nodes("Sub", settings, regimes.offset), regimes.scale)
    grid = nodes("Round", nodes("Clip", grid, floats(LOWEST), floats(HIGHEST)))
    squares = regimes.centres.T**2
    if not present:
        return nodes("Add", nodes("MatMul", grid, -2 * regimes.centres.T), squares.sum(axis=0))
    grid = nodes("Mul", grid, present)
    return nodes("Add", nodes("MatMul", grid, -2 * regimes.centres.T), nodes("MatMul", present, squares))
