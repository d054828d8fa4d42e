"""ONNX graphs in the making: nodes and constants, named as they come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import onnx.compose
from numpy.typing import NDArray
from onnx import helper, numpy_helper

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

    def include(self, model: onnx.ModelProto, value: str) -> list[str]:
        """Add a whole graph of one input.

        Args:
            model: The graph.
            value: The name of what goes in.

        Returns:
            The names of what comes out.
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
        return [output.name for output in graph.output]

    def graph(
        self, name: str, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[onnx.ValueInfoProto]
    ) -> onnx.GraphProto:
        """The graph of all nodes so far."""
        return helper.make_graph(self._nodes, name, inputs, outputs, self._tensors)

    def rename(self, output: str, name: str) -> None:
        """Give what a node has computed the name that the graph's users know."""
        self._nodes.append(helper.make_node("Identity", [output], [name]))

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
