"""Planes as RGB for a network, in one pass: chroma upsampled, colours converted, clamped and scaled.

On a CPU kernels make it and its derivative, band by band; elsewhere torch operations do, which are also what the
kernels are tested against.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from refcodec.intnet.prepared import work_off
from refcodec.twin.colour import planes_to_rgb
from refcodec.twin.planes import Planes

_BAND = 32
"""Rows of chroma that one job of a thread goes over."""
_BLACK = (16.0, 128.0, 128.0)

_ZERO, _ONE, _QUARTER, _QUARTERS = (np.float32(each) for each in (0, 1, 0.25, 0.75))
_FLOOR, _MIDDLE = np.float32(_BLACK[0]), np.float32(_BLACK[1])


def scaled_rgb(planes: Planes, slope: Tensor, offset: Tensor) -> Tensor:
    """Return slope * RGB + offset (1, 3, H, W), channels last, where RGB is that of one picture clamped to 0..1.

    planes: (H, W), (H/2, W/2) twice, code values 0..255, BT.709 in limited range; slope, offset: (3,). All are
    float32. Differentiable in the planes, once. Raises ValueError for planes of other shapes.
    """
    height, width = planes.y.shape
    if any(plane.shape != (height / 2, width / 2) for plane in planes[1:]):
        raise ValueError(
            f"planes of shapes {[tuple(plane.shape) for plane in planes]} are not one picture"
        )
    if planes.y.device.type != "cpu":
        return scaled_rgb_plain(planes, slope, offset)
    result: Tensor = _ScaledRgb.apply(*planes, slope, offset)  # type: ignore[no-untyped-call]
    return result


def scaled_rgb_plain(planes: Planes, slope: Tensor, offset: Tensor) -> Tensor:
    """The same as `scaled_rgb`, in torch operations on any device."""
    chroma = torch.stack([planes.cb, planes.cr])[None] / 255
    rgb = planes_to_rgb(planes.y[None, None] / 255, chroma).clamp(0, 1)
    rgb = rgb.contiguous(memory_format=torch.channels_last)
    return rgb * slope[:, None, None] + offset[:, None, None]


class _ScaledRgb(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, y: Tensor, cb: Tensor, cr: Tensor, slope: Tensor, offset: Tensor
    ) -> Tensor:
        height, width = y.shape
        rgb = torch.empty(1, height, width, 3)
        inside = torch.empty(y.shape, dtype=torch.uint8)
        tensors = [each.detach().contiguous() for each in (y, cb, cr, slope, offset)]
        arrays = [each.numpy() for each in (*tensors, rgb[0], inside)]
        _in_bands(lambda first, end: _convert(*arrays, _matrix(), first, end), len(cb))
        ctx.save_for_backward(inside, slope)
        return rgb.permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Any) -> Any:
        inside, slope = ctx.saved_tensors
        height, width = inside.shape
        y, chroma = torch.empty(height, width), torch.empty(2, height // 2, width // 2)
        gradient = gradients[0][0].permute(1, 2, 0).contiguous()
        scaled = _matrix() * slope.numpy()[:, None]
        arrays = [each.numpy() for each in (gradient, inside, y, chroma)]
        _in_bands(lambda first, end: _differentiate(*arrays, scaled, first, end), height // 2)
        return y, chroma[0], chroma[1], None, None


def _in_bands(work: Callable[[int, int], None], rows: int) -> None:
    bands = [(first, min(first + _BAND, rows)) for first in range(0, rows, _BAND)]
    work_off(bands, lambda band: work(*band), torch.get_num_threads())


@cache
def _matrix() -> NDArray[np.float32]:
    """Return what differences from black code values are multiplied by: (3, 3), by colour and plane."""
    black = torch.tensor(_BLACK, dtype=torch.float64)
    codes = (black + torch.cat([torch.zeros(1, 3), torch.eye(3)])).view(4, 3, 1, 1) / 255
    rgb = planes_to_rgb(codes[:, :1], codes[:, 1:])[:, :, 0, 0]
    return np.ascontiguousarray((rgb[1:] - rgb[0]).T.numpy(), np.float32)


_kernel: Any = njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "nsz"})


@_kernel
def _convert(y, cb, cr, slope, offset, rgb, inside, matrix, first, end) -> None:  # type: ignore[no-untyped-def]
    """Make rows of `rgb` (H, W, 3) of the rows of chroma from `first` to `end` - 1; set in `inside` (H, W) bit c where
    colour c is not clamped."""
    rows, columns = cb.shape
    blended = np.empty((2, columns + 2), np.float32)  # the outer samples twice
    for row in range(2 * first, 2 * end):
        near = row // 2
        far = min(max(near - 1 + 2 * (row % 2), 0), rows - 1)
        for j in range(columns):
            blended[0, j + 1] = _QUARTERS * cb[near, j] + _QUARTER * cb[far, j] - _MIDDLE
            blended[1, j + 1] = _QUARTERS * cr[near, j] + _QUARTER * cr[far, j] - _MIDDLE
        for plane in range(2):
            blended[plane, 0] = blended[plane, 1]
            blended[plane, columns + 1] = blended[plane, columns]
        for x in range(2 * columns):
            near, far = x // 2 + 1, x // 2 + 2 * (x % 2)
            luma = y[row, x] - _FLOOR
            u = _QUARTERS * blended[0, near] + _QUARTER * blended[0, far]
            v = _QUARTERS * blended[1, near] + _QUARTER * blended[1, far]
            bits = np.uint8(0)
            for c in range(3):
                value = matrix[c, 0] * luma + matrix[c, 1] * u + matrix[c, 2] * v
                clamped = min(max(value, _ZERO), _ONE)
                bits |= np.uint8(clamped == value) << c
                rgb[row, x, c] = slope[c] * clamped + offset[c]
            inside[row, x] = bits


@_kernel
def _differentiate(gradient, inside, y, chroma, matrix, first, end) -> None:  # type: ignore[no-untyped-def]
    """Set the derivatives `y` (H, W) and `chroma` (2, H/2, W/2) in the rows of chroma from `first` to `end` - 1;
    `gradient` (H, W, 3) is that at scaled RGB, whose derivative, where it is not clamped, is `matrix`."""
    columns = chroma.shape[2]
    height, width = y.shape
    wide = np.empty((2, width + 2), np.float32)
    # chroma of the rows that take part, each at half the width
    narrow = np.empty((2 * (end - first) + 2, 2, columns), np.float32)
    for n in range(len(narrow)):
        row = min(max(2 * first - 1 + n, 0), height - 1)
        for x in range(width):
            luma = u = v = _ZERO
            for c in range(3):
                if inside[row, x] >> c & 1:
                    g = gradient[row, x, c]
                    luma += matrix[c, 0] * g
                    u += matrix[c, 1] * g
                    v += matrix[c, 2] * g
            wide[0, x + 1], wide[1, x + 1] = u, v
            if 0 < n < len(narrow) - 1:
                y[row, x] = luma
        for plane in range(2):
            wide[plane, 0], wide[plane, width + 1] = wide[plane, 1], wide[plane, width]
            for j in range(columns):
                inner = wide[plane, 2 * j + 1] + wide[plane, 2 * j + 2]
                outer = wide[plane, 2 * j] + wide[plane, 2 * j + 3]
                narrow[n, plane, j] = _QUARTERS * inner + _QUARTER * outer
    for i in range(first, end):
        n = 2 * (i - first)
        for plane in range(2):
            for j in range(columns):
                inner = narrow[n + 1, plane, j] + narrow[n + 2, plane, j]
                outer = narrow[n, plane, j] + narrow[n + 3, plane, j]
                chroma[plane, i, j] = _QUARTERS * inner + _QUARTER * outer
