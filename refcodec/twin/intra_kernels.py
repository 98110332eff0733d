"""Intra prediction of a picture's blocks and its adjoint, on planes of floating-point samples.

A picture's blocks are a list: `blocks`, int64 (count * FIELDS,), in decoding order. The planes are
flat; that of a block is y, cb or cr by its field.
"""

from __future__ import annotations

from typing import Any, Final

from refcodec.avc.compilation import inlined, kernel, load
from refcodec.avc.intra_prediction import (
    AVAILABILITY4X4,
    AVAILABILITY8X8,
    LEFT,
    TOP,
    TOP_LEFT,
    TOP_RIGHT,
    macroblock_availability,
)
from refcodec.avc.scans import LUMA_4X4_BLOCK
from refcodec.avc.side_information import I_4X4, I_8X8, I_PCM, LAST_INTRA, LEVELS_PER_MB
from refcodec.avc.slice_table import CONSTRAINED_INTRA_PRED
from refcodec.avc.slice_table import FIELDS as SLICE_FIELDS
from refcodec.twin.components import CHROMA, LUMA
from refcodec.twin.intra_weights import CHROMA_8X8, LUMA_4X4, LUMA_8X8, LUMA_16X16, SIZES

# Columns of the list of blocks
COMPONENT: Final = 0
PLACE: Final = 1
"""Of the first sample in its plane."""
SIZE: Final = 2
AVAILABILITY: Final = 3
WEIGHTS: Final = 4
"""Where the matrix begins in the weights; -1 for I_PCM, which is not predicted."""
RESIDUAL: Final = 5
"""Where the first sample is in the residual of all macroblocks, 384 each."""
RESIDUAL_STRIDE: Final = 6
FIELDS: Final = 7

MOST_BLOCKS: Final = 18
"""Of a macroblock: 16 of luma, Cb and Cr."""

MOST_COLUMNS: Final = 50


@inlined
def _note(
    blocks: Any, count: int, kind_places: Any, component: int, place: int, kind: int, mode: int,
    available: int, residual: int, residual_stride: int,
) -> int:  # fmt: skip
    n = int(SIZES[kind])
    at = count * FIELDS
    blocks[at + COMPONENT] = component
    blocks[at + PLACE] = place
    blocks[at + SIZE] = n
    blocks[at + AVAILABILITY] = available if mode >= 0 else 0
    weights = -1
    if mode >= 0:
        weights = load(kind_places, kind) + (16 * mode + available) * n * n * (3 * n + 2)
    blocks[at + WEIGHTS] = weights
    blocks[at + RESIDUAL] = residual
    blocks[at + RESIDUAL_STRIDE] = residual_stride
    return count + 1


@kernel
def list_blocks(
    blocks: Any, kind_places: Any, mbs: int, width_mbs: int, slice_table: Any, parameters: Any,
    mb_types: Any, intra_pred_mode: Any, intra16x16_pred_mode: Any, intra_chroma_pred_mode: Any,
) -> int:  # fmt: skip
    """(#avc.8.3) List the blocks of the intra macroblocks; the arrays are those of SideInformation
    and SliceTable, flat. Return how many there are."""
    stride = 16 * width_mbs
    count = 0
    for mb in range(mbs):
        shape = load(mb_types, mb)
        index = load(slice_table, mb)
        if shape > LAST_INTRA or index < 0:
            continue
        constrained = load(parameters, index * SLICE_FIELDS + CONSTRAINED_INTRA_PRED)
        available = int(macroblock_availability(mb, width_mbs, constrained, slice_table, mb_types))
        y = mb // width_mbs
        x = mb - y * width_mbs
        luma = 16 * (y * stride + x)
        chroma = 8 * (y * (stride >> 1) + x)
        residual = LEVELS_PER_MB * mb
        if shape == I_4X4:
            for k in range(16):
                block = load(LUMA_4X4_BLOCK, k)
                dy, dx = 4 * (block >> 2), 4 * (block & 3)
                count = _note(
                    blocks, count, kind_places, 0, luma + dy * stride + dx, LUMA_4X4,
                    load(intra_pred_mode, 16 * mb + block),
                    load(AVAILABILITY4X4, 16 * available + block), residual + 16 * dy + dx, 16,
                )  # fmt: skip
        elif shape == I_8X8:
            for block in range(4):
                dy, dx = 8 * (block >> 1), 8 * (block & 1)
                count = _note(
                    blocks, count, kind_places, 0, luma + dy * stride + dx, LUMA_8X8,
                    load(intra_pred_mode, 16 * mb + block),
                    load(AVAILABILITY8X8, 4 * available + block), residual + 16 * dy + dx, 16,
                )  # fmt: skip
        else:
            mode = -1 if shape == I_PCM else load(intra16x16_pred_mode, mb)
            count = _note(
                blocks, count, kind_places, 0, luma, LUMA_16X16, mode, available, residual, 16
            )
        mode = -1 if shape == I_PCM else load(intra_chroma_pred_mode, mb)
        for component in range(1, 3):
            count = _note(
                blocks, count, kind_places, component, chroma, CHROMA_8X8, mode, available,
                residual + 192 + 64 * component, 8,
            )  # fmt: skip
    return count


