"""The tables of CABAC (clause 9.3) that frame macroblocks of 4:2:0 pictures use, for kernels.

tables/cabac_contexts.csv: m and n by ctxIdx (Tables 9-12 to 9-33), for I slices and for
cabac_init_idc 0 to 2. tables/cabac_states.csv: rangeTabLPS (Table 9-44) and transIdxLPS (Table
9-45) by pStateIdx. Contexts of fields and of 4:4:4 are left out.

The state of a context is one number, 2 * pStateIdx + valMPS.
"""

from __future__ import annotations

import csv
from importlib.resources import files
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from refcodec.avc.scans import ZIGZAG_4X4, ZIGZAG_8X8

Table = NDArray[Any]

CONTEXTS: Final = 436
"""One past the highest ctxIdx that is used."""

# ctxIdxOffset of each syntax element (Table 9-34)
CTX_MB_TYPE_I: Final = 3
CTX_MB_SKIP_FLAG_P: Final = 11
CTX_MB_TYPE_P: Final = 14
CTX_MB_TYPE_P_INTRA: Final = 17
CTX_SUB_MB_TYPE_P: Final = 21
CTX_MB_SKIP_FLAG_B: Final = 24
CTX_MB_TYPE_B: Final = 27
CTX_MB_TYPE_B_INTRA: Final = 32
CTX_SUB_MB_TYPE_B: Final = 36
CTX_MVD_X: Final = 40
CTX_MVD_Y: Final = 47
CTX_REF_IDX: Final = 54
CTX_MB_QP_DELTA: Final = 60
CTX_INTRA_CHROMA_PRED_MODE: Final = 64
CTX_PREV_INTRA_PRED_MODE_FLAG: Final = 68
CTX_REM_INTRA_PRED_MODE: Final = 69
CTX_CODED_BLOCK_PATTERN_LUMA: Final = 73
CTX_CODED_BLOCK_PATTERN_CHROMA: Final = 77
CTX_CODED_BLOCK_FLAG: Final = 85
CTX_SIGNIFICANT_COEFF_FLAG: Final = 105
CTX_LAST_SIGNIFICANT_COEFF_FLAG: Final = 166
CTX_COEFF_ABS_LEVEL_MINUS1: Final = 227
CTX_TRANSFORM_SIZE_8X8_FLAG: Final = 399
CTX_SIGNIFICANT_COEFF_FLAG_8X8: Final = 402
CTX_LAST_SIGNIFICANT_COEFF_FLAG_8X8: Final = 417
CTX_COEFF_ABS_LEVEL_MINUS1_8X8: Final = 426

# ctxBlockCat (Table 9-42)
LUMA_16X16_DC: Final = 0
LUMA_16X16_AC: Final = 1
LUMA_4X4: Final = 2
CHROMA_DC: Final = 3
CHROMA_AC: Final = 4
LUMA_8X8: Final = 5
CATEGORIES: Final = 6


def _rows(name: str) -> Table:
    text = files("refcodec.avc").joinpath("tables", name).read_text("ascii")
    return np.array([[int(field) for field in row] for row in list(csv.reader(text.split()))[1:]])


def _initialisation() -> Table:
    table = np.zeros((4, CONTEXTS, 2), np.int32)
    for row in _rows("cabac_contexts.csv"):
        # the slice table counts I slices as a fourth cabac_init_idc
        table[3, row[0]] = row[1:3]
        table[:3, row[0]] = row[3:].reshape(3, 2)
    return table.reshape(-1)


CONTEXT_INITIALISATION: Final[Table] = _initialisation()
"""int32, m and n at 2 * (436 * cabac_init_idc + ctxIdx), cabac_init_idc 3 for I slices; 0 and 0
where a context is not used."""

_STATES = _rows("cabac_states.csv")


def _range_lps() -> Table:
    # codIRange >> 6 is 4 to 7: its highest bit moves the index by one row
    table = np.zeros(4 * 129, np.int64)
    for state in range(128):
        table[4 * (state + 1) : 4 * (state + 2)] = _STATES[state >> 1, 1:5]
    return table


RANGE_LPS: Final[Table] = _range_lps()
"""int64, codIRangeLPS at 4 * state + (codIRange >> 6)."""


def _transitions() -> Table:
    table = np.zeros(256, np.int64)
    for state in range(128):
        index, most_probable = state >> 1, state & 1
        table[state] = 2 * (index + 1 if index < 62 else index) + most_probable
        if index == 0:
            most_probable ^= 1
        table[128 + state] = 2 * _STATES[index, 5] + most_probable
    return table


