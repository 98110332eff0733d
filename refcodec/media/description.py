"""What is known of a media file: its pictures, colour, orientation and side tracks."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from refcodec.picture import Picture

UNSPECIFIED = 2
"""Code point of ITU-T H.273 for what nobody stated."""


@dataclass(frozen=True, slots=True)
class ColourDescription:
    """Code points of ITU-T H.273 (2 = unspecified) and the range of the samples."""

    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    matrix: int = UNSPECIFIED
    full_range: bool = False


@dataclass(frozen=True, slots=True)
class SideTrack:
    """A track that is carried as it is. kind: 0 audio, 1 subtitles. time_base: seconds of one tick."""

    stream_index: int
    kind: int
    codec_name: str
    time_base: Fraction
    sample_rate: int
    channel_count: int
    channel_layout: str
    initial_padding: int
    language: str
    extradata: bytes


@dataclass(frozen=True, slots=True)
class SidePacket:
    """A packet of a side track: index into `SourceDescription.side_tracks`, time and duration in ticks of the
    track, counted from the first chosen picture."""

    track: int
    time: int
    duration: int
    data: bytes


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """What is known of a source after its first picture. width, height: presentation size."""

    path: Path
    codec_name: str
    pixel_format: str
    stored_width: int
    stored_height: int
    width: int
    height: int
    sample_aspect_ratio: Fraction
    orientation: Orientation
    colour: ColourDescription
    interlaced: bool
    nominal_rate: Fraction | None
    time_base: Fraction
    side_tracks: tuple[SideTrack, ...]
    conversions: tuple[str, ...] = field(default=())
    """What is done to the pictures, in words, for the report."""


@dataclass(frozen=True, slots=True)
class SourcePicture:
    """index: from 0 in the chosen part; time: seconds from the first chosen picture."""

    index: int
    time: Fraction
    picture: Picture


@dataclass(frozen=True, slots=True)
class Orientation:
    """How stored planes become upright ones: transposed first, then mirrored."""

    transpose: bool = False
    mirror_x: bool = False
    mirror_y: bool = False

    @property
    def is_identity(self) -> bool:
        """Whether nothing is done."""
        return not (self.transpose or self.mirror_x or self.mirror_y)

    def apply(self, plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the upright plane, C-contiguous."""
        if self.transpose:
            plane = plane.T
        if self.mirror_x:
            plane = plane[:, ::-1]
        if self.mirror_y:
            plane = plane[::-1]
        return np.ascontiguousarray(plane)
