"""The rung of the size ladder for a sequence (design decision D7)."""

from __future__ import annotations

from fractions import Fraction

from refcodec.encoder.jobs import WorkerPool
from refcodec.encoder.media_source import MediaSource, SourceDescription
from refcodec.encoder.progress import ProgressMeter
from refcodec.encoder.resizing import coded_size, rungs
from refcodec.encoder.settings import EncoderSettings
from refcodec.encoder.timing import Timing

_ENOUGH_BITS = 0.012
"""Bits per luma sample from which a rung is not too large, for choosing without measuring."""


def candidates(about: SourceDescription, settings: EncoderSettings) -> list[Fraction]:
    """Return the rungs that may be used, from large to small."""
    if settings.size != "auto":
        return [settings.size]
    return rungs(about.width, about.height)


def choose(
    source: MediaSource,
    settings: EncoderSettings,
    timing: Timing,
    starts: tuple[int, ...],
    sizes: list[Fraction],
    pool: WorkerPool,
    meter: ProgressMeter,
    target_size: float | None,
) -> Fraction:
    """Return the rung for the sequence."""
    if len(sizes) == 1 or target_size is None:
        return sizes[0]
    return by_bits_per_sample(source.description, starts[-1], sizes, target_size)


def by_bits_per_sample(
    about: SourceDescription, picture_count: int, sizes: list[Fraction], target_size: float
) -> Fraction:
    """Return the largest rung at which a sample gets enough bits."""
    for rung in sizes:
        samples = coded_size(about.width, about.height, rung).samples * picture_count
        if target_size * 8 / samples >= _ENOUGH_BITS:
            return rung
    return sizes[-1]
