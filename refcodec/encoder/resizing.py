"""Coded sizes: the rungs of the size ladder, and pictures scaled down to them. Nothing here is normative."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from refcodec.encoder.settings import LADDER
from refcodec.libav_frames import frame_to_picture, picture_to_frame
from refcodec.picture import Picture

SMALLEST_CODED_SIDE = 16


@dataclass(frozen=True, slots=True)
class CodedSize:
    """width, height: even, what the parameter sets say after cropping; grid: rounded up to macroblocks."""

    width: int
    height: int

    @property
    def grid_width(self) -> int:
        """Width of the macroblock grid in luma samples."""
        return -(-self.width // 16) * 16

    @property
    def grid_height(self) -> int:
        """Height of the macroblock grid in luma samples."""
        return -(-self.height // 16) * 16

    @property
    def samples(self) -> int:
        """Luma samples of the grid."""
        return self.grid_width * self.grid_height

    @property
    def picture_bytes(self) -> int:
        """Bytes of one 4:2:0 picture of the grid."""
        return self.samples * 3 // 2


def coded_size(width: int, height: int, rung: Fraction) -> CodedSize:
    """Return the even coded size nearest to `rung` times the presentation size, at least 16 and at most the
    presentation size made even."""
    return CodedSize(_side(width, rung), _side(height, rung))


def rungs(width: int, height: int) -> list[Fraction]:
    """Return the rungs of the ladder that differ in coded size and keep the shorter side at 64 samples."""
    chosen = [LADDER[0]]
    for rung in LADDER[1:]:
        size = coded_size(width, height, rung)
        if min(size.width, size.height) >= 64:
            chosen.append(rung)
    return chosen


def to_grid(picture: Picture, size: CodedSize) -> Picture:
    """Return the picture scaled to the coded size and padded to the macroblock grid by its edge samples."""
    even = _padded(picture, picture.width + picture.width % 2, picture.height + picture.height % 2)
    if (even.width, even.height) != (size.width, size.height):
        even = scaled(even, size.width, size.height)
    return _padded(even, size.grid_width, size.grid_height)


def scaled(picture: Picture, width: int, height: int) -> Picture:
    """Return the picture scaled by swscale (area-exact Lanczos) to an even size."""
    frame = picture_to_frame(picture)
    small = frame.reformat(
        width=width,
        height=height,
        interpolation=Interpolation.LANCZOS
        | Interpolation.ACCURATE_RND
        | Interpolation.FULL_CHR_H_INT
        | Interpolation.BITEXACT,
        threads=1,
    )
    return frame_to_picture(small)


def picture_from_bytes(data: bytes | memoryview | NDArray[np.uint8], size: CodedSize) -> Picture:
    """Return the picture of the grid whose planes y, u, v are stored one after the other."""
    samples = np.frombuffer(data, np.uint8)
    width, height, luma = size.grid_width, size.grid_height, size.samples
    return Picture(
        samples[:luma].reshape(height, width),
        samples[luma : luma * 5 // 4].reshape(height // 2, width // 2),
        samples[luma * 5 // 4 : luma * 3 // 2].reshape(height // 2, width // 2),
    )


def _side(side: int, rung: Fraction) -> int:
    even = side + side % 2
    return min(even, max(SMALLEST_CODED_SIDE, 2 * round(even * rung / 2)))


def _padded(picture: Picture, width: int, height: int) -> Picture:
    if (picture.width, picture.height) == (width, height):
        return picture
    planes = []
    for plane, divisor in zip(picture.planes, (1, 2, 2), strict=True):
        missing = height // divisor - plane.shape[0], width // divisor - plane.shape[1]
        planes.append(np.pad(plane, ((0, missing[0]), (0, missing[1])), mode="edge"))
    return Picture(*planes)


def cropped(picture: Picture, width: int, height: int) -> Picture:
    """Return the top left part of a picture: the opposite of padding."""
    if (picture.width, picture.height) == (width, height):
        return picture
    chroma = (height + 1) // 2, (width + 1) // 2
    return Picture(
        np.ascontiguousarray(picture.y[:height, :width]),
        np.ascontiguousarray(picture.u[: chroma[0], : chroma[1]]),
        np.ascontiguousarray(picture.v[: chroma[0], : chroma[1]]),
    )
