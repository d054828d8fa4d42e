"""Models of LightGBM and XGBoost: their converters, and what their trees know."""
# ruff: noqa: ANN401 - these libraries are not installed with training: their estimators are Any

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skl2onnx import update_registered_converter
from skl2onnx.common.shape_calculator import (
    calculate_linear_classifier_output_shapes,
    calculate_linear_regressor_output_shapes,
)

from training.errors import ExportError

_LIBRARIES = ("lightgbm", "xgboost")
# Of each library: the module of onnxmltools with its converter, and the converter's name.
_CONVERTERS = {
    "LGBM": ("onnxmltools.convert.lightgbm.operator_converters.LightGbm", "convert_lightgbm"),
    "XGB": ("onnxmltools.convert.xgboost.operator_converters.XGBoost", "convert_xgboost"),
}

Splits = tuple[NDArray[np.int64], NDArray[np.float64]]


def library_of(estimator: Any) -> str:
    """Which of the two libraries an estimator is of; "" if of neither."""
    library = type(estimator).__module__.partition(".")[0]
    return library if library in _LIBRARIES else ""


def register(estimator: Any) -> None:
    """Make skl2onnx know how to convert it.

    Raises:
        ExportError: onnxmltools, which does it, is not installed.
    """
    kind = type(estimator)
    place, name = _CONVERTERS["LGBM" if library_of(estimator) == "lightgbm" else "XGB"]
    try:
        converter = getattr(import_module(place), name)
    except ImportError as error:
        raise ExportError(
            f"a {kind.__name__} is converted by onnxmltools, which is not installed ({error}): "
            'pip install "turbofan-edge[boosting]"'
        ) from error
    if hasattr(estimator, "predict_proba"):
        shapes, options = calculate_linear_classifier_output_shapes, {"nocl": [True, False], "zipmap": [True, False]}
    else:
        shapes, options = calculate_linear_regressor_output_shapes, {}
    update_registered_converter(kind, kind.__name__, shapes, converter, options=options)


def splits(estimator: Any) -> Iterator[Splits]:
    """Columns and thresholds of each tree's branches."""
    below: tuple[str, ...]
    if library_of(estimator) == "lightgbm":
        trees = [each["tree_structure"] for each in estimator.booster_.dump_model()["tree_info"]]
        column, threshold, below = "split_feature", "threshold", ("left_child", "right_child")
    else:
        booster = estimator.get_booster()
        names = booster.feature_names or [f"f{each}" for each in range(booster.num_features())]
        trees = [_numbered(json.loads(text), names) for text in booster.get_dump(dump_format="json")]
        column, threshold, below = "split", "split_condition", ("children",)
    for tree in trees:
        branches = [each for each in _nodes(tree, below) if column in each]
        columns = np.array([each[column] for each in branches], dtype=np.int64)
        yield columns, np.array([each[threshold] for each in branches], dtype=np.float64)


def _nodes(node: dict[str, Any], below: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    yield node
    for key in below:
        children = node.get(key, ())
        for child in [children] if isinstance(children, dict) else children:
            yield from _nodes(child, below)


def _numbered(tree: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """A tree of XGBoost with columns by their places, which it calls by their names."""
    for node in _nodes(tree, ("children",)):
        if "split" in node:
            node["split"] = names.index(node["split"])
    return tree
