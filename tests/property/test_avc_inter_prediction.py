"""Inter prediction by kernels is that by the equations of H.264 8.4.2."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from refcodec.avc.inter_prediction import predict_inter
from refcodec.avc.plain.inter_prediction import predict_macroblock
from refcodec.avc.side_information import LAST_INTRA
from tests.property.avc_pictures import CURRENT, random_case
from tests.property.examples import examples


@given(
    st.integers(0, 2**32), st.integers(1, 6), st.integers(1, 2), st.integers(1, 3),
    st.sampled_from([2, 40, 256]),
)  # fmt: skip
@example(2, 6, 1, 1, 2)  # a run of macroblocks with implicit weights
@example(80, 6, 1, 1, 2)  # a vector of full samples that has to be clamped
@settings(max_examples=examples(60), deadline=None)
def test_macroblocks_are_predicted_as_the_equations_say(
    seed: int, width_mbs: int, height_mbs: int, slices: int, roughness: int
) -> None:
    case = random_case(seed, width_mbs, height_mbs, slices, roughness)
    before = [plane.copy() for plane in case.store.planes(CURRENT)]
    references = case.store.samples[: CURRENT * case.store.geometry.slot_size].copy()
    expected = before
    for mb in range(case.mbs):
        if case.info.slice_table[mb] < 0 or case.info.motion.mb_type[mb] <= LAST_INTRA:
            continue
        y, x = divmod(mb, width_mbs)
        for plane, block in zip(
            expected, predict_macroblock(case.info, case.slices, case.store, mb), strict=True
        ):
            size = block.shape[0]
            plane[size * y : size * (y + 1), size * x : size * (x + 1)] = block
    middle = case.mbs // 3
    predict_inter(case.info, case.slices, case.store, CURRENT, 0, middle)
    predict_inter(case.info, case.slices, case.store, CURRENT, middle, case.mbs)
    for found, plane in zip(case.store.planes(CURRENT), expected, strict=True):
        np.testing.assert_array_equal(found, plane)
    np.testing.assert_array_equal(case.store.samples[: references.size], references)
