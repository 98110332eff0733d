"""Direct prediction of B slices (8.4.1.2): vectors and reference indices without syntax.

`direct_blocks` says which 8x8 blocks of the macroblock are direct: bit q for 8x8 block q; 15 in
B_Skip and B_Direct_16x16. The caller writes ref_picture, as for every macroblock.
"""

from __future__ import annotations

from typing import Any, Final

from numpy.typing import NDArray

from refcodec.avc.compilation import inlined, kernel
from refcodec.avc.motion_prediction import (
    component_x,
    component_y,
    fill_macroblock,
    fill_rectangle,
    median_prediction,
    neighbour_reference,
    vector,
    vector_place,
)
from refcodec.avc.slice_table import LIST_SIZE
from refcodec.avc.weights import UNSCALED

Array = NDArray[Any]

ALL_BLOCKS: Final = 15


@inlined
def minimum_positive(a: int, b: int) -> int:
    """(#avc.8.4.1.2.2) MinPositive."""
    return min(a, b) if a >= 0 and b >= 0 else max(a, b)


@inlined
def corner_block(q: int) -> int:
    """(#avc.8.4.1.2.1) Return the 4x4 block in the macroblock's corner of 8x8 block `q`."""
    return 12 * (q >> 1) + 3 * (q & 1)


@inlined
def upper_left_block(q: int) -> int:
    """Return the first 4x4 block of 8x8 block `q`."""
    return 8 * (q >> 1) + 2 * (q & 1)


@inlined
def _does_not_move(mv: Array, place: int) -> bool:
    value = int(mv[place])
    return -1 <= component_x(value) <= 1 and -1 <= component_y(value) <= 1


@inlined
def colocated_list(colocated_ref_idx: Array, mb: int, q: int) -> int:
    """(#avc.8.4.1.2.1) Return the list whose vector mvCol is: 1 where list 0 is not used."""
    return 0 if int(colocated_ref_idx[8 * mb + q]) >= 0 else 1


@kernel
def predict_spatial_direct(
    mv: Array,
    ref_idx: Array,
    pred_flags: Array,
    colocated_mv: Array,
    colocated_ref_idx: Array,
    mb: int,
    direct_blocks: int,
    mb_a: int,
    mb_b: int,
    mb_c: int,
    block_c: int,
    direct_8x8_inference: int,
    colocated_long_term: int,
) -> None:
    """(#avc.8.4.1.2.2) Derive the direct blocks of macroblock `mb` from its neighbours.

    mb_c, block_c: the neighbour C of the whole macroblock, or D in its place.
    """
    a_0 = neighbour_reference(ref_idx, 0, mb_a, 3)
    b_0 = neighbour_reference(ref_idx, 0, mb_b, 12)
    c_0 = neighbour_reference(ref_idx, 0, mb_c, block_c)
    a_1 = neighbour_reference(ref_idx, 1, mb_a, 3)
    b_1 = neighbour_reference(ref_idx, 1, mb_b, 12)
    c_1 = neighbour_reference(ref_idx, 1, mb_c, block_c)
    if a_0 == b_0 and b_0 == c_0 and a_1 == b_1 and b_1 == c_1:
        reference_0 = max(b_0, -1)
        reference_1 = max(b_1, -1)
    else:
        reference_0 = max(minimum_positive(a_0, minimum_positive(b_0, c_0)), -1)
        reference_1 = max(minimum_positive(a_1, minimum_positive(b_1, c_1)), -1)
    mv_0 = mv_1 = 0
    if reference_0 < 0 and reference_1 < 0:
        reference_0 = reference_1 = 0
    else:
        at_a = vector_place(0, mb_a, 3)
        at_b = vector_place(0, mb_b, 12)
        at_c = vector_place(0, mb_c, block_c)
        if reference_0 >= 0:
            mv_0 = median_prediction(mv, reference_0, a_0, at_a, b_0, at_b, c_0, at_c)
        if reference_1 >= 0:
            mv_1 = median_prediction(
                mv, reference_1, a_1, at_a + 16, b_1, at_b + 16, c_1, at_c + 16
            )

    flags = (1 if reference_0 >= 0 else 0) + (2 if reference_1 >= 0 else 0)
    if direct_blocks == ALL_BLOCKS:
        for q in range(4):
            ref_idx[8 * mb + q] = reference_0
        for q in range(4, 8):
            ref_idx[8 * mb + q] = reference_1
        for q in range(4):
            pred_flags[4 * mb + q] = flags
    else:
        for q in range(4):
            if direct_blocks >> q & 1:
                ref_idx[8 * mb + q] = reference_0
                ref_idx[8 * mb + 4 + q] = reference_1
                pred_flags[4 * mb + q] = flags

    # Where the colocated block does not move, a vector to the first picture of a list is zero.
    zero_0 = reference_0 == 0 and mv_0 != 0
    zero_1 = reference_1 == 0 and mv_1 != 0
    still = 0
    if (zero_0 or zero_1) and colocated_long_term == 0:
        for q in range(4):
            picture_list = colocated_list(colocated_ref_idx, mb, q)
            if int(colocated_ref_idx[8 * mb + 4 * picture_list + q]) == 0:
                place = vector_place(picture_list, mb, 0)
                if direct_8x8_inference != 0:
                    if _does_not_move(colocated_mv, place + corner_block(q)):
                        still |= 0x33 << upper_left_block(q)
                else:
                    for i in range(4):
                        block = upper_left_block(q) + 4 * (i >> 1) + (i & 1)
                        if _does_not_move(colocated_mv, place + block):
                            still |= 1 << block

    if direct_blocks == ALL_BLOCKS and (still == 0 or still == 0xFFFF):
        if still != 0:
            if zero_0:
                mv_0 = 0
            if zero_1:
                mv_1 = 0
        fill_macroblock(mv, vector_place(0, mb, 0), mv_0)
        fill_macroblock(mv, vector_place(1, mb, 0), mv_1)
        return
    for block in range(16):
        if direct_blocks >> (2 * (block >> 3) + ((block >> 1) & 1)) & 1:
            is_still = (still >> block & 1) != 0
            mv[vector_place(0, mb, block)] = 0 if zero_0 and is_still else mv_0
            mv[vector_place(1, mb, block)] = 0 if zero_1 and is_still else mv_1


