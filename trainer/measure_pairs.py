"""Pairs of a picture and what an encode left of it, with their LPIPS: what the encoder's measure is trained on.

Training pictures are made to move, coded as the encoder codes an interval, and brought back to full size; half of them
are restored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from refcodec.encoder.prompts import prompter
from refcodec.encoder.resizing import coded_size, to_grid
from refcodec.encoder.restoration_networks import network_for
from refcodec.encoder.settings import HIGHEST_CRF, LADDER, PRESETS
from refcodec.metrics.colour import planes_to_rgb
from refcodec.metrics.lpips import lpips
from refcodec.metrics.lpips_layers import NETS
from refcodec.restoration import LARGEST_GAIN, Restorer
from trainer.coded_intervals import (
    coded_and_decoded,
    interval_settings,
    kept_pictures,
    of_intervals,
    samples_of,
)
from trainer.moving_pictures import COUNT, SIZE, moving_pictures

_LOWEST_CRF, _LARGEST_INDEX = 22.0, 56
_RESTORED = 0.5


@dataclass(frozen=True, eq=False)
class Pairs:
    """originals, decoded: uint8 (N, SIZE * SIZE * 3 / 2), the planes y, u, v one after the other; alex, squeeze:
    float32 (N,), their LPIPS."""

    originals: NDArray[np.uint8]
    decoded: NDArray[np.uint8]
    alex: NDArray[np.float32]
    squeeze: NDArray[np.float32]

    def save(self, path: Path) -> None:
        """Write all to one .npz file."""
        np.savez(path, **vars(self))

    @classmethod
    def load(cls, path: Path) -> Pairs:
        """Read what `save` wrote."""
        with np.load(path) as file:
            return cls(**{name: file[name] for name in file.files})


def make_pairs(
    folder: Path, cache: Path, weights: Path, count: int, seed: int, workers: int
) -> Iterator[list[Pairs]]:
    """Yield, interval by interval, the pairs of `count` intervals of the pictures in `folder`.

    cache: file for decoded pictures; weights: folder of LPIPS weights. Pair n depends on (seed, n) alone.
    """
    work = partial(_interval, folder, cache, weights, seed)
    yield from of_intervals(work, folder, cache, count, workers)


def joined(parts: list[Pairs]) -> Pairs:
    """Return all pairs as one."""
    return Pairs(*(np.concatenate([getattr(p, n) for p in parts]) for n in Pairs.__annotations__))


def _interval(folder: Path, cache: Path, weights: Path, seed: int, number: int) -> list[Pairs]:
    rng = np.random.default_rng([seed, number])
    pictures = moving_pictures(kept_pictures(folder, cache), rng)
    rung = LADDER[rng.integers(len(LADDER))]
    size = coded_size(SIZE, SIZE, rung)
    scaled = [to_grid(picture, size) for picture in pictures]
    hidden = None
    if rng.random() < 0.75:
        hidden = prompter(None).prompt(scaled[0], int(rng.integers(_LARGEST_INDEX))).picture
    preset = PRESETS["medium" if rng.random() < 0.5 else "fast"]
    avc = interval_settings(size, preset.x264_preset, preset.overrides)
    crf = float(rng.uniform(_LOWEST_CRF, HIGHEST_CRF))
    decoded_picture = coded_and_decoded(scaled, avc, crf, hidden)
    pairs = []
    for index in (int(rng.integers(2)), int(rng.integers(COUNT // 2, COUNT))):
        decoded = decoded_picture(index)
        if rng.random() < _RESTORED:
            gain = int(rng.integers(1, LARGEST_GAIN + 1))
            decoded = Restorer(network_for(rung), gain).restore(decoded)
        a, b = planes_to_rgb(pictures[index]), planes_to_rgb(decoded)
        scores = {}
        for name in NETS:
            net = lpips(name, weights, threads=1)
            assert net is not None  # a folder that is named and has no weights is an error
            scores[name] = np.array([net.distance(a, b)], np.float32)
        pairs.append(Pairs(samples_of(pictures[index])[None], samples_of(decoded)[None], **scores))
    return pairs
