"""ONNX graphs in the making: nodes and constants, named by the part that they belong to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnx.compose
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from scoring.version import VERSION

OPSET = {"": 18, "ai.onnx.ml": 3}
"""What ONNX Runtime 1.21 loads, Debian's for 32-bit ARM."""
IR_VERSION = 8

Array = NDArray[np.float32] | NDArray[np.float64] | NDArray[np.int64]


@dataclass(frozen=True)
class Tensor:
    """An input or an output of a model, float32, with engines as its first axis.

    Attributes:
        axes: Its other axes.
        says: What it is, for whoever opens the file.
    """

    axes: tuple[int, ...]
    says: str = ""


class Nodes:
    """The nodes of one graph, each called for by what it computes; the same calls give the same bytes."""

    def __init__(self, path: str = "", around: Nodes | None = None) -> None:
        """Begin a graph.

        Args:
            path: Of all its names; a branch must not use a name of the graph around it.
            around: The graph that a branch is in, whose constants it uses where they are the same.
        """
        self._path = path
        self._around = around
        self._nodes: list[onnx.NodeProto] = []
        self._tensors: list[onnx.TensorProto] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def part(self, name: str) -> Nodes:
        """The same graph, for nodes that belong to a part of it: their names begin with the part's."""
        part = Nodes(f"{self._path}{name}/", self._around)
        part._nodes, part._tensors, part._constants = self._nodes, self._tensors, self._constants
        return part

    def __call__(self, kind: str, *inputs: str | Array, **attributes: Any) -> str:  # noqa: ANN401 - numbers, texts, lists of them
        """Add a node.

        Args:
            kind: ONNX's operator.
            inputs: Names of what other nodes computed, or constants.
            attributes: The operator's.

        Returns:
            The name of what it computes, which is the node's own as well.
        """
        name = f"{kind}{len(self._nodes)}"
        output = f"{self._path}{name}"
        names = [
            each if isinstance(each, str) else self.constant(f"{name}, input {place}", each)
            for place, each in enumerate(inputs, start=1)
        ]
        self._nodes.append(helper.make_node(kind, names, [output], output, **attributes))
        return output

    def constant(self, name: str, value: Array) -> str:
        """Add a constant, or find the same one that is there already.

        Args:
            name: Within its part.
            value: What it is.

        Returns:
            Its full name.
        """
        array = np.asarray(value, order="C")
        key = (str(array.dtype), array.shape, array.tobytes())
        nodes: Nodes | None = self
        while nodes is not None:
            if key in nodes._constants:
                return nodes._constants[key]
            nodes = nodes._around
        self._constants[key] = f"{self._path}{name}"
        self._tensors.append(numpy_helper.from_array(array, self._constants[key]))
        return self._constants[key]

    def columns(self, value: str, places: Array) -> str:
        """Add what picks some of the last axis, which takes a third of the time of `Gather`."""
        return self("ArrayFeatureExtractor", value, places, domain="ai.onnx.ml")

    def split(self, value: str, widths: Sequence[int], axis: int, names: Sequence[str] = ()) -> list[str]:
        """Add what divides an axis.

        Args:
            value: What is divided.
            widths: Of the parts, which add up to the axis.
            axis: Which.
            names: Of the parts where they are the graph's outputs.

        Returns:
            The names of the parts; if there is but one and it needs no name, that of the whole.
        """
        if len(widths) == 1 and not names:
            return [value]
        name = self._new("Split")
        outputs = list(names) or [f"{name}/{number}" for number in range(len(widths))]
        sizes = self.constant(f"{name.removeprefix(self._path)}, widths", whole_numbers(widths))
        self._nodes.append(helper.make_node("Split", [value, sizes], outputs, name, axis=axis))
        return outputs

    def either(self, condition: str, then: Branch, otherwise: Branch, kind: int = onnx.TensorProto.FLOAT) -> list[str]:
        """Add what is computed one way or another.

        Args:
            condition: The name of a single truth value.
            then: Adds the nodes for true to the graph it is given, and returns the names of what they compute.
            otherwise: The same for false.
            kind: ONNX's element type of what they compute.

        Returns:
            The names of what the branch that was taken has computed.
        """
        name = self._new("If")
        branches = [self._branch(f"{name}/{word}/", make, kind) for word, make in (("then", then), ("else", otherwise))]
        outputs = [f"{name}/{number}" for number in range(len(branches[0].output))]
        self._nodes.append(
            helper.make_node("If", [condition], outputs, name, then_branch=branches[0], else_branch=branches[1])
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
        graph = onnx.compose.add_prefix_graph(model.graph, f"{self._new('included')}/")
        entry = graph.input[0].name
        for node in graph.node:
            node.input[:] = [value if name == entry else name for name in node.input]
        self._nodes += graph.node
        used = {name for node in graph.node for name in node.input}
        # ONNX Runtime warns of each constant that nobody uses, on every load.
        self._tensors += [tensor for tensor in graph.initializer if tensor.name in used]
        return str(graph.output[0].name)

    def model(
        self,
        name: str,
        says: str,
        inputs: Mapping[str, Tensor],
        outputs: Mapping[str, tuple[str, Tensor]],
        optional: Mapping[str, tuple[Array, Tensor]] | None = None,
    ) -> onnx.ModelProto:
        """The nodes as a model of float32 numbers.

        Args:
            name: The graph's name.
            says: What it computes, for whoever opens the file.
            inputs: Each input, by its name.
            outputs: By the name that users know, which node's result it is, and what it is.
            optional: Inputs that may be left out, what they are then, and what they are; their first axis is that of
                the outputs, and need not be that of the other inputs.
        """
        for output, (value, _) in outputs.items():
            if value != output:
                self._nodes.append(helper.make_node("Identity", [value], [output], output))
        optional = optional or {}
        self._tensors += [numpy_helper.from_array(value, each) for each, (value, _) in optional.items()]
        answers = "answers" if optional else "engines"
        fed = [
            *_described("engines", inputs),
            *_described(answers, {each: tensor for each, (_, tensor) in optional.items()}),
        ]
        answered = _described(answers, {each: tensor for each, (_, tensor) in outputs.items()})
        return helper.make_model(
            self.graph(name, fed, answered),
            opset_imports=[helper.make_opsetid(domain, version) for domain, version in OPSET.items()],
            ir_version=IR_VERSION,
            producer_name="turbofan-edge",
            producer_version=VERSION,
            doc_string=says,
        )

    def graph(
        self, name: str, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[onnx.ValueInfoProto]
    ) -> onnx.GraphProto:
        """The graph of all nodes so far.

        Args:
            name: What the graph is called.
            inputs: What is fed.
            outputs: What is asked for.
        """
        return helper.make_graph(self._nodes, name, inputs, outputs, self._tensors)

    def _new(self, kind: str) -> str:
        return f"{self._path}{kind}{len(self._nodes)}"

    def _branch(self, path: str, make: Branch, kind: int) -> onnx.GraphProto:
        nodes = Nodes(path, self)
        outputs = [helper.make_tensor_value_info(name, kind, None) for name in make(nodes)]
        return nodes.graph(path, [], outputs)


def _described(axis: str, tensors: Mapping[str, Tensor]) -> list[onnx.ValueInfoProto]:
    return [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [axis, *tensor.axes], tensor.says)
        for name, tensor in tensors.items()
    ]


Branch = Callable[[Nodes], Sequence[str]]


def floats(values: Any) -> Array:  # noqa: ANN401 - whatever NumPy takes
    """A float32 constant."""
    return np.asarray(values, dtype=np.float32)


def doubles(values: Any) -> Array:  # noqa: ANN401 - whatever NumPy takes
    """A float64 constant."""
    return np.asarray(values, dtype=np.float64)


def whole_numbers(values: Sequence[int]) -> Array:
    """An int64 constant."""
    return np.asarray(values, dtype=np.int64)
