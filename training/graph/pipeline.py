"""The fitted pipeline as an ONNX graph."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import onnx
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from skl2onnx.helpers.onnx_helper import select_model_inputs_outputs
from sklearn.pipeline import Pipeline

from scoring.model.signature import INPUT_NAME, PROBABILITIES, RUL, Field
from training.estimators.calibration import SMALLEST, Calibration
from training.estimators.experts import WHOLE, Experts
from training.estimators.prognosis import CAUTION, Prognosis
from training.graph.features import FeaturesGraph
from training.graph.networks import DoubleArray, FloatArray, Network, add_networks, of_classes
from training.graph.nodes import OPSET, Nodes, Tensor, doubles, floats, whole_numbers
from training.graph.trees import Boosting, add_boosted_classifiers, add_boosted_regressors

_OVER_ENGINES = whole_numbers([0])
_OVER_CLASSES = whole_numbers([1])
_DOUBLE = onnx.TensorProto.DOUBLE


class _Parts(NamedTuple):
    """Names of what adds up to the sum of all members, float64.

    Attributes:
        probabilities: Each [engines, classes].
        shares: Shares of the cap, each [engines, 1].
    """

    probabilities: list[str]
    shares: list[str]


def to_onnx(pipeline: Pipeline, window: int, fields: Sequence[Field]) -> onnx.ModelProto:
    """The graph of a fitted pipeline of WindowFeatures and Experts, the same bytes for the same pipeline.

    Features are exact in float32, trees' sums as well, and what comes after them is computed in float64 and rounded
    once, so that answers do not depend on the batch, the processor or the version of ONNX Runtime.

    Args:
        pipeline: The fitted pipeline.
        window: Cycles in a window (W).
        fields: Columns of a window.

    Returns:
        A model with input `telemetry` [engines, window, fields] and outputs `probabilities` and `rul`.
    """
    nodes = Nodes()
    experts: Experts = pipeline[-1]
    features = FeaturesGraph(pipeline[0], len(fields)).add(nodes.part("features"), INPUT_NAME)
    probabilities, rul = (
        nodes("Cast", each, to=onnx.TensorProto.FLOAT) for each in _add_experts(nodes, features, experts)
    )
    classes = experts.classes.names
    columns = ", ".join(f"{each.name} [{each.unit}]" if each.unit else each.name for each in fields)
    return nodes.model(
        "prognosis",
        "Remaining useful life (RUL) of engines from their telemetry; "
        "the metadata has the signature, golden windows and what training saw.",
        {
            INPUT_NAME: Tensor(
                (window, len(fields)),
                f"The last {window} cycles of each engine, oldest first, NaN where there is no message or no value. "
                f"Columns: {columns}",
            )
        },
        {
            PROBABILITIES: (
                probabilities,
                Tensor((len(classes),), f"Probabilities of the RUL classes {', '.join(classes)}"),
            ),
            RUL: (
                rul,
                Tensor((3,), f"Low, median and high RUL in cycles; a median of {experts.cap:g} is that or more"),
            ),
        },
    )


def last_step(estimator: Any) -> Any:  # noqa: ANN401 - any estimator
    """What a pipeline ends with, also one within another; an estimator itself."""
    return last_step(estimator[-1]) if isinstance(estimator, Pipeline) else estimator


def only_last(model: onnx.ModelProto) -> onnx.ModelProto:
    """What leads to the last output: of a classifier the probabilities, without the labels."""
    return select_model_inputs_outputs(model, [model.graph.output[-1].name])  # type: ignore[no-any-return]


def _add_experts(nodes: Nodes, features: str, experts: Experts) -> list[str]:
    """`Experts.predict_proba` and `Experts.predict`, float64; each model is asked only if a window calls for it."""
    gate = nodes.part("gate")
    counts = experts.whole.n_features_in_ - 2
    cycle, messages = (gate("Gather", features, whole_numbers([column]), axis=1) for column in (counts, counts + 1))
    possible = gate("Min", cycle, gate.constant("window", floats([experts.window])))
    # Whole numbers: the same on every processor.
    enough = gate(
        "Sub",
        gate("Mul", messages, gate.constant("tenths", floats([10]))),
        gate("Mul", possible, gate.constant("tenths of a whole window", floats([WHOLE]))),
    )
    most, least = (gate(kind, enough, _OVER_ENGINES, keepdims=0) for kind in ("ReduceMax", "ReduceMin"))
    any_whole = gate("GreaterOrEqual", most, floats([0]))
    any_torn = gate("Less", least, floats([0]))
    of_whole = _asked(nodes.part("whole"), any_whole, features, experts.whole)
    of_torn = _asked(nodes.part("torn"), any_torn, features, experts.torn)
    whole = gate("GreaterOrEqual", enough, floats([0]))
    return [gate("Where", whole, *answers) for answers in zip(of_whole, of_torn, strict=True)]


def _asked(nodes: Nodes, condition: str, features: str, prognosis: Prognosis) -> list[str]:
    """What a model says, or zeros, which nobody looks at."""
    widths = (len(prognosis.classes.names), 3)
    # ONNX Runtime holds a branch twice: trees, which are most of a file, stay outside and are always asked.
    parts = _add_trees(nodes, features, prognosis)
    return nodes.either(
        condition,
        lambda asked: _add_prognosis(asked, features, prognosis, parts),
        lambda spared: [spared("Identity", doubles(np.zeros((1, width)))) for width in widths],
        _DOUBLE,
    )


def _members(prognosis: Prognosis) -> list[tuple[Any, FloatArray | None]]:
    """Each estimator, and to which class each of its labels belongs if it has any."""
    classifiers = zip([*prognosis.classifiers_, *prognosis.graders_], prognosis.places_, strict=True)
    return [*classifiers, *((each, None) for each in prognosis.regressors_)]


def _add_trees(nodes: Nodes, features: str, prognosis: Prognosis) -> _Parts:
    """All estimators that are no networks: boosted trees, and others as skl2onnx has them."""
    parts = _Parts([], [])
    regressors: list[Boosting] = []
    classifiers: dict[bytes, tuple[FloatArray, list[Boosting]]] = {}
    for estimator, places in _members(prognosis):
        if boosting := Boosting.of(estimator):
            if places is None:
                regressors.append(boosting)
            else:
                classifiers.setdefault(places.tobytes(), (places, []))[1].append(boosting)
        elif Network.of(estimator, places) is None:
            converted = nodes.include(_converted(estimator, prognosis.n_features_in_), features)
            answer = nodes("Cast", converted, to=_DOUBLE)
            if places is None:
                parts.shares.append(answer)
            else:
                parts.probabilities.append(of_classes(nodes, answer, places))
    for number, (places, alike) in enumerate(classifiers.values(), start=1):
        part = nodes.part(f"classifying trees {number}")
        parts.probabilities.append(add_boosted_classifiers(part, features, alike, places))
    if regressors:
        parts.shares.append(add_boosted_regressors(nodes.part("regressing trees"), features, regressors))
    return parts


def _add_prognosis(nodes: Nodes, features: str, prognosis: Prognosis, parts: _Parts) -> tuple[str, str]:
    """`Prognosis.predict_proba` and `Prognosis.predict`."""
    probabilities, shares = [*parts.probabilities], [*parts.shares]
    networks: dict[tuple[int, ...], list[Network]] = {}
    for estimator, places in _members(prognosis):
        if network := Network.of(estimator, places):
            networks.setdefault(network.hidden, []).append(network)
    if networks:
        in_double = nodes("Cast", features, to=_DOUBLE)
    for hidden, alike in networks.items():
        part = nodes.part(f"networks of {'-'.join(map(str, hidden))}")
        more_probabilities, more_shares = add_networks(part, in_double, alike)
        probabilities += more_probabilities
        shares += more_shares
    calibration = prognosis.calibration
    calibrating, rul = nodes.part("calibration"), nodes.part("rul")
    # The sum does as well as the mean: all is divided by its own sum in the end.
    smallest = calibrating.constant("smallest", doubles([SMALLEST * len(prognosis.places_)]))
    power = calibrating.constant("power", doubles([1.0 if calibration is None else calibration.power]))
    raised = calibrating("Pow", calibrating("Max", calibrating("Sum", *probabilities), smallest), power)
    calibrated = calibrating("Div", raised, calibrating("ReduceSum", raised, _OVER_CLASSES))

    cap = prognosis.cap
    share = rul.constant("cap for each regressor", doubles([cap / len(prognosis.regressors_)]))
    median = rul("Mul", rul("Sum", *shares), share)
    median = rul("Clip", median, rul.constant("lowest", doubles(0)), rul.constant("cap", doubles(cap)))
    from_cap = rul("Sub", doubles([1]), rul("Mul", median, rul.constant("of the cap", doubles([1 / cap]))))
    caution = rul("Mul", rul("Mul", median, rul.constant("caution", doubles([CAUTION]))), from_cap)
    return calibrated, _around(rul, rul("Sub", median, caution), calibration)


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
    return only_last(model)


def _around(nodes: Nodes, median: str, calibration: Calibration | None) -> str:
    """Low, median and high by `Intervals.around`; a piecewise linear function is a sum of ramps from its knots on."""
    if calibration is None:
        return nodes("Concat", median, median, median, axis=1)
    intervals = calibration.intervals
    knots = intervals.knots.astype(np.float64)
    ramps = nodes("Relu", nodes("Sub", median, nodes.constant("knots", knots[np.newaxis, :])))
    ends = []
    for name, values in (("low", intervals.low.astype(np.float64)), ("high", intervals.high.astype(np.float64))):
        bends = nodes.constant(f"{name}, how much steeper at each knot", _bends(knots, values))
        ends.append(nodes("Add", nodes("MatMul", ramps, bends), nodes.constant(f"{name} at first", values[:1])))
    low = nodes("Relu", nodes("Add", median, nodes("Min", ends[0], doubles([0]))))
    return nodes("Concat", low, median, nodes("Add", median, nodes("Relu", ends[1])), axis=1)


def _bends(knots: DoubleArray, values: DoubleArray) -> DoubleArray:
    """How much steeper the function gets at each knot, [knots, 1]; level after the last."""
    slopes = np.diff(values) / np.diff(knots)
    return np.asarray(np.diff(slopes, prepend=0.0, append=0.0))[:, np.newaxis]
