"""The samples of pictures as tensors, and the three operations in which the twin's modes differ."""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

MAXIMUM = 255
"""Largest sample value at 8 bits."""


class Mode(Enum):
    """How the twin rounds and clips.

    EXACT: values are those of the integer decoder, sample for sample; the gradient is the
    straight-through estimate, that of the same arithmetic without rounding and clipping.
    SMOOTH: no rounding and no clipping, so that the gradient is the derivative of the values.
    """

    EXACT = "exact"
    SMOOTH = "smooth"


class Planes(NamedTuple):
    """Samples of one picture, or of a batch of pictures that share their side information.

    `y` (..., H, W), `cb` and `cr` (..., H/2, W/2), whole macroblocks without margin, values 0 to
    255 (in smooth mode they may leave that range). Floating point: binary32 holds every
    intermediate value of H.264 prediction exactly, they are below 2^24.
    """

    y: Tensor
    cb: Tensor
    cr: Tensor

    def map(self, function: Any) -> Planes:
        """Return the planes that `function` makes of each plane."""
        return Planes(*(function(plane) for plane in self))

    def window(self, left: int, top: int, right: int, bottom: int) -> Planes:
        """Return the part from luma sample (left, top) to before (right, bottom), all even."""
        return Planes(
            self.y[..., top:bottom, left:right],
            self.cb[..., top // 2 : bottom // 2, left // 2 : right // 2],
            self.cr[..., top // 2 : bottom // 2, left // 2 : right // 2],
        )


class _ShiftRight(torch.autograd.Function):
    """floor(x / 2^n + 1/2) forward, 1 / 2^n backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, n: int) -> Tensor:
        ctx.n = n
        return (x * 0.5**n).add_(0.5).floor_()

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return gradients[0] * 0.5**ctx.n, None


class _Clip(torch.autograd.Function):
    """Clamp forward, identity backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clamp(0, MAXIMUM)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return gradients[0]


def shift_right(x: Tensor, n: int, mode: Mode) -> Tensor:
    """Return (x + 2^(n-1)) >> n of whole numbers below 2^24 in size, n >= 0 (n = 0: x).

    Exact mode: gradient straight through, 1 / 2^n. Smooth mode: x / 2^n.
    """
    if n == 0:
        return x
    if mode is Mode.SMOOTH:
        return x * 0.5**n
    result: Tensor = _ShiftRight.apply(x, n)  # type: ignore[no-untyped-call]
    return result


def round_half_up(x: Tensor, mode: Mode) -> Tensor:
    """Return floor(x + 1/2) with gradient 1; in smooth mode x."""
    if mode is Mode.SMOOTH:
        return x
    result: Tensor = _ShiftRight.apply(x, 0)  # type: ignore[no-untyped-call]
    return result


def clip(x: Tensor, mode: Mode) -> Tensor:
    """(#avc.5.7) Clip1: in exact mode clamp to 0..255, in smooth mode x.

    The gradient of exact mode is 1 also where the value is clamped, so that a sample that saturates
    can come back, and so that it is the gradient of smooth mode.
    """
    if mode is Mode.SMOOTH:
        return x
    result: Tensor = _Clip.apply(x)  # type: ignore[no-untyped-call]
    return result


def planes_of(
    samples: tuple[NDArray[Any], NDArray[Any], NDArray[Any]],
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Planes:
    """Return uint8 planes (H, W), (H/2, W/2) twice as tensors."""
    return Planes(
        *(
            # a copy of what must not be written to, which torch cannot promise
            torch.from_numpy(np.require(plane, requirements=["C", "W"])).to(
                device=device, dtype=dtype
            )
            for plane in samples
        )
    )
