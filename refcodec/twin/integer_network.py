"""IntNet with gradients: forward values equal the integer evaluators', backward passes through the rounding.

The derivative of requantise is multiplier / 2^shift inside the declared range and zero where it saturates
(the straight-through estimate); that of a table is the slope of its central difference; every other operator is
exact. Nothing but masks of what saturates is kept for the backward pass. Without rounding, in smooth arithmetic,
the gradient is the derivative of the values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from refcodec.intnet.graph import CONVOLUTIONS, Network, Node

_NODES_A_PART = 10
"""Nodes between two checkpoints: about two residual blocks."""


class Arithmetic(Enum):
    """How networks compute.

    EXACT: the values of the integer evaluators, sample for sample.
    FAST: binary32 also where products exceed 2^24, so that a few values of ten thousand differ by 1.
    SMOOTH: neither rounded nor looked up: requantised values keep their fractions, tables are interpolated.
    """

    EXACT = "exact"
    FAST = "fast"
    SMOOTH = "smooth"


def _limited(y: Tensor, lo: int, hi: int) -> tuple[Tensor, Tensor | None]:
    """Return y, clamped in place, and where it was inside, or None for everywhere."""
    least, most = torch.aminmax(y) if y.numel() else (y.new_tensor(lo), y.new_tensor(lo))
    if lo <= float(least) and float(most) <= hi:
        return y, None
    inside = (y >= lo) & (y <= hi)
    return y.clamp_(lo, hi), inside


class _Scaling:
    """(#net.requantise) The multiplier, shift and range of a node on one device."""

    def __init__(self, node: Node, device: torch.device, dtype: torch.dtype) -> None:
        assert node.multiplier is not None
        multiplier = torch.from_numpy(node.multiplier.astype("float64")).view(1, -1, 1, 1)
        self.slope = (multiplier / 2.0**node.shift).to(device)
        self.slope_like = self.slope.to(dtype)
        self.half = 0.5 if node.shift else 0.0
        self.lo, self.hi = node.lo, node.hi

    def apply(self, x: Tensor, arithmetic: Arithmetic) -> tuple[Tensor, Tensor | None]:
        """Requantise; x may be overwritten. Products stay below 2^39, so binary64 is exact."""
        if arithmetic is Arithmetic.EXACT:
            y = x.double().mul_(self.slope).add_(self.half).floor_().to(x.dtype)
        elif arithmetic is Arithmetic.FAST:
            y = x.mul_(self.slope_like).add_(self.half).floor_()
        else:
            y = x.mul_(self.slope_like)
        return _limited(y, self.lo, self.hi)


class _Convolution:
    """(#net.conv1x1) A convolution and its requantisation."""

    def __init__(self, node: Node, device: torch.device, dtype: torch.dtype) -> None:
        assert node.weight is not None and node.bias is not None
        self.kind = node.op
        self.scaling = _Scaling(node, device, dtype)
        self.weight = torch.from_numpy(node.weight.astype("float32")).to(device, dtype)
        self.bias = torch.from_numpy(node.bias.astype("float32")).to(device, dtype)
        slope = self.scaling.slope_like.view(-1, *[1] * (self.weight.dim() - 1))
        # the adjoint of the convolution and of the scaling together
        back = self.weight * slope
        if self.kind == "conv1x1":
            self.back = back.t().contiguous()
        elif self.kind == "conv3x3":
            self.back = back.flip(2, 3).transpose(0, 1).contiguous()
        else:
            self.back = back.flip(1, 2)[:, None].contiguous()
            self.weight = self.weight[:, None]

    def forward(self, x: Tensor) -> Tensor:
        """Return the sums before requantisation; they stay below 2^24, exact in binary32 in any order."""
        if self.kind == "conv1x1":
            n, _, h, w = x.shape
            y = torch.matmul(self.weight, x.flatten(2)).view(n, -1, h, w)
            return y.add_(self.bias.view(1, -1, 1, 1))
        groups = x.shape[1] if self.kind == "depthwise3x3" else 1
        return functional.conv2d(x, self.weight, self.bias, padding=1, groups=groups)

    def backward(self, gradient: Tensor) -> Tensor:
        """Return the gradient of x from that of the result, where it does not saturate."""
        if self.kind == "conv1x1":
            n, _, h, w = gradient.shape
            return torch.matmul(self.back, gradient.flatten(2)).view(n, -1, h, w)
        groups = gradient.shape[1] if self.kind == "depthwise3x3" else 1
        return functional.conv2d(gradient, self.back, padding=1, groups=groups)


def _masked(gradient: Tensor, inside: Tensor | None) -> Tensor:
    return gradient if inside is None else gradient * inside


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, convolution: _Convolution, arithmetic: Arithmetic) -> Tensor:
        y, inside = convolution.scaling.apply(convolution.forward(x), arithmetic)
        ctx.convolution = convolution
        ctx.save_for_backward(*([] if inside is None else [inside]))
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        inside = next(iter(ctx.saved_tensors), None)
        return ctx.convolution.backward(_masked(gradients[0], inside)), None, None


class _Requantise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, scaling: _Scaling, arithmetic: Arithmetic) -> Tensor:
        y, inside = scaling.apply(x.clone(), arithmetic)
        ctx.scaling = scaling
        ctx.save_for_backward(*([] if inside is None else [inside]))
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        inside = next(iter(ctx.saved_tensors), None)
        return _masked(gradients[0] * ctx.scaling.slope_like, inside), None, None


