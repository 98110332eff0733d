"""Slice data in CABAC (7.3.4, 7.3.5): from the bytes of a slice to side information."""

from __future__ import annotations

from typing import Any, Final

from numpy.typing import NDArray

from refcodec import errors
from refcodec.avc import cabac_syntax_elements as element
from refcodec.avc.cabac_engine import (
    ERROR_MB,
    ERROR_VALUE,
    PARAMETERS,
    STOP_BIT,
    bits_read,
    decode_decision,
    decode_terminate,
    initialise_contexts,
    initialise_engine,
    new_state,
    slice_byte,
)
from refcodec.avc.cabac_residual import INTRA, INTRA_16X16, TRANSFORM_8X8, residual
from refcodec.avc.cabac_tables import (
    CTX_MB_SKIP_FLAG_B,
    CTX_MB_SKIP_FLAG_P,
    CTX_MVD_X,
    CTX_MVD_Y,
    CTX_TRANSFORM_SIZE_8X8_FLAG,
)
from refcodec.avc.compilation import inlined, kernel, load, store
from refcodec.avc.macroblock_types import (
    B_INTER_TYPES,
    B_PRED_FLAGS,
    B_SHAPE,
    B_SUB_PRED_FLAGS,
    B_SUB_SHAPE,
    I_16X16_PRED_MODE,
    I_CODED_BLOCK_PATTERN,
    I_SHAPE,
    P_INTER_TYPES,
    P_PRED_FLAGS,
    P_SHAPE,
    P_SUB_SHAPE,
)
from refcodec.avc.scans import LUMA_4X4_BLOCK
from refcodec.avc.side_information import (
    B_DIRECT_16X16,
    B_SKIP,
    I_4X4,
    I_8X8,
    I_16X16,
    I_PCM,
    INTER_8X8,
    INTER_8X16,
    INTER_16X8,
    INTER_16X16,
    LAST_INTRA,
    LEVELS_PER_MB,
    NOT_DECODED,
    P_SKIP,
    SUB_4X4,
    SUB_4X8,
    SUB_8X4,
    SUB_8X8,
    SUB_DIRECT,
    SideInformation,
)
from refcodec.avc.slice_table import (
    CABAC_INIT_IDC,
    DIRECT_8X8_INFERENCE,
    END_MB,
    FIRST_MB,
    NUM_REF_IDX_L0,
    NUM_REF_IDX_L1,
    SLICE_QP,
    SLICE_TYPE,
    TRANSFORM_8X8_MODE,
    B,
    I,
    SliceTable,
)

Array = NDArray[Any]

# What a kernel returns
OK: Final = 0
REF_IDX_L0: Final = 1
REF_IDX_L1: Final = 2
MVD_L0: Final = 3
MVD_L1: Final = 4
QP_DELTA: Final = 5
LEVEL: Final = 6
TRUNCATED: Final = 7
EXCESS: Final = 8
NOT_FREE: Final = 9

_INVALID: Final = "HYP-E-AVC-02"
_ERRORS: Final[dict[int, tuple[str, str]]] = {
    REF_IDX_L0: (_INVALID, "ref_idx_l0"),
    REF_IDX_L1: (_INVALID, "ref_idx_l1"),
    MVD_L0: (_INVALID, "mvd_l0"),
    MVD_L1: (_INVALID, "mvd_l1"),
    QP_DELTA: (_INVALID, "mb_qp_delta"),
    LEVEL: (_INVALID, "coeff_abs_level_minus1"),
    TRUNCATED: ("HYP-E-AVC-03", "end_of_slice_flag"),
    EXCESS: ("HYP-E-AVC-04", "end_of_slice_flag"),
    NOT_FREE: ("HYP-E-AVC-05", "end_of_slice_flag"),
}
_WITH_VALUE: Final = (REF_IDX_L0, REF_IDX_L1, LEVEL)

_CLEARED: Final = 16
"""Macroblocks that are made ready at a time."""
_I_PCM_PATTERN: Final = 15 + 32
_I_PCM_DC: Final = 7
_NO_PATTERN: Final = 15
"""Stands for the coded_block_pattern of a macroblock that is not available (9.3.3.1.1.4)."""


