"""The operators of integer networks, one function an operator, and the evaluation of a network.

Plain integers. A tensor is a list of channels, a channel a list of rows, a row a list of integers. A
node is a dictionary with the members of the model file, stored tensors replaced by nested lists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Tensor = Sequence[Sequence[Sequence[int]]]
Node = Mapping[str, Any]


def clamp(lo: int, hi: int, x: int) -> int:
    """(#conv.functions) The nearest integer to x in lo..hi."""
    return lo if x < lo else hi if x > hi else x


def requantised(acc: int, multiplier: int, shift: int, lo: int, hi: int) -> int:
    """(#net.requantise) Scale an accumulator; halves are rounded towards plus infinity."""
    return clamp(lo, hi, (acc * multiplier + ((1 << shift) >> 1)) >> shift)


def conv1x1(node: Node, x: Tensor) -> Tensor:
    """(#net.conv1x1) Mix the channels of each position."""
    y = []
    for o in range(len(node["weight"])):
        rows = []
        for r in range(len(x[0])):
            row = []
            for c in range(len(x[0][0])):
                acc = node["bias"][o]
                for i in range(len(x)):
                    acc += node["weight"][o][i] * x[i][r][c]
                row.append(
                    requantised(acc, node["multiplier"][o], node["shift"], node["lo"], node["hi"])
                )
            rows.append(row)
        y.append(rows)
    return y


def element(x: Tensor, i: int, r: int, c: int) -> int:
    """(#net.conv3x3) The element of a tensor; 0 outside of it."""
    if 0 <= r < len(x[i]) and 0 <= c < len(x[i][0]):
        return x[i][r][c]
    return 0


def conv3x3(node: Node, x: Tensor) -> Tensor:
    """(#net.conv3x3) Mix the channels of each 3x3 neighbourhood."""
    y = []
    for o in range(len(node["weight"])):
        rows = []
        for r in range(len(x[0])):
            row = []
            for c in range(len(x[0][0])):
                acc = node["bias"][o]
                for i in range(len(x)):
                    for dy in range(3):
                        for dx in range(3):
                            acc += node["weight"][o][i][dy][dx] * element(
                                x, i, r + dy - 1, c + dx - 1
                            )
                row.append(
                    requantised(acc, node["multiplier"][o], node["shift"], node["lo"], node["hi"])
                )
            rows.append(row)
        y.append(rows)
    return y


def depthwise3x3(node: Node, x: Tensor) -> Tensor:
    """(#net.depthwise3x3) Filter each channel with its own 3x3 kernel."""
    y = []
    for o in range(len(x)):
        rows = []
        for r in range(len(x[0])):
            row = []
            for c in range(len(x[0][0])):
                acc = node["bias"][o]
                for dy in range(3):
                    for dx in range(3):
                        acc += node["weight"][o][dy][dx] * element(x, o, r + dy - 1, c + dx - 1)
                row.append(
                    requantised(acc, node["multiplier"][o], node["shift"], node["lo"], node["hi"])
                )
            rows.append(row)
        y.append(rows)
    return y


def requantise(node: Node, x: Tensor) -> Tensor:
    """(#net.requantise) Change step and range of a tensor."""
    return [
        [
            [
                requantised(e, node["multiplier"][o], node["shift"], node["lo"], node["hi"])
                for e in row
            ]
            for row in x[o]
        ]
        for o in range(len(x))
    ]


def add(node: Node, a: Tensor, b: Tensor) -> Tensor:
    """(#net.add) Add element by element and clamp."""
    return [
        [
            [clamp(node["lo"], node["hi"], a[o][r][c] + b[o][r][c]) for c in range(len(a[o][r]))]
            for r in range(len(a[o]))
        ]
        for o in range(len(a))
    ]


def concat(node: Node, *tensors: Tensor) -> Tensor:
    """(#net.concat) Join the channels in the order of the inputs."""
    return [channel for tensor in tensors for channel in tensor]


def gather_channels(node: Node, x: Tensor) -> Tensor:
    """(#net.gather_channels) Select channels by number."""
    return [x[i] for i in node["index"]]


def pixel_shuffle(node: Node, x: Tensor) -> Tensor:
    """(#net.pixel_shuffle) Depth to space."""
    k = node["factor"]
    return [
        [
            [x[o * k * k + (r % k) * k + c % k][r // k][c // k] for c in range(len(x[0][0]) * k)]
            for r in range(len(x[0]) * k)
        ]
        for o in range(len(x) // (k * k))
    ]


def space_to_depth(node: Node, x: Tensor) -> Tensor:
    """(#net.space_to_depth) The inverse of pixel_shuffle."""
    k = node["factor"]
    return [
        [
            [x[o // (k * k)][r * k + o // k % k][c * k + o % k] for c in range(len(x[0][0]) // k)]
            for r in range(len(x[0]) // k)
        ]
        for o in range(len(x) * k * k)
    ]


def lookup(node: Node, x: Tensor, lo: int) -> Tensor:
    """(#net.lookup) Replace each element by an entry of the table; lo is the declared minimum of x."""
    return [[[node["table"][e - lo] for e in row] for row in channel] for channel in x]


def crop_like(node: Node, x: Tensor, like: Tensor) -> Tensor:
    """(#net.crop_like) Keep the top left part of the size of the second tensor."""
    return [[row[: len(like[0][0])] for row in channel[: len(like[0])]] for channel in x]


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


def evaluate(network: Mapping[str, Any], inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """(#net.evaluation) Evaluate the nodes in order and return the outputs by name."""
    tensors = dict(inputs)
    minimum = {row["name"]: row["lo"] for row in network["inputs"]}
    for node in network["nodes"]:
        given = [tensors[name] for name in node["in"]]
        if node["op"] == "lookup":
            tensors[node["out"]] = lookup(node, given[0], minimum[node["in"][0]])
        else:
            tensors[node["out"]] = OPERATORS[node["op"]](node, *given)
        minimum[node["out"]] = node["lo"]
    return {name: tensors[name] for name in network["outputs"]}
