"""MS-SSIM of luma, with the constants of Wang, Simoncelli and Bovik (2003)."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from refcodec.picture import Picture

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
TAPS = 11
SIGMA = 1.5
C1 = (0.01 * 255) ** 2
C2 = (0.03 * 255) ** 2
MINIMUM_SIZE = (TAPS - 1) * 2 ** (len(WEIGHTS) - 1) + 1


def window() -> NDArray[np.float64]:
    """Return the Gaussian window: 11 taps, sigma 1.5, sum 1."""
    x = np.arange(TAPS) - TAPS // 2
    taps = np.exp(-(x**2) / (2 * SIGMA**2))
    return np.asarray(taps / taps.sum())


def ms_ssim(a: Picture, b: Picture) -> float:
    """Return MS-SSIM of luma, 1 for equal pictures; negative contrast terms count as 0.

    Pictures smaller than 161 samples on a side use as many of the five scales as fit, with the
    weights of those scales scaled to a sum of 1.
    """
    return _combine(a.y, b.y, _scale)


def ms_ssim_plain(a: Picture, b: Picture) -> float:
    """The same as `ms_ssim`, in whole-array operations: what the kernel is tested against."""
    return _combine(a.y, b.y, scale_plain)


def _combine(a, b, scale) -> float:  # type: ignore[no-untyped-def]
    if a.shape != b.shape:
        raise ValueError(f"planes of shape {a.shape} and {b.shape} cannot be compared")
    if min(a.shape) < TAPS:
        raise ValueError(f"MS-SSIM needs at least {TAPS} samples on a side, not {min(a.shape)}")
    taps = window()
    a = a.astype(np.float64)
    b = b.astype(np.float64)
    terms: list[float] = []
    for level in range(len(WEIGHTS)):
        last = level == len(WEIGHTS) - 1 or min(a.shape) // 2 < TAPS
        ssim, contrast = scale(a, b, taps)
        terms.append(max(ssim if last else contrast, 0.0))
        if last:
            break
        a, b = _halve(a), _halve(b)
    weights = np.array(WEIGHTS[: len(terms)])
    if len(terms) < len(WEIGHTS):
        weights /= weights.sum()
    return float(np.prod(np.array(terms) ** weights))


def _halve(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    height, width = (size // 2 * 2 for size in plane.shape)
    plane = plane[:height, :width]
    return np.asarray(
        (plane[0::2, 0::2] + plane[1::2, 0::2] + plane[0::2, 1::2] + plane[1::2, 1::2]) * 0.25
    )


def scale_plain(
    a: NDArray[np.float64], b: NDArray[np.float64], taps: NDArray[np.float64]
) -> tuple[float, float]:
    """Return the mean SSIM and the mean contrast-structure term of one scale (valid windows)."""

    def blur(plane: NDArray[np.float64]) -> NDArray[np.float64]:
        rows = np.lib.stride_tricks.sliding_window_view(plane, TAPS, axis=0) @ taps
        return np.asarray(np.lib.stride_tricks.sliding_window_view(rows, TAPS, axis=1) @ taps)

    mean_a, mean_b = blur(a), blur(b)
    variance_a = blur(a * a) - mean_a * mean_a
    variance_b = blur(b * b) - mean_b * mean_b
    covariance = blur(a * b) - mean_a * mean_b
    contrast = (2 * covariance + C2) / (variance_a + variance_b + C2)
    luminance = (2 * mean_a * mean_b + C1) / (mean_a * mean_a + mean_b * mean_b + C1)
    return float((luminance * contrast).mean()), float(contrast.mean())


@njit(nogil=True, error_model="numpy", cache=True)
def _scale(a, b, taps):  # type: ignore[no-untyped-def]
    height, width = a.shape
    count = taps.size
    columns = width - count + 1
    # Horizontally filtered rows of a, b, a², b², ab, the last `count` of them, as a ring.
    ring = np.zeros((count, 5, columns))
    sums = np.zeros((5, columns))
    total_ssim = 0.0
    total_contrast = 0.0
    for y in range(height):
        row = ring[y % count]
        row[:] = 0.0
        for t in range(count):
            w = taps[t]
            for x in range(columns):
                p = a[y, x + t]
                q = b[y, x + t]
                row[0, x] += w * p
                row[1, x] += w * q
                row[2, x] += w * p * p
                row[3, x] += w * q * q
                row[4, x] += w * p * q
        if y < count - 1:
            continue
        sums[:] = 0.0
        for t in range(count):
            w = taps[t]
            other = ring[(y - count + 1 + t) % count]
            for k in range(5):
                for x in range(columns):
                    sums[k, x] += w * other[k, x]
        for x in range(columns):
            mean_a = sums[0, x]
            mean_b = sums[1, x]
            variances = sums[2, x] + sums[3, x] - mean_a * mean_a - mean_b * mean_b
            contrast = (2 * (sums[4, x] - mean_a * mean_b) + C2) / (variances + C2)
            luminance = (2 * mean_a * mean_b + C1) / (mean_a * mean_a + mean_b * mean_b + C1)
            total_contrast += contrast
            total_ssim += luminance * contrast
    size = (height - count + 1) * columns
    return total_ssim / size, total_contrast / size