def parse_slice_data(
    rbsp: Array,
    bit_offset: int,
    index: int,
    slices: SliceTable,
    info: SideInformation,
    width_mbs: int,
) -> None:
    """(#avc.7.3.4) Parse the slice data of a slice with entropy_coding_mode_flag 1.

    rbsp: uint8 (bytes,), that of the slice NAL unit; bit_offset: where slice_data() begins in it;
    index: the slice's in `slices`; width_mbs: PicWidthInMbs. Writes what SideInformation lists as
    written by parsing, for the macroblocks from FIRST_MB on, and END_MB.

    Raises HYP-E-AVC-02 for values out of range, -03 when the data end too early, -04 when they go
    on after the last macroblock, -05 when a macroblock is there already or not in the picture. The
    macroblocks before END_MB are whole then.
    """
    parameters = slices.parameters[index]
    start = (bit_offset + 7) >> 3
    data = rbsp[start:].tobytes().rstrip(b"\0")
    parameters[END_MB] = parameters[FIRST_MB]
    alignment = -bit_offset & 7
    if not data:
        raise errors.error(
            "HYP-E-AVC-03", bit_offset=8 * len(rbsp), element="cabac_alignment_one_bit"
        )
    ones = (1 << alignment) - 1
    if alignment and int(rbsp[start - 1]) & ones != ones:
        raise errors.error(
            _INVALID, bit_offset=bit_offset, element="cabac_alignment_one_bit", value=0, allowed=1
        )
    cabac = new_state(data, parameters)
    motion = info.motion
    status = slice_data(
        cabac,
        index,
        width_mbs,
        info.slice_table,
        motion.mb_type,
        motion.ref_idx.reshape(-1),
        info.sub_mb_type.reshape(-1),
        info.pred_flags.reshape(-1),
        info.mvd.reshape(-1),
        info.rem_intra_pred_mode.reshape(-1),
        info.intra16x16_pred_mode,
        info.intra_chroma_pred_mode,
        info.coded_block_pattern,
        info.transform_size_8x8_flag,
        info.qp_y,
        info.total_coeff.reshape(-1),
        info.coded_dc,
        info.level_offset,
        info.levels,
        info.levels_used,
        info.end_bit,
    )
    parameters[END_MB] = cabac[PARAMETERS + END_MB]
    if status != OK:
        identifier, name = _ERRORS[status]
        raise errors.error(
            identifier,
            bit_offset=8 * start + min(bits_read(cabac), 8 * len(data)),
            element=name,
            value=load(cabac, ERROR_VALUE) if status in _WITH_VALUE else None,
            detail=f"Macroblock {load(cabac, ERROR_MB)}.",
        )


