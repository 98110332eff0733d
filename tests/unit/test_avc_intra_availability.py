"""Prediction modes without their neighbours are refused before a sample is predicted."""

from __future__ import annotations

import pytest

from refcodec import errors
from refcodec.avc import slice_table as columns
from refcodec.avc.intra_availability import check_intra_availability
from refcodec.avc.side_information import I_4X4, I_8X8, I_16X16, I_PCM, SideInformation
from refcodec.avc.slice_table import SliceTable

VERTICAL, DC = 0, 2


@pytest.mark.parametrize(
    ("shape", "field", "value", "element"),
    [
        (I_4X4, "intra_pred_mode", VERTICAL, "rem_intra4x4_pred_mode"),
        (I_8X8, "intra_pred_mode", VERTICAL, "rem_intra8x8_pred_mode"),
        (I_16X16, "intra16x16_pred_mode", VERTICAL, "mb_type"),
        (I_16X16, "intra_chroma_pred_mode", 2, "intra_chroma_pred_mode"),
    ],
)
def test_modes_need_their_neighbours(shape: int, field: str, value: int, element: str) -> None:
    """The second of two rows of one macroblock has what is above it, the first one not."""
    for wrong in (1, 0):
        info = SideInformation.allocate(2)
        slices = SliceTable.allocate(1)
        slices.parameters[0, columns.END_MB] = 2
        info.slice_table[:] = 0
        info.motion.mb_type[:] = shape, shape
        info.intra_pred_mode[:] = info.intra16x16_pred_mode[:] = DC
        info.motion.mb_type[1 - wrong] = I_PCM
        getattr(info, field)[wrong] = value
        if wrong == 1:
            check_intra_availability(0, slices, info, 1)
            continue
        with pytest.raises(errors.CLASSES["HYP-E-AVC-02"]) as caught:
            check_intra_availability(0, slices, info, 1)
        assert caught.value.element == element
        assert "macroblock 0" in (caught.value.detail or "")
