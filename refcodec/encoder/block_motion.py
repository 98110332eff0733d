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

UInt8 = NDArray[np.uint8]
Int16 = NDArray[np.int16]

BLOCK = 8
_REACH = 4
_WINDOW = BLOCK + 2 * _REACH
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
            found = np.empty_like(vectors)
            _match(here, first, vectors, found)
            vectors = found
        yield vectors


@njit(cache=True, nogil=True, inline="always")
def _weights(vertical: int, horizontal: int) -> tuple[int, int, int, int]:
    """Return the weights of four neighbours, which sum to 16, for a place in quarter samples between them."""
    return (
        (4 - vertical) * (4 - horizontal),
        (4 - vertical) * horizontal,
        vertical * (4 - horizontal),
        vertical * horizontal,
    )


@njit(cache=True, nogil=True)
def difference(
    current: UInt8, reference: UInt8, row: int, column: int, down: int, right: int, limit: int
) -> int:
    """Return the sum of absolute differences over every second row of the window of a block, or, once it is above
    `limit`, some number above it. Planes with margins; row and column count blocks."""
    top, left = _MARGIN - _REACH + BLOCK * row, _MARGIN - _REACH + BLOCK * column
    y, x = top + (down >> 2), left + (right >> 2)
    if y < 0 or x < 0 or y + _WINDOW >= reference.shape[0] or x + _WINDOW >= reference.shape[1]:
        return _NOWHERE
    total = 0
    whole = down & 3 == 0 and right & 3 == 0
    a, b, c, d = _weights(down & 3, right & 3)
    for k in range(0, _WINDOW, 2):
        here = current[top + k, left : left + _WINDOW]
        above, below = reference[y + k], reference[y + k + 1]
        part = np.int32(0)
        if whole:
            for j in range(_WINDOW):
                part += abs(np.int32(here[j]) - np.int32(above[x + j]))
        else:
            for j in range(_WINDOW):
                place = x + j
                value = (
                    a * np.int32(above[place])
                    + b * np.int32(above[place + 1])
                    + c * np.int32(below[place])
                    + d * np.int32(below[place + 1])
                    + 8
                ) >> 4
                part += abs(np.int32(here[j]) - value)
        total += int(part)
        if total > limit:
            return total
    return total


@njit(cache=True, nogil=True)
def _match(current: UInt8, reference: UInt8, before: Int16, found: Int16) -> None:
    """Fill in the vectors of a picture; `before`: those of the picture before it."""
    rows, columns = before.shape[:2]
    for row in range(rows):
        for column in range(columns):
            down, right = int(before[row, column, 0]), int(before[row, column, 1])
            best = difference(current, reference, row, column, down, right, _NOWHERE) - _KEPT
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
                cost = difference(current, reference, row, column, y, x, best)
                if cost < best:
                    best, down, right = cost, y, x
            step = _FIRST_STEP
            while step:
                for _ in range(_MOVES):
                    begin_down, begin_right = down, right
                    for k in range(4):
                        y = begin_down + (step if k == 0 else -step if k == 1 else 0)
                        x = begin_right + (step if k == 2 else -step if k == 3 else 0)
                        cost = difference(current, reference, row, column, y, x, best) + _MOVED
                        if cost < best:
                            best, down, right = cost, y, x
                    if down == begin_down and right == begin_right:
                        break
                step >>= 1
            found[row, column, 0], found[row, column, 1] = down, right