class _Add(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, lo: int, hi: int) -> Tensor:
        y, inside = _limited(a + b, lo, hi)
        ctx.save_for_backward(*([] if inside is None else [inside]))
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        gradient = _masked(gradients[0], next(iter(ctx.saved_tensors), None))
        return gradient, gradient, None, None


class _Lookup:
    def __init__(self, node: Node, lo: int, device: torch.device, dtype: torch.dtype) -> None:
        assert node.table is not None
        self.table = torch.from_numpy(node.table.astype("float32")).to(device, dtype)
        self.lo = lo

    def __call__(self, x: Tensor, arithmetic: Arithmetic) -> Tensor:
        """(#net.lookup) Value of the table, slope of its central difference; in smooth arithmetic the line
        through two neighbours."""
        table = self.table
        if arithmetic is Arithmetic.SMOOTH:
            place = (x - self.lo).clamp(0, len(table) - 1)
            left = place.detach().floor().long().clamp(max=max(len(table) - 2, 0))
            right = (left + 1).clamp(max=len(table) - 1)
            return table[left] + (place - left) * (table[right] - table[left])
        index = (x.detach() - self.lo).long()
        below, above = (index - 1).clamp(min=0), (index + 1).clamp(max=len(table) - 1)
        slope = (table[above] - table[below]) / (above - below).clamp(min=1)
        return table[index] + slope * (x - x.detach())


class NetworkTwin:
    """One network on one device. Evaluates tensors (N,C,H,W) of whole numbers, of type `dtype`: binary32 holds them
    exactly; binary64 is for finite differences."""

    def __init__(
        self,
        network: Network,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.network, self.device = network, torch.device(device)
        self._prepared: dict[str, Any] = {}
        for node in network.nodes:
            if node.op in CONVOLUTIONS:
                self._prepared[node.output] = _Convolution(node, self.device, dtype)
            elif node.op == "requantise":
                self._prepared[node.output] = _Scaling(node, self.device, dtype)
            elif node.op == "lookup":
                lo, _ = network.declared(node.inputs[0])
                self._prepared[node.output] = _Lookup(node, lo, self.device, dtype)
            elif node.op == "gather_channels":
                self._prepared[node.output] = torch.tensor(node.index).to(self.device)

    def __call__(
        self,
        inputs: Mapping[str, Tensor],
        *,
        arithmetic: Arithmetic = Arithmetic.EXACT,
        checkpoints: bool = False,
    ) -> dict[str, Tensor]:
        """(#net.evaluation) Return the outputs by name.

        checkpoints: keep values at a few places only and evaluate again in the backward pass
        """
        values = dict(inputs)
        nodes = self.network.nodes
        step = _NODES_A_PART if checkpoints and torch.is_grad_enabled() else len(nodes)
        for begin in range(0, len(nodes), step):
            part, rest = nodes[begin : begin + step], nodes[begin + step :]
            wanted = {name for node in rest for name in node.inputs} | set(self.network.outputs)
            made = {node.output for node in part}
            needed = [name for name in _read(part) if name in values]
            kept = [name for name in made if name in wanted]

            def run(
                *given: Tensor, part: Any = part, needed: Any = needed, kept: Any = kept
            ) -> Any:
                found = self._part(part, dict(zip(needed, given, strict=True)), arithmetic)
                return tuple(found[name] for name in kept)

            given = [values[name] for name in needed]
            if step < len(nodes):
                found = checkpoint(run, *given, use_reentrant=False)
            else:
                found = run(*given)
            values = {name: value for name, value in values.items() if name in wanted}
            values |= dict(zip(kept, found, strict=True))
        return {name: values[name] for name in self.network.outputs}

    def _part(
        self, nodes: Sequence[Node], values: dict[str, Tensor], arithmetic: Arithmetic
    ) -> dict[str, Tensor]:
        for node in nodes:
            x = [values[name] for name in node.inputs]
            values[node.output] = self._node(node, x, arithmetic)
        return values

    def _node(self, node: Node, x: list[Tensor], arithmetic: Arithmetic) -> Tensor:
        prepared = self._prepared.get(node.output)
        if node.op in CONVOLUTIONS:
            return _apply(_Convolve, x[0], prepared, arithmetic)
        if node.op == "requantise":
            return _apply(_Requantise, x[0], prepared, arithmetic)
        if node.op == "add":
            return _apply(_Add, x[0], x[1], node.lo, node.hi)
        if node.op == "concat":
            return torch.cat(x, 1)
        if node.op == "gather_channels":
            assert prepared is not None
            return x[0].index_select(1, prepared)
        if node.op == "pixel_shuffle":
            return functional.pixel_shuffle(x[0], node.factor)
        if node.op == "space_to_depth":
            return functional.pixel_unshuffle(x[0], node.factor)
        if node.op == "lookup":
            assert prepared is not None
            looked_up: Tensor = prepared(x[0], arithmetic)
            return looked_up
        return x[0][:, :, : x[1].shape[2], : x[1].shape[3]]


def _apply(function: Any, *arguments: Any) -> Tensor:
    result: Tensor = function.apply(*arguments)
    return result


def _read(nodes: Sequence[Node]) -> list[str]:
    """Return the names that nodes read, each once, in a fixed order."""
    return list(dict.fromkeys(name for node in nodes for name in node.inputs))


def evaluate(network: Network, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """(#net.evaluation) Evaluate a network on float32 tensors (N,C,H,W) of whole numbers; returns its outputs by name.

    Forward values are those of the integer evaluators, sample for sample.
    """
    device = next(iter(inputs.values())).device
    return NetworkTwin(network, device)(inputs)
