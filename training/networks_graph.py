"""Neural networks as nodes: all of one size are computed side by side, a layer at a time."""

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

from training.nodes import Nodes, floats, whole_numbers

FloatArray = NDArray[np.float32]

_NETWORKS = whole_numbers([0])


@dataclass(frozen=True, eq=False)
class Network:
    """One fitted network with what stands before it.

    Attributes:
        columns: int64 [seen], the features that it sees.
        mean: float32 [seen], subtracted from them.
        scale: float32 [seen], by which they are divided.
        weights: float32 [in, out] of each layer.
        biases: float32 [out] of each layer.
        places: float32 [labels, classes], a row for each label with a 1 in the column of its class; None: it predicts a
            number.
    """

    columns: NDArray[np.int64]
    mean: FloatArray
    scale: FloatArray
    weights: tuple[FloatArray, ...]
    biases: tuple[FloatArray, ...]
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
        return cls(
            np.asarray(columns, dtype=np.int64),
            scaler.mean_.astype(np.float32),
            scaler.scale_.astype(np.float32),
            tuple(each.astype(np.float32) for each in network.coefs_),
            tuple(each.astype(np.float32) for each in network.intercepts_),
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
        features: The name of the features, [engines, features].
        networks: At least one.

    Returns:
        Names that add up to the sum of the networks' probabilities, [engines, classes], and others that add up to the
        sum of their numbers, [engines, 1].
    """
    by_view = _grouped(networks, lambda each: (each.columns.tobytes(), each.mean.tobytes(), each.scale.tobytes()))
    ordered = [each for alike in by_view for each in alike]
    layer = nodes("Concat", *(_first_layer(nodes, features, alike) for alike in by_view), axis=1)
    layer = nodes("Transpose", nodes("Relu", layer), perm=[1, 0, 2])
    for depth in range(1, len(ordered[0].weights) - 1):
        layer = nodes("Relu", _layer(nodes, layer, ordered, depth))
    probabilities, numbers = [], []
    for alike in _grouped(ordered, lambda each: None if each.places is None else each.places.tobytes()):
        places = whole_numbers([ordered.index(each) for each in alike])
        output = _layer(nodes, nodes("Gather", layer, places, axis=0), alike, -1)
        if alike[0].places is None:
            numbers.append(nodes("ReduceSum", output, _NETWORKS, keepdims=0))
        else:
            labels = nodes("ReduceSum", nodes("Softmax", output, axis=-1), _NETWORKS, keepdims=0)
            probabilities.append(of_classes(nodes, labels, alike[0].places))
    return probabilities, numbers


def of_classes(nodes: Nodes, labels: str, places: FloatArray) -> str:
    """Probabilities of labels [engines, labels] as those of classes [engines, classes]."""
    return labels if np.array_equal(places, np.eye(len(places))) else nodes("MatMul", labels, places)


def _grouped(networks: Sequence[Network], key: Callable[[Network], Hashable]) -> list[list[Network]]:
    groups: dict[Hashable, list[Network]] = {}
    for each in networks:
        groups.setdefault(key(each), []).append(each)
    return list(groups.values())


def _first_layer(nodes: Nodes, features: str, networks: Sequence[Network]) -> str:
    """The first layer of networks that see the same, before it is rectified, [engines, networks, out]."""
    first = networks[0]
    seen = nodes("Sub", nodes.columns(features, first.columns), first.mean)
    seen = nodes("Mul", seen, floats(1 / first.scale))
    weights = np.concatenate([each.weights[0] for each in networks], axis=1)
    biases = np.concatenate([each.biases[0] for each in networks])
    shape = whole_numbers([0, len(networks), len(first.biases[0])])
    return nodes("Reshape", nodes("Gemm", seen, weights, biases), shape)


def _layer(nodes: Nodes, layer: str, networks: Sequence[Network], depth: int) -> str:
    """One layer of all networks, before it is rectified, [networks, engines, out]."""
    weights = np.stack([each.weights[depth] for each in networks])
    biases = np.stack([each.biases[depth] for each in networks])
    return nodes("Add", nodes("MatMul", layer, weights), biases[:, np.newaxis])