@inlined
def _corners_agree(
    colocated_mv: Array, colocated_ref_idx: Array, colocated_ref_picture: Array, mb: int
) -> bool:
    """Whether the four corners of the colocated macroblock have the same motion."""
    picture_list = colocated_list(colocated_ref_idx, mb, 0)
    picture = int(colocated_ref_picture[8 * mb + 4 * picture_list])
    place = vector_place(picture_list, mb, 0)
    for q in range(1, 4):
        if (
            colocated_list(colocated_ref_idx, mb, q) != picture_list
            or int(colocated_ref_picture[8 * mb + 4 * picture_list + q]) != picture
            or int(colocated_mv[place + corner_block(q)]) != int(colocated_mv[place])
        ):
            return False
    return True


@kernel
def predict_temporal_direct(
    mv: Array,
    ref_idx: Array,
    pred_flags: Array,
    colocated_mv: Array,
    colocated_ref_idx: Array,
    colocated_ref_picture: Array,
    slice_references: Array,
    dist_scale_factor: Array,
    index: int,
    mb: int,
    direct_blocks: int,
    num_ref_idx_l0: int,
    direct_8x8_inference: int,
) -> int:
    """(#avc.8.4.1.2.3) Derive the direct blocks of macroblock `mb` from the colocated ones.

    Returns 0, or -1 where RefPicList0 lacks the picture to which a colocated block refers.
    """
    references = 2 * LIST_SIZE * index
    whole = (
        direct_blocks == ALL_BLOCKS
        and direct_8x8_inference != 0
        and _corners_agree(colocated_mv, colocated_ref_idx, colocated_ref_picture, mb)
    )
    for q in range(1 if whole else 4):
        if not direct_blocks >> q & 1:
            continue
        picture_list = colocated_list(colocated_ref_idx, mb, q)
        reference = 0
        intra = int(colocated_ref_idx[8 * mb + 4 * picture_list + q]) < 0
        if not intra:
            picture = int(colocated_ref_picture[8 * mb + 4 * picture_list + q])
            while (
                reference < num_ref_idx_l0
                and int(slice_references[references + reference]) != picture
            ):
                reference += 1
            if reference >= num_ref_idx_l0:
                return -1
        for i in range(q, 4 if whole else q + 1):
            ref_idx[8 * mb + i] = reference
            ref_idx[8 * mb + 4 + i] = 0
            pred_flags[4 * mb + i] = 3

        scale = int(dist_scale_factor[LIST_SIZE * index + reference])
        first = upper_left_block(q)
        for i in range(1 if intra or direct_8x8_inference != 0 else 4):
            size = 2
            block = first
            source = corner_block(q)
            if direct_8x8_inference == 0 and not intra:
                size = 1
                block = source = first + 4 * (i >> 1) + (i & 1)
            mv_0 = mv_1 = 0
            if not intra:
                mv_0 = int(colocated_mv[vector_place(picture_list, mb, source)])
                if scale != UNSCALED:
                    x = component_x(mv_0)
                    y = component_y(mv_0)
                    scaled_x = (scale * x + 128) >> 8
                    scaled_y = (scale * y + 128) >> 8
                    mv_0 = vector(scaled_x, scaled_y)
                    mv_1 = vector(scaled_x - x, scaled_y - y)
            if whole:
                fill_macroblock(mv, vector_place(0, mb, 0), mv_0)
                fill_macroblock(mv, vector_place(1, mb, 0), mv_1)
            else:
                fill_rectangle(mv, vector_place(0, mb, block), size, size, mv_0)
                fill_rectangle(mv, vector_place(1, mb, block), size, size, mv_1)
    return 0
