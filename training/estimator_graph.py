"""Any scikit-learn estimator of single rows as an ONNX graph with the contract's input and output."""
# ruff: noqa: ANN401 - scikit-learn has no types: an estimator is Any

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import onnx
import onnx.compose
import onnx.parser
from onnx import helper
from skl2onnx import convert_sklearn
from skl2onnx._supported_operators import sklearn_operator_name_map
from skl2onnx.common.data_types import FloatTensorType
from skl2onnx.helpers.onnx_helper import select_model_inputs_outputs

from scoring.signature import INPUT_NAME, PROBABILITIES, SCORES, VALUES
from training.errors import ExportError
from training.graph import IR_VERSION, OPSET, last_step

_INPUT = "estimator/row"
# Those that a converter knows; the first that it takes is used.
_OPTIONS: dict[str, list[dict[str, bool]]] = {
    PROBABILITIES: [{"zipmap": False}, {}],
    SCORES: [{"zipmap": False, "raw_scores": True}, {"raw_scores": True}, {"zipmap": False}, {}],
    VALUES: [{}],
}


def estimator_graph(estimator: Any, fields: int, output: str, width: int, *, takes_absent: bool) -> onnx.ModelProto:
    """An estimator's graph behind the contract's input, [engines, 1, fields], and with its output's name.

    Args:
        estimator: A fitted scikit-learn classifier, regressor or pipeline.
        fields: How many columns it takes.
        output: `probabilities`, `scores` or `values`.
        width: How many columns the output has.
        takes_absent: Whether a row with an absent value is answered; by NaN otherwise.

    Raises:
        ExportError: A step of it cannot be converted.
    """
    before = _parsed(f"""
        before (float[engines, 1, {fields}] {INPUT_NAME}) => (float[engines, {fields}] row, bool[engines, 1] absent) {{
            flat = Constant <value = int64[2] {{-1, {fields}}}> ()
            row = Reshape ({INPUT_NAME}, flat)
            missing = IsNaN (row)
            ones = Cast <to = 1> (missing)
            along = Constant <value = int64[1] {{1}}> ()
            any = ReduceMax (ones, along)
            absent = Cast <to = 9> (any)
        }}""")
    # scikit-learn refuses a row with an absent value; many graphs would answer it with whatever comes out.
    chosen = "Identity (number)" if takes_absent else "Where (absent, nothing, number)"
    behind = _parsed(f"""
        behind (float[engines, {width}] answer, bool[engines, 1] absent)
            => (float[engines, {width}] {output}) {{
            columns = Constant <value = int64[2] {{-1, {width}}}> ()
            number = Reshape (answer, columns)
            zero = Constant <value = float {{0}}> ()
            nothing = Div (zero, zero)
            {output} = {chosen}
        }}""")
    inner = _converted(estimator, fields, output)
    found = inner.graph.output[-1].name
    whole = onnx.compose.merge_models(before, inner, [("row", _INPUT)], outputs=["absent", found])
    whole = onnx.compose.merge_models(whole, behind, [(found, "answer"), ("absent", "absent")], outputs=[output])
    whole.ir_version = IR_VERSION
    return whole


def _parsed(text: str) -> onnx.ModelProto:
    graph = onnx.parser.parse_graph(text)
    return helper.make_model(graph, opset_imports=_imports(), ir_version=IR_VERSION)


def _imports() -> list[onnx.OperatorSetIdProto]:
    return [helper.make_opsetid(domain, number) for domain, number in OPSET.items()]


def _converted(estimator: Any, fields: int, output: str) -> onnx.ModelProto:
    """What skl2onnx makes of the estimator, with unlike names and one output."""
    last = last_step(estimator)
    model = onnx.ModelProto()
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
        except NameError:
            # The converter knows one of the options not.
            continue
        except Exception as error:
            raise ExportError(_why_not(estimator, error)) from error
        break
    name = model.graph.output[-1].name
    model = select_model_inputs_outputs(model, [name])
    # The selection forgets types.
    del model.graph.output[:], model.graph.value_info[:]
    model.graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None, None]))
    model.ir_version = IR_VERSION
    # skl2onnx names the lowest that will do, the parts of one model need the same.
    del model.opset_import[:]
    model.opset_import.extend(_imports())
    prefixed: onnx.ModelProto = onnx.compose.add_prefix(model, "estimator/")
    return prefixed


def _why_not(estimator: Any, error: Exception) -> str:
    for name, step in steps(type(estimator).__name__, estimator):
        kind = type(step)
        if kind not in sklearn_operator_name_map or kind.__name__ in str(error):
            why = error if kind in sklearn_operator_name_map else "skl2onnx has no converter for it"
            return (
                f"step {name!r} ({kind.__name__}) cannot be converted: {why}; use another estimator for that step, or "
                "do it before the model sees the data"
            )
    return f"skl2onnx cannot convert {type(estimator).__name__}: {error}"


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
