"""Neural networks as nodes: all of one size are computed side by side, a layer at a time, in float64.

Sums of floats differ in their last bits with the number of rows, the processor and the version of ONNX Runtime. In
float64 they do so a billion times below what is left once the answer is rounded to float32, which is therefore the same
everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from training.graph.nodes import Nodes, doubles, whole_numbers

FloatArray = NDArray[np.float32]
DoubleArray = NDArray[np.float64]

DECAYED = 1e-20
"""Weights below this are 0. Those from or to a neuron that no row of training activates have no gradient but that of
weight decay, which shrinks them for good, down to denormals; some processors multiply these in microcode. No bit of any
answer depends on them."""

_NETWORKS = whole_numbers([0])


@dataclass(frozen=True, eq=False)
class Network:
    """One fitted network with what stands before it.

    Attributes:
        columns: int64 [seen], the features that it sees.
        weights: float64 [in, out] of each layer; those of the first standardise the features as well.
        biases: float64 [out] of each layer.
        places: float32 [labels, grades], a row for each label with a 1 in the column of its grade; None: it predicts a
            number.
    """

    columns: NDArray[np.int64]
    weights: tuple[DoubleArray, ...]
    biases: tuple[DoubleArray, ...]
    places: FloatArray | None

    @classmethod
    def of(cls, estimator: Any, places: FloatArray | None) -> Self | None:  # noqa: ANN401 - scikit-learn has no types
        """The network that a fitted pipeline is; None if it is anything else."""
        if not (
            isinstance(estimator, Pipeline) and len(estimator) == 2 and isinstance(estimator[0], ColumnTransformer)
        ):
            return None
        (_, scaler, columns), *others = estimator[0].transformers_
        network = estimator[1]
        if not isinstance(scaler, StandardScaler) or any(how != "drop" for _, how, _ in others):
            return None
        if not isinstance(network, MLPClassifier | MLPRegressor) or network.activation != "relu":
            return None
        # Of two classes scikit-learn's network computes only one.
        if network.out_activation_ not in ("softmax", "identity"):
            return None
        first, *weights = [_without_decayed(each.astype(np.float64)) for each in network.coefs_]
        bias, *biases = [_without_decayed(each.astype(np.float64)) for each in network.intercepts_]
        scaled = first / scaler.scale_[:, np.newaxis]
        return cls(
            np.asarray(columns, dtype=np.int64),
            (scaled, *weights),
            (bias - scaler.mean_ @ scaled, *biases),
            places,
        )

    @property
    def hidden(self) -> tuple[int, ...]:
        """Neurons of its hidden layers."""
        return tuple(each.shape[1] for each in self.weights[:-1])


def add_networks(nodes: Nodes, features: str, networks: Sequence[Network]) -> tuple[list[str], list[str]]:
    """Add the nodes of networks with the same hidden layers.

    One product of matrices for each layer of all of them takes a fraction of the time of many small ones.

    Args:
        nodes: The graph.
        features: The name of the features, float64 [engines, features].
        networks: At least one.

    Returns:
        Names that add up to the sum of the networks' chances, float64 [engines, grades], and others that add up
        to the sum of their numbers, float64 [engines, 1].
    """
    by_view = _grouped(networks, lambda each: each.columns.tobytes())
    ordered = [each for alike in by_view for each in alike]
    first = [_first_layer(nodes, features, alike, view) for view, alike in enumerate(by_view, start=1)]
    layer = nodes("Concat", *first, axis=1)
    # Rectified after it is turned: ONNX Runtime 1.21 fuses `Transpose` and `MatMul`, which it can for float32 only.
    layer = nodes("Relu", nodes("Transpose", layer, perm=[1, 0, 2]))
    for depth in range(1, len(ordered[0].weights) - 1):
        layer = nodes("Relu", _layer(nodes, f"layer {depth + 1}", layer, ordered, depth))
    probabilities, numbers = [], []
    grouped = _grouped(ordered, lambda each: None if each.places is None else each.places.tobytes())
    for number, alike in enumerate(grouped, start=1):
        places = whole_numbers([ordered.index(each) for each in alike])
        output = _layer(nodes, f"output {number}", nodes("Gather", layer, places, axis=0), alike, -1)
        if alike[0].places is None:
            numbers.append(nodes("ReduceSum", output, _NETWORKS, keepdims=0))
        else:
            labels = nodes("ReduceSum", nodes("Softmax", output, axis=-1), _NETWORKS, keepdims=0)
            probabilities.append(of_grades(nodes, labels, alike[0].places))
    return probabilities, numbers


def of_grades(nodes: Nodes, labels: str, places: FloatArray) -> str:
    """Probabilities of labels, float64 [engines, labels], as those of grades, float64 [engines, grades].

    Args:
        nodes: The graph.
        labels: Name of the probabilities of labels, float64 [engines, labels].
        places: float64 [labels, grades], 1 where a label is of a grade.
    """
    same = np.array_equal(places, np.eye(len(places)))
    return labels if same else nodes("MatMul", labels, nodes.constant("grades of labels", doubles(places)))


def _without_decayed(weights: DoubleArray) -> DoubleArray:
    return np.where(np.abs(weights) < DECAYED, 0.0, weights)


def _grouped(networks: Sequence[Network], key: Callable[[Network], Hashable]) -> list[list[Network]]:
    groups: dict[Hashable, list[Network]] = {}
    for each in networks:
        groups.setdefault(key(each), []).append(each)
    return list(groups.values())


def _first_layer(nodes: Nodes, features: str, networks: Sequence[Network], view: int) -> str:
    """The first layer of networks that see the same, before it is rectified, [engines, networks, out]."""
    seen = nodes.columns(features, networks[0].columns)
    weights = nodes.constant(
        f"view {view}, layer 1 weights", np.concatenate([each.weights[0] for each in networks], axis=1)
    )
    biases = nodes.constant(f"view {view}, layer 1 biases", np.concatenate([each.biases[0] for each in networks]))
    shape = whole_numbers([0, len(networks), len(networks[0].biases[0])])
    return nodes("Reshape", nodes("Gemm", seen, weights, biases), shape)


def _layer(nodes: Nodes, name: str, layer: str, networks: Sequence[Network], depth: int) -> str:
    """One layer of all networks, before it is rectified, [networks, engines, out]."""
    weights = nodes.constant(f"{name} weights", np.stack([each.weights[depth] for each in networks]))
    biases = nodes.constant(f"{name} biases", np.stack([each.biases[depth] for each in networks])[:, np.newaxis])
    return nodes("Add", nodes("MatMul", layer, weights), biases)