TRANSITION: Final[Table] = _transitions()
"""int64, the next state at state after the most probable symbol, at 128 + state after the other."""

RENORMALISATION: Final[Table] = np.array(
    [0] + [max(0, 9 - value.bit_length()) for value in range(1, 512)], np.int64
)
"""int64, how many places RenormD shifts codIRange (9.3.3.2.2), by codIRange."""

_SIGNIFICANT_8X8 = (
    "0 1 2 3 4 5 5 4 4 3 3 4 4 4 5 5 4 4 4 4 3 3 6 7 7 7 8 9 10 9 8 7 "
    "7 6 11 12 13 11 6 7 8 9 14 10 9 8 6 11 12 13 11 6 9 14 10 9 11 12 13 11 14 10 12"
)
"""ctxIdxInc of significant_coeff_flag of frame coded 8x8 blocks by levelListIdx (Table 9-43)."""
_LAST_8X8 = [0, *[1] * 15, *[2] * 16, *[3] * 8, *[4] * 8, *[5] * 4, *[6] * 4, *[7] * 4, *[8] * 3]
"""ctxIdxInc of last_significant_coeff_flag of 8x8 blocks by levelListIdx (Table 9-43)."""

# ctxBlockCatOffset (Table 9-40) of ctxBlockCat 0 to 4
_CODED_OFFSET = (0, 4, 8, 12, 16)
_MAP_OFFSET = (0, 15, 29, 44, 47)
_LEVEL_OFFSET = (0, 10, 20, 30, 39)


def _map_contexts(offset: int, offset_8x8: int, increments_8x8: list[int]) -> Table:
    """(#avc.9.3.3.1.3) Return ctxIdx by 64 * ctxBlockCat + levelListIdx."""
    table = np.zeros((CATEGORIES, 64), np.int64)
    for category in range(LUMA_8X8):
        for index in range(15):
            # NumC8x8 is 1
            increment = min(index, 2) if category == CHROMA_DC else index
            table[category, index] = offset + _MAP_OFFSET[category] + increment
    table[LUMA_8X8, :63] = [offset_8x8 + increment for increment in increments_8x8]
    return table.reshape(-1)


SIGNIFICANT_CONTEXT: Final[Table] = _map_contexts(
    CTX_SIGNIFICANT_COEFF_FLAG,
    CTX_SIGNIFICANT_COEFF_FLAG_8X8,
    [int(increment) for increment in _SIGNIFICANT_8X8.split()],
)
"""int64, ctxIdx of significant_coeff_flag at 64 * ctxBlockCat + levelListIdx."""
LAST_CONTEXT: Final[Table] = _map_contexts(
    CTX_LAST_SIGNIFICANT_COEFF_FLAG, CTX_LAST_SIGNIFICANT_COEFF_FLAG_8X8, _LAST_8X8
)
"""int64, ctxIdx of last_significant_coeff_flag at 64 * ctxBlockCat + levelListIdx."""

CODED_CONTEXT: Final[Table] = np.array(
    [CTX_CODED_BLOCK_FLAG + offset for offset in _CODED_OFFSET], np.int64
)
"""int64, ctxIdx of coded_block_flag by ctxBlockCat 0 to 4, without ctxIdxInc."""
LEVEL_CONTEXT: Final[Table] = np.array(
    [CTX_COEFF_ABS_LEVEL_MINUS1 + offset for offset in _LEVEL_OFFSET]
    + [CTX_COEFF_ABS_LEVEL_MINUS1_8X8],
    np.int64,
)
"""int64, ctxIdx of coeff_abs_level_minus1 by ctxBlockCat, without ctxIdxInc."""

COEFFICIENTS: Final[Table] = np.array([16, 15, 16, 4, 15, 64], np.int64)
"""int64, maxNumCoeff by ctxBlockCat."""


def _positions() -> Table:
    table = np.zeros((CATEGORIES, 64), np.int64)
    table[LUMA_16X16_DC, :16] = 16 * ZIGZAG_4X4
    table[LUMA_16X16_AC, :15] = ZIGZAG_4X4[1:]
    table[LUMA_4X4, :16] = ZIGZAG_4X4
    table[CHROMA_DC, :4] = 16 * np.arange(4)
    table[CHROMA_AC, :15] = ZIGZAG_4X4[1:]
    table[LUMA_8X8] = ZIGZAG_8X8
    return table.reshape(-1)


LEVEL_POSITION: Final[Table] = _positions()
"""int64, where a level stands in SideInformation.levels, from the beginning of its block (of luma
or of its chroma component for DC), at 64 * ctxBlockCat + levelListIdx."""
