"""What the pictures behind a generated keyframe are asked to look like: the source, with the texture of the keyframe.

A generated keyframe has its texture beside its place in the source. An encoder that is given the source spends bits
on taking that texture away again, and takes the blurred one of two predictions where both are equally far from the
source. So it is given the source plus the keyframe's deviation from it, carried along the motion, wherever a picture
shows what the keyframe shows (docs/decisions/0020). In whole numbers: the same on any machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numba import njit
from numpy.typing import NDArray

from refcodec.encoder.bands import in_bands
from refcodec.encoder.block_motion import BLOCK, UInt8
from refcodec.picture import Picture

Int16 = NDArray[np.int16]
Int32 = NDArray[np.int32]

_RADIUS = 4
_WINDOW = (2 * _RADIUS + 1) ** 2
_HALF = BLOCK // 2
_ALIKE, _OTHER = 3, 8
"""Mean difference of samples around a place up to which it shows the same, and from which it shows something else."""
_ONE = 256
_SAME_MOTION = 6
"""Difference of two vectors, in quarter samples, down plus right, from which they are not mixed."""
_PHASES = 16
_TAP_BITS = 7


def _taps() -> Int32:
    """Return the Catmull-Rom filter of each sixteenth (16, 4), of sum 128."""
    t = np.arange(_PHASES) / _PHASES
    exact = np.stack(
        [
            -0.5 * t**3 + t**2 - 0.5 * t,
            1.5 * t**3 - 2.5 * t**2 + 1,
            -1.5 * t**3 + 2 * t**2 + 0.5 * t,
            0.5 * t**3 - 0.5 * t**2,
        ],
        1,
    )
    taps = np.floor(exact * (1 << _TAP_BITS) + 0.5).astype(np.int32)
    rows = np.arange(_PHASES)
    taps[rows, taps.argmax(1)] += (1 << _TAP_BITS) - taps.sum(1, dtype=np.int32)
    return taps


TAPS = _taps()


def carried(
    pictures: Iterable[Picture], generated: Picture, motion: Iterable[Int16]
) -> Iterator[Picture]:
    """Yield for each picture of an interval (grid size) what it is asked to look like. motion: as `block_motion` yields
    it for the luma of the pictures."""
    first: Picture | None = None
    for picture, vectors in zip(pictures, motion, strict=True):
        if first is None:
            first = picture
            source = first.y.astype(np.int16)
            deviation = [
                np.subtract(a, b, dtype=np.int16)
                for a, b in zip(generated.planes, first.planes, strict=True)
            ]
        places = dense(vectors)
        alike = likeness(picture.y, sampled(source, places))
        chroma_places = np.ascontiguousarray(places[::2, ::2] >> 1)
        chroma_alike = _halved(alike)
        yield Picture(
            _moved(picture.y, sampled(deviation[0], places), alike),
            _moved(picture.u, sampled(deviation[1], chroma_places), chroma_alike),
            _moved(picture.v, sampled(deviation[2], chroma_places), chroma_alike),
        )


def _moved(plane: UInt8, deviation: Int16, alike: Int16) -> UInt8:
    """Return a plane with the deviation added, as far as it shows the same."""
    changed = np.empty_like(plane)
    in_bands(plane.shape[0], _add_rows, plane, deviation, alike, changed)
    return changed


@njit(cache=True, nogil=True)
def _add_rows(
    first_row: int, end_row: int, plane: UInt8, deviation: Int16, alike: Int16, changed: UInt8
) -> None:
    for y in range(first_row, end_row):
        for x in range(plane.shape[1]):
            change = (int(deviation[y, x]) * int(alike[y, x]) + _ONE // 2) // _ONE
            changed[y, x] = min(max(int(plane[y, x]) + change, 0), 255)


def _halved(alike: Int16) -> Int16:
    """Return rounded means of 2 x 2 numbers."""
    sums = alike[::2, ::2] + alike[1::2, ::2] + alike[::2, 1::2] + alike[1::2, 1::2]
    return (sums + 2) >> 2


def likeness(plane: UInt8, predicted: Int16) -> Int16:
    """Return for each sample how much it shows what the prediction shows, 0 to 256, by the mean absolute difference of
    9 x 9 samples around it; the border is repeated."""
    difference = np.abs(plane - predicted)
    alike = np.empty(plane.shape, np.int16)
    in_bands(plane.shape[0], _likeness_rows, difference, alike)
    return alike


@njit(cache=True, nogil=True)
def _likeness_rows(first_row: int, end_row: int, difference: Int16, alike: Int16) -> None:
    height, width = difference.shape
    # The sums of nine samples one below the other; each sample of a row by itself, then of the next row.
    sums = np.zeros(width, np.int32)
    for k in range(-_RADIUS, _RADIUS + 1):
        sums += difference[min(max(first_row + k, 0), height - 1)]
    for y in range(first_row, end_row):
        total = 0
        for k in range(-_RADIUS, _RADIUS + 1):
            total += sums[min(max(k, 0), width - 1)]
        for x in range(width):
            if total <= _ALIKE * _WINDOW:
                alike[y, x] = _ONE
            elif total >= _OTHER * _WINDOW:
                alike[y, x] = 0
            else:
                alike[y, x] = (_OTHER * _WINDOW - total) * _ONE // ((_OTHER - _ALIKE) * _WINDOW)
            total += sums[min(x + _RADIUS + 1, width - 1)] - sums[max(x - _RADIUS, 0)]
        entering = difference[min(y + _RADIUS + 1, height - 1)]
        leaving = difference[max(y - _RADIUS, 0)]
        for x in range(width):
            sums[x] += np.int32(entering[x]) - np.int32(leaving[x])


def dense(vectors: Int16) -> Int16:
    """Return a vector for each luma sample (H, W, 2) in sixteenths: between the centres of blocks those of the blocks
    around, as far as they move like the sample's own."""
    rows, columns = vectors.shape[:2]
    places = np.empty((rows * BLOCK, columns * BLOCK, 2), np.int16)
    in_bands(rows, _dense_rows, vectors, places)
    return places


