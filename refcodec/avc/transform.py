"""Scaling and inverse transforms (8.5): from transform coefficient levels to residual samples.

Coefficients d_ij of a conforming stream have 16 bits; in others they are clipped to about that, so
that 32 bits hold whatever follows.

The standard writes scaling with two cases, a left shift for high and a rounded right shift for low
quantisers. `(c * LevelScale << qP / 6) + half >> bits` is both at once: where the left shift wins,
the low bits are zero and half disappears.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from refcodec.avc.compilation import inlined, kernel, load

Array = NDArray[Any]

CHROMA_QP: Final[Array] = np.array(
    [
        *range(30),
        *(29, 30, 31, 32, 32, 33, 34, 34, 35, 35, 36),
        *(36, 37, 37, 37, 38, 38, 38, 39, 39, 39, 39),
    ],
    np.int32,
)
"""(#avc.8.5.8) QP_C by qP_I, Table 8-15."""

_V4X4 = np.array(
    [[10, 16, 13], [11, 18, 14], [13, 20, 16], [14, 23, 18], [16, 25, 20], [18, 29, 23]], np.int32
)

_V8X8 = np.array(
    [
        [20, 18, 32, 19, 25, 24],
        [22, 19, 35, 21, 28, 26],
        [26, 23, 42, 24, 33, 31],
        [28, 25, 45, 26, 35, 33],
        [32, 28, 51, 30, 40, 38],
        [36, 32, 58, 34, 46, 43],
    ],
    np.int32,
)

_COLUMN4X4 = np.array([i % 2 + j % 2 for i in range(4) for j in range(4)])
"""0 where both indices are even, 2 where both are odd."""

_CLASS = (0, 1, 2, 1)
"""Of an index of the 8x8 matrix: multiple of 4, odd, the other even ones."""

_COLUMN8X8 = np.array(
    [((0, 3, 4), (3, 1, 5), (4, 5, 2))[_CLASS[i % 4]][_CLASS[j % 4]] for i in range(8)
     for j in range(8)]
)  # fmt: skip

NORM_ADJUST4X4: Final[Array] = _V4X4[:, np.array([0, 2, 1])[_COLUMN4X4]]
"""(#avc.8.5.9) normAdjust4x4(m, i, j): int32 (6, 16), position 4 * i + j."""

NORM_ADJUST8X8: Final[Array] = _V8X8[:, _COLUMN8X8]
"""(#avc.8.5.9) normAdjust8x8(m, i, j): int32 (6, 64), position 8 * i + j."""


def level_scale4x4(weight_scale: Array) -> Array:
    """(#avc.8.5.9) Return LevelScale4x4: int32 (sets, 6, 6, 16) by list, m and position, from
    weightScale4x4: uint8 (sets, 6, 16)."""
    return weight_scale[:, :, None, :] * NORM_ADJUST4X4


def level_scale8x8(weight_scale: Array) -> Array:
    """(#avc.8.5.9) Return LevelScale8x8: int32 (sets, 2, 6, 64) by list, m and position, from
    weightScale8x8: uint8 (sets, 2, 64)."""
    return weight_scale[:, :, None, :] * NORM_ADJUST8X8


COEFFICIENT_LIMIT: Final = 1 << 15
"""The largest |d_ij|."""


@inlined
def limited(d: int) -> int:
    """Clip a scaled coefficient."""
    return min(max(d, -COEFFICIENT_LIMIT), COEFFICIENT_LIMIT)


@inlined
def chroma_qp(qp_y: int, offset: int) -> int:
    """(#avc.8.5.8) Return QP_C of a macroblock with QP_Y, for chroma_qp_index_offset or
    second_chroma_qp_index_offset."""
    return int(CHROMA_QP[min(max(qp_y + offset, 0), 51)])


@inlined
def scaled4x4(level: int, scale: int, exponent: int) -> int:
    """(#avc.8.5.12.1) Return d_ij of a level, with LevelScale4x4(qP % 6, i, j) and qP / 6."""
    return limited(((level * scale << exponent) + 8) >> 4)


@inlined
def scaled8x8(level: int, scale: int, exponent: int) -> int:
    """(#avc.8.5.13.1) Return d_ij of a level, with LevelScale8x8(qP % 6, i, j) and qP / 6. It is
    also (#avc.8.5.10) dcY_ij of f_ij, with LevelScale4x4(qP % 6, 0, 0)."""
    return limited(((level * scale << exponent) + 32) >> 6)


@inlined
def four_point(w0: int, w1: int, w2: int, w3: int) -> tuple[int, int, int, int]:
    """(#avc.8.5.12.2) Return the one-dimensional inverse transform of four coefficients."""
    e0 = w0 + w2
    e1 = w0 - w2
    e2 = (w1 >> 1) - w3
    e3 = w1 + (w3 >> 1)
    return e0 + e3, e1 + e2, e1 - e2, e0 - e3


@inlined
def eight_point(
    w0: int, w1: int, w2: int, w3: int, w4: int, w5: int, w6: int, w7: int
) -> tuple[int, int, int, int, int, int, int, int]:
    """(#avc.8.5.13.2) Return the one-dimensional inverse transform of eight coefficients."""
    e0 = w0 + w4
    e1 = w5 - w3 - w7 - (w7 >> 1)
    e2 = w0 - w4
    e3 = w1 + w7 - w3 - (w3 >> 1)
    e4 = (w2 >> 1) - w6
    e5 = w7 - w1 + w5 + (w5 >> 1)
    e6 = w2 + (w6 >> 1)
    e7 = w3 + w5 + w1 + (w1 >> 1)
    f0 = e0 + e6
    f1 = e1 + (e7 >> 2)
    f2 = e2 + e4
    f3 = e3 + (e5 >> 2)
    f4 = e2 - e4
    f5 = (e3 >> 2) - e5
    f6 = e0 - e6
    f7 = e7 - (e1 >> 2)
    return f0 + f7, f2 + f5, f4 + f3, f6 + f1, f6 - f1, f4 - f3, f2 - f5, f0 - f7


@inlined
def fill_residual(
    value: int, residual: Array, residual_at: int, residual_stride: int, size: int
) -> None:
    """Write one value to a block of the residual, int32, of size x size samples."""
    for y in range(size):
        row = residual_at + y * residual_stride
        for x in range(size):
            residual[row + x] = value


@inlined
def transformed_row(
    levels: Array, at: int, scale: Array, scale_at: int, exponent: int, d0: int
) -> tuple[int, int, int, int]:
    """(#avc.8.5.12.2) Scale a row of four levels but the first, whose d is given, and return its
    transform f."""
    return four_point(
        d0,
        scaled4x4(int(levels[at + 1]), int(scale[scale_at + 1]), exponent),
        scaled4x4(int(levels[at + 2]), int(scale[scale_at + 2]), exponent),
        scaled4x4(int(levels[at + 3]), int(scale[scale_at + 3]), exponent),
    )


@inlined
def transformed_column(
    f0: int, f1: int, f2: int, f3: int, residual: Array, at: int, stride: int
) -> None:
    """(#avc.8.5.12.2) Write a column of the residual: transform, and round."""
    h0, h1, h2, h3 = four_point(f0 + 32, f1, f2, f3)
    residual[at] = h0 >> 6
    residual[at + stride] = h1 >> 6
    residual[at + 2 * stride] = h2 >> 6
    residual[at + 3 * stride] = h3 >> 6


@kernel
def inverse_transform4x4(
    levels: Array,
    at: int,
    scale: Array,
    scale_at: int,
    exponent: int,
    dc: int,
    ac: bool,
    residual: Array,
    residual_at: int,
    stride: int,
) -> None:
    """(#avc.8.5.12) Write the residual of a 4x4 block.

    levels: int16, c_ij from `at` on; c_00 is not used, `dc` is d_00
    scale: int32, LevelScale4x4(qP % 6, i, j) from scale_at on; exponent: qP / 6
    ac: whether a level other than c_00 is not zero
    residual: int32, r_00 at residual_at, rows stride apart
    """
    if not ac:
        fill_residual((dc + 32) >> 6, residual, residual_at, stride, 4)
        return
    f00, f01, f02, f03 = transformed_row(levels, at, scale, scale_at, exponent, dc)
    d0 = scaled4x4(int(levels[at + 4]), int(scale[scale_at + 4]), exponent)
    f10, f11, f12, f13 = transformed_row(levels, at + 4, scale, scale_at + 4, exponent, d0)
    d0 = scaled4x4(int(levels[at + 8]), int(scale[scale_at + 8]), exponent)
    f20, f21, f22, f23 = transformed_row(levels, at + 8, scale, scale_at + 8, exponent, d0)
    d0 = scaled4x4(int(levels[at + 12]), int(scale[scale_at + 12]), exponent)
    f30, f31, f32, f33 = transformed_row(levels, at + 12, scale, scale_at + 12, exponent, d0)
    transformed_column(f00, f10, f20, f30, residual, residual_at, stride)
    transformed_column(f01, f11, f21, f31, residual, residual_at + 1, stride)
    transformed_column(f02, f12, f22, f32, residual, residual_at + 2, stride)
    transformed_column(f03, f13, f23, f33, residual, residual_at + 3, stride)


@inlined
def only_dc8x8(levels: Array, at: int, count: int) -> bool:
    """Return whether c_00 is the only level of an 8x8 block that is not zero; count as for
    inverse_transform8x8."""
    if int(levels[at]) == 0 or (count != 1 and count != 4):
        return False
    others = 0
    if count == 4:
        for k in range(1, 64):
            others |= int(levels[at + k])
    return others == 0


@kernel
def inverse_transform8x8(
    levels: Array,
    at: int,
    scale: Array,
    scale_at: int,
    exponent: int,
    count: int,
    residual: Array,
    residual_at: int,
    stride: int,
    work: Array,
) -> None:
    """(#avc.8.5.13) Write the residual of an 8x8 block.

    levels: int16, c_ij from `at` on
    count: the sum of total_coeff of the four 4x4 blocks: the number of levels that are not zero
        under CAVLC; under CABAC four times that number, while it is below 16
    scale: int32, LevelScale8x8(qP % 6, i, j) from scale_at on; exponent: qP / 6
    residual: int32, r_00 at residual_at, rows stride apart; work: int64 (64,)
    """
    if only_dc8x8(levels, at, count):
        dc = scaled8x8(int(levels[at]), int(scale[scale_at]), exponent)
        fill_residual((dc + 32) >> 6, residual, residual_at, stride, 8)
        return
    for k in range(64):
        work[k] = scaled8x8(int(levels[at + k]), int(scale[scale_at + k]), exponent)
    for i in range(0, 64, 8):
        g0, g1, g2, g3, g4, g5, g6, g7 = eight_point(
            int(work[i]),
            int(work[i + 1]),
            int(work[i + 2]),
            int(work[i + 3]),
            int(work[i + 4]),
            int(work[i + 5]),
            int(work[i + 6]),
            int(work[i + 7]),
        )
        work[i] = g0
        work[i + 1] = g1
        work[i + 2] = g2
        work[i + 3] = g3
        work[i + 4] = g4
        work[i + 5] = g5
        work[i + 6] = g6
        work[i + 7] = g7
    for j in range(8):
        m0, m1, m2, m3, m4, m5, m6, m7 = eight_point(
            int(work[j]) + 32,
            int(work[8 + j]),
            int(work[16 + j]),
            int(work[24 + j]),
            int(work[32 + j]),
            int(work[40 + j]),
            int(work[48 + j]),
            int(work[56 + j]),
        )
        r = residual_at + j
        residual[r] = m0 >> 6
        residual[r + stride] = m1 >> 6
        residual[r + 2 * stride] = m2 >> 6
        residual[r + 3 * stride] = m3 >> 6
        residual[r + 4 * stride] = m4 >> 6
        residual[r + 5 * stride] = m5 >> 6
        residual[r + 6 * stride] = m6 >> 6
        residual[r + 7 * stride] = m7 >> 6


@kernel
def intra16x16_dc(levels: Array, at: int, scale: int, exponent: int, work: Array) -> None:
    """(#avc.8.5.10) Write dcY of a macroblock to work: int64 (16,), by 4x4 block in raster order.

    levels: int16, those of the macroblock from `at` on, c_ij at 16 * (4 * i + j)
    scale: LevelScale4x4(QP'_Y % 6, 0, 0); exponent: QP'_Y / 6
    """
    for j in range(4):
        c = at + 16 * j
        c0 = int(levels[c])
        c1 = int(levels[c + 64])
        c2 = int(levels[c + 128])
        c3 = int(levels[c + 192])
        work[j] = c0 + c1 + c2 + c3
        work[4 + j] = c0 + c1 - c2 - c3
        work[8 + j] = c0 - c1 - c2 + c3
        work[12 + j] = c0 - c1 + c2 - c3
    for i in range(0, 16, 4):
        c0 = int(work[i])
        c1 = int(work[i + 1])
        c2 = int(work[i + 2])
        c3 = int(work[i + 3])
        work[i] = scaled8x8(c0 + c1 + c2 + c3, scale, exponent)
        work[i + 1] = scaled8x8(c0 + c1 - c2 - c3, scale, exponent)
        work[i + 2] = scaled8x8(c0 - c1 - c2 + c3, scale, exponent)
        work[i + 3] = scaled8x8(c0 - c1 + c2 - c3, scale, exponent)


@kernel
def chroma_dc(levels: Array, at: int, scale: int, exponent: int, work: Array) -> None:
    """(#avc.8.5.11) Write dcC of one chroma component to work: int64 (4,), by chroma block.

    levels: int16, those of the component from `at` on, c_ij at 16 * (2 * i + j)
    scale: LevelScale4x4(QP'_C % 6, 0, 0); exponent: QP'_C / 6
    """
    c0 = int(levels[at])
    c1 = int(levels[at + 16])
    c2 = int(levels[at + 32])
    c3 = int(levels[at + 48])
    work[0] = limited(((c0 + c1 + c2 + c3) * scale << exponent) >> 5)
    work[1] = limited(((c0 - c1 + c2 - c3) * scale << exponent) >> 5)
    work[2] = limited(((c0 + c1 - c2 - c3) * scale << exponent) >> 5)
    work[3] = limited(((c0 - c1 - c2 + c3) * scale << exponent) >> 5)


@inlined
def add_residual(
    samples: Array,
    offset: int,
    stride: int,
    residual: Array,
    at: int,
    residual_stride: int,
    size: int,
) -> None:
    """(#avc.8.5.14) Add the residual, int32, of size x size samples to the prediction, with
    Clip1."""
    for y in range(size):
        row = offset + y * stride
        r = at + y * residual_stride
        for x in range(size):
            samples[row + x] = min(max(load(samples, row + x) + int(residual[r + x]), 0), 255)


@kernel
def add_residual4x4(
    samples: Array, offset: int, stride: int, residual: Array, at: int, residual_stride: int
) -> None:
    """(#avc.8.5.14) Add the residual of a 4x4 block."""
    add_residual(samples, offset, stride, residual, at, residual_stride, 4)


@kernel
def add_residual8x8(
    samples: Array, offset: int, stride: int, residual: Array, at: int, residual_stride: int
) -> None:
    """(#avc.8.5.14) Add the residual of an 8x8 block."""
    add_residual(samples, offset, stride, residual, at, residual_stride, 8)
