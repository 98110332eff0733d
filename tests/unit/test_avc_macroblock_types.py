"""The tables of macroblock types and scans against entries read from the standard."""

from __future__ import annotations

import numpy as np

from refcodec.avc import macroblock_types as types
from refcodec.avc import scans
from refcodec.avc import side_information as si


def test_intra_16x16_types_count_mode_then_chroma_then_luma() -> None:
    # I_16x16_<mode>_<chroma>_<luma> of Table 7-11
    expected = {1: (0, 0, 0), 4: (3, 0, 0), 7: (2, 1, 0), 12: (3, 2, 0), 13: (0, 0, 15)}
    expected |= {18: (1, 1, 15), 24: (3, 2, 15)}
    for number, (mode, chroma, luma) in expected.items():
        assert types.I_SHAPE[number] == si.I_16X16
        assert types.I_16X16_PRED_MODE[number] == mode
        assert types.I_CODED_BLOCK_PATTERN[number] == luma + 16 * chroma
    assert types.I_SHAPE[types.I_NXN_TYPE] == si.I_4X4
    assert types.I_SHAPE[types.I_PCM_TYPE] == si.I_PCM
    assert len(types.I_SHAPE) == types.I_TYPES


def test_inter_types_name_their_lists() -> None:
    def flags(number: int) -> list[int]:
        return [int(f) for f in types.B_PRED_FLAGS[4 * number : 4 * number + 4]]

    assert len(types.P_SHAPE) == types.P_INTER_TYPES
    assert len(types.P_PRED_FLAGS) == 4 * types.P_INTER_TYPES
    assert len(types.B_SHAPE) == types.B_INTER_TYPES
    assert len(types.B_PRED_FLAGS) == 4 * types.B_INTER_TYPES
    assert types.B_SHAPE[types.B_DIRECT_16X16_TYPE] == si.B_DIRECT_16X16
    assert flags(3) == [3, 3, 3, 3]  # B_Bi_16x16
    assert (types.B_SHAPE[8], flags(8)) == (si.INTER_16X8, [1, 1, 2, 2])  # B_L0_L1_16x8
    assert (types.B_SHAPE[11], flags(11)) == (si.INTER_8X16, [2, 1, 2, 1])  # B_L1_L0_8x16
    assert (types.B_SHAPE[14], flags(14)) == (si.INTER_16X8, [2, 2, 3, 3])  # B_L1_Bi_16x8
    assert (types.B_SHAPE[17], flags(17)) == (si.INTER_8X16, [3, 1, 3, 1])  # B_Bi_L0_8x16
    assert (types.B_SHAPE[21], flags(21)) == (si.INTER_8X16, [3, 3, 3, 3])  # B_Bi_Bi_8x16
    assert types.B_SHAPE[types.B_8X8_TYPE] == si.INTER_8X8


def test_sub_macroblock_types() -> None:
    assert len(types.P_SUB_SHAPE) == types.P_SUB_TYPES
    assert len(types.B_SUB_SHAPE) == len(types.B_SUB_PRED_FLAGS) == types.B_SUB_TYPES
    assert types.B_SUB_SHAPE[types.B_DIRECT_8X8_TYPE] == si.SUB_DIRECT
    assert (types.B_SUB_SHAPE[7], types.B_SUB_PRED_FLAGS[7]) == (si.SUB_4X8, 2)  # B_L1_4x8
    assert (types.B_SUB_SHAPE[8], types.B_SUB_PRED_FLAGS[8]) == (si.SUB_8X4, 3)  # B_Bi_8x4


def test_zigzag_of_figures_6_10_and_8_8() -> None:
    assert scans.ZIGZAG_4X4.tolist() == [0, 1, 4, 8, 5, 2, 3, 6, 9, 12, 13, 10, 7, 11, 14, 15]
    assert scans.ZIGZAG_8X8.tolist()[:10] == [0, 1, 8, 16, 9, 2, 3, 10, 17, 24]
    assert scans.ZIGZAG_8X8.tolist()[-4:] == [47, 55, 62, 63]
    assert sorted(scans.ZIGZAG_8X8.tolist()) == list(range(64))
    order = scans.LUMA_4X4_BLOCK
    assert order.tolist() == [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15]
    assert np.array_equal(order[order], np.arange(16))
