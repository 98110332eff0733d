"""A fast measure of visible difference without trained weights, for the encoder's own decisions.

Luma is divided into bands of detail; in blocks of each band the energies of both pictures are compared (is there
as much texture?) and their products (is it at the same place?). Energy counts more, and the finest band most:
so blur costs, as it does for an eye and for LPIPS, where MS-SSIM forgives it. Weights were set by comparing
orders of rungs and kinds of keyframes with LPIPS. LPIPS itself is not used, since the bytes of an encode must
not depend on which optional weights are installed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from refcodec.picture import Picture

_BLOCK = 8
_BAND_WEIGHTS = (0.7, 0.2, 0.1)
_ENERGY_FLOOR = 6.0
_ENERGY_WEIGHT = 0.6
_CHROMA_WEIGHT = 0.005


def perceptual_distance(reference: Picture, picture: Picture) -> float:
    """Return the distance of two pictures of the same size: 0 for equal ones, about 1 for unrelated ones."""
    a, b = reference.y.astype(np.float32), picture.y.astype(np.float32)
    total = 0.0
    for weight in _BAND_WEIGHTS:
        if min(a.shape) < 2 * _BLOCK:
            break
        low_a, low_b = _halved(a), _halved(b)
        total += weight * _band_distance(_detail(a, low_a), _detail(b, low_b))
        a, b = low_a, low_b
    # What is left is brightness: its error in grey levels, as that of chroma.
    flat = [float(np.abs(a - b).mean())]
    for u, v in zip(reference.planes[1:], picture.planes[1:], strict=True):
        flat.append(float(np.abs(u.astype(np.int16) - v).mean()))
    return total + _CHROMA_WEIGHT * float(np.mean(flat))


def _band_distance(x: NDArray[np.float32], y: NDArray[np.float32]) -> float:
    x, y = _blocks(x), _blocks(y)
    energy_x, energy_y = np.mean(x * x, axis=1), np.mean(y * y, axis=1)
    both = energy_x + energy_y + _ENERGY_FLOOR
    energy = (2 * np.sqrt(energy_x * energy_y) + _ENERGY_FLOOR) / both
    place = (2 * np.mean(x * y, axis=1) + _ENERGY_FLOOR) / both
    return float(np.mean(1 - _ENERGY_WEIGHT * energy - (1 - _ENERGY_WEIGHT) * place))


def _detail(plane: NDArray[np.float32], low: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what the halved plane lost."""
    height, width = low.shape
    return plane[: 2 * height, : 2 * width] - low.repeat(2, axis=0).repeat(2, axis=1)


def _blocks(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = plane.shape[0] // _BLOCK, plane.shape[1] // _BLOCK
    cut = plane[: height * _BLOCK, : width * _BLOCK].reshape(height, _BLOCK, width, _BLOCK)
    return cut.transpose(0, 2, 1, 3).reshape(height * width, _BLOCK * _BLOCK)


def _halved(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = plane.shape[0] // 2, plane.shape[1] // 2
    cut = plane[: 2 * height, : 2 * width]
    return (cut[::2, ::2] + cut[1::2, ::2] + cut[::2, 1::2] + cut[1::2, 1::2]) * np.float32(0.25)
