"""Peak signal-to-noise ratio of 8-bit pictures."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from refcodec.picture import Picture

PEAK = 255.0


def mean_squared_error(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Return the mean of the squared differences of two planes, exact before the division."""
    if a.shape != b.shape:
        raise ValueError(f"planes of shape {a.shape} and {b.shape} cannot be compared")
    difference = a.astype(np.int32) - b
    return float(np.einsum("ij,ij->", difference, difference, dtype=np.int64)) / difference.size


def psnr_from_mse(mse: float) -> float:
    """Return 10 log10(255² / mse) in dB; infinity for identical pictures."""
    return math.inf if mse == 0 else 10.0 * math.log10(PEAK * PEAK / mse)


def psnr(a: Picture, b: Picture) -> float:
    """Return the PSNR of luma (PSNR-Y) in dB; infinity when all samples are equal."""
    return psnr_from_mse(mean_squared_error(a.y, b.y))


def psnr_yuv(a: Picture, b: Picture) -> float:
    """Return the PSNR in dB of the mean squared errors of Y, Cb and Cr weighted 6:1:1."""
    mse = (
        6 * mean_squared_error(a.y, b.y)
        + mean_squared_error(a.u, b.u)
        + mean_squared_error(a.v, b.v)
    ) / 8
    return psnr_from_mse(mse)
