"""ONNX graphs in the making: nodes and constants, named as they come."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnx.compose
from numpy.typing import NDArray
from onnx import helper, numpy_helper

OPSET = {"": 18, "ai.onnx.ml": 3}
"""What ONNX Runtime 1.21 loads, Debian's for 32-bit ARM."""
IR_VERSION = 8

Array = NDArray[np.float32] | NDArray[np.int64]


class Nodes:
    """The nodes of one graph, each called for by what it computes; the same calls give the same bytes."""

    def __init__(self, prefix: str = "") -> None:
        """Begin a graph.

        Args:
            prefix: Of all its names; a branch must not use a name of the graph around it.
        """
        self._prefix = prefix
        self._nodes: list[onnx.NodeProto] = []
        self._included = 0
        self._tensors: list[onnx.TensorProto] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def __call__(self, kind: str, *inputs: str | Array, **attributes: Any) -> str:  # noqa: ANN401 - numbers, texts, lists of them
        """Add a node.

        Args:
            kind: ONNX's operator.
            inputs: Names of what other nodes computed, or constants.
            attributes: The operator's.

        Returns:
            The name of what it computes.
        """
        output = self._new(kind)
        names = [each if isinstance(each, str) else self._constant(each) for each in inputs]
        self._nodes.append(helper.make_node(kind, names, [output], **attributes))
        return output

    def columns(self, value: str, places: Array) -> str:
        """Add what picks some of the last axis, which takes a third of the time of `Gather`."""
        return self("ArrayFeatureExtractor", value, places, domain="ai.onnx.ml")

    def either(self, condition: str, then: Branch, otherwise: Branch) -> list[str]:
        """Add what is computed one way or another.

        Args:
            condition: The name of a single truth value.
            then: Adds the nodes for true to the graph it is given, and returns the names of what they compute.
            otherwise: The same for false.

        Returns:
            The names of what the branch that was taken has computed; float32.
        """
        name = self._new("If")
        branches = [_branch(f"{name}/{word}/", make) for word, make in (("then", then), ("else", otherwise))]
        outputs = [f"{name}/{number}" for number in range(len(branches[0].output))]
        self._nodes.append(
            helper.make_node("If", [condition], outputs, then_branch=branches[0], else_branch=branches[1])
        )
        return outputs

    def include(self, model: onnx.ModelProto, value: str) -> str:
        """Add a whole graph with one input and one output.

        Args:
            model: The graph.
            value: The name of what goes in.

        Returns:
            The name of what comes out.
        """
        self._included += 1
        graph = onnx.compose.add_prefix_graph(model.graph, f"{self._prefix}included{self._included}/")
        entry = graph.input[0].name
        for node in graph.node:
            node.input[:] = [value if name == entry else name for name in node.input]
        self._nodes += graph.node
        used = {name for node in graph.node for name in node.input}
        # ONNX Runtime warns of each constant that nobody uses, on every load.
        self._tensors += [tensor for tensor in graph.initializer if tensor.name in used]
        return str(graph.output[0].name)

    def model(
        self, name: str, inputs: Mapping[str, Sequence[int]], outputs: Mapping[str, tuple[str, int]]
    ) -> onnx.ModelProto:
        """The nodes as a model of float32 numbers, all inputs and outputs with engines as their first axis.

        Args:
            name: The graph's name.
            inputs: The other axes of each input, by its name.
            outputs: By the name that users know, which node's result it is, and how many columns it has.
        """
        for output, (value, _) in outputs.items():
            self._nodes.append(helper.make_node("Identity", [value], [output]))
        tensors = [
            [helper.make_tensor_value_info(each, onnx.TensorProto.FLOAT, ["engines", *axes]) for each, axes in group]
            for group in (inputs.items(), ((output, (width,)) for output, (_, width) in outputs.items()))
        ]
        return helper.make_model(
            self.graph(name, *tensors),
            opset_imports=[helper.make_opsetid(domain, version) for domain, version in OPSET.items()],
            ir_version=IR_VERSION,
            producer_name="turbofan-edge",
        )

    def graph(
        self, name: str, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[onnx.ValueInfoProto]
    ) -> onnx.GraphProto:
        """The graph of all nodes so far."""
        return helper.make_graph(self._nodes, name, inputs, outputs, self._tensors)

    def _new(self, kind: str) -> str:
        return f"{self._prefix}{kind}{len(self._nodes)}"

    def _constant(self, value: Array) -> str:
        array = np.asarray(value, order="C")
        key = (str(array.dtype), array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = f"{self._prefix}constant{len(self._tensors)}"
            self._tensors.append(numpy_helper.from_array(array, self._constants[key]))
        return self._constants[key]


Branch = Callable[[Nodes], Sequence[str]]


def _branch(prefix: str, make: Branch) -> onnx.GraphProto:
    nodes = Nodes(prefix)
    outputs = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in make(nodes)]
    return nodes.graph(prefix, [], outputs)


def floats(values: Any) -> Array:  # noqa: ANN401 - whatever NumPy takes
    """A float32 constant."""
    return np.asarray(values, dtype=np.float32)


def whole_numbers(values: Sequence[int]) -> Array:
    """An int64 constant."""
    return np.asarray(values, dtype=np.int64)
