"""The deblocking of one line of samples across an edge as matrices: where it is decided what is filtered
and what is clipped, the filter is linear but for rounding.

A line is p3, p2, p1, p0, q0, q1, q2, q3. A case is a set of bits, those of decisions and those that
say what is clipped.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from refcodec.twin.linear_form import LinearForm

Array = NDArray[Any]

TAPS: Final = 8

# Decisions; the first three as deblocking.FilterDecisions of the integer decoder has them
FILTERED: Final = 1
"""filterSamplesFlag."""
P_SMOOTH: Final = 2
"""ap < beta; 0 in chroma."""
Q_SMOOTH: Final = 4
"""aq < beta; 0 in chroma."""
CLOSE: Final = 8
"""Abs(p0 - q0) < (alpha >> 2) + 2 where bS is 4; 0 in chroma."""
DECISIONS: Final = 15

# What follows from bS and from values
STRONG: Final = 16
"""bS is 4."""
DELTA_CLIPPED: Final = 32
"""delta is -tC or tC."""
P_CLIPPED: Final = 64
"""What is added to p1 is -tC0 or tC0."""
Q_CLIPPED: Final = 128

CASES: Final = 256


def line_matrix(case: int) -> Array:
    """(#avc.8.7.2.3) (#avc.8.7.2.4) Return the derivative (TAPS, TAPS) of a line after filtering by the
    line before it."""
    p3, p2, p1, p0, q0, q1, q2, q3 = (LinearForm(row) for row in np.eye(TAPS))
    p, q = [p0, p1, p2, p3], [q0, q1, q2, q3]
    if case & FILTERED and case & STRONG:
        for side, near, far, smooth in (
            (p, p, q, P_SMOOTH),
            (q, [q0, q1, q2, q3], [p0, p1], Q_SMOOTH),
        ):
            n0, n1, n2, n3, f0, f1 = *near, far[0], far[1]
            if case & smooth and case & CLOSE:
                strong = [
                    (n2 + 2 * n1 + 2 * n0 + 2 * f0 + f1 + 4) >> 3,
                    (n2 + n1 + n0 + f0 + 2) >> 2,
                    (2 * n3 + 3 * n2 + n1 + n0 + f0 + 4) >> 3,
                ]
            else:
                strong = [(2 * n1 + n0 + f1 + 2) >> 2]
            side[: len(strong)] = strong
    elif case & FILTERED:
        middle = (p0 + q0 + 1) >> 1
        if case & P_SMOOTH and not case & P_CLIPPED:
            p[1] = p1 + ((p2 + middle - 2 * p1) >> 1)
        if case & Q_SMOOTH and not case & Q_CLIPPED:
            q[1] = q1 + ((q2 + middle - 2 * q1) >> 1)
        if not case & DELTA_CLIPPED:
            delta = (4 * (q0 - p0) + (p1 - q1) + 4) >> 3
            p[0], q[0] = p0 + delta, q0 - delta
    return np.array([form.weights for form in [*reversed(p), *q]])


@cache
def line_weights() -> Array:
    """Return line_matrix of all cases, flat: float32 (CASES * TAPS * TAPS,); entries are multiples of
    1 / 8."""
    return np.array([line_matrix(case) for case in range(CASES)], np.float32).reshape(-1)
