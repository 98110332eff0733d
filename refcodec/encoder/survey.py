"""The first reading of a source: times of pictures, places of keyframes, size of the side tracks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from refcodec.encoder.progress import ProgressMeter
from refcodec.encoder.scene_cuts import FeatureExtractor, PictureFeatures, place_keyframes
from refcodec.encoder.timing import Timing, find_timing
from refcodec.media import MediaSource

MINIMUM_INTERVAL = 0.4
"""Seconds between a keyframe and the next scene cut that gets one."""


@dataclass(frozen=True, slots=True)
class Survey:
    """starts: first picture of each segment and, last, the number of pictures; side_size: bytes of the side
    packets; features: of each picture, for placing keyframes again."""

    timing: Timing
    starts: tuple[int, ...]
    side_size: int
    features: tuple[PictureFeatures, ...] = field(repr=False, default=())

    @property
    def picture_count(self) -> int:
        """Pictures of the sequence."""
        return self.starts[-1]

    @property
    def segment_count(self) -> int:
        """Segments of the sequence."""
        return len(self.starts) - 1

    def placed(self, interval: float) -> Survey:
        """Return the survey with keyframes at most `interval` seconds apart."""
        return replace(self, starts=_starts(self.timing, self.features, interval))

    @property
    def segment_pictures(self) -> list[int]:
        """Pictures of each segment."""
        return [end - begin for begin, end in pairwise(self.starts)]


def survey_source(source: MediaSource, interval: float, meter: ProgressMeter) -> Survey:
    """Read the source once; interval: longest segment in seconds."""
    meter.stage("reading", 0.08)
    extract = FeatureExtractor()
    times, features = [], []
    for picture in source.pictures():
        times.append(picture.time)
        features.append(extract(picture.picture))
        meter.at(1 - 300 / (300 + len(times)))
    about = source.description
    timing = find_timing(times, about.nominal_rate, about.time_base)
    starts = _starts(timing, features, interval)
    side_size = sum(len(packet.data) for packet in source.side_packets())
    return Survey(timing, starts, side_size, tuple(features))


def _starts(
    timing: Timing, features: Sequence[PictureFeatures], interval: float
) -> tuple[int, ...]:
    seconds = [float(stamp * timing.tick) for stamp in timing.stamps]
    starts = place_keyframes(
        seconds, features, interval=interval, minimum_interval=min(MINIMUM_INTERVAL, interval)
    )
    return (*starts, len(features))
