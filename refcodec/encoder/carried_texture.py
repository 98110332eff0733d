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

from refcodec.encoder.block_motion import BLOCK, UInt8
from refcodec.picture import Picture

Int16 = NDArray[np.int16]
Int32 = NDArray[np.int32]

_RADIUS = 4
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
        sums = alike.reshape(alike.shape[0] // 2, 2, -1, 2).sum((1, 3), dtype=np.int32)
        chroma_alike = ((sums + 2) >> 2).astype(np.int16)
        yield Picture(
            _moved(picture.y, sampled(deviation[0], places), alike),
            _moved(picture.u, sampled(deviation[1], chroma_places), chroma_alike),
            _moved(picture.v, sampled(deviation[2], chroma_places), chroma_alike),
        )


def _moved(plane: UInt8, deviation: Int16, alike: Int16) -> UInt8:
    change = (deviation.astype(np.int32) * alike + _ONE // 2) // _ONE
    return np.clip(plane + change, 0, 255).astype(np.uint8)


def likeness(plane: UInt8, predicted: Int16) -> Int16:
    """Return for each sample how much it shows what the prediction shows, 0 to 256, by the mean absolute difference of
    9 x 9 samples around it."""
    size = 2 * _RADIUS + 1
    sums = np.pad(np.abs(plane - predicted).astype(np.int32), _RADIUS, mode="edge")
    sums = _running_sums(_running_sums(sums, size).T, size).T
    area = size * size
    alike = (_OTHER * area - sums) * _ONE // ((_OTHER - _ALIKE) * area)
    return np.clip(alike, 0, _ONE).astype(np.int16)


def _running_sums(values: Int32, size: int) -> Int32:
    """Return the sums of each `size` rows that follow each other."""
    ends = np.pad(np.cumsum(values, 0, dtype=np.int32), ((1, 0), (0, 0)))
    return ends[size:] - ends[:-size]


@njit(cache=True, nogil=True)
def dense(vectors: Int16) -> Int16:
    """Return a vector for each luma sample (H, W, 2) in sixteenths: between the centres of blocks those of the blocks
    around, as far as they move like the sample's own."""
    rows, columns = vectors.shape[:2]
    places = np.empty((rows * BLOCK, columns * BLOCK, 2), np.int16)
    for y in range(rows * BLOCK):
        # Twice the distance from the block centre above.
        row, down = (2 * y + 1 - BLOCK) // (2 * BLOCK), (2 * y + 1 - BLOCK) % (2 * BLOCK)
        for x in range(columns * BLOCK):
            column = (2 * x + 1 - BLOCK) // (2 * BLOCK)
            right = (2 * x + 1 - BLOCK) % (2 * BLOCK)
            own = vectors[y // BLOCK, x // BLOCK]
            a, b, total = 0, 0, 0
            for k in range(4):
                r = min(max(row + (k >> 1), 0), rows - 1)
                c = min(max(column + (k & 1), 0), columns - 1)
                other = vectors[r, c]
                if abs(other[0] - own[0]) + abs(other[1] - own[1]) < _SAME_MOTION:
                    weight = (down if k >> 1 else 2 * BLOCK - down) * (
                        right if k & 1 else 2 * BLOCK - right
                    )
                    a += weight * other[0]
                    b += weight * other[1]
                    total += weight
            places[y, x, 0] = (8 * a + total) // (2 * total)
            places[y, x, 1] = (8 * b + total) // (2 * total)
    return places


@njit(cache=True, nogil=True)
def sampled(plane: Int16, places: Int16) -> Int16:
    """Return a plane moved by a vector for each sample (H, W, 2) in sixteenths, its border repeated."""
    height, width = plane.shape
    moved = np.empty((height, width), np.int16)
    for y in range(height):
        for x in range(width):
            down, right = np.int32(places[y, x, 0]), np.int32(places[y, x, 1])
            top, left = y + (down >> 4) - 1, x + (right >> 4) - 1
            vertical, horizontal = TAPS[down & 15], TAPS[right & 15]
            total = 0
            inside = top >= 0 and left >= 0 and top + 4 <= height and left + 4 <= width
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
    return moved
