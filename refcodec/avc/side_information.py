"""What the parsed syntax of a picture says, as arrays: between parsing, derivation and
reconstruction, and the interface of tools and of the differentiable twin.

All arrays are C-contiguous and indexed by macroblock address (raster order) first. A 4x4 block of
luma is addressed by its raster position in the macroblock, b = 4 * (y // 4) + x // 4, never by the
coding order of H.264 6.4.3; an 8x8 block by q = 2 * (y // 8) + x // 8. Chroma blocks of 4x4 by
2 * (y // 4) + x // 4, Cb before Cr. Kernels get `array.reshape(-1)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# mb_type: the macroblock types of Tables 7-11, 7-13 and 7-14 by prediction shape
I_4X4: Final = 0
I_8X8: Final = 1
I_16X16: Final = 2
I_PCM: Final = 3
INTER_16X16: Final = 4
INTER_16X8: Final = 5
INTER_8X16: Final = 6
INTER_8X8: Final = 7
P_SKIP: Final = 8
B_SKIP: Final = 9
B_DIRECT_16X16: Final = 10

LAST_INTRA: Final = I_PCM

# sub_mb_type: Tables 7-17 and 7-18 by shape
SUB_8X8: Final = 0
SUB_8X4: Final = 1
SUB_4X8: Final = 2
SUB_4X4: Final = 3
SUB_DIRECT: Final = 4

LEVELS_PER_MB: Final = 384
"""256 luma, 64 Cb, 64 Cr."""

NOT_DECODED: Final = -1


@dataclass(frozen=True)
class MotionField:
    """Motion of one decoded picture; kept with it as long as it may be a colocated picture.

    mb_type: uint8 (mbs,)
    mv: int16 (mbs, 2, 16, 2), list, 4x4 block, (x, y) in quarter samples; 0 where unused
    ref_idx: int8 (mbs, 2, 4), list, 8x8 block; -1 where the list is not used
    ref_picture: int32 (mbs, 2, 4), picture id of the reference, -1 where not used
    """

    mb_type: Array
    mv: Array
    ref_idx: Array
    ref_picture: Array

    @classmethod
    def allocate(cls, mbs: int) -> MotionField:
        """Return a field for a picture of `mbs` macroblocks."""
        return cls(
            np.zeros(mbs, np.uint8),
            np.zeros((mbs, 2, 16, 2), np.int16),
            np.full((mbs, 2, 4), -1, np.int8),
            np.full((mbs, 2, 4), -1, np.int32),
        )


@dataclass(frozen=True)
class SideInformation:
    """Side information of one picture.

    Written by parsing (7.3.5):

    slice_table: int32 (mbs,), index of the slice in the picture, NOT_DECODED where there is none
    motion.mb_type, motion.ref_idx: the latter where it is parsed or inferred without derivation
    sub_mb_type: uint8 (mbs, 4), SUB_…; for every mb_type but INTER_8X8 it is SUB_8X8, for B_SKIP
        and B_DIRECT_16X16 SUB_DIRECT
    pred_flags: uint8 (mbs, 4), by 8x8 block: bit 0 predFlagL0, bit 1 predFlagL1; 0 in intra
        macroblocks; direct blocks get theirs by derivation, 0 before it
    mvd: int16 (mbs, 2, 16, 2), mvd_l0 and mvd_l1, the same value in every 4x4 block of the
        partition; 0 where not parsed
    rem_intra_pred_mode: int8 (mbs, 16), rem_intra4x4_pred_mode by 4x4 block (I_4X4) or
        rem_intra8x8_pred_mode in entries 0 to 3 by 8x8 block (I_8X8); -1 for the flag
        prev_intra…_pred_mode_flag
    intra16x16_pred_mode, intra_chroma_pred_mode: uint8 (mbs,)
    coded_block_pattern: uint8 (mbs,), CodedBlockPatternLuma + 16 * CodedBlockPatternChroma
    transform_size_8x8_flag: uint8 (mbs,)
    qp_y: int8 (mbs,), QP_Y (that of deblocking: 0 for I_PCM)
    total_coeff: uint8 (mbs, 24), non-zero transform coefficients by 4x4 block, 16 luma, 4 Cb, 4 Cr,
        DC of Intra16x16 and of chroma not counted; in a macroblock with the 8x8 transform under
        CABAC each of the four blocks has min(16, the count of its 8x8 block); 16 for I_PCM
    coded_dc: uint8 (mbs,), bit 0 Intra16x16DCLevel, bit 1 Cb DC, bit 2 Cr DC has non-zero levels;
        7 for I_PCM
    level_offset: int32 (mbs,), where the macroblock's LEVELS_PER_MB entries of `levels` begin, -1
        when all its levels are zero
    levels: int16 (mbs * LEVELS_PER_MB,), transform coefficient levels before scaling, in matrix
        positions (inverse zig-zag done: position 4 * row + column, or 8 * row + column):
        luma 4x4 block b at 16 * b; luma 8x8 block q at 64 * q; chroma block c of component k at
        256 + 64 * k + 16 * c. Intra16x16 and chroma DC levels stand at position 0 of their blocks
        (Intra16x16DCLevel inverse-scanned to the 4x4 matrix of DC, entry (i, j) at block 4i + j).
        I_PCM: the 384 samples
    levels_used: int32 (1,), entries of `levels` in use
    end_bit: int32 (mbs,), bits of slice data (after cabac_alignment_one_bit) that are read when the
        macroblock ends, by the arithmetic decoder under CABAC; so the difference to the macroblock
        before it in the slice is what the macroblock takes

    Written by derivation (8.3.1.1, 8.3.2.1, 8.4.1):

    intra_pred_mode: int8 (mbs, 16), Intra4x4PredMode by 4x4 block, or Intra8x8PredMode in entries
        0 to 3 by 8x8 block; 2 (DC) elsewhere
    motion.mv, motion.ref_idx, motion.ref_picture, pred_flags: of all inter macroblocks
    """

    mbs: int
    slice_table: Array
    motion: MotionField
    sub_mb_type: Array
    pred_flags: Array
    mvd: Array
    rem_intra_pred_mode: Array
    intra_pred_mode: Array
    intra16x16_pred_mode: Array
    intra_chroma_pred_mode: Array
    coded_block_pattern: Array
    transform_size_8x8_flag: Array
    qp_y: Array
    total_coeff: Array
    coded_dc: Array
    level_offset: Array
    levels: Array
    levels_used: Array
    end_bit: Array

    @classmethod
    def allocate(cls, mbs: int) -> SideInformation:
        """Return side information for pictures of `mbs` macroblocks, all of them NOT_DECODED."""
        return cls(
            mbs,
            np.full(mbs, NOT_DECODED, np.int32),
            MotionField.allocate(mbs),
            np.zeros((mbs, 4), np.uint8),
            np.zeros((mbs, 4), np.uint8),
            np.zeros((mbs, 2, 16, 2), np.int16),
            np.zeros((mbs, 16), np.int8),
            np.zeros((mbs, 16), np.int8),
            np.zeros(mbs, np.uint8),
            np.zeros(mbs, np.uint8),
            np.zeros(mbs, np.uint8),
            np.zeros(mbs, np.uint8),
            np.zeros(mbs, np.int8),
            np.zeros((mbs, 24), np.uint8),
            np.zeros(mbs, np.uint8),
            np.full(mbs, -1, np.int32),
            np.zeros(mbs * LEVELS_PER_MB, np.int16),
            np.zeros(1, np.int32),
            np.zeros(mbs, np.int32),
        )

    def clear(self) -> None:
        """Make ready for the next picture: no macroblock is decoded. Parsing writes every entry
        of the macroblocks that it decodes, so nothing else has to be cleared."""
        self.slice_table.fill(NOT_DECODED)
        self.levels_used[0] = 0
