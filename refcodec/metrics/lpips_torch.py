"""LPIPS v0.1 as a frozen torch module, differentiable in both inputs; needs torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from refcodec.metrics.lpips_layers import (
    EPSILON,
    SCALE,
    SHIFT,
    STEPS,
    Convolution,
    Fire,
    Net,
    Pool,
)

# Below this squared norm a feature vector counts as zero: keeps the derivative of the norm finite.
MINIMUM_SQUARED_NORM = 1e-12


class LpipsModule(nn.Module):
    """Learned perceptual distance with frozen weights.

    `weights`: float32 arrays by name. `input_range`: (lo, hi) of the inputs' RGB values.
    Convolutions follow autocast (bf16 works); normalisation and sums are always float32.
    """

    def __init__(
        self,
        net: Net,
        weights: Mapping[str, NDArray[np.float32]],
        input_range: tuple[float, float] = (0.0, 1.0),
    ) -> None:
        super().__init__()
        if net not in STEPS:
            raise ValueError(f"net is {net!r}; it must be one of {sorted(STEPS)}")
        self.net = net
        self.steps = STEPS[net]
        for name, array in weights.items():
            self.register_buffer(_buffer_name(name), torch.from_numpy(array), persistent=False)
        # The map of the input range to [-1, 1] and LPIPS's own scaling are one affine map.
        lo, hi = input_range
        gain = 2.0 / (hi - lo)
        scale = np.asarray(SCALE)
        slope = torch.tensor(gain / scale, dtype=torch.float32)
        offset = torch.tensor((-1.0 - gain * lo - np.asarray(SHIFT)) / scale, dtype=torch.float32)
        self.register_buffer("slope", slope.view(1, 3, 1, 1), persistent=False)
        self.register_buffer("offset", offset.view(1, 3, 1, 1), persistent=False)
        self.eval()

    def features(self, x: Tensor) -> list[Tensor]:
        """Unit-normalised activations of (N,3,H,W) RGB, one float32 (N,C,h,w) a tapped layer.

        A target's features may be computed once and kept for `compare`.
        """
        x = x * self._get("slope") + self._get("offset")
        return [_unit(tap) for tap in self.activations(x)]

    def activations(self, x: Tensor) -> Iterator[Tensor]:
        """Yield the activations (N,C,h,w) at each tapped layer, not normalised.

        x: (N,3,H,W), `slope` * RGB + `offset`.
        """
        for step in self.steps:
            if isinstance(step, Convolution):
                x = self._convolve(x, step.name, step.stride, step.padding)
                x = functional.relu(x, inplace=True)
            elif isinstance(step, Pool):
                x = functional.max_pool2d(x, 3, 2, ceil_mode=step.ceil)
            elif isinstance(step, Fire):
                x = self._fire(x, step.name)
            else:
                yield x

    def compare(self, a: list[Tensor], b: list[Tensor]) -> Tensor:
        """Distance (N,), float32, between two results of `features`."""
        layers = []
        with torch.autocast(a[0].device.type, enabled=False):
            for index, (fa, fb) in enumerate(zip(a, b, strict=True)):
                weight = self.layer_weight(index)[:, None, None]
                layers.append(((fa - fb).square() * weight).sum(dim=1).mean(dim=(1, 2)))
            return torch.stack(layers).sum(dim=0)

    def layer_weight(self, index: int) -> Tensor:
        """Return what squared differences at a tapped layer, counted from 0, are multiplied by: (C,) float32."""
        return self._get(_buffer_name(f"lin{index}.weight")).flatten()

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Distance (N,), float32, between two batches (N,3,H,W) of RGB in `input_range`."""
        return self.compare(self.features(x), self.features(y))

    def _get(self, name: str) -> Tensor:
        tensor = getattr(self, name)
        assert isinstance(tensor, Tensor)
        return tensor

    def _convolve(self, x: Tensor, name: str, stride: int, padding: int) -> Tensor:
        weight = self._get(_buffer_name(f"net.features.{name}.weight"))
        bias = self._get(_buffer_name(f"net.features.{name}.bias"))
        return functional.conv2d(x, weight, bias, stride, padding)

    def _fire(self, x: Tensor, name: str) -> Tensor:
        x = functional.relu(self._convolve(x, f"{name}.squeeze", 1, 0), inplace=True)
        small = self._convolve(x, f"{name}.expand1x1", 1, 0)
        large = self._convolve(x, f"{name}.expand3x3", 1, 1)
        return functional.relu(torch.cat((small, large), dim=1), inplace=True)


class TorchEvaluator:
    """Evaluates single pictures for `refcodec.metrics.lpips.Lpips`."""

    def __init__(self, net: Net, weights: Mapping[str, NDArray[np.float32]], threads: int) -> None:
        self._module = LpipsModule(net, weights)
        self._threads = threads

    def features(self, rgb: NDArray[np.float32]) -> list[Any]:
        """Return the features of RGB (3, height, width) in [0, 1]."""
        if torch.get_num_threads() != self._threads:
            torch.set_num_threads(self._threads)
        x = torch.from_numpy(np.ascontiguousarray(rgb))[None]
        with torch.inference_mode():
            return self._module.features(x.contiguous(memory_format=torch.channels_last))

    def distance(self, a: list[Any], b: list[Any]) -> float:
        """Return the distance between two results of `features`."""
        with torch.inference_mode():
            return float(self._module.compare(a, b))


def _unit(x: Tensor) -> Tensor:
    with torch.autocast(x.device.type, enabled=False):
        x = x.float()
        norm = x.square().sum(dim=1, keepdim=True).clamp_min(MINIMUM_SQUARED_NORM).sqrt()
        return x / (norm + EPSILON)


def _buffer_name(name: str) -> str:
    return name.replace(".", "_")
