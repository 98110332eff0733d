"""Reconstruction of a picture before deblocking: prediction plus residual (8.3, 8.4.2, 8.5).

Inter macroblocks come first, in any order and by any number of threads, since they depend on other
pictures only; then intra macroblocks in raster order. The standard decodes macroblocks one after
the other; the outcome is the same, as an inter macroblock never reads samples of its own picture.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from refcodec import errors
from refcodec.avc import transform, vector_transform
from refcodec.avc.compilation import inlined, kernel, load
from refcodec.avc.frame_store import FrameStore
from refcodec.avc.inter_prediction import predict_inter
from refcodec.avc.intra_prediction import (
    AVAILABILITY4X4,
    AVAILABILITY8X8,
    LINES_SIZE,
    NEEDED,
    NEEDED_16X16,
    NEEDED_CHROMA,
    macroblock_availability,
    predict_chroma,
    predict_intra4x4,
    predict_intra8x8,
    predict_intra16x16,
)
from refcodec.avc.scans import LUMA_4X4_BLOCK
from refcodec.avc.side_information import (
    I_4X4,
    I_8X8,
    I_16X16,
    I_PCM,
    LAST_INTRA,
    LEVELS_PER_MB,
    SideInformation,
)
from refcodec.avc.slice_table import (
    CHROMA_QP_INDEX_OFFSET,
    CONSTRAINED_INTRA_PRED,
    FIELDS,
    SCALING,
    SliceTable,
)
from refcodec.avc.transform import (
    chroma_dc,
    chroma_qp,
    intra16x16_dc,
    level_scale4x4,
    level_scale8x8,
    scaled4x4,
)
from refcodec.vectors import NO_VECTORS

Array = NDArray[Any]

_blocks: Any = transform if NO_VECTORS else vector_transform

inverse_transform4x4 = _blocks.inverse_transform4x4
inverse_transform8x8 = _blocks.inverse_transform8x8
add_residual4x4 = _blocks.add_residual4x4
add_residual8x8 = _blocks.add_residual8x8

_INTER_LIST: Final = 3
"""Where the lists of inter macroblocks begin in LevelScale4x4."""

_STRIDE: Final = 16
"""Samples from row to row in the residual of luma."""

_CHROMA_STRIDE: Final = 8

_ELEMENTS: Final = (
    "rem_intra4x4_pred_mode",
    "rem_intra8x8_pred_mode",
    "mb_type",
    "intra_chroma_pred_mode",
)
"""Which says the prediction mode of I_4X4, I_8X8 and I_16X16, and of chroma."""
_CHROMA_ELEMENT: Final = 3


@kernel
def luma4x4_residual(
    levels: Array,
    at: int,
    count: int,
    scale4x4: Array,
    scale_at: int,
    exponent: int,
    residual: Array,
    residual_at: int,
    stride: int,
) -> None:
    """(#avc.8.5.1) Write the residual of one 4x4 block with `count` levels that are not zero."""
    c00 = 0
    if count > 0:
        c00 += int(levels[at])
    dc = scaled4x4(c00, int(scale4x4[scale_at]), exponent)
    ac = count > 1 or (count == 1 and c00 == 0)
    inverse_transform4x4(
        levels, at, scale4x4, scale_at, exponent, dc, ac, residual, residual_at, stride
    )


@kernel
def quadrant_residual(
    quadrant: int,
    transform8x8: int,
    levels: Array,
    at: int,
    total_coeff: Array,
    counts_at: int,
    scale4x4: Array,
    scale4x4_at: int,
    scale8x8: Array,
    scale8x8_at: int,
    exponent: int,
    residual: Array,
    residual_at: int,
    work: Array,
) -> bool:
    """(#avc.8.5.1) (#avc.8.5.3) Write the luma residual of a quadrant of a macroblock that is not
    Intra_16x16; return False, and write nothing, when all levels are zero.

    levels, total_coeff: the macroblock's begin at `at` and counts_at
    scale4x4, scale8x8: those of qP % 6 of the macroblock's list begin at scale4x4_at, scale8x8_at
    residual: int32, the macroblock's begins at residual_at
    """
    begin = residual_at + 8 * (quadrant // 2) * _STRIDE + 8 * (quadrant % 2)
    block = 8 * (quadrant // 2) + 2 * (quadrant % 2)
    count0 = load(total_coeff, counts_at + block)
    count1 = load(total_coeff, counts_at + block + 1)
    count2 = load(total_coeff, counts_at + block + 4)
    count3 = load(total_coeff, counts_at + block + 5)
    count = count0 + count1 + count2 + count3
    if count == 0:
        return False
    if transform8x8:
        inverse_transform8x8(
            levels,
            at + 64 * quadrant,
            scale8x8,
            scale8x8_at,
            exponent,
            count,
            residual,
            begin,
            _STRIDE,
            work,
        )
        return True
    for k in range(4):
        b = block + 4 * (k // 2) + k % 2
        luma4x4_residual(
            levels,
            at + 16 * b,
            load(total_coeff, counts_at + b),
            scale4x4,
            scale4x4_at,
            exponent,
            residual,
            begin + 4 * (k // 2) * _STRIDE + 4 * (k % 2),
            _STRIDE,
        )
    return True


@kernel
def intra16x16_residual(
    coded_dc: int,
    levels: Array,
    at: int,
    total_coeff: Array,
    counts_at: int,
    scale4x4: Array,
    scale_at: int,
    exponent: int,
    residual: Array,
    residual_at: int,
    work: Array,
) -> bool:
    """(#avc.8.5.2) Write the luma residual of an Intra_16x16 macroblock; return False, and write
    nothing, when all levels are zero."""
    count = 0
    for block in range(16):
        count |= load(total_coeff, counts_at + block)
    if coded_dc & 1:
        intra16x16_dc(levels, at, int(scale4x4[scale_at]), exponent, work)
    elif count == 0:
        return False
    else:
        for block in range(16):
            work[block] = 0
    for block in range(16):
        inverse_transform4x4(
            levels,
            at + 16 * block,
            scale4x4,
            scale_at,
            exponent,
            int(work[block]),
            load(total_coeff, counts_at + block) > 0,
            residual,
            residual_at + 4 * (block // 4) * _STRIDE + 4 * (block % 4),
            _STRIDE,
        )
    return True


@kernel
def chroma_residual(
    component: int,
    coded_dc: int,
    levels: Array,
    at: int,
    total_coeff: Array,
    counts_at: int,
    scale4x4: Array,
    scale_at: int,
    exponent: int,
    residual: Array,
    residual_at: int,
    work: Array,
) -> bool:
    """(#avc.8.5.4) Write the residual of Cb (component 0) or Cr (1) of a macroblock; return False,
    and write nothing, when all levels are zero."""
    begin = residual_at + 256 + 64 * component
    level_at = at + 256 + 64 * component
    count_at = counts_at + 16 + 4 * component
    count = 0
    for block in range(4):
        count |= load(total_coeff, count_at + block)
    if coded_dc & (2 << component):
        chroma_dc(levels, level_at, int(scale4x4[scale_at]), exponent, work)
    elif count == 0:
        return False
    else:
        for block in range(4):
            work[block] = 0
    for block in range(4):
        inverse_transform4x4(
            levels,
            level_at + 16 * block,
            scale4x4,
            scale_at,
            exponent,
            int(work[block]),
            load(total_coeff, count_at + block) > 0,
            residual,
            begin + 4 * (block // 2) * _CHROMA_STRIDE + 4 * (block % 2),
            _CHROMA_STRIDE,
        )
    return True


@inlined
def scale4x4_place(scaling: int, which: int, qp: int) -> int:
    """Return where LevelScale4x4(qp % 6, 0, 0) of a list, 0 to 5, of a set stands."""
    return ((6 * scaling + which) * 6 + qp % 6) * 16


@kernel
def add_chroma_residual(
    inter: int,
    qp: int,
    slice_at: int,
    parameters: Array,
    coded_dc: int,
    levels: Array,
    at: int,
    total_coeff: Array,
    counts_at: int,
    scale4x4: Array,
    samples: Array,
    cb: int,
    cr: int,
    stride: int,
    residual: Array,
    work: Array,
) -> None:
    """(#avc.8.5.4) Add the chroma residual of a macroblock with QP_Y = qp to the prediction."""
    scaling = int(parameters[slice_at + SCALING])
    for component in range(2):
        qp_c = chroma_qp(qp, int(parameters[slice_at + CHROMA_QP_INDEX_OFFSET + component]))
        if chroma_residual(
            component,
            coded_dc,
            levels,
            at,
            total_coeff,
            counts_at,
            scale4x4,
            scale4x4_place(scaling, _INTER_LIST * inter + 1 + component, qp_c),
            qp_c // 6,
            residual,
            0,
            work,
        ):
            place = cr if component else cb
            add_residual8x8(samples, place, stride, residual, 256 + 64 * component, _CHROMA_STRIDE)


@inlined
def add_quadrant(quadrant: int, samples: Array, luma: int, stride: int, residual: Array) -> None:
    """(#avc.8.5.14) Add the residual of a quadrant of the macroblock at `luma`."""
    x = 8 * (quadrant % 2)
    y = 8 * (quadrant // 2)
    add_residual8x8(samples, luma + y * stride + x, stride, residual, y * _STRIDE + x, _STRIDE)


@kernel
def add_inter_residuals(
    first_mb: int,
    end_mb: int,
    width_mbs: int,
    slice_table: Array,
    parameters: Array,
    mb_type: Array,
    transform_size_8x8_flag: Array,
    qp_y: Array,
    total_coeff: Array,
    coded_dc: Array,
    level_offset: Array,
    levels: Array,
    scale4x4: Array,
    scale8x8: Array,
    samples: Array,
    luma_at: int,
    cb_at: int,
    cr_at: int,
    luma_stride: int,
    residual: Array,
    work: Array,
) -> None:
    """(#avc.8.5) Add their residual to the inter macroblocks from first_mb to end_mb - 1.

    The arrays are those of SideInformation and SliceTable, flat; samples of the slot begin at
    luma_at, cb_at and cr_at. residual: int32 (LEVELS_PER_MB,) and work: int64 (64,), for work
    """
    chroma_stride = luma_stride // 2
    for mb in range(first_mb, end_mb):
        at = int(level_offset[mb])
        index = int(slice_table[mb])
        if at < 0 or index < 0 or load(mb_type, mb) <= LAST_INTRA:
            continue
        slice_at = index * FIELDS
        scaling = int(parameters[slice_at + SCALING])
        qp = int(qp_y[mb])
        x = mb % width_mbs
        y = mb // width_mbs
        luma = luma_at + 16 * (y * luma_stride + x)
        for quadrant in range(4):
            if quadrant_residual(
                quadrant,
                load(transform_size_8x8_flag, mb),
                levels,
                at,
                total_coeff,
                24 * mb,
                scale4x4,
                scale4x4_place(scaling, _INTER_LIST, qp),
                scale8x8,
                ((2 * scaling + 1) * 6 + qp % 6) * 64,
                qp // 6,
                residual,
                0,
                work,
            ):
                add_quadrant(quadrant, samples, luma, luma_stride, residual)
        chroma = 8 * (y * chroma_stride + x)
        add_chroma_residual(
            1,
            qp,
            slice_at,
            parameters,
            load(coded_dc, mb),
            levels,
            at,
            total_coeff,
            24 * mb,
            scale4x4,
            samples,
            cb_at + chroma,
            cr_at + chroma,
            chroma_stride,
            residual,
            work,
        )


@inlined
def copy_samples(
    levels: Array, at: int, size: int, samples: Array, offset: int, stride: int
) -> None:
    """(#avc.8.3.5) Write size x size samples of an I_PCM macroblock."""
    for y in range(size):
        for x in range(size):
            samples[offset + y * stride + x] = levels[at + y * size + x]


@kernel
def reconstruct_intra(
    first_mb: int,
    end_mb: int,
    width_mbs: int,
    lines: Array,
    slice_table: Array,
    parameters: Array,
    mb_type: Array,
    intra_pred_mode: Array,
    intra16x16_pred_mode: Array,
    intra_chroma_pred_mode: Array,
    transform_size_8x8_flag: Array,
    qp_y: Array,
    total_coeff: Array,
    coded_dc: Array,
    level_offset: Array,
    levels: Array,
    scale4x4: Array,
    scale8x8: Array,
    samples: Array,
    luma_at: int,
    cb_at: int,
    cr_at: int,
    luma_stride: int,
    residual: Array,
    work: Array,
) -> int:
    """(#avc.8.3) (#avc.8.5) Reconstruct the intra macroblocks from first_mb to end_mb - 1, in this
    order; arguments as of add_inter_residuals, and lines: uint8 (LINES_SIZE,), for work.

    Return -1, or 4 * address + place in _ELEMENTS of the first macroblock whose prediction mode
    needs neighbours that are not available; such samples count as NO_SAMPLE.
    """
    chroma_stride = luma_stride // 2
    status = -1
    for mb in range(first_mb, end_mb):
        shape = load(mb_type, mb)
        index = int(slice_table[mb])
        if shape > LAST_INTRA or index < 0:
            continue
        x = mb % width_mbs
        y = mb // width_mbs
        luma = luma_at + 16 * (y * luma_stride + x)
        cb = cb_at + 8 * (y * chroma_stride + x)
        cr = cr_at + 8 * (y * chroma_stride + x)
        at = int(level_offset[mb])
        if shape == I_PCM:
            copy_samples(levels, at, 16, samples, luma, luma_stride)
            copy_samples(levels, at + 256, 8, samples, cb, chroma_stride)
            copy_samples(levels, at + 320, 8, samples, cr, chroma_stride)
            continue
        slice_at = index * FIELDS
        scaling = int(parameters[slice_at + SCALING])
        constrained = int(parameters[slice_at + CONSTRAINED_INTRA_PRED])
        available = macroblock_availability(mb, width_mbs, constrained, slice_table, mb_type)
        qp = int(qp_y[mb])
        scale4x4_at = scale4x4_place(scaling, 0, qp)
        lacking = 0
        if shape == I_4X4:
            for k in range(16):
                block = int(LUMA_4X4_BLOCK[k])
                mode = int(intra_pred_mode[16 * mb + block])
                neighbours = load(AVAILABILITY4X4, 16 * available + block)
                lacking |= load(NEEDED, mode) & ~neighbours
                place = luma + 4 * (block // 4) * luma_stride + 4 * (block % 4)
                predict_intra4x4(mode, samples, place, luma_stride, neighbours, lines)
                count = load(total_coeff, 24 * mb + block)
                if at >= 0 and count > 0:
                    luma4x4_residual(
                        levels,
                        at + 16 * block,
                        count,
                        scale4x4,
                        scale4x4_at,
                        qp // 6,
                        residual,
                        0,
                        _STRIDE,
                    )
                    add_residual4x4(samples, place, luma_stride, residual, 0, _STRIDE)
        elif shape == I_8X8:
            for block in range(4):
                mode = int(intra_pred_mode[16 * mb + block])
                neighbours = load(AVAILABILITY8X8, 4 * available + block)
                lacking |= load(NEEDED, mode) & ~neighbours
                place = luma + 8 * (block // 2) * luma_stride + 8 * (block % 2)
                predict_intra8x8(mode, samples, place, luma_stride, neighbours, lines)
                if at >= 0 and quadrant_residual(
                    block,
                    load(transform_size_8x8_flag, mb),
                    levels,
                    at,
                    total_coeff,
                    24 * mb,
                    scale4x4,
                    scale4x4_at,
                    scale8x8,
                    (2 * scaling * 6 + qp % 6) * 64,
                    qp // 6,
                    residual,
                    0,
                    work,
                ):
                    add_quadrant(block, samples, luma, luma_stride, residual)
        else:
            mode = load(intra16x16_pred_mode, mb)
            lacking = load(NEEDED_16X16, mode) & ~available
            predict_intra16x16(mode, samples, luma, luma_stride, available)
            if at >= 0 and intra16x16_residual(
                load(coded_dc, mb),
                levels,
                at,
                total_coeff,
                24 * mb,
                scale4x4,
                scale4x4_at,
                qp // 6,
                residual,
                0,
                work,
            ):
                for quadrant in range(4):
                    add_quadrant(quadrant, samples, luma, luma_stride, residual)
        if lacking != 0 and status < 0:
            status = 4 * mb + shape
        mode = load(intra_chroma_pred_mode, mb)
        predict_chroma(mode, samples, cb, chroma_stride, available)
        predict_chroma(mode, samples, cr, chroma_stride, available)
        if load(NEEDED_CHROMA, mode) & ~available != 0 and status < 0:
            status = 4 * mb + _CHROMA_ELEMENT
        if at >= 0:
            add_chroma_residual(
                0,
                qp,
                slice_at,
                parameters,
                load(coded_dc, mb),
                levels,
                at,
                total_coeff,
                24 * mb,
                scale4x4,
                samples,
                cb,
                cr,
                chroma_stride,
                residual,
                work,
            )
    return status


@kernel
def write_residuals(
    first_mb: int,
    end_mb: int,
    slice_table: Array,
    parameters: Array,
    mb_type: Array,
    transform_size_8x8_flag: Array,
    qp_y: Array,
    total_coeff: Array,
    coded_dc: Array,
    level_offset: Array,
    levels: Array,
    scale4x4: Array,
    scale8x8: Array,
    work: Array,
    out: Array,
) -> None:
    """(#avc.8.5) Write the residual of macroblocks from first_mb to end_mb - 1 to out: int32
    (mbs * LEVELS_PER_MB,), which is 0 before; arguments as of add_inter_residuals."""
    for mb in range(first_mb, end_mb):
        at = int(level_offset[mb])
        shape = load(mb_type, mb)
        index = int(slice_table[mb])
        if at < 0 or index < 0 or shape == I_PCM:
            continue
        inter = 1 if shape > LAST_INTRA else 0
        slice_at = index * FIELDS
        scaling = int(parameters[slice_at + SCALING])
        qp = int(qp_y[mb])
        scale4x4_at = scale4x4_place(scaling, _INTER_LIST * inter, qp)
        out_at = (mb - first_mb) * LEVELS_PER_MB
        if shape == I_16X16:
            intra16x16_residual(
                load(coded_dc, mb),
                levels,
                at,
                total_coeff,
                24 * mb,
                scale4x4,
                scale4x4_at,
                qp // 6,
                out,
                out_at,
                work,
            )
        else:
            for quadrant in range(4):
                quadrant_residual(
                    quadrant,
                    load(transform_size_8x8_flag, mb),
                    levels,
                    at,
                    total_coeff,
                    24 * mb,
                    scale4x4,
                    scale4x4_at,
                    scale8x8,
                    ((2 * scaling + inter) * 6 + qp % 6) * 64,
                    qp // 6,
                    out,
                    out_at,
                    work,
                )
        for component in range(2):
            offset = int(parameters[slice_at + CHROMA_QP_INDEX_OFFSET + component])
            qp_c = chroma_qp(qp, offset)
            chroma_residual(
                component,
                load(coded_dc, mb),
                levels,
                at,
                total_coeff,
                24 * mb,
                scale4x4,
                scale4x4_place(scaling, _INTER_LIST * inter + 1 + component, qp_c),
                qp_c // 6,
                out,
                out_at,
                work,
            )


def _arguments(
    info: SideInformation, slices: SliceTable, store: FrameStore, slot: int
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Return the arguments of the kernels that describe syntax, and those that describe samples
    and work."""
    geometry = store.geometry
    begin = slot * geometry.slot_size
    syntax = (
        info.qp_y,
        info.total_coeff.reshape(-1),
        info.coded_dc,
        info.level_offset,
        info.levels,
        level_scale4x4(slices.scaling4x4).reshape(-1),
        level_scale8x8(slices.scaling8x8).reshape(-1),
    )
    place = (
        store.samples,
        begin + geometry.luma_offset,
        begin + geometry.cb_offset,
        begin + geometry.cr_offset,
        geometry.luma_stride,
        np.empty(LEVELS_PER_MB, np.int32),
        np.empty(64, np.int64),
    )
    return syntax, place


def reconstruct_inter_macroblocks(
    info: SideInformation,
    slices: SliceTable,
    store: FrameStore,
    slot: int,
    first_mb: int,
    end_mb: int,
) -> None:
    """(#avc.8.4.2) (#avc.8.5) Write the inter macroblocks from first_mb to end_mb - 1 of a picture
    to its slot, before deblocking. Ranges may be done by several threads at a time."""
    predict_inter(info, slices, store, slot, first_mb, end_mb)
    syntax, place = _arguments(info, slices, store, slot)
    add_inter_residuals(
        first_mb,
        end_mb,
        store.geometry.width_mbs,
        info.slice_table,
        slices.parameters.reshape(-1),
        info.motion.mb_type,
        info.transform_size_8x8_flag,
        *syntax,
        *place,
    )


def reconstruct_intra_macroblocks(
    info: SideInformation, slices: SliceTable, store: FrameStore, slot: int
) -> None:
    """(#avc.8.3) (#avc.8.5) Write the intra macroblocks of a picture to its slot, before
    deblocking; its inter macroblocks are there.

    A prediction mode that needs neighbours which are not available is refused with HYP-E-AVC-02,
    after all macroblocks are written.
    """
    syntax, place = _arguments(info, slices, store, slot)
    status = reconstruct_intra(
        0,
        info.mbs,
        store.geometry.width_mbs,
        np.empty(LINES_SIZE, np.uint8),
        info.slice_table,
        slices.parameters.reshape(-1),
        info.motion.mb_type,
        info.intra_pred_mode.reshape(-1),
        info.intra16x16_pred_mode,
        info.intra_chroma_pred_mode,
        info.transform_size_8x8_flag,
        *syntax,
        *place,
    )
    check_modes(status)


def check_modes(status: int) -> None:
    """Raise HYP-E-AVC-02 for what `reconstruct_intra` returned, unless it is -1."""
    if status >= 0:
        raise errors.error(
            "HYP-E-AVC-02",
            element=_ELEMENTS[status % 4],
            detail=f"The prediction mode of macroblock {status // 4} needs neighbours that it has not.",
        )


def reconstruct(info: SideInformation, slices: SliceTable, store: FrameStore, slot: int) -> None:
    """(#avc.8.3) (#avc.8.4.2) (#avc.8.5) Write the samples of a picture before deblocking to its
    slot; errors as of reconstruct_intra_macroblocks."""
    reconstruct_inter_macroblocks(info, slices, store, slot, 0, info.mbs)
    reconstruct_intra_macroblocks(info, slices, store, slot)


def residual_samples(
    info: SideInformation, slices: SliceTable, first_mb: int, end_mb: int
) -> Array:
    """(#avc.8.5) Return what is added to the prediction of macroblocks first_mb to end_mb - 1:
    int32 (end_mb - first_mb, LEVELS_PER_MB), 16x16 luma, 8x8 Cb, 8x8 Cr in raster order each; 0 in
    I_PCM macroblocks and where no slice was decoded."""
    out = np.zeros((end_mb - first_mb, LEVELS_PER_MB), np.int32)
    write_residuals(
        first_mb,
        end_mb,
        info.slice_table,
        slices.parameters.reshape(-1),
        info.motion.mb_type,
        info.transform_size_8x8_flag,
        info.qp_y,
        info.total_coeff.reshape(-1),
        info.coded_dc,
        info.level_offset,
        info.levels,
        level_scale4x4(slices.scaling4x4).reshape(-1),
        level_scale8x8(slices.scaling8x8).reshape(-1),
        np.empty(64, np.int64),
        out.reshape(-1),
    )
    return out
