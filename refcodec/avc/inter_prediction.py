"""Inter prediction of macroblocks (8.4.2): reference blocks, fractional samples, weights.

Partitions are merged where their vectors and references are equal, since the samples are then the
same: most macroblocks are one block of 16x16. Samples of references are read in their margins, so
`margins.extend_margins` has to be called for a picture before it is one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refcodec.avc import sample_kernels
from refcodec.avc.compilation import kernel
from refcodec.avc.frame_store import FrameStore
from refcodec.avc.side_information import (
    INTER_8X8,
    INTER_8X16,
    INTER_16X8,
    LAST_INTRA,
    P_SKIP,
    SideInformation,
)
from refcodec.avc.slice_table import (
    CHROMA_LOG2_WEIGHT_DENOM,
    EXPLICIT,
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

# Scratch of the prediction from list 1: 16x16 luma, then 8x8 of Cb and Cr
SCRATCH = 384

# Where the values of `layout` are
LUMA_STRIDE = 0
LUMA_OFFSET = 1
CB_OFFSET = 2
TO_CR = 3
SLOT_SIZE = 4
SLOTS = 5
WIDTH_MBS = 6
HEIGHT_MBS = 7


def layout_of(store: FrameStore) -> Any:
    """Return what kernels need to know of a frame store, an int64 array."""
    g = store.geometry
    values = [
        g.luma_stride,
        g.luma_offset,
        g.cb_offset,
        g.cr_offset - g.cb_offset,
        g.slot_size,
        store.slots,
        g.width_mbs,
        g.height_mbs,
    ]
    return np.array(values, np.int64)


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
def _predict_from_list(
    out: Any, luma_at: int, luma_stride: int, cb_at: int, chroma_stride: int, out_to_cr: int,
    samples: Any, slot: int, layout: Any, x: int, y: int, width: int, height: int,
    mv_x: int, mv_y: int, average: int,
) -> None:  # fmt: skip
    """(#avc.8.4.2.2) Predict a block at luma position (x, y) from one reference picture."""
    stride = int(layout[LUMA_STRIDE])
    base = slot * int(layout[SLOT_SIZE])
    luma_width, luma_height = 16 * int(layout[WIDTH_MBS]), 16 * int(layout[HEIGHT_MBS])
    x_full = min(max(x + (mv_x >> 2), -LUMA_BEFORE), luma_width + LUMA_BEHIND)
    y_full = min(max(y + (mv_y >> 2), -LUMA_BEFORE), luma_height + LUMA_BEHIND)
    sample_kernels.luma_block(
        out, luma_at, luma_stride,
        samples, base + int(layout[LUMA_OFFSET]) + y_full * stride + x_full, stride,
        width, height, mv_x & 3, mv_y & 3, average,
    )  # fmt: skip
    stride >>= 1
    x_full = min(max((x >> 1) + (mv_x >> 3), -CHROMA_BEFORE), (luma_width >> 1) + CHROMA_BEHIND)
    y_full = min(max((y >> 1) + (mv_y >> 3), -CHROMA_BEFORE), (luma_height >> 1) + CHROMA_BEHIND)
    sample_kernels.chroma_block(
        out, cb_at, chroma_stride, out_to_cr,
        samples, base + int(layout[CB_OFFSET]) + y_full * stride + x_full, stride,
        int(layout[TO_CR]), width >> 1, height >> 1, mv_x & 7, mv_y & 7, average,
    )  # fmt: skip


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


@kernel
def _weight_from_lists(
    samples: Any, luma_at: int, stride: int, cb_at: int, to_cr: int, scratch: Any,
    width: int, height: int, parameters: Any, index: int, weights: Any, at0: int, at1: int,
    implicit_weight: int,
) -> None:  # fmt: skip
    """(#avc.8.4.2.3.2) Put together the predictions from both lists, list 1 in `scratch`, by
    explicit weights, or by `implicit_weight`, w1, unless that is 1000."""
    for component in range(3):
        if implicit_weight != 1000:
            denominator, offset = 5, 0
            weight0, weight1 = 64 - implicit_weight, implicit_weight
        else:
            if component == 0:
                denominator = int(parameters[index * FIELDS + LUMA_LOG2_WEIGHT_DENOM])
            else:
                denominator = int(parameters[index * FIELDS + CHROMA_LOG2_WEIGHT_DENOM])
            weight0 = int(weights[at0 + 2 * component])
            weight1 = int(weights[at1 + 2 * component])
            offset = (
                int(weights[at0 + 2 * component + 1]) + int(weights[at1 + 2 * component + 1]) + 1
            ) >> 1
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
def _predict_block(
    samples: Any, slot: int, layout: Any, scratch: Any, mb: int, block: int,
    width: int, height: int, index: int, mv: Any, ref_idx: Any, parameters: Any, ref_slot: Any,
    weights: Any, implicit_weights: Any,
) -> None:  # fmt: skip
    """(#avc.8.4.2) Predict the samples of a block that begins with 4x4 block `block`."""
    stride = int(layout[LUMA_STRIDE])
    base = slot * int(layout[SLOT_SIZE])
    to_cr = int(layout[TO_CR])
    width_mbs = int(layout[WIDTH_MBS])
    x = 16 * (mb % width_mbs) + 4 * (block & 3)
    y = 16 * (mb // width_mbs) + 4 * (block >> 2)
    luma_at = base + int(layout[LUMA_OFFSET]) + y * stride + x
    cb_at = base + int(layout[CB_OFFSET]) + (y >> 1) * (stride >> 1) + (x >> 1)
    quarter = 8 * mb + 2 * (block >> 3) + ((block & 3) >> 1)
    ref0, ref1 = int(ref_idx[quarter]), int(ref_idx[quarter + 4])
    vector = 64 * mb + 2 * block
    method = int(parameters[index * FIELDS + WEIGHTED_PREDICTION])
    list0 = index * 2 * LIST_SIZE
    list1 = list0 + LIST_SIZE

    if ref0 < 0 or ref1 < 0:
        entry = list0 + ref0
        if ref0 < 0:
            if ref1 < 0:
                return
            entry = list1 + ref1
            vector += 32
        _predict_from_list(
            samples, luma_at, stride, cb_at, stride >> 1, to_cr,
            samples, max(int(ref_slot[entry]), 0), layout, x, y, width, height,
            int(mv[vector]), int(mv[vector + 1]), 0,
        )  # fmt: skip
        if method == EXPLICIT:
            _weight_from_list(
                samples, luma_at, stride, cb_at, to_cr, width, height,
                parameters, index, weights, 6 * entry,
            )  # fmt: skip
        return

    implicit_weight = 1000
    if method == IMPLICIT:
        implicit_weight = int(implicit_weights[(index * LIST_SIZE + ref0) * LIST_SIZE + ref1])
        if implicit_weight == 32:
            method = UNWEIGHTED
    _predict_from_list(
        samples, luma_at, stride, cb_at, stride >> 1, to_cr,
        samples, max(int(ref_slot[list0 + ref0]), 0), layout, x, y, width, height,
        int(mv[vector]), int(mv[vector + 1]), 0,
    )  # fmt: skip
    slot1 = max(int(ref_slot[list1 + ref1]), 0)
    mv_x, mv_y = int(mv[vector + 32]), int(mv[vector + 33])
    if method == UNWEIGHTED:
        _predict_from_list(
            samples, luma_at, stride, cb_at, stride >> 1, to_cr,
            samples, slot1, layout, x, y, width, height, mv_x, mv_y, 1,
        )  # fmt: skip
    else:
        _predict_from_list(
            scratch, 0, 16, 256, 8, 64, samples, slot1, layout, x, y, width, height, mv_x, mv_y, 0
        )
        _weight_from_lists(
            samples, luma_at, stride, cb_at, to_cr, scratch, width, height,
            parameters, index, weights, 6 * (list0 + ref0), 6 * (list1 + ref1), implicit_weight,
        )  # fmt: skip


@kernel
def _predict_macroblocks(
    samples: Any, slot: int, layout: Any, scratch: Any, first_mb: int, end_mb: int,
    slice_table: Any, mb_types: Any, mv: Any, mv64: Any, ref_idx: Any, parameters: Any,
    ref_slot: Any, weights: Any, implicit_weights: Any,
) -> None:  # fmt: skip
    """(#avc.8.4.2) Predict the inter macroblocks of a range, each in as few blocks as can be."""
    for mb in range(first_mb, end_mb):
        index = int(slice_table[mb])
        mb_type = int(mb_types[mb])
        if index < 0 or mb_type <= LAST_INTRA:
            continue
        width = height = 16
        if mb_type == INTER_16X8:
            height = 8
        elif mb_type == INTER_8X16:
            width = 8
        elif mb_type >= INTER_8X8 and mb_type != P_SKIP and not _same_motion(mv64, ref_idx, mb):
            width = height = 8
        for block_y in range(0, 4, height >> 2):
            for block_x in range(0, 4, width >> 2):
                block = 4 * block_y + block_x
                block_width, block_height = width, height
                if width + height == 16:
                    same_above = _same_vectors(mv, mb, block, 1)
                    same_below = _same_vectors(mv, mb, block + 4, 1)
                    same_left = _same_vectors(mv, mb, block, 4)
                    same_right = _same_vectors(mv, mb, block + 1, 4)
                    if not (same_above and same_below):
                        block_width = 4
                    if not (same_left and same_right):
                        block_height = 4
                for y in range(0, height, block_height):
                    for x in range(0, width, block_width):
                        _predict_block(
                            samples, slot, layout, scratch, mb, block + y + (x >> 2),
                            block_width, block_height, index, mv, ref_idx, parameters, ref_slot,
                            weights, implicit_weights,
                        )  # fmt: skip


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
    _predict_macroblocks(
        store.samples,
        slot,
        layout_of(store),
        np.empty(SCRATCH, np.uint8),
        first_mb,
        end_mb,
        info.slice_table,
        motion.mb_type,
        mv,
        mv.view(np.int64),
        motion.ref_idx.reshape(-1),
        slices.parameters.reshape(-1),
        slices.ref_slot.reshape(-1),
        slices.weights.reshape(-1),
        slices.implicit_weights.reshape(-1),
    )
