"""Between channels first (C,H,W), as tensors are passed around, and channels last, as the fast evaluators work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from refcodec.intnet.emitting import at, shuffle

Tensor = NDArray[np.int16]

SIDE = 8
"""Of the squares that are transposed in registers; vectors of 128 bits, which every processor has or LLVM divides."""

LINE = 32
"""Elements in 64 bytes, which caches load at once."""

# typed as what it is called as: without the typing context that Numba passes itself
_intrinsic: Callable[[Any], Callable[..., Any]] = intrinsic


@_intrinsic
def _square(typing: Any, source: Any, source_step: Any, target: Any, target_step: Any) -> Any:
    """Transpose SIDE x SIDE elements of int16; addresses, and bytes from row to row."""

    def generate(_: Any, builder: ir.IRBuilder, __: Any, arguments: Any) -> ir.Value:
        source, source_step, target, target_step = arguments
        kind = ir.VectorType(ir.IntType(16), SIDE)
        rows = []
        for _row in range(SIDE):
            rows.append(builder.load(at(builder, source, kind), align=2))
            source = builder.add(source, source_step)
        half = SIDE // 2
        halves = [
            [n for i in range(first, first + half) for n in (i, i + SIDE)] for first in (0, half)
        ]
        for _stage in range(3):  # each moves one bit of the row's number into the column's
            rows = [
                shuffle(builder, rows[i], rows[i + half], order)
                for i in range(half)
                for order in halves
            ]
        for row in rows:
            builder.store(row, at(builder, target, kind), align=2)
            target = builder.add(target, target_step)
        return ir.Constant(ir.IntType(64), 0)

    return types.int64(types.int64, types.int64, types.int64, types.int64), generate


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
                _square(
                    first + row * step + 2 * column,
                    step,
                    target_first + column * target_step + 2 * row,
                    target_step,
                )
    for row in range(rows):
        for column in range(whole_columns if row < whole_rows else 0, columns):
            target[column, row] = source[row, column]


def _transposed(matrix: Tensor) -> Tensor:
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
