"""Where the blocks of a picture lie in another picture of the source, in whole numbers: the same on any machine.

Vectors are in quarter samples, one for each block of 8 x 8 luma samples; the window that is compared reaches four
samples beyond the block. A vector is looked for near that of the picture before, so that motion may add up to any
length.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numba import njit
from numpy.typing import NDArray

from refcodec.encoder.bands import in_bands
from refcodec.encoder.window_difference import (
    WINDOW,
    plain_window_difference,
    vector_difference_between,
    vector_difference_in_place,
)
from refcodec.vectors import NO_VECTORS, address_of

UInt8 = NDArray[np.uint8]
Int16 = NDArray[np.int16]

BLOCK = 8
_REACH = (WINDOW - BLOCK) // 2
_MARGIN = 48
"""Samples around a picture that repeat its border; windows stay within."""
_KEPT = 8
"""What a vector other than that of the picture before must gain, in sums of differences."""
_MOVED = 4
"""Likewise for each step of the search."""
_NEIGHBOURS = 2
"""Blocks between a block and those whose vectors are tried too."""
_FIRST_STEP, _MOVES = 16, 4
_NOWHERE = 1 << 30


def block_motion(luma: Iterable[UInt8]) -> Iterator[Int16]:
    """Yield for each picture the vectors (rows, columns, 2), down and right in quarter samples, to where its blocks lie
    in the first one. luma: planes (H, W) whose sides are multiples of 8, in output order."""
    first: UInt8 | None = None
    for plane in luma:
        here = np.pad(plane, _MARGIN, mode="edge")
        if first is None:
            first = here
            rows, columns = (side // BLOCK for side in plane.shape)
            vectors = np.zeros((rows, columns, 2), np.int16)
        else:
            before, vectors = vectors, np.empty_like(vectors)
            in_bands(rows, _match, here, first, before, vectors)
        yield vectors


@njit(cache=True, nogil=True)
def difference(
    current: UInt8, reference: UInt8, row: int, column: int, down: int, right: int
) -> int:
    """Return the sum of absolute differences over every second row of the window of a block. Planes with margins, of
    one shape; row and column count blocks."""
    height, width = reference.shape
    top, left = _MARGIN - _REACH + BLOCK * row, _MARGIN - _REACH + BLOCK * column
    y, x = top + (down >> 2), left + (right >> 2)
    if y < 0 or x < 0 or y + WINDOW >= height or x + WINDOW >= width:
        return _NOWHERE
    if NO_VECTORS:
        return plain_window_difference(current, reference, top, left, y, x, down & 3, right & 3)
    here = address_of(current) + top * width + left
    there = address_of(reference) + y * width + x
    if down & 3 == 0 and right & 3 == 0:
        return vector_difference_in_place(here, there, width)
    return vector_difference_between(here, there, width, down & 3, right & 3)


@njit(cache=True, nogil=True)
def _match(
    first_row: int, end_row: int, current: UInt8, reference: UInt8, before: Int16, found: Int16
) -> None:
    """Fill in the vectors of rows of blocks; `before`: those of the picture before it."""
    rows, columns = before.shape[:2]
    for row in range(first_row, end_row):
        for column in range(columns):
            down, right = int(before[row, column, 0]), int(before[row, column, 1])
            best = difference(current, reference, row, column, down, right) - _KEPT
            for k in range(9):
                r, c = row + (k // 3 - 1) * _NEIGHBOURS, column + (k % 3 - 1) * _NEIGHBOURS
                if k == 4:
                    if column == 0:
                        continue
                    y, x = int(found[row, column - 1, 0]), int(found[row, column - 1, 1])
                elif 0 <= r < rows and 0 <= c < columns:
                    y, x = int(before[r, c, 0]), int(before[r, c, 1])
                else:
                    continue
                if y == down and x == right:
                    continue
                cost = difference(current, reference, row, column, y, x)
                if cost < best:
                    best, down, right = cost, y, x
            step = _FIRST_STEP
            while step:
                for _ in range(_MOVES):
                    begin_down, begin_right = down, right
                    for k in range(4):
                        y = begin_down + (step if k == 0 else -step if k == 1 else 0)
                        x = begin_right + (step if k == 2 else -step if k == 3 else 0)
                        cost = difference(current, reference, row, column, y, x) + _MOVED
                        if cost < best:
                            best, down, right = cost, y, x
                    if down == begin_down and right == begin_right:
                        break
                step >>= 1
            found[row, column, 0], found[row, column, 1] = down, right
