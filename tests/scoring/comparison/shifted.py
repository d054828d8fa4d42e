"""A model that answers like the small one of all tests, but with shorter lives below an edge."""

import numpy as np
import onnx
from onnx import helper, numpy_helper

from scoring.model.file import sealed
from scoring.model.signature import GOLDEN_KEY, Golden
from tests.onnx_models import WINDOW, expected_outputs, tiny_model


def shifted_model(below: float, by: float, absent: float | None = None) -> bytes:
    """The tiny model with `by` added to every RUL below an edge; `absent` stands for a value that is not there."""
    model = onnx.load_from_string(tiny_model())
    gather = next(node for node in model.graph.node if node.output[0] == "median")
    gather.output[0] = "raw"
    position = list(model.graph.node).index(gather) + 1
    added = [
        helper.make_node("IsNaN", ["raw"], ["is_absent"]),
        helper.make_node("Where", ["is_absent", "absent", "raw"], ["present"]),
        helper.make_node("Less", ["present", "shift_below"], ["is_below"]),
        helper.make_node("Where", ["is_below", "shift_by", "zero"], ["shift"]),
        helper.make_node("Add", ["present", "shift"], ["median"]),
    ]
    for offset, node in enumerate(added):
        model.graph.node.insert(position + offset, node)
    constants = {"absent": np.nan if absent is None else absent, "shift_below": below, "shift_by": by, "zero": 0.0}
    for name, value in constants.items():
        model.graph.initializer.append(numpy_helper.from_array(np.array(value, dtype=np.float32), name))
    windows = np.full((1, WINDOW, 25), 200.0, dtype=np.float32)
    for entry in model.metadata_props:
        if entry.key == GOLDEN_KEY:
            entry.value = Golden(windows, expected_outputs(windows)).to_json()
    return sealed(model.SerializeToString())