@njit(cache=True, nogil=True)
def _dense_rows(first_row: int, end_row: int, vectors: Int16, places: Int16) -> None:
    """Fill in what belongs to rows of blocks, a quarter of a block after the other: it lies between the centres of the
    same four blocks."""
    rows, columns = vectors.shape[:2]
    around = np.empty((4, 2), np.int64)
    counts = np.empty(4, np.int64)
    for row in range(first_row, end_row):
        for column in range(columns):
            own_down, own_right = int(vectors[row, column, 0]), int(vectors[row, column, 1])
            for quarter in range(4):
                lower, righter = quarter >> 1, quarter & 1
                uniform = True
                for k in range(4):
                    r = min(max(row - 1 + lower + (k >> 1), 0), rows - 1)
                    c = min(max(column - 1 + righter + (k & 1), 0), columns - 1)
                    down, right = int(vectors[r, c, 0]), int(vectors[r, c, 1])
                    around[k, 0], around[k, 1] = down, right
                    same = abs(down - own_down) + abs(right - own_right) < _SAME_MOTION
                    counts[k] = 1 if same else 0
                    if same and (down != own_down or right != own_right):
                        uniform = False
                top, left = row * BLOCK + lower * _HALF, column * BLOCK + righter * _HALF
                if uniform:
                    for y in range(top, top + _HALF):
                        for x in range(left, left + _HALF):
                            places[y, x, 0], places[y, x, 1] = 4 * own_down, 4 * own_right
                    continue
                for i in range(_HALF):
                    # Twice the distance from the block centre above.
                    below = 2 * i + 1 + (0 if lower else BLOCK)
                    for j in range(_HALF):
                        beside = 2 * j + 1 + (0 if righter else BLOCK)
                        a, b, total = 0, 0, 0
                        for k in range(4):
                            weight = counts[k] * (
                                (below if k >> 1 else 2 * BLOCK - below)
                                * (beside if k & 1 else 2 * BLOCK - beside)
                            )
                            a += weight * around[k, 0]
                            b += weight * around[k, 1]
                            total += weight
                        places[top + i, left + j, 0] = (8 * a + total) // (2 * total)
                        places[top + i, left + j, 1] = (8 * b + total) // (2 * total)


def sampled(plane: Int16, places: Int16) -> Int16:
    """Return a plane moved by a vector for each sample (H, W, 2) in sixteenths, its border repeated."""
    moved = np.empty(plane.shape, np.int16)
    in_bands(plane.shape[0], _sample_rows, plane, places, moved)
    return moved


@njit(cache=True, nogil=True)
def _sample_rows(first_row: int, end_row: int, plane: Int16, places: Int16, moved: Int16) -> None:
    height, width = plane.shape
    for y in range(first_row, end_row):
        for x in range(width):
            down, right = np.int32(places[y, x, 0]), np.int32(places[y, x, 1])
            top, left = y + (down >> 4) - 1, x + (right >> 4) - 1
            inside = top >= 0 and left >= 0 and top + 4 <= height and left + 4 <= width
            if inside and down & 15 == 0 and right & 15 == 0:
                moved[y, x] = plane[top + 1, left + 1]
                continue
            vertical, horizontal = TAPS[down & 15], TAPS[right & 15]
            total = 0
            for k in range(4):
                if vertical[k] == 0:
                    continue
                part = 0
                if inside:
                    for j in range(4):
                        part += horizontal[j] * np.int32(plane[top + k, left + j])
                else:
                    r = min(max(top + k, 0), height - 1)
                    for j in range(4):
                        c = min(max(left + j, 0), width - 1)
                        part += horizontal[j] * np.int32(plane[r, c])
                total += vertical[k] * part
            moved[y, x] = (total + (1 << (2 * _TAP_BITS - 1))) >> (2 * _TAP_BITS)
