"""The fitted pipeline as an ONNX graph: converters that skl2onnx is told of."""
# ruff: noqa: ANN401 - skl2onnx has no types: its scopes, operators, containers and nodes are Any

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import onnx
import onnx.compose
from skl2onnx import convert_sklearn, update_registered_converter
from skl2onnx._parse import parse_sklearn
from skl2onnx.algebra.onnx_ops import (
    OnnxAdd,
    OnnxArgMin,
    OnnxCast,
    OnnxClip,
    OnnxConcat,
    OnnxDiv,
    OnnxGather,
    OnnxGreater,
    OnnxGreaterOrEqual,
    OnnxIsNaN,
    OnnxLessOrEqual,
    OnnxMatMul,
    OnnxMax,
    OnnxMin,
    OnnxMul,
    OnnxOr,
    OnnxPow,
    OnnxReduceMax,
    OnnxReduceMin,
    OnnxReduceSum,
    OnnxRelu,
    OnnxReshape,
    OnnxRound,
    OnnxSub,
    OnnxTranspose,
    OnnxWhere,
)
from skl2onnx.common.data_types import FloatTensorType
from skl2onnx.helpers.onnx_helper import select_model_inputs_outputs
from sklearn.pipeline import Pipeline

from scoring.signature import INPUT_NAME, PROBABILITIES, RUL
from training.calibration import SMALLEST, Calibration
from training.experts import WHOLE, Experts
from training.features import LIMIT, WindowFeatures
from training.prognosis import CAUTION, Prognosis
from training.regimes import HIGHEST, LARGEST, LOWEST, UNCLEAR, Regimes

OPSET = {"": 18, "ai.onnx.ml": 3}
"""What ONNX Runtime 1.21 loads, Debian's for 32-bit ARM."""
IR_VERSION = 8
# The last step's own names for its outputs, and those of either model in it.
_CHOSEN = ("chosen_probabilities", "chosen_interval")
_CALIBRATED, _INTERVAL = "calibrated", "interval"


def to_onnx(pipeline: Pipeline, window: int, fields: int) -> onnx.ModelProto:
    """The graph of a fitted pipeline of WindowFeatures and Experts, the same bytes for the same pipeline.

    Args:
        pipeline: The fitted pipeline.
        window: Cycles in a window (W).
        fields: Columns of a window.

    Returns:
        A model with input `telemetry` [engines, window, fields] and outputs `probabilities` and `rul`.
    """
    classifiers = [*_classifiers(pipeline[-1].whole), *_classifiers(pipeline[-1].torn)]
    with warnings.catch_warnings():
        # skl2onnx hands NumPy's booleans to protobuf as integers.
        warnings.simplefilter("ignore", DeprecationWarning)
        model: onnx.ModelProto = convert_sklearn(
            pipeline,
            name="prognosis",
            initial_types=[(INPUT_NAME, FloatTensorType([None, window, fields]))],
            target_opset=OPSET,
            options={last_step(each).__class__: {"zipmap": False} for each in classifiers},
        )
    # Without the nodes that lead to nothing, such as the classifiers' labels.
    model = select_model_inputs_outputs(model, list(_CHOSEN))
    model.ir_version = IR_VERSION
    _name_outputs(model, {PROBABILITIES: len(pipeline[-1].classes.names), RUL: 3})
    return model


def _name_outputs(model: onnx.ModelProto, columns: dict[str, int]) -> None:
    """Gives the outputs the contract's names and shapes, in order.

    skl2onnx leaves the name `probabilities` to the first classifier inside, so every inner name gets a prefix first.
    """
    inner = onnx.compose.add_prefix_graph(model.graph, "prognosis/", rename_inputs=False)
    engines = inner.input[0].type.tensor_type.shape.dim[0]
    engines.dim_param = "engines"
    outputs = []
    for found, (name, width) in zip(inner.output, columns.items(), strict=True):
        inner.node.append(onnx.helper.make_node("Identity", [found.name], [name], name=name))
        outputs.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["engines", width]))
    del inner.output[:], inner.value_info[:]
    inner.output.extend(outputs)
    model.graph.CopyFrom(inner)
    _drop_unused_constants(model.graph)


