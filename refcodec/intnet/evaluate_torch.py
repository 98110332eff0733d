"""Evaluation with binary32 convolutions of PyTorch; imported only on request.

Exact by the bound of #net.bounds as long as nothing is computed in less than binary32 or by transforms
(Winograd, FFT) whose intermediate values the bound does not cover. So convolutions are matrix products
and sums of shifted products here, which leaves a library no algorithm to choose, and reduced precision
is switched off around them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray

from refcodec.intnet.graph import Network, Node

Tensor = NDArray[np.int16]


@contextmanager
def _exact(threads: int) -> Iterator[None]:
    precision = torch.get_float32_matmul_precision()
    count = torch.get_num_threads()
    torch.set_float32_matmul_precision("highest")
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode(), torch.autocast("cpu", enabled=False):
            yield
    finally:
        torch.set_num_threads(count)
        torch.set_float32_matmul_precision(precision)


def _scale(node: Node, total: torch.Tensor) -> torch.Tensor:
    """(#net.requantise) total int32 (C,H,W) to int16."""
    assert node.multiplier is not None
    multiplier = torch.from_numpy(node.multiplier.copy())[:, None, None]
    value = (total * multiplier + ((1 << node.shift) >> 1)) >> node.shift
    return value.clamp_(node.lo, node.hi).to(torch.int16)


def _shifted(x: torch.Tensor) -> Iterator[tuple[int, int, torch.Tensor]]:
    height, width = x.shape[1:]
    padded = torch.nn.functional.pad(x, (1, 1, 1, 1))
    for dy in range(3):
        for dx in range(3):
            yield dy, dx, padded[:, dy : dy + height, dx : dx + width]


def _convolve(node: Node, x: torch.Tensor) -> torch.Tensor:
    assert node.weight is not None and node.bias is not None
    weight = torch.from_numpy(node.weight.astype(np.float32))
    real = x.to(torch.float32)
    height, width = x.shape[1:]
    if node.op == "conv1x1":
        total = weight @ real.reshape(len(real), -1)
    elif node.op == "conv3x3":
        total = torch.zeros(len(weight), height * width)
        for dy, dx, part in _shifted(real):
            total += weight[:, :, dy, dx] @ part.reshape(len(real), -1)
    else:
        total = torch.zeros_like(real)
        for dy, dx, part in _shifted(real):
            total += weight[:, dy, dx, None, None] * part
    bias = torch.from_numpy(node.bias.copy())[:, None, None]
    return _scale(node, total.reshape(-1, height, width).to(torch.int32) + bias)


def _apply(network: Network, node: Node, given: list[torch.Tensor]) -> torch.Tensor:
    x = given[0]
    if node.weight is not None:
        return _convolve(node, x)
    if node.op == "requantise":
        return _scale(node, x.to(torch.int32))
    if node.op == "add":
        return (x.to(torch.int32) + given[1]).clamp_(node.lo, node.hi).to(torch.int16)
    if node.op == "concat":
        return torch.cat(given)
    if node.op == "gather_channels":
        return x[list(node.index)]
    if node.op == "pixel_shuffle":
        return torch.nn.functional.pixel_shuffle(x, node.factor)
    if node.op == "space_to_depth":
        return torch.nn.functional.pixel_unshuffle(x, node.factor)
    if node.op == "lookup":
        assert node.table is not None
        table = torch.from_numpy(node.table.copy())
        return table[x.to(torch.int64) - network.declared(node.inputs[0])[0]]
    return x[:, : given[1].shape[1], : given[1].shape[2]]  # crop_like


def evaluate(network: Network, inputs: Mapping[str, Tensor], threads: int = 1) -> dict[str, Tensor]:
    """(#net.evaluation) Evaluate a checked network; see `evaluate_numpy.evaluate`."""
    with _exact(threads):
        tensors = {
            name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in inputs.items()
        }
        for node in network.nodes:
            tensors[node.output] = _apply(network, node, [tensors[name] for name in node.inputs])
        return {name: tensors[name].numpy() for name in network.outputs}
