"""Integer networks as ONNX models, whose every result is exact in binary32 and int32 arithmetic.

All tensors between nodes are float32 with whole numbers of 16 bits. A convolution is ONNX's Conv: by the
first bound of #net.bounds every partial sum is a whole number below 2^24, so any order of summation gives the
same sum (a runtime must not choose less than binary32, such as TF32, nor transforms such as Winograd's).
Requantisation goes through int32, which by the second bound nothing leaves:

    v = accumulator * multiplier + rounding;  (v - Mod(v, 2^shift)) / 2^shift = v >> shift

Mod takes the sign of the divisor, so the division has no remainder and its rounding does not matter.
The package `onnx` (extra `onnx`) is imported by the functions that need it.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from refcodec import errors
from refcodec.intnet.graph import Array, Network, Node

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET = 17
"""Version of the operator set; models of it have IR version 8."""
IR_VERSION = 8


def require_packages(*names: str) -> None:
    """Raise HYP-E-CLI-04 unless the packages of the extra `onnx` are installed."""
    for name in names:
        if find_spec(name) is None:
            raise errors.error(
                "HYP-E-CLI-04",
                element=name,
                detail="Install it with: pip install 'hybridprompt[onnx]'.",
            )


class _Writer:
    """Collects ONNX nodes and constants; each method returns the name of the tensor it adds."""

    def __init__(self, network: Network) -> None:
        from onnx import TensorProto, helper, numpy_helper

        self.network = network
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._float, self._int32 = TensorProto.FLOAT, TensorProto.INT32
        self._make_node, self._from_array = helper.make_node, numpy_helper.from_array

    def constant(self, name: str, value: Array) -> str:
        self.constants.append(self._from_array(np.ascontiguousarray(value), name))
        return name

    def add(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(self._make_node(op, inputs, [output], name=output, **attributes))
        return output

    def clamp(self, x: str, node: Node) -> str:
        lo = self.constant(f"{node.output}.lo", np.array(node.lo, np.float32))
        hi = self.constant(f"{node.output}.hi", np.array(node.hi, np.float32))
        return self.add("Clip", [x, lo, hi], node.output)

    def scale(self, node: Node, accumulator: str) -> None:
        """(#net.requantise)"""
        assert node.multiplier is not None
        out = node.output
        multiplier = node.multiplier.astype(np.int32).reshape(1, -1, 1, 1)
        value = self.add("Cast", [accumulator], f"{out}.whole", to=self._int32)
        factor = self.constant(f"{out}.multiplier", multiplier)
        value = self.add("Mul", [value, factor], f"{out}.product")
        if node.shift:
            rounding = self.constant(f"{out}.rounding", np.array((1 << node.shift) >> 1, np.int32))
            value = self.add("Add", [value, rounding], f"{out}.rounded")
            divisor = self.constant(f"{out}.divisor", np.array(1 << node.shift, np.int32))
            remainder = self.add("Mod", [value, divisor], f"{out}.remainder")
            value = self.add("Sub", [value, remainder], f"{out}.multiple")
            value = self.add("Div", [value, divisor], f"{out}.quotient")
        # beyond 2^24 the conversion rounds, but never across lo or hi
        self.clamp(self.add("Cast", [value], f"{out}.scaled", to=self._float), node)

    def convolution(self, node: Node) -> None:
        """(#net.conv1x1) (#net.conv3x3) (#net.depthwise3x3)"""
        assert node.weight is not None and node.bias is not None
        out = node.output
        weight = node.weight.astype(np.float32)
        depthwise = node.op == "depthwise3x3"
        if depthwise:
            weight = weight[:, None]
        elif node.op == "conv1x1":
            weight = weight[:, :, None, None]
        side = weight.shape[-1]
        accumulator = self.add(
            "Conv",
            [
                node.inputs[0],
                self.constant(f"{out}.weight", weight),
                self.constant(f"{out}.bias", node.bias.astype(np.float32)),
            ],
            f"{out}.accumulator",
            kernel_shape=[side, side],
            pads=[side // 2] * 4,
            group=len(weight) if depthwise else 1,
        )
        self.scale(node, accumulator)

    def gather(self, node: Node, x: str, index: list[int]) -> None:
        """(#net.gather_channels)"""
        numbers = self.constant(f"{node.output}.index", np.array(index, np.int64))
        self.add("Gather", [x, numbers], node.output, axis=1)

    def space_to_depth(self, node: Node) -> None:
        """(#net.space_to_depth) ONNX orders channels dy, dx, c; a Gather brings them to c, dy, dx."""
        square = node.factor**2
        channels = self.network.channels[node.inputs[0]]
        x = self.add(
            "SpaceToDepth", [node.inputs[0]], f"{node.output}.grouped", blocksize=node.factor
        )
        self.gather(node, x, [tap * channels + c for c in range(channels) for tap in range(square)])

    def lookup(self, node: Node) -> None:
        """(#net.lookup)"""
        assert node.table is not None
        out = node.output
        lo = self.network.declared(node.inputs[0])[0]
        whole = self.add("Cast", [node.inputs[0]], f"{out}.whole", to=self._int32)
        offset = self.constant(f"{out}.offset", np.array(lo, np.int32))
        place = self.add("Sub", [whole, offset], f"{out}.place")
        table = self.constant(f"{out}.table", node.table.astype(np.float32))
        self.add("Gather", [table, place], out, axis=0)

    def crop(self, node: Node) -> None:
        """(#net.crop_like)"""
        out = node.output
        size = self.add("Shape", [node.inputs[1]], f"{out}.size", start=2, end=4)
        zeros = self.constant(f"{out}.start", np.zeros(2, np.int64))
        axes = self.constant(f"{out}.axes", np.array([2, 3], np.int64))
        self.add("Slice", [node.inputs[0], zeros, size, axes], out)

    def node(self, node: Node) -> None:
        """Add one node of the network under the name of its output."""
        if node.weight is not None:
            self.convolution(node)
        elif node.op == "requantise":
            self.scale(node, node.inputs[0])
        elif node.op == "add":
            self.clamp(self.add("Add", list(node.inputs), f"{node.output}.sum"), node)
        elif node.op == "concat":
            self.add("Concat", list(node.inputs), node.output, axis=1)
        elif node.op == "gather_channels":
            self.gather(node, node.inputs[0], list(node.index))
        elif node.op == "pixel_shuffle":
            self.add(
                "DepthToSpace", [node.inputs[0]], node.output, blocksize=node.factor, mode="CRD"
            )
        elif node.op == "space_to_depth":
            self.space_to_depth(node)
        elif node.op == "lookup":
            self.lookup(node)
        else:
            self.crop(node)


def to_onnx(network: Network, properties: Mapping[str, str] | None = None) -> ModelProto:
    """Return a checked network as an ONNX model.

    Inputs and outputs keep their names and are float32 (pictures, channels, height, width) with whole numbers in
    the declared ranges; the sizes are open. `properties` are added to the metadata beside `hyp.network` and
    `hyp.range.<tensor>` ("lo..hi") of each input and output. Raises HYP-E-CLI-04 where `onnx` is not installed.
    """
    require_packages("onnx")
    from onnx import TensorProto, checker, helper

    writer = _Writer(network)
    for node in network.nodes:
        writer.node(node)

    def described(name: str) -> Any:
        shape: list[str | int | None] = [
            "pictures",
            network.channels[name],
            f"{name}.height",
            f"{name}.width",
        ]
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    inputs = [item.name for item in network.inputs]
    graph = helper.make_graph(
        writer.nodes,
        network.name,
        [described(name) for name in inputs],
        [described(name) for name in network.outputs],
        writer.constants,
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="HybridPrompt",
    )
    ranges = {name: network.declared(name) for name in (*inputs, *network.outputs)}
    helper.set_model_props(
        model,
        {"hyp.network": network.name}
        | {f"hyp.range.{name}": f"{lo}..{hi}" for name, (lo, hi) in ranges.items()}
        | dict(properties or {}),
    )
    checker.check_model(model)
    return model