def _drop_unused_constants(graph: onnx.GraphProto) -> None:
    """Without the constants of dropped nodes; ONNX Runtime warns of each on every load."""
    used = {name for node in graph.node for name in node.input}
    kept = [each for each in graph.initializer if each.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _classifiers(prognosis: Prognosis) -> list[Any]:
    return [*prognosis.classifiers_, *prognosis.graders_]


def last_step(estimator: Any) -> Any:
    """What a pipeline ends with, also one within another; an estimator itself."""
    return last_step(estimator[-1]) if isinstance(estimator, Pipeline) else estimator


def _divided(op: _Ops, numerator: Any, denominator: Any, **names: Any) -> Any:
    """Divide float32 by way of float64, which rounds to the same as dividing float32 does by IEEE 754.

    ONNX Runtime on 32-bit ARM divides float32 by an estimate of the reciprocal, up to 7e-6 off: enough to round a
    filled value to another step.
    """
    as_double = (op(OnnxCast, each, to=onnx.TensorProto.DOUBLE) for each in (numerator, denominator))
    return op(OnnxCast, op(OnnxDiv, *as_double), to=onnx.TensorProto.FLOAT, **names)


def _floats(values: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.asarray(values, dtype=np.float32)


class _Ops:
    """Makes nodes of one opset; saves every call from saying which."""

    def __init__(self, opset: int) -> None:
        self._opset = opset

    def __call__(self, kind: Any, *inputs: Any, **attributes: Any) -> Any:
        return kind(*inputs, op_version=self._opset, **attributes)


def _window_features_shape(operator: Any) -> None:
    operator.outputs[0].type = FloatTensorType([None, operator.raw_operator.n_features_out_])


def _window_features(scope: Any, operator: Any, container: Any) -> None:
    """`WindowFeatures.transform`, operation by operation."""
    features: WindowFeatures = operator.raw_operator
    op = _Ops(container.target_opset)
    x = operator.inputs[0]
    raw = op(OnnxGather, x, features.sensors_, axis=2)
    missing = op(OnnxIsNaN, raw)
    raw = op(OnnxWhere, missing, _floats([0]), raw)
    raw = op(OnnxClip, raw, _floats(-LARGEST), _floats(LARGEST))
    mean, scale = features.mean_, features.scale_
    if features.regimes_.count > 1:
        settings = op(OnnxGather, x, np.asarray(features.settings), axis=2)
        regime, unclear = _regime(op, settings, features.regimes_)
        mean, scale = op(OnnxGather, mean, regime, axis=0), op(OnnxGather, scale, regime, axis=0)
        missing = op(OnnxOr, missing, unclear)
    present = op(OnnxWhere, missing, _floats([0]), _floats([1]))
    steps = op(OnnxMul, op(OnnxSub, raw, mean), scale)
    steps = op(OnnxRound, op(OnnxClip, steps, _floats(-LIMIT), _floats(LIMIT)))
    steps = op(OnnxMul, steps, present)
    over_window = np.asarray([1], dtype=np.int64)
    seen = op(OnnxMax, op(OnnxReduceSum, present, over_window), _floats([1]))
    usual = op(OnnxRound, _divided(op, op(OnnxReduceSum, steps, over_window), seen))
    near = op(OnnxMatMul, features.near_, present)
    local = op(OnnxRound, _divided(op, op(OnnxMatMul, features.near_, steps), op(OnnxMax, near, _floats([1]))))
    filled = op(OnnxWhere, op(OnnxGreater, near, _floats([0])), local, usual)
    filled = op(OnnxWhere, missing, filled, steps)
    filtered = op(OnnxMatMul, op(OnnxTranspose, filled, perm=[0, 2, 1]), features.bank_)
    # By powers of two: exact.
    filtered = op(OnnxMul, filtered, 1 / features.divisor_)
    flat = np.asarray([0, len(features.sensors_) * features.bank_.shape[1]], dtype=np.int64)
    counted = op(OnnxGather, x, np.asarray([features.cycle]), axis=2)
    messages = op(
        OnnxReduceSum, op(OnnxWhere, op(OnnxIsNaN, counted), _floats([0]), _floats([1])), over_window, keepdims=0
    )
    cycle = op(OnnxGather, counted, np.asarray(features.window_ - 1), axis=1)
    cycle = op(OnnxWhere, op(OnnxIsNaN, cycle), _floats([1]), cycle)
    cycle = op(OnnxRound, op(OnnxClip, cycle, _floats(1), _floats(features.oldest_)))
    op(
        OnnxConcat,
        op(OnnxReshape, filtered, flat),
        cycle,
        messages,
        axis=1,
        output_names=[operator.outputs[0].onnx_name],
    ).add_to(scope, container)


def _regime(op: _Ops, settings: Any, regimes: Regimes) -> tuple[Any, Any]:
    """`Regimes.of` and `Regimes.unclear` (with a last axis of length 1), operation by operation."""
    missing = op(OnnxIsNaN, settings)
    absent = op(OnnxWhere, missing, _floats([1]), _floats([0]))
    present = op(OnnxSub, _floats([1]), absent)
    raw = op(OnnxWhere, missing, _floats([0]), settings)
    raw = op(OnnxClip, raw, _floats(-LARGEST), _floats(LARGEST))
    grid = op(OnnxMul, op(OnnxSub, raw, regimes.offset), regimes.scale)
    grid = op(OnnxRound, op(OnnxClip, grid, _floats(LOWEST), _floats(HIGHEST)))
    distances = op(
        OnnxAdd,
        op(OnnxMatMul, op(OnnxMul, grid, present), -2 * regimes.centres.T),
        op(OnnxMatMul, present, regimes.centres.T**2),
    )
    regime = op(OnnxArgMin, distances, axis=-1, keepdims=0)
    over_settings = np.asarray([-1], dtype=np.int64)
    margin = op(OnnxMul, op(OnnxReduceMax, absent, over_settings), _floats([UNCLEAR]))
    furthest = op(OnnxAdd, op(OnnxReduceMin, distances, over_settings), margin)
    meant = op(OnnxWhere, op(OnnxLessOrEqual, distances, furthest), _floats([1]), _floats([0]))
    return regime, op(OnnxGreater, op(OnnxReduceSum, meant, over_settings), _floats([1]))


def _experts_parser(scope: Any, model: Experts, inputs: list[Any], custom_parsers: Any = None) -> list[Any]:
    """Puts both models before the last step, whose inputs are the features and what the two predict."""
    operator = scope.declare_local_operator("TurbofanEdgeExperts", model)
    for name in _CHOSEN:
        operator.outputs.append(scope.declare_local_variable(name, FloatTensorType()))
    operator.inputs.append(inputs[0])
    for each in (model.whole, model.torn):
        operator.inputs += parse_sklearn(scope, each, inputs, custom_parsers)
    return list(operator.outputs)


def _experts(scope: Any, operator: Any, container: Any) -> None:
    """`Experts.predict_proba` and `Experts.predict`, operation by operation."""
    experts: Experts = operator.raw_operator
    op = _Ops(container.target_opset)
    x, *predictions = operator.inputs
    counts = experts.whole.n_features_in_ - 2
    cycle, messages = (op(OnnxGather, x, np.asarray([column]), axis=1) for column in (counts, counts + 1))
    possible = op(OnnxMin, cycle, _floats([experts.window]))
    whole = op(OnnxGreaterOrEqual, op(OnnxMul, messages, _floats([10])), op(OnnxMul, possible, _floats([WHOLE])))
    for output, of_whole, of_torn in zip(operator.outputs, predictions[:2], predictions[2:], strict=True):
        op(OnnxWhere, whole, of_whole, of_torn, output_names=[output.onnx_name]).add_to(scope, container)


def _experts_shape(operator: Any) -> None:
    operator.outputs[0].type = FloatTensorType([None, len(operator.raw_operator.classes.names)])
    operator.outputs[1].type = FloatTensorType([None, 3])


def _prognosis_parser(scope: Any, model: Prognosis, inputs: list[Any], custom_parsers: Any = None) -> list[Any]:
    """Puts the estimators before the last step, whose inputs are what they predict and whose outputs are two."""
    operator = scope.declare_local_operator("TurbofanEdgePrognosis", model)
    # Shapes are found after parsing, but selecting columns wants to know how many there are.
    inputs[0].set_type(FloatTensorType([None, model.n_features_in_]))
    for name in (_CALIBRATED, _INTERVAL):
        operator.outputs.append(scope.declare_local_variable(name, FloatTensorType()))
    for each in (*_classifiers(model), *model.regressors_):
        # A classifier's outputs are label and probabilities, a regressor's is its prediction.
        operator.inputs.append(parse_sklearn(scope, each, inputs, custom_parsers)[-1])
    return list(operator.outputs)


def _prognosis_shape(operator: Any) -> None:
    operator.outputs[0].type = FloatTensorType([None, len(operator.raw_operator.classes.names)])
    operator.outputs[1].type = FloatTensorType([None, 3])


def _prognosis(scope: Any, operator: Any, container: Any) -> None:
    """`Prognosis.predict_proba` and `Prognosis.predict`, operation by operation."""
    prognosis: Prognosis = operator.raw_operator
    op = _Ops(container.target_opset)
    classifiers = len(_classifiers(prognosis))
    probabilities = _mean(
        op,
        [
            op(OnnxMatMul, each, places)
            for each, places in zip(operator.inputs[:classifiers], prognosis.places_, strict=True)
        ],
    )
    power = 1.0 if prognosis.calibration is None else prognosis.calibration.power
    raised = op(OnnxPow, op(OnnxMax, probabilities, _floats([SMALLEST])), _floats([power]))
    total = op(OnnxReduceSum, raised, np.asarray([1], dtype=np.int64))
    _divided(op, raised, total, output_names=[operator.outputs[0].onnx_name]).add_to(scope, container)

    share = _mean(op, operator.inputs[classifiers:])
    median = op(OnnxMul, share, _floats([prognosis.cap]))
    median = op(OnnxClip, median, _floats(0), _floats(prognosis.cap))
    from_cap = op(OnnxSub, _floats([1]), op(OnnxMul, median, _floats([1 / prognosis.cap])))
    median = op(OnnxSub, median, op(OnnxMul, op(OnnxMul, median, _floats([CAUTION])), from_cap))
    low, high = _around(op, median, prognosis.calibration)
    op(OnnxConcat, low, median, high, axis=1, output_names=[operator.outputs[1].onnx_name]).add_to(scope, container)


def _mean(op: _Ops, parts: list[Any]) -> Any:
    total = parts[0]
    for part in parts[1:]:
        total = op(OnnxAdd, total, part)
    return op(OnnxMul, total, _floats([1 / len(parts)]))


def _around(op: _Ops, median: Any, calibration: Calibration | None) -> tuple[Any, Any]:
    """`Intervals.around`; a piecewise linear function is a sum of ramps that start at its knots."""
    if calibration is None:
        return median, median
    intervals = calibration.intervals
    ramps = op(OnnxRelu, op(OnnxSub, median, intervals.knots[np.newaxis, :]))
    ends = [
        op(OnnxAdd, op(OnnxMatMul, ramps, _bends(intervals.knots, values)), values[:1])
        for values in (intervals.low, intervals.high)
    ]
    below = op(OnnxMul, op(OnnxRelu, op(OnnxMul, ends[0], _floats([-1]))), _floats([-1]))
    low = op(OnnxRelu, op(OnnxAdd, median, below))
    return low, op(OnnxAdd, median, op(OnnxRelu, ends[1]))


def _bends(knots: Any, values: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
    """How much steeper the function gets at each knot, float32 [knots, 1]; level after the last."""
    slopes = np.diff(values.astype(np.float64)) / np.diff(knots.astype(np.float64))
    return _floats(np.diff(slopes, prepend=0.0, append=0.0))[:, np.newaxis]


update_registered_converter(WindowFeatures, "TurbofanEdgeWindowFeatures", _window_features_shape, _window_features)
update_registered_converter(Prognosis, "TurbofanEdgePrognosis", _prognosis_shape, _prognosis, parser=_prognosis_parser)
update_registered_converter(Experts, "TurbofanEdgeExperts", _experts_shape, _experts, parser=_experts_parser)
