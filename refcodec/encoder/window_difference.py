"""How different two windows of samples are: for one sample at a time, and for vectors of samples.

Both return the sum of absolute differences over every second row of WINDOW x WINDOW samples; those of the reference
are interpolated between four neighbours where the window lies between samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

from refcodec.vectors import Code, Value, vector_function

WINDOW = 16


@njit(cache=True, nogil=True)
def plain_window_difference(
    current: NDArray[np.uint8],
    reference: NDArray[np.uint8],
    top: int,
    left: int,
    y: int,
    x: int,
    vertical: int,
    horizontal: int,
) -> int:
    """Planes (H, W); top, left and y, x: where the windows begin; vertical, horizontal: quarters of a sample that the
    one of the reference lies farther down and right."""
    total = 0
    for i in range(0, WINDOW, 2):
        for j in range(WINDOW):
            above = (4 - horizontal) * int(reference[y + i, x + j])
            above += horizontal * int(reference[y + i, x + j + 1])
            below = (4 - horizontal) * int(reference[y + i + 1, x + j])
            below += horizontal * int(reference[y + i + 1, x + j + 1])
            value = ((4 - vertical) * above + vertical * below + 8) >> 4
            total += abs(int(current[top + i, left + j]) - value)
    return total


def _total(differences: Sequence[Value]) -> Value:
    """Return the sum of the lanes of rows of int16, as int64: no lane of all rows together overflows."""
    total, *others = differences
    for row in others:
        total = total + row
    return total.sum().widen(64)


@vector_function
def vector_difference_in_place(
    code: Code, current: Value, reference: Value, stride: Value
) -> Value:
    """The same for windows between which lie whole samples, by the addresses of their first samples in planes of one
    stride."""
    rows = []
    for _ in range(0, WINDOW, 2):
        here, there = (code.load(place, WINDOW).widen(16) for place in (current, reference))
        rows.append(here.distance(there))
        current, reference = current + (stride << 1), reference + (stride << 1)
    return _total(rows)


@vector_function
def vector_difference_between(
    code: Code,
    current: Value,
    reference: Value,
    stride: Value,
    vertical: Value,
    horizontal: Value,
) -> Value:
    """The same for any windows."""
    right, down = (each.narrow(16).spread(WINDOW) for each in (horizontal, vertical))
    four = Value(code, code.constant(right.type, 4))
    rows = []
    for _ in range(0, WINDOW, 2):
        beside = []
        for place in (reference, reference + stride):
            first, second = (code.load(place + k, WINDOW).widen(16) for k in (0, 1))
            beside.append((four - right) * first + right * second)
        there = ((four - down) * beside[0] + down * beside[1] + 8) >> 4
        rows.append(code.load(current, WINDOW).widen(16).distance(there))
        current, reference = current + (stride << 1), reference + (stride << 1)
    return _total(rows)
