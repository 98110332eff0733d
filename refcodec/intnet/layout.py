"""Between channels first (C,H,W), as tensors are passed around, and channels last, as the fast evaluators work."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from refcodec.vectors import NO_VECTORS, SIDE, transpose_square

Tensor = NDArray[np.int16]

LINE = 32
"""Elements in 64 bytes, which caches load at once."""


@njit(nogil=True, cache=True, error_model="numpy")
def _transpose(source: Any, target: Any) -> None:
    """From (N, M) to (M, N), both contiguous."""
    rows, columns = source.shape
    whole_rows, whole_columns = rows // SIDE * SIDE, columns // SIDE * SIDE
    step, target_step = 2 * columns, 2 * rows
    first, target_first = source.ctypes.data, target.ctypes.data
    for begin in range(0, whole_rows, LINE):
        end = min(begin + LINE, whole_rows)
        for column in range(0, whole_columns, SIDE):
            for row in range(begin, end, SIDE):
                transpose_square(
                    first + row * step + 2 * column,
                    step,
                    target_first + column * target_step + 2 * row,
                    target_step,
                )
    for row in range(rows):
        for column in range(whole_columns if row < whole_rows else 0, columns):
            target[column, row] = source[row, column]


def _transposed(matrix: Tensor) -> Tensor:
    if NO_VECTORS:
        return np.ascontiguousarray(matrix.T)
    result = np.empty(matrix.shape[::-1], np.int16)
    _transpose(matrix, result)
    return result


def channels_last(tensor: Tensor) -> Tensor:
    """Return an int16 tensor (C,H,W) as a contiguous (H,W,C); the same memory where that is its layout."""
    seen = tensor.transpose(1, 2, 0)
    if seen.flags.c_contiguous or not tensor.flags.c_contiguous:
        return np.ascontiguousarray(seen)
    return _transposed(tensor.reshape(len(tensor), -1)).reshape(seen.shape)


def channels_first(tensor: Tensor) -> Tensor:
    """Return an int16 tensor (C,H,W) as a contiguous one; the same memory where it is."""
    seen = tensor.transpose(1, 2, 0)
    if tensor.flags.c_contiguous or not seen.flags.c_contiguous:
        return np.ascontiguousarray(tensor)
    return _transposed(seen.reshape(-1, len(tensor))).reshape(tensor.shape)
