"""The deblocking filter process of frame pictures (8.7).

Macroblocks are filtered in raster order, first vertical edges from left to right, then horizontal
ones from top to bottom. The strengths of an edge, bS 0 to 4 of its four parts of four luma samples,
are packed into one integer, eight bits a part, the first part lowest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from refcodec.avc import edge_kernels, sample_kernels
from refcodec.avc.compilation import inlined, kernel, load
from refcodec.avc.frame_layout import (
    CB_OFFSET,
    LUMA_OFFSET,
    LUMA_STRIDE,
    SLOT_SIZE,
    TO_CR,
    WIDTH_MBS,
    layout_of,
    layout_of_geometry,
)
from refcodec.avc.frame_store import FrameStore, Geometry
from refcodec.avc.side_information import (
    B_SKIP,
    INTER_16X16,
    LAST_INTRA,
    P_SKIP,
    SideInformation,
)
from refcodec.avc.slice_table import (
    CHROMA_QP_INDEX_OFFSET,
    DISABLE_DEBLOCKING_FILTER_IDC,
    FIELDS,
    FILTER_OFFSET_A,
    FILTER_OFFSET_B,
    SliceTable,
)

Array = Any

# Table 8-16: alpha' and beta' by indexA and indexB
ALPHA: Final = np.array(
    [0] * 16
    + [4, 4, 5, 6, 7, 8, 9, 10, 12, 13, 15, 17, 20, 22, 25, 28, 32, 36]
    + [40, 45, 50, 56, 63, 71, 80, 90, 101, 113, 127, 144, 162, 182, 203, 226, 255, 255],
    np.int32,
)
BETA: Final = np.array(
    [0] * 16
    + [2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 6, 6, 7, 7, 8, 8, 9, 9]
    + [10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15, 16, 16, 17, 17, 18, 18],
    np.int32,
)

# Table 8-17: t'C0 by bS - 1 and indexA
TC0: Final = np.array(
    [0] * 23
    + [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 6, 6, 7, 8, 9, 10, 11, 13]
    + [0] * 21
    + [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 4, 4, 5, 5, 6, 7, 8, 8, 10, 11, 12]
    + [13, 15, 17]
    + [0] * 17
    + [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 6, 6, 7, 8, 9, 10, 11, 13]
    + [14, 16, 18, 20, 23, 25],
    np.int32,
)

# Table 8-15: QPC as a function of qPI
CHROMA_QP: Final = np.array(
    list(range(30))  # noqa: RUF005
    + [29, 30, 31, 32, 32, 33, 34, 34, 35, 35, 36, 36, 37, 37, 37, 38, 38, 38, 39, 39, 39, 39],
    np.int32,
)

# What `filter_macroblocks` does beside filtering, or in place of it
NOTHING: Final = 0
DECISIONS: Final = 1
STRENGTHS: Final = 2

VERTICAL: Final = 0
HORIZONTAL: Final = 1

# What matters of a macroblock: bits 0 to 15, which 4x4 blocks count as having coefficients
SPLIT: Final = 1 << 16
"""Its vectors or references are not all the same."""
INTRA: Final = 1 << 17

ALL_1: Final = 0x01010101
ALL_3: Final = 0x03030303
ALL_4: Final = 0x04040404


@dataclass(frozen=True)
class FilterDecisions:
    """What the deblocking filter did in a picture; the direction is 0 for vertical edges, 1 for
    horizontal ones; edges are counted from the left or from the top.

    strengths: uint8 (mbs, 2, 4, 4), direction, edge, quarter of the edge: bS, and 0 where an edge
        is not filtered (filterLeftMbEdgeFlag, filterTopMbEdgeFlag, transform_size_8x8_flag)
    luma: uint8 (mbs, 2, 4, 16), direction, edge, sample: bit 0 filterSamplesFlag, and where that
        is 1: bit 1 ap < beta, bit 2 aq < beta
    chroma: uint8 (mbs, 2, 2, 2, 8), Cb and Cr, direction, edge 0 or 2, sample: filterSamplesFlag
    """

    strengths: Array
    luma: Array
    chroma: Array


@kernel
def classify(
    states: Any, first_mb: int, end_mb: int, slice_table: Any, mb_types: Any, mv64: Any,
    ref_picture: Any, total_coeff: Any, transform_size_8x8_flag: Any,
) -> None:  # fmt: skip
    """(#avc.8.7.2.1) Note of each macroblock of a range what its filter strengths depend on."""
    for mb in range(first_mb, end_mb):
        if load(slice_table, mb) < 0:
            continue
        mb_type = load(mb_types, mb)
        if mb_type <= LAST_INTRA:
            states[mb] = INTRA
            continue
        state = 0
        if mb_type != P_SKIP and mb_type != B_SKIP:
            for block in range(16):
                if load(total_coeff, 24 * mb + block) != 0:
                    state |= 1 << block
            if state != 0 and load(transform_size_8x8_flag, mb) != 0:
                for quarter in range(4):
                    mask = 0x33 << (2 * (quarter & 1) + 8 * (quarter >> 1))
                    if state & mask != 0:
                        state |= mask
        if mb_type != P_SKIP and mb_type != INTER_16X16 and not _one_motion(mv64, ref_picture, mb):
            state |= SPLIT
        states[mb] = state


@kernel
def _one_motion(mv64: Any, ref_picture: Any, mb: int) -> bool:
    """Return whether a macroblock has one vector and reference picture a list."""
    different = 0
    for field in range(2):
        base = 16 * mb + 8 * field
        first = load(mv64, base)
        different |= (first ^ (first >> 32)) & 0xFFFFFFFF
        for i in range(1, 8):
            different |= first ^ load(mv64, base + i)
        base = 8 * mb + 4 * field
        reference = load(ref_picture, base)
        for i in range(1, 4):
            different |= reference ^ load(ref_picture, base + i)
    return different == 0


@inlined
def _far(mv: Any, a: int, b: int) -> bool:
    """(#avc.8.7.2.1) Whether two vectors differ by four quarter samples or more in a component."""
    return abs(load(mv, a) - load(mv, b)) >= 4 or abs(load(mv, a + 1) - load(mv, b + 1)) >= 4


@kernel
def _motion_differs(
    mv: Any, ref_picture: Any, mb_p: int, block_p: int, mb_q: int, block_q: int
) -> bool:
    """(#avc.8.7.2.1) Whether two blocks have different reference pictures, or vectors that are far
    from each other; lists and indices do not matter, only the pictures."""
    p = 8 * mb_p + 2 * (block_p >> 3) + ((block_p & 3) >> 1)
    q = 8 * mb_q + 2 * (block_q >> 3) + ((block_q & 3) >> 1)
    p0, p1 = load(ref_picture, p), load(ref_picture, p + 4)
    q0, q1 = load(ref_picture, q), load(ref_picture, q + 4)
    at_p = 64 * mb_p + 2 * block_p
    at_q = 64 * mb_q + 2 * block_q
    straight = p0 == q0 and p1 == q1
    crossed = p0 == q1 and p1 == q0
    if straight and not _far(mv, at_p, at_q) and not _far(mv, at_p + 32, at_q + 32):
        return False
    return not (crossed and not _far(mv, at_p, at_q + 32) and not _far(mv, at_p + 32, at_q))


@inlined
def _like(mv32: Any, ref_picture: Any, mb: int, other: int) -> bool:
    """Whether two macroblocks of one motion each have the same one, list by list."""
    a, b = 32 * mb, 32 * other
    c, d = 8 * mb, 8 * other
    return (
        load(mv32, a) == load(mv32, b)
        and load(ref_picture, c) == load(ref_picture, d)
        and load(mv32, a + 16) == load(mv32, b + 16)
        and load(ref_picture, c + 4) == load(ref_picture, d + 4)
    )


@inlined
def _coded_parts(mask_p: int, mask_q: int, direction: int, edge: int) -> int:
    """Which of the four parts of an edge have coefficients on a side: a byte of 0 or 1 each. The
    mask of p is that of the macroblock across the edge, or the same as that of q."""
    if direction == VERTICAL:
        first = (mask_p >> 3 if edge == 0 else mask_p >> (edge - 1)) | mask_q >> edge
        return first & 1 | (first & 0x10) << 4 | (first & 0x100) << 8 | (first & 0x1000) << 12
    first = (mask_p >> 12 if edge == 0 else mask_p >> (4 * edge - 4)) | mask_q >> (4 * edge)
    return ((first & 15) * 0x00204081) & ALL_1


@kernel
def _edge_strengths(
    states: Any, mv: Any, ref_picture: Any, mb_p: int, mb_q: int, direction: int, edge: int
) -> int:
    """(#avc.8.7.2.1) The four bS of an edge of macroblock mb_q; mb_p is the one on its other side,
    mb_q itself for edges inside."""
    state_p, state_q = load(states, mb_p), load(states, mb_q)
    either = state_p | state_q
    if either & INTRA != 0:
        return ALL_4 if mb_p != mb_q else ALL_3
    coded = _coded_parts(state_p & 0xFFFF, state_q & 0xFFFF, direction, edge)
    if either & SPLIT == 0:
        if mb_p != mb_q and _motion_differs(mv, ref_picture, mb_p, 0, mb_q, 0):
            return 2 * coded | (ALL_1 ^ coded)
        return 2 * coded
    strengths = 2 * coded
    for k in range(4):
        if direction == VERTICAL:
            block_q = 4 * k + edge
            block_p = block_q - 1 if mb_p == mb_q else block_q + 3
        else:
            block_q = 4 * edge + k
            block_p = block_q - 4 if mb_p == mb_q else block_q + 12
        if (coded >> (8 * k)) & 1 == 0 and _motion_differs(
            mv, ref_picture, mb_p, block_p, mb_q, block_q
        ):
            strengths |= 1 << (8 * k)
    return strengths


@inlined
def _chroma_qp(qp_y: int, offset: int) -> int:
    """(#avc.8.5.8) QPC that corresponds to QP_Y."""
    return int(CHROMA_QP[min(max(qp_y + offset, 0), 51)])


@inlined
def _index(qp_p: int, qp_q: int, offset: int) -> int:
    """(#avc.8.7.2.2) indexA or indexB."""
    return min(max(((qp_p + qp_q + 1) >> 1) + offset, 0), 51)


@kernel
def _find_thresholds(thresholds: Any, qp_p: int, qp_q: int, parameters: Any, row: int) -> None:
    """(#avc.8.7.2.2) Write alpha, beta and the t'C0 by bS for Y, Cb and Cr, between macroblocks
    of these QP_Y."""
    offset_a = load(parameters, row + FILTER_OFFSET_A)
    offset_b = load(parameters, row + FILTER_OFFSET_B)
    for component in range(3):
        p, q = qp_p, qp_q
        if component > 0:
            offset = load(parameters, row + CHROMA_QP_INDEX_OFFSET + component - 1)
            p, q = _chroma_qp(qp_p, offset), _chroma_qp(qp_q, offset)
        index_a = _index(p, q, offset_a)
        thresholds[3 * component] = int(ALPHA[index_a])
        thresholds[3 * component + 1] = int(BETA[_index(p, q, offset_b)])
        tc0 = 0
        for strength in range(1, 4):
            tc0 |= int(TC0[(strength - 1) * 52 + index_a]) << (8 * strength)
        thresholds[3 * component + 2] = tc0


@kernel
def filter_macroblocks(
    samples: Any, slot: int, layout: Any, states: Any, thresholds: Any, first_mb: int,
    end_mb: int, slice_table: Any, mv: Any, mv32: Any, ref_picture: Any,
    transform_size_8x8_flag: Any, qp_y: Any, parameters: Any, record: int, strength_record: Any,
    luma_record: Any, chroma_record: Any,
) -> None:  # fmt: skip
    """(#avc.8.7) Filter the edges of a range of macroblocks in raster order."""
    width_mbs = load(layout, WIDTH_MBS)
    stride, to_cr = load(layout, LUMA_STRIDE), load(layout, TO_CR)
    base = slot * load(layout, SLOT_SIZE)
    mb_y = first_mb // width_mbs
    mb_x = first_mb - mb_y * width_mbs - 1
    known = -1  # which quantisers and slice `thresholds` is for
    for mb in range(first_mb, end_mb):
        mb_x += 1
        if mb_x == width_mbs:
            mb_x = 0
            mb_y += 1
        index = load(slice_table, mb)
        if index < 0:
            continue
        row = index * FIELDS
        disable = load(parameters, row + DISABLE_DEBLOCKING_FILTER_IDC)
        if disable == 1:
            continue
        left, top = -1, -1
        if mb_x > 0:
            left = mb - 1
            other = load(slice_table, left)
            if other < 0 or (disable == 2 and other != index):
                left = -1
        if mb_y > 0:
            top = mb - width_mbs
            other = load(slice_table, top)
            if other < 0 or (disable == 2 and other != index):
                top = -1
        state = load(states, mb)
        if state == 0:
            # nearly all macroblocks at low rates: nothing to filter inside, nor towards the others
            if left >= 0 and load(states, left) == 0 and _like(mv32, ref_picture, mb, left):
                left = -1
            if top >= 0 and load(states, top) == 0 and _like(mv32, ref_picture, mb, top):
                top = -1
            if left < 0 and top < 0:
                continue
        luma_at = base + load(layout, LUMA_OFFSET) + 16 * (mb_y * stride + mb_x)
        cb_at = base + load(layout, CB_OFFSET) + 8 * (mb_y * (stride >> 1) + mb_x)
        transform_8x8 = load(transform_size_8x8_flag, mb)
        qp_q = load(qp_y, mb)
        for number in range(8):
            direction, edge = number >> 2, number & 3
            mb_p = mb
            if edge == 0:
                mb_p = left if direction == VERTICAL else top
                if mb_p < 0:
                    continue
            elif state == 0 or (edge & 1 != 0 and transform_8x8 != 0):
                continue
            strengths = _edge_strengths(states, mv, ref_picture, mb_p, mb, direction, edge)
            if strengths == 0:
                continue
            qp_p = load(qp_y, mb_p)
            wanted = (index << 16) | (qp_p << 8) | qp_q
            if wanted != known:
                _find_thresholds(thresholds, qp_p, qp_q, parameters, row)
                known = wanted
            alpha, beta = load(thresholds, 0), load(thresholds, 1)
            across, along = (1, stride) if direction == VERTICAL else (stride, 1)
            if record != NOTHING:
                for k in range(4):
                    place = ((2 * mb + direction) * 4 + edge) * 4 + k
                    strength_record[place] = (strengths >> (8 * k)) & 255
                if record == STRENGTHS:
                    continue
                edge_kernels.luma_edge(
                    samples, luma_at + 4 * edge * across, across, along, alpha, beta, strengths,
                    load(thresholds, 2), luma_record, ((2 * mb + direction) * 4 + edge) * 16,
                )  # fmt: skip
            elif alpha != 0 and beta != 0:
                sample_kernels.luma_edge(
                    samples, luma_at + 4 * edge * across, across, along, alpha, beta, strengths,
                    load(thresholds, 2), luma_record, -1,
                )  # fmt: skip
            if edge & 1 != 0:
                continue
            across, along = (1, stride >> 1) if direction == VERTICAL else (stride >> 1, 1)
            alpha, beta = load(thresholds, 3), load(thresholds, 4)
            alpha_cr, beta_cr = load(thresholds, 6), load(thresholds, 7)
            if record != NOTHING:
                edge_kernels.chroma_edges(
                    samples, cb_at + 2 * edge * across, to_cr, across, along, alpha, beta,
                    load(thresholds, 5), alpha_cr, beta_cr, load(thresholds, 8), strengths,
                    chroma_record, ((4 * mb + direction) * 2 + (edge >> 1)) * 8, 32,
                )  # fmt: skip
            elif alpha + alpha_cr != 0 and beta + beta_cr != 0:
                sample_kernels.chroma_edges(
                    samples, cb_at + 2 * edge * across, to_cr, across, along, alpha, beta,
                    load(thresholds, 5), alpha_cr, beta_cr, load(thresholds, 8), strengths,
                    chroma_record, -1, 0,
                )  # fmt: skip


def _run(
    info: SideInformation,
    slices: SliceTable,
    samples: Array,
    slot: int,
    layout: Array,
    first_mb: int,
    end_mb: int,
    record: int,
    decisions: FilterDecisions,
) -> None:
    motion = info.motion
    mv = motion.mv.reshape(-1)
    ref_picture = motion.ref_picture.reshape(-1)
    states = np.empty(info.mbs, np.int32)
    classify(
        states,
        max(first_mb - int(layout[WIDTH_MBS]), 0),
        end_mb,
        info.slice_table,
        motion.mb_type,
        mv.view(np.int64),
        ref_picture,
        info.total_coeff.reshape(-1),
        info.transform_size_8x8_flag,
    )
    filter_macroblocks(
        samples,
        slot,
        layout,
        states,
        np.empty(9, np.int64),
        first_mb,
        end_mb,
        info.slice_table,
        mv,
        mv.view(np.int32),
        ref_picture,
        info.transform_size_8x8_flag,
        info.qp_y,
        slices.parameters.reshape(-1),
        record,
        decisions.strengths.reshape(-1),
        decisions.luma.reshape(-1),
        decisions.chroma.reshape(-1),
    )


def _decisions(mbs: int) -> FilterDecisions:
    return FilterDecisions(
        np.zeros((mbs, 2, 4, 4), np.uint8),
        np.zeros((mbs, 2, 4, 16), np.uint8),
        np.zeros((mbs, 2, 2, 2, 8), np.uint8),
    )


_NONE: Final = _decisions(0)

NO_DECISIONS: Final = tuple(
    each.reshape(-1) for each in (_NONE.strengths, _NONE.luma, _NONE.chroma)
)
"""In the places of records where nothing is recorded."""


def deblock(
    info: SideInformation,
    slices: SliceTable,
    store: FrameStore,
    slot: int,
    first_mb: int = 0,
    end_mb: int | None = None,
) -> None:
    """(#avc.8.7) Filter the macroblocks [first_mb, end_mb) of the picture in `slot`, all of them
    unless said otherwise.

    They and the macroblocks before them must have been reconstructed, and the latter filtered.
    Samples of other macroblocks than these, those to their left and those above are not touched;
    so a row of macroblocks may be filtered once intra macroblocks below it are reconstructed, which
    are predicted from it as it was before. Macroblocks that were not decoded are not filtered, nor
    the edges that they share.
    """
    end = info.mbs if end_mb is None else end_mb
    layout = layout_of(store)
    _run(info, slices, store.samples, slot, layout, first_mb, end, NOTHING, _NONE)


def deblock_and_record(
    info: SideInformation, slices: SliceTable, store: FrameStore, slot: int
) -> FilterDecisions:
    """(#avc.8.7) Filter the picture in `slot` as `deblock` does; return what was decided."""
    decisions = _decisions(info.mbs)
    _run(info, slices, store.samples, slot, layout_of(store), 0, info.mbs, DECISIONS, decisions)
    return decisions


def filter_strengths(info: SideInformation, slices: SliceTable, geometry: Geometry) -> Array:
    """(#avc.8.7.2.1) Return FilterDecisions.strengths of a picture, which need no samples."""
    strengths = _decisions(info.mbs).strengths
    samples = np.zeros(0, np.uint8)
    decisions = FilterDecisions(strengths, _NONE.luma, _NONE.chroma)
    layout = layout_of_geometry(geometry)
    _run(info, slices, samples, 0, layout, 0, info.mbs, STRENGTHS, decisions)
    return strengths
