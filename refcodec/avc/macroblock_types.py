"""What each mb_type and sub_mb_type number means (7.4.5, Tables 7-11, 7-13, 7-14, 7-17, 7-18).

Numbers are those of the tables, as ue(v) codes them and as the binarisation of CABAC yields them.
Tables are int64 arrays, for kernels. Prediction flags are bit 0 predFlagL0, bit 1 predFlagL1.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from refcodec.avc.side_information import (
    B_DIRECT_16X16,
    I_4X4,
    I_16X16,
    I_PCM,
    INTER_8X8,
    INTER_8X16,
    INTER_16X8,
    INTER_16X16,
    SUB_4X4,
    SUB_4X8,
    SUB_8X4,
    SUB_8X8,
    SUB_DIRECT,
)

Table = NDArray[Any]

_L0, _L1, _BI = 1, 2, 3

# Macroblock types of I slices (Table 7-11); in P and B slices they follow the inter types.
I_TYPES: Final = 26
I_NXN_TYPE: Final = 0
"""I_NxN: I_8X8 when transform_size_8x8_flag is 1, else I_4X4."""
I_PCM_TYPE: Final = 25

P_INTER_TYPES: Final = 5
"""Inter types of P slices; mb_type 5 there is I_NxN (7.4.5)."""
P_8X8_TYPE: Final = 3
P_8X8REF0_TYPE: Final = 4
"""ref_idx_l0 is not coded but 0; not allowed with CABAC, whose binarisation lacks it."""

B_INTER_TYPES: Final = 23
"""Inter types of B slices; mb_type 23 there is I_NxN (7.4.5)."""
B_DIRECT_16X16_TYPE: Final = 0
B_8X8_TYPE: Final = 22

P_SUB_TYPES: Final = 4
B_SUB_TYPES: Final = 13
B_DIRECT_8X8_TYPE: Final = 0


def _table(values: list[int]) -> Table:
    return np.array(values, np.int64)


def _by_block(shape: int, flags: tuple[int, ...]) -> list[int]:
    """Return the flags of the four 8x8 blocks from those of the partitions."""
    if shape == INTER_16X8:
        return [flags[0], flags[0], flags[1], flags[1]]
    if shape == INTER_8X16:
        return [flags[0], flags[1], flags[0], flags[1]]
    return [flags[0]] * 4


_16X16_TYPES = range(1, 25)

I_SHAPE: Final = _table([I_4X4] + [I_16X16 for _ in _16X16_TYPES] + [I_PCM])
"""mb_type of side information by mb_type of I slices; I_4X4 stands for I_NxN."""
I_16X16_PRED_MODE: Final = _table([0] + [(n - 1) % 4 for n in _16X16_TYPES] + [0])
"""Intra16x16PredMode by mb_type of I slices."""
I_CODED_BLOCK_PATTERN: Final = _table(
    [0] + [15 * ((n - 1) // 12) + 16 * ((n - 1) // 4 % 3) for n in _16X16_TYPES] + [0]
)
"""CodedBlockPatternLuma + 16 * CodedBlockPatternChroma by mb_type of I slices (I_16x16 only)."""

_P_TYPES: tuple[tuple[int, tuple[int, ...]], ...] = (
    (INTER_16X16, (_L0,)),
    (INTER_16X8, (_L0, _L0)),
    (INTER_8X16, (_L0, _L0)),
    (INTER_8X8, (0,)),
    (INTER_8X8, (0,)),
)
P_SHAPE: Final = _table([shape for shape, _ in _P_TYPES])
"""mb_type of side information by mb_type of P slices."""
P_PRED_FLAGS: Final = _table([flag for kind in _P_TYPES for flag in _by_block(*kind)])
"""Prediction flags at 4 * mb_type + 8x8 block; 0 where sub_mb_type says them."""

_TWO_PARTITIONS = (
    (_L0, _L0),
    (_L1, _L1),
    (_L0, _L1),
    (_L1, _L0),
    (_L0, _BI),
    (_L1, _BI),
    (_BI, _L0),
    (_BI, _L1),
    (_BI, _BI),
)
_B_TYPES: tuple[tuple[int, tuple[int, ...]], ...] = (
    (B_DIRECT_16X16, (0,)),
    (INTER_16X16, (_L0,)),
    (INTER_16X16, (_L1,)),
    (INTER_16X16, (_BI,)),
    *((shape, flags) for flags in _TWO_PARTITIONS for shape in (INTER_16X8, INTER_8X16)),
    (INTER_8X8, (0,)),
)
B_SHAPE: Final = _table([shape for shape, _ in _B_TYPES])
"""mb_type of side information by mb_type of B slices."""
B_PRED_FLAGS: Final = _table([flag for kind in _B_TYPES for flag in _by_block(*kind)])
"""Prediction flags at 4 * mb_type + 8x8 block; 0 for direct and where sub_mb_type says them."""

P_SUB_SHAPE: Final = _table([SUB_8X8, SUB_8X4, SUB_4X8, SUB_4X4])
"""sub_mb_type of side information by sub_mb_type of P macroblocks (Table 7-17); all use list 0."""

_B_SUB_TYPES = (
    (SUB_DIRECT, 0),
    (SUB_8X8, _L0),
    (SUB_8X8, _L1),
    (SUB_8X8, _BI),
    (SUB_8X4, _L0),
    (SUB_4X8, _L0),
    (SUB_8X4, _L1),
    (SUB_4X8, _L1),
    (SUB_8X4, _BI),
    (SUB_4X8, _BI),
    (SUB_4X4, _L0),
    (SUB_4X4, _L1),
    (SUB_4X4, _BI),
)
B_SUB_SHAPE: Final = _table([shape for shape, _ in _B_SUB_TYPES])
"""sub_mb_type of side information by sub_mb_type of B macroblocks (Table 7-18)."""
B_SUB_PRED_FLAGS: Final = _table([flags for _, flags in _B_SUB_TYPES])
"""Prediction flags by sub_mb_type of B macroblocks; 0 for direct."""
