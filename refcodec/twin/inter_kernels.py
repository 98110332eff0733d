"""The adjoint of inter prediction, macroblock by macroblock, on planes of gradients.

Planes are flat, float32, and have a macroblock grid without margin; those of reference pictures lie one after the
other, by slot. Interpolation is linear but for rounding and clipping, whose derivative is 1 here, so no sample is
needed. Positions outside a picture are those of its edge.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from refcodec.avc.compilation import inlined, kernel, load
from refcodec.avc.side_information import LAST_INTRA
from refcodec.twin.components import CHROMA, LUMA
from refcodec.twin.interpolation import FIRST_LETTER, SECOND_LETTER, TWO_LETTERS, B, G, J

REACH: Final = 5
"""Rows and columns that a prediction reads beyond its own."""
_STRIDE: Final = 32
"""Of padded rows in the scratch array."""
_PADDED: Final = (16 + 2 * REACH) * _STRIDE
_OWN: Final = 2 * _PADDED
WORK: Final = _OWN + (16 + REACH) ** 2
"""Elements of the scratch array: a block with REACH zeros around it, the same filtered down, and a block that reaches
beyond a picture."""

_BEFORE: Final = 2
_FIVE = np.float32(5)
_TWENTY = np.float32(20)
_FIRST = np.ascontiguousarray(FIRST_LETTER.reshape(-1))
_SECOND = np.ascontiguousarray(SECOND_LETTER.reshape(-1))
_TWO = TWO_LETTERS.astype(np.int32)
_HALF = np.float32(0.5)
_B_SCALE = np.float32(1 / 32)
_J_SCALE = np.float32(1 / 1024)
_CHROMA_SCALE = np.float32(1 / 64)


@inlined
def _add_rows(
    source: Any, source_at: int, source_stride: int, target: Any, at: int, stride: int,
    width: int, height: int, weight: Any,
) -> None:  # fmt: skip
    """Add a rectangle, times a weight, to another one."""
    for y in range(height):
        row, read = at + y * stride, source_at + y * source_stride
        for x in range(width):
            target[np.uint64(row + x)] += weight * source[np.uint64(read + x)]


@inlined
def _pad(source: Any, source_at: int, source_stride: int, work: Any, size: int) -> None:
    """Put a square into the scratch array, with REACH zeros on all sides."""
    for y in range(size + 2 * REACH):
        for x in range(size + 2 * REACH):
            work[np.uint64(y * _STRIDE + x)] = 0
    for y in range(size):
        row, read = (y + REACH) * _STRIDE + REACH, source_at + y * source_stride
        for x in range(size):
            work[np.uint64(row + x)] = source[np.uint64(read + x)]


@inlined
def _six(work: Any, at: int, step: int) -> Any:
    """Return six elements from `at` on, weighted as (#avc.8.4.2.2.1) does; the weights are symmetric."""
    ends = work[np.uint64(at)] + work[np.uint64(at + 5 * step)]
    near = work[np.uint64(at + step)] + work[np.uint64(at + 4 * step)]
    middle = work[np.uint64(at + 2 * step)] + work[np.uint64(at + 3 * step)]
    return ends - _FIVE * near + _TWENTY * middle


@inlined
def _return_across(
    work: Any, work_at: int, rows: int, size: int, weight: Any, target: Any, at: int, stride: int
) -> None:
    """Add what half samples between columns pass back to size + REACH columns; work_at: of the first padded row."""
    for y in range(rows):
        row, read = at + y * stride - _BEFORE, work_at + y * _STRIDE
        for x in range(size + REACH):
            target[np.uint64(row + x)] += weight * _six(work, read + x, 1)


@inlined
def _return_down(work: Any, size: int, weight: Any, target: Any, at: int, stride: int) -> None:
    """Add what half samples between rows pass back to size + REACH rows."""
    for y in range(size + REACH):
        row, read = at + (y - _BEFORE) * stride, y * _STRIDE + REACH
        for x in range(size):
            target[np.uint64(row + x)] += weight * _six(work, read + x, _STRIDE)


@inlined
def _filter_down(work: Any, size: int) -> None:
    """Filter the padded square down into the second part of the scratch array, with REACH zeros left and right."""
    for y in range(size + REACH):
        row, read = _PADDED + y * _STRIDE, y * _STRIDE + REACH
        for x in range(REACH):
            work[np.uint64(row + x)] = 0
            work[np.uint64(row + REACH + size + x)] = 0
        for x in range(size):
            work[np.uint64(row + REACH + x)] = _six(work, read + x, _STRIDE)


@inlined
def _return_letter(
    gradient: Any, gradient_at: int, gradient_stride: int, size: int, weight: Any, letter: int,
    target: Any, at: int, stride: int, work: Any,
) -> None:  # fmt: skip
    """(#avc.8.4.2.2.1) The adjoint of full samples G or of half samples b, h or j; at: of the first one's G. What is
    half is padded in `work`."""
    if letter == G:
        _add_rows(gradient, gradient_at, gradient_stride, target, at, stride, size, size, weight)
    elif letter == B:
        _return_across(work, REACH * _STRIDE, size, size, weight * _B_SCALE, target, at, stride)
    elif letter == J:
        _filter_down(work, size)
        _return_across(
            work,
            _PADDED,
            size + REACH,
            size,
            weight * _J_SCALE,
            target,
            at - _BEFORE * stride,
            stride,
        )
    else:
        _return_down(work, size, weight * _B_SCALE, target, at, stride)


@inlined
def _return_sized(
    gradient: Any, gradient_at: int, gradient_stride: int, size: int, weight: Any, fraction: int,
    target: Any, at: int, stride: int, work: Any,
) -> None:  # fmt: skip
    """(#avc.8.4.2.2.1) The adjoint of a block of luma samples, of a size that is known where this is compiled."""
    two = load(_TWO, fraction)
    share = weight * _HALF if two != 0 else weight
    if fraction != 0:
        _pad(gradient, gradient_at, gradient_stride, work, size)
    for number in range(1 + two):
        table = _FIRST if number == 0 else _SECOND
        letter = load(table, 3 * fraction)
        place = at + load(table, 3 * fraction + 2) * stride + load(table, 3 * fraction + 1)
        _return_letter(
            gradient, gradient_at, gradient_stride, size, share, letter, target, place, stride, work
        )


@inlined
def _return_luma_samples(
    gradient: Any, gradient_at: int, gradient_stride: int, size: int, weight: Any, fraction: int,
    target: Any, at: int, stride: int, work: Any,
) -> None:  # fmt: skip
    """(#avc.8.4.2.2.1) The adjoint of a block of luma samples, all of whose samples are in `target`."""
    if size == 16:
        _return_sized(
            gradient, gradient_at, gradient_stride, 16, weight, fraction, target, at, stride, work
        )
    elif size == 8:
        _return_sized(
            gradient, gradient_at, gradient_stride, 8, weight, fraction, target, at, stride, work
        )
    else:
        _return_sized(
            gradient, gradient_at, gradient_stride, 4, weight, fraction, target, at, stride, work
        )


@inlined
def _return_clamped(
    work: Any,
    work_at: int,
    side: int,
    target: Any,
    at: int,
    width: int,
    height: int,
    x: int,
    y: int,
) -> None:
    """(#avc.8.4.2.2) Add a square of `side` that begins at (x, y) to a plane, what is outside to its edges."""
    for j in range(side):
        row = at + min(max(y + j, 0), height - 1) * width
        for i in range(side):
            target[row + min(max(x + i, 0), width - 1)] += work[work_at + j * side + i]


@kernel
def _return_luma(
    gradient: Any, gradient_at: int, size: int, weight: Any, fraction: int, target: Any, at: int,
    width: int, height: int, x: int, y: int, work: Any,
) -> None:  # fmt: skip
    """(#avc.8.4.2.2.1) The adjoint of a block whose G of the first sample is (x, y) in the plane at `at`."""
    side = size + REACH
    left, top = x - _BEFORE, y - _BEFORE
    if left >= 0 and top >= 0 and left + side <= width and top + side <= height:
        _return_luma_samples(
            gradient, gradient_at, width, size, weight, fraction, target, at + y * width + x, width,
            work,
        )  # fmt: skip
        return
    own = _OWN
    for i in range(side * side):
        work[own + i] = 0
    _return_luma_samples(
        gradient, gradient_at, width, size, weight, fraction, work, own + _BEFORE * side + _BEFORE,
        side, work,
    )  # fmt: skip
    _return_clamped(work, own, side, target, at, width, height, left, top)


@inlined
def _return_chroma_samples(
    gradient: Any, gradient_at: int, gradient_stride: int, size: int, weight: Any, x_frac: int,
    y_frac: int, target: Any, at: int, stride: int,
) -> None:  # fmt: skip
    """(#avc.8.4.2.2.2) The adjoint of a block of chroma samples, all of whose samples are in `target`."""
    for corner in range(4):
        dx, dy = corner & 1, corner >> 1
        across = x_frac if dx != 0 else 8 - x_frac
        down = y_frac if dy != 0 else 8 - y_frac
        if across * down != 0:
            _add_rows(
                gradient, gradient_at, gradient_stride, target, at + dy * stride + dx, stride, size,
                size, weight * np.float32(across * down) * _CHROMA_SCALE,
            )  # fmt: skip


@kernel
def _return_chroma(
    gradient: Any, gradient_at: int, size: int, weight: Any, x_frac: int, y_frac: int, target: Any,
    at: int, width: int, height: int, x: int, y: int, work: Any,
) -> None:  # fmt: skip
    """(#avc.8.4.2.2.2) The adjoint of a block whose first sample is at (x, y) and fractions behind it."""
    side = size + 1
    if x >= 0 and y >= 0 and x + side <= width and y + side <= height:
        _return_chroma_samples(
            gradient, gradient_at, width, size, weight, x_frac, y_frac, target, at + y * width + x,
            width,
        )  # fmt: skip
        return
    for i in range(side * side):
        work[i] = 0
    _return_chroma_samples(
        gradient, gradient_at, width, size, weight, x_frac, y_frac, work, 0, side
    )
    _return_clamped(work, 0, side, target, at, width, height, x, y)


@inlined
def _same_vectors(mv: Any, mb: int, first: int, blocks: int) -> bool:
    """Return whether `blocks` 4x4 blocks across and down from block `first` have the same vectors, where lists
    are used."""
    same = True
    for k in range(2):
        at = 64 * mb + 32 * k
        x, y = load(mv, at + 2 * first), load(mv, at + 2 * first + 1)
        for j in range(blocks):
            for i in range(blocks):
                block = first + 4 * j + i
                if load(mv, at + 2 * block) != x or load(mv, at + 2 * block + 1) != y:
                    same = False
    return same


@inlined
def _same_references(ref_idx: Any, mb: int) -> bool:
    same = True
    for k in range(2):
        at = 8 * mb + 4 * k
        for quarter in range(1, 4):
            if load(ref_idx, at + quarter) != load(ref_idx, at):
                same = False
    return same


@kernel
def _return_block(
    y: Any, cb: Any, cr: Any, width: int, height: int, mb: int, block: int, size: int, x: int,
    top: int, slice_index: int, mv: Any, ref_idx: Any, ref_picture: Any, slots: Any,
    target_y: Any, target_cb: Any, target_cr: Any, factors: Any, lists: int, components: int,
    work: Any,
) -> None:  # fmt: skip
    """(#avc.8.4.2) The adjoint of `size` x `size` luma samples at (x, top) and of their chroma; block: the first
    4x4 block, in raster order of the macroblock."""
    quarter = 2 * (block >> 3) + ((block & 3) >> 1)
    first, second = load(ref_idx, 8 * mb + quarter), load(ref_idx, 8 * mb + 4 + quarter)
    row = 6 * ((slice_index * lists + first + 1) * lists + second + 1)
    half_width, half_height, half = width >> 1, height >> 1, size >> 1
    for k in range(2):
        if (second if k != 0 else first) < 0:
            continue
        slot = load(slots, load(ref_picture, 8 * mb + 4 * k + quarter))
        if slot < 0:
            continue
        mv_x, mv_y = (
            load(mv, 64 * mb + 32 * k + 2 * block),
            load(mv, 64 * mb + 32 * k + 2 * block + 1),
        )
        if components & LUMA != 0:
            _return_luma(
                y, top * width + x, size, factors[row + k], (mv_x & 3) + 4 * (mv_y & 3), target_y,
                slot * width * height, width, height, x + (mv_x >> 2), top + (mv_y >> 2), work,
            )  # fmt: skip
        if components & CHROMA == 0:
            continue
        at, place = slot * half_width * half_height, (top >> 1) * half_width + (x >> 1)
        left, upper = (x >> 1) + (mv_x >> 3), (top >> 1) + (mv_y >> 3)
        _return_chroma(
            cb, place, half, factors[row + 2 + k], mv_x & 7, mv_y & 7, target_cb, at, half_width,
            half_height, left, upper, work,
        )  # fmt: skip
        _return_chroma(
            cr, place, half, factors[row + 4 + k], mv_x & 7, mv_y & 7, target_cr, at, half_width,
            half_height, left, upper, work,
        )  # fmt: skip


@kernel
def return_inter(
    y: Any, cb: Any, cr: Any, width_mbs: int, mbs: int, slice_table: Any, mb_types: Any, mv: Any,
    ref_idx: Any, ref_picture: Any, slots: Any, target_y: Any, target_cb: Any, target_cr: Any,
    factors: Any, lists: int, components: int, work: Any,
) -> None:  # fmt: skip
    """(#avc.8.4.2) Add to gradients of reference pictures what the inter macroblocks of a picture pass back, whose
    gradient is y, cb and cr.

    slots: int32, of each picture id, -1 for pictures without gradient; factors: float32, of the predictions from
    the two lists, flat (slices, lists, lists, 3, 2), by ref_idx + 1 in both lists; components: LUMA, CHROMA or both;
    work: float32 (WORK,)
    """
    width, height = 16 * width_mbs, 16 * (mbs // width_mbs)
    for mb in range(mbs):
        index = load(slice_table, mb)
        if index < 0 or load(mb_types, mb) <= LAST_INTRA:
            continue
        mb_y = mb // width_mbs
        mb_x = mb - mb_y * width_mbs
        size = 16
        if not (_same_references(ref_idx, mb) and _same_vectors(mv, mb, 0, 4)):
            size = 8
        for number in range(1 if size == 16 else 4):
            first = 8 * (number >> 1) + 2 * (number & 1)
            part = size
            if size == 8 and not _same_vectors(mv, mb, first, 2):
                part = 4
            for k in range(4 if part == 4 else 1):
                block = first + 4 * (k >> 1) + (k & 1)
                _return_block(
                    y, cb, cr, width, height, mb, block, part, 16 * mb_x + 4 * (block & 3),
                    16 * mb_y + 4 * (block >> 2), index, mv, ref_idx, ref_picture, slots, target_y,
                    target_cb, target_cr, factors, lists, components, work,
                )  # fmt: skip