@kernel
def slice_data(
    cabac: Any,
    index: int,
    width_mbs: int,
    slice_table: Any,
    mb_type: Any,
    ref_idx: Any,
    sub_mb_type: Any,
    pred_flags: Any,
    mvd: Any,
    rem_intra_pred_mode: Any,
    intra16x16_pred_mode: Any,
    intra_chroma_pred_mode: Any,
    coded_block_pattern: Any,
    transform_size_8x8_flag: Any,
    qp_y: Any,
    total_coeff: Any,
    coded_dc: Any,
    level_offset: Any,
    levels: Any,
    levels_used: Any,
    end_bit: Any,
) -> int:
    """(#avc.7.3.4) slice_data: return OK or what is wrong. Arrays are those of SideInformation with
    one dimension."""
    slice_type = load(cabac, PARAMETERS + SLICE_TYPE)
    skip_context = CTX_MB_SKIP_FLAG_B if slice_type == B else CTX_MB_SKIP_FLAG_P
    skip_type = B_SKIP if slice_type == B else P_SKIP
    qp = load(cabac, PARAMETERS + SLICE_QP)
    initialise_contexts(cabac, load(cabac, PARAMETERS + CABAC_INIT_IDC), qp)
    initialise_engine(cabac, 0)
    mb = load(cabac, PARAMETERS + FIRST_MB)
    # whether mb_qp_delta of the previous macroblock in the slice is not 0
    qp_changed = 0
    column = mb % width_mbs
    cleared = mb
    end_of_slice_flag = 0
    while end_of_slice_flag == 0:
        cabac[ERROR_MB] = mb
        used = load(levels_used, 0)
        if mb < 0 or mb >= slice_table.size or load(slice_table, mb) != NOT_DECODED:
            return NOT_FREE
        left = mb - 1
        if column == 0 or load(slice_table, left) != index:
            left = -1
        column += 1
        if column == width_mbs:
            column = 0
        top = mb - width_mbs
        if top < 0 or load(slice_table, top) != index:
            top = -1

        if mb == cleared:
            cleared = _clear(
                mb,
                slice_table,
                ref_idx,
                sub_mb_type,
                pred_flags,
                mvd,
                rem_intra_pred_mode,
                intra16x16_pred_mode,
                intra_chroma_pred_mode,
                coded_block_pattern,
                transform_size_8x8_flag,
                total_coeff,
                coded_dc,
                level_offset,
            )

        mb_skip_flag = 0
        if slice_type != I:
            # (#avc.9.3.3.1.1.1)
            context = skip_context
            if left >= 0 and load(mb_type, left) != skip_type:
                context += 1
            if top >= 0 and load(mb_type, top) != skip_type:
                context += 1
            mb_skip_flag = decode_decision(cabac, context)
        if mb_skip_flag:
            store(mb_type, mb, skip_type)
            store(qp_y, mb, qp)
            qp_changed = 0
            if slice_type == B:
                for quarter in range(4):
                    store(sub_mb_type, 4 * mb + quarter, SUB_DIRECT)
            else:
                for quarter in range(4):
                    store(pred_flags, 4 * mb + quarter, 1)
                    store(ref_idx, 8 * mb + quarter, 0)
        else:
            status = macroblock_layer(
                cabac,
                mb,
                left,
                top,
                qp,
                qp_changed,
                mb_type,
                ref_idx,
                sub_mb_type,
                pred_flags,
                mvd,
                rem_intra_pred_mode,
                intra16x16_pred_mode,
                intra_chroma_pred_mode,
                coded_block_pattern,
                transform_size_8x8_flag,
                qp_y,
                total_coeff,
                coded_dc,
                level_offset,
                levels,
                levels_used,
            )
            if status < 0:
                return -status
            qp_changed = status >> 6
            qp = status & 63
        end_of_slice_flag = decode_terminate(cabac)
        read = bits_read(cabac)
        if read > load(cabac, STOP_BIT) + 1:
            # the macroblock may come again in another slice
            levels_used[0] = used
            return TRUNCATED
        store(slice_table, mb, index)
        store(end_bit, mb, read)
        mb += 1
        cabac[PARAMETERS + END_MB] = mb
    # The last bit that was read is rbsp_stop_one_bit. x264 marks pictures with a bit of its own among
    # the rbsp_alignment_zero_bit after it, so these are not looked at.
    last = bits_read(cabac) - 1
    if last >> 3 != load(cabac, STOP_BIT) >> 3:
        return EXCESS
    if (slice_byte(cabac, last >> 3) >> (7 - (last & 7))) & 1 == 0:
        return EXCESS
    return OK


@kernel
def _clear(
    first: int,
    slice_table: Any,
    ref_idx: Any,
    sub_mb_type: Any,
    pred_flags: Any,
    mvd: Any,
    rem_intra_pred_mode: Any,
    intra16x16_pred_mode: Any,
    intra_chroma_pred_mode: Any,
    coded_block_pattern: Any,
    transform_size_8x8_flag: Any,
    total_coeff: Any,
    coded_dc: Any,
    level_offset: Any,
) -> int:
    """Make the entries of some macroblocks from `first` on those of a macroblock without any syntax
    element, and return the address after them. They end before one that is decoded."""
    end = first + 1
    while end < slice_table.size and end < first + _CLEARED and slice_table[end] == NOT_DECODED:
        end += 1
    for entry in range(4 * first, 4 * end):
        store(sub_mb_type, entry, SUB_8X8)
    for entry in range(4 * first, 4 * end):
        store(pred_flags, entry, 0)
    for entry in range(8 * first, 8 * end):
        store(ref_idx, entry, -1)
    for entry in range(64 * first, 64 * end):
        store(mvd, entry, 0)
    for entry in range(16 * first, 16 * end):
        store(rem_intra_pred_mode, entry, -1)
    for entry in range(24 * first, 24 * end):
        store(total_coeff, entry, 0)
    for entry in range(first, end):
        store(intra16x16_pred_mode, entry, 0)
    for entry in range(first, end):
        store(intra_chroma_pred_mode, entry, 0)
    for entry in range(first, end):
        store(coded_block_pattern, entry, 0)
    for entry in range(first, end):
        store(transform_size_8x8_flag, entry, 0)
    for entry in range(first, end):
        store(coded_dc, entry, 0)
    for entry in range(first, end):
        store(level_offset, entry, -1)
    return end


