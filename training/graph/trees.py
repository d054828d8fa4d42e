"""Boosted trees as nodes: all members in one ensemble, with leaves whose sums are exact in any order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import onnx
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline

from training.graph.networks import DoubleArray, FloatArray, of_grades
from training.graph.nodes import Nodes, whole_numbers

EXACT = 2**24
"""Whole numbers up to this are float32s."""

_MEMBERS = whole_numbers([1])

Tree = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Boosting:
    """One fitted boosting with what stands before it.

    Attributes:
        columns: int64 [seen], the features that it sees.
        trees: Those of each target, as scikit-learn keeps them; two classes have but one, the second's.
        base: float64 [targets], what the trees' answers are added to.
    """

    columns: NDArray[np.int64]
    trees: tuple[tuple[Tree, ...], ...]
    base: DoubleArray

    @classmethod
    def of(cls, estimator: Any) -> Self | None:  # noqa: ANN401 - scikit-learn has no types
        """The boosting that a fitted pipeline is; None if it is anything else."""
        if not (
            isinstance(estimator, Pipeline) and len(estimator) == 2 and isinstance(estimator[0], ColumnTransformer)
        ):
            return None
        (_, _, columns), *others = estimator[0].transformers_
        boosting = estimator[1]
        if not isinstance(boosting, HistGradientBoostingClassifier | HistGradientBoostingRegressor):
            return None
        rounds = [[each.nodes for each in stage] for stage in boosting._predictors]
        categorical = any(tree["is_categorical"].any() for stage in rounds for tree in stage)
        if categorical or any(how != "drop" for _, how, _ in others):
            return None
        return cls(
            np.asarray(columns, dtype=np.int64),
            tuple(zip(*rounds, strict=True)),
            np.ravel(boosting._baseline_prediction).astype(np.float64),
        )


def add_boosted_classifiers(nodes: Nodes, features: str, members: Sequence[Boosting], places: FloatArray) -> str:
    """Add classifiers of the same labels.

    Args:
        nodes: The graph.
        features: The name of the features, float32 [engines, features].
        members: At least one.
        places: float32 [labels, grades], a row for each label with a 1 in the column of its grade.

    Returns:
        The name of the sum of their chances, float64 [engines, grades].
    """
    labels = len(places)
    # Of two labels, the first one's raw answer is 0.
    offsets = [(number + 1) * labels - len(each.trees) for number, each in enumerate(members)]
    base = np.zeros((len(members), labels))
    for row, each in zip(base, members, strict=True):
        row[labels - len(each.trees) :] = each.base
    raw = _add_ensemble(nodes, features, members, offsets, base.size)
    raw = nodes("Reshape", raw, whole_numbers([-1, *base.shape]))
    raw = nodes("Add", raw, nodes.constant("base", base))
    summed = nodes("ReduceSum", nodes("Softmax", raw, axis=-1), _MEMBERS, keepdims=0)
    return of_grades(nodes, summed, places)


def add_boosted_regressors(nodes: Nodes, features: str, members: Sequence[Boosting]) -> str:
    """Add regressors.

    Args:
        nodes: The graph.
        features: The name of the features, float32 [engines, features].
        members: At least one.

    Returns:
        The name of the sum of their numbers, float64 [engines, 1].
    """
    raw = _add_ensemble(nodes, features, members, [0] * len(members), 1)
    base = np.sum([each.base for each in members], axis=0)
    return nodes("Add", raw, nodes.constant("base", base[np.newaxis]))


def _add_ensemble(
    nodes: Nodes, features: str, members: Sequence[Boosting], offsets: Sequence[int], targets: int
) -> str:
    """The sums of all trees' leaves by target, float64 [engines, targets]."""
    trees = [
        (offset + place, member.columns, tree)
        for offset, member in zip(offsets, members, strict=True)
        for place, those in enumerate(member.trees)
        for tree in those
    ]
    step = _step([[tree for target, _, tree in trees if target == each] for each in range(targets)])
    table = np.concatenate([tree for _, _, tree in trees])
    leaf = table["is_leaf"].astype(bool)
    sizes = [len(tree) for _, _, tree in trees]
    tree_of = np.repeat(np.arange(len(trees)), sizes)
    target_of = np.repeat([target for target, _, _ in trees], sizes)
    number = np.concatenate([np.arange(size) for size in sizes])
    feature = np.concatenate([columns[tree["feature_idx"]] for _, columns, tree in trees])
    answer = nodes(
        "TreeEnsembleRegressor",
        features,
        domain="ai.onnx.ml",
        aggregate_function="SUM",
        post_transform="NONE",
        n_targets=targets,
        nodes_treeids=tree_of,
        nodes_nodeids=number,
        nodes_modes=np.where(leaf, "LEAF", "BRANCH_LEQ").tolist(),
        nodes_featureids=np.where(leaf, 0, feature),
        nodes_values=np.where(leaf, 0, _rounded_down(table["num_threshold"])).astype(np.float32),
        nodes_truenodeids=np.where(leaf, 0, table["left"]),
        nodes_falsenodeids=np.where(leaf, 0, table["right"]),
        target_treeids=tree_of[leaf],
        target_nodeids=number[leaf],
        target_ids=target_of[leaf],
        target_weights=(np.rint(table["value"][leaf] / step) * step).astype(np.float32),
    )
    return nodes("Cast", answer, to=onnx.TensorProto.DOUBLE)


def _step(targets: Sequence[Sequence[Tree]]) -> float:
    """The finest power of two of which all leaves can be multiples, and all sums of them float32s.

    A sum cannot go beyond the sum of each tree's largest leaf; rounding adds up to half a step to each of those.
    """
    largest = [[np.abs(tree["value"][tree["is_leaf"].astype(bool)]).max() for tree in those] for those in targets]
    return max(
        (2.0 ** np.ceil(np.log2(sum(each) / (EXACT - len(each)))) for each in largest if sum(each) > 0), default=1.0
    )


def _rounded_down(thresholds: DoubleArray) -> FloatArray:
    """The largest float32 that is not above a threshold: features are float32, and go left if they are not above it."""
    nearest = thresholds.astype(np.float32)
    return np.where(nearest > thresholds, np.nextafter(nearest, np.float32(-np.inf)), nearest)
