"""One description of a network, two readings: torch tensors for training, an IntNet graph for export.

A network is a function of an *executor* and of `Value`s. `TorchExecutor` computes (in floats, or with fake
quantisation); `GraphBuilder` in `export.py` writes integer nodes, so that the trained and the shipped network agree.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Step(nn.Module):
    """The size in real units of one integer unit: fixed, or learned (Esser et al., LSQ, 2020)."""

    exponent: Tensor
    peak: Tensor

    def __init__(self, value: float, learned: bool = False) -> None:
        super().__init__()
        exponent = torch.tensor(math.log2(value))
        self.learned = learned
        self.initial = value
        if learned:
            self.exponent = nn.Parameter(exponent)
        else:
            self.register_buffer("exponent", exponent)
        self.register_buffer("peak", torch.zeros(()))

    def value(self) -> Tensor:
        """Return the step as a scalar tensor."""
        return torch.exp2(self.exponent)


@dataclass(frozen=True)
class Range:
    """Integer range lo..hi and the step of a tensor."""

    step: Step
    lo: int
    hi: int


@dataclass(frozen=True)
class Value:
    """A tensor in a network: `data` is a torch tensor (N,C,H,W) in real units or, on export, a node's name."""

    data: Any
    channels: int
    range: Range


class Conv(nn.Module):
    """Weights of a convolution: kind `conv1x1`, `conv3x3` or `depthwise3x3`, stride 1, zero padding."""

    def __init__(self, kind: str, inputs: int, outputs: int, gain: float = 1.0) -> None:
        super().__init__()
        self.kind, self.inputs, self.outputs = kind, inputs, outputs
        if kind == "depthwise3x3":
            # near identity: otherwise a deep stack of them starts by blurring everything away
            weight = 0.02 * torch.randn(outputs, 1, 3, 3)
            weight[:, :, 1, 1] += 1.0
        else:
            k = 3 if kind == "conv3x3" else 1
            weight = torch.empty(outputs, inputs, k, k)
            nn.init.xavier_uniform_(weight, gain=gain)
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(outputs))


class Executor(Protocol):
    """What a network may do with values."""

    def conv(self, layer: Conv, x: Value, out: Range) -> Value: ...
    def requantise(self, x: Value, out: Range) -> Value: ...
    def add(self, a: Value, b: Value) -> Value: ...
    def concat(self, values: Sequence[Value]) -> Value: ...
    def gather(self, x: Value, index: Sequence[int]) -> Value: ...
    def pixel_shuffle(self, x: Value, r: int) -> Value: ...
    def space_to_depth(self, x: Value, r: int) -> Value: ...
    def crop_like(self, x: Value, like: Value) -> Value: ...


class _LearnedStep(torch.autograd.Function):
    """Round to a grid, straight-through inside the range, the step learned (Esser et al., LSQ, 2020)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, step: Tensor, lo: int, hi: int) -> Tensor:
        zero = torch.zeros_like(step, dtype=torch.int32)
        enabled = torch.ones_like(zero, dtype=torch.int64)
        y, inside = torch._fake_quantize_per_tensor_affine_cachemask_tensor_qparams(
            x.float(), step, zero, enabled, lo, hi
        )
        ctx.save_for_backward(x, y, inside, step)
        result: Tensor = y.to(x.dtype)
        return result

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        x, y, inside, step = ctx.saved_tensors
        through = grads[0] * inside
        # inside: rounded - scaled; outside: the limit
        slope = (grads[0].float() * y).sum() - (through.float() * x).sum()
        return through, (slope / step / math.sqrt(x.numel())).view_as(step), None, None


def fake_quantise(x: Tensor, out: Range) -> Tensor:
    """Quantise `x` to `out`'s grid in real units; differentiable in x and in a learned step.

    torch rounds ties to even where the decoder rounds half up: ties are all that differs.
    """
    if not out.step.learned:
        return torch.fake_quantize_per_tensor_affine(x, out.step.initial, 0, out.lo, out.hi)
    result: Tensor = _LearnedStep.apply(x, out.step.value().view(1), out.lo, out.hi)
    return result


def quantise_weight(weight: Tensor) -> Tensor:
    """Quantise weights to 8 bits with one step per output channel, straight-through."""
    step = weight.detach().abs().amax((1, 2, 3), keepdim=True).clamp_min(1e-8) / 127
    return weight + (torch.round(weight.detach() / step) * step - weight.detach())


class TorchExecutor:
    """Computes values; `mode` is "float", "calibrate" (float, and peaks are recorded) or "quantised"."""

    def __init__(self, mode: str = "float", wide_float32: bool = True) -> None:
        self.mode = mode
        self.wide_float32 = wide_float32

    def _finish(self, y: Tensor, out: Range) -> Tensor:
        wide = out.hi - out.lo > 255
        if wide and self.wide_float32:
            y = y.float()
        if self.mode == "quantised":
            return fake_quantise(y, out)
        if self.mode == "calibrate":
            out.step.peak.copy_(torch.maximum(out.step.peak, y.detach().abs().amax().float()))
        if not out.step.learned:
            return y.clamp(out.lo * out.step.initial, out.hi * out.step.initial)
        return F.relu(y) if out.lo == 0 else y

    def conv(self, layer: Conv, x: Value, out: Range) -> Value:
        """Convolve, add the bias and bring the result into `out`."""
        weight = quantise_weight(layer.weight) if self.mode == "quantised" else layer.weight
        padding = 0 if layer.kind == "conv1x1" else 1
        groups = layer.outputs if layer.kind == "depthwise3x3" else 1
        y = F.conv2d(x.data, weight, layer.bias, padding=padding, groups=groups)
        return Value(self._finish(y, out), layer.outputs, out)

    def requantise(self, x: Value, out: Range) -> Value:
        """Bring a value to another range and step."""
        return Value(self._finish(x.data, out), x.channels, out)

    def add(self, a: Value, b: Value) -> Value:
        """Add two values of equal range and saturate."""
        return Value(self._finish(a.data + b.data, a.range), a.channels, a.range)

    def concat(self, values: Sequence[Value]) -> Value:
        """Concatenate channels of values with equal steps."""
        lo, hi = min(v.range.lo for v in values), max(v.range.hi for v in values)
        out = Range(values[0].range.step, lo, hi)
        return Value(torch.cat([v.data for v in values], 1), sum(v.channels for v in values), out)

    def gather(self, x: Value, index: Sequence[int]) -> Value:
        """Select channels by number, repeats allowed."""
        picked = [x.data[:, i : i + 1] for i in index]
        return Value(torch.cat(picked, 1), len(index), x.range)

    def pixel_shuffle(self, x: Value, r: int) -> Value:
        """Depth to space."""
        return Value(F.pixel_shuffle(x.data, r), x.channels // (r * r), x.range)

    def space_to_depth(self, x: Value, r: int) -> Value:
        """Space to depth."""
        return Value(F.pixel_unshuffle(x.data, r), x.channels * r * r, x.range)

    def crop_like(self, x: Value, like: Value) -> Value:
        """Crop at the right and bottom to the size of `like`."""
        h, w = like.data.shape[2:]
        return Value(x.data[:, :, :h, :w], x.channels, x.range)
