"""The samples of decoded pictures: one flat buffer of frame slots, each with a margin.

A motion vector may point outside the picture (8.4.2.2: coordinates are clipped). Every slot has its
picture's edge samples repeated around it, and vectors that point further are clamped, which gives
the same samples; so prediction never tests for edges.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LUMA_MARGIN = 32
"""Luma samples on each side: 16 of a block, 3 of the filter, and some to align rows."""
CHROMA_MARGIN = 16


@dataclass(frozen=True)
class Geometry:
    """Where the samples of a slot are. Sizes in samples; offsets from the beginning of a slot to
    the first sample of each plane, inside the margin."""

    width_mbs: int
    height_mbs: int

    @property
    def mbs(self) -> int:
        """PicSizeInMbs."""
        return self.width_mbs * self.height_mbs

    @property
    def luma_stride(self) -> int:
        """Samples from row to row; never a multiple of 1024, where rows would share cache sets."""
        stride = 16 * self.width_mbs + 2 * LUMA_MARGIN
        return stride + 64 if stride % 1024 == 0 else stride

    @property
    def chroma_stride(self) -> int:
        """Samples from row to row of Cb and of Cr."""
        return self.luma_stride // 2

    @property
    def luma_rows(self) -> int:
        """Rows with margin."""
        return 16 * self.height_mbs + 2 * LUMA_MARGIN

    @property
    def luma_offset(self) -> int:
        """Of luma sample (0, 0)."""
        return LUMA_MARGIN * self.luma_stride + LUMA_MARGIN

    @property
    def cb_offset(self) -> int:
        """Of Cb sample (0, 0)."""
        return (
            self.luma_rows * self.luma_stride + CHROMA_MARGIN * self.chroma_stride + CHROMA_MARGIN
        )

    @property
    def cr_offset(self) -> int:
        """Of Cr sample (0, 0)."""
        return self.cb_offset + self.luma_rows // 2 * self.chroma_stride

    @property
    def slot_size(self) -> int:
        """Bytes of one slot."""
        return 2 * (self.luma_rows // 2) * self.chroma_stride + self.luma_rows * self.luma_stride


class FrameStore:
    """`samples`: uint8 (slots * slot_size,)."""

    def __init__(self, geometry: Geometry, slots: int) -> None:
        self.geometry = geometry
        self.slots = slots
        self.samples: NDArray[np.uint8] = np.zeros(slots * geometry.slot_size, np.uint8)

    def planes(self, slot: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Return views (y, u, v) of the picture in a slot: whole macroblocks, without margin."""
        g = self.geometry
        slot_samples = self.samples[slot * g.slot_size : (slot + 1) * g.slot_size]

        def view(offset: int, stride: int, width: int, height: int) -> NDArray[Any]:
            return np.lib.stride_tricks.as_strided(
                slot_samples[offset:], (height, width), (stride, 1)
            )

        width, height = 16 * g.width_mbs, 16 * g.height_mbs
        return (
            view(g.luma_offset, g.luma_stride, width, height),
            view(g.cb_offset, g.chroma_stride, width // 2, height // 2),
            view(g.cr_offset, g.chroma_stride, width // 2, height // 2),
        )
