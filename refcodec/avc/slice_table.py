"""The slices of a picture as arrays that kernels can read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# Columns of SliceTable.parameters
FIRST_MB: Final = 0
END_MB: Final = 1
"""One past the last macroblock that was parsed; parsing writes it."""
SLICE_TYPE: Final = 2
"""P, B or I below."""
NUM_REF_IDX_L0: Final = 3
"""num_ref_idx_l0_active_minus1 + 1; 0 in I slices."""
NUM_REF_IDX_L1: Final = 4
CABAC_INIT_IDC: Final = 5
"""0 to 2; 3 in I slices."""
SLICE_QP: Final = 6
DIRECT_SPATIAL_MV_PRED: Final = 7
DIRECT_8X8_INFERENCE: Final = 8
TRANSFORM_8X8_MODE: Final = 9
CONSTRAINED_INTRA_PRED: Final = 10
CHROMA_QP_INDEX_OFFSET: Final = 11
"""And at 12 second_chroma_qp_index_offset."""
SECOND_CHROMA_QP_INDEX_OFFSET: Final = 12
DISABLE_DEBLOCKING_FILTER_IDC: Final = 13
FILTER_OFFSET_A: Final = 14
FILTER_OFFSET_B: Final = 15
WEIGHTED_PREDICTION: Final = 16
"""UNWEIGHTED, EXPLICIT or IMPLICIT below."""
LUMA_LOG2_WEIGHT_DENOM: Final = 17
CHROMA_LOG2_WEIGHT_DENOM: Final = 18
SCALING: Final = 19
"""Which entry of SliceTable.scaling4x4 and scaling8x8 the slice's picture parameter set has."""
CURRENT_POC: Final = 20
"""PicOrderCnt of the picture."""
COLOCATED_LONG_TERM: Final = 21
"""1 when RefPicList1[0] is a long-term picture."""
FIELDS: Final = 24

P: Final = 0
B: Final = 1
I: Final = 2  # noqa: E741 - the name of the slice type

UNWEIGHTED: Final = 0
EXPLICIT: Final = 1
IMPLICIT: Final = 2

LIST_SIZE: Final = 32


@dataclass(frozen=True)
class SliceTable:
    """The slices of one picture; the first index of each array is the slice's.

    parameters: int32 (slices, FIELDS)
    ref_slot: int32 (slices, 2, LIST_SIZE), frame slot of each entry of RefPicList0 and RefPicList1, -1 where
        none; until the picture is reconstructed, the number of its lease (frame_slots)
    ref_picture: int32 (slices, 2, LIST_SIZE), picture id, unique in the stream, -1 where none
    ref_poc: int32 (slices, 2, LIST_SIZE), PicOrderCnt
    ref_long_term: uint8 (slices, 2, LIST_SIZE)
    weights: int32 (slices, 2, LIST_SIZE, 3, 2), explicit weight and offset of Y, Cb, Cr; those
        inferred where a flag is 0 (8.4.2.3.2: weight 2 ** denominator, offset 0)
    implicit_weights: int32 (slices, LIST_SIZE, LIST_SIZE), w1 for refIdxL0, refIdxL1 (w0 = 64 - w1)
    dist_scale_factor: int32 (slices, LIST_SIZE), DistScaleFactor of temporal direct prediction by
        refIdxL0; -1024 - 1 (out of its range) when the vector is used unscaled
    scaling4x4: uint8 (sets, 6, 16), weightScale4x4 in matrix positions, Intra Y, Cb, Cr, Inter Y,
        Cb, Cr; scaling8x8: uint8 (sets, 2, 64), Intra Y, Inter Y
    """

    parameters: Array
    ref_slot: Array
    ref_picture: Array
    ref_poc: Array
    ref_long_term: Array
    weights: Array
    implicit_weights: Array
    dist_scale_factor: Array
    scaling4x4: Array
    scaling8x8: Array

    @classmethod
    def allocate(cls, slices: int, sets: int = 1) -> SliceTable:
        """Return a table for up to `slices` slices with `sets` different scaling matrices."""
        return cls(
            np.zeros((slices, FIELDS), np.int32),
            np.full((slices, 2, LIST_SIZE), -1, np.int32),
            np.full((slices, 2, LIST_SIZE), -1, np.int32),
            np.zeros((slices, 2, LIST_SIZE), np.int32),
            np.zeros((slices, 2, LIST_SIZE), np.uint8),
            np.zeros((slices, 2, LIST_SIZE, 3, 2), np.int32),
            np.full((slices, LIST_SIZE, LIST_SIZE), 32, np.int32),
            np.zeros((slices, LIST_SIZE), np.int32),
            np.full((sets, 6, 16), 16, np.uint8),
            np.full((sets, 2, 64), 16, np.uint8),
        )
