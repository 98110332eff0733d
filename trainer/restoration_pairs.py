"""Pairs of a picture and what an encode at a low rate left of it: what a restoration network is taught with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np

from refcodec.encoder.prompts import prompter
from refcodec.encoder.resizing import CodedSize, coded_size, picture_from_bytes, to_grid
from refcodec.encoder.settings import LADDER, PRESETS
from refcodec.picture import Picture
from trainer.coded_intervals import (
    coded_and_decoded,
    interval_settings,
    kept_pictures,
    of_intervals,
    samples_of,
)
from trainer.moving_pictures import COUNT, SIZE, moving_pictures

_LARGEST_INDEX = 48
_SIZE = CodedSize(SIZE, SIZE)


@dataclass(frozen=True)
class PairSettings:
    """sizes: rungs of the size ladder; rate_factors: from the least to the largest, at which detail is lost and
    something is left to restore it from; generated: part of the intervals whose keyframe is generated; seed."""

    sizes: tuple[Fraction, ...] = LADDER
    rate_factors: tuple[float, float] = (28.0, 44.0)
    generated: float = 0.2
    seed: int = 1


@dataclass(frozen=True, eq=False)
class RestorationPair:
    """original; decoded: coded at some size of the ladder and upscaled. Both SIZE x SIZE."""

    original: Picture
    decoded: Picture


def make_restoration_pairs(
    folder: Path, cache: Path, count: int, settings: PairSettings, workers: int
) -> Iterator[list[RestorationPair]]:
    """Yield, interval by interval, pairs of `count` intervals of moving pictures from `folder`, three of each interval.

    cache: file for decoded pictures. Pair n depends on (settings, n) alone.
    """
    work = partial(_interval, folder, cache, settings)
    yield from of_intervals(work, folder, cache, count, workers)


def save_pairs(pairs: list[RestorationPair], path: Path) -> None:
    """Write pairs to one .npz file: originals and decoded pictures, y, u and v one after the other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path,
        originals=np.stack([samples_of(pair.original) for pair in pairs]),
        decoded=np.stack([samples_of(pair.decoded) for pair in pairs]),
    )


def load_pairs(path: Path) -> list[RestorationPair]:
    """Read what `save_pairs` wrote."""
    with np.load(path) as file:
        rows = zip(file["originals"], file["decoded"], strict=True)
        return [
            RestorationPair(picture_from_bytes(a, _SIZE), picture_from_bytes(b, _SIZE))
            for a, b in rows
        ]


def _interval(
    folder: Path, cache: Path, settings: PairSettings, number: int
) -> list[RestorationPair]:
    rng = np.random.default_rng([settings.seed, number])
    pictures = moving_pictures(kept_pictures(folder, cache), rng)
    size = coded_size(SIZE, SIZE, settings.sizes[rng.integers(len(settings.sizes))])
    scaled = [to_grid(picture, size) for picture in pictures]
    hidden = None
    if rng.random() < settings.generated:
        hidden = prompter(None).prompt(scaled[0], int(rng.integers(_LARGEST_INDEX))).picture
    preset = PRESETS["medium"]
    avc = interval_settings(size, preset.x264_preset, preset.overrides, preset.behind_coded)
    decoded = coded_and_decoded(scaled, avc, float(rng.uniform(*settings.rate_factors)), hidden)
    chosen = (0, int(rng.integers(2, COUNT - 1)), COUNT - 1)
    return [RestorationPair(pictures[number], decoded(number)) for number in chosen]
