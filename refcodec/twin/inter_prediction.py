"""Inter prediction of whole pictures as torch operations, by plans made once of the side information."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from refcodec.avc.side_information import LAST_INTRA
from refcodec.avc.slice_table import (
    CHROMA_LOG2_WEIGHT_DENOM,
    EXPLICIT,
    IMPLICIT,
    LUMA_LOG2_WEIGHT_DENOM,
    WEIGHTED_PREDICTION,
)
from refcodec.avc.stream_decoder import PictureDetails
from refcodec.twin.interpolation import (
    Blocks,
    Grids,
    blocks_of,
    chroma_blocks,
    interpolation_grids,
    luma_blocks,
)
from refcodec.twin.planes import Mode, Planes, clip, round_half_up

Array = NDArray[Any]

_QUARTER_OF_BLOCK = np.array([2 * (b >> 3) + ((b & 3) >> 1) for b in range(16)])


@dataclass(frozen=True)
class _Combination:
    """Blocks that are weighted, or put together of two predictions: clip(w0 * first + w1 * second
    rounded + offset).

    luma, chroma: int32 (2, blocks), rows of the two predictions of each block
    factors: float64 (3, 3, blocks), component; w0, w1, offset
    """

    luma: Tensor
    chroma: Tensor
    factors: Tensor


@dataclass(frozen=True)
class InterPlan:
    """Which predictions make an inter picture.

    references: blocks by picture id, in the order of the rows of predictions
    combination: what is made of these rows, follows them; None when nothing is
    luma, chroma: int32 (blocks of the picture), for each 4x4 block in raster order the row that it
        shows; behind all others there is one of zeros, for intra macroblocks
    """

    width: int
    height: int
    references: tuple[tuple[int, Blocks], ...]
    combination: _Combination | None
    luma: Tensor
    chroma: Tensor

    def to(self, device: torch.device) -> InterPlan:
        """Return the same with its tensors on another device."""
        if self.luma.device == device:
            return self
        both = self.combination
        moved = None
        if both is not None:
            parts = (each.to(device) for each in (both.luma, both.chroma, both.factors))
            moved = _Combination(*parts)
        return InterPlan(
            self.width,
            self.height,
            tuple((picture, blocks.to(device)) for picture, blocks in self.references),
            moved,
            self.luma.to(device),
            self.chroma.to(device),
        )


def _by_block(values: Array, width_mbs: int) -> Array:
    """Bring values (mbs, 16, ...) of 4x4 blocks into the raster order of the picture."""
    mbs, _, *rest = values.shape
    grid = values.reshape(mbs // width_mbs, width_mbs, 4, 4, *rest)
    return np.ascontiguousarray(grid.swapaxes(1, 2)).reshape(16 * mbs, *rest)


def prediction_factors(
    details: PictureDetails, index: Array, ref_idx: Array
) -> tuple[Array, Array]:
    """(#avc.8.4.2.3) Return factors (3, 3, blocks) of blocks of slice `index` predicted by `ref_idx`
    (blocks, 2), and where they differ from a copy."""
    slices = details.slices
    parameters = slices.parameters[index]
    method = parameters[:, WEIGHTED_PREDICTION]
    used = ref_idx >= 0
    both = used.all(1)
    count = len(index)
    found = np.zeros((3, 3, count))
    found[:, :2] = np.where(both, 0.5, used.T)
    explicit, implicit = method == EXPLICIT, (method == IMPLICIT) & both
    first, second = np.maximum(ref_idx, 0).T
    share = slices.implicit_weights[index, first, second] / 64
    found[:, 0, implicit], found[:, 1, implicit] = 1 - share[implicit], share[implicit]
    for component in range(3):
        column = CHROMA_LOG2_WEIGHT_DENOM if component else LUMA_LOG2_WEIGHT_DENOM
        scale = 0.5 ** (parameters[:, column] + both)
        offset = np.zeros(count, np.int64)
        for k, reference in enumerate((first, second)):
            weight, value = slices.weights[index, k, reference, component].T
            found[component, k, explicit] = (weight * scale * used[:, k])[explicit]
            offset += value * used[:, k]
        offset = np.where(both, (offset + 1) >> 1, offset)
        found[component, 2, explicit] = offset[explicit]
    copy = ~both & (found[:, :2].sum(1) == 1).all(0) & (found[:, 2] == 0).all(0)
    return found, ~copy


def plan_inter(details: PictureDetails, width_mbs: int) -> InterPlan:
    """(#avc.8.4.2) Make the plan of a picture whose rows have `width_mbs` macroblocks."""
    info = details.info
    motion = info.motion
    width, height = 16 * width_mbs, 16 * (info.mbs // width_mbs)
    inter = (motion.mb_type > LAST_INTRA) & (info.slice_table >= 0)
    ref_idx = np.where(inter[:, None, None], motion.ref_idx, -1)[:, :, _QUARTER_OF_BLOCK]
    ref_idx = _by_block(ref_idx.swapaxes(1, 2), width_mbs)
    ref_picture = _by_block(motion.ref_picture[:, :, _QUARTER_OF_BLOCK].swapaxes(1, 2), width_mbs)
    mv = _by_block(motion.mv.swapaxes(1, 2), width_mbs)
    index = _by_block(np.repeat(np.maximum(info.slice_table, 0)[:, None], 16, 1), width_mbs)

    total = 16 * info.mbs
    block, field = np.nonzero(ref_idx >= 0)
    pictures = ref_picture[block, field]
    references = []
    row = {name: np.full((total, 2), -1, np.int32) for name in ("luma", "chroma")}
    rows = 0
    for picture in np.unique(pictures):
        chosen = np.nonzero(pictures == picture)[0]
        at, k = block[chosen], field[chosen]
        x = (4 * (at % (width // 4))).astype(np.int32)
        y = (4 * (at // (width // 4))).astype(np.int32)
        blocks, *orders = blocks_of(x, y, mv[at, k], width, height)
        for name, order in zip(row, orders, strict=True):
            row[name][at[order], k[order]] = np.arange(rows, rows + len(order))
        references.append((int(picture), blocks))
        rows += len(chosen)

    predicted = np.nonzero((ref_idx >= 0).any(1))[0]
    factors, combined = prediction_factors(details, index[predicted], ref_idx[predicted])
    combined_blocks = predicted[combined]
    combination = None
    shown: dict[str, Array] = {}
    for name, found in row.items():
        shown[name] = np.where(found[:, 0] >= 0, found[:, 0], found[:, 1])
        shown[name][combined_blocks] = rows + np.arange(len(combined_blocks))
        shown[name][shown[name] < 0] = rows + len(combined_blocks)
    if len(combined_blocks):
        # an unused list has weight 0; any row serves
        pairs = [np.maximum(found[combined_blocks], 0).T.copy() for found in row.values()]
        combination = _Combination(
            torch.from_numpy(pairs[0]),
            torch.from_numpy(pairs[1]),
            torch.from_numpy(np.ascontiguousarray(factors[:, :, combined])),
        )
    return InterPlan(
        width,
        height,
        tuple(references),
        combination,
        torch.from_numpy(shown["luma"]),
        torch.from_numpy(shown["chroma"]),
    )


def _assemble(rows: list[Tensor], plan: InterPlan, component: int, mode: Mode) -> Tensor:
    """Return a plane (n, height, width) of the predictions (n, entries, samples) of all references."""
    size = 2 if component else 4
    table = rows[0] if len(rows) == 1 else torch.cat(rows, 1)
    zeros = table.new_zeros((len(table), 1, size * size))
    both = plan.combination
    if both is None:
        table = torch.cat([table, zeros], 1)
    else:
        pair = both.chroma if component else both.luma
        w0, w1, offset = both.factors[component].to(table.dtype)[:, :, None]
        mean = table.index_select(1, pair[0]) * w0 + table.index_select(1, pair[1]) * w1
        table = torch.cat([table, clip(round_half_up(mean, mode) + offset, mode), zeros], 1)
    shown = table.index_select(1, plan.chroma if component else plan.luma)
    down, across = plan.height // 4, plan.width // 4
    grid = shown.view(len(table), down, across, size, size)
    return grid.transpose(2, 3).reshape(len(table), down * size, across * size)


def predict_planned(grids: Mapping[int, Grids], plan: InterPlan, mode: Mode) -> Planes:
    """(#avc.8.4.2) Predict a picture from interpolation grids by picture id; planes (n, H, W)."""
    used = [(grids[picture], blocks) for picture, blocks in plan.references]
    return Planes(
        _assemble([luma_blocks(grid, blocks, mode) for grid, blocks in used], plan, 0, mode),
        _assemble([chroma_blocks(grid.cb, blocks, mode) for grid, blocks in used], plan, 1, mode),
        _assemble([chroma_blocks(grid.cr, blocks, mode) for grid, blocks in used], plan, 2, mode),
    )


def predict(references: Mapping[int, Planes], details: PictureDetails, mode: Mode) -> Planes:
    """(#avc.8.4.2) Return the prediction of the inter macroblocks of a picture; 0 in others.

    `references` has the decoded pictures by picture id (`ref_picture` of the side information), all
    of the same shape (..., H, W). Linear in them but for rounding and clipping, so the gradient of
    smooth mode is exact and that of exact mode is the same. ValueError when there is no inter
    macroblock; KeyError when a reference is not given.
    """
    first = next(iter(references.values()))
    plan = plan_inter(details, first.y.shape[-1] // 16).to(first.y.device)
    if not plan.references:
        raise ValueError("the picture has no inter macroblock")
    grids = {
        picture: interpolation_grids(references[picture], mode, blocks.full_samples_only)
        for picture, blocks in plan.references
    }
    lead = first.y.shape[:-2]
    return predict_planned(grids, plan, mode).map(
        lambda plane: plane.reshape(*lead, *plane.shape[-2:])
    )
