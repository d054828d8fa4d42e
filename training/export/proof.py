"""How much of a model its golden windows prove: every constant is changed in turn, and a device must refuse each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper

from scoring.errors import ModelError
from scoring.model.file import ModelFile, sealed
from scoring.model.model import Model
from scoring.model.signature import GOLDEN_KEY, Golden

FACTORS = (1.3, 1.01)
"""By which each is multiplied."""

# How often a node is come to, which nobody asks for.
_UNUSED = ("nodes_hitrates",)
_FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE)


@dataclass(frozen=True)
class Proof:
    """What became of the changes.

    Attributes:
        windows: How many golden windows the file has.
        changes: How many were made, two to each array of floats and to each ensemble's thresholds and leaves.
        refused: How many of them a device refused to load.
        served: What was changed, and by which factor, where it was served all the same.
    """

    windows: int
    changes: int
    refused: int
    served: list[tuple[str, float]]


def prove(content: bytes) -> Proof:
    """Change every constant of a model's file, and see whether a device would serve it.

    Raises:
        ModelError: The file itself would be refused.
    """
    Model(content)
    golden = Golden.from_json(ModelFile.read(content, "model").metadata[GOLDEN_KEY])
    changes, served = 0, []
    for name, factor, changed in changed_files(content):
        changes += 1
        try:
            Model(changed, name)
        except ModelError:
            continue
        served.append((name, factor))
    return Proof(len(golden.windows), changes, changes - len(served), served)


def changed_files(content: bytes) -> Iterator[tuple[str, float, bytes]]:
    """What is changed, the factor, and the file with that one change and a digest of its own."""
    model = onnx.load_from_string(content)
    for tensor in _tensors(model.graph):
        kept, values = tensor.SerializeToString(), numpy_helper.to_array(tensor)
        for factor in FACTORS:
            tensor.CopyFrom(numpy_helper.from_array((values * factor).astype(values.dtype), tensor.name))
            yield tensor.name, factor, sealed(model.SerializeToString())
        tensor.ParseFromString(kept)
    for node in model.graph.node:
        for attribute in node.attribute:
            if any(attribute.floats) and attribute.name not in _UNUSED:
                kept = list(attribute.floats)
                for factor in FACTORS:
                    attribute.floats[:] = np.multiply(kept, factor)
                    yield f"{node.name} {attribute.name}", factor, sealed(model.SerializeToString())
                attribute.floats[:] = kept


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Arrays of floats of a graph and its branches, but for those that are 0 throughout."""
    for tensor in graph.initializer:
        if tensor.data_type in _FLOATS and numpy_helper.to_array(tensor).any():
            yield tensor
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _tensors(attribute.g)
