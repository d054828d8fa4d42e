"""Any scikit-learn estimator of single rows as an ONNX graph with the contract's input and output."""
# ruff: noqa: ANN401 - scikit-learn has no types: an estimator is Any

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import onnx
from skl2onnx import convert_sklearn
from skl2onnx._supported_operators import sklearn_operator_name_map
from skl2onnx.common.data_types import FloatTensorType
from sklearn.base import is_outlier_detector

from scoring.model.signature import INPUT_NAME, PROBABILITIES, SCORES, VALUES
from training.errors import ExportError
from training.graph.boosters import library_of, register
from training.graph.nodes import OPSET, Nodes, Tensor, floats, whole_numbers
from training.graph.pipeline import last_step, only_last

# Those that a converter knows; the first that it takes is used.
_OPTIONS: dict[str, list[dict[str, bool]]] = {
    PROBABILITIES: [{"zipmap": False}, {}],
    SCORES: [{"zipmap": False, "raw_scores": True}, {"raw_scores": True}, {"zipmap": False}, {}],
    VALUES: [{}],
}


def estimator_graph(
    estimator: Any, fields: Sequence[str], output: str, names: Sequence[str], *, takes_absent: bool
) -> onnx.ModelProto:
    """An estimator's graph behind the contract's input, [engines, 1, fields], and with its output's name.

    Args:
        estimator: A fitted scikit-learn classifier, regressor or pipeline.
        fields: Names of the columns that it takes.
        output: `probabilities`, `scores` or `values`.
        names: Of the output's columns.
        takes_absent: Whether a row with an absent value is answered; by NaN otherwise.

    Raises:
        ExportError: A step of it cannot be converted.
    """
    for _, step in steps(type(estimator).__name__, estimator):
        if library_of(step):
            register(step)
    nodes = Nodes()
    row = nodes("Reshape", INPUT_NAME, whole_numbers([-1, len(fields)]))
    answer = nodes.include(_converted(estimator, len(fields), output), row)
    if is_outlier_detector(estimator):
        # Of an outlier it tells one number, below 0.
        answer = nodes("Concat", nodes("Neg", answer), answer, axis=1)
    answer = nodes("Reshape", answer, whole_numbers([-1, len(names)]))
    if not takes_absent:
        # scikit-learn refuses a row with an absent value; many graphs would answer it with whatever comes out.
        missing = nodes("Where", nodes("IsNaN", row), floats([1]), floats([0]))
        absent = nodes("Greater", nodes("ReduceMax", missing, whole_numbers([1])), floats([0]))
        answer = nodes("Where", absent, floats([np.nan]), answer)
    return nodes.model(
        "estimator",
        f"{type(last_step(estimator)).__name__} of scikit-learn; the metadata has the signature and golden windows.",
        {INPUT_NAME: Tensor((1, len(fields)), f"One row for each engine. Columns: {', '.join(fields)}")},
        {output: (answer, Tensor((len(names),), f"{output.capitalize()} of {', '.join(names)}"))},
    )


def _converted(estimator: Any, fields: int, output: str) -> onnx.ModelProto:
    """What skl2onnx makes of the estimator, with one output."""
    last = last_step(estimator)
    # What is raised where no option is known.
    refused: Exception = NameError(f"skl2onnx has no option for {output}")
    for options in _OPTIONS[output]:
        try:
            with warnings.catch_warnings():
                # skl2onnx asks scikit-learn for what it would have it leave, and hands NumPy's booleans to protobuf.
                warnings.simplefilter("ignore", DeprecationWarning)
                warnings.simplefilter("ignore", FutureWarning)
                model = convert_sklearn(
                    estimator,
                    name="estimator",
                    initial_types=[("row", FloatTensorType([None, fields]))],
                    target_opset=OPSET,
                    options={id(last): options},
                )
        except NameError as error:
            # The converter knows one of the options not.
            refused = error
        except Exception as error:
            raise ExportError(_why_not(estimator, error)) from error
        else:
            return only_last(model)
    raise ExportError(_why_not(estimator, refused)) from refused


def _why_not(estimator: Any, error: Exception) -> str:
    for name, step in steps(type(estimator).__name__, estimator):
        kind = type(step)
        if kind not in sklearn_operator_name_map or kind.__name__ in str(error):
            why = error if kind in sklearn_operator_name_map else "skl2onnx has no converter for it"
            return (
                f"step {name!r} ({kind.__name__}) cannot be converted: {why}; use another estimator for that step, or "
                "do it before the model sees the data"
            )
    return f"skl2onnx cannot convert {called(estimator)}: {error}; use another estimator, or the one within by itself"


def called(estimator: Any) -> str:
    """What an estimator is called in errors: its class, and that of the one within, as in "A over B"."""
    last = last_step(estimator)
    inner = getattr(last, "estimator", None)
    return type(last).__name__ if inner is None else f"{type(last).__name__} over {called(inner)}"


def steps(name: str, estimator: Any) -> Iterator[tuple[str, Any]]:
    """An estimator, or those that it is made of, with their names."""
    parts = getattr(estimator, "steps", None) or getattr(estimator, "transformer_list", None)
    if parts is None and hasattr(estimator, "transformers_"):
        parts = [(each[0], each[1]) for each in estimator.transformers_]
    if parts is None:
        yield name, estimator
    for part, step in parts or ():
        if not isinstance(step, str) and step is not None:
            yield from steps(part, step)
