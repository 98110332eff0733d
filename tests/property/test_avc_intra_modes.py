"""The derivation of intra prediction modes agrees with its plain counterpart, compiled and as plain Python."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refcodec.avc import intra_modes
from refcodec.avc.intra_modes import derive_intra_modes
from refcodec.avc.plain import intra_modes as plain
from refcodec.avc.side_information import (
    I_4X4,
    I_8X8,
    I_16X16,
    I_PCM,
    INTER_16X16,
    P_SKIP,
    SideInformation,
)
from refcodec.avc.slice_table import CONSTRAINED_INTRA_PRED, END_MB, FIRST_MB, SliceTable
from tests.property.examples import examples


@st.composite
def parsed_pictures(draw: st.DrawFn) -> tuple[SliceTable, SideInformation, int, int]:
    width_mbs = draw(st.integers(1, 5))
    mbs = width_mbs * draw(st.integers(1, 5))
    cuts = draw(st.sets(st.integers(1, max(1, mbs - 1)), max_size=3))
    starts = sorted({0, *(cut for cut in cuts if cut < mbs)})
    shapes = draw(
        st.lists(
            st.sampled_from([I_4X4, I_8X8, I_4X4, I_8X8, I_16X16, I_PCM, INTER_16X16, P_SKIP]),
            min_size=mbs,
            max_size=mbs,
        )
    )
    constrained = draw(st.booleans())
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    slices = SliceTable.allocate(len(starts))
    info = SideInformation.allocate(mbs)
    info.intra_pred_mode[:] = 7  # what an earlier picture left behind
    info.motion.mb_type[:] = shapes
    info.rem_intra_pred_mode[:] = rng.integers(-1, 8, (mbs, 16))
    for index, (first, end) in enumerate(zip(starts, [*starts[1:], mbs], strict=True)):
        slices.parameters[index, [FIRST_MB, END_MB]] = first, end
        slices.parameters[index, CONSTRAINED_INTRA_PRED] = constrained
        info.slice_table[first:end] = index
    return slices, info, width_mbs, len(starts)


def assert_agrees(picture: tuple[SliceTable, SideInformation, int, int]) -> None:
    slices, info, width_mbs, count = picture
    for index in range(count):
        expected = plain.derive_intra_modes(index, slices, info, width_mbs)
        derive_intra_modes(index, slices, info, width_mbs)
        np.testing.assert_array_equal(info.intra_pred_mode, expected)
    assert info.intra_pred_mode.min() >= 0
    assert info.intra_pred_mode.max() <= 8


@given(parsed_pictures())
@settings(max_examples=examples(200), deadline=None)
def test_derivation_agrees_with_the_plain_counterpart(
    picture: tuple[SliceTable, SideInformation, int, int],
) -> None:
    assert_agrees(picture)


@given(parsed_pictures())
@settings(max_examples=examples(40), deadline=None)
def test_kernel_means_the_same_as_plain_python(
    picture: tuple[SliceTable, SideInformation, int, int],
) -> None:
    compiled = intra_modes._derive_intra_modes
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intra_modes, "_derive_intra_modes", getattr(compiled, "py_func", compiled))
        assert_agrees(picture)
