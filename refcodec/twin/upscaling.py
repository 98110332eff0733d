"""The upscaler with gradients: two matrix products, of which only the last is rounded and clipped."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from refcodec.twin.planes import Mode, Planes, clip, shift_right
from refcodec.upscaling.taps import CENTRED, CO_SITED, positions

_SHIFT = 12


def _matrix(coded: int, presented: int, siting: int) -> Tensor:
    """(#dec.upscaling.position) Return the taps as a matrix (presented, coded), float32; taps beyond the edge
    are added to those of the edge sample."""
    first, taps = positions(coded, presented, siting)
    columns = np.clip(first[:, None] + np.arange(taps.shape[1]), 0, coded - 1)
    matrix = np.zeros((presented, coded), np.float32)
    np.add.at(matrix, (np.arange(presented)[:, None], columns), taps)
    return torch.from_numpy(matrix)


class UpscalerTwin:
    """(#dec.upscaling) Upscales pictures of `coded_width` x `coded_height` (even) to `width` x `height`."""

    def __init__(
        self,
        coded_width: int,
        coded_height: int,
        width: int,
        height: int,
        device: torch.device | str = "cpu",
    ) -> None:
        self.is_identity = (coded_width, coded_height) == (width, height)
        self._coded = coded_width, coded_height
        self._shown = width, height
        even_width, even_height = width + width % 2, height + height % 2
        # The rows are cut to the presented picture, and so are the columns of luma.
        luma = (
            _matrix(coded_height, even_height, CENTRED)[:height],
            _matrix(coded_width, even_width, CENTRED)[:width],
        )
        chroma = (
            _matrix(coded_height // 2, even_height // 2, CENTRED),
            _matrix(coded_width // 2, even_width // 2, CO_SITED),
        )
        self._luma = tuple(matrix.to(device) for matrix in luma)
        self._chroma = tuple(matrix.to(device) for matrix in chroma)

    def __call__(self, planes: Planes, mode: Mode = Mode.EXACT) -> Planes:
        """Return the presented picture of `planes` (..., H, W), (..., H/2, W/2) of the coded size.

        Exact mode: planes are whole numbers 0..255, the result is that of the integer upscaler. Every sum is a
        whole number below 2^24, so that it is exact in any order; rounding and clipping have the derivative 1.
        Smooth mode: neither rounded nor clipped.
        """
        if self.is_identity:
            return planes
        scales = (self._luma, self._chroma, self._chroma)
        return Planes(
            *(
                _scaled(plane, down, across, mode)
                for plane, (down, across) in zip(planes, scales, strict=True)
            )
        )


def _scaled(plane: Tensor, down: Tensor, across: Tensor, mode: Mode) -> Tensor:
    kind = plane.dtype
    wide = plane @ across.to(kind).T
    return clip(shift_right(down.to(kind) @ wide, _SHIFT, mode), mode)
