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

from scoring.model.outputs import RUL_COLUMNS
from scoring.model.signature import INPUT_NAME, KEPT, MIDDLE, MODES, PROBABILITIES, RUL, SURVIVAL, Field
from training.estimators.experts import WHOLE, Experts
from training.estimators.modes import FailureModes
from training.estimators.prognosis import BY_CURVE, CAUTION, Prognosis
from training.graph.curve import add_curve
from training.graph.features import FeaturesGraph
from training.graph.networks import FloatArray, Network, add_networks, of_grades
from training.graph.nodes import OPSET, Nodes, Tensor, doubles, floats, whole_numbers
from training.graph.trees import Boosting, add_boosted_classifiers, add_boosted_regressors

_OVER_ENGINES = whole_numbers([0])
_DOUBLE = onnx.TensorProto.DOUBLE


class _Parts(NamedTuple):
    """Names of what adds up to the sum of all members, float64.

    Attributes:
        chances: Each [engines, grades].
        shares: Shares of the cap, each [engines, 1].
    """

    chances: list[str]
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
        A model with inputs `telemetry` [engines, window, fields] and `kept` [answers, fields], which may be left out,
        and outputs `probabilities`, `rul`, `middle` and `survival`.
    """
    nodes = Nodes()
    experts: Experts = pipeline[-1]
    features = FeaturesGraph(pipeline[0], len(fields)).add(nodes.part("features"), INPUT_NAME, KEPT)
    said = _add_experts(nodes, features, experts)
    if experts.modes is not None:
        said = nodes("Concat", said, _add_modes(nodes.part("modes"), features, experts.modes), axis=1)
    answers = nodes("Cast", said, to=onnx.TensorProto.FLOAT)
    described = _described(experts) | _described_modes(experts)
    nodes.split(answers, [width for width, _ in described.values()], 1, list(described))
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
        {name: (name, Tensor((width,), says)) for name, (width, says) in described.items()},
        {
            KEPT: (
                np.ones((1, len(fields)), dtype=np.float32),
                Tensor(
                    (len(fields),), "1 for a column that counts, 0 for one that is as if missing from the whole window"
                ),
            )
        },
    )


def _described(experts: Experts) -> dict[str, tuple[int, str]]:
    """The outputs by name: how many columns each has, and what they are."""
    classes, edges = experts.classes.names, experts.grades_.edges
    lasting = ", ".join(f"{each:g}" for each in edges)
    return {
        PROBABILITIES: (len(classes), f"Probabilities of the RUL classes {', '.join(classes)}"),
        RUL: (RUL_COLUMNS, f"Low, median and high RUL in cycles; a median of {experts.cap:g} is that or more"),
        MIDDLE: (1, "The median RUL in cycles, which no cap cuts; it lies from low to high"),
        SURVIVAL: (len(edges), f"How likely an engine lasts longer than {lasting} cycles"),
    }


def _described_modes(experts: Experts) -> dict[str, tuple[int, str]]:
    if experts.modes is None:
        return {}
    names = experts.modes.names
    return {MODES: (len(names), f"How likely an engine fails by {', '.join(names)}, if it fails")}


def last_step(estimator: Any) -> Any:  # noqa: ANN401 - any estimator
    """What a pipeline ends with, also one within another; an estimator itself."""
    return last_step(estimator[-1]) if isinstance(estimator, Pipeline) else estimator


def only_last(model: onnx.ModelProto) -> onnx.ModelProto:
    """What leads to the last output: of a classifier the probabilities, without the labels."""
    return select_model_inputs_outputs(model, [model.graph.output[-1].name])  # type: ignore[no-any-return]


def _add_experts(nodes: Nodes, features: str, experts: Experts) -> str:
    """`Experts.predict`, all outputs side by side, float64; each model is asked only if a window calls for it."""
    gate = nodes.part("gate")
    counts = experts.whole.n_features_in_ - 2
    messages_and_cycle = nodes.columns(features, whole_numbers([counts, counts + 1]))
    # There are no more messages than fit into the window.
    possible = gate("Min", messages_and_cycle, gate.constant("window", floats([experts.window])))
    # Whole numbers: the same on every processor.
    enough = gate("MatMul", possible, gate.constant("tenths, tenths of a whole window", floats([[10], [-WHOLE]])))
    most, least = (gate(kind, enough, _OVER_ENGINES, keepdims=0) for kind in ("ReduceMax", "ReduceMin"))
    any_whole = gate("GreaterOrEqual", most, floats([0]))
    any_torn = gate("Less", least, floats([0]))
    width = sum(width for width, _ in _described(experts).values())
    of_whole = _asked(nodes.part("whole"), any_whole, features, experts.whole, width)
    of_torn = _asked(nodes.part("torn"), any_torn, features, experts.torn, width)
    return gate("Where", gate("GreaterOrEqual", enough, floats([0])), of_whole, of_torn)


def _add_modes(nodes: Nodes, features: str, modes: FailureModes) -> str:
    """`FailureModes.predict`, float64 [engines, modes]."""
    networks = [Network.of(each, modes.places(each)) for each in modes.networks_]
    known = [each for each in networks if each is not None]
    chances, _ = add_networks(nodes, nodes("Cast", features, to=_DOUBLE), known)
    return nodes("Mul", nodes("Sum", *chances), nodes.constant("for each network", doubles([1 / len(networks)])))


def _asked(nodes: Nodes, condition: str, features: str, prognosis: Prognosis, width: int) -> str:
    """What a model says, or zeros, which nobody looks at."""
    # ONNX Runtime holds a branch twice: trees, which are most of a file, stay outside and are always asked.
    parts = _add_trees(nodes, features, prognosis)
    (answers,) = nodes.either(
        condition,
        lambda asked: [_add_prognosis(asked, features, prognosis, parts)],
        lambda spared: [spared("Identity", doubles(np.zeros((1, width))))],
        _DOUBLE,
    )
    return answers


def _members(prognosis: Prognosis) -> list[tuple[Any, FloatArray | None]]:
    """Each estimator, and which grade each of its labels is if it has any."""
    every = np.eye(prognosis.grades_.count, dtype=np.float32)
    graders = [(each, every[each.classes_]) for each in prognosis.graders_]
    return [*graders, *((each, None) for each in prognosis.regressors_)]


def _add_trees(nodes: Nodes, features: str, prognosis: Prognosis) -> _Parts:
    """All estimators that are no networks: boosted trees, and others as skl2onnx has them."""
    parts = _Parts([], [])
    regressors: list[Boosting] = []
    graders: dict[bytes, tuple[FloatArray, list[Boosting]]] = {}
    for estimator, places in _members(prognosis):
        if boosting := Boosting.of(estimator):
            if places is None:
                regressors.append(boosting)
            else:
                graders.setdefault(places.tobytes(), (places, []))[1].append(boosting)
        elif Network.of(estimator, places) is None:
            converted = nodes.include(_converted(estimator, prognosis.n_features_in_), features)
            answer = nodes("Cast", converted, to=_DOUBLE)
            if places is None:
                parts.shares.append(answer)
            else:
                parts.chances.append(of_grades(nodes, answer, places))
    for number, (places, alike) in enumerate(graders.values(), start=1):
        part = nodes.part(f"grading trees {number}")
        parts.chances.append(add_boosted_classifiers(part, features, alike, places))
    if regressors:
        parts.shares.append(add_boosted_regressors(nodes.part("regressing trees"), features, regressors))
    return parts


def _add_prognosis(nodes: Nodes, features: str, prognosis: Prognosis, parts: _Parts) -> str:
    """`Prognosis.predict`, all outputs side by side."""
    chances, shares = list(parts.chances), list(parts.shares)
    networks: dict[tuple[int, ...], list[Network]] = {}
    for estimator, places in _members(prognosis):
        if network := Network.of(estimator, places):
            networks.setdefault(network.hidden, []).append(network)
    if networks:
        in_double = nodes("Cast", features, to=_DOUBLE)
    for hidden, alike in networks.items():
        part = nodes.part(f"networks of {'-'.join(map(str, hidden))}")
        more_chances, more_shares = add_networks(part, in_double, alike)
        chances += more_chances
        shares += more_shares
    rul = nodes.part("rul")
    cap = prognosis.cap
    together = chances[0] if len(chances) == 1 else nodes("Sum", *chances)
    of_regressors = [(1 - BY_CURVE) * cap / len(prognosis.regressors_)] * len(shares)
    graded = (BY_CURVE / len(prognosis.graders_)) * prognosis.grades_.means_below(cap)
    parts_of_mean = rul.constant("parts of the mean", np.append(graded, of_regressors)[:, np.newaxis])
    median = rul("MatMul", rul("Concat", together, *shares, axis=1), parts_of_mean)
    median = rul("Clip", median, rul.constant("lowest", doubles(0)), rul.constant("cap", doubles(cap)))
    # Less CAUTION of what is left of the cap: median - CAUTION * median * (1 - median / cap).
    by = rul("Mul", median, rul.constant("caution of the cap", doubles([CAUTION / cap])))
    by = rul("Add", by, rul.constant("less caution", doubles([1 - CAUTION])))
    return add_curve(nodes.part("curve"), together, rul("Mul", median, by), prognosis)


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
