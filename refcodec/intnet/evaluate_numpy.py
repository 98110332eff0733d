"""(#net.operators) The reference evaluator: plain numpy in int64, one short function an operator.

Tensors are int16 arrays (C, H, W). Slow and simple: the fast evaluators are tested against it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from refcodec.intnet.graph import Network, Node

Tensor = NDArray[np.int16]
Wide = NDArray[np.int64]


def scale(node: Node, accumulator: Wide) -> Tensor:
    """(#net.requantise) Multiply, shift with halves towards plus infinity, and clamp. (C,H,W)."""
    assert node.multiplier is not None
    multiplier = node.multiplier.astype(np.int64)[:, None, None]
    value = (accumulator * multiplier + ((1 << node.shift) >> 1)) >> node.shift
    return np.clip(value, node.lo, node.hi).astype(np.int16)


def conv1x1(node: Node, x: Tensor) -> Tensor:
    """(#net.conv1x1) Mix the channels of each position."""
    assert node.weight is not None and node.bias is not None
    weight = node.weight.astype(np.int64)
    accumulator = np.tensordot(weight, x.astype(np.int64), axes=(1, 0))
    return scale(node, accumulator + node.bias.astype(np.int64)[:, None, None])


def _windows(x: Tensor) -> NDArray[np.int64]:
    """Return the nine shifted copies (3,3,C,H,W) of x with zeros around it."""
    height, width = x.shape[1:]
    padded = np.pad(x.astype(np.int64), ((0, 0), (1, 1), (1, 1)))
    return np.stack(
        [
            np.stack([padded[:, dy : dy + height, dx : dx + width] for dx in range(3)])
            for dy in range(3)
        ]
    )


def conv3x3(node: Node, x: Tensor) -> Tensor:
    """(#net.conv3x3) Mix the channels of each 3x3 neighbourhood, zeros outside."""
    assert node.weight is not None and node.bias is not None
    accumulator = np.einsum("oiyx,yxihw->ohw", node.weight.astype(np.int64), _windows(x))
    return scale(node, accumulator + node.bias.astype(np.int64)[:, None, None])


def depthwise3x3(node: Node, x: Tensor) -> Tensor:
    """(#net.depthwise3x3) Filter each channel with its own 3x3 kernel, zeros outside."""
    assert node.weight is not None and node.bias is not None
    accumulator = np.einsum("cyx,yxchw->chw", node.weight.astype(np.int64), _windows(x))
    return scale(node, accumulator + node.bias.astype(np.int64)[:, None, None])


def requantise(node: Node, x: Tensor) -> Tensor:
    """(#net.requantise) Change the step and range of a tensor."""
    return scale(node, x.astype(np.int64))


def add(node: Node, a: Tensor, b: Tensor) -> Tensor:
    """(#net.add) Add and clamp."""
    return np.clip(a.astype(np.int64) + b, node.lo, node.hi).astype(np.int16)


def concat(node: Node, *tensors: Tensor) -> Tensor:
    """(#net.concat) Join the channels in the order of the inputs."""
    return np.concatenate(tensors)


def gather_channels(node: Node, x: Tensor) -> Tensor:
    """(#net.gather_channels) Select channels by number."""
    return x[list(node.index)]


def pixel_shuffle(node: Node, x: Tensor) -> Tensor:
    """(#net.pixel_shuffle) Depth to space: channel c*r*r + dy*r + dx becomes position (y*r+dy, x*r+dx) of channel c."""
    r = node.factor
    channels, height, width = x.shape
    blocks = x.reshape(channels // (r * r), r, r, height, width)
    return blocks.transpose(0, 3, 1, 4, 2).reshape(channels // (r * r), height * r, width * r)


def space_to_depth(node: Node, x: Tensor) -> Tensor:
    """(#net.space_to_depth) The inverse of pixel_shuffle."""
    r = node.factor
    channels, height, width = x.shape
    blocks = x.reshape(channels, height // r, r, width // r, r)
    return blocks.transpose(0, 2, 4, 1, 3).reshape(channels * r * r, height // r, width // r)


def lookup(node: Node, x: Tensor, lo: int) -> Tensor:
    """(#net.lookup) Replace each element by the table's entry; `lo` is the declared minimum of x."""
    assert node.table is not None
    table: Tensor = node.table.astype(np.int16)
    return table[x.astype(np.int64) - lo]


def crop_like(node: Node, x: Tensor, like: Tensor) -> Tensor:
    """(#net.crop_like) Keep the top left part of the size of `like`."""
    return x[:, : like.shape[1], : like.shape[2]]


OPERATORS: dict[str, Callable[..., Tensor]] = {
    "conv1x1": conv1x1,
    "conv3x3": conv3x3,
    "depthwise3x3": depthwise3x3,
    "requantise": requantise,
    "add": add,
    "concat": concat,
    "gather_channels": gather_channels,
    "pixel_shuffle": pixel_shuffle,
    "space_to_depth": space_to_depth,
    "crop_like": crop_like,
}


def evaluate(network: Network, inputs: Mapping[str, Tensor], threads: int = 1) -> dict[str, Tensor]:
    """(#net.evaluation) Evaluate a checked network.

    `inputs`: int16 (C,H,W) by name, within their declared ranges. Returns the outputs, int16 (C,H,W), by
    name. `threads` has no effect here.
    """
    tensors = dict(inputs)
    for node in network.nodes:
        given = [tensors[name] for name in node.inputs]
        if node.op == "lookup":
            tensors[node.output] = lookup(node, given[0], network.declared(node.inputs[0])[0])
        else:
            tensors[node.output] = OPERATORS[node.op](node, *given)
    return {name: tensors[name] for name in network.outputs}
