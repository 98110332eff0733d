"""Filtering of the samples along one edge (8.7.2), one sample after the other: what the vector
functions of vector_edges.py are measured against, and what runs where they cannot.

`at` is the offset of q0 of the first sample of the edge, `across` the step from p0 to q0, `along`
the step from sample to sample of the edge. `strengths` has a byte for each quarter of the edge, the
first one lowest, `tc0` a byte with t'C0 for each bS from 0 to 3. `record` takes what was decided of
each sample, from `record_at` on, unless that is negative: bit 0 filterSamplesFlag, bit 1 ap < beta,
bit 2 aq < beta.
"""

from __future__ import annotations

from typing import Any, Final

from refcodec.avc.block_kernels import clip1
from refcodec.avc.compilation import kernel, load

FILTERED: Final = 1
P_SMOOTH: Final = 2
Q_SMOOTH: Final = 4


@kernel
def luma_edge(
    samples: Any, at: int, across: int, along: int, alpha: int, beta: int,
    strengths: int, tc0: int, record: Any, record_at: int,
) -> None:  # fmt: skip
    """(#avc.8.7.2) Filter the sixteen lines of luma samples across an edge."""
    for k in range(16):
        strength = (strengths >> (8 * (k >> 2))) & 255
        if strength == 0:
            continue
        q = at + k * along
        p0, p1 = load(samples, q - across), load(samples, q - 2 * across)
        q0, q1 = load(samples, q), load(samples, q + across)
        if abs(p0 - q0) >= alpha or abs(p1 - p0) >= beta or abs(q1 - q0) >= beta:
            continue
        p2, q2 = load(samples, q - 3 * across), load(samples, q + 2 * across)
        p_smooth, q_smooth = abs(p2 - p0) < beta, abs(q2 - q0) < beta
        if record_at >= 0:
            decision = FILTERED
            if p_smooth:
                decision |= P_SMOOTH
            if q_smooth:
                decision |= Q_SMOOTH
            record[record_at + k] = decision
        if strength < 4:
            limit = (tc0 >> (8 * strength)) & 255
            tc = limit
            middle = (p0 + q0 + 1) >> 1
            if p_smooth:
                tc += 1
                samples[q - 2 * across] = p1 + min(max((p2 + middle - 2 * p1) >> 1, -limit), limit)
            if q_smooth:
                tc += 1
                samples[q + across] = q1 + min(max((q2 + middle - 2 * q1) >> 1, -limit), limit)
            delta = min(max((4 * (q0 - p0) + (p1 - q1) + 4) >> 3, -tc), tc)
            samples[q - across] = clip1(p0 + delta)
            samples[q] = clip1(q0 - delta)
        else:
            close = abs(p0 - q0) < (alpha >> 2) + 2
            if close and p_smooth:
                p3 = load(samples, q - 4 * across)
                samples[q - across] = (p2 + 2 * p1 + 2 * p0 + 2 * q0 + q1 + 4) >> 3
                samples[q - 2 * across] = (p2 + p1 + p0 + q0 + 2) >> 2
                samples[q - 3 * across] = (2 * p3 + 3 * p2 + p1 + p0 + q0 + 4) >> 3
            else:
                samples[q - across] = (2 * p1 + p0 + q1 + 2) >> 2
            if close and q_smooth:
                q3 = load(samples, q + 3 * across)
                samples[q] = (p1 + 2 * p0 + 2 * q0 + 2 * q1 + q2 + 4) >> 3
                samples[q + across] = (p0 + q0 + q1 + q2 + 2) >> 2
                samples[q + 2 * across] = (2 * q3 + 3 * q2 + q1 + q0 + p0 + 4) >> 3
            else:
                samples[q] = (2 * q1 + q0 + p1 + 2) >> 2


@kernel
def chroma_edge(
    samples: Any, at: int, across: int, along: int, alpha: int, beta: int,
    strengths: int, tc0: int, record: Any, record_at: int,
) -> None:  # fmt: skip
    """(#avc.8.7.2) Filter the eight lines of samples of a chroma plane across an edge."""
    for k in range(8):
        strength = (strengths >> (8 * (k >> 1))) & 255
        if strength == 0:
            continue
        q = at + k * along
        p0, p1 = load(samples, q - across), load(samples, q - 2 * across)
        q0, q1 = load(samples, q), load(samples, q + across)
        if abs(p0 - q0) >= alpha or abs(p1 - p0) >= beta or abs(q1 - q0) >= beta:
            continue
        if record_at >= 0:
            record[record_at + k] = FILTERED
        if strength < 4:
            tc = ((tc0 >> (8 * strength)) & 255) + 1
            delta = min(max((4 * (q0 - p0) + (p1 - q1) + 4) >> 3, -tc), tc)
            samples[q - across] = clip1(p0 + delta)
            samples[q] = clip1(q0 - delta)
        else:
            samples[q - across] = (2 * p1 + p0 + q1 + 2) >> 2
            samples[q] = (2 * q1 + q0 + p1 + 2) >> 2


@kernel
def chroma_edges(
    samples: Any, at: int, to_cr: int, across: int, along: int, alpha_cb: int, beta_cb: int,
    tc0_cb: int, alpha_cr: int, beta_cr: int, tc0_cr: int, strengths: int,
    record: Any, record_at: int, record_to_cr: int,
) -> None:  # fmt: skip
    """(#avc.8.7.2) Filter an edge of Cb and the same one of Cr, `to_cr` samples further on."""
    chroma_edge(samples, at, across, along, alpha_cb, beta_cb, strengths, tc0_cb, record, record_at)
    if record_at >= 0:
        record_at += record_to_cr
    chroma_edge(
        samples, at + to_cr, across, along, alpha_cr, beta_cr, strengths, tc0_cr, record, record_at
    )
