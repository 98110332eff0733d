"""(#net.bounds) The proof that a network never leaves its number ranges, for any input.

A range is known for every channel of every tensor: the declared one of an input, and for each node the
range that follows from its inputs' ranges, cut to the declared one. From the ranges follow the two
bounds of every output channel of a convolution:

    AccumulatorBound = |bias| + sum(|weight| * max|input|)          < 2^24
    AccumulatorBound * multiplier + (1 << (shift - 1))              < 2^31

The first makes binary32 arithmetic exact in any order of summation, the second makes int32 enough.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refcodec import errors
from refcodec.intnet.graph import CONVOLUTIONS, INT16_HI, INT16_LO, Network, Node

ACCUMULATOR_LIMIT = 1 << 24
PRODUCT_LIMIT = 1 << 31

Range = tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True)
class NodeBounds:
    """Largest magnitudes that a node can reach over its output channels (0 where it has none)."""

    accumulator: int
    product: int


@dataclass(frozen=True)
class NetworkBounds:
    """Per tensor the range (lo, hi) of each channel, int64 (C) each; per node its `NodeBounds`."""

    ranges: dict[str, Range]
    nodes: dict[str, NodeBounds]


def requantised(
    value: NDArray[np.int64], multiplier: NDArray[np.int64], shift: int
) -> NDArray[np.int64]:
    """(#net.requantise) Scale by multiplier / 2^shift, halves towards plus infinity; no clamp."""
    rounding = (1 << shift) >> 1
    return (value * multiplier + rounding) >> shift


def _name(network: Network, node: Node) -> str:
    return f"{network.name}.{node.output}"


def _interval(weight: NDArray[np.int64], lo: NDArray[np.int64], hi: NDArray[np.int64]) -> Range:
    positive, negative = np.maximum(weight, 0), np.minimum(weight, 0)
    low = positive @ lo + negative @ hi
    high = positive @ hi + negative @ lo
    return low.astype(np.int64, copy=False), high.astype(np.int64, copy=False)


def _convolve(network: Network, node: Node, source: Range) -> tuple[Range, NodeBounds]:
    assert node.weight is not None and node.bias is not None and node.multiplier is not None
    lo, hi = source
    weight = node.weight.astype(np.int64)
    bias = node.bias.astype(np.int64)
    magnitude = np.maximum(np.abs(lo), np.abs(hi))
    if node.op == "depthwise3x3":
        # padding zeros take part, so the range of a tap includes 0
        taps = weight.reshape(len(weight), 9)
        low, high = np.minimum(lo, 0), np.maximum(hi, 0)
        positive, negative = np.maximum(taps, 0).sum(1), np.minimum(taps, 0).sum(1)
        acc_lo, acc_hi = positive * low + negative * high, positive * high + negative * low
        accumulator = np.abs(taps).sum(1) * magnitude
    elif node.op == "conv3x3":
        matrix = weight.reshape(len(weight), -1)
        low, high = np.repeat(np.minimum(lo, 0), 9), np.repeat(np.maximum(hi, 0), 9)
        acc_lo, acc_hi = _interval(matrix, low, high)
        accumulator = np.abs(matrix) @ np.repeat(magnitude, 9)
    else:
        acc_lo, acc_hi = _interval(weight, lo, hi)
        accumulator = np.abs(weight) @ magnitude
    accumulator = accumulator + np.abs(bias)
    worst = int(accumulator.max())
    if worst >= ACCUMULATOR_LIMIT:
        raise errors.error(
            "HYP-E-NET-06",
            element=_name(network, node),
            value=worst,
            allowed=(0, ACCUMULATOR_LIMIT - 1),
            detail=f"Output channel {int(accumulator.argmax())}.",
        )
    return _scale(network, node, (acc_lo + bias, acc_hi + bias), accumulator)


def _scale(
    network: Network, node: Node, source: Range, magnitude: NDArray[np.int64]
) -> tuple[Range, NodeBounds]:
    assert node.multiplier is not None
    multiplier = node.multiplier.astype(np.int64)
    product = magnitude * multiplier + ((1 << node.shift) >> 1)
    worst = int(product.max())
    if worst >= PRODUCT_LIMIT:
        raise errors.error(
            "HYP-E-NET-07",
            element=_name(network, node),
            value=worst,
            allowed=(0, PRODUCT_LIMIT - 1),
            detail=f"Output channel {int(product.argmax())}.",
        )
    lo = np.clip(requantised(source[0], multiplier, node.shift), node.lo, node.hi)
    hi = np.clip(requantised(source[1], multiplier, node.shift), node.lo, node.hi)
    return (lo, hi), NodeBounds(int(magnitude.max()), worst)


def _contained(network: Network, node: Node, source: Range) -> Range:
    lo, hi = int(source[0].min()), int(source[1].max())
    if lo < node.lo or hi > node.hi:
        raise errors.error(
            "HYP-E-NET-05",
            element=_name(network, node),
            value=f"{lo}..{hi}",
            allowed=(node.lo, node.hi),
        )
    return source


def _propagate(network: Network, node: Node, given: list[Range]) -> tuple[Range, NodeBounds]:
    none = NodeBounds(0, 0)
    lo, hi = given[0]
    if node.op in CONVOLUTIONS:
        return _convolve(network, node, given[0])
    if node.op == "requantise":
        return _scale(network, node, given[0], np.maximum(np.abs(lo), np.abs(hi)))
    if node.op == "add":
        low = np.clip(lo + given[1][0], node.lo, node.hi)
        return (low, np.clip(hi + given[1][1], node.lo, node.hi)), none
    if node.op == "concat":
        joined = np.concatenate([r[0] for r in given]), np.concatenate([r[1] for r in given])
        return _contained(network, node, joined), none
    if node.op == "gather_channels":
        index = list(node.index)
        return _contained(network, node, (lo[index], hi[index])), none
    if node.op == "pixel_shuffle":
        square = node.factor**2
        shuffled = lo.reshape(-1, square).min(1), hi.reshape(-1, square).max(1)
        return _contained(network, node, shuffled), none
    if node.op == "space_to_depth":
        square = node.factor**2
        return _contained(network, node, (np.repeat(lo, square), np.repeat(hi, square))), none
    if node.op == "lookup":
        assert node.table is not None
        table = node.table.astype(np.int64)
        channels = network.channels[node.output]
        reached = np.full(channels, table.min()), np.full(channels, table.max())
        return _contained(network, node, reached), none
    return _contained(network, node, given[0]), none  # crop_like


def check_bounds(network: Network) -> NetworkBounds:
    """(#net.bounds) Check every range and bound of a network and return what can be reached.

    Raises HYP-E-NET-05 (range), HYP-E-NET-06 (accumulator) or HYP-E-NET-07 (requantise product).
    """
    ranges: dict[str, Range] = {}
    nodes: dict[str, NodeBounds] = {}
    for item in network.inputs:
        _check_declared(network.name, item.name, item.lo, item.hi)
        ranges[item.name] = np.full(item.channels, item.lo), np.full(item.channels, item.hi)
    for node in network.nodes:
        _check_declared(network.name, node.output, node.lo, node.hi)
        ranges[node.output], nodes[node.output] = _propagate(
            network, node, [ranges[name] for name in node.inputs]
        )
    return NetworkBounds(ranges, nodes)


def _check_declared(network: str, tensor: str, lo: int, hi: int) -> None:
    if not INT16_LO <= lo <= hi <= INT16_HI:
        raise errors.error(
            "HYP-E-NET-05",
            element=f"{network}.{tensor}",
            value=f"{lo}..{hi}",
            allowed=(INT16_LO, INT16_HI),
        )
