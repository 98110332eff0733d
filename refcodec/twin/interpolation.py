"""Fractional sample interpolation of whole sets of blocks, and its adjoint, written out.

Interpolation is linear but for rounding and clipping, whose gradient is taken straight through, so
that nothing has to be kept for the backward pass but the places that samples were taken from.

Samples of a reference are `Grids`: luma as four planes, full samples G and the half samples b, h
and j of Figure 8-4, each with a margin of MARGIN; positions further outside are clamped, where the
samples are all the same. Every quarter sample is the mean of two of these (8.4.2.2.1).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from refcodec.twin.planes import MAXIMUM, Mode, Planes

MARGIN = 4
"""Luma samples on each side of the four planes. Half samples at -3 and less, and at 1 behind the last
full sample and more, have six equal taps."""

_BEFORE, _BEHIND = 2, 3
"""Samples that the filter reaches before and behind a position."""

_OUTER = 2 * MARGIN + _BEFORE + _BEHIND

G, B, H, J = range(4)

# Figure 8-4 by x_frac and y_frac: plane, dx and dy of the two samples whose mean it is; one for
# full and half samples.
_LETTERS: dict[tuple[int, int], tuple[tuple[int, int, int], ...]] = {
    (0, 0): ((G, 0, 0),),
    (0, 1): ((G, 0, 0), (H, 0, 0)),
    (0, 2): ((H, 0, 0),),
    (0, 3): ((G, 0, 1), (H, 0, 0)),
    (1, 0): ((G, 0, 0), (B, 0, 0)),
    (1, 1): ((B, 0, 0), (H, 0, 0)),
    (1, 2): ((H, 0, 0), (J, 0, 0)),
    (1, 3): ((H, 0, 0), (B, 0, 1)),
    (2, 0): ((B, 0, 0),),
    (2, 1): ((B, 0, 0), (J, 0, 0)),
    (2, 2): ((J, 0, 0),),
    (2, 3): ((J, 0, 0), (B, 0, 1)),
    (3, 0): ((G, 1, 0), (B, 0, 0)),
    (3, 1): ((B, 0, 0), (H, 1, 0)),
    (3, 2): ((J, 0, 0), (H, 1, 0)),
    (3, 3): ((B, 0, 1), (H, 1, 0)),
}
FIRST_LETTER = np.array([_LETTERS[k & 3, k >> 2][0] for k in range(16)], np.int32)
SECOND_LETTER = np.array([_LETTERS[k & 3, k >> 2][-1] for k in range(16)], np.int32)
TWO_LETTERS = np.array([len(_LETTERS[k & 3, k >> 2]) == 2 for k in range(16)])


def _tap(x: Tensor, axis: int) -> Tensor:
    """(#avc.8.4.2.2.1) Filter with taps 1, -5, 20, 20, -5, 1; the axis becomes shorter by five."""
    length = x.shape[axis] - 5
    a, b, c, d, e, f = (x.narrow(axis, k, length) for k in range(6))
    return (c + d).mul_(4).sub_(b).sub_(e).mul_(5).add_(a).add_(f)


def _adjoint_tap(gradient: Tensor, axis: int) -> Tensor:
    """Return what _tap passes back; the taps are symmetric."""
    padding = (5, 5) if axis == gradient.dim() - 1 else (0, 0, 5, 5)
    return _tap(functional.pad(gradient, padding), axis)


def _halved(x: Tensor, shift: int, exact: bool, out: Tensor) -> None:
    """(#avc.8.4.2.2.1) Clip1((x + 2^(shift-1)) >> shift)."""
    torch.mul(x, 0.5**shift, out=out)
    if exact:
        out.add_(0.5).floor_().clamp_(0, MAXIMUM)


class _HalfSamples(torch.autograd.Function):
    """Luma (n, h, w) to the planes G, b, h, j (n, 4, h + 2 MARGIN, w + 2 MARGIN)."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, exact: bool) -> Tensor:
        ctx.size = y.shape
        n, height, width = y.shape
        around = (MARGIN + _BEFORE, MARGIN + _BEHIND)
        padded = functional.pad(y[:, None], around + around, mode="replicate")[:, 0]
        rows, columns = height + 2 * MARGIN, width + 2 * MARGIN
        out = y.new_empty((n, 4, rows, columns))
        inner = padded[:, :, _BEFORE : _BEFORE + columns]
        out[:, G] = inner[:, _BEFORE : _BEFORE + rows]
        across = _tap(padded, 2)
        _halved(_tap(inner, 1), 5, exact, out[:, H])
        _halved(_tap(across, 1), 10, exact, out[:, J])
        _halved(across[:, _BEFORE : _BEFORE + rows], 5, exact, out[:, B])
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        gradient = gradients[0]
        height, width = ctx.size[1:]
        rows, columns = gradient.shape[2:]
        across = _adjoint_tap(gradient[:, J] * 0.5**10, 1)
        across[:, _BEFORE : _BEFORE + rows].add_(gradient[:, B], alpha=0.5**5)
        padded = _adjoint_tap(across, 2)
        inner = padded[:, :, _BEFORE : _BEFORE + columns]
        inner.add_(_adjoint_tap(gradient[:, H] * 0.5**5, 1))
        inner[:, _BEFORE : _BEFORE + rows].add_(gradient[:, G])
        # what the repeated edges pass back
        begin = MARGIN + _BEFORE
        for axis, length in ((1, height), (2, width)):
            first, last = padded.select(axis, begin), padded.select(axis, begin + length - 1)
            first.add_(padded.narrow(axis, 0, begin).sum(axis))
            last.add_(padded.narrow(axis, begin + length, MARGIN + _BEHIND).sum(axis))
            padded = padded.narrow(axis, begin, length)
        return padded.contiguous(), None


class Grids(NamedTuple):
    """A reference picture, ready for interpolation: luma (n, 4 or 1, h + 8, w + 8), G alone when
    only full samples are wanted, and cb, cr (n, h / 2, w / 2); n pictures of a batch."""

    luma: Tensor
    cb: Tensor
    cr: Tensor


def interpolation_grids(planes: Planes, mode: Mode, full_samples_only: bool = False) -> Grids:
    """(#avc.8.4.2.2.1) Return the planes that all fractional samples of a reference are taken from."""
    y, cb, cr = (plane.reshape(-1, *plane.shape[-2:]) for plane in planes)
    if full_samples_only:
        around = (MARGIN,) * 4
        return Grids(functional.pad(y[:, None], around, mode="replicate"), cb, cr)
    luma: Tensor = _HalfSamples.apply(y, mode is Mode.EXACT)  # type: ignore[no-untyped-call]
    return Grids(luma, cb, cr)


@dataclass(frozen=True)
class Blocks:
    """Predictions of 4x4 luma blocks, and the 2x2 chroma blocks that belong to them, from one
    reference of `width` x `height` luma samples.

    luma: int32 (3, entries), plane, x and y of the upper left sample; those of quarter samples come
        first, with what they are averaged with in `luma2`, (3, quarters)
    chroma: int32 (4, entries), x, y, eighths across and down, those with a fraction first;
        `fractions` of them
    full_samples_only: whether no luma sample is a fractional one
    """

    width: int
    height: int
    luma: Tensor
    luma2: Tensor
    chroma: Tensor
    fractions: int
    full_samples_only: bool

    def to(self, device: torch.device) -> Blocks:
        """Return the same with its tensors on another device."""
        if self.luma.device == device:
            return self
        luma, luma2, chroma = (each.to(device) for each in (self.luma, self.luma2, self.chroma))
        return replace(self, luma=luma, luma2=luma2, chroma=chroma)


def blocks_of(
    x: NDArray[np.int32], y: NDArray[np.int32], mv: NDArray[np.int16], width: int, height: int
) -> tuple[Blocks, NDArray[np.int64], NDArray[np.int64]]:
    """(#avc.8.4.2.2) Return where blocks at luma samples (x, y) with vectors `mv` (entries, 2) are
    taken from, and the number among the vectors of each entry of its `luma` and of its `chroma`."""
    mv_x, mv_y = mv[:, 0].astype(np.int32), mv[:, 1].astype(np.int32)
    fraction = (mv_x & 3) + 4 * (mv_y & 3)
    order = np.argsort(~TWO_LETTERS[fraction], kind="stable")
    quarters = int(TWO_LETTERS[fraction].sum())
    places = []
    for table, entries in ((FIRST_LETTER, order), (SECOND_LETTER, order[:quarters])):
        letter, dx, dy = table[fraction[entries]].T
        at_x = x[entries] + (mv_x[entries] >> 2) + dx
        at_y = y[entries] + (mv_y[entries] >> 2) + dy
        places.append(torch.from_numpy(np.stack([letter, at_x, at_y]).astype(np.int32)))
    has_fraction = ((mv_x | mv_y) & 7) != 0
    chroma_order = np.argsort(~has_fraction, kind="stable")
    chroma = np.stack([(x >> 1) + (mv_x >> 3), (y >> 1) + (mv_y >> 3), mv_x & 7, mv_y & 7])
    blocks = Blocks(
        width,
        height,
        places[0],
        places[1],
        torch.from_numpy(chroma[:, chroma_order].astype(np.int32)),
        int(has_fraction.sum()),
        not fraction.any(),
    )
    return blocks, order, chroma_order


def _places(x: Tensor, y: Tensor, size: int, bounds: tuple[int, ...], start: Tensor) -> Tensor:
    """Return the indices, int32 (entries * size * size), of blocks at (x, y) in planes of rows of
    `bounds[4]` samples with x and y clamped to bounds (lowest, highest) each; `start` (entries, 1) is
    added."""
    least_x, most_x, least_y, most_y, stride = bounds
    step = torch.arange(size, dtype=torch.int32, device=x.device)
    columns = (x[:, None] + step).clamp_(least_x, most_x).sub_(least_x)
    rows = (y[:, None] + step).clamp_(least_y, most_y).sub_(least_y).mul_(stride).add_(start)
    return (rows[:, :, None] + columns[:, None, :]).view(-1)


def _take(flat: Tensor, places: Tensor) -> Tensor:
    """Return (n, places) of flat (n, samples)."""
    if len(flat) == 1:
        return flat[0].index_select(0, places)[None]
    return torch.stack([each.index_select(0, places) for each in flat])


def _put(flat: Tensor, places: Tensor, values: Tensor) -> None:
    """Add values (n, places) to flat (n, samples), the adjoint of _take."""
    for target, each in zip(flat, values.reshape(len(flat), -1), strict=True):
        target.index_add_(0, places, each)


def _luma_places(blocks: Blocks, entries: Tensor) -> Tensor:
    letter, x, y = entries
    columns, rows = blocks.width + 2 * MARGIN, blocks.height + 2 * MARGIN
    bounds = (-MARGIN, blocks.width + MARGIN - 1, -MARGIN, blocks.height + MARGIN - 1, columns)
    return _places(x, y, 4, bounds, (letter * (rows * columns))[:, None])


class _LumaBlocks(torch.autograd.Function):
    """Planes (n, k, rows, columns) to blocks (n, entries, 16)."""

    @staticmethod
    def forward(ctx: Any, grids: Tensor, blocks: Blocks, exact: bool) -> Tensor:
        ctx.size, ctx.blocks = grids.shape, blocks
        flat = grids.reshape(len(grids), -1)
        out = _take(flat, _luma_places(blocks, blocks.luma)).view(len(flat), -1, 16)
        if quarters := blocks.luma2.shape[1]:
            mean = out[:, :quarters]
            mean += _take(flat, _luma_places(blocks, blocks.luma2)).view(len(flat), -1, 16)
            mean *= 0.5
            if exact:
                mean.add_(0.5).floor_()
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        gradient, blocks = gradients[0], ctx.blocks
        flat = gradient.new_zeros((len(gradient), ctx.size[1:].numel()))
        quarters = blocks.luma2.shape[1]
        if quarters:
            gradient = gradient.clone()
            half = gradient[:, :quarters].mul_(0.5)
            _put(flat, _luma_places(blocks, blocks.luma2), half)
        _put(flat, _luma_places(blocks, blocks.luma), gradient)
        return flat.view(ctx.size), None, None


def _chroma_places(blocks: Blocks, entries: Tensor, size: int) -> Tensor:
    columns, rows = blocks.width // 2, blocks.height // 2
    bounds = (0, columns - 1, 0, rows - 1, columns)
    return _places(entries[0], entries[1], size, bounds, entries.new_zeros((entries.shape[1], 1)))


def _corner_weights(entries: Tensor, dtype: torch.dtype) -> tuple[Tensor, ...]:
    """(#avc.8.4.2.2.2) The weights of the four samples around a place, in 1/64, (entries, 1, 1)."""
    x, y = entries[2].to(dtype)[:, None, None], entries[3].to(dtype)[:, None, None]
    across, down = (8 - x, x), (8 - y, y)
    return tuple(across[k & 1] * down[k >> 1] / 64 for k in range(4))


class _ChromaBlocks(torch.autograd.Function):
    """A plane (n, rows, columns) to blocks (n, entries, 4)."""

    @staticmethod
    def forward(ctx: Any, plane: Tensor, blocks: Blocks, exact: bool) -> Tensor:
        ctx.size, ctx.blocks = plane.shape, blocks
        n, count = len(plane), blocks.fractions
        flat = plane.reshape(n, -1)
        parts = []
        if count:
            entries = blocks.chroma[:, :count]
            around = _take(flat, _chroma_places(blocks, entries, 3)).view(n, count, 3, 3)
            weights = _corner_weights(entries, plane.dtype)
            mean = around[:, :, :2, :2] * weights[0]
            for k in range(1, 4):
                mean += around[:, :, k >> 1 : 2 + (k >> 1), k & 1 : 2 + (k & 1)] * weights[k]
            if exact:
                mean.add_(0.5).floor_()
            parts.append(mean.view(n, count, 4))
        if count < blocks.chroma.shape[1]:
            places = _chroma_places(blocks, blocks.chroma[:, count:], 2)
            parts.append(_take(flat, places).view(n, -1, 4))
        return parts[0] if len(parts) == 1 else torch.cat(parts, 1)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        gradient, blocks = gradients[0], ctx.blocks
        n, count = ctx.size[0], blocks.fractions
        flat = gradient.new_zeros((n, ctx.size[1:].numel()))
        if count:
            entries = blocks.chroma[:, :count]
            mean = gradient[:, :count].reshape(n, count, 2, 2)
            around = gradient.new_zeros((n, count, 3, 3))
            for k, weight in enumerate(_corner_weights(entries, gradient.dtype)):
                around[:, :, k >> 1 : 2 + (k >> 1), k & 1 : 2 + (k & 1)] += mean * weight
            _put(flat, _chroma_places(blocks, entries, 3), around)
        if count < blocks.chroma.shape[1]:
            places = _chroma_places(blocks, blocks.chroma[:, count:], 2)
            _put(flat, places, gradient[:, count:])
        return flat.view(ctx.size), None, None


def luma_blocks(grids: Grids, blocks: Blocks, mode: Mode) -> Tensor:
    """(#avc.8.4.2.2.1) Return the predictions (n, entries, 16) in the order of `blocks.luma`."""
    out: Tensor = _LumaBlocks.apply(grids.luma, blocks, mode is Mode.EXACT)  # type: ignore[no-untyped-call]
    return out


def chroma_blocks(plane: Tensor, blocks: Blocks, mode: Mode) -> Tensor:
    """(#avc.8.4.2.2.2) Return the predictions (n, entries, 4) from cb or cr of a reference's grids in
    the order of `blocks.chroma`."""
    out: Tensor = _ChromaBlocks.apply(plane, blocks, mode is Mode.EXACT)  # type: ignore[no-untyped-call]
    return out
