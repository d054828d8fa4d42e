"""The fitted pipeline as an ONNX graph."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import numpy_helper
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from skl2onnx.helpers.onnx_helper import select_model_inputs_outputs
from sklearn.pipeline import Pipeline

from scoring.signature import INPUT_NAME, PROBABILITIES, RUL
from training.calibration import SMALLEST, Calibration
from training.experts import WHOLE, Experts
from training.features_graph import FeaturesGraph, divided
from training.networks_graph import FloatArray, Network, add_networks, of_classes
from training.nodes import OPSET, Nodes, floats, whole_numbers
from training.prognosis import CAUTION, Prognosis

_OVER_ENGINES = whole_numbers([0])
_OVER_CLASSES = whole_numbers([1])


class _Parts(NamedTuple):
    """Names of what adds up to the sum of all members.

    Attributes:
        probabilities: Each [engines, classes].
        shares: Shares of the cap, each [engines, 1].
    """

    probabilities: list[str]
    shares: list[str]


def to_onnx(pipeline: Pipeline, window: int, fields: int) -> onnx.ModelProto:
    """The graph of a fitted pipeline of WindowFeatures and Experts, the same bytes for the same pipeline.

    Args:
        pipeline: The fitted pipeline.
        window: Cycles in a window (W).
        fields: Columns of a window.

    Returns:
        A model with input `telemetry` [engines, window, fields] and outputs `probabilities` and `rul`.
    """
    nodes = Nodes()
    features = FeaturesGraph(pipeline[0], fields).add(nodes, INPUT_NAME)
    answers = _add_experts(nodes, features, pipeline[-1])
    widths = (len(pipeline[-1].classes.names), 3)
    outputs = dict(zip((PROBABILITIES, RUL), zip(answers, widths, strict=True), strict=True))
    return nodes.model("prognosis", {INPUT_NAME: (window, fields)}, outputs)


def last_step(estimator: Any) -> Any:  # noqa: ANN401 - any estimator
    """What a pipeline ends with, also one within another; an estimator itself."""
    return last_step(estimator[-1]) if isinstance(estimator, Pipeline) else estimator


def only_last(model: onnx.ModelProto) -> onnx.ModelProto:
    """What leads to the last output: of a classifier the probabilities, without the labels."""
    return select_model_inputs_outputs(model, [model.graph.output[-1].name])  # type: ignore[no-any-return]


def _add_experts(nodes: Nodes, features: str, experts: Experts) -> list[str]:
    """`Experts.predict_proba` and `Experts.predict`; each model is asked only if a window calls for it."""
    counts = experts.whole.n_features_in_ - 2
    cycle, messages = (nodes("Gather", features, whole_numbers([column]), axis=1) for column in (counts, counts + 1))
    possible = nodes("Min", cycle, floats([experts.window]))
    # Whole numbers: the same on every processor.
    enough = nodes("Sub", nodes("Mul", messages, floats([10])), nodes("Mul", possible, floats([WHOLE])))
    most, least = (nodes(kind, enough, _OVER_ENGINES, keepdims=0) for kind in ("ReduceMax", "ReduceMin"))
    any_whole = nodes("GreaterOrEqual", most, floats([0]))
    any_torn = nodes("Less", least, floats([0]))
    of_whole = _asked(nodes, any_whole, features, experts.whole)
    of_torn = _asked(nodes, any_torn, features, experts.torn)
    whole = nodes("GreaterOrEqual", enough, floats([0]))
    return [nodes("Where", whole, *answers) for answers in zip(of_whole, of_torn, strict=True)]


def _asked(nodes: Nodes, condition: str, features: str, prognosis: Prognosis) -> list[str]:
    """What a model says, or zeros, which nobody looks at."""
    widths = (len(prognosis.classes.names), 3)
    # ONNX Runtime holds a branch twice: trees, which are most of a file, stay outside and are always asked.
    parts = _add_converted(nodes, features, prognosis)
    return nodes.either(
        condition,
        lambda asked: _add_prognosis(asked, features, prognosis, parts),
        lambda spared: [spared("Identity", floats(np.zeros((1, width)))) for width in widths],
    )


def _members(prognosis: Prognosis) -> list[tuple[Any, Network | None, FloatArray | None]]:
    """Each estimator, the network that it is, and to which class each of its labels belongs if it has any."""
    classifiers = zip([*prognosis.classifiers_, *prognosis.graders_], prognosis.places_, strict=True)
    everybody = [*classifiers, *((each, None) for each in prognosis.regressors_)]
    return [(estimator, Network.of(estimator, places), places) for estimator, places in everybody]


def _add_converted(nodes: Nodes, features: str, prognosis: Prognosis) -> _Parts:
    """All estimators that are no networks, each as skl2onnx has it."""
    parts = _Parts([], [])
    for estimator, network, places in _members(prognosis):
        if network is None:
            answer = nodes.include(_converted(estimator, prognosis.n_features_in_), features)
            if places is None:
                parts.shares.append(answer)
            else:
                parts.probabilities.append(of_classes(nodes, answer, places))
    return parts


def _add_prognosis(nodes: Nodes, features: str, prognosis: Prognosis, parts: _Parts) -> tuple[str, str]:
    """`Prognosis.predict_proba` and `Prognosis.predict`."""
    probabilities, shares = [*parts.probabilities], [*parts.shares]
    networks: dict[tuple[int, ...], list[Network]] = {}
    for _, network, _ in _members(prognosis):
        if network:
            networks.setdefault(network.hidden, []).append(network)
    for alike in networks.values():
        more_probabilities, more_shares = add_networks(nodes, features, alike)
        probabilities += more_probabilities
        shares += more_shares
    calibration = prognosis.calibration
    power = 1.0 if calibration is None else calibration.power
    mean = nodes("Mul", nodes("Sum", *probabilities), floats([1 / len(prognosis.places_)]))
    raised = nodes("Pow", nodes("Max", mean, floats([SMALLEST])), floats([power]))
    calibrated = divided(nodes, raised, nodes("ReduceSum", raised, _OVER_CLASSES))

    cap = prognosis.cap
    median = nodes("Mul", nodes("Sum", *shares), floats([cap / len(prognosis.regressors_)]))
    median = nodes("Clip", median, floats(0), floats(cap))
    from_cap = nodes("Sub", floats([1]), nodes("Mul", median, floats([1 / cap])))
    median = nodes("Sub", median, nodes("Mul", nodes("Mul", median, floats([CAUTION])), from_cap))
    return calibrated, _around(nodes, median, calibration)


def _converted(estimator: Any, features: int) -> onnx.ModelProto:  # noqa: ANN401 - any estimator
    with warnings.catch_warnings():
        # skl2onnx hands NumPy's booleans to protobuf as integers.
        warnings.simplefilter("ignore", DeprecationWarning)
        model: onnx.ModelProto = convert_sklearn(
            estimator,
            initial_types=[("features", FloatTensorType([None, features]))],
            target_opset=OPSET,
            options={last_step(estimator).__class__: {"zipmap": False}} if hasattr(estimator, "classes_") else None,
        )
    return _direct(only_last(model))


def _direct(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same with trees that see all features, and not first those picked that they look at."""
    picking = {node.output[0]: node for node in model.graph.node if node.op_type == "ArrayFeatureExtractor"}
    constants = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    for node in [each for each in model.graph.node if each.op_type.startswith("TreeEnsemble")]:
        attributes = {each.name: each for each in node.attribute}
        if picked := picking.get(node.input[0]):
            columns = constants[picked.input[1]].ravel()
            places = attributes["nodes_featureids"].ints
            places[:] = [int(columns[place]) for place in places]
            node.input[0] = picked.input[0]
            model.graph.node.remove(picked)
        # Features are never NaN, so there is no need to look at each threshold where NaN would go.
        if unused := attributes.get("nodes_missing_value_tracks_true"):
            node.attribute.remove(unused)
    return model


def _around(nodes: Nodes, median: str, calibration: Calibration | None) -> str:
    """Low, median and high by `Intervals.around`; a piecewise linear function is a sum of ramps from its knots on."""
    if calibration is None:
        return nodes("Concat", median, median, median, axis=1)
    intervals = calibration.intervals
    ramps = nodes("Relu", nodes("Sub", median, intervals.knots[np.newaxis, :]))
    ends = [
        nodes("Add", nodes("MatMul", ramps, _bends(intervals.knots, values)), values[:1])
        for values in (intervals.low, intervals.high)
    ]
    low = nodes("Relu", nodes("Add", median, nodes("Min", ends[0], floats([0]))))
    return nodes("Concat", low, median, nodes("Add", median, nodes("Relu", ends[1])), axis=1)


def _bends(knots: Any, values: Any) -> np.ndarray[Any, np.dtype[np.float32]]:  # noqa: ANN401 - arrays
    """How much steeper the function gets at each knot, float32 [knots, 1]; level after the last."""
    slopes = np.diff(values.astype(np.float64)) / np.diff(knots.astype(np.float64))
    return np.asarray(np.diff(slopes, prepend=0.0, append=0.0), dtype=np.float32)[:, np.newaxis]
