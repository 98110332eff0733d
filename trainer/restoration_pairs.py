"""Pairs of a picture and what an encode at a low rate left of it: what a restoration network is taught with."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from refcodec.encoder.avc_job import AvcSettings, decode_packets, encode_packets
from refcodec.encoder.media_source import ColourDescription
from refcodec.encoder.prompts import prompter
from refcodec.encoder.resizing import coded_size, frame_to_picture, to_grid
from refcodec.encoder.settings import LADDER, PRESETS
from refcodec.picture import Picture
from refcodec.upscaling import Upscaler
from trainer.data import Pictures
from trainer.moving_pictures import COUNT, SIZE, moving_pictures

CRFS = (28.0, 44.0)
"""Rate factors at which detail is lost and something is left to restore it from."""
_GENERATED = 0.2
_LARGEST_INDEX = 48
_COLOUR = ColourDescription(1, 1, 1, False)


@dataclass(frozen=True, eq=False)
class RestorationPair:
    """original; decoded: coded at some size of the ladder and upscaled. Both SIZE x SIZE."""

    original: Picture
    decoded: Picture


def make_restoration_pairs(
    folder: Path, cache: Path, count: int, seed: int, workers: int
) -> Iterator[list[RestorationPair]]:
    """Yield, interval by interval, pairs of `count` intervals of moving pictures from `folder`, three of each interval.

    cache: file for decoded pictures. Pair n depends on (seed, n) alone.
    """
    Pictures(folder, cache)
    work = partial(_interval, folder, cache, seed)
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(work, range(count), chunksize=4)


def save_pairs(pairs: list[RestorationPair], path: Path) -> None:
    """Write pairs to one .npz file: originals and decoded pictures, y, u and v one after the other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path,
        originals=np.stack([_samples(pair.original) for pair in pairs]),
        decoded=np.stack([_samples(pair.decoded) for pair in pairs]),
    )


def load_pairs(path: Path) -> list[RestorationPair]:
    """Read what `save_pairs` wrote."""
    with np.load(path) as file:
        rows = zip(file["originals"], file["decoded"], strict=True)
        return [RestorationPair(_picture(a), _picture(b)) for a, b in rows]


def _samples(picture: Picture) -> NDArray[np.uint8]:
    return np.concatenate([plane.ravel() for plane in picture.planes])


def _picture(samples: NDArray[np.uint8]) -> Picture:
    luma, chroma = SIZE * SIZE, SIZE * SIZE // 4
    y, u, v = np.split(samples, (luma, luma + chroma))
    half = SIZE // 2
    return Picture(y.reshape(SIZE, SIZE), u.reshape(half, half), v.reshape(half, half))


_pictures = lru_cache(maxsize=1)(Pictures)


def _interval(folder: Path, cache: Path, seed: int, number: int) -> list[RestorationPair]:
    rng = np.random.default_rng([seed, number])
    pictures = moving_pictures(_pictures(folder, cache), rng)
    size = coded_size(SIZE, SIZE, LADDER[rng.integers(len(LADDER))])
    scaled = [to_grid(picture, size) for picture in pictures]
    hidden = None
    if rng.random() < _GENERATED:
        hidden = prompter(None).prompt(scaled[0], int(rng.integers(_LARGEST_INDEX))).picture
    preset = PRESETS["medium"]
    avc = AvcSettings(
        size, Fraction(25), _COLOUR, preset.x264_preset, preset.overrides, preset.behind_coded
    )
    frames = decode_packets(encode_packets(scaled, avc, float(rng.uniform(*CRFS)), hidden))
    if hidden is not None:
        frames = frames[1:]
    upscaler = Upscaler(size.width, size.height, SIZE, SIZE)
    chosen = (0, int(rng.integers(2, COUNT - 1)), COUNT - 1)
    return [
        RestorationPair(pictures[number], upscaler.upscale(frame_to_picture(frames[number]).planes))
        for number in chosen
    ]
