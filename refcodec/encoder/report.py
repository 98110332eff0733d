"""What an encode did."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path


@dataclass(frozen=True, slots=True)
class SegmentReport:
    """One segment: time of its keyframe in seconds, pictures, and sizes in bytes."""

    number: int
    time: float
    picture_count: int
    generated: bool
    prompt_scale_index: int
    crf: float
    keyframe_size: int
    pictures_size: int


@dataclass(frozen=True, slots=True)
class EncodeReport:
    """What an encode did. Rates in bit/s over the duration; sizes in bytes."""

    source: Path
    target: Path
    size: int
    duration: float
    rate: float
    target_rate: int | None
    picture_count: int
    coded_width: int
    coded_height: int
    restoration_gain: int
    presentation_width: int
    presentation_height: int
    rung: Fraction
    crf: float
    prompt_scale_index: int | None
    keyframe_rate: float
    pictures_rate: float
    side_track_rate: float
    overhead_rate: float
    segments: tuple[SegmentReport, ...]
    passes: int
    """Searches over the whole sequence until the rate was met."""
    segment_encodes: int
    elapsed: float
    conversions: tuple[str, ...]
    notes: tuple[str, ...] = field(default=())
