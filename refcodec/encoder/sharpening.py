"""Sharper pictures for x264 to aim at: coarse quantisation blurs what it codes, and this is the answer to it.

Quantisation takes the weak high frequencies away and leaves the rest. Asked for a little more contrast in them, x264
ends nearer to the source as the eye sees it, at the same rate (docs/decisions/0021). In whole numbers: the same on any
machine.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from refcodec.picture import Picture, Plane

ONE = 32
"""The strength that adds all of a sample's difference from its surroundings."""
NOTHING_LOST, MUCH_LOST = 24.0, 36.0
"""Rate factors up to which nothing is added, and from which all of the strength."""
_SHIFT = 13  # 256 * ONE


def strength_at(strength: int, crf: float) -> int:
    """Return the strength, of the largest one asked for, at a rate factor: where little is lost nothing is added."""
    return round(strength * min(1.0, max(0.0, (crf - NOTHING_LOST) / (MUCH_LOST - NOTHING_LOST))))


def sharpened(picture: Picture, strength: int) -> Picture:
    """Return the picture with its luma sharpened: `strength` of `ONE` times the difference of each sample from the
    mean around it is added; chroma as it is."""
    if strength == 0:
        return picture
    return Picture(sharper(picture.y, strength), picture.u, picture.v)


@njit(cache=True, nogil=True)
def sharper(plane: Plane, strength: int) -> Plane:
    """Return a plane (H, W) with the difference from its surroundings added, borders repeated, 0..255. The surroundings
    are weighed 1, 4, 6, 4, 1 down and right."""
    height, width = plane.shape
    result = np.empty((height, width), np.uint8)
    columns = np.empty(width + 4, np.int32)
    for y in range(height):
        above, up = max(y - 2, 0), max(y - 1, 0)
        down, below = min(y + 1, height - 1), min(y + 2, height - 1)
        for x in range(width):
            columns[x + 2] = (
                np.int32(plane[above, x])
                + np.int32(plane[below, x])
                + 4 * (np.int32(plane[up, x]) + np.int32(plane[down, x]))
                + 6 * np.int32(plane[y, x])
            )
        columns[0] = columns[1] = columns[2]
        columns[width + 2] = columns[width + 3] = columns[width + 1]
        for x in range(width):
            around = (
                columns[x]
                + columns[x + 4]
                + 4 * (columns[x + 1] + columns[x + 3])
                + 6 * columns[x + 2]
            )
            own = np.int32(plane[y, x])
            value = own + (((own << 8) - around) * strength + (1 << (_SHIFT - 1)) >> _SHIFT)
            result[y, x] = min(max(value, 0), 255)
    return result
