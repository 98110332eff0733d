"""Slice data and macroblocks under CAVLC (7.3.4, 7.3.5)."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from refcodec import errors
from refcodec.avc import slice_table as st
from refcodec.avc.bit_reading import (
    READER_END,
    READER_POSITION,
    bit_windows,
    peek,
    read_bits,
    read_se,
    read_te,
    read_ue,
    stop_bit_position,
)
from refcodec.avc.cavlc_residual import (
    BEYOND_END,
    BLOCKS,
    COEFF_TOKEN_INVALID,
    LEVEL_INVALID,
    LEVEL_PREFIX_INVALID,
    RUN_BEFORE_INVALID,
    TOTAL_ZEROS_INVALID,
    residual,
)
from refcodec.avc.cavlc_tables import CODED_BLOCK_PATTERN_INTER, CODED_BLOCK_PATTERN_INTRA
from refcodec.avc.compilation import inlined, kernel, load, store
from refcodec.avc.macroblock_types import (
    B_INTER_TYPES,
    B_PRED_FLAGS,
    B_SHAPE,
    B_SUB_PRED_FLAGS,
    B_SUB_SHAPE,
    B_SUB_TYPES,
    I_16X16_PRED_MODE,
    I_CODED_BLOCK_PATTERN,
    I_SHAPE,
    I_TYPES,
    P_8X8REF0_TYPE,
    P_INTER_TYPES,
    P_PRED_FLAGS,
    P_SHAPE,
    P_SUB_SHAPE,
    P_SUB_TYPES,
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
from refcodec.avc.slice_table import SliceTable

Array = NDArray[Any]

# What parse_macroblocks returns
OK: Final = 0
INVALID: Final = 1
EXCESS: Final = 2
REPEATED: Final = 3

# Report of an error: where the syntax element is, which one, its value, the macroblock
REPORT_ELEMENT: Final = 0
REPORT_VALUE: Final = 1
REPORT_MB: Final = 2
REPORT_SIZE: Final = 3

_ELEMENTS: Final = (
    "mb_skip_run",
    "mb_type",
    "pcm_alignment_zero_bit",
    "sub_mb_type",
    "pcm_sample",
    "intra_chroma_pred_mode",
    "ref_idx_l0",
    "ref_idx_l1",
    "mvd_l0",
    "mvd_l1",
    "coded_block_pattern",
    "mb_qp_delta",
)
MB_SKIP_RUN: Final = 0
MB_TYPE: Final = 1
PCM_ALIGNMENT_ZERO_BIT: Final = 2
SUB_MB_TYPE: Final = 3
PCM_SAMPLE: Final = 4
INTRA_CHROMA_PRED_MODE: Final = 5
REF_IDX: Final = 6
MVD: Final = 8
CODED_BLOCK_PATTERN: Final = 10
MB_QP_DELTA: Final = 11

_RESIDUAL_ELEMENTS: Final = {
    BEYOND_END: "coeff_token",
    COEFF_TOKEN_INVALID: "coeff_token",
    LEVEL_PREFIX_INVALID: "level_prefix",
    LEVEL_INVALID: "level_suffix",
    TOTAL_ZEROS_INVALID: "total_zeros",
    RUN_BEFORE_INVALID: "run_before",
}


def parse_slice_data(
    rbsp: Array,
    bit_offset: int,
    index: int,
    slices: SliceTable,
    info: SideInformation,
    width_mbs: int,
) -> None:
    """(#avc.7.3.4) Parse slice_data() of a slice with entropy_coding_mode_flag 0 into `info`, and
    write END_MB of the slice.

    rbsp: uint8, slice_layer_without_partitioning_rbsp(); bit_offset: where slice_data() begins in
    it; index: the slice's row in `slices`; width_mbs: PicWidthInMbs.

    Raises HYP-E-AVC-02 for a value that is not allowed, -03 where the data end early, -04 where
    data are left over after the last macroblock of the picture, -05 for a macroblock that another
    slice has. Then `info` has the macroblocks before it.
    """
    reader = np.array([bit_offset, stop_bit_position(rbsp)], np.int64)
    report = np.zeros(REPORT_SIZE, np.int64)
    parameters = slices.parameters[index].astype(np.int64)
    status = parse_macroblocks(
        bit_windows(rbsp),
        reader,
        report,
        np.zeros(16, np.int64),
        parameters,
        index,
        width_mbs,
        info.slice_table,
        info.motion.mb_type,
        info.motion.ref_idx.reshape(-1),
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
    slices.parameters[index, st.END_MB] = parameters[st.END_MB]
    if status != OK:
        raise _error(status, reader, report)


def _error(status: int, reader: Array, report: Array) -> errors.HypError:
    position, end = int(reader[READER_POSITION]), int(reader[READER_END])
    number, value = int(report[REPORT_ELEMENT]), int(report[REPORT_VALUE])
    element = _RESIDUAL_ELEMENTS[number] if number < 0 else _ELEMENTS[number]
    detail = f"Macroblock {int(report[REPORT_MB])}."
    if status == REPEATED:
        return errors.error(
            "HYP-E-AVC-05", element="CurrMbAddr", bit_offset=position, detail=detail
        )
    if status == EXCESS:
        return errors.error("HYP-E-AVC-04", bit_offset=position, detail=detail)
    if position > end:
        return errors.error("HYP-E-AVC-03", element=element, bit_offset=max(end, 0), detail=detail)
    shown = None if number < 0 else value
    return errors.error(
        "HYP-E-AVC-02", element=element, value=shown, bit_offset=position, detail=detail
    )


@kernel
def _invalid(reader: Array, report: Array, position: int, value: int) -> int:
    """Report that the syntax element at `position`, of which the report has the name, is not valid;
    where it reaches beyond the end, the reader stays there."""
    report[REPORT_VALUE] = value
    if int(reader[READER_POSITION]) <= int(reader[READER_END]):
        reader[READER_POSITION] = position
    return INVALID


@inlined
def set_without_syntax(
    first_mb: int,
    end_mb: int,
    index: int,
    shape: int,
    qp: int,
    slice_table: Array,
    mb_type: Array,
    ref_idx: Array,
    sub_mb_type: Array,
    pred_flags: Array,
    mvd: Array,
    rem_intra_pred_mode: Array,
    intra16x16_pred_mode: Array,
    intra_chroma_pred_mode: Array,
    coded_block_pattern: Array,
    transform_size_8x8_flag: Array,
    qp_y: Array,
    total_coeff: Array,
    coded_dc: Array,
    level_offset: Array,
) -> None:
    """(#avc.7.4.4) Set macroblocks first_mb to end_mb - 1 to what holds where no syntax element of
    macroblock_layer() is there. shape: P_SKIP, B_SKIP, or an intra type in I slices."""
    sub_type = SUB_DIRECT if shape == B_SKIP else SUB_8X8
    flags = 1 if shape == P_SKIP else 0
    for mb in range(first_mb, end_mb):
        store(slice_table, mb, index)
        store(mb_type, mb, shape)
        for q in range(4):
            store(sub_mb_type, 4 * mb + q, sub_type)
            store(pred_flags, 4 * mb + q, flags)
            store(ref_idx, 8 * mb + q, flags - 1)
            store(ref_idx, 8 * mb + 4 + q, -1)
        for i in range(64):
            store(mvd, 64 * mb + i, 0)
        for block in range(16):
            store(rem_intra_pred_mode, 16 * mb + block, -1)
        store(intra16x16_pred_mode, mb, 0)
        store(intra_chroma_pred_mode, mb, 0)
        store(coded_block_pattern, mb, 0)
        store(transform_size_8x8_flag, mb, 0)
        store(qp_y, mb, qp)
        for block in range(BLOCKS):
            store(total_coeff, BLOCKS * mb + block, 0)
        store(coded_dc, mb, 0)
        store(level_offset, mb, -1)


@kernel
def parse_pcm(
    windows: Array,
    reader: Array,
    report: Array,
    mb: int,
    coded_block_pattern: Array,
    qp_y: Array,
    total_coeff: Array,
    coded_dc: Array,
    level_offset: Array,
    levels: Array,
    levels_used: Array,
) -> int:
    """(#avc.7.3.5) Alignment and samples of an I_PCM macroblock."""
    origin = int(levels_used[0])
    start = int(reader[READER_POSITION])
    position = (start + 7) & ~7
    end = position + 8 * LEVELS_PER_MB
    reader[READER_POSITION] = end
    if end > int(reader[READER_END]):
        report[REPORT_ELEMENT] = PCM_SAMPLE
        return INVALID
    for at in range(start, position):
        if int(peek(windows, at, 1)):
            report[REPORT_ELEMENT] = PCM_ALIGNMENT_ZERO_BIT
            return int(_invalid(reader, report, at, 1))
    for i in range(LEVELS_PER_MB):
        store(levels, origin + i, int(peek(windows, position + 8 * i, 8)))
    levels_used[0] = origin + LEVELS_PER_MB
    level_offset[mb] = origin
    coded_block_pattern[mb] = 47
    coded_dc[mb] = 7
    qp_y[mb] = 0
    for block in range(BLOCKS):
        total_coeff[BLOCKS * mb + block] = 16
    return OK


@kernel
def parse_intra_modes(
    windows: Array, reader: Array, rem_intra_pred_mode: Array, mb: int, transform_8x8: int
) -> None:
    """(#avc.7.3.5.1) prev_intra4x4_pred_mode_flag and rem_intra4x4_pred_mode of 16 blocks, or
    prev_intra8x8_pred_mode_flag and rem_intra8x8_pred_mode of four."""
    if transform_8x8:
        for q in range(4):
            if int(read_bits(windows, reader, 1)) == 0:
                rem_intra_pred_mode[16 * mb + q] = read_bits(windows, reader, 3)
    else:
        for index in range(16):
            if int(read_bits(windows, reader, 1)) == 0:
                block = int(LUMA_4X4_BLOCK[index])
                rem_intra_pred_mode[16 * mb + block] = read_bits(windows, reader, 3)


@kernel
def parse_mvd(
    windows: Array,
    reader: Array,
    report: Array,
    mvd: Array,
    list_x: int,
    origin: int,
    width: int,
    height: int,
) -> int:
    """(#avc.7.3.5.1) mvd_l0 or mvd_l1 of one partition of width x height 4x4 blocks, the first of
    which has its entries at `origin` of `mvd`."""
    for component in range(2):
        position = int(reader[READER_POSITION])
        value = int(read_se(windows, reader))
        if not -32768 <= value <= 32767:
            report[REPORT_ELEMENT] = MVD + list_x
            return int(_invalid(reader, report, position, value))
        if value != 0:
            for y in range(height):
                for x in range(width):
                    store(mvd, origin + 8 * y + 2 * x + component, value)
    return OK


@kernel
def parse_ref_idx(
    windows: Array, reader: Array, report: Array, list_x: int, num_ref_idx: int
) -> int:
    """(#avc.7.3.5.1) ref_idx_l0 or ref_idx_l1 of one partition; -1 where it is not valid."""
    if num_ref_idx <= 1:
        return 0
    position = int(reader[READER_POSITION])
    value = int(read_te(windows, reader, num_ref_idx - 1))
    if value >= num_ref_idx:
        report[REPORT_ELEMENT] = REF_IDX + list_x
        _invalid(reader, report, position, value)
        return -1
    return value


@kernel
def parse_mb_pred(
    windows: Array,
    reader: Array,
    report: Array,
    parameters: Array,
    ref_idx: Array,
    pred_flags: Array,
    mvd: Array,
    mb: int,
    shape: int,
) -> int:
    """(#avc.7.3.5.1) mb_pred() of INTER_16X16, INTER_16X8 and INTER_8X16, whose pred_flags are
    set."""
    second = 2 if shape == INTER_16X8 else 1  # the first 8x8 block of the second partition
    partitions = 1 if shape == INTER_16X16 else 2
    width = 2 if shape == INTER_8X16 else 4
    height = 2 if shape == INTER_16X8 else 4
    for list_x in range(2):
        num_ref_idx = int(parameters[st.NUM_REF_IDX_L0 + list_x])
        for partition in range(partitions):
            q = partition * second
            if (int(pred_flags[4 * mb + q]) >> list_x) & 1:
                value = int(parse_ref_idx(windows, reader, report, list_x, num_ref_idx))
                if value < 0:
                    return INVALID
                at = 8 * mb + 4 * list_x
                if shape == INTER_16X16:
                    for block in range(4):
                        ref_idx[at + block] = value
                else:
                    ref_idx[at + q] = value
                    ref_idx[at + q + 3 - second] = value
    for list_x in range(2):
        for partition in range(partitions):
            q = partition * second
            if (int(pred_flags[4 * mb + q]) >> list_x) & 1:
                origin = 64 * mb + 32 * list_x + 8 * (q & 2) + 4 * (q & 1)
                if int(parse_mvd(windows, reader, report, mvd, list_x, origin, width, height)):
                    return INVALID
    return OK


@kernel
def parse_sub_mb_pred(
    windows: Array,
    reader: Array,
    report: Array,
    parameters: Array,
    sub_mb_type: Array,
    ref_idx: Array,
    pred_flags: Array,
    mvd: Array,
    mb: int,
    ref_idx_coded: int,
) -> int:
    """(#avc.7.3.5.2) sub_mb_pred(). ref_idx_coded: 0 for P_8x8ref0."""
    is_b = int(parameters[st.SLICE_TYPE]) == st.B
    for q in range(4):
        position = int(reader[READER_POSITION])
        value = int(read_ue(windows, reader))
        if value >= (B_SUB_TYPES if is_b else P_SUB_TYPES):
            report[REPORT_ELEMENT] = SUB_MB_TYPE
            return int(_invalid(reader, report, position, value))
        sub_mb_type[4 * mb + q] = B_SUB_SHAPE[value] if is_b else P_SUB_SHAPE[value]
        pred_flags[4 * mb + q] = B_SUB_PRED_FLAGS[value] if is_b else 1
    for list_x in range(2):
        num_ref_idx = int(parameters[st.NUM_REF_IDX_L0 + list_x]) if ref_idx_coded else 1
        for q in range(4):
            if (int(pred_flags[4 * mb + q]) >> list_x) & 1:
                value = int(parse_ref_idx(windows, reader, report, list_x, num_ref_idx))
                if value < 0:
                    return INVALID
                ref_idx[8 * mb + 4 * list_x + q] = value
    for list_x in range(2):
        for q in range(4):
            if not (int(pred_flags[4 * mb + q]) >> list_x) & 1:
                continue
            sub_type = int(sub_mb_type[4 * mb + q])
            width = 1 if sub_type in (SUB_4X8, SUB_4X4) else 2
            height = 1 if sub_type in (SUB_8X4, SUB_4X4) else 2
            origin = 64 * mb + 32 * list_x + 8 * (q & 2) + 4 * (q & 1)
            for y in range(0, 2, height):
                for x in range(0, 2, width):
                    at = origin + 8 * y + 2 * x
                    if int(parse_mvd(windows, reader, report, mvd, list_x, at, width, height)):
                        return INVALID
    return OK


@kernel
def has_8x8_partitions(sub_mb_type: Array, mb: int, direct_8x8_inference: int) -> bool:
    """(#avc.7.3.5) NoSubMbPartSizeLessThan8x8Flag of an INTER_8X8 macroblock."""
    for q in range(4):
        sub_type = int(sub_mb_type[4 * mb + q])
        if sub_type == SUB_DIRECT:
            if not direct_8x8_inference:
                return False
        elif sub_type != SUB_8X8:
            return False
    return True


@inlined
def parse_macroblock(
    windows: Array,
    reader: Array,
    report: Array,
    scratch: Array,
    parameters: Array,
    mb: int,
    left_mb: int,
    above_mb: int,
    mb_type: Array,
    ref_idx: Array,
    sub_mb_type: Array,
    pred_flags: Array,
    mvd: Array,
    rem_intra_pred_mode: Array,
    intra16x16_pred_mode: Array,
    intra_chroma_pred_mode: Array,
    coded_block_pattern: Array,
    transform_size_8x8_flag: Array,
    qp_y: Array,
    total_coeff: Array,
    coded_dc: Array,
    level_offset: Array,
    levels: Array,
    levels_used: Array,
) -> int:
    """(#avc.7.3.5) macroblock_layer() of macroblock `mb`, for which set_without_syntax has run; its
    qp_y is QP_Y,PRED before. left_mb, above_mb: -1 where they are not available."""
    slice_type = int(parameters[st.SLICE_TYPE])
    position = int(reader[READER_POSITION])
    number = int(read_ue(windows, reader))
    inter_types = 0
    if slice_type == st.P:
        inter_types = P_INTER_TYPES
    elif slice_type == st.B:
        inter_types = B_INTER_TYPES
    if number >= inter_types + I_TYPES:
        report[REPORT_ELEMENT] = MB_TYPE
        return int(_invalid(reader, report, position, number))

    if slice_type != st.I:
        for q in range(4):
            sub_mb_type[4 * mb + q] = SUB_8X8
            pred_flags[4 * mb + q] = 0
            ref_idx[8 * mb + q] = -1
    transform_8x8 = 0
    pattern = 0
    if number >= inter_types:
        number -= inter_types
        shape = int(I_SHAPE[number])
        mb_type[mb] = shape
        if shape == I_PCM:
            return int(
                parse_pcm(
                    windows,
                    reader,
                    report,
                    mb,
                    coded_block_pattern,
                    qp_y,
                    total_coeff,
                    coded_dc,
                    level_offset,
                    levels,
                    levels_used,
                )
            )
        if shape == I_16X16:
            intra16x16_pred_mode[mb] = I_16X16_PRED_MODE[number]
            pattern = int(I_CODED_BLOCK_PATTERN[number])
        else:
            if int(parameters[st.TRANSFORM_8X8_MODE]):
                transform_8x8 = int(read_bits(windows, reader, 1))
            if transform_8x8:
                shape = I_8X8
                mb_type[mb] = shape
            parse_intra_modes(windows, reader, rem_intra_pred_mode, mb, transform_8x8)
        position = int(reader[READER_POSITION])
        mode = int(read_ue(windows, reader))
        if mode > 3:
            report[REPORT_ELEMENT] = INTRA_CHROMA_PRED_MODE
            return int(_invalid(reader, report, position, mode))
        intra_chroma_pred_mode[mb] = mode
    else:
        shape = int(P_SHAPE[number]) if slice_type == st.P else int(B_SHAPE[number])
        mb_type[mb] = shape
        for q in range(4):
            at = 4 * number + q
            flags = int(P_PRED_FLAGS[at]) if slice_type == st.P else int(B_PRED_FLAGS[at])
            pred_flags[4 * mb + q] = flags
        if shape == B_DIRECT_16X16:
            for q in range(4):
                sub_mb_type[4 * mb + q] = SUB_DIRECT
        elif shape == INTER_8X8:
            coded = 0 if slice_type == st.P and number == P_8X8REF0_TYPE else 1
            if int(
                parse_sub_mb_pred(
                    windows,
                    reader,
                    report,
                    parameters,
                    sub_mb_type,
                    ref_idx,
                    pred_flags,
                    mvd,
                    mb,
                    coded,
                )
            ):
                return INVALID
        elif int(
            parse_mb_pred(windows, reader, report, parameters, ref_idx, pred_flags, mvd, mb, shape)
        ):
            return INVALID

    if shape != I_16X16:
        position = int(reader[READER_POSITION])
        code = int(read_ue(windows, reader))
        if code > 47:
            report[REPORT_ELEMENT] = CODED_BLOCK_PATTERN
            return int(_invalid(reader, report, position, code))
        if shape in (I_4X4, I_8X8):
            pattern = int(CODED_BLOCK_PATTERN_INTRA[code])
        else:
            pattern = int(CODED_BLOCK_PATTERN_INTER[code])
            if pattern & 15 and int(parameters[st.TRANSFORM_8X8_MODE]):
                inference = int(parameters[st.DIRECT_8X8_INFERENCE])
                allowed = True
                if shape == INTER_8X8:
                    allowed = bool(has_8x8_partitions(sub_mb_type, mb, inference))
                elif shape == B_DIRECT_16X16:
                    allowed = inference != 0
                if allowed:
                    transform_8x8 = int(read_bits(windows, reader, 1))
    coded_block_pattern[mb] = pattern
    transform_size_8x8_flag[mb] = transform_8x8
    if pattern == 0 and shape != I_16X16:
        return OK

    position = int(reader[READER_POSITION])
    delta = int(read_se(windows, reader))
    if not -26 <= delta <= 25:
        report[REPORT_ELEMENT] = MB_QP_DELTA
        return int(_invalid(reader, report, position, delta))
    qp_y[mb] = (int(qp_y[mb]) + delta + 52) % 52

    origin = int(levels_used[0])
    for i in range(LEVELS_PER_MB):
        store(levels, origin + i, 0)
    coded = int(
        residual(
            windows,
            reader,
            levels,
            scratch,
            total_coeff,
            origin,
            mb,
            left_mb,
            above_mb,
            pattern,
            1 if shape == I_16X16 else 0,
            transform_8x8,
        )
    )
    if coded < 0:
        report[REPORT_ELEMENT] = coded
        return INVALID
    coded_dc[mb] = coded & 7
    if coded:
        level_offset[mb] = origin
        levels_used[0] = origin + LEVELS_PER_MB
    return OK


@kernel
def parse_macroblocks(
    windows: Array,
    reader: Array,
    report: Array,
    scratch: Array,
    parameters: Array,
    index: int,
    width_mbs: int,
    slice_table: Array,
    mb_type: Array,
    ref_idx: Array,
    sub_mb_type: Array,
    pred_flags: Array,
    mvd: Array,
    rem_intra_pred_mode: Array,
    intra16x16_pred_mode: Array,
    intra_chroma_pred_mode: Array,
    coded_block_pattern: Array,
    transform_size_8x8_flag: Array,
    qp_y: Array,
    total_coeff: Array,
    coded_dc: Array,
    level_offset: Array,
    levels: Array,
    levels_used: Array,
    end_bit: Array,
) -> int:
    """(#avc.7.3.4) slice_data() with entropy_coding_mode_flag 0. Arrays of side information are
    flat. Returns OK, or another status with the reader at the place and the report filled."""
    mbs = slice_table.size
    slice_type = int(parameters[st.SLICE_TYPE])
    shape = I_4X4
    if slice_type == st.P:
        shape = P_SKIP
    elif slice_type == st.B:
        shape = B_SKIP
    begin, end = int(reader[READER_POSITION]), int(reader[READER_END])
    qp = int(parameters[st.SLICE_QP])
    mb = int(parameters[st.FIRST_MB])
    while True:
        parameters[st.END_MB] = mb
        report[REPORT_MB] = mb
        report[REPORT_ELEMENT] = MB_SKIP_RUN
        position = int(reader[READER_POSITION])
        run = 0
        if slice_type != st.I:
            run = int(read_ue(windows, reader))
            if run > mbs - mb:
                return int(_invalid(reader, report, position, run))
        # A run may end the slice; where there is none a macroblock has to follow.
        coded = 1
        if int(reader[READER_POSITION]) >= end:
            if run == 0 or int(reader[READER_POSITION]) > end:
                reader[READER_POSITION] = end + 1
                return INVALID
            coded = 0
        if mb + run + coded > mbs:
            report[REPORT_MB] = mb + run
            return EXCESS
        for following in range(mb, mb + run + coded):
            if int(load(slice_table, following)) != NOT_DECODED:
                report[REPORT_MB] = following
                reader[READER_POSITION] = position
                return REPEATED
        set_without_syntax(
            mb,
            mb + run + coded,
            index,
            shape,
            qp,
            slice_table,
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
        )
        for skipped in range(mb, mb + run):
            store(end_bit, skipped, int(reader[READER_POSITION]) - begin)
        mb += run
        parameters[st.END_MB] = mb
        report[REPORT_MB] = mb
        if coded == 0:
            return OK

        left_mb = -1
        if mb % width_mbs and int(slice_table[mb - 1]) == index:
            left_mb = mb - 1
        above_mb = -1
        if mb >= width_mbs and int(slice_table[mb - width_mbs]) == index:
            above_mb = mb - width_mbs
        used = int(levels_used[0])
        status = int(
            parse_macroblock(
                windows,
                reader,
                report,
                scratch,
                parameters,
                mb,
                left_mb,
                above_mb,
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
        )
        if int(reader[READER_POSITION]) > end:
            status = INVALID
        if status != OK:
            slice_table[mb] = NOT_DECODED
            levels_used[0] = used
            return status
        if int(mb_type[mb]) != I_PCM:
            qp = int(qp_y[mb])
        end_bit[mb] = int(reader[READER_POSITION]) - begin
        mb += 1
        if int(reader[READER_POSITION]) == end:
            parameters[st.END_MB] = mb
            return OK
