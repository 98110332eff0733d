"""Deblocking by kernels is that by the equations of H.264 8.7."""

from __future__ import annotations

import copy

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from refcodec.avc.deblocking import deblock, deblock_and_record, filter_strengths
from refcodec.avc.plain import deblocking as plain
from tests.property.avc_pictures import CURRENT, random_case
from tests.property.examples import examples


@given(
    st.integers(0, 2**32), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3),
    st.sampled_from([1, 3, 8, 20, 256]),
)  # fmt: skip
@settings(max_examples=examples(60), deadline=None)
def test_pictures_are_filtered_as_the_equations_say(
    seed: int, width_mbs: int, height_mbs: int, slices: int, roughness: int
) -> None:
    case = random_case(seed, width_mbs, height_mbs, slices, roughness)
    at_once = copy.deepcopy(case.store)
    recording = copy.deepcopy(case.store)
    expected = copy.deepcopy(case.store)
    for first_mb in range(0, case.mbs, width_mbs):
        deblock(case.info, case.slices, case.store, CURRENT, first_mb, first_mb + width_mbs)
    plain.deblock(case.info, case.slices, expected, CURRENT)
    np.testing.assert_array_equal(case.store.samples, expected.samples)
    deblock(case.info, case.slices, at_once, CURRENT)
    np.testing.assert_array_equal(at_once.samples, expected.samples)
    decisions = deblock_and_record(case.info, case.slices, recording, CURRENT)
    np.testing.assert_array_equal(recording.samples, expected.samples)
    strengths = filter_strengths(case.info, case.slices, case.store.geometry)
    np.testing.assert_array_equal(strengths, decisions.strengths)
    parts = decisions.luma.reshape(*decisions.luma.shape[:3], 4, 4).max(-1)
    assert not (parts.astype(bool) & (decisions.strengths == 0)).any()
    for mb, direction, edge, part in np.argwhere(decisions.strengths > 0):
        x, y = (4 * edge, 4 * part) if direction == 0 else (4 * part, 4 * edge)
        p = (mb, x - 1, y) if direction == 0 else (mb, x, y - 1)
        if edge == 0:
            p = (mb - 1, 15, y) if direction == 0 else (mb - width_mbs, x, 15)
        assert decisions.strengths[mb, direction, edge, part] == plain.strength(
            case.info, p, (mb, x, y)
        )