@kernel
def macroblock_layer(
    cabac: Any,
    mb: int,
    left: int,
    top: int,
    qp: int,
    qp_changed: int,
    mb_type: Any,
    ref_idx: Any,
    sub_mb_type: Any,
    pred_flags: Any,
    mvd: Any,
    rem_intra_pred_mode: Any,
    intra16x16_pred_mode: Any,
    intra_chroma_pred_mode: Any,
    coded_block_pattern: Any,
    transform_size_8x8_flag: Any,
    qp_y: Any,
    total_coeff: Any,
    coded_dc: Any,
    level_offset: Any,
    levels: Any,
    levels_used: Any,
) -> int:
    """(#avc.7.3.5) macroblock_layer: return QP_Y, plus 64 when mb_qp_delta is not 0, or minus what
    is wrong.

    left, top: addresses of mbAddrA and mbAddrB, -1 where not available; qp: QP_Y,PRED. The
    macroblock's entries are those of one without any syntax element.
    """
    slice_type = load(cabac, PARAMETERS + SLICE_TYPE)
    first = load(levels_used, 0)
    pattern = 0

    # mb_type; `intra_type` counts as in I slices
    intra_type = 0
    shape = 0
    if slice_type == I:
        # (#avc.9.3.3.1.1.3)
        increment = 0
        if left >= 0 and load(mb_type, left) > I_8X8:
            increment += 1
        if top >= 0 and load(mb_type, top) > I_8X8:
            increment += 1
        intra_type = element.intra_mb_type(cabac, increment)
    elif slice_type == B:
        increment = 0
        if left >= 0 and load(mb_type, left) != B_SKIP and load(mb_type, left) != B_DIRECT_16X16:
            increment += 1
        if top >= 0 and load(mb_type, top) != B_SKIP and load(mb_type, top) != B_DIRECT_16X16:
            increment += 1
        number = element.b_mb_type(cabac, increment)
        intra_type = number - B_INTER_TYPES
        if intra_type < 0:
            shape = load(B_SHAPE, number)
            for quarter in range(4):
                pred_flags[4 * mb + quarter] = B_PRED_FLAGS[4 * number + quarter]
    else:
        number = element.p_mb_type(cabac)
        intra_type = number - P_INTER_TYPES
        if intra_type < 0:
            shape = load(P_SHAPE, number)
            for quarter in range(4):
                pred_flags[4 * mb + quarter] = P_PRED_FLAGS[4 * number + quarter]
    if intra_type >= 0:
        shape = load(I_SHAPE, intra_type)

    if shape == I_PCM:
        store(mb_type, mb, I_PCM)
        store(coded_block_pattern, mb, _I_PCM_PATTERN)
        coded_dc[mb] = _I_PCM_DC
        store(qp_y, mb, 0)
        for block in range(24):
            total_coeff[24 * mb + block] = 16
        store(level_offset, mb, first)
        status = _pcm_samples(cabac, first, levels)
        if status != OK:
            return -status
        levels_used[0] = first + LEVELS_PER_MB
        return qp

    # whether transform_size_8x8_flag may follow coded_block_pattern
    transform_8x8 = load(cabac, PARAMETERS + TRANSFORM_8X8_MODE)
    flag_context = CTX_TRANSFORM_SIZE_8X8_FLAG
    if left >= 0 and load(transform_size_8x8_flag, left) != 0:
        flag_context += 1
    if top >= 0 and load(transform_size_8x8_flag, top) != 0:
        flag_context += 1
    flag = 0
    kind = 0
    if shape <= LAST_INTRA:
        kind = INTRA
        if shape == I_4X4:
            if transform_8x8:
                flag = decode_decision(cabac, flag_context)
                transform_8x8 = 0
            if flag:
                shape = I_8X8
                for quarter in range(4):
                    rem_intra_pred_mode[16 * mb + quarter] = element.intra_pred_mode(cabac)
            else:
                for block in range(16):
                    rem_intra_pred_mode[16 * mb + load(LUMA_4X4_BLOCK, block)] = (
                        element.intra_pred_mode(cabac)
                    )
        else:
            kind = INTRA + INTRA_16X16
            intra16x16_pred_mode[mb] = I_16X16_PRED_MODE[intra_type]
            pattern = load(I_CODED_BLOCK_PATTERN, intra_type)
        # (#avc.9.3.3.1.1.8) the mode is 0 in all macroblocks that have none
        increment = 0
        if left >= 0 and load(intra_chroma_pred_mode, left) != 0:
            increment += 1
        if top >= 0 and load(intra_chroma_pred_mode, top) != 0:
            increment += 1
        intra_chroma_pred_mode[mb] = element.intra_chroma_pred_mode(cabac, increment)
    elif shape == B_DIRECT_16X16:
        for quarter in range(4):
            store(sub_mb_type, 4 * mb + quarter, SUB_DIRECT)
        if cabac[PARAMETERS + DIRECT_8X8_INFERENCE] == 0:
            transform_8x8 = 0
    else:
        if shape == INTER_8X8:
            for quarter in range(4):
                if slice_type == B:
                    number = element.b_sub_mb_type(cabac)
                    sub_shape = load(B_SUB_SHAPE, number)
                    pred_flags[4 * mb + quarter] = B_SUB_PRED_FLAGS[number]
                else:
                    sub_shape = load(P_SUB_SHAPE, element.p_sub_mb_type(cabac))
                    pred_flags[4 * mb + quarter] = 1
                store(sub_mb_type, 4 * mb + quarter, sub_shape)
                if sub_shape == SUB_DIRECT:
                    if cabac[PARAMETERS + DIRECT_8X8_INFERENCE] == 0:
                        transform_8x8 = 0
                elif sub_shape != SUB_8X8:
                    transform_8x8 = 0
        status = _motion(
            cabac,
            mb,
            left,
            top,
            shape,
            load(cabac, PARAMETERS + NUM_REF_IDX_L0),
            load(cabac, PARAMETERS + NUM_REF_IDX_L1),
            sub_mb_type,
            pred_flags,
            ref_idx,
            mvd,
        )
        if status != OK:
            return -status
    store(mb_type, mb, shape)

    if shape != I_16X16:
        pattern_left = _NO_PATTERN
        if left >= 0:
            pattern_left = load(coded_block_pattern, left)
        pattern_top = _NO_PATTERN
        if top >= 0:
            pattern_top = load(coded_block_pattern, top)
        pattern = element.coded_block_pattern(cabac, pattern_left, pattern_top)
        if transform_8x8 and pattern & 15:
            flag = decode_decision(cabac, flag_context)
    if flag:
        kind += TRANSFORM_8X8
        store(transform_size_8x8_flag, mb, 1)
    store(coded_block_pattern, mb, pattern)

    result = qp
    if pattern != 0 or shape == I_16X16:
        delta = element.mb_qp_delta(cabac, qp_changed)
        if delta == element.INVALID:
            return -QP_DELTA
        qp = (qp + delta + 52) % 52
        result = qp + 64 if delta != 0 else qp
        for entry in range(LEVELS_PER_MB):
            store(levels, first + entry, 0)
        status = residual(cabac, mb, left, top, kind, pattern, first, total_coeff, coded_dc, levels)
        if status < 0:
            return -LEVEL
        if status > 0:
            store(level_offset, mb, first)
            levels_used[0] = first + LEVELS_PER_MB
    store(qp_y, mb, qp)
    return result


