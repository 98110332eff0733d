"""Prediction of motion vectors from neighbouring partitions (8.4.1.3).

A neighbour is a macroblock address and a 4x4 block in it (raster position, as in SideInformation);
address -1 stands for a macroblock that is not available. A reference index of a neighbour is
UNAVAILABLE where its partition is not available, and -1 where it does not use the list.

Kernels see a vector as one integer, `mv` and `mvd` as int32 (mbs * 2 * 16,): a view of the int16
arrays of SideInformation, because a macroblock's vectors are then filled and compared in a quarter
of the time.
"""

from __future__ import annotations

import sys
from typing import Any, Final

from numpy.typing import NDArray

from refcodec.avc.compilation import inlined, kernel

Array = NDArray[Any]

UNAVAILABLE: Final = -2

# Where the two int16 of a vector lie in an int32
_X_SHIFT: Final = 0 if sys.byteorder == "little" else 16
_Y_SHIFT: Final = 16 - _X_SHIFT

# Which neighbour a partition of 16x8 or 8x16 prefers
NO_DIRECTION: Final = 0
DIRECTION_A: Final = 1
DIRECTION_B: Final = 2
DIRECTION_C: Final = 3


@inlined
def vector(x: int, y: int) -> int:
    """Return a vector as one entry of `mv`: each component modulo 2 ** 16."""
    value = ((x & 65535) << _X_SHIFT) | ((y & 65535) << _Y_SHIFT)
    return (value ^ 1 << 31) - (1 << 31)


@inlined
def component_x(mv: int) -> int:
    """Return the horizontal component of an entry of `mv`."""
    return (((mv >> _X_SHIFT) & 65535) ^ 32768) - 32768


@inlined
def component_y(mv: int) -> int:
    """Return the vertical component of an entry of `mv`."""
    return (((mv >> _Y_SHIFT) & 65535) ^ 32768) - 32768


@inlined
def vector_sum(a: int, b: int) -> int:
    """Return the sum of two entries of `mv` or `mvd`, modulo 2 ** 16 as all vectors are kept."""
    return vector(component_x(a) + component_x(b), component_y(a) + component_y(b))


@inlined
def median(a: int, b: int, c: int) -> int:
    """(#avc.5.7) Median."""
    return max(min(a, b), min(max(a, b), c))


@inlined
def neighbour_reference(ref_idx: Array, picture_list: int, mb: int, block: int) -> int:
    """Return refIdxLXN of 4x4 block `block` of macroblock `mb`."""
    if mb < 0:
        return UNAVAILABLE
    return int(ref_idx[8 * mb + 4 * picture_list + 2 * (block >> 3) + ((block >> 1) & 1)])


@kernel
def median_prediction(
    mv: Array,
    reference: int,
    reference_a: int,
    at_a: int,
    reference_b: int,
    at_b: int,
    reference_c: int,
    at_c: int,
) -> int:
    """(#avc.8.4.1.3.1) Return mvpLX for refIdxLX, and refIdxLXN and the place of mvLXN in `mv` of
    the three neighbours."""
    if reference_b == UNAVAILABLE and reference_c == UNAVAILABLE:
        # B and C take the values of A; then the median is A's vector, whatever its index is
        if reference_a < 0:
            return 0
        return int(mv[at_a])
    if reference_a == reference:
        if reference_b != reference and reference_c != reference:
            return int(mv[at_a])
    elif reference_b == reference:
        if reference_c != reference:
            return int(mv[at_b])
    elif reference_c == reference:
        return int(mv[at_c])
    a = int(mv[at_a]) if reference_a >= 0 else 0
    b = int(mv[at_b]) if reference_b >= 0 else 0
    c = int(mv[at_c]) if reference_c >= 0 else 0
    if b == c or a == b:
        return b
    return vector(
        median(component_x(a), component_x(b), component_x(c)),
        median(component_y(a), component_y(b), component_y(c)),
    )


