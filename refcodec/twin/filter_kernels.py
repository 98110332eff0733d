"""The deblocking filter of a picture and its adjoint, on planes of floating-point samples.

The planes are flat and have a macroblock grid without margin. `strengths`, `luma` and `chroma` are laid
out as FilterDecisions of the integer decoder, flat; entries of the latter two are cases as
filter_weights has them, 0 where nothing is filtered.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from refcodec.avc.compilation import inlined, kernel, load
from refcodec.avc.deblocking import ALPHA, BETA, CHROMA_QP, TC0, VERTICAL
from refcodec.avc.slice_table import (
    CHROMA_QP_INDEX_OFFSET,
    FIELDS,
    FILTER_OFFSET_A,
    FILTER_OFFSET_B,
)
from refcodec.twin.components import CHROMA, LUMA
from refcodec.twin.filter_weights import (
    CLOSE,
    DECISIONS,
    DELTA_CLIPPED,
    FILTERED,
    P_CLIPPED,
    P_SMOOTH,
    Q_CLIPPED,
    Q_SMOOTH,
    STRONG,
    TAPS,
)

LUMA_RECORD: Final = 128
"""Lines of luma in a macroblock: directions, edges, samples."""
CHROMA_RECORD: Final = 64
"""Lines of Cb and Cr in a macroblock: components, directions, edges, samples."""


@inlined
def _shifted(x: Any, divisor: float, offset: float, exact: int) -> Any:
    """(x + offset) >> n where divisor is 2 ** n; without rounding x / divisor."""
    return np.floor((x + offset) / divisor) if exact != 0 else x / divisor


@inlined
def _clip1(x: Any, exact: int) -> Any:
    return min(max(x, 0.0), 255.0) if exact != 0 else x


@inlined
def _decide(plane: Any, q: int, across: int, luma: int, strong: int, alpha: int, beta: int) -> int:
    """(#avc.8.7.2.2) What is filtered of a line; q: the place of q0."""
    p0, p1 = plane[q - across], plane[q - 2 * across]
    q0, q1 = plane[q], plane[q + across]
    if abs(p0 - q0) >= alpha or abs(p1 - p0) >= beta or abs(q1 - q0) >= beta:
        return 0
    case = FILTERED
    if luma != 0:
        if abs(plane[q - 3 * across] - p0) < beta:
            case |= P_SMOOTH
        if abs(plane[q + 2 * across] - q0) < beta:
            case |= Q_SMOOTH
        if strong != 0 and abs(p0 - q0) < (alpha >> 2) + 2:
            case |= CLOSE
    return case


@inlined
def _filter_normally(
    plane: Any, q: int, across: int, luma: int, limit: int, decision: int, exact: int
) -> int:
    """(#avc.8.7.2.3) Filter a line with bS below 4. Return its case: what counts as clipped is what
    reaches its limit before it is rounded."""
    p0, p1 = plane[q - across], plane[q - 2 * across]
    q0, q1 = plane[q], plane[q + across]
    case = decision
    tc = limit + 1
    if luma != 0:
        tc = limit + (1 if decision & P_SMOOTH else 0) + (1 if decision & Q_SMOOTH else 0)
    middle = _shifted(p0 + q0, 2.0, 1.0, exact)
    unrounded = (p0 + q0) / 2.0
    if decision & P_SMOOTH:
        p2 = plane[q - 3 * across]
        if abs(p2 + unrounded - 2.0 * p1) >= 2.0 * limit:
            case |= P_CLIPPED
        change = _shifted(p2 + middle - 2.0 * p1, 2.0, 0.0, exact)
        plane[q - 2 * across] = p1 + min(max(change, float(-limit)), float(limit))
    if decision & Q_SMOOTH:
        q2 = plane[q + 2 * across]
        if abs(q2 + unrounded - 2.0 * q1) >= 2.0 * limit:
            case |= Q_CLIPPED
        change = _shifted(q2 + middle - 2.0 * q1, 2.0, 0.0, exact)
        plane[q + across] = q1 + min(max(change, float(-limit)), float(limit))
    delta = 4.0 * (q0 - p0) + (p1 - q1)
    if abs(delta) >= 8.0 * tc:
        case |= DELTA_CLIPPED
    delta = min(max(_shifted(delta, 8.0, 4.0, exact), float(-tc)), float(tc))
    plane[q - across] = _clip1(p0 + delta, exact)
    plane[q] = _clip1(q0 - delta, exact)
    return case


@inlined
def _filter_strongly(plane: Any, q: int, across: int, decision: int, exact: int) -> int:
    """(#avc.8.7.2.4) Filter a line with bS equal to 4; return its case."""
    p0, p1 = plane[q - across], plane[q - 2 * across]
    q0, q1 = plane[q], plane[q + across]
    if decision & CLOSE and decision & P_SMOOTH:
        p2, p3 = plane[q - 3 * across], plane[q - 4 * across]
        plane[q - across] = _shifted(p2 + 2.0 * (p1 + p0 + q0) + q1, 8.0, 4.0, exact)
        plane[q - 2 * across] = _shifted(p2 + p1 + p0 + q0, 4.0, 2.0, exact)
        plane[q - 3 * across] = _shifted(2.0 * p3 + 3.0 * p2 + p1 + p0 + q0, 8.0, 4.0, exact)
    else:
        plane[q - across] = _shifted(2.0 * p1 + p0 + q1, 4.0, 2.0, exact)
    if decision & CLOSE and decision & Q_SMOOTH:
        q2, q3 = plane[q + 2 * across], plane[q + 3 * across]
        plane[q] = _shifted(p1 + 2.0 * (p0 + q0 + q1) + q2, 8.0, 4.0, exact)
        plane[q + across] = _shifted(p0 + q0 + q1 + q2, 4.0, 2.0, exact)
        plane[q + 2 * across] = _shifted(2.0 * q3 + 3.0 * q2 + q1 + q0 + p0, 8.0, 4.0, exact)
    else:
        plane[q] = _shifted(2.0 * q1 + q0 + p1, 4.0, 2.0, exact)
    return decision | STRONG


@kernel
def _filter_edge(
    plane: Any, at: int, across: int, along: int, lines: int, alpha: int, beta: int, tc0: int,
    strengths: Any, strengths_at: int, given: int, exact: int, record: Any, record_at: int,
) -> None:  # fmt: skip
    """(#avc.8.7.2) Filter 16 lines of luma or 8 of chroma; write their cases to `record`, whose
    decisions hold if they are `given`. at: of q0 of the first line; tc0: a byte for each bS."""
    luma = 1 if lines == 16 else 0
    for k in range(lines):
        strength = load(strengths, strengths_at + 4 * k // lines)
        if strength == 0:
            continue
        q = at + k * along
        strong = 1 if strength == 4 else 0
        if given != 0:
            case = load(record, record_at + k) & DECISIONS
        else:
            case = _decide(plane, q, across, luma, strong, alpha, beta)
        if case != 0:
            if strong != 0:
                case = _filter_strongly(plane, q, across, case, exact)
            else:
                limit = (tc0 >> (8 * strength)) & 255
                case = _filter_normally(plane, q, across, luma, limit, case, exact)
        record[record_at + k] = case


@inlined
def _clip_index(x: int) -> int:
    return min(max(x, 0), 51)


@kernel
def filter_picture(
    y: Any, cb: Any, cr: Any, width_mbs: int, mbs: int, strengths: Any, slice_table: Any,
    parameters: Any, qp_y: Any, given: int, exact: int, luma: Any, chroma: Any, components: int,
) -> None:  # fmt: skip
    """(#avc.8.7) Filter all edges with a strength, and write the cases of their lines.

    given: 1 when `luma` and `chroma` hold the decisions, 0 when they are made from the samples and
    both arrays are 0; exact: 1 to round and clip to 0..255; components: LUMA, CHROMA or both
    """
    stride = 16 * width_mbs
    for mb in range(mbs):
        mb_y = mb // width_mbs
        mb_x = mb - mb_y * width_mbs
        row = load(slice_table, mb) * FIELDS
        for number in range(8):
            strengths_at = 4 * (8 * mb + number)
            if (
                load(strengths, strengths_at) | load(strengths, strengths_at + 1)
                | load(strengths, strengths_at + 2) | load(strengths, strengths_at + 3)
            ) == 0:  # fmt: skip
                continue
            direction, edge = number >> 2, number & 3
            mb_p = mb
            if edge == 0:
                mb_p = mb - 1 if direction == VERTICAL else mb - width_mbs
            for component in range(3):
                if components & (LUMA if component == 0 else CHROMA) == 0:
                    continue
                if component > 0 and edge & 1 != 0:
                    continue
                qp_p, qp_q = load(qp_y, mb_p), load(qp_y, mb)
                if component > 0:
                    offset = load(parameters, row + CHROMA_QP_INDEX_OFFSET + component - 1)
                    qp_p = int(CHROMA_QP[_clip_index(qp_p + offset)])
                    qp_q = int(CHROMA_QP[_clip_index(qp_q + offset)])
                qp = (qp_p + qp_q + 1) >> 1
                index_a = _clip_index(qp + load(parameters, row + FILTER_OFFSET_A))
                index_b = _clip_index(qp + load(parameters, row + FILTER_OFFSET_B))
                alpha, beta = int(ALPHA[index_a]), int(BETA[index_b])
                tc0 = 0
                for strength in range(1, 4):
                    tc0 |= int(TC0[(strength - 1) * 52 + index_a]) << (8 * strength)
                if component == 0:
                    across, along = (1, stride) if direction == VERTICAL else (stride, 1)
                    _filter_edge(
                        y, 16 * (mb_y * stride + mb_x) + 4 * edge * across, across, along, 16,
                        alpha, beta, tc0, strengths, strengths_at, given, exact, luma,
                        LUMA_RECORD * mb + 16 * number,
                    )  # fmt: skip
                    continue
                half = stride >> 1
                across, along = (1, half) if direction == VERTICAL else (half, 1)
                at = 8 * (mb_y * half + mb_x) + 2 * edge * across
                record_at = CHROMA_RECORD * mb + 32 * (component - 1) + 16 * direction + 4 * edge
                if component == 1:
                    _filter_edge(
                        cb, at, across, along, 8, alpha, beta, tc0, strengths, strengths_at, given,
                        exact, chroma, record_at,
                    )  # fmt: skip
                else:
                    _filter_edge(
                        cr, at, across, along, 8, alpha, beta, tc0, strengths, strengths_at, given,
                        exact, chroma, record_at,
                    )  # fmt: skip


@kernel
def _return_edge(
    plane: Any, at: int, across: int, along: int, lines: int, record: Any, record_at: int,
    weights: Any, line: Any,
) -> None:  # fmt: skip
    """Apply the transpose of what was done to each line of an edge."""
    reach = 4 if lines == 16 else 2
    first = 4 - reach
    for k in range(lines):
        case = load(record, record_at + k)
        if case == 0:
            continue
        begin = at + k * along - reach * across
        matrix = case * TAPS * TAPS
        for i in range(2 * reach):
            line[i] = 0.0
        for j in range(2 * reach):
            gradient = plane[begin + j * across]
            row = matrix + (first + j) * TAPS + first
            for i in range(2 * reach):
                line[i] += weights[row + i] * gradient
        for i in range(2 * reach):
            plane[begin + i * across] = line[i]


@kernel
def return_picture(
    y: Any, cb: Any, cr: Any, width_mbs: int, mbs: int, strengths: Any, luma: Any, chroma: Any,
    weights: Any, line: Any, components: int,
) -> None:  # fmt: skip
    """The adjoint of `filter_picture`, of what it did by the cases it wrote: make gradients of its
    results those of what it was given. line: (TAPS,), for work; components: LUMA, CHROMA or both."""
    stride = 16 * width_mbs
    half = stride >> 1
    for reverse in range(8 * mbs):
        edge_number = 8 * mbs - 1 - reverse
        strengths_at = 4 * edge_number
        if (
            load(strengths, strengths_at) | load(strengths, strengths_at + 1)
            | load(strengths, strengths_at + 2) | load(strengths, strengths_at + 3)
        ) == 0:  # fmt: skip
            continue
        mb, number = edge_number >> 3, edge_number & 7
        mb_y = mb // width_mbs
        mb_x = mb - mb_y * width_mbs
        direction, edge = number >> 2, number & 3
        if components & LUMA != 0:
            across, along = (1, stride) if direction == VERTICAL else (stride, 1)
            _return_edge(
                y, 16 * (mb_y * stride + mb_x) + 4 * edge * across, across, along, 16, luma,
                LUMA_RECORD * mb + 16 * number, weights, line,
            )  # fmt: skip
        if components & CHROMA == 0 or edge & 1 != 0:
            continue
        across, along = (1, half) if direction == VERTICAL else (half, 1)
        at = 8 * (mb_y * half + mb_x) + 2 * edge * across
        record_at = CHROMA_RECORD * mb + 16 * direction + 4 * edge
        _return_edge(cb, at, across, along, 8, chroma, record_at, weights, line)
        _return_edge(cr, at, across, along, 8, chroma, record_at + 32, weights, line)
