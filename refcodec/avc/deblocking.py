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
from refcodec.avc.compilation import inlined, kernel
from refcodec.avc.frame_store import FrameStore
from refcodec.avc.inter_prediction import (
    CB_OFFSET,
    LUMA_OFFSET,
    LUMA_STRIDE,
    SLOT_SIZE,
    TO_CR,
    WIDTH_MBS,
    layout_of,
)
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
    SECOND_CHROMA_QP_INDEX_OFFSET,
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
def _classify(
    states: Any, first_mb: int, end_mb: int, slice_table: Any, mb_types: Any, mv64: Any,
    ref_picture: Any, total_coeff: Any, transform_size_8x8_flag: Any,
) -> None:  # fmt: skip
    """(#avc.8.7.2.1) Note of each macroblock of a range what its filter strengths depend on."""
    for mb in range(first_mb, end_mb):
        if int(slice_table[mb]) < 0:
            continue
        mb_type = int(mb_types[mb])
        if mb_type <= LAST_INTRA:
            states[mb] = INTRA
            continue
        state = 0
        if mb_type != P_SKIP and mb_type != B_SKIP:
            for block in range(16):
                if int(total_coeff[24 * mb + block]) != 0:
                    state |= 1 << block
            if state != 0 and int(transform_size_8x8_flag[mb]) != 0:
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
        first = int(mv64[base])
        different |= (first ^ (first >> 32)) & 0xFFFFFFFF
        for i in range(1, 8):
            different |= first ^ int(mv64[base + i])
        base = 8 * mb + 4 * field
        reference = int(ref_picture[base])
        for i in range(1, 4):
            different |= reference ^ int(ref_picture[base + i])
    return different == 0


@inlined
def _far(mv: Any, a: int, b: int) -> bool:
    """(#avc.8.7.2.1) Whether two vectors differ by four quarter samples or more in a component."""
    return abs(int(mv[a]) - int(mv[b])) >= 4 or abs(int(mv[a + 1]) - int(mv[b + 1])) >= 4


@kernel
def _motion_differs(
    mv: Any, ref_picture: Any, mb_p: int, block_p: int, mb_q: int, block_q: int
) -> bool:
    """(#avc.8.7.2.1) Whether two blocks have different reference pictures, or vectors that are far
    from each other; lists and indices do not matter, only the pictures."""
    p = 8 * mb_p + 2 * (block_p >> 3) + ((block_p & 3) >> 1)
    q = 8 * mb_q + 2 * (block_q >> 3) + ((block_q & 3) >> 1)
    p0, p1 = int(ref_picture[p]), int(ref_picture[p + 4])
    q0, q1 = int(ref_picture[q]), int(ref_picture[q + 4])
    at_p = 64 * mb_p + 2 * block_p
    at_q = 64 * mb_q + 2 * block_q
    straight = p0 == q0 and p1 == q1
    crossed = p0 == q1 and p1 == q0
    if straight and not _far(mv, at_p, at_q) and not _far(mv, at_p + 32, at_q + 32):
        return False
    return not (crossed and not _far(mv, at_p, at_q + 32) and not _far(mv, at_p + 32, at_q))


@kernel
def _edge_strengths(
    states: Any, mv: Any, ref_picture: Any, mb_p: int, mb_q: int, direction: int, edge: int
) -> int:
    """(#avc.8.7.2.1) The four bS of an edge of macroblock mb_q; mb_p is the one on its other side,
    mb_q itself for edges inside."""
    state_p, state_q = int(states[mb_p]), int(states[mb_q])
    either = state_p | state_q
    if either & INTRA != 0:
        return ALL_4 if mb_p != mb_q else ALL_3
    if either == 0:
        if mb_p == mb_q or not _motion_differs(mv, ref_picture, mb_p, 0, mb_q, 0):
            return 0
        return ALL_1
    strengths = 0
    for k in range(4):
        if direction == VERTICAL:
            block_q = 4 * k + edge
            block_p = block_q - 1 if mb_p == mb_q else block_q + 3
        else:
            block_q = 4 * edge + k
            block_p = block_q - 4 if mb_p == mb_q else block_q + 12
        if ((state_p >> block_p) | (state_q >> block_q)) & 1 != 0:
            strengths |= 2 << (8 * k)
        elif (mb_p != mb_q or state_q & SPLIT != 0) and _motion_differs(
            mv, ref_picture, mb_p, block_p, mb_q, block_q
        ):
            strengths |= 1 << (8 * k)
    return strengths


