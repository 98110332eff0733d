"""(#net.graph) Networks as data: named integer tensors of shape (channels, height, width) and the nodes between them.

Shapes are relative: the inputs of one network have sizes base * scale with whole scales, so that
every tensor's size follows from the base size (for example the latent grid), and a file is checked
once for all picture sizes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]

CONVOLUTIONS = ("conv1x1", "conv3x3", "depthwise3x3")
OPS = (
    *CONVOLUTIONS,
    "requantise",
    "add",
    "concat",
    "gather_channels",
    "pixel_shuffle",
    "space_to_depth",
    "lookup",
    "crop_like",
)
"""The operators of IntNet."""

INT16_LO, INT16_HI = -32768, 32767


@dataclass(frozen=True)
class NetworkInput:
    """A tensor that a network is given: `channels` channels of integers in lo..hi."""

    name: str
    channels: int
    lo: int
    hi: int


@dataclass(frozen=True, eq=False)
class Node:
    """One operator.

    `inputs` and `output` are tensor names, lo..hi the declared range of the output. Arrays (absent ones
    are None): `weight` int8 (O,I), (O,I,3,3) or (C,3,3); `bias` int32 (O); `multiplier` int32 (O) >= 1;
    `table` int16. `shift` 0..31; `factor` is the r of the two shuffles; `index` the channels gathered.
    """

    op: str
    inputs: tuple[str, ...]
    output: str
    lo: int
    hi: int
    weight: Array | None = None
    bias: Array | None = None
    multiplier: Array | None = None
    shift: int = 0
    factor: int = 1
    index: tuple[int, ...] = ()
    table: Array | None = None


@dataclass(frozen=True, eq=False)
class Network:
    """A directed acyclic graph, nodes in evaluation order. `channels` has an entry for every tensor."""

    name: str
    inputs: tuple[NetworkInput, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
    channels: Mapping[str, int] = field(default_factory=dict)

    def declared(self, tensor: str) -> tuple[int, int]:
        """Return the declared range (lo, hi) of a tensor."""
        for item in self.inputs:
            if item.name == tensor:
                return item.lo, item.hi
        for node in self.nodes:
            if node.output == tensor:
                return node.lo, node.hi
        raise KeyError(tensor)


def infer_scales(network: Network, inputs: Mapping[str, int]) -> dict[str, int]:
    """(#net.shapes) Return the scale of every tensor from the scales of the inputs.

    Raises ValueError where scales disagree or would not be whole.
    """
    scales = dict(inputs)
    for node in network.nodes:
        given = [scales[name] for name in node.inputs]
        scale = given[0]
        if node.op == "pixel_shuffle":
            scale *= node.factor
        elif node.op == "space_to_depth":
            if scale % node.factor:
                raise ValueError(f"{node.output}: scale {scale} does not divide by {node.factor}")
            scale //= node.factor
        elif node.op == "crop_like":
            if given[0] < given[1]:
                raise ValueError(
                    f"{node.output}: {node.inputs[0]} is smaller than the size to crop to"
                )
            scale = given[1]
        elif len(set(given)) != 1:
            raise ValueError(f"{node.output}: the inputs differ in size")
        scales[node.output] = scale
    return scales


def multiplications(network: Network, inputs: Mapping[str, int]) -> int:
    """Return the multiply-accumulate operations of the network for each element of the base grid."""
    scales = infer_scales(network, inputs)
    total = 0
    for node in network.nodes:
        if node.op in CONVOLUTIONS:
            assert node.weight is not None
            total += int(node.weight.size) * scales[node.output] ** 2
    return total