@inlined
def vector_place(picture_list: int, mb: int, block: int) -> int:
    """Return where the vector of a 4x4 block stands in `mv`."""
    return 32 * mb + 16 * picture_list + block


@kernel
def macroblock_prediction(
    mv: Array,
    ref_idx: Array,
    picture_list: int,
    reference: int,
    mb_a: int,
    mb_b: int,
    mb_c: int,
    block_c: int,
) -> int:
    """(#avc.8.4.1.3) Return mvpLX of a partition that is the whole macroblock.

    mb_c, block_c: the neighbour C, or D in its place: see `partition_prediction`.
    """
    return median_prediction(
        mv,
        reference,
        neighbour_reference(ref_idx, picture_list, mb_a, 3),
        vector_place(picture_list, mb_a, 3),
        neighbour_reference(ref_idx, picture_list, mb_b, 12),
        vector_place(picture_list, mb_b, 12),
        neighbour_reference(ref_idx, picture_list, mb_c, block_c),
        vector_place(picture_list, mb_c, block_c),
    )


@kernel
def partition_prediction(
    mv: Array,
    ref_idx: Array,
    picture_list: int,
    reference: int,
    mb: int,
    mb_a: int,
    mb_b: int,
    mb_c: int,
    mb_d: int,
    x: int,
    y: int,
    width: int,
    direction: int,
) -> int:
    """(#avc.8.4.1.3, #avc.6.4.11.7) Return mvpLX of the partition of macroblock `mb` whose upper
    left 4x4 block is (x, y), `width` blocks wide; mb_a to mb_d are the macroblocks around."""
    if x > 0:
        neighbour_a = mb
        block_a = 4 * y + x - 1
    else:
        neighbour_a = mb_a
        block_a = 4 * y + 3
    if y > 0:
        neighbour_b = mb
        block_b = 4 * (y - 1) + x
    else:
        neighbour_b = mb_b
        block_b = 12 + x
    neighbour_c = -1
    block_c = 0
    end = x + width
    if y == 0:
        if end < 4:
            neighbour_c = mb_b
            block_c = 12 + end
        else:
            neighbour_c = mb_c
            block_c = 12
    elif end < 4 and not (end == 2 and (y & 1) == 1):
        # Inside the macroblock, the only C that comes later in decoding order is that in the
        # middle: right of the lower half of an 8x8 block the next 8x8 block.
        neighbour_c = mb
        block_c = 4 * (y - 1) + end
    if neighbour_c < 0:
        if y > 0:
            neighbour_c = mb if x > 0 else mb_a
        else:
            neighbour_c = mb_b if x > 0 else mb_d
        block_c = 4 * ((y - 1) & 3) + ((x - 1) & 3)
    reference_a = neighbour_reference(ref_idx, picture_list, neighbour_a, block_a)
    reference_b = neighbour_reference(ref_idx, picture_list, neighbour_b, block_b)
    reference_c = neighbour_reference(ref_idx, picture_list, neighbour_c, block_c)
    at_a = vector_place(picture_list, neighbour_a, block_a)
    at_b = vector_place(picture_list, neighbour_b, block_b)
    at_c = vector_place(picture_list, neighbour_c, block_c)
    if direction == DIRECTION_A and reference_a == reference:
        return int(mv[at_a])
    if direction == DIRECTION_B and reference_b == reference:
        return int(mv[at_b])
    if direction == DIRECTION_C and reference_c == reference:
        return int(mv[at_c])
    return median_prediction(mv, reference, reference_a, at_a, reference_b, at_b, reference_c, at_c)


@inlined
def fill_macroblock(mv: Array, place: int, value: int) -> None:
    """Give all 16 blocks from `place` on the vector `value`."""
    for i in range(place, place + 16):
        mv[i] = value


@inlined
def fill_rectangle(mv: Array, place: int, width: int, height: int, value: int) -> None:
    """Give width * height 4x4 blocks, the upper left one at `place`, the vector `value`."""
    for row in range(height):
        for column in range(width):
            mv[place + 4 * row + column] = value
