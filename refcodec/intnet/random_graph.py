"""Random valid networks: deterministic from a seed, with accumulators close to the bounds where asked for.

For tests, benchmarks and conformance streams. `Builder` adds nodes whose multipliers and shifts are
derived from the reachable ranges, so that what it makes is valid and no signal dies out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from refcodec.intnet.bounds import ACCUMULATOR_LIMIT, PRODUCT_LIMIT, check_bounds
from refcodec.intnet.graph import Array, Network, NetworkInput, Node

Rng = np.random.Generator


class Builder:
    """Adds random nodes to a network; each method returns the name of the new tensor."""

    def __init__(self, name: str, rng: Rng) -> None:
        self.name = name
        self.rng = rng
        self.inputs: list[NetworkInput] = []
        self.nodes: list[Node] = []
        self.channels: dict[str, int] = {}
        self.ranges: dict[str, tuple[int, int]] = {}

    def _new(self, tensor: str | None, channels: int, lo: int, hi: int) -> str:
        name = tensor or f"t{len(self.channels)}"
        self.channels[name] = channels
        self.ranges[name] = (lo, hi)
        return name

    def input(self, name: str, channels: int, lo: int, hi: int) -> str:
        """Declare an input."""
        self.inputs.append(NetworkInput(name, channels, lo, hi))
        return self._new(name, channels, lo, hi)

    def _magnitude(self, tensor: str) -> int:
        lo, hi = self.ranges[tensor]
        return max(-lo, hi, 1)

    def _scaling(self, magnitude: Array, hi: int, spread: float = 4.0) -> tuple[Array, int]:
        """Choose multipliers and a shift that bring typical accumulators of a bound `magnitude` to about `hi`."""
        worst = int(magnitude.max())
        # typical sums are far below the worst case; `spread` brings them up to the range
        target = spread * max(hi, 1) / worst
        shift = 0
        while shift < 30 and round(target * (1 << shift)) < 64:
            shift += 1
        base = max(1, round(target * (1 << shift)))
        while worst * base + ((1 << shift) >> 1) >= PRODUCT_LIMIT:
            base, shift = max(1, base >> 1), max(0, shift - 1)
        low = max(1, base * 3 // 4)
        return self.rng.integers(low, base + 1, len(magnitude)).astype(np.int32), shift

    def conv(
        self,
        op: str,
        x: str,
        outputs: int,
        lo: int,
        hi: int,
        *,
        name: str | None = None,
        extreme: bool = False,
    ) -> str:
        """Add a convolution; `extreme` drives the accumulator bound up to 2^24 - 1."""
        inputs = self.channels[x]
        outputs = inputs if op == "depthwise3x3" else outputs
        shape = {
            "conv1x1": (outputs, inputs),
            "conv3x3": (outputs, inputs, 3, 3),
            "depthwise3x3": (outputs, 3, 3),
        }[op]
        weight = self.rng.integers(-128 if extreme else -40, 128 if extreme else 41, shape)
        axes = tuple(range(1, len(shape)))
        magnitude = self._magnitude(x)
        reach = np.abs(weight).sum(axis=axes) * magnitude
        limit = ACCUMULATOR_LIMIT - 1
        factor = np.minimum(1.0, (limit * 0.9) / np.maximum(reach, 1))
        weight = np.trunc(weight * factor.reshape(-1, *[1] * len(axes))).astype(np.int8)
        reach = np.abs(weight.astype(np.int64)).sum(axis=axes) * magnitude
        room = limit - reach
        if extreme:
            bias = room * self.rng.choice([-1, 1], outputs)
        else:
            most = np.minimum(room, hi if hi > 0 else -lo)
            bias = self.rng.integers(-most, most + 1)
        multiplier, shift = self._scaling(
            reach + np.abs(bias), max(abs(lo), abs(hi)), 1.0 if extreme else 8.0
        )
        out = self._new(name, outputs, lo, hi)
        self.nodes.append(
            Node(op, (x,), out, lo, hi, weight, bias.astype(np.int32), multiplier, shift)
        )
        return out

    def requantise(self, x: str, lo: int, hi: int, *, name: str | None = None) -> str:
        """Add a requantisation that fills lo..hi."""
        channels = self.channels[x]
        multiplier, shift = self._scaling(
            np.full(channels, self._magnitude(x)), max(abs(lo), abs(hi)), 2.0
        )
        out = self._new(name, channels, lo, hi)
        self.nodes.append(Node("requantise", (x,), out, lo, hi, multiplier=multiplier, shift=shift))
        return out

    def add(self, a: str, b: str, lo: int, hi: int, *, name: str | None = None) -> str:
        """Add an addition."""
        out = self._new(name, self.channels[a], lo, hi)
        self.nodes.append(Node("add", (a, b), out, lo, hi))
        return out

    def concat(self, tensors: Sequence[str], *, name: str | None = None) -> str:
        """Add a concatenation."""
        lo, hi = min(self.ranges[t][0] for t in tensors), max(self.ranges[t][1] for t in tensors)
        out = self._new(name, sum(self.channels[t] for t in tensors), lo, hi)
        self.nodes.append(Node("concat", tuple(tensors), out, lo, hi))
        return out

    def gather(self, x: str, index: Sequence[int], *, name: str | None = None) -> str:
        """Add a selection of channels."""
        lo, hi = self.ranges[x]
        out = self._new(name, len(index), lo, hi)
        self.nodes.append(Node("gather_channels", (x,), out, lo, hi, index=tuple(index)))
        return out

    def shuffle(self, op: str, x: str, r: int, *, name: str | None = None) -> str:
        """Add pixel_shuffle or space_to_depth."""
        lo, hi = self.ranges[x]
        channels = self.channels[x]
        out = self._new(
            name, channels // (r * r) if op == "pixel_shuffle" else channels * r * r, lo, hi
        )
        self.nodes.append(Node(op, (x,), out, lo, hi, factor=r))
        return out

    def lookup(self, x: str, lo: int, hi: int, *, name: str | None = None) -> str:
        """Add a table."""
        low, high = self.ranges[x]
        table = self.rng.integers(lo, hi + 1, high - low + 1).astype(np.int16)
        out = self._new(name, self.channels[x], lo, hi)
        self.nodes.append(Node("lookup", (x,), out, lo, hi, table=table))
        return out

    def crop(self, x: str, like: str, *, name: str | None = None) -> str:
        """Add a crop to the size of `like`."""
        lo, hi = self.ranges[x]
        out = self._new(name, self.channels[x], lo, hi)
        self.nodes.append(Node("crop_like", (x, like), out, lo, hi))
        return out

    def block(self, x: str, expansion: int = 2) -> str:
        """Add the residual block of the shipped networks."""
        lo, hi = self.ranges[x]
        y = self.requantise(x, -128, 127)
        y = self.conv("depthwise3x3", y, 0, -128, 127)
        y = self.conv("conv1x1", y, expansion * self.channels[x], 0, 255)
        y = self.conv("conv1x1", y, self.channels[x], lo, hi)
        return self.add(x, y, lo, hi)

    def head(self, x: str, outputs: int, lo: int, hi: int, *, name: str | None = None) -> str:
        """Add a requantisation to 8 bits and a 1x1 convolution."""
        return self.conv("conv1x1", self.requantise(x, -128, 127), outputs, lo, hi, name=name)

    def build(self, outputs: Sequence[str]) -> Network:
        """Return the network after checking its bounds."""
        network = Network(
            self.name, tuple(self.inputs), tuple(self.nodes), tuple(outputs), dict(self.channels)
        )
        check_bounds(network)
        return network


def random_network(seed: int, nodes: int = 12, *, extreme: bool = False) -> Network:
    """Return a random network of one input "x", with every operator possible and several outputs.

    With `extreme`, each convolution's accumulator bound is 2^24 - 1 and ranges reach the ends of int16.
    """
    rng = np.random.default_rng(seed)
    builder = Builder("random", rng)
    wide = (-32768, 32767)
    ranges = [(-128, 127), (0, 255), (-2047, 2047), wide, (-5, 3), (0, 32767)]
    lo, hi = ranges[rng.integers(len(ranges))] if extreme else (-2047, 2047)
    builder.input("x", int(rng.integers(1, 20)), lo, hi)
    scales = {"x": 4}

    def take() -> str:
        names = list(scales)
        return names[int(rng.integers(max(0, len(names) - 4), len(names)))]

    ops = [
        "conv1x1",
        "conv3x3",
        "depthwise3x3",
        "requantise",
        "add",
        "concat",
        "gather",
        "up",
        "down",
        "lookup",
        "crop",
    ]
    while len(builder.nodes) < nodes:
        x = take()
        op = ops[int(rng.integers(len(ops)))]
        out_lo, out_hi = ranges[int(rng.integers(len(ranges)))]
        scale, channels = scales[x], builder.channels[x]
        if op in ("conv1x1", "conv3x3", "depthwise3x3"):
            # a bound below 2^24 leaves no weights for wide inputs of many channels: narrow them first
            if op == "conv3x3" and channels * builder._magnitude(x) > 1 << 19:
                x = builder.requantise(x, -128, 127)
                scales[x] = scale
            y = builder.conv(op, x, int(rng.integers(1, 40)), out_lo, out_hi, extreme=extreme)
        elif op == "requantise":
            y = builder.requantise(x, out_lo, out_hi)
        elif op == "add":
            others = [t for t in scales if scales[t] == scale and builder.channels[t] == channels]
            y = builder.add(x, others[int(rng.integers(len(others)))], out_lo, out_hi)
        elif op == "concat":
            others = [
                t for t in scales if scales[t] == scale and builder.channels[t] + channels < 96
            ]
            if not others:
                continue
            y = builder.concat([x, others[int(rng.integers(len(others)))]])
        elif op == "gather":
            y = builder.gather(x, rng.integers(0, channels, int(rng.integers(1, 24))).tolist())
        elif op == "up":
            if scale > 4:
                continue
            x = builder.conv(
                "conv1x1", x, 4 * int(rng.integers(1, 8)), out_lo, out_hi, extreme=extreme
            )
            scales[x] = scale
            y, scale = builder.shuffle("pixel_shuffle", x, 2), scale * 2
        elif op == "down":
            if scale < 4 or channels > 16:
                continue
            y, scale = builder.shuffle("space_to_depth", x, 2), scale // 2
        elif op == "lookup":
            y = builder.lookup(x, out_lo, out_hi)
        else:
            others = [t for t in scales if scales[t] <= scale]
            like = others[int(rng.integers(len(others)))]
            y, scale = builder.crop(x, like), scales[like]
        scales[y] = scale
    names = list(scales)
    picked = sorted({names[-1], *(names[int(i)] for i in rng.integers(1, len(names), 2))})
    return builder.build([name for name in picked if name != "x"])
