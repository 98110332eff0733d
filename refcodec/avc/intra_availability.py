"""Whether intra prediction has the neighbours that its modes need: a check of the bitstream that
needs no samples, so that a picture with an error is known before it is reconstructed."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from refcodec import errors
from refcodec.avc.compilation import kernel, load
from refcodec.avc.intra_prediction import (
    AVAILABILITY4X4,
    AVAILABILITY8X8,
    NEEDED,
    NEEDED_16X16,
    NEEDED_CHROMA,
    macroblock_availability,
)
from refcodec.avc.side_information import I_4X4, I_8X8, I_16X16, SideInformation
from refcodec.avc.slice_table import CONSTRAINED_INTRA_PRED, END_MB, FIRST_MB, SliceTable

Array = NDArray[Any]

_ELEMENTS = (
    "rem_intra4x4_pred_mode",
    "rem_intra8x8_pred_mode",
    "mb_type",
    "intra_chroma_pred_mode",
)


def check_intra_availability(
    index: int, slices: SliceTable, info: SideInformation, width_mbs: int
) -> None:
    """(#avc.8.3.1.2) (#avc.8.3.2.2) (#avc.8.3.3) (#avc.8.3.4) Check the macroblocks of slice
    `index`, whose prediction modes are derived.

    Raises HYP-E-AVC-02 for a mode that needs neighbours that are not available.
    """
    parameters = slices.parameters[index]
    status = _check_intra_availability(
        int(parameters[FIRST_MB]),
        int(parameters[END_MB]),
        width_mbs,
        int(parameters[CONSTRAINED_INTRA_PRED]),
        info.slice_table,
        info.motion.mb_type,
        info.intra_pred_mode.reshape(-1),
        info.intra16x16_pred_mode,
        info.intra_chroma_pred_mode,
    )
    if status >= 0:
        raise errors.error(
            "HYP-E-AVC-02",
            element=_ELEMENTS[status % 4],
            detail=f"The prediction mode of macroblock {status // 4} needs neighbours that it has not.",
        )


@kernel
def _check_intra_availability(
    first_mb: int,
    end_mb: int,
    width_mbs: int,
    constrained: int,
    slice_table: Array,
    mb_type: Array,
    intra_pred_mode: Array,
    intra16x16_pred_mode: Array,
    intra_chroma_pred_mode: Array,
) -> int:
    """Return -1, or 4 * address + place in _ELEMENTS of the first offending macroblock."""
    for mb in range(first_mb, end_mb):
        shape = load(mb_type, mb)
        if shape > I_16X16:
            continue
        available = int(macroblock_availability(mb, width_mbs, constrained, slice_table, mb_type))
        lacking = 0
        if shape == I_4X4:
            for block in range(16):
                mode = int(intra_pred_mode[16 * mb + block])
                lacking |= load(NEEDED, mode) & ~load(AVAILABILITY4X4, 16 * available + block)
        elif shape == I_8X8:
            for block in range(4):
                mode = int(intra_pred_mode[16 * mb + block])
                lacking |= load(NEEDED, mode) & ~load(AVAILABILITY8X8, 4 * available + block)
        else:
            lacking = load(NEEDED_16X16, load(intra16x16_pred_mode, mb)) & ~available
        if lacking != 0:
            return 4 * mb + shape
        if load(NEEDED_CHROMA, load(intra_chroma_pred_mode, mb)) & ~available != 0:
            return 4 * mb + 3
    return -1
