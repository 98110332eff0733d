"""Intra4x4PredMode and Intra8x8PredMode from what was parsed (8.3.1.1, 8.3.2.1)."""

from __future__ import annotations

from typing import Any, Final

from numpy.typing import NDArray

from refcodec.avc.compilation import inlined, kernel, load, store
from refcodec.avc.side_information import B_DIRECT_16X16, I_4X4, I_8X8, LAST_INTRA, SideInformation
from refcodec.avc.slice_table import CONSTRAINED_INTRA_PRED, END_MB, FIRST_MB, SliceTable

Array = NDArray[Any]

DC: Final = 2
"""Intra_4x4_DC and Intra_8x8_DC."""
_DC_PREDICTED: Final = -1
"""Stands for the mode of a neighbour that sets dcPredModePredictedFlag."""


def derive_intra_modes(
    index: int, slices: SliceTable, info: SideInformation, width_mbs: int
) -> None:
    """(#avc.8.3.1.1, #avc.8.3.2.1) Write `info.intra_pred_mode` of the macroblocks of slice `index`.

    `width_mbs` is PicWidthInMbs. The slice must have been parsed.
    """
    parameters = slices.parameters[index]
    _derive_intra_modes(
        info.motion.mb_type,
        info.rem_intra_pred_mode.reshape(-1),
        info.intra_pred_mode.reshape(-1),
        int(parameters[FIRST_MB]),
        int(parameters[END_MB]),
        width_mbs,
        int(parameters[CONSTRAINED_INTRA_PRED]),
    )


@inlined
def _mode(predicted_a: int, predicted_b: int, remaining: int) -> int:
    """(#avc.8.3.1.1) Return the mode for those of the neighbours and what was parsed."""
    if predicted_a == _DC_PREDICTED or predicted_b == _DC_PREDICTED:
        predicted = DC
    else:
        predicted = min(predicted_a, predicted_b)
    if remaining < 0:
        return predicted
    return remaining if remaining < predicted else remaining + 1


@kernel
def _derive_intra_modes(
    mb_type: Array,
    rem_intra_pred_mode: Array,
    intra_pred_mode: Array,
    first_mb: int,
    end_mb: int,
    width_mbs: int,
    constrained_intra_pred: int,
) -> None:
    """A macroblock of the slice is available when it is not before the slice's first one. All
    macroblocks that are neither I_4X4 nor I_8X8 have mode DC in every entry, which is the mode
    that they stand for as neighbours."""
    if first_mb < 0 or width_mbs < 1:
        return  # never, but now no index is negative, and none is tested for it
    for i in range(16 * first_mb, 16 * end_mb):
        store(intra_pred_mode, i, DC)
    # What is inter coded does not count where intra prediction is constrained.
    last_shape = B_DIRECT_16X16 if constrained_intra_pred == 0 else LAST_INTRA
    for mb in range(first_mb, end_mb):
        shape = load(mb_type, mb)
        if shape > I_8X8:
            continue
        a = mb - 1
        if a < first_mb or mb % width_mbs == 0 or int(mb_type[a]) > last_shape:
            a = -1
        b = mb - width_mbs
        if b < first_mb or int(mb_type[b]) > last_shape:
            b = -1
        a_is_8x8 = a >= 0 and int(mb_type[a]) == I_8X8
        b_is_8x8 = b >= 0 and int(mb_type[b]) == I_8X8
        base = 16 * mb
        if shape == I_4X4:
            for block in range(16):
                x = block & 3
                y = block >> 2
                if x > 0:
                    mode_a = int(intra_pred_mode[base + block - 1])
                elif a < 0:
                    mode_a = _DC_PREDICTED
                elif a_is_8x8:
                    mode_a = int(intra_pred_mode[16 * a + 2 * (y >> 1) + 1])
                else:
                    mode_a = int(intra_pred_mode[16 * a + 4 * y + 3])
                if y > 0:
                    mode_b = int(intra_pred_mode[base + block - 4])
                elif b < 0:
                    mode_b = _DC_PREDICTED
                elif b_is_8x8:
                    mode_b = int(intra_pred_mode[16 * b + 2 + (x >> 1)])
                else:
                    mode_b = int(intra_pred_mode[16 * b + 12 + x])
                remaining = int(rem_intra_pred_mode[base + block])
                intra_pred_mode[base + block] = _mode(mode_a, mode_b, remaining)
        else:
            for block in range(4):
                x = block & 1
                y = block >> 1
                # Of an 8x8 block with four modes, the block to the right at the top speaks for
                # it to the right (n = 1), and the left one at the bottom downwards (n = 2).
                if x > 0:
                    mode_a = int(intra_pred_mode[base + block - 1])
                elif a < 0:
                    mode_a = _DC_PREDICTED
                elif a_is_8x8:
                    mode_a = int(intra_pred_mode[16 * a + 2 * y + 1])
                else:
                    mode_a = int(intra_pred_mode[16 * a + 8 * y + 3])
                if y > 0:
                    mode_b = int(intra_pred_mode[base + block - 2])
                elif b < 0:
                    mode_b = _DC_PREDICTED
                elif b_is_8x8:
                    mode_b = int(intra_pred_mode[16 * b + 2 + x])
                else:
                    mode_b = int(intra_pred_mode[16 * b + 12 + 2 * x])
                remaining = int(rem_intra_pred_mode[base + block])
                intra_pred_mode[base + block] = _mode(mode_a, mode_b, remaining)
