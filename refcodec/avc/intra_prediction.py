"""Intra prediction of samples (8.3).

Which neighbouring samples are "available for Intra prediction" follows from slices, macroblock
types and the order of blocks alone; what stands in memory where they are not is never read.

The directional modes of 4x4 and 8x8 blocks share one form. The neighbouring samples of a block of
n x n are laid in a line from the lower left over the corner to the upper right, and three lines are
made of it: the samples, the means of two neighbours, the weighted means of three. A predicted
sample then is one entry of these, and a mode a table of places, made from the equations when this
module is imported.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from refcodec.avc.compilation import inlined, kernel, load
from refcodec.avc.scans import LUMA_4X4_BLOCK
from refcodec.avc.side_information import LAST_INTRA

Array = NDArray[Any]

# Availability of neighbours of a macroblock or of a block, as bits
LEFT: Final = 1
TOP: Final = 2
TOP_RIGHT: Final = 4
TOP_LEFT: Final = 8

_NEVER: Final = 16

# Intra4x4PredMode and Intra8x8PredMode: Tables 8-2 and 8-3
VERTICAL: Final = 0
HORIZONTAL: Final = 1
DC: Final = 2
DIAGONAL_DOWN_LEFT: Final = 3
DIAGONAL_DOWN_RIGHT: Final = 4
VERTICAL_RIGHT: Final = 5
HORIZONTAL_DOWN: Final = 6
VERTICAL_LEFT: Final = 7
HORIZONTAL_UP: Final = 8

# Intra16x16PredMode: Table 8-4, 0 to 2 as above
PLANE_16X16: Final = 3

# intra_chroma_pred_mode: Table 8-5
CHROMA_DC: Final = 0
CHROMA_HORIZONTAL: Final = 1
CHROMA_VERTICAL: Final = 2
CHROMA_PLANE: Final = 3

_ALL = LEFT | TOP | TOP_LEFT

NEEDED: Final[Array] = np.array([TOP, LEFT, 0, TOP, _ALL, _ALL, _ALL, TOP, LEFT], np.uint8)
"""Neighbours that must be available for each Intra4x4PredMode and Intra8x8PredMode."""

NEEDED_16X16: Final[Array] = np.array([TOP, LEFT, 0, _ALL], np.uint8)
NEEDED_CHROMA: Final[Array] = np.array([0, LEFT, TOP, _ALL], np.uint8)

NO_SAMPLE: Final = 128
"""1 << (BitDepth - 1)."""

# The line of neighbours of an n x n block: p[-1, y] at n - y, p[-1, -1] at n + 1, p[x, -1] at
# n + 2 + x, x to 2 * n - 1; the first and the last sample once more before and after.
_MEANS: Final = 32
"""Where (line[k] + line[k + 1] + 1) >> 1 stands, for each k."""
_WEIGHTED: Final = 64
"""Where (line[k - 1] + 2 * line[k] + line[k + 1] + 2) >> 2 stands, for each k."""
_RAW: Final = 96
"""Where the line stands before the filter of 8x8 blocks."""
LINES_SIZE: Final = 128


def _source(mode: int, n: int, x: int, y: int) -> int:
    """(#avc.8.3.1.2.1) to (#avc.8.3.1.2.9) and (#avc.8.3.2.2.2) to (#avc.8.3.2.2.10): return the
    place of the value of sample (x, y)."""
    left, corner, top = n, n + 1, n + 2  # of p[-1, 0], p[-1, -1], p[0, -1]
    if mode == VERTICAL:
        return top + x
    if mode == HORIZONTAL:
        return left - y
    if mode == DIAGONAL_DOWN_LEFT:
        return _WEIGHTED + top + x + y + 1
    if mode == DIAGONAL_DOWN_RIGHT:
        return _WEIGHTED + corner + x - y
    if mode == VERTICAL_RIGHT:
        z = 2 * x - y
        if z < -1:
            return _WEIGHTED + left - (y - 2 * x - 2)
        return (_WEIGHTED if z % 2 else _MEANS) + corner + x - (y >> 1)
    if mode == HORIZONTAL_DOWN:
        z = 2 * y - x
        if z < -1:
            return _WEIGHTED + top + (x - 2 * y - 2)
        k = corner - y + (x >> 1)
        return _WEIGHTED + k if z % 2 else _MEANS + k - 1
    if mode == VERTICAL_LEFT:
        k = top + x + (y >> 1)
        return _WEIGHTED + k + 1 if y % 2 else _MEANS + k
    if mode == HORIZONTAL_UP:
        k = left - y - (x >> 1) - 1  # of p[-1, y + (x >> 1) + 1]
        if k < 1:
            return 1
        return _WEIGHTED + k if x % 2 else _MEANS + k
    return 0


def _sources(n: int) -> Array:
    return np.array(
        [[_source(mode, n, i % n, i // n) for i in range(n * n)] for mode in range(9)], np.uint8
    ).reshape(-1)


_SOURCES4X4: Final[Array] = _sources(4)
_SOURCES8X8: Final[Array] = _sources(8)


def _needs(n: int, decoding_order: list[int], block: int) -> tuple[int, int, int, int]:
    """(#avc.6.4.11) Return for LEFT, TOP, TOP_RIGHT and TOP_LEFT of a block in an n x n grid which
    neighbour of the macroblock it lies in: 0 for the macroblock itself, _NEVER where it is decoded
    later."""
    x, y = block % n, block // n

    def need(dx: int, dy: int) -> int:
        u, v = x + dx, y + dy
        if v < 0:
            return TOP_LEFT if u < 0 else TOP_RIGHT if u == n else TOP
        if u < 0:
            return LEFT
        if u == n or decoding_order.index(n * v + u) > decoding_order.index(block):
            return _NEVER
        return 0

    return need(-1, 0), need(0, -1), need(1, -1), need(-1, -1)


def _block_availability(n: int, decoding_order: list[int]) -> Array:
    """Return the availability of the neighbours of a block, by availability of those of the
    macroblock and by block in raster order: uint8 (16 * n * n,)."""
    table = np.zeros((16, n * n), np.uint8)
    for available in range(16):
        for block in range(n * n):
            for bit, need in enumerate(_needs(n, decoding_order, block)):
                if available & need == need:
                    table[available, block] |= 1 << bit
    return table.reshape(-1)


AVAILABILITY4X4: Final[Array] = _block_availability(4, LUMA_4X4_BLOCK.tolist())
"""By 16 * availability of the macroblock's neighbours + 4x4 block in raster order."""

AVAILABILITY8X8: Final[Array] = _block_availability(2, [0, 1, 2, 3])
"""By 4 * availability of the macroblock's neighbours + 8x8 block."""


@inlined
def usable(mb: int, index: int, constrained: int, slice_table: Array, mb_type: Array) -> bool:
    """Return whether samples of a macroblock are available for Intra prediction in slice
    `index`."""
    return int(slice_table[mb]) == index and (constrained == 0 or int(mb_type[mb]) <= LAST_INTRA)


@kernel
def macroblock_availability(
    mb: int, width_mbs: int, constrained: int, slice_table: Array, mb_type: Array
) -> int:
    """(#avc.6.4.9) Return which neighbours of a macroblock are available for Intra prediction:
    those of its slice, and with constrained_intra_pred_flag only intra macroblocks."""
    index = int(slice_table[mb])
    x = mb % width_mbs
    above = mb - width_mbs
    available = 0
    if x > 0 and usable(mb - 1, index, constrained, slice_table, mb_type):
        available |= LEFT
    if above >= 0:
        if usable(above, index, constrained, slice_table, mb_type):
            available |= TOP
        if x + 1 < width_mbs and usable(above + 1, index, constrained, slice_table, mb_type):
            available |= TOP_RIGHT
        if x > 0 and usable(above - 1, index, constrained, slice_table, mb_type):
            available |= TOP_LEFT
    return available


@inlined
def load_line(
    n: int, samples: Array, offset: int, stride: int, available: int, lines: Array, base: int
) -> None:
    """(#avc.8.3.1.2) (#avc.8.3.2.2) Lay the neighbours of the block at `offset` in a line that
    begins at `base`."""
    if available & LEFT:
        for y in range(n):
            lines[base + n - y] = samples[offset + y * stride - 1]
    else:
        for y in range(n):
            lines[base + n - y] = NO_SAMPLE
    above = offset - stride
    lines[base + n + 1] = samples[above - 1] if available & TOP_LEFT else NO_SAMPLE
    top = base + n + 2
    if available & TOP:
        for x in range(n):
            lines[top + x] = samples[above + x]
        if available & TOP_RIGHT:
            for x in range(n, 2 * n):
                lines[top + x] = samples[above + x]
        else:
            last = samples[above + n - 1]
            for x in range(n, 2 * n):
                lines[top + x] = last
    else:
        for x in range(2 * n):
            lines[top + x] = NO_SAMPLE


@inlined
def repeat_ends(n: int, lines: Array, base: int) -> None:
    """Repeat the first and the last sample of the line at `base`."""
    lines[base] = lines[base + 1]
    lines[base + 3 * n + 2] = lines[base + 3 * n + 1]


@inlined
def weighted(before: int, sample: int, after: int) -> int:
    """Return the mean of three samples with the weights 1, 2, 1."""
    return (before + 2 * sample + after + 2) >> 2


@kernel
def filter_line8x8(available: int, lines: Array) -> None:
    """(#avc.8.3.2.2.1) Filter the line of neighbours of an 8x8 block, from _RAW to the beginning
    of `lines`."""
    repeat_ends(8, lines, _RAW)
    for k in range(1, 26):
        lines[k] = weighted(
            load(lines, _RAW + k - 1), load(lines, _RAW + k), load(lines, _RAW + k + 1)
        )
    left = load(lines, _RAW + 8)
    corner = load(lines, _RAW + 9)
    top = load(lines, _RAW + 10)
    if available & TOP_LEFT == 0:
        lines[8] = weighted(load(lines, _RAW + 7), left, left)
        lines[10] = weighted(top, top, load(lines, _RAW + 11))
    elif available & TOP == 0:
        lines[9] = weighted(left if available & LEFT else corner, corner, corner)
    elif available & LEFT == 0:
        lines[9] = weighted(corner, corner, top)


@inlined
def write_block(
    mode: int,
    n: int,
    sources: Array,
    lines: Array,
    samples: Array,
    offset: int,
    stride: int,
    available: int,
) -> None:
    """(#avc.8.3.1.2) (#avc.8.3.2.2) Predict a block of n x n samples from its line of
    neighbours."""
    if mode == DC:
        left = 0
        top = 0
        for k in range(n):
            left += load(lines, 1 + k)
            top += load(lines, n + 2 + k)
        half = n // 2
        value = NO_SAMPLE
        if available & LEFT and available & TOP:
            value = (left + top + n) // (2 * n)
        elif available & LEFT:
            value = (left + half) // n
        elif available & TOP:
            value = (top + half) // n
        for y in range(n):
            for x in range(n):
                samples[offset + y * stride + x] = value
        return
    if mode > HORIZONTAL:
        repeat_ends(n, lines, 0)
        for k in range(3 * n + 2):
            lines[_MEANS + k] = (load(lines, k) + load(lines, k + 1) + 1) >> 1
        for k in range(1, 3 * n + 2):
            lines[_WEIGHTED + k] = weighted(load(lines, k - 1), load(lines, k), load(lines, k + 1))
    source = mode * n * n
    for y in range(n):
        for x in range(n):
            samples[offset + y * stride + x] = lines[load(sources, source + n * y + x)]


@kernel
def predict_intra4x4(
    mode: int, samples: Array, offset: int, stride: int, available: int, lines: Array
) -> None:
    """(#avc.8.3.1.2) Predict a 4x4 block of luma with its Intra4x4PredMode.

    available: LEFT, TOP, TOP_RIGHT and TOP_LEFT of the block; lines: uint8 (LINES_SIZE,), for work
    """
    load_line(4, samples, offset, stride, available, lines, 0)
    write_block(mode, 4, _SOURCES4X4, lines, samples, offset, stride, available)


@kernel
def predict_intra8x8(
    mode: int, samples: Array, offset: int, stride: int, available: int, lines: Array
) -> None:
    """(#avc.8.3.2.2) Predict an 8x8 block of luma with its Intra8x8PredMode; as
    predict_intra4x4."""
    load_line(8, samples, offset, stride, available, lines, _RAW)
    filter_line8x8(available, lines)
    write_block(mode, 8, _SOURCES8X8, lines, samples, offset, stride, available)


@inlined
def copy_row_above(n: int, samples: Array, offset: int, stride: int) -> None:
    """(#avc.8.3.3.1) (#avc.8.3.4.3) Vertical prediction of n x n samples."""
    for y in range(n):
        row = offset + y * stride
        for x in range(n):
            samples[row + x] = samples[offset - stride + x]


@inlined
def copy_column_left(n: int, samples: Array, offset: int, stride: int) -> None:
    """(#avc.8.3.3.2) (#avc.8.3.4.2) Horizontal prediction of n x n samples."""
    for y in range(n):
        row = offset + y * stride
        value = samples[row - 1]
        for x in range(n):
            samples[row + x] = value


@inlined
def fill_samples(n: int, value: int, samples: Array, offset: int, stride: int) -> None:
    """Write one value to n x n samples."""
    for y in range(n):
        row = offset + y * stride
        for x in range(n):
            samples[row + x] = value


@inlined
def sum_above(n: int, samples: Array, offset: int, stride: int) -> int:
    """Return the sum of the n samples above."""
    total = 0
    for x in range(n):
        total += load(samples, offset - stride + x)
    return total


@inlined
def sum_left(n: int, samples: Array, offset: int, stride: int) -> int:
    """Return the sum of the n samples to the left."""
    total = 0
    for y in range(n):
        total += load(samples, offset + y * stride - 1)
    return total


@inlined
def predict_plane(n: int, factor: int, samples: Array, offset: int, stride: int) -> None:
    """(#avc.8.3.3.4) (#avc.8.3.4.4) Plane prediction of n x n samples; the slopes are H and V
    times factor / 64."""
    half = n // 2
    above = offset - stride
    horizontal = 0
    vertical = 0
    for k in range(half):
        horizontal += (k + 1) * (
            load(samples, above + half + k) - load(samples, above + half - 2 - k)
        )
        vertical += (k + 1) * (
            load(samples, offset + (half + k) * stride - 1)
            - load(samples, offset + (half - 2 - k) * stride - 1)
        )
    b = (factor * horizontal + 32) >> 6
    c = (factor * vertical + 32) >> 6
    a = 16 * (load(samples, offset + (n - 1) * stride - 1) + load(samples, above + n - 1))
    for y in range(n):
        row = offset + y * stride
        start = a + c * (y - half + 1) - b * (half - 1) + 16
        for x in range(n):
            samples[row + x] = min(max((start + b * x) >> 5, 0), 255)


@kernel
def predict_intra16x16(mode: int, samples: Array, offset: int, stride: int, available: int) -> None:
    """(#avc.8.3.3) Predict the luma of a macroblock with its Intra16x16PredMode.

    When samples that the mode needs are not available, the prediction is NO_SAMPLE everywhere.
    """
    if load(NEEDED_16X16, mode) & ~available != 0:
        fill_samples(16, NO_SAMPLE, samples, offset, stride)
    elif mode == VERTICAL:
        copy_row_above(16, samples, offset, stride)
    elif mode == HORIZONTAL:
        copy_column_left(16, samples, offset, stride)
    elif mode == PLANE_16X16:
        predict_plane(16, 5, samples, offset, stride)
    else:
        value = NO_SAMPLE
        if available & LEFT and available & TOP:
            top = sum_above(16, samples, offset, stride)
            value = (top + sum_left(16, samples, offset, stride) + 16) >> 5
        elif available & LEFT:
            value = (sum_left(16, samples, offset, stride) + 8) >> 4
        elif available & TOP:
            value = (sum_above(16, samples, offset, stride) + 8) >> 4
        fill_samples(16, value, samples, offset, stride)


@inlined
def dc_of_side(available: int, first: int, first_sum: int, second: int, second_sum: int) -> int:
    """(#avc.8.3.4.1) Return the DC of a chroma block that has one preferred side."""
    if available & first:
        return (first_sum + 2) >> 2
    if available & second:
        return (second_sum + 2) >> 2
    return NO_SAMPLE


@inlined
def dc_of_both(available: int, left: int, top: int) -> int:
    """(#avc.8.3.4.1) Return the DC of a chroma block that uses both sides."""
    if available & LEFT and available & TOP:
        return (left + top + 4) >> 3
    return dc_of_side(available, LEFT, left, TOP, top)


@kernel
def predict_chroma(mode: int, samples: Array, offset: int, stride: int, available: int) -> None:
    """(#avc.8.3.4) Predict one chroma component of a macroblock with its intra_chroma_pred_mode;
    as predict_intra16x16."""
    if load(NEEDED_CHROMA, mode) & ~available != 0:
        fill_samples(8, NO_SAMPLE, samples, offset, stride)
    elif mode == CHROMA_HORIZONTAL:
        copy_column_left(8, samples, offset, stride)
    elif mode == CHROMA_VERTICAL:
        copy_row_above(8, samples, offset, stride)
    elif mode == CHROMA_PLANE:
        predict_plane(8, 34, samples, offset, stride)
    else:
        left0 = 0
        left1 = 0
        top0 = 0
        top1 = 0
        if available & LEFT:
            left0 = sum_left(4, samples, offset, stride)
            left1 = sum_left(4, samples, offset + 4 * stride, stride)
        if available & TOP:
            top0 = sum_above(4, samples, offset, stride)
            top1 = sum_above(4, samples, offset + 4, stride)
        below = offset + 4 * stride
        fill_samples(4, dc_of_both(available, left0, top0), samples, offset, stride)
        value = dc_of_side(available, TOP, top1, LEFT, left0)
        fill_samples(4, value, samples, offset + 4, stride)
        value = dc_of_side(available, LEFT, left1, TOP, top0)
        fill_samples(4, value, samples, below, stride)
        fill_samples(4, dc_of_both(available, left1, top1), samples, below + 4, stride)