@inlined
def _limits(strengths: int, index_a: int) -> int:
    """(#avc.8.7.2.3) t'C0 of the four parts of an edge."""
    packed = 0
    for k in range(4):
        strength = (strengths >> (8 * k)) & 255
        if 1 <= strength <= 3:
            packed |= int(TC0[(strength - 1) * 52 + index_a]) << (8 * k)
    return packed


@inlined
def _chroma_qp(qp_y: int, offset: int) -> int:
    """(#avc.8.5.8) QPC that corresponds to QP_Y."""
    return int(CHROMA_QP[min(max(qp_y + offset, 0), 51)])


@inlined
def _index(qp_p: int, qp_q: int, offset: int) -> int:
    """(#avc.8.7.2.2) indexA or indexB."""
    return min(max(((qp_p + qp_q + 1) >> 1) + offset, 0), 51)


@kernel
def _filter_edge(
    samples: Any, luma_at: int, cb_at: int, layout: Any, mb_p: int, mb_q: int, direction: int,
    edge: int, strengths: int, qp_y: Any, parameters: Any, row: int, transform_8x8: int,
    record: int, luma_record: Any, chroma_record: Any,
) -> None:  # fmt: skip
    """(#avc.8.7.1) Filter the luma samples of an edge, and those of chroma when it is one there."""
    offset_a = int(parameters[row + FILTER_OFFSET_A])
    offset_b = int(parameters[row + FILTER_OFFSET_B])
    qp_p, qp_q = int(qp_y[mb_p]), int(qp_y[mb_q])
    stride = int(layout[LUMA_STRIDE])
    across, along = 1, stride
    if direction == HORIZONTAL:
        across, along = stride, 1
    if edge & 1 == 0 or transform_8x8 == 0:
        index_a = _index(qp_p, qp_q, offset_a)
        alpha, beta = int(ALPHA[index_a]), int(BETA[_index(qp_p, qp_q, offset_b)])
        if alpha != 0 and beta != 0:
            at = luma_at + 4 * edge * across
            tc0 = _limits(strengths, index_a)
            if record:
                edge_kernels.luma_edge(
                    samples, at, across, along, alpha, beta, strengths, tc0,
                    luma_record, ((2 * mb_q + direction) * 4 + edge) * 16,
                )  # fmt: skip
            else:
                sample_kernels.luma_edge(
                    samples, at, across, along, alpha, beta, strengths, tc0, luma_record, -1
                )
    if edge & 1 != 0:
        return
    if direction == HORIZONTAL:
        across = stride >> 1
    else:
        along = stride >> 1
    offset = int(parameters[row + CHROMA_QP_INDEX_OFFSET])
    chroma_p, chroma_q = _chroma_qp(qp_p, offset), _chroma_qp(qp_q, offset)
    index_a = _index(chroma_p, chroma_q, offset_a)
    index_b = _index(chroma_p, chroma_q, offset_b)
    offset = int(parameters[row + SECOND_CHROMA_QP_INDEX_OFFSET])
    chroma_p, chroma_q = _chroma_qp(qp_p, offset), _chroma_qp(qp_q, offset)
    cr_index_a = _index(chroma_p, chroma_q, offset_a)
    cr_index_b = _index(chroma_p, chroma_q, offset_b)
    at = cb_at + 2 * edge * across
    to_cr = int(layout[TO_CR])
    alpha, beta = int(ALPHA[index_a]), int(BETA[index_b])
    alpha_cr, beta_cr = int(ALPHA[cr_index_a]), int(BETA[cr_index_b])
    tc0, tc0_cr = _limits(strengths, index_a), _limits(strengths, cr_index_a)
    if record:
        edge_kernels.chroma_edges(
            samples, at, to_cr, across, along, alpha, beta, tc0, alpha_cr, beta_cr, tc0_cr,
            strengths, chroma_record, ((4 * mb_q + direction) * 2 + (edge >> 1)) * 8, 32,
        )  # fmt: skip
    elif (alpha != 0 and beta != 0) or (alpha_cr != 0 and beta_cr != 0):
        sample_kernels.chroma_edges(
            samples, at, to_cr, across, along, alpha, beta, tc0, alpha_cr, beta_cr, tc0_cr,
            strengths, chroma_record, -1, 0,
        )  # fmt: skip


