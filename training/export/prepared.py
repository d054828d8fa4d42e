"""An estimator as skl2onnx can convert it, of the same answers to the same numbers."""
# ruff: noqa: ANN401 - scikit-learn has no types: an estimator is Any

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import VotingClassifier

from training.errors import ExportError

# How many categories an error names.
_SHOWN = 3


def prepared(estimator: Any) -> Any:
    """A copy whose columns are told apart by their places, where they were by their names, and whose votes are summed.

    Raises:
        ExportError: It takes text.
    """
    made = copy.deepcopy(estimator)
    for each in _parts(made):
        _refuse_text(each)
        if isinstance(each, ColumnTransformer):
            _number_columns(each)
        elif isinstance(each, VotingClassifier):
            # How members' votes stand side by side, which no answer depends on: skl2onnx knows one way. It asks weights
            # for their sum.
            each.flatten_transform = False
            each.weights = None if each.weights is None else np.asarray(each.weights)
    return made


def _parts(estimator: Any) -> Iterator[Any]:
    """An estimator and all that it is made of."""
    yield estimator
    inner = [
        *(step for _, step in getattr(estimator, "steps", None) or ()),
        *(step for _, step in getattr(estimator, "transformer_list", None) or ()),
        *(each[1] for each in getattr(estimator, "transformers_", ())),
        *np.ravel(np.asarray(getattr(estimator, "estimators_", ()), dtype=object)).tolist(),
    ]
    for each in inner:
        if hasattr(each, "get_params"):
            yield from _parts(each)


def _number_columns(step: Any) -> None:
    names = list(getattr(step, "feature_names_in_", ()))
    numbered = []
    for name, inner, columns in step.transformers_:
        wanted = [columns] if isinstance(columns, str) else columns
        by_name = isinstance(wanted, list) and any(isinstance(each, str) for each in wanted)
        numbered.append((name, inner, [names.index(each) for each in wanted] if by_name else columns))
    step.transformers_ = numbered


def _refuse_text(step: Any) -> None:
    names = list(getattr(step, "feature_names_in_", ()))
    for column, categories in enumerate(getattr(step, "categories_", ())):
        if np.asarray(categories).dtype.kind in "OUS":
            named = names[column] if names else f"its column {column + 1}"
            shown = ", ".join(map(repr, list(map(str, categories))[:_SHOWN]))
            raise ExportError(
                f"{type(step).__name__} takes text in {named} ({shown}); devices take numbers only: number the "
                "categories before the model is fitted"
            )