@inlined
def _gather(plane: Any, place: int, stride: int, n: int, available: int, line: Any) -> None:
    """Lay the neighbours of a block in the order of the columns of its matrix."""
    for i in range(3 * n + 1):
        line[i] = 0.0
    line[3 * n + 1] = 1.0
    above = place - stride
    if available & TOP_LEFT:
        line[0] = plane[above - 1]
    if available & TOP:
        for x in range(n):
            line[1 + x] = plane[above + x]
    # a macroblock or chroma block is never predicted from there
    if available & TOP_RIGHT and n < 16:
        for x in range(n, 2 * n):
            line[1 + x] = plane[above + x]
    if available & LEFT:
        for y in range(n):
            line[1 + 2 * n + y] = plane[place + y * stride - 1]


@inlined
def _scatter(plane: Any, place: int, stride: int, n: int, available: int, line: Any) -> None:
    """Add to the neighbours of a block; the adjoint of `_gather`."""
    above = place - stride
    if available & TOP_LEFT:
        plane[above - 1] += line[0]
    if available & TOP:
        for x in range(n):
            plane[above + x] += line[1 + x]
    if available & TOP_RIGHT and n < 16:
        for x in range(n, 2 * n):
            plane[above + x] += line[1 + x]
    if available & LEFT:
        for y in range(n):
            plane[place + y * stride - 1] += line[1 + 2 * n + y]


@kernel
def _predict_block(
    plane: Any, stride: int, blocks: Any, at: int, weights: Any, residual: Any, line: Any
) -> None:
    place, n = load(blocks, at + PLACE), load(blocks, at + SIZE)
    first = load(blocks, at + WEIGHTS)
    width = 3 * n + 2
    if first >= 0:
        _gather(plane, place, stride, n, load(blocks, at + AVAILABILITY), line)
    for y in range(n):
        for x in range(n):
            from_residual = load(blocks, at + RESIDUAL) + y * load(blocks, at + RESIDUAL_STRIDE) + x
            value = float(residual[from_residual])
            if first >= 0:
                row = first + (y * n + x) * width
                for i in range(width):
                    value += weights[row + i] * line[i]
            plane[place + y * stride + x] = value


@kernel
def predict_blocks(
    y: Any, cb: Any, cr: Any, stride: int, blocks: Any, count: int, weights: Any, residual: Any,
    line: Any,
) -> None:  # fmt: skip
    """(#avc.8.3) Write each block's prediction and residual, neither rounded nor clipped.

    stride: of luma; residual: int32, of all macroblocks, and the samples where they are I_PCM; line:
    (MOST_COLUMNS,), for work
    """
    for number in range(count):
        at = number * FIELDS
        component = load(blocks, at + COMPONENT)
        if component == 0:
            _predict_block(y, stride, blocks, at, weights, residual, line)
        elif component == 1:
            _predict_block(cb, stride >> 1, blocks, at, weights, residual, line)
        else:
            _predict_block(cr, stride >> 1, blocks, at, weights, residual, line)


@kernel
def _return_block(plane: Any, stride: int, blocks: Any, at: int, weights: Any, line: Any) -> None:
    place, n = load(blocks, at + PLACE), load(blocks, at + SIZE)
    first = load(blocks, at + WEIGHTS)
    width = 3 * n + 2
    for i in range(width):
        line[i] = 0.0
    for y in range(n):
        for x in range(n):
            gradient = plane[place + y * stride + x]
            plane[place + y * stride + x] = 0.0
            if first >= 0 and gradient != 0.0:
                row = first + (y * n + x) * width
                for i in range(width):
                    line[i] += weights[row + i] * gradient
    if first >= 0:
        _scatter(plane, place, stride, n, load(blocks, at + AVAILABILITY), line)


@kernel
def return_blocks(
    y: Any, cb: Any, cr: Any, stride: int, blocks: Any, count: int, weights: Any, line: Any,
    components: int,
) -> None:  # fmt: skip
    """The adjoint of `predict_blocks`: take gradients of what it writes, make them those of what it
    reads. components: LUMA, CHROMA or both."""
    for reverse in range(count):
        at = (count - 1 - reverse) * FIELDS
        component = load(blocks, at + COMPONENT)
        if components & (LUMA if component == 0 else CHROMA) == 0:
            continue
        if component == 0:
            _return_block(y, stride, blocks, at, weights, line)
        elif component == 1:
            _return_block(cb, stride >> 1, blocks, at, weights, line)
        else:
            _return_block(cr, stride >> 1, blocks, at, weights, line)
