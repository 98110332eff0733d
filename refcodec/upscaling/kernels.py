"""Kernels of the upscaler over flat buffers. Plain counterpart: spec.model.upscaling."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from refcodec.upscaling.taps import TAPS
from refcodec.upscaling.vector_kernels import LANES, columns_of_samples, weighted_rows
from refcodec.vectors import SIDE, address_of, transpose_square

STRIP = 32
"""Rows that the horizontal pass handles at a time: transposed, so that its vectors run over rows
and any ratio of sizes costs the same."""

EDGE = 4
"""Columns repeated on both sides of a transposed strip; taps reach three samples beyond the edge at
most on the left and three on the right."""


# Indices are cast to unsigned integers: Numba would make each signed one ready to count from the
# end,
# which keeps LLVM from seeing contiguous loads. Sums are cast to 32 bits step by step, since Numba
# widens them to 64 bits and LLVM cannot prove that the upper half is not needed.


@njit(nogil=True, cache=True, error_model="numpy")
def horizontal(
    source: NDArray[np.uint8],
    stride: int,
    coded: int,
    first_row: int,
    rows: int,
    first: NDArray[np.int32],
    taps: NDArray[np.int16],
    columns: NDArray[np.int16],
    block: NDArray[np.int16],
    target: NDArray[np.int16],
) -> None:
    """(#dec.upscaling.horizontal) Filter `rows` rows of `source` (flat, `stride` bytes a row,
    `coded` samples in use) from `first_row` on into `target` (flat, len(first) values a row).

    Scratch: `columns` of (coded + 2 * EDGE) * STRIP, `block` of 32 * STRIP values.
    """
    presented = first.size
    for strip in range(0, rows, STRIP):
        used = min(STRIP, rows - strip)
        whole_rows, whole_columns = used // SIDE * SIDE, coded // SIDE * SIDE
        if whole_columns > 0:
            for r in range(0, whole_rows, SIDE):
                columns_of_samples(
                    address_of(source) + (first_row + strip + r) * stride,
                    stride,
                    address_of(columns) + 2 * (EDGE * STRIP + r),
                    2 * STRIP,
                    whole_columns // SIDE,
                )
        for r in range(STRIP):
            base = (first_row + strip + min(r, used - 1)) * stride
            for x in range(whole_columns if r < whole_rows else 0, coded):
                columns[np.uintp((x + EDGE) * STRIP + r)] = source[np.uintp(base + x)]
        for x in range(EDGE):
            for r in range(STRIP):
                columns[x * STRIP + r] = columns[EDGE * STRIP + r]
                columns[(coded + EDGE + x) * STRIP + r] = columns[(coded + EDGE - 1) * STRIP + r]
        for left in range(0, presented, 32):
            width = min(32, presented - left)
            for x in range(width):
                at = (first[left + x] + EDGE) * STRIP
                t0, t1, t2 = taps[left + x, 0], taps[left + x, 1], taps[left + x, 2]
                t3, t4, t5 = taps[left + x, 3], taps[left + x, 4], taps[left + x, 5]
                for r in range(STRIP):
                    block[np.uintp(x * STRIP + r)] = (
                        t0 * columns[np.uintp(at + r)]
                        + t1 * columns[np.uintp(at + STRIP + r)]
                        + t2 * columns[np.uintp(at + 2 * STRIP + r)]
                        + t3 * columns[np.uintp(at + 3 * STRIP + r)]
                        + t4 * columns[np.uintp(at + 4 * STRIP + r)]
                        + t5 * columns[np.uintp(at + 5 * STRIP + r)]
                    )
            squares = width // SIDE * SIDE
            for r in range(0, whole_rows, SIDE):
                for x in range(0, squares, SIDE):
                    transpose_square(
                        address_of(block) + 2 * (x * STRIP + r),
                        2 * STRIP,
                        address_of(target) + 2 * ((strip + r) * presented + left + x),
                        2 * presented,
                    )
            for r in range(used):
                base = (strip + r) * presented + left
                for x in range(squares if r < whole_rows else 0, width):
                    target[np.uintp(base + x)] = block[np.uintp(x * STRIP + r)]


@njit(nogil=True, cache=True, error_model="numpy")
def vertical(
    source: NDArray[np.int16],
    width: int,
    first_row: int,
    coded: int,
    first: NDArray[np.int32],
    taps: NDArray[np.int16],
    begin: int,
    end: int,
    used: int,
    target: NDArray[np.uint8],
) -> None:
    """(#dec.upscaling.vertical) Filter rows `begin` to `end` - 1 of the presented plane into
    `target` (flat, `used` samples a row) from `source` (flat, `width` values a row), which begins
    with row `first_row` of `coded` rows.
    """
    for y in range(begin, end):
        at0 = (min(max(first[y], 0), coded - 1) - first_row) * width
        at1 = (min(max(first[y] + 1, 0), coded - 1) - first_row) * width
        at2 = (min(max(first[y] + 2, 0), coded - 1) - first_row) * width
        at3 = (min(max(first[y] + 3, 0), coded - 1) - first_row) * width
        at4 = (min(max(first[y] + 4, 0), coded - 1) - first_row) * width
        at5 = (min(max(first[y] + 5, 0), coded - 1) - first_row) * width
        t0, t1, t2 = np.int32(taps[y, 0]), np.int32(taps[y, 1]), np.int32(taps[y, 2])
        t3, t4, t5 = np.int32(taps[y, 3]), np.int32(taps[y, 4]), np.int32(taps[y, 5])
        base = y * used
        whole = used // LANES
        if whole > 0:
            rows = address_of(source)
            weighted_rows(
                rows + 2 * at0,
                rows + 2 * at1,
                rows + 2 * at2,
                rows + 2 * at3,
                rows + 2 * at4,
                rows + 2 * at5,
                address_of(taps) + 2 * TAPS * y,
                address_of(target) + base,
                whole,
            )
        for x in range(whole * LANES, used):
            value = np.int32(t0 * np.int32(source[np.uintp(at0 + x)]))
            value = np.int32(value + np.int32(t1 * np.int32(source[np.uintp(at1 + x)])))
            value = np.int32(value + np.int32(t2 * np.int32(source[np.uintp(at2 + x)])))
            value = np.int32(value + np.int32(t3 * np.int32(source[np.uintp(at3 + x)])))
            value = np.int32(value + np.int32(t4 * np.int32(source[np.uintp(at4 + x)])))
            value = np.int32(value + np.int32(t5 * np.int32(source[np.uintp(at5 + x)])))
            value = np.int32(np.int32(value + np.int32(2048)) >> np.int32(12))
            target[np.uintp(base + x)] = min(max(value, np.int32(0)), np.int32(255))
