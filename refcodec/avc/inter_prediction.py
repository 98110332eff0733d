"""Inter prediction of macroblocks (8.4.2): reference blocks, fractional samples, weights.

Partitions are merged where their vectors and references are equal, since the samples are then the
same: most macroblocks are one block of 16x16. Samples of references are read in their margins, so
`margins.extend_margins` has to be called for a picture before it is one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refcodec.avc import sample_kernels
from refcodec.avc.compilation import inlined, kernel, load
from refcodec.avc.frame_layout import (
    CB_OFFSET,
    HEIGHT_MBS,
    LUMA_OFFSET,
    LUMA_STRIDE,
    SLOT_SIZE,
    TO_CR,
    WIDTH_MBS,
    layout_of,
)
from refcodec.avc.frame_store import FrameStore
from refcodec.avc.side_information import (
    INTER_8X8,
    INTER_8X16,
    INTER_16X8,
    INTER_16X16,
    LAST_INTRA,
    P_SKIP,
    SideInformation,
)
from refcodec.avc.slice_table import (
    CHROMA_LOG2_WEIGHT_DENOM,
    FIELDS,
    IMPLICIT,
    LIST_SIZE,
    LUMA_LOG2_WEIGHT_DENOM,
    UNWEIGHTED,
    WEIGHTED_PREDICTION,
    SliceTable,
)

# A block whose first full sample is further outside than this sees edge samples only, whatever
# its size; clamped to it, it sees the same ones, and the margins hold all that the filters read.
LUMA_BEFORE = 24
LUMA_BEHIND = 8
CHROMA_BEFORE = 12
CHROMA_BEHIND = 4

# Scratch of the prediction from list 1: 16x16 luma, then 8x8 of Cb and Cr; vectors of 16 samples
# read 8 behind its last row
SCRATCH = 384 + 8


@kernel
def _same_motion(mv64: Any, ref_idx: Any, mb: int) -> bool:
    """Return whether a macroblock has one vector and reference a list. mv64: two vectors an
    entry."""
    for field in range(2):
        base = 16 * mb + 8 * field
        first = int(mv64[base])
        different = (first ^ (first >> 32)) & 0xFFFFFFFF
        for i in range(1, 8):
            different |= first ^ int(mv64[base + i])
        base = 8 * mb + 4 * field
        reference = int(ref_idx[base])
        for i in range(1, 4):
            different |= reference ^ int(ref_idx[base + i])
        if different != 0:
            return False
    return True


@kernel
def _same_vectors(mv: Any, mb: int, block: int, to_other: int) -> bool:
    """Return whether 4x4 blocks `block` and `block + to_other` have the same vectors."""
    a = 64 * mb + 2 * block
    b = a + 2 * to_other
    return (
        int(mv[a]) == int(mv[b])
        and int(mv[a + 1]) == int(mv[b + 1])
        and int(mv[a + 32]) == int(mv[b + 32])
        and int(mv[a + 33]) == int(mv[b + 33])
    )


@kernel
def _size_in_quarter(mv: Any, mb: int, first: int) -> int:
    """Return width + 16 * height of the blocks into which the 8x8 block that begins with 4x4 block
    `first` has to be cut, so that each has one vector a list."""
    width, height = 8, 8
    if not (_same_vectors(mv, mb, first, 1) and _same_vectors(mv, mb, first + 4, 1)):
        width = 4
    if not (_same_vectors(mv, mb, first, 4) and _same_vectors(mv, mb, first + 1, 4)):
        height = 4
    return width + 16 * height


@kernel
def _weight_from_list(
    samples: Any, luma_at: int, stride: int, cb_at: int, to_cr: int, width: int, height: int,
    parameters: Any, index: int, weights: Any, weights_at: int,
) -> None:  # fmt: skip
    """(#avc.8.4.2.3.2) Apply explicit weights to a block predicted from one list."""
    for component in range(3):
        weight = int(weights[weights_at + 2 * component])
        offset = int(weights[weights_at + 2 * component + 1])
        if component == 0:
            denominator = int(parameters[index * FIELDS + LUMA_LOG2_WEIGHT_DENOM])
        else:
            denominator = int(parameters[index * FIELDS + CHROMA_LOG2_WEIGHT_DENOM])
        if weight == 1 << denominator and offset == 0:
            continue
        if component == 0:
            sample_kernels.weight_block(
                samples, luma_at, stride, width, height, denominator, weight, offset
            )
        else:
            at = cb_at + (component - 1) * to_cr
            sample_kernels.weight_block(
                samples, at, stride >> 1, width >> 1, height >> 1, denominator, weight, offset
            )


@inlined
def _weights_of_lists(
    component: int, index: int, ref0: int, ref1: int, parameters: Any, weights: Any,
    implicit_weights: Any,
) -> tuple[int, int, int, int]:  # fmt: skip
    """(#avc.8.4.2.3) logWD, w0, w1 and (o0 + o1 + 1) >> 1 of a component predicted from both lists."""
    if load(parameters, index * FIELDS + WEIGHTED_PREDICTION) == IMPLICIT:
        weight = load(implicit_weights, (index * LIST_SIZE + ref0) * LIST_SIZE + ref1)
        return 5, 64 - weight, weight, 0
    denominator = load(parameters, index * FIELDS + CHROMA_LOG2_WEIGHT_DENOM)
    if component == 0:
        denominator = load(parameters, index * FIELDS + LUMA_LOG2_WEIGHT_DENOM)
    at0 = 6 * (2 * index * LIST_SIZE + ref0) + 2 * component
    at1 = 6 * ((2 * index + 1) * LIST_SIZE + ref1) + 2 * component
    offset = (load(weights, at0 + 1) + load(weights, at1 + 1) + 1) >> 1
    return denominator, load(weights, at0), load(weights, at1), offset


@kernel
def _weight_from_lists(
    samples: Any, luma_at: int, stride: int, cb_at: int, to_cr: int, scratch: Any,
    width: int, height: int, index: int, ref0: int, ref1: int, parameters: Any, weights: Any,
    implicit_weights: Any,
) -> None:  # fmt: skip
    """(#avc.8.4.2.3.2) Put together the predictions from both lists, list 1 in `scratch`."""
    for component in range(3):
        denominator, weight0, weight1, offset = _weights_of_lists(
            component, index, ref0, ref1, parameters, weights, implicit_weights
        )
        if component == 0:
            sample_kernels.weight_blocks(
                samples, luma_at, stride, scratch, 0, 16, width, height,
                denominator, weight0, weight1, offset,
            )  # fmt: skip
        else:
            sample_kernels.weight_blocks(
                samples, cb_at + (component - 1) * to_cr, stride >> 1,
                scratch, 256 + 64 * (component - 1), 8, width >> 1, height >> 1,
                denominator, weight0, weight1, offset,
            )  # fmt: skip


@kernel
def _has_weights(
    index: int, ref0: int, ref1: int, parameters: Any, weights: Any, implicit_weights: Any
) -> bool:
    """(#avc.8.4.2.3) Whether weighted sample prediction differs from the default one."""
    method = load(parameters, index * FIELDS + WEIGHTED_PREDICTION)
    if method == IMPLICIT:
        entry = (index * LIST_SIZE + ref0) * LIST_SIZE + ref1
        return ref0 >= 0 and ref1 >= 0 and load(implicit_weights, entry) != 32
    luma = 1 << load(parameters, index * FIELDS + LUMA_LOG2_WEIGHT_DENOM)
    chroma = 1 << load(parameters, index * FIELDS + CHROMA_LOG2_WEIGHT_DENOM)
    for field in range(2):
        reference = ref0 if field == 0 else ref1
        if reference < 0:
            continue
        at = 6 * ((2 * index + field) * LIST_SIZE + reference)
        if load(weights, at) != luma or load(weights, at + 1) != 0:
            return True
        for component in range(1, 3):
            if load(weights, at + 2 * component) != chroma:
                return True
            if load(weights, at + 2 * component + 1) != 0:
                return True
    return False


@kernel
def _weight(
    samples: Any, luma_at: int, cb_at: int, layout: Any, scratch: Any, width: int, height: int,
    index: int, ref0: int, ref1: int, parameters: Any, weights: Any, implicit_weights: Any,
) -> None:  # fmt: skip
    """(#avc.8.4.2.3.2) Weight a predicted block in place."""
    stride, to_cr = load(layout, LUMA_STRIDE), load(layout, TO_CR)
    if ref0 >= 0 and ref1 >= 0:
        _weight_from_lists(
            samples, luma_at, stride, cb_at, to_cr, scratch, width, height, index, ref0, ref1,
            parameters, weights, implicit_weights,
        )  # fmt: skip
    else:
        entry = 2 * index * LIST_SIZE + ref0
        if ref0 < 0:
            entry = (2 * index + 1) * LIST_SIZE + ref1
        _weight_from_list(
            samples, luma_at, stride, cb_at, to_cr, width, height,
            parameters, index, weights, 6 * entry,
        )  # fmt: skip


@inlined
def _predict_block(
    samples: Any, base: int, layout: Any, scratch: Any, mb: int, mb_x: int, mb_y: int, block: int,
    width: int, height: int, index: int, mv: Any, ref_idx: Any, parameters: Any, ref_slot: Any,
    weights: Any, implicit_weights: Any,
) -> None:  # fmt: skip
    """(#avc.8.4.2) Predict the samples of a block that begins with 4x4 block `block`. `base` is
    the offset of the slot."""
    stride, to_cr = load(layout, LUMA_STRIDE), load(layout, TO_CR)
    luma_offset, cb_offset = load(layout, LUMA_OFFSET), load(layout, CB_OFFSET)
    luma_width, luma_height = load(layout, WIDTH_MBS) << 4, load(layout, HEIGHT_MBS) << 4
    x, y = 16 * mb_x + 4 * (block & 3), 16 * mb_y + 4 * (block >> 2)
    luma_at = base + luma_offset + y * stride + x
    cb_at = base + cb_offset + (y >> 1) * (stride >> 1) + (x >> 1)
    quarter = 8 * mb + 2 * (block >> 3) + ((block & 3) >> 1)
    ref0, ref1 = load(ref_idx, quarter), load(ref_idx, quarter + 4)
    weighted = load(parameters, index * FIELDS + WEIGHTED_PREDICTION) != UNWEIGHTED
    if weighted:
        weighted = _has_weights(index, ref0, ref1, parameters, weights, implicit_weights)

    for field in range(2):
        reference = ref0 if field == 0 else ref1
        if reference < 0:
            continue
        out, to, to_stride = samples, luma_at, stride
        to_chroma, to_chroma_stride, out_to_cr = cb_at, stride >> 1, to_cr
        average = 0
        if field == 1 and ref0 >= 0:
            if weighted:
                out, to, to_stride = scratch, 0, 16
                to_chroma, to_chroma_stride, out_to_cr = 256, 8, 64
            else:
                average = 1
        slot = max(load(ref_slot, (2 * index + field) * LIST_SIZE + reference), 0)
        source = slot * load(layout, SLOT_SIZE)
        vector = 64 * mb + 32 * field + 2 * block
        mv_x, mv_y = load(mv, vector), load(mv, vector + 1)
        x_full = min(max(x + (mv_x >> 2), -LUMA_BEFORE), luma_width + LUMA_BEHIND)
        y_full = min(max(y + (mv_y >> 2), -LUMA_BEFORE), luma_height + LUMA_BEHIND)
        sample_kernels.luma_block(
            out, to, to_stride, samples, source + luma_offset + y_full * stride + x_full, stride,
            width, height, mv_x & 3, mv_y & 3, average,
        )  # fmt: skip
        x_full = min(max((x >> 1) + (mv_x >> 3), -CHROMA_BEFORE), (luma_width >> 1) + CHROMA_BEHIND)
        y_full = min(
            max((y >> 1) + (mv_y >> 3), -CHROMA_BEFORE), (luma_height >> 1) + CHROMA_BEHIND
        )
        sample_kernels.chroma_block(
            out, to_chroma, to_chroma_stride, out_to_cr,
            samples, source + cb_offset + y_full * (stride >> 1) + x_full, stride >> 1, to_cr,
            width >> 1, height >> 1, mv_x & 7, mv_y & 7, average,
        )  # fmt: skip

    if weighted:
        _weight(
            samples, luma_at, cb_at, layout, scratch, width, height, index, ref0, ref1,
            parameters, weights, implicit_weights,
        )  # fmt: skip


@inlined
def _all_full(mv: Any, mb: int) -> bool:
    """Whether the vectors of the first block of a macroblock are of full samples in all planes."""
    at = 64 * mb
    vectors = load(mv, at) | load(mv, at + 1) | load(mv, at + 32) | load(mv, at + 33)
    return vectors & 7 == 0


@inlined
def _continues(
    mb: int, first: int, slice_table: Any, mb_types: Any, mv32: Any, mv64: Any, ref_idx: Any
) -> bool:
    """Whether macroblock `mb` has the slice and motion of macroblock `first`, which is all one."""
    if (
        load(mv32, 32 * mb) != load(mv32, 32 * first)
        or load(mv32, 32 * mb + 16) != load(mv32, 32 * first + 16)
        or load(ref_idx, 8 * mb) != load(ref_idx, 8 * first)
        or load(ref_idx, 8 * mb + 4) != load(ref_idx, 8 * first + 4)
        or load(slice_table, mb) != load(slice_table, first)
    ):
        return False
    mb_type = load(mb_types, mb)
    if mb_type in (INTER_16X16, P_SKIP):
        return True
    return mb_type > LAST_INTRA and _same_motion(mv64, ref_idx, mb)


@kernel
def _copy_macroblocks(
    samples: Any, base: int, layout: Any, mb: int, mb_x: int, mb_y: int, most: int,
    slice_table: Any, mb_types: Any, mv: Any, mv32: Any, mv64: Any, ref_idx: Any, parameters: Any,
    ref_slot: Any, weights: Any, implicit_weights: Any,
) -> int:  # fmt: skip
    """(#avc.8.4.2) Predict macroblock `mb`, which is all of one motion, and those behind it that have
    the same one, at most `most`, as one area. Their vectors are of full samples in all planes. None
    are predicted where a single list has weights, or something has to be clamped. Return how many
    were.
    """
    index = load(slice_table, mb)
    ref0, ref1 = load(ref_idx, 8 * mb), load(ref_idx, 8 * mb + 4)
    weighted = load(parameters, index * FIELDS + WEIGHTED_PREDICTION) != UNWEIGHTED
    if weighted:
        weighted = _has_weights(index, ref0, ref1, parameters, weights, implicit_weights)
    if weighted and (ref0 < 0 or ref1 < 0):
        return 0
    stride, to_cr = load(layout, LUMA_STRIDE), load(layout, TO_CR)
    limit_x = 16 * load(layout, WIDTH_MBS) + LUMA_BEHIND
    limit_y = 16 * load(layout, HEIGHT_MBS) + LUMA_BEHIND
    sources, first, first_chroma, second, second_chroma = 0, 0, 0, 0, 0
    for field in range(2):
        reference = ref0 if field == 0 else ref1
        if reference < 0:
            continue
        mv_x, mv_y = load(mv, 64 * mb + 32 * field), load(mv, 64 * mb + 32 * field + 1)
        x, y = 16 * mb_x + (mv_x >> 2), 16 * mb_y + (mv_y >> 2)
        if x < -LUMA_BEFORE or y < -LUMA_BEFORE or y > limit_y:
            return 0
        most = min(most, (limit_x - x) >> 4)
        slot = max(load(ref_slot, (2 * index + field) * LIST_SIZE + reference), 0)
        second = slot * load(layout, SLOT_SIZE) + load(layout, LUMA_OFFSET) + y * stride + x
        second_chroma = slot * load(layout, SLOT_SIZE) + load(layout, CB_OFFSET)
        second_chroma += (y >> 1) * (stride >> 1) + (x >> 1)
        if sources == 0:
            first, first_chroma = second, second_chroma
        sources += 1
    if most < 1 or sources == 0:
        return 0
    count = 1
    while count < most and _continues(mb + count, mb, slice_table, mb_types, mv32, mv64, ref_idx):
        count += 1
    at = base + load(layout, LUMA_OFFSET) + 16 * (mb_y * stride + mb_x)
    size = 16
    for component in range(3):
        if component == 1:
            at = base + load(layout, CB_OFFSET) + 8 * (mb_y * (stride >> 1) + mb_x)
            first, second, size = first_chroma, second_chroma, 8
            stride >>= 1
        elif component == 2:
            at, first, second = at + to_cr, first + to_cr, second + to_cr
        if sources == 1:
            sample_kernels.copy_area(samples, at, first, stride, size * count, size)
        elif not weighted:
            sample_kernels.mean_area(samples, at, first, second, stride, size * count, size)
        else:
            denominator, weight0, weight1, offset = _weights_of_lists(
                component, index, ref0, ref1, parameters, weights, implicit_weights
            )
            sample_kernels.weight_area(
                samples, at, first, second, stride, size * count, size,
                denominator, weight0, weight1, offset,
            )  # fmt: skip
    return count


@kernel
def predict_macroblocks(
    samples: Any, slot: int, layout: Any, scratch: Any, first_mb: int, end_mb: int,
    slice_table: Any, mb_types: Any, mv: Any, mv32: Any, mv64: Any, ref_idx: Any, parameters: Any,
    ref_slot: Any, weights: Any, implicit_weights: Any,
) -> None:  # fmt: skip
    """(#avc.8.4.2) Predict the inter macroblocks of a range, each in as few blocks as can be."""
    base = slot * load(layout, SLOT_SIZE)
    width_mbs = load(layout, WIDTH_MBS)
    mb_y = first_mb // width_mbs
    mb_x = first_mb - mb_y * width_mbs - 1
    done = first_mb  # macroblocks before it are predicted
    for mb in range(first_mb, end_mb):
        mb_x += 1
        if mb_x == width_mbs:
            mb_x = 0
            mb_y += 1
        if mb < done:
            continue
        index = load(slice_table, mb)
        mb_type = load(mb_types, mb)
        if index < 0 or mb_type <= LAST_INTRA:
            continue
        width = height = 16
        if mb_type == INTER_16X8:
            height = 8
        elif mb_type == INTER_8X16:
            width = 8
        elif mb_type >= INTER_8X8 and mb_type != P_SKIP and not _same_motion(mv64, ref_idx, mb):
            width = height = 8
        if width + height == 32 and _all_full(mv, mb):
            done = mb + _copy_macroblocks(
                samples, base, layout, mb, mb_x, mb_y, min(width_mbs - mb_x, end_mb - mb),
                slice_table, mb_types, mv, mv32, mv64, ref_idx, parameters, ref_slot,
                weights, implicit_weights,
            )  # fmt: skip
            if mb < done:
                continue
        block = 0
        while block < 16:
            block_width, block_height = width, height
            if width + height == 16:
                size = _size_in_quarter(mv, mb, block & 10)
                block_width, block_height = size & 15, size >> 4
            if (4 * (block & 3)) & (block_width - 1) | (block & 12) & (block_height - 1) == 0:
                _predict_block(
                    samples, base, layout, scratch, mb, mb_x, mb_y, block,
                    block_width, block_height, index, mv, ref_idx, parameters, ref_slot,
                    weights, implicit_weights,
                )  # fmt: skip
            block += 16 if width + height == 32 else 1


def predict_inter(
    info: SideInformation,
    slices: SliceTable,
    store: FrameStore,
    slot: int,
    first_mb: int,
    end_mb: int,
) -> None:
    """(#avc.8.4.2) Write the prediction of every inter macroblock of [first_mb, end_mb) into `slot`.

    Vectors and references must have been derived; intra macroblocks and those that were not
    decoded are left alone. Ranges may be predicted at the same time by several threads.
    """
    motion = info.motion
    mv = motion.mv.reshape(-1)
    predict_macroblocks(
        store.samples,
        slot,
        layout_of(store),
        np.empty(SCRATCH, np.uint8),
        first_mb,
        end_mb,
        info.slice_table,
        motion.mb_type,
        mv,
        mv.view(np.int32),
        mv.view(np.int64),
        motion.ref_idx.reshape(-1),
        slices.parameters.reshape(-1),
        slices.ref_slot.reshape(-1),
        slices.weights.reshape(-1),
        slices.implicit_weights.reshape(-1),
    )
