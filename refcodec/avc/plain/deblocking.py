"""The deblocking filter of frame pictures, written from the equations of 8.7 with no thought of
speed: each sample of each edge by itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from refcodec.avc.deblocking import ALPHA, BETA, CHROMA_QP, TC0
from refcodec.avc.frame_store import FrameStore
from refcodec.avc.side_information import LAST_INTRA, SideInformation
from refcodec.avc.slice_table import (
    CHROMA_QP_INDEX_OFFSET,
    DISABLE_DEBLOCKING_FILTER_IDC,
    FILTER_OFFSET_A,
    FILTER_OFFSET_B,
    SliceTable,
)


def _clip3(low: int, high: int, x: int) -> int:
    return low if x < low else high if x > high else x


def _has_coefficients(info: SideInformation, mb: int, x: int, y: int) -> bool:
    """Whether the transform block that contains a luma sample has non-zero coefficients."""
    counts = info.total_coeff[mb, :16].reshape(4, 4)
    if info.transform_size_8x8_flag[mb]:
        top, left = y // 8 * 2, x // 8 * 2
        return bool(counts[top : top + 2, left : left + 2].any())
    return bool(counts[y // 4, x // 4])


def _motion(info: SideInformation, mb: int, x: int, y: int) -> list[tuple[int, int, int]]:
    """The (picture, vector) pairs that predict a luma sample."""
    pairs = []
    for k in range(2):
        picture = int(info.motion.ref_picture[mb, k, 2 * (y // 8) + x // 8])
        if picture >= 0:
            mv = info.motion.mv[mb, k, 4 * (y // 4) + x // 4]
            pairs.append((picture, int(mv[0]), int(mv[1])))
    return pairs


def _far(a: tuple[int, int, int], b: tuple[int, int, int]) -> bool:
    return abs(a[1] - b[1]) >= 4 or abs(a[2] - b[2]) >= 4


def strength(info: SideInformation, p: tuple[int, int, int], q: tuple[int, int, int]) -> int:
    """(#avc.8.7.2.1) bS between samples p0 and q0, each (macroblock, x, y)."""
    if info.motion.mb_type[p[0]] <= LAST_INTRA or info.motion.mb_type[q[0]] <= LAST_INTRA:
        return 4 if p[0] != q[0] else 3
    if _has_coefficients(info, *p) or _has_coefficients(info, *q):
        return 2
    motion_p, motion_q = _motion(info, *p), _motion(info, *q)
    pictures_p = sorted(m[0] for m in motion_p)
    pictures_q = sorted(m[0] for m in motion_q)
    if pictures_p != pictures_q:
        return 1
    if len(motion_p) == 1:
        return int(_far(motion_p[0], motion_q[0]))
    if pictures_p[0] != pictures_p[1]:
        return int(any(_far(a, b) for a in motion_p for b in motion_q if a[0] == b[0]))
    straight = _far(motion_p[0], motion_q[0]) or _far(motion_p[1], motion_q[1])
    crossed = _far(motion_p[0], motion_q[1]) or _far(motion_p[1], motion_q[0])
    return int(straight and crossed)


def filtered_line(
    p: list[int], q: list[int], luma: bool, bs: int, index_a: int, index_b: int
) -> tuple[list[int], list[int]]:
    """(#avc.8.7.2.2 to 8.7.2.4) The samples p0, p1, ... and q0, q1, ... of a line after filtering."""
    alpha, beta = int(ALPHA[index_a]), int(BETA[index_b])
    if not (
        bs != 0 and abs(p[0] - q[0]) < alpha and abs(p[1] - p[0]) < beta and abs(q[1] - q[0]) < beta
    ):
        return p, q
    a_p, a_q = (abs(p[2] - p[0]), abs(q[2] - q[0])) if luma else (beta, beta)
    new_p, new_q = list(p), list(q)
    if bs < 4:
        t_c0 = int(TC0[(bs - 1) * 52 + index_a])
        t_c = t_c0 + int(a_p < beta) + int(a_q < beta) if luma else t_c0 + 1
        delta = _clip3(-t_c, t_c, (((q[0] - p[0]) << 2) + (p[1] - q[1]) + 4) >> 3)
        new_p[0] = _clip3(0, 255, p[0] + delta)
        new_q[0] = _clip3(0, 255, q[0] - delta)
        if luma and a_p < beta:
            new_p[1] += _clip3(-t_c0, t_c0, (p[2] + ((p[0] + q[0] + 1) >> 1) - (p[1] << 1)) >> 1)
        if luma and a_q < beta:
            new_q[1] += _clip3(-t_c0, t_c0, (q[2] + ((p[0] + q[0] + 1) >> 1) - (q[1] << 1)) >> 1)
        return new_p, new_q
    for near, other, new, a in ((p, q, new_p, a_p), (q, p, new_q, a_q)):
        if luma and a < beta and abs(p[0] - q[0]) < ((alpha >> 2) + 2):
            new[0] = (near[2] + 2 * near[1] + 2 * near[0] + 2 * other[0] + other[1] + 4) >> 3
            new[1] = (near[2] + near[1] + near[0] + other[0] + 2) >> 2
            new[2] = (2 * near[3] + 3 * near[2] + near[1] + near[0] + other[0] + 4) >> 3
        else:
            new[0] = (2 * near[1] + near[0] + other[1] + 2) >> 2
    return new_p, new_q


def _filter_edge(
    info: SideInformation, slices: SliceTable, planes: Any, component: int, place: tuple[int, ...]
) -> None:
    """(#avc.8.7.1) Filter one edge of a component; place: macroblock, its neighbour across the edge
    or itself, mb_x, mb_y, direction, offset of the edge in samples of the component."""
    mb_q, mb_p, mb_x, mb_y, direction, offset = place
    plane = planes[component]
    size = 8 if component else 16
    parameters = slices.parameters[info.slice_table[mb_q]]
    qps = [int(info.qp_y[mb_p]), int(info.qp_y[mb_q])]
    if component:
        qp_offset = int(parameters[CHROMA_QP_INDEX_OFFSET + component - 1])
        qps = [int(CHROMA_QP[_clip3(0, 51, qp + qp_offset)]) for qp in qps]
    average = (qps[0] + qps[1] + 1) >> 1
    index_a = _clip3(0, 51, average + int(parameters[FILTER_OFFSET_A]))
    index_b = _clip3(0, 51, average + int(parameters[FILTER_OFFSET_B]))
    reach = 2 if component else 4
    scale = 16 // size
    for k in range(size):
        x, y = (offset, k) if direction == 0 else (k, offset)
        before = ((offset - 1) % size, k) if direction == 0 else (k, (offset - 1) % size)
        bs = strength(
            info, (mb_p, scale * before[0], scale * before[1]), (mb_q, scale * x, scale * y)
        )
        dx, dy = (1, 0) if direction == 0 else (0, 1)
        x, y = x + size * mb_x, y + size * mb_y
        at_p = [(y - (i + 1) * dy, x - (i + 1) * dx) for i in range(reach)]
        at_q = [(y + i * dy, x + i * dx) for i in range(reach)]
        p, q = [int(plane[a]) for a in at_p], [int(plane[a]) for a in at_q]
        new_p, new_q = filtered_line(p, q, component == 0, bs, index_a, index_b)
        for place_p, place_q, value_p, value_q in zip(at_p, at_q, new_p, new_q, strict=True):
            plane[place_p], plane[place_q] = np.uint8(value_p), np.uint8(value_q)


def deblock(info: SideInformation, slices: SliceTable, store: FrameStore, slot: int) -> None:
    """(#avc.8.7) Filter the picture in `slot`."""
    planes = store.planes(slot)
    width_mbs = store.geometry.width_mbs
    for mb in range(info.mbs):
        own = int(info.slice_table[mb])
        if own < 0:
            continue
        disable = int(slices.parameters[own, DISABLE_DEBLOCKING_FILTER_IDC])
        if disable == 1:
            continue
        mb_y, mb_x = divmod(mb, width_mbs)
        for component in range(3):
            for direction in range(2):
                neighbour = mb - 1 if direction == 0 else mb - width_mbs
                inside = mb_x > 0 if direction == 0 else mb_y > 0
                step = 4 if component or not info.transform_size_8x8_flag[mb] else 8
                for offset in range(0, 8 if component else 16, step):
                    if offset == 0:
                        if not inside or info.slice_table[neighbour] < 0:
                            continue
                        if disable == 2 and info.slice_table[neighbour] != own:
                            continue
                    across = mb if offset else neighbour
                    _filter_edge(
                        info, slices, planes, component,
                        (mb, across, mb_x, mb_y, direction, offset),
                    )  # fmt: skip