@kernel
def _pcm_samples(cabac: Any, first: int, levels: Any) -> int:
    """(#avc.7.3.5) pcm_alignment_zero_bit, pcm_sample_luma, pcm_sample_chroma, and initialisation
    of the engine after them (9.3.1.2).

    As at the end of a slice, x264 has a bit of its own among the alignment bits."""
    start = (bits_read(cabac) + 7) >> 3
    if 8 * (start + LEVELS_PER_MB) > cabac[STOP_BIT]:
        return TRUNCATED
    for sample in range(LEVELS_PER_MB):
        levels[first + sample] = slice_byte(cabac, start + sample)
    initialise_engine(cabac, start + LEVELS_PER_MB)
    return OK


@kernel
def _motion(
    cabac: Any,
    mb: int,
    left: int,
    top: int,
    shape: int,
    entries_l0: int,
    entries_l1: int,
    sub_mb_type: Any,
    pred_flags: Any,
    ref_idx: Any,
    mvd: Any,
) -> int:
    """(#avc.7.3.5.1, #avc.7.3.5.2) The ref_idx and mvd of mb_pred and sub_mb_pred: return OK or what
    is wrong.

    Partitions are taken as 8x8 blocks that share ref_idx: `across` blocks in a row, `down` below
    each other.
    """
    across = 2 if shape in (INTER_16X16, INTER_16X8) else 1
    down = 2 if shape in (INTER_16X16, INTER_8X16) else 1
    for list_number in range(2):
        entries = entries_l1 if list_number == 1 else entries_l0
        own = 8 * mb + 4 * list_number
        for quarter in range(4):
            if (across == 2 and quarter & 1) or (down == 2 and quarter & 2):
                continue
            if (load(pred_flags, 4 * mb + quarter) >> list_number) & 1:
                index = 0
                if entries > 1:
                    # (#avc.9.3.3.1.1.6) ref_idx is -1 where the list is not used or direct
                    increment = 0
                    if quarter & 1:
                        if load(ref_idx, own + quarter - 1) > 0:
                            increment = 1
                    elif left >= 0 and load(ref_idx, 8 * left + 4 * list_number + quarter + 1) > 0:
                        increment = 1
                    if quarter & 2:
                        if load(ref_idx, own + quarter - 2) > 0:
                            increment += 2
                    elif top >= 0 and load(ref_idx, 8 * top + 4 * list_number + quarter + 2) > 0:
                        increment += 2
                    index = element.ref_idx(cabac, increment, entries)
                    if index >= entries:
                        cabac[ERROR_VALUE] = index
                        return REF_IDX_L0 + list_number
                store(ref_idx, own + quarter, index)
                if across == 2:
                    store(ref_idx, own + quarter + 1, index)
                if down == 2:
                    store(ref_idx, own + quarter + 2, index)
                    if across == 2:
                        store(ref_idx, own + 3, index)
    for list_number in range(2):
        for quarter in range(4):
            if (across == 2 and quarter & 1) or (down == 2 and quarter & 2):
                continue
            if (load(pred_flags, 4 * mb + quarter) >> list_number) & 1:
                width = 2 * across
                height = 2 * down
                if shape == INTER_8X8:
                    sub_shape = load(sub_mb_type, 4 * mb + quarter)
                    if sub_shape in (SUB_4X8, SUB_4X4):
                        width = 1
                    if sub_shape in (SUB_8X4, SUB_4X4):
                        height = 1
                corner = 8 * (quarter >> 1) + 2 * (quarter & 1)
                for y in range(0, 2 * down, height):
                    for x in range(0, 2 * across, width):
                        block = corner + 4 * y + x
                        if _vector_difference(
                            cabac, mb, left, top, list_number, block, width, height, mvd
                        ):
                            return MVD_L0 + list_number
    return OK


