"""Numba kernels of the strip evaluators.

Tensors are int16 with channels last and flat in memory. Indices are unsigned: Numba then omits its
handling of negative ones, and the channel loops vectorise. Each kernel has its plain counterpart in
`evaluate_numpy`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from refcodec.intnet.int32 import add32, clamp32, mul32, shift32

_kernel = njit(nogil=True, cache=True, error_model="numpy")
_U = np.uint64


@_kernel
def requantise(x: Any, multiplier: Any, shift: int, lo: int, hi: int, out: Any) -> None:
    """(#net.requantise) x, out int16 (N, C); multiplier int32 (C)."""
    count, channels = x.shape
    rounding = np.int32((1 << shift) >> 1)
    amount, low, high = np.int32(shift), np.int32(lo), np.int32(hi)
    for n in range(count):
        for c in range(channels):
            value = shift32(add32(mul32(x[n, c], multiplier[c]), rounding), amount)
            out[n, c] = clamp32(value, low, high)


@_kernel
def requantise_uint8(x: Any, multiplier: Any, shift: int, lo: int, hi: int, out: Any) -> None:
    """(#net.requantise) As `requantise`; out uint8 (N, C) holds the result less `lo`."""
    count, channels = x.shape
    rounding = np.int32((1 << shift) >> 1)
    amount, low, high = np.int32(shift), np.int32(lo), np.int32(hi)
    for n in range(count):
        for c in range(channels):
            value = shift32(add32(mul32(x[n, c], multiplier[c]), rounding), amount)
            out[n, c] = np.uint8(add32(clamp32(value, low, high), -low))


@_kernel
def requantise_padded(
    x: Any, first: int, multiplier: Any, shift: int, lo: int, hi: int, least: int, out: Any
) -> None:
    """(#net.requantise) Requantise rows first.. of x (H, W, C) into the padded out (rows + 2, W + 2, C).

    Row 0 of `out` is row first - 1 of x. What lies outside x becomes 0. All less `least`, which brings it into the
    range of uint8 where `out` is of that kind.
    """
    height, width, channels = x.shape
    rounding = np.int32((1 << shift) >> 1)
    amount, low, high = np.int32(shift), np.int32(lo), np.int32(hi)
    zero = -np.int32(least)
    for r in range(out.shape[0]):
        y = first + r - 1
        if y < 0 or y >= height:
            out[r] = zero
            continue
        out[r, 0] = zero
        out[r, width + 1] = zero
        for column in range(width):
            for c in range(channels):
                value = shift32(add32(mul32(x[y, column, c], multiplier[c]), rounding), amount)
                out[r, column + 1, c] = add32(clamp32(value, low, high), zero)


@_kernel
def copy_padded(x: Any, first: int, least: int, out: Any) -> None:
    """Copy as `requantise_padded` does, values unchanged, all less `least`."""
    height, width, channels = x.shape
    zero = -np.int32(least)
    for r in range(out.shape[0]):
        y = first + r - 1
        if y < 0 or y >= height:
            out[r] = zero
            continue
        out[r, 0] = zero
        out[r, width + 1] = zero
        for column in range(width):
            for c in range(channels):
                out[r, column + 1, c] = add32(x[y, column, c], zero)


@_kernel
def depthwise(
    padded: Any, weight: Any, bias: Any, multiplier: Any, shift: int, lo: int, hi: int, out: Any
) -> None:
    """(#net.depthwise3x3) padded int16, flat (rows + 2, W + 2, C); weight int32, flat (9, C); out (rows, W, C)."""
    rows, width, channels = out.shape
    rounding = np.int32((1 << shift) >> 1)
    amount, low, high = np.int32(shift), np.int32(lo), np.int32(hi)
    size = _U(channels)
    stride = _U((width + 2) * channels)
    twice = size + size
    flat = out.reshape(-1)
    w1, w2, w3, w4 = size, size * _U(2), size * _U(3), size * _U(4)
    w5, w6, w7, w8 = size * _U(5), size * _U(6), size * _U(7), size * _U(8)
    for r in range(rows):
        for column in range(width):
            top = _U(r) * stride + _U(column) * size
            middle = top + stride
            bottom = middle + stride
            target = _U(r * width + column) * size
            for c in range(size):
                total = add32(bias[c], mul32(padded[top + c], weight[c]))
                total = add32(total, mul32(padded[top + size + c], weight[w1 + c]))
                total = add32(total, mul32(padded[top + twice + c], weight[w2 + c]))
                total = add32(total, mul32(padded[middle + c], weight[w3 + c]))
                total = add32(total, mul32(padded[middle + size + c], weight[w4 + c]))
                total = add32(total, mul32(padded[middle + twice + c], weight[w5 + c]))
                total = add32(total, mul32(padded[bottom + c], weight[w6 + c]))
                total = add32(total, mul32(padded[bottom + size + c], weight[w7 + c]))
                total = add32(total, mul32(padded[bottom + twice + c], weight[w8 + c]))
                value = shift32(add32(mul32(total, multiplier[c]), rounding), amount)
                flat[target + c] = clamp32(value, low, high)


@_kernel
def neighbourhoods(padded: Any, out: Any) -> None:
    """Lay out padded (rows + 2, W + 2, C) as out (rows * W, 9 * C): the 3x3 taps in raster order, channels inside."""
    rows, width = padded.shape[0] - 2, padded.shape[1] - 2
    channels = padded.shape[2]
    for r in range(rows):
        for column in range(width):
            n = r * width + column
            for dy in range(3):
                for dx in range(3):
                    tap = (dy * 3 + dx) * channels
                    for c in range(channels):
                        out[n, tap + c] = padded[r + dy, column + dx, c]


@_kernel
def convolve(
    padded: Any, weight: Any, bias: Any, multiplier: Any, shift: int, lo: int, hi: int, out: Any
) -> None:
    """(#net.conv3x3) padded (rows + 2, W + 2, I) int16 or uint8, weight int16 (O, 3, 3, I), out int16 (rows, W, O)."""
    rows, width, outputs = out.shape
    inputs = padded.shape[2]
    rounding = np.int32((1 << shift) >> 1)
    amount, low, high = np.int32(shift), np.int32(lo), np.int32(hi)
    for r in range(rows):
        for column in range(width):
            for o in range(outputs):
                total = bias[o]
                for dy in range(3):
                    for dx in range(3):
                        for i in range(inputs):
                            x = padded[r + dy, column + dx, i]
                            total = add32(total, mul32(x, weight[o, dy, dx, i]))
                value = shift32(add32(mul32(total, multiplier[o]), rounding), amount)
                out[r, column, o] = clamp32(value, low, high)


@_kernel
def mix(
    x: Any, weight: Any, bias: Any, multiplier: Any, shift: int, lo: int, hi: int, out: Any
) -> None:
    """(#net.conv1x1) x int16 (N, I), weight int16 (O, I), out int16 (N, O)."""
    count, inputs = x.shape
    outputs = out.shape[1]
    rounding = np.int32((1 << shift) >> 1)
    amount, low, high = np.int32(shift), np.int32(lo), np.int32(hi)
    for n in range(count):
        for o in range(outputs):
            total = np.int32(0)
            for i in range(inputs):
                total = add32(total, mul32(x[n, i], weight[o, i]))
            value = shift32(add32(mul32(add32(total, bias[o]), multiplier[o]), rounding), amount)
            out[n, o] = clamp32(value, low, high)


@_kernel
def to_float32(x: Any, out: Any) -> None:
    """Convert int16 (N, C) to float32."""
    count, channels = x.shape
    for n in range(count):
        for c in range(channels):
            out[n, c] = np.float32(x[n, c])


@_kernel
def finish_float32(
    total: Any, bias: Any, multiplier: Any, shift: int, lo: int, hi: int, out: Any
) -> None:
    """(#net.requantise) Bring sums (N, O), whole numbers in float32, to int16 out (N, O)."""
    count, outputs = total.shape
    rounding = np.int32((1 << shift) >> 1)
    amount, low, high = np.int32(shift), np.int32(lo), np.int32(hi)
    for n in range(count):
        for o in range(outputs):
            value = add32(np.int32(total[n, o]), bias[o])
            value = shift32(add32(mul32(value, multiplier[o]), rounding), amount)
            out[n, o] = clamp32(value, low, high)


@_kernel
def add(a: Any, b: Any, lo: int, hi: int, out: Any) -> None:
    """(#net.add) a, b, out int16 (N, C)."""
    count, channels = out.shape
    low, high = np.int32(lo), np.int32(hi)
    for n in range(count):
        for c in range(channels):
            out[n, c] = clamp32(add32(a[n, c], b[n, c]), low, high)


@_kernel
def lookup(x: Any, table: Any, lo: int, out: Any) -> None:
    """(#net.lookup) x, out int16 (N, C); table int16."""
    count, channels = x.shape
    for n in range(count):
        for c in range(channels):
            out[n, c] = table[np.int64(x[n, c]) - lo]


@_kernel
def gather(x: Any, index: Any, out: Any) -> None:
    """(#net.gather_channels) x (N, C), index uint64 (O), out (N, O)."""
    for n in range(out.shape[0]):
        for o in range(out.shape[1]):
            out[n, o] = x[n, index[o]]


@_kernel
def copy_columns(x: Any, out: Any, first: int) -> None:
    """(#net.concat) Copy x (N, C) into the columns first.. of out (N, O)."""
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            out[n, first + c] = x[n, c]


@_kernel
def pixel_shuffle(x: Any, r: int, out: Any) -> None:
    """(#net.pixel_shuffle) x (rows, W, C * r * r), out (rows * r, W * r, C)."""
    rows, width = x.shape[0], x.shape[1]
    channels = out.shape[2]
    square = r * r
    for row in range(rows):
        for column in range(width):
            for dy in range(r):
                for dx in range(r):
                    for c in range(channels):
                        out[row * r + dy, column * r + dx, c] = x[
                            row, column, c * square + dy * r + dx
                        ]


@_kernel
def runs_from_depth(x: Any, out: Any) -> None:
    """(#net.pixel_shuffle) For one channel of output: x (rows, W, r) of runs, out (rows * r, W)."""
    rows, width, r = x.shape
    for row in range(rows):
        for dy in range(r):
            for column in range(width):
                out[row * r + dy, column] = x[row, column, dy]


@_kernel
def runs_to_depth(x: Any, out: Any) -> None:
    """(#net.space_to_depth) For one channel of input: x (rows * r, W) of runs, out (rows, W, r)."""
    rows, width, r = out.shape
    for row in range(rows):
        for dy in range(r):
            for column in range(width):
                out[row, column, dy] = x[row * r + dy, column]


RUNS = {2: np.int32, 4: np.int64}
"""Of one channel, r samples of a row stay together: as one integer of this type."""


def pixel_shuffle_of_one(x: Any, r: int, out: Any) -> None:
    """(#net.pixel_shuffle) As `pixel_shuffle` for one channel of output, contiguous arrays of int16, and r in RUNS."""
    run = RUNS[r]
    runs_from_depth(x.view(run), out.reshape(out.shape[:2]).view(run))


def space_to_depth_of_one(x: Any, r: int, out: Any) -> None:
    """(#net.space_to_depth) As `space_to_depth` for one channel of input, contiguous arrays of int16, and r in RUNS."""
    run = RUNS[r]
    runs_to_depth(x.reshape(x.shape[:2]).view(run), out.view(run))


@_kernel
def pixel_shuffle_grouped(x: Any, r: int, out: Any) -> None:
    """(#net.pixel_shuffle) As `pixel_shuffle` for channels in the order dy, dx, c, which makes it a copy of runs."""
    rows, width, channels = x.shape
    run = channels // r
    flat = out.reshape(rows * r, width * run)
    for row in range(rows):
        for dy in range(r):
            for column in range(width):
                for i in range(run):
                    flat[row * r + dy, column * run + i] = x[row, column, dy * run + i]


@_kernel
def space_to_depth(x: Any, r: int, out: Any) -> None:
    """(#net.space_to_depth) x (rows * r, W * r, C), out (rows, W, C * r * r)."""
    rows, width = out.shape[0], out.shape[1]
    channels = x.shape[2]
    square = r * r
    for row in range(rows):
        for column in range(width):
            for dy in range(r):
                for dx in range(r):
                    for c in range(channels):
                        out[row, column, c * square + dy * r + dx] = x[
                            row * r + dy, column * r + dx, c
                        ]
