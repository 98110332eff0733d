"""(#avc.8.3) (#avc.8.5) Reconstruction of a picture, macroblock by macroblock, sample by sample."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from refcodec.avc.plain import intra_prediction, transform
from refcodec.avc.side_information import (
    I_4X4,
    I_8X8,
    I_16X16,
    I_PCM,
    LAST_INTRA,
    SideInformation,
)
from refcodec.avc.slice_table import (
    CHROMA_QP_INDEX_OFFSET,
    CONSTRAINED_INTRA_PRED,
    SCALING,
    SliceTable,
)

Plane = NDArray[Any]


def decoding_place(size: int, x: int, y: int) -> tuple[int, int]:
    """(#avc.6.4.3) Return where the block of luma that holds sample (x, y) of a macroblock comes in
    decoding order: 8x8 block, and 4x4 block in it when size is 4."""
    eighth = 2 * (y // 8) + x // 8
    return eighth, 2 * (y % 8 // 4) + x % 8 // 4 if size == 4 else 0


def available_samples(
    info: SideInformation,
    slices: SliceTable,
    width_mbs: int,
    mb: int,
    plane: Plane,
    mb_size: int,
    block: tuple[int, int, int],
) -> dict[tuple[int, int], int]:
    """(#avc.8.3.1.2) Return the samples around a block that are available for Intra prediction.

    mb_size: of a macroblock in the plane, 16 or 8; block: x, y in the macroblock, and size
    """
    x0, y0, size = block
    index = info.slice_table[mb]
    constrained = slices.parameters[index, CONSTRAINED_INTRA_PRED]
    height, width = plane.shape
    samples: dict[tuple[int, int], int] = {}
    around = [(-1, y) for y in range(-1, size)] + [(x, -1) for x in range(2 * size)]
    for x, y in around:
        u = mb % width_mbs * mb_size + x0 + x
        v = mb // width_mbs * mb_size + y0 + y
        if not (0 <= u < width and 0 <= v < height):
            continue
        other = v // mb_size * width_mbs + u // mb_size
        if other > mb or info.slice_table[other] != index:
            continue
        if other == mb and decoding_place(size, x0 + x, y0 + y) > decoding_place(size, x0, y0):
            continue
        if other != mb and constrained and info.motion.mb_type[other] > LAST_INTRA:
            continue
        samples[x, y] = int(plane[v, u])
    return samples


def luma_residual(info: SideInformation, slices: SliceTable, mb: int) -> Plane:
    """(#avc.8.5.1) (#avc.8.5.2) (#avc.8.5.3) Return the luma residual of a macroblock, (16, 16)."""
    residual = np.zeros((16, 16), np.int64)
    if info.level_offset[mb] < 0:
        return residual
    shape = info.motion.mb_type[mb]
    inter = int(shape > LAST_INTRA)
    scaling = slices.parameters[info.slice_table[mb], SCALING]
    begin = info.level_offset[mb]
    levels = info.levels[begin : begin + 256]
    qp = int(info.qp_y[mb])
    weights4x4 = slices.scaling4x4[scaling, 3 * inter].reshape(4, 4)
    if info.transform_size_8x8_flag[mb]:
        weights8x8 = slices.scaling8x8[scaling, inter].reshape(8, 8)
        for block in range(4):
            c = levels[64 * block : 64 * block + 64].reshape(8, 8)
            r = transform.inverse_transform(transform.scale8x8(c, weights8x8, qp))
            y, x = 8 * (block // 2), 8 * (block % 2)
            residual[y : y + 8, x : x + 8] = r
        return residual
    dc = transform.intra16x16_dc(levels[::16].reshape(4, 4), int(weights4x4[0, 0]), qp)
    for block in range(16):
        c = levels[16 * block : 16 * block + 16].reshape(4, 4)
        d = transform.scale4x4(c, weights4x4, qp)
        if shape == I_16X16:
            d[0, 0] = dc[block // 4, block % 4]
        y, x = 4 * (block // 4), 4 * (block % 4)
        residual[y : y + 4, x : x + 4] = transform.inverse_transform(d)
    return residual


def chroma_residual(info: SideInformation, slices: SliceTable, mb: int, component: int) -> Plane:
    """(#avc.8.5.4) Return the residual of Cb (0) or Cr (1) of a macroblock, (8, 8)."""
    residual = np.zeros((8, 8), np.int64)
    if info.level_offset[mb] < 0:
        return residual
    inter = int(info.motion.mb_type[mb] > LAST_INTRA)
    parameters = slices.parameters[info.slice_table[mb]]
    begin = info.level_offset[mb] + 256 + 64 * component
    levels = info.levels[begin : begin + 64]
    qp = transform.chroma_qp(
        int(info.qp_y[mb]), int(parameters[CHROMA_QP_INDEX_OFFSET + component])
    )
    weights = slices.scaling4x4[parameters[SCALING], 3 * inter + 1 + component].reshape(4, 4)
    dc = transform.chroma_dc(levels[::16].reshape(2, 2), int(weights[0, 0]), qp)
    for block in range(4):
        c = levels[16 * block : 16 * block + 16].reshape(4, 4)
        d = transform.scale4x4(c, weights, qp)
        d[0, 0] = dc[block // 2, block % 2]
        y, x = 4 * (block // 2), 4 * (block % 2)
        residual[y : y + 4, x : x + 4] = transform.inverse_transform(d)
    return residual


def _reconstruct_luma(
    info: SideInformation, slices: SliceTable, width_mbs: int, mb: int, plane: Plane
) -> None:
    shape = info.motion.mb_type[mb]
    row, column = mb // width_mbs * 16, mb % width_mbs * 16
    residual = luma_residual(info, slices, mb)
    size = {I_4X4: 4, I_8X8: 8}.get(shape, 16)
    for block in sorted(
        ((x, y) for y in range(0, 16, size) for x in range(0, 16, size)),
        key=lambda place: decoding_place(size, *place),
    ):
        x, y = block
        target = plane[row + y : row + y + size, column + x : column + x + size]
        if shape <= LAST_INTRA:
            p = available_samples(info, slices, width_mbs, mb, plane, 16, (x, y, size))
            if shape == I_4X4:
                mode = int(info.intra_pred_mode[mb, y + x // 4])
                target[...] = intra_prediction.predict_intra4x4(mode, p)
            elif shape == I_8X8:
                mode = int(info.intra_pred_mode[mb, y // 4 + x // 8])
                target[...] = intra_prediction.predict_intra8x8(mode, p)
            else:
                mode = int(info.intra16x16_pred_mode[mb])
                target[...] = intra_prediction.predict_intra16x16(mode, p)
        target[...] = np.clip(target + residual[y : y + size, x : x + size], 0, 255)


def _reconstruct_chroma(
    info: SideInformation,
    slices: SliceTable,
    width_mbs: int,
    mb: int,
    component: int,
    plane: Plane,
) -> None:
    row, column = mb // width_mbs * 8, mb % width_mbs * 8
    target = plane[row : row + 8, column : column + 8]
    if info.motion.mb_type[mb] <= LAST_INTRA:
        p = available_samples(info, slices, width_mbs, mb, plane, 8, (0, 0, 8))
        mode = int(info.intra_chroma_pred_mode[mb])
        target[...] = intra_prediction.predict_chroma(mode, p)
    target[...] = np.clip(target + chroma_residual(info, slices, mb, component), 0, 255)


def reconstruct_macroblock(
    info: SideInformation,
    slices: SliceTable,
    width_mbs: int,
    mb: int,
    planes: tuple[Plane, Plane, Plane],
) -> None:
    """Reconstruct one macroblock in planes of int64, where an inter macroblock has its prediction
    already; KeyError when an intra prediction mode needs samples that are not available."""
    if info.motion.mb_type[mb] == I_PCM:
        begin = info.level_offset[mb]
        pcm = info.levels[begin : begin + 384]
        for plane, size, first in zip(planes, (16, 8, 8), (0, 256, 320), strict=True):
            row, column = mb // width_mbs * size, mb % width_mbs * size
            plane[row : row + size, column : column + size] = pcm[
                first : first + size * size
            ].reshape(size, size)
        return
    _reconstruct_luma(info, slices, width_mbs, mb, planes[0])
    for component in range(2):
        _reconstruct_chroma(info, slices, width_mbs, mb, component, planes[1 + component])


def reconstruct(
    info: SideInformation,
    slices: SliceTable,
    width_mbs: int,
    planes: tuple[Plane, Plane, Plane],
) -> None:
    """Reconstruct all macroblocks of a picture, in the order of their addresses; as
    reconstruct_macroblock."""
    for mb in range(info.mbs):
        if info.slice_table[mb] >= 0:
            reconstruct_macroblock(info, slices, width_mbs, mb, planes)