@kernel
def _deblock(
    samples: Any, slot: int, layout: Any, states: Any, first_mb: int, end_mb: int,
    slice_table: Any, mv: Any, ref_picture: Any, transform_size_8x8_flag: Any, qp_y: Any,
    parameters: Any, record: int, strength_record: Any, luma_record: Any, chroma_record: Any,
) -> None:  # fmt: skip
    """(#avc.8.7) Filter the edges of a range of macroblocks in raster order."""
    width_mbs = int(layout[WIDTH_MBS])
    stride = int(layout[LUMA_STRIDE])
    luma_base = slot * int(layout[SLOT_SIZE]) + int(layout[LUMA_OFFSET])
    cb_base = slot * int(layout[SLOT_SIZE]) + int(layout[CB_OFFSET])
    for mb in range(first_mb, end_mb):
        index = int(slice_table[mb])
        if index < 0:
            continue
        row = index * FIELDS
        disable = int(parameters[row + DISABLE_DEBLOCKING_FILTER_IDC])
        if disable == 1:
            continue
        mb_x, mb_y = mb % width_mbs, mb // width_mbs
        luma_at = luma_base + 16 * (mb_y * stride + mb_x)
        cb_at = cb_base + 8 * (mb_y * (stride >> 1) + mb_x)
        transform_8x8 = int(transform_size_8x8_flag[mb])
        state = int(states[mb])
        for direction in range(2):
            neighbour = -1
            if direction == VERTICAL and mb_x > 0:
                neighbour = mb - 1
            elif direction == HORIZONTAL and mb_y > 0:
                neighbour = mb - width_mbs
            if neighbour >= 0:
                other = int(slice_table[neighbour])
                if other < 0 or (disable == 2 and other != index):
                    neighbour = -1
            for edge in range(4):
                mb_p = mb
                if edge == 0:
                    if neighbour < 0:
                        continue
                    mb_p = neighbour
                elif state == 0:
                    break
                elif edge & 1 != 0 and transform_8x8 != 0:
                    continue
                strengths = _edge_strengths(states, mv, ref_picture, mb_p, mb, direction, edge)
                if strengths == 0:
                    continue
                if record:
                    for k in range(4):
                        place = ((2 * mb + direction) * 4 + edge) * 4 + k
                        strength_record[place] = (strengths >> (8 * k)) & 255
                _filter_edge(
                    samples, luma_at, cb_at, layout, mb_p, mb, direction, edge, strengths,
                    qp_y, parameters, row, transform_8x8, record, luma_record, chroma_record,
                )  # fmt: skip


def _run(
    info: SideInformation,
    slices: SliceTable,
    store: FrameStore,
    slot: int,
    record: int,
    decisions: FilterDecisions,
) -> None:
    motion = info.motion
    mv = motion.mv.reshape(-1)
    ref_picture = motion.ref_picture.reshape(-1)
    states = np.empty(info.mbs, np.int32)
    _classify(
        states,
        0,
        info.mbs,
        info.slice_table,
        motion.mb_type,
        mv.view(np.int64),
        ref_picture,
        info.total_coeff.reshape(-1),
        info.transform_size_8x8_flag,
    )
    _deblock(
        store.samples,
        slot,
        layout_of(store),
        states,
        0,
        info.mbs,
        info.slice_table,
        mv,
        ref_picture,
        info.transform_size_8x8_flag,
        info.qp_y,
        slices.parameters.reshape(-1),
        record,
        decisions.strengths.reshape(-1),
        decisions.luma.reshape(-1),
        decisions.chroma.reshape(-1),
    )


_NOTHING: Final = FilterDecisions(*(np.zeros(0, np.uint8) for _ in range(3)))


def deblock(info: SideInformation, slices: SliceTable, store: FrameStore, slot: int) -> None:
    """(#avc.8.7) Filter the picture in `slot`, whose macroblocks have all been reconstructed.

    Macroblocks that were not decoded are not filtered, nor the edges that they share.
    """
    _run(info, slices, store, slot, 0, _NOTHING)


def deblock_and_record(
    info: SideInformation, slices: SliceTable, store: FrameStore, slot: int
) -> FilterDecisions:
    """(#avc.8.7) Filter the picture in `slot` as `deblock` does; return what was decided."""
    decisions = FilterDecisions(
        np.zeros((info.mbs, 2, 4, 4), np.uint8),
        np.zeros((info.mbs, 2, 4, 16), np.uint8),
        np.zeros((info.mbs, 2, 2, 2, 8), np.uint8),
    )
    _run(info, slices, store, slot, 1, decisions)
    return decisions
