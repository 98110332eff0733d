"""IntNet with gradients: forward values equal the integer evaluators', backward passes through the rounding.

The derivative of requantise is multiplier / 2^shift inside the declared range and zero where it saturates
(the straight-through estimate); every other operator is exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from refcodec.intnet.graph import Network, Node


class _Requantise(torch.autograd.Function):
    """(#net.requantise) Exact forward in binary64 (products stay below 2^31), straight-through backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: Tensor, half: float, lo: int, hi: int) -> Tensor:
        y = torch.floor(x.double() * slope + half)
        ctx.save_for_backward((y >= lo) & (y <= hi), slope)
        return y.clamp_(lo, hi).float()

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        inside, slope = ctx.saved_tensors
        return gradients[0] * slope.float() * inside, None, None, None, None


def _scale(node: Node, x: Tensor) -> Tensor:
    assert node.multiplier is not None
    multiplier = torch.from_numpy(node.multiplier.astype("float64")).view(1, -1, 1, 1)
    slope = multiplier / 2.0**node.shift
    apply: Any = _Requantise.apply
    result: Tensor = apply(x, slope.to(x.device), 0.5 if node.shift else 0.0, node.lo, node.hi)
    return result


def _convolve(node: Node, x: Tensor) -> Tensor:
    assert node.weight is not None and node.bias is not None
    weight = torch.from_numpy(node.weight.astype("float32")).to(x.device)
    bias = torch.from_numpy(node.bias.astype("float32")).to(x.device)
    if node.op == "conv1x1":
        # a matrix product: the sums stay below 2^24 in any order, so binary32 is exact
        n, _, h, w = x.shape
        y = (weight @ x.flatten(2)).view(n, -1, h, w) + bias.view(1, -1, 1, 1)
    elif node.op == "conv3x3":
        y = functional.conv2d(x, weight, bias, padding=1)
    else:
        y = functional.conv2d(x, weight[:, None], bias, padding=1, groups=x.shape[1])
    return _scale(node, y)


def _lookup(node: Node, x: Tensor, lo: int) -> Tensor:
    assert node.table is not None
    table = torch.from_numpy(node.table.astype("float32")).to(x.device)
    index = (x.detach() - lo).long()
    below, above = (index - 1).clamp(min=0), (index + 1).clamp(max=len(table) - 1)
    # value of the table, slope of its central difference
    slope = (table[above] - table[below]) / (above - below).clamp(min=1)
    return table[index] + slope * (x - x.detach())


def evaluate(network: Network, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """(#net.evaluation) Evaluate a network on float32 tensors (N,C,H,W) of whole numbers; returns its outputs by name.

    Forward values are those of the integer evaluators, sample for sample.
    """
    values = dict(inputs)
    for node in network.nodes:
        x = [values[name] for name in node.inputs]
        if node.weight is not None:
            y = _convolve(node, x[0])
        elif node.op == "requantise":
            y = _scale(node, x[0])
        elif node.op == "add":
            y = (x[0] + x[1]).clamp(node.lo, node.hi)
        elif node.op == "concat":
            y = torch.cat(x, 1)
        elif node.op == "gather_channels":
            y = x[0][:, list(node.index)]
        elif node.op == "pixel_shuffle":
            y = functional.pixel_shuffle(x[0], node.factor)
        elif node.op == "space_to_depth":
            y = functional.pixel_unshuffle(x[0], node.factor)
        elif node.op == "lookup":
            y = _lookup(node, x[0], network.declared(node.inputs[0])[0])
        else:
            y = x[0][:, :, : x[1].shape[2], : x[1].shape[3]]
        values[node.output] = y
    return {name: values[name] for name in network.outputs}
