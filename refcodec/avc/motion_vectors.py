"""Motion vectors and reference pictures of a slice from what was parsed (8.4.1)."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from refcodec.avc.compilation import inlined, kernel
from refcodec.avc.direct_prediction import (
    ALL_BLOCKS,
    predict_spatial_direct,
    predict_temporal_direct,
)
from refcodec.avc.motion_prediction import (
    DIRECTION_A,
    DIRECTION_B,
    DIRECTION_C,
    NO_DIRECTION,
    fill_macroblock,
    fill_rectangle,
    macroblock_prediction,
    partition_prediction,
    vector_place,
    vector_sum,
)
from refcodec.avc.side_information import (
    INTER_8X8,
    INTER_8X16,
    INTER_16X8,
    INTER_16X16,
    LAST_INTRA,
    P_SKIP,
    SUB_4X4,
    SUB_4X8,
    SUB_8X4,
    SUB_DIRECT,
    MotionField,
    SideInformation,
)
from refcodec.avc.slice_table import (
    COLOCATED_LONG_TERM,
    DIRECT_8X8_INFERENCE,
    DIRECT_SPATIAL_MV_PRED,
    END_MB,
    FIRST_MB,
    LIST_SIZE,
    NUM_REF_IDX_L0,
    SLICE_TYPE,
    B,
    I,
    SliceTable,
)
from refcodec.errors import error

Array = NDArray[Any]

_DERIVED: Final = -1
_MISSING: Final = -2


def derive_motion(
    index: int,
    slices: SliceTable,
    info: SideInformation,
    colocated: MotionField | None,
    width_mbs: int,
) -> None:
    """(#avc.8.4.1) Write motion.mv, motion.ref_picture and, in direct macroblocks and blocks,
    motion.ref_idx and pred_flags of the macroblocks of slice `index`.

    colocated: the motion of RefPicList1[0]; only B slices read it. width_mbs: PicWidthInMbs.
    The slice must have been parsed. Raises ReferencePictureMissing (HYP-E-AVC-06) where a
    macroblock refers to an entry of a reference list that has no picture, or where RefPicList0
    lacks the picture to which a colocated block refers.
    """
    parameters = slices.parameters[index]
    first_mb, end_mb = int(parameters[FIRST_MB]), int(parameters[END_MB])
    motion = info.motion
    if parameters[SLICE_TYPE] == I:
        motion.mv[first_mb:end_mb] = 0
        motion.ref_picture[first_mb:end_mb] = -1
        return
    if colocated is None:
        if parameters[SLICE_TYPE] == B:
            raise error("HYP-E-AVC-06", element="RefPicList1[0]", detail="No picture is colocated.")
        colocated = motion
    failed = _derive_motion(
        motion.mb_type,
        info.sub_mb_type.reshape(-1),
        info.pred_flags.reshape(-1),
        info.mvd.reshape(-1).view(np.int32),
        motion.mv.reshape(-1).view(np.int32),
        motion.ref_idx.reshape(-1),
        motion.ref_picture.reshape(-1),
        colocated.mv.reshape(-1).view(np.int32),
        colocated.ref_idx.reshape(-1),
        colocated.ref_picture.reshape(-1),
        slices.ref_picture.reshape(-1),
        slices.dist_scale_factor.reshape(-1),
        index,
        first_mb,
        end_mb,
        width_mbs,
        int(parameters[NUM_REF_IDX_L0]),
        int(parameters[DIRECT_SPATIAL_MV_PRED]),
        int(parameters[DIRECT_8X8_INFERENCE]),
        int(parameters[COLOCATED_LONG_TERM]),
    )
    if failed != _DERIVED:
        raise error(
            "HYP-E-AVC-06",
            element="ref_idx",
            value=[int(i) for i in motion.ref_idx[failed].reshape(-1)],
            detail=f"It is macroblock {failed} that refers to it.",
        )


@inlined
def _picture(slice_references: Array, row: int, reference: int) -> int:
    """Return the picture id of a reference index, -1 where the list is not used, or _MISSING."""
    if reference < 0:
        return -1
    if reference >= LIST_SIZE or int(slice_references[row + reference]) < 0:
        return _MISSING
    return int(slice_references[row + reference])


@inlined
def _predict_partition(
    mv: Array,
    ref_idx: Array,
    mvd: Array,
    picture_list: int,
    mb: int,
    mb_a: int,
    mb_b: int,
    mb_c: int,
    mb_d: int,
    x: int,
    y: int,
    width: int,
    height: int,
    direction: int,
) -> None:
    """(#avc.8.4.1) Derive the vector of a partition, sizes and place in 4x4 blocks."""
    reference = int(ref_idx[8 * mb + 4 * picture_list + 2 * (y >> 1) + (x >> 1)])
    mvp = partition_prediction(
        mv, ref_idx, picture_list, reference, mb, mb_a, mb_b, mb_c, mb_d, x, y, width, direction
    )
    place = vector_place(picture_list, mb, 4 * y + x)
    fill_rectangle(mv, place, width, height, vector_sum(mvp, int(mvd[place])))


@kernel
def _predict_partitions(
    sub_mb_type: Array,
    pred_flags: Array,
    mv: Array,
    ref_idx: Array,
    mvd: Array,
    shape: int,
    mb: int,
    mb_a: int,
    mb_b: int,
    mb_c: int,
    mb_d: int,
) -> None:
    """(#avc.8.4.1) Derive the vectors of a macroblock of 16x8, 8x16 or 8x8, direct ones apart."""
    for picture_list in range(2):
        for q in range(4):
            flag = int(pred_flags[4 * mb + q]) >> picture_list & 1
            if flag == 0:
                continue
            # The partition by its upper left 4x4 block, its size and the count of them in q
            x = 2 * (q & 1)
            y = 2 * (q >> 1)
            width = 2
            height = 2
            count = 1
            direction = NO_DIRECTION
            if shape == INTER_16X8:
                if x != 0:
                    continue
                width = 4
                direction = DIRECTION_B if y == 0 else DIRECTION_A
            elif shape == INTER_8X16:
                if y != 0:
                    continue
                height = 4
                direction = DIRECTION_A if x == 0 else DIRECTION_C
            else:
                sub_shape = int(sub_mb_type[4 * mb + q])
                if sub_shape == SUB_DIRECT:
                    continue
                if sub_shape in (SUB_8X4, SUB_4X4):
                    height = 1
                    count *= 2
                if sub_shape in (SUB_4X8, SUB_4X4):
                    width = 1
                    count *= 2
            for i in range(count):
                sub_x = x
                sub_y = y
                if width == 1:
                    sub_x += i & 1
                    sub_y += i >> 1
                elif height == 1:
                    sub_y += i
                _predict_partition(
                    mv,
                    ref_idx,
                    mvd,
                    picture_list,
                    mb,
                    mb_a,
                    mb_b,
                    mb_c,
                    mb_d,
                    sub_x,
                    sub_y,
                    width,
                    height,
                    direction,
                )


@kernel
def _derive_motion(
    mb_type: Array,
    sub_mb_type: Array,
    pred_flags: Array,
    mvd: Array,
    mv: Array,
    ref_idx: Array,
    ref_picture: Array,
    colocated_mv: Array,
    colocated_ref_idx: Array,
    colocated_ref_picture: Array,
    slice_references: Array,
    dist_scale_factor: Array,
    index: int,
    first_mb: int,
    end_mb: int,
    width_mbs: int,
    num_ref_idx_l0: int,
    direct_spatial_mv_pred: int,
    direct_8x8_inference: int,
    colocated_long_term: int,
) -> int:
    """Return _DERIVED, or the address of the first macroblock that refers to a missing picture.

    A macroblock is available where it is in the slice: not before the slice's first one, since
    the macroblocks of a slice follow one another.
    """
    if first_mb < 0 or index < 0:
        return _DERIVED  # never, but now no index is negative, and none is tested for it: 1.4 times
    references = 2 * LIST_SIZE * index
    x = first_mb % width_mbs
    for mb in range(first_mb, end_mb):
        mb_a = mb - 1
        if x == 0 or mb_a < first_mb:
            mb_a = -1
        mb_b = mb - width_mbs
        mb_c = mb_b + 1
        mb_d = mb_b - 1
        if mb_b < first_mb:
            mb_b = -1
        if mb_c < first_mb or x == width_mbs - 1:
            mb_c = -1
        if mb_d < first_mb or x == 0:
            mb_d = -1
        x += 1
        if x == width_mbs:
            x = 0
        # Of a partition that is the whole macroblock, neighbour C or in its place D
        whole_c = mb_c
        whole_c_block = 12
        if mb_c < 0:
            whole_c = mb_d
            whole_c_block = 15

        shape = int(mb_type[mb])
        place = vector_place(0, mb, 0)
        if shape <= LAST_INTRA:
            fill_macroblock(mv, place, 0)
            fill_macroblock(mv, place + 16, 0)
            for q in range(8 * mb, 8 * mb + 8):
                ref_picture[q] = -1
        elif shape == P_SKIP:
            mvp = 0
            # 8.4.1.1: no motion at an edge, and beside a block of refIdx 0 that does not move
            if (
                mb_a >= 0
                and mb_b >= 0
                and (int(ref_idx[8 * mb_a + 1]) != 0 or int(mv[vector_place(0, mb_a, 3)]) != 0)
                and (int(ref_idx[8 * mb_b + 2]) != 0 or int(mv[vector_place(0, mb_b, 12)]) != 0)
            ):
                mvp = macroblock_prediction(mv, ref_idx, 0, 0, mb_a, mb_b, whole_c, whole_c_block)
            fill_macroblock(mv, place, mvp)
            fill_macroblock(mv, place + 16, 0)
            picture = int(slice_references[references])
            if picture < 0:
                return mb
            for q in range(8 * mb, 8 * mb + 4):
                ref_picture[q] = picture
            for q in range(8 * mb + 4, 8 * mb + 8):
                ref_picture[q] = -1
        else:
            direct_blocks = 0
            if shape == INTER_16X16:
                flags = int(pred_flags[4 * mb])
                for picture_list in range(2):
                    value = 0
                    if flags >> picture_list & 1:
                        value = vector_sum(
                            macroblock_prediction(
                                mv,
                                ref_idx,
                                picture_list,
                                int(ref_idx[8 * mb + 4 * picture_list]),
                                mb_a,
                                mb_b,
                                whole_c,
                                whole_c_block,
                            ),
                            int(mvd[place + 16 * picture_list]),
                        )
                    fill_macroblock(mv, place + 16 * picture_list, value)
            elif shape <= INTER_8X8:
                fill_macroblock(mv, place, 0)
                fill_macroblock(mv, place + 16, 0)
                if shape == INTER_8X8:
                    for q in range(4):
                        if int(sub_mb_type[4 * mb + q]) == SUB_DIRECT:
                            direct_blocks |= 1 << q
            else:
                direct_blocks = ALL_BLOCKS
            if direct_blocks != 0:
                if direct_spatial_mv_pred != 0:
                    predict_spatial_direct(
                        mv,
                        ref_idx,
                        pred_flags,
                        colocated_mv,
                        colocated_ref_idx,
                        mb,
                        direct_blocks,
                        mb_a,
                        mb_b,
                        whole_c,
                        whole_c_block,
                        direct_8x8_inference,
                        colocated_long_term,
                    )
                elif (
                    predict_temporal_direct(
                        mv,
                        ref_idx,
                        pred_flags,
                        colocated_mv,
                        colocated_ref_idx,
                        colocated_ref_picture,
                        slice_references,
                        dist_scale_factor,
                        index,
                        mb,
                        direct_blocks,
                        num_ref_idx_l0,
                        direct_8x8_inference,
                    )
                    != 0
                ):
                    return mb
            if INTER_16X8 <= shape <= INTER_8X8:
                _predict_partitions(
                    sub_mb_type, pred_flags, mv, ref_idx, mvd, shape, mb, mb_a, mb_b, mb_c, mb_d
                )
            whole = shape == INTER_16X16 or (
                direct_blocks == ALL_BLOCKS and direct_spatial_mv_pred != 0
            )
            for picture_list in range(2):
                at = 8 * mb + 4 * picture_list
                row = references + LIST_SIZE * picture_list
                if whole:
                    picture = _picture(slice_references, row, int(ref_idx[at]))
                    if picture == _MISSING:
                        return mb
                    for i in range(at, at + 4):
                        ref_picture[i] = picture
                else:
                    for i in range(at, at + 4):
                        picture = _picture(slice_references, row, int(ref_idx[i]))
                        if picture == _MISSING:
                            return mb
                        ref_picture[i] = picture
    return _DERIVED
