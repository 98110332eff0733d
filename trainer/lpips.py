"""LPIPS v0.1 as a frozen, differentiable torch module (a loss for the trainer).

The weights are no part of the project: they are read from a file given by its path. The measuring
implementation, which needs no torch, is ``refcodec.metrics.lpips``; a test holds the two together.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

Net = Literal["alex", "squeeze"]

# (operation, argument): "conv" = name, stride, padding; "fire" = name; "pool" = ceil_mode;
# "tap" marks a layer whose activations are compared.
Step = tuple[str, tuple[object, ...]]

ALEX: tuple[Step, ...] = (
    ("conv", ("0", 4, 2)),
    ("tap", ()),
    ("pool", (False,)),
    ("conv", ("3", 1, 2)),
    ("tap", ()),
    ("pool", (False,)),
    ("conv", ("6", 1, 1)),
    ("tap", ()),
    ("conv", ("8", 1, 1)),
    ("tap", ()),
    ("conv", ("10", 1, 1)),
    ("tap", ()),
)
SQUEEZE: tuple[Step, ...] = (
    ("conv", ("0", 2, 0)),
    ("tap", ()),
    ("pool", (True,)),
    ("fire", ("3",)),
    ("fire", ("4",)),
    ("tap", ()),
    ("pool", (True,)),
    ("fire", ("6",)),
    ("fire", ("7",)),
    ("tap", ()),
    ("pool", (True,)),
    ("fire", ("9",)),
    ("tap", ()),
    ("fire", ("10",)),
    ("tap", ()),
    ("fire", ("11",)),
    ("tap", ()),
    ("fire", ("12",)),
    ("tap", ()),
)
STEPS: dict[str, tuple[Step, ...]] = {"alex": ALEX, "squeeze": SQUEEZE}

SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)
# Below this squared norm a feature vector counts as zero: keeps the derivative of the norm finite.
MINIMUM_SQUARED_NORM = 1e-12


class LPIPS(nn.Module):
    """Learned perceptual distance with frozen weights, differentiable in both inputs.

    ``npz_path``: file with ``net.features.*`` (OIHW) and ``lin0..`` (1,C,1,1), float32.
    ``net``: "alex" or "squeeze"; it must be the backbone that the file holds.
    ``input_range``: (lo, hi) of the inputs' RGB values; the default (0, 1).

    Convolutions follow autocast (bf16 works); normalisation and sums are always float32.
    """

    def __init__(
        self,
        npz_path: str | Path,
        net: Net = "alex",
        input_range: tuple[float, float] = (0.0, 1.0),
    ) -> None:
        super().__init__()
        if net not in STEPS:
            raise ValueError(f"net is {net!r}; it must be one of {sorted(STEPS)}")
        self.net = net
        self.steps = STEPS[net]
        self.tap_count = sum(op == "tap" for op, _ in self.steps)
        with np.load(npz_path) as archive:
            arrays = {name: archive[name].astype(np.float32) for name in archive.files}
        for name, array in arrays.items():
            self.register_buffer(_buffer_name(name), torch.from_numpy(array), persistent=False)
        lo, hi = input_range
        # Both the map of the input range to [-1, 1] and LPIPS's own scaling are one affine map.
        gain = 2.0 / (hi - lo)
        scale = np.asarray(SCALE, np.float64)
        shift = np.asarray(SHIFT, np.float64)
        slope = torch.tensor(gain / scale, dtype=torch.float32).view(1, 3, 1, 1)
        offset = torch.tensor((-1.0 - gain * lo - shift) / scale, dtype=torch.float32)
        self.register_buffer("slope", slope, persistent=False)
        self.register_buffer("offset", offset.view(1, 3, 1, 1), persistent=False)
        self.eval()

    def features(self, x: Tensor) -> list[Tensor]:
        """Unit-normalised activations of (N,3,H,W) RGB, one float32 (N,C,h,w) a tapped layer.

        A target's features may be computed once and kept for ``compare``.
        """
        x = x * self._get("slope") + self._get("offset")
        taps: list[Tensor] = []
        for op, argument in self.steps:
            if op == "conv":
                name, stride, padding = argument
                x = functional.relu(
                    self._convolution(
                        x, f"net.features.{name}", int(str(stride)), int(str(padding))
                    )
                )
            elif op == "pool":
                x = functional.max_pool2d(x, 3, 2, ceil_mode=bool(argument[0]))
            elif op == "fire":
                x = self._fire(x, f"net.features.{argument[0]}")
            else:
                taps.append(_unit(x))
        return taps

    def compare(self, a: list[Tensor], b: list[Tensor]) -> Tensor:
        """Distance (N,), float32, between two results of ``features``."""
        total: Tensor | None = None
        with torch.autocast(a[0].device.type, enabled=False):
            for index, (fa, fb) in enumerate(zip(a, b, strict=True)):
                weight = self._get(_buffer_name(f"lin{index}.weight"))
                layer = ((fa - fb).square() * weight).sum(dim=1).mean(dim=(1, 2))
                total = layer if total is None else total + layer
        assert total is not None
        return total

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Distance (N,), float32, between two batches (N,3,H,W) of RGB in ``input_range``."""
        return self.compare(self.features(x), self.features(y))

    def _get(self, name: str) -> Tensor:
        tensor = getattr(self, name)
        assert isinstance(tensor, Tensor)
        return tensor

    def _convolution(self, x: Tensor, name: str, stride: int, padding: int) -> Tensor:
        weight = self._get(_buffer_name(name + ".weight"))
        bias = self._get(_buffer_name(name + ".bias"))
        return functional.conv2d(x, weight, bias, stride, padding)

    def _fire(self, x: Tensor, name: str) -> Tensor:
        x = functional.relu(self._convolution(x, name + ".squeeze", 1, 0))
        small = self._convolution(x, name + ".expand1x1", 1, 0)
        large = self._convolution(x, name + ".expand3x3", 1, 1)
        return functional.relu(torch.cat((small, large), dim=1))


def _unit(x: Tensor) -> Tensor:
    with torch.autocast(x.device.type, enabled=False):
        x = x.float()
        norm = x.square().sum(dim=1, keepdim=True).clamp_min(MINIMUM_SQUARED_NORM).sqrt()
        return x / (norm + 1e-10)


def _buffer_name(name: str) -> str:
    return name.replace(".", "_")
