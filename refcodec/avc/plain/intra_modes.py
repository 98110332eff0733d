"""Plain counterpart of the derivation of intra prediction modes (8.3.1.1, 8.3.2.1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from refcodec.avc.side_information import I_4X4, I_8X8, LAST_INTRA, SideInformation
from refcodec.avc.slice_table import CONSTRAINED_INTRA_PRED, END_MB, FIRST_MB, SliceTable

# 6.4.3: x and y of 4x4 block luma4x4BlkIdx, in blocks
_PLACE = [(2 * (i // 4 % 2) + i % 2, 2 * (i // 8) + i % 4 // 2) for i in range(16)]
_INDEX = {place: i for i, place in enumerate(_PLACE)}


def derive_intra_modes(
    index: int, slices: SliceTable, info: SideInformation, width_mbs: int
) -> NDArray[np.int8]:
    """Return `intra_pred_mode` of all macroblocks, those of slice `index` derived.

    Modes are kept as in the standard: by luma4x4BlkIdx and luma8x8BlkIdx.
    """
    parameters = slices.parameters[index]
    modes: dict[int, list[int]] = {}

    def neighbour(mb: int, x: int, y: int) -> tuple[int, int, int] | None:
        """6.4.12: macroblock address and place in it of a luma location, None: not available."""
        column, row = mb % width_mbs, mb // width_mbs
        if x < 0:
            column, x = column - 1, x + 16
        if y < 0:
            row, y = row - 1, y + 16
        address = width_mbs * row + column
        if column < 0 or row < 0 or info.slice_table[address] != index:
            return None
        return address, x, y

    def mode_of(mb: int, size: int, left: bool, x: int, y: int) -> int | None:
        """intraMxMPredModeN, None where it sets dcPredModePredictedFlag."""
        place = neighbour(mb, x, y)
        if place is None:
            return None
        address, x, y = place
        kind = int(info.motion.mb_type[address])
        if kind > LAST_INTRA and parameters[CONSTRAINED_INTRA_PRED]:
            return None
        if kind not in (I_4X4, I_8X8):
            return 2
        block4 = _INDEX[x // 4, y // 4]
        if kind == I_8X8:
            return modes[address][block4 // 4]
        if size == 8 and address != mb:
            return modes[address][block4 // 4 * 4 + (1 if left else 2)]
        return modes[address][block4]

    for mb in range(int(parameters[FIRST_MB]), int(parameters[END_MB])):
        kind = int(info.motion.mb_type[mb])
        if kind not in (I_4X4, I_8X8):
            continue
        size = 4 if kind == I_4X4 else 8
        modes[mb] = []
        for block in range(16 if size == 4 else 4):
            if size == 4:
                x, y = (4 * i for i in _PLACE[block])
                parsed = int(info.rem_intra_pred_mode[mb, y + x // 4])
            else:
                x, y = 8 * (block % 2), 8 * (block // 2)
                parsed = int(info.rem_intra_pred_mode[mb, block])
            around = (mode_of(mb, size, True, x - 1, y), mode_of(mb, size, False, x, y - 1))
            known = [mode for mode in around if mode is not None]
            predicted = min(known) if len(known) == 2 else 2
            if parsed >= 0:
                predicted = parsed + (1 if parsed >= predicted else 0)
            modes[mb].append(predicted)

    result = info.intra_pred_mode.copy()
    result[parameters[FIRST_MB] : parameters[END_MB]] = 2
    for mb, derived in modes.items():
        for block, mode in enumerate(derived):
            x, y = _PLACE[block]
            result[mb, block if len(derived) == 4 else 4 * y + x] = mode
    return result
