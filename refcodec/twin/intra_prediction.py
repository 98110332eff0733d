"""Intra macroblocks of a picture with gradients: they are predicted from samples around them.

In exact mode the values are made by the integer decoder's own kernel. Without rounding and clipping
intra prediction is linear in the neighbouring samples, so its derivative is a matrix for each mode and
each availability of neighbours; the backward pass applies their transposes to the blocks in reverse
decoding order. Smooth mode applies the matrices forward too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from refcodec.avc.frame_store import FrameStore, Geometry
from refcodec.avc.reconstruction import reconstruct_intra_macroblocks, residual_samples
from refcodec.avc.side_information import I_PCM, LAST_INTRA, LEVELS_PER_MB
from refcodec.avc.stream_decoder import PictureDetails
from refcodec.twin import intra_kernels
from refcodec.twin.components import BOTH
from refcodec.twin.host_planes import HostPlanes, device_planes, host_copy
from refcodec.twin.intra_weights import KIND_PLACES, prediction_weights
from refcodec.twin.planes import Mode, Planes

Array = NDArray[Any]


@dataclass(frozen=True)
class IntraBlocks:
    """The blocks of a picture's intra macroblocks; `blocks` as intra_kernels.list_blocks makes it."""

    details: PictureDetails
    width_mbs: int
    blocks: Array
    count: int

    @classmethod
    def of(cls, details: PictureDetails, width_mbs: int) -> IntraBlocks:
        """List the blocks of a picture."""
        info = details.info
        most = int((info.motion.mb_type <= LAST_INTRA).sum()) * intra_kernels.MOST_BLOCKS
        blocks = np.empty(most * intra_kernels.FIELDS, np.int64)
        count = intra_kernels.list_blocks(
            blocks,
            KIND_PLACES,
            info.mbs,
            width_mbs,
            info.slice_table,
            details.slices.parameters.reshape(-1),
            info.motion.mb_type,
            info.intra_pred_mode.reshape(-1),
            info.intra16x16_pred_mode,
            info.intra_chroma_pred_mode,
        )
        return cls(details, width_mbs, blocks, count)

    def residual(self) -> Array:
        """(#avc.8.5) Return the residual of all macroblocks, int32 (mbs * LEVELS_PER_MB,), and in its
        place the samples of those that are I_PCM."""
        info = self.details.info
        residual = residual_samples(info, self.details.slices, 0, info.mbs)
        for mb in np.flatnonzero((info.motion.mb_type == I_PCM) & (info.slice_table >= 0)):
            at = info.level_offset[mb]
            residual[mb] = info.levels[at : at + LEVELS_PER_MB]
        return residual.reshape(-1)

    def reconstruct(self, planes: HostPlanes) -> None:
        """Write the samples as the integer decoder does; planes (pictures, H, W) of whole numbers."""
        info = self.details.info
        store = FrameStore(Geometry(self.width_mbs, info.mbs // self.width_mbs), 1)
        decoded = store.planes(0)
        for number in range(len(planes[0])):
            for target, plane in zip(decoded, planes, strict=True):
                target[...] = plane[number]
            reconstruct_intra_macroblocks(info, self.details.slices, store, 0)
            for source, plane in zip(decoded, planes, strict=True):
                plane[number] = source

    def predict(self, planes: HostPlanes) -> None:
        """Write the samples without rounding and clipping."""
        residual, line = self.residual(), np.empty(intra_kernels.MOST_COLUMNS, planes[0].dtype)
        for y, cb, cr in zip(*planes, strict=True):
            intra_kernels.predict_blocks(
                y.reshape(-1),
                cb.reshape(-1),
                cr.reshape(-1),
                y.shape[1],
                self.blocks,
                self.count,
                prediction_weights(),
                residual,
                line,
            )

    def transpose(self, gradients: HostPlanes, components: int = BOTH) -> None:
        """Make gradients of what `predict` writes those of what it reads. components: LUMA, CHROMA or both."""
        line = np.empty(intra_kernels.MOST_COLUMNS, gradients[0].dtype)
        for y, cb, cr in zip(*gradients, strict=True):
            intra_kernels.return_blocks(
                y.reshape(-1),
                cb.reshape(-1),
                cr.reshape(-1),
                y.shape[1],
                self.blocks,
                self.count,
                prediction_weights(),
                line,
                components,
            )


class _Intra(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, y: Tensor, cb: Tensor, cr: Tensor, blocks: IntraBlocks, mode: Mode
    ) -> tuple[Tensor, Tensor, Tensor]:
        given = Planes(y, cb, cr)
        host = host_copy(given)
        if mode is Mode.EXACT:
            blocks.reconstruct(host)
        else:
            blocks.predict(host)
        ctx.blocks = blocks
        return device_planes(host, given)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Any) -> Any:
        given = Planes(*gradients)
        host = host_copy(given)
        ctx.blocks.transpose(host)
        return *device_planes(host, given), None, None


def predict_intra(planes: Planes, details: PictureDetails, mode: Mode) -> Planes:
    """(#avc.8.3) (#avc.8.5) Return `planes` with the intra macroblocks of a picture reconstructed, its
    inter macroblocks being there; the picture is not deblocked yet.

    planes: (..., H, W), (..., H/2, W/2), float32 or float64, any device; what they hold in intra
        macroblocks does not matter. In exact mode they are whole numbers 0..255
    Exact mode: the samples of the integer decoder; rounding and clipping have the derivative 1.
    Smooth mode: neither rounded nor clipped, gradients are exact. Kernels run on the host.
    """
    if not (details.info.motion.mb_type <= LAST_INTRA).any():
        return planes
    blocks = IntraBlocks.of(details, planes.y.shape[-1] // 16)
    apply: Any = _Intra.apply
    return Planes(*apply(*planes, blocks, mode))
