"""(#avc.8.5) Scaling and inverse transforms, written from the equations."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[Any]

_V4X4 = (
    (10, 16, 13),
    (11, 18, 14),
    (13, 20, 16),
    (14, 23, 18),
    (16, 25, 20),
    (18, 29, 23),
)

_V8X8 = (
    (20, 18, 32, 19, 25, 24),
    (22, 19, 35, 21, 28, 26),
    (26, 23, 42, 24, 33, 31),
    (28, 25, 45, 26, 35, 33),
    (32, 28, 51, 30, 40, 38),
    (36, 32, 58, 34, 46, 43),
)

_CHROMA_QP_FROM_30 = (29, 30, 31, 32, 32, 33, 34, 34, 35, 35, 36, 36, 37, 37, 37, 38, 38, 38) + (
    39,
) * 4

_HADAMARD = np.array([[1, 1, 1, 1], [1, 1, -1, -1], [1, -1, -1, 1], [1, -1, 1, -1]], object)


def norm_adjust4x4(m: int, i: int, j: int) -> int:
    """(#avc.8.5.9) normAdjust4x4(m, i, j)."""
    if i % 2 == 0 and j % 2 == 0:
        return _V4X4[m][0]
    if i % 2 == 1 and j % 2 == 1:
        return _V4X4[m][1]
    return _V4X4[m][2]


def norm_adjust8x8(m: int, i: int, j: int) -> int:
    """(#avc.8.5.9) normAdjust8x8(m, i, j)."""
    if i % 4 == 0 and j % 4 == 0:
        return _V8X8[m][0]
    if i % 2 == 1 and j % 2 == 1:
        return _V8X8[m][1]
    if i % 4 == 2 and j % 4 == 2:
        return _V8X8[m][2]
    if (i % 4 == 0 and j % 2 == 1) or (i % 2 == 1 and j % 4 == 0):
        return _V8X8[m][3]
    if (i % 4 == 0 and j % 4 == 2) or (i % 4 == 2 and j % 4 == 0):
        return _V8X8[m][4]
    return _V8X8[m][5]


def chroma_qp(qp_y: int, offset: int) -> int:
    """(#avc.8.5.8) QP_C."""
    qp_i = min(max(qp_y + offset, 0), 51)
    return qp_i if qp_i < 30 else _CHROMA_QP_FROM_30[qp_i - 30]


def _limited(d: Matrix) -> Matrix:
    """Clip the coefficients of streams that do not conform."""
    return np.minimum(np.maximum(d, -(2**15)), 2**15)


def _exact(levels: Matrix) -> Matrix:
    return np.array(levels, object)


def scale4x4(c: Matrix, weight_scale: Matrix, qp: int) -> Matrix:
    """(#avc.8.5.12.1) d of a 4x4 block, c_00 scaled like the others; matrices (4, 4)."""
    d = _exact(c)
    for i in range(4):
        for j in range(4):
            scaled = int(c[i, j]) * int(weight_scale[i, j]) * norm_adjust4x4(qp % 6, i, j)
            if qp >= 24:
                d[i, j] = scaled << (qp // 6 - 4)
            else:
                d[i, j] = (scaled + 2 ** (3 - qp // 6)) >> (4 - qp // 6)
    return _limited(d)


def scale8x8(c: Matrix, weight_scale: Matrix, qp: int) -> Matrix:
    """(#avc.8.5.13.1) d of an 8x8 block; matrices (8, 8)."""
    d = _exact(c)
    for i in range(8):
        for j in range(8):
            scaled = int(c[i, j]) * int(weight_scale[i, j]) * norm_adjust8x8(qp % 6, i, j)
            if qp >= 36:
                d[i, j] = scaled << (qp // 6 - 6)
            else:
                d[i, j] = (scaled + 2 ** (5 - qp // 6)) >> (6 - qp // 6)
    return _limited(d)


def _transform4(d: Matrix) -> Matrix:
    """One dimension of (#avc.8.5.12.2): of four vectors d[0] to d[3], or numbers."""
    e0 = d[0] + d[2]
    e1 = d[0] - d[2]
    e2 = (d[1] >> 1) - d[3]
    e3 = d[1] + (d[3] >> 1)
    return np.array([e0 + e3, e1 + e2, e1 - e2, e0 - e3], object)


def _transform8(d: Matrix) -> Matrix:
    """One dimension of (#avc.8.5.13.2)."""
    e = [
        d[0] + d[4],
        -d[3] + d[5] - d[7] - (d[7] >> 1),
        d[0] - d[4],
        d[1] + d[7] - d[3] - (d[3] >> 1),
        (d[2] >> 1) - d[6],
        -d[1] + d[7] + d[5] + (d[5] >> 1),
        d[2] + (d[6] >> 1),
        d[3] + d[5] + d[1] + (d[1] >> 1),
    ]
    f = [
        e[0] + e[6],
        e[1] + (e[7] >> 2),
        e[2] + e[4],
        e[3] + (e[5] >> 2),
        e[2] - e[4],
        (e[3] >> 2) - e[5],
        e[0] - e[6],
        e[7] - (e[1] >> 2),
    ]
    return np.array(
        [
            f[0] + f[7],
            f[2] + f[5],
            f[4] + f[3],
            f[6] + f[1],
            f[6] - f[1],
            f[4] - f[3],
            f[2] - f[5],
            f[0] - f[7],
        ],
        object,
    )


def inverse_transform(d: Matrix) -> Matrix:
    """(#avc.8.5.12.2) (#avc.8.5.13.2) r of d: each row first, then each column, then rounding;
    matrices (4, 4) or (8, 8)."""
    one_dimension = _transform4 if len(d) == 4 else _transform8
    rows = np.array([one_dimension(row) for row in d], object)
    columns = np.array([one_dimension(column) for column in rows.T], object).T
    return (columns + 32) >> 6


def intra16x16_dc(c: Matrix, weight_scale00: int, qp: int) -> Matrix:
    """(#avc.8.5.10) dcY of the matrix c (4, 4) of Intra16x16DCLevel."""
    f = _HADAMARD @ _exact(c) @ _HADAMARD
    scale = weight_scale00 * norm_adjust4x4(qp % 6, 0, 0)
    if qp >= 36:
        return _limited((f * scale) << (qp // 6 - 6))
    return _limited((f * scale + (1 << (5 - qp // 6))) >> (6 - qp // 6))


def chroma_dc(c: Matrix, weight_scale00: int, qp_c: int) -> Matrix:
    """(#avc.8.5.11) dcC of the matrix c (2, 2) of chroma DC levels."""
    signs = np.array([[1, 1], [1, -1]], object)
    f = signs @ _exact(c) @ signs
    scale = weight_scale00 * norm_adjust4x4(qp_c % 6, 0, 0)
    return _limited(((f * scale) << (qp_c // 6)) >> 5)
