"""Implicit weights and DistScaleFactor agree with the standard's formulas in exact fractions."""

from __future__ import annotations

from fractions import Fraction
from math import floor, trunc

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from refcodec.avc.slice_table import LIST_SIZE
from refcodec.avc.weights import UNSCALED, dist_scale_factors, implicit_weights

POC = st.integers(-300, 300) | st.integers(-(2**31), 2**31 - 1)
ENTRIES = st.lists(st.tuples(POC, st.booleans()), min_size=1, max_size=LIST_SIZE)


def clip3(low: int, high: int, value: int) -> int:
    return low if value < low else min(value, high)


def scale_factor(poc: int, poc0: int, poc1: int) -> int:
    tb = clip3(-128, 127, poc - poc0)
    td = clip3(-128, 127, poc1 - poc0)
    tx = trunc(Fraction(16384 + abs(trunc(Fraction(td, 2))), td))
    return clip3(-1024, 1023, floor(Fraction(tb * tx + 32, 64)))


@given(POC, ENTRIES, ENTRIES)
@example(4, [(0, False)], [(8, False)])
@example(5, [(0, False)], [(1, False)])  # far beyond the second picture: out of range
@example(-3, [(0, False)], [(4, False)])
@settings(deadline=None)
def test_implicit_weights(
    poc: int, list0: list[tuple[int, bool]], list1: list[tuple[int, bool]]
) -> None:
    poc0, long0 = (np.array(column) for column in zip(*list0, strict=True))
    poc1, long1 = (np.array(column) for column in zip(*list1, strict=True))
    found = implicit_weights(poc, poc0, poc1, long0, long1)
    expected = np.full((LIST_SIZE, LIST_SIZE), 32)
    for i, (first, is_long0) in enumerate(list0):
        for j, (second, is_long1) in enumerate(list1):
            if first != second and not is_long0 and not is_long1:
                weight = floor(Fraction(scale_factor(poc, first, second), 4))
                if -64 <= weight <= 128:
                    expected[i, j] = weight
    np.testing.assert_array_equal(found, expected)


@given(POC, ENTRIES, POC)
@settings(deadline=None)
def test_dist_scale_factors(poc: int, list0: list[tuple[int, bool]], poc1: int) -> None:
    poc0, long0 = (np.array(column) for column in zip(*list0, strict=True))
    found = dist_scale_factors(poc, poc0, long0, poc1)
    for i, (first, is_long) in enumerate(list0):
        unscaled = is_long or first == poc1
        assert found[i] == (UNSCALED if unscaled else scale_factor(poc, first, poc1))
    assert (found[len(list0) :] == UNSCALED).all()
