"""LPIPS v0.1: distance between the features that a fixed network sees in two pictures.

Computed in float32 with numpy; where torch is installed its convolutions do the same work sooner.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from refcodec.metrics.lpips_layers import (
    EPSILON,
    MINIMUM_SIZE,
    SCALE,
    SHIFT,
    STEPS,
    Convolution,
    Fire,
    Net,
    Pool,
)
from refcodec.metrics.lpips_weights import find_weights, load_weights

Array = NDArray[np.float32]
Backend = Literal["auto", "numpy", "torch"]

BLOCK_VALUES = 1 << 22
"""Values in one block of gathered patches (16 MiB): enough for BLAS, little for memory."""


class Evaluator(Protocol):
    """What a backend offers: features of one picture, and the distance between two sets of them."""

    def features(self, rgb: Array) -> list[Any]: ...

    def distance(self, a: list[Any], b: list[Any]) -> float: ...


class Lpips:
    """LPIPS with one backbone; `weights` maps tensor names to float32 arrays.

    `backend` "auto" takes torch where it is installed, else numpy.
    """

    def __init__(
        self, net: Net, weights: Mapping[str, Array], *, backend: Backend = "auto", threads: int = 2
    ) -> None:
        if net not in STEPS:
            raise ValueError(f"net is {net!r}; it must be one of {sorted(STEPS)}")
        if backend == "auto":
            backend = "torch" if importlib.util.find_spec("torch") else "numpy"
        self.net = net
        self.backend = backend
        self._evaluator: Evaluator
        if backend == "torch":
            from refcodec.metrics.lpips_torch import TorchEvaluator

            self._evaluator = TorchEvaluator(net, weights, threads)
        else:
            self._evaluator = NumpyEvaluator(net, weights)

    def features(self, rgb: Array) -> list[Any]:
        """Return the features of RGB (3, height, width), float32 in [0, 1], for `between`."""
        if min(rgb.shape[1:]) < MINIMUM_SIZE:
            raise ValueError(f"LPIPS needs pictures of at least {MINIMUM_SIZE}x{MINIMUM_SIZE}")
        return self._evaluator.features(rgb)

    def between(self, a: list[Any], b: list[Any]) -> float:
        """Return the distance between two results of `features` of pictures of one size."""
        return self._evaluator.distance(a, b)

    def distance(self, a: Array, b: Array) -> float:
        """Return the distance between two RGB pictures (3, height, width) in [0, 1]; 0 is best."""
        if a.shape != b.shape:
            raise ValueError(f"pictures of shape {a.shape} and {b.shape} cannot be compared")
        return self.between(self.features(a), self.features(b))


def lpips(
    net: Net = "alex",
    path: str | os.PathLike[str] | None = None,
    *,
    backend: Backend = "auto",
    threads: int = 2,
) -> Lpips | None:
    """Return LPIPS with the weights that `find_weights` finds, or None where there are none."""
    file = find_weights(net, path)
    return None if file is None else _loaded(net, os.fspath(file), backend, threads)


@cache
def _loaded(net: Net, file: str, backend: Backend, threads: int) -> Lpips:
    from pathlib import Path

    return Lpips(net, load_weights(Path(file)), backend=backend, threads=threads)


class NumpyEvaluator:
    """Float32 evaluation with numpy; the products are matrix products in blocks of output rows."""

    def __init__(self, net: Net, weights: Mapping[str, Array]) -> None:
        self._steps = STEPS[net]
        self._weights = weights
        self._scale = (2 / np.array(SCALE, np.float32)).reshape(3, 1, 1)
        self._offset = (
            ((-1 - np.array(SHIFT)) / np.array(SCALE)).astype(np.float32).reshape(3, 1, 1)
        )

    def features(self, rgb: Array) -> list[Array]:
        """Return the unit-normalised activations (channels, height, width) at each tap."""
        x = rgb * self._scale + self._offset
        taps = []
        for step in self._steps:
            if isinstance(step, Convolution):
                x = np.maximum(self._convolve(x, step.name, step.stride, step.padding), 0)
            elif isinstance(step, Pool):
                x = _pool(x, step.ceil)
            elif isinstance(step, Fire):
                x = self._fire(x, step.name)
            else:
                norm = np.sqrt(np.einsum("chw,chw->hw", x, x))
                taps.append(x / (norm + np.float32(EPSILON)))
        return taps

    def distance(self, a: list[Array], b: list[Array]) -> float:
        """Return the sum over taps of the mean over positions of weighted squared differences."""
        total = 0.0
        for index, (fa, fb) in enumerate(zip(a, b, strict=True)):
            weight = self._weights[f"lin{index}.weight"].reshape(-1)
            difference = fa - fb
            per_channel = np.einsum("chw,chw->c", difference, difference)
            total += float(per_channel @ weight) / (fa.shape[1] * fa.shape[2])
        return total

    def _fire(self, x: Array, name: str) -> Array:
        x = np.maximum(self._convolve(x, f"{name}.squeeze", 1, 0), 0)
        small = self._convolve(x, f"{name}.expand1x1", 1, 0)
        large = self._convolve(x, f"{name}.expand3x3", 1, 1)
        return np.maximum(np.concatenate((small, large)), 0)

    def _convolve(self, x: Array, name: str, stride: int, padding: int) -> Array:
        weight = self._weights[f"net.features.{name}.weight"]
        bias = self._weights[f"net.features.{name}.bias"]
        return convolve(x, weight, bias, stride, padding)


def convolve(x: Array, weight: Array, bias: Array, stride: int, padding: int) -> Array:
    """Return x (I, H, W) convolved with weight (O, I, K, K), zero padding, plus bias (O)."""
    outputs, inputs, kernel, _ = weight.shape
    matrix = weight.reshape(outputs, -1)
    if padding:
        x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    patches = np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), axis=(1, 2))
    patches = patches[:, ::stride, ::stride].transpose(0, 3, 4, 1, 2)
    height, width = patches.shape[3:]
    out = np.empty((outputs, height, width), np.float32)
    rows = max(1, BLOCK_VALUES // (inputs * kernel * kernel * width))
    for top in range(0, height, rows):
        block = patches[..., top : top + rows, :].reshape(matrix.shape[1], -1)
        out[:, top : top + rows] = (matrix @ block).reshape(outputs, -1, width)
    out += bias[:, None, None]
    return out


def _pool(x: Array, ceil: bool) -> Array:
    if ceil:
        grow = [(0, (3 - size) % 2 if size >= 3 else 3 - size) for size in x.shape[1:]]
        x = np.pad(x, ((0, 0), *grow), constant_values=-np.inf)
    height, width = ((size - 3) // 2 + 1 for size in x.shape[1:])
    rows = x[:, 0 : 2 * height : 2]
    rows = np.maximum(rows, x[:, 1 : 1 + 2 * height : 2])
    rows = np.maximum(rows, x[:, 2 : 2 + 2 * height : 2])
    out = np.maximum(rows[:, :, 0 : 2 * width : 2], rows[:, :, 1 : 1 + 2 * width : 2])
    return np.maximum(out, rows[:, :, 2 : 2 + 2 * width : 2])