@inlined
def _magnitude(mvd: Any, entry: int) -> int:
    return abs(load(mvd, entry))


@kernel
def _vector_difference(
    cabac: Any,
    mb: int,
    left: int,
    top: int,
    list_number: int,
    block: int,
    width: int,
    height: int,
    mvd: Any,
) -> int:
    """(#avc.7.3.5.1) Both components of mvd_l0 or mvd_l1 of the partition of width x height 4x4
    blocks from `block` on, into all of its blocks: return 1 when one is out of range."""
    own = 64 * mb + 32 * list_number
    # (#avc.9.3.3.1.1.7) mvd is 0 where it counts as 0
    total_x = 0
    total_y = 0
    entry = -1
    if block & 3:
        entry = own + 2 * block - 2
    elif left >= 0:
        entry = 64 * left + 32 * list_number + 2 * block + 6
    if entry >= 0:
        total_x = _magnitude(mvd, entry)
        total_y = _magnitude(mvd, entry + 1)
    entry = -1
    if block >= 4:
        entry = own + 2 * block - 8
    elif top >= 0:
        entry = 64 * top + 32 * list_number + 2 * block + 24
    if entry >= 0:
        total_x += _magnitude(mvd, entry)
        total_y += _magnitude(mvd, entry + 1)
    x = element.mvd(cabac, CTX_MVD_X, total_x)
    y = element.mvd(cabac, CTX_MVD_Y, total_y)
    if x == element.INVALID or y == element.INVALID:
        return 1
    for j in range(height):
        for i in range(width):
            entry = own + 2 * (block + 4 * j + i)
            store(mvd, entry, x)
            store(mvd, entry + 1, y)
    return 0
