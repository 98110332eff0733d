"""The residual of inter macroblocks, which is constant, and its addition to the prediction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from refcodec.avc.reconstruction import residual_samples
from refcodec.avc.side_information import LAST_INTRA
from refcodec.avc.stream_decoder import PictureDetails
from refcodec.twin.planes import Mode, Planes, clip


@dataclass(frozen=True)
class Residual:
    """Residual of the inter macroblocks that have one.

    macroblocks: int64 (coded,), their addresses; samples: int16 or int32 (coded, 384), luma, Cb, Cr
    """

    width_mbs: int
    height_mbs: int
    macroblocks: Tensor
    samples: Tensor

    def to(self, device: torch.device) -> Residual:
        """Return the same with its tensors on another device."""
        if self.samples.device == device:
            return self
        return Residual(
            self.width_mbs,
            self.height_mbs,
            self.macroblocks.to(device),
            self.samples.to(device),
        )

    def plane(self, component: int, dtype: torch.dtype) -> Tensor:
        """Return the residual of Y (0), Cb or Cr as a plane (H, W), 0 where there is none."""
        size = 8 if component else 16
        begin = (0, 256, 320)[component]
        samples = self.samples[:, begin : begin + size * size].to(dtype)
        rows = samples.new_zeros((self.width_mbs * self.height_mbs, size * size))
        rows[self.macroblocks] = samples
        grid = rows.view(self.height_mbs, self.width_mbs, size, size)
        return grid.transpose(1, 2).reshape(size * self.height_mbs, size * self.width_mbs)


def plan_residual(details: PictureDetails, width_mbs: int) -> Residual:
    """(#avc.8.5) Return the residual of the inter macroblocks of a picture."""
    info = details.info
    coded = (info.motion.mb_type > LAST_INTRA) & (info.level_offset >= 0) & (info.slice_table >= 0)
    macroblocks = np.nonzero(coded)[0]
    samples = residual_samples(info, details.slices, 0, info.mbs)[macroblocks]
    small = samples.astype(np.int16)
    kept = small if np.array_equal(small, samples) else samples
    return Residual(
        width_mbs, info.mbs // width_mbs, torch.from_numpy(macroblocks), torch.from_numpy(kept)
    )


def add_residual(planes: Planes, residual: Residual, mode: Mode) -> Planes:
    """(#avc.8.5.14) Return prediction plus residual, clipped in exact mode; gradient 1."""
    if not len(residual.macroblocks):
        return planes
    return Planes(
        *(
            clip(plane + residual.plane(component, plane.dtype), mode)
            for component, plane in enumerate(planes)
        )
    )
