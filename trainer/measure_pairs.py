"""Pairs of a picture and what an encode left of it, with their LPIPS: what the encoder's measure is trained on.

Training pictures are made to move, coded as the encoder codes an interval, and brought back to full size.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, partial
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import Colorspace
from numpy.typing import NDArray
from PIL import Image

from refcodec.encoder.avc_job import AvcSettings, decode_packets, encode_packets
from refcodec.encoder.media_source import ColourDescription
from refcodec.encoder.prompts import fine_model, prompter
from refcodec.encoder.resizing import coded_size, frame_to_picture, to_grid
from refcodec.encoder.settings import HIGHEST_CRF, LADDER, PRESETS
from refcodec.metrics.colour import planes_to_rgb
from refcodec.metrics.lpips import lpips
from refcodec.metrics.lpips_layers import NETS
from refcodec.picture import Picture
from refcodec.upscaling import Upscaler
from trainer.data import Pictures

SIZE = 256
"""Width and height of the pictures of a pair."""
COUNT = 10
"""Pictures of an interval."""
_FASTEST = 6.0
"""Samples that a picture moves at most from one to the next."""
_COLOUR = ColourDescription(1, 1, 1, False)
_LOWEST_CRF, _LARGEST_INDEX = 22.0, 56


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
    Pictures(folder, cache)
    work = partial(_interval, folder, cache, weights, seed)
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(work, range(count), chunksize=4)


def joined(parts: list[Pairs]) -> Pairs:
    """Return all pairs as one."""
    return Pairs(*(np.concatenate([getattr(p, n) for p in parts]) for n in Pairs.__annotations__))


_pictures = lru_cache(maxsize=1)(Pictures)


def _interval(folder: Path, cache: Path, weights: Path, seed: int, number: int) -> list[Pairs]:
    rng = np.random.default_rng([seed, number])
    pictures = _moving(_pictures(folder, cache), rng)
    rung = LADDER[rng.integers(len(LADDER))]
    size = coded_size(SIZE, SIZE, rung)
    scaled = [to_grid(picture, size) for picture in pictures]
    hidden = None
    if rng.random() < 0.75:
        maker = prompter(None if rng.random() < 0.7 else fine_model())
        hidden = maker.prompt(scaled[0], int(rng.integers(_LARGEST_INDEX))).picture
    preset = PRESETS["medium" if rng.random() < 0.5 else "fast"]
    avc = AvcSettings(size, Fraction(25), _COLOUR, preset.x264_preset, preset.overrides)
    crf = float(rng.uniform(_LOWEST_CRF, HIGHEST_CRF))
    frames = decode_packets(encode_packets(scaled, avc, crf, hidden))
    if hidden is not None:
        frames = frames[1:]
    upscaler = Upscaler(size.width, size.height, SIZE, SIZE)
    pairs = []
    for index in (int(rng.integers(2)), int(rng.integers(COUNT // 2, COUNT))):
        decoded = upscaler.upscale(frame_to_picture(frames[index]).planes)
        a, b = planes_to_rgb(pictures[index]), planes_to_rgb(decoded)
        scores = {}
        for name in NETS:
            net = lpips(name, weights, threads=1)
            assert net is not None  # a folder that is named and has no weights is an error
            scores[name] = np.array([net.distance(a, b)], np.float32)
        pairs.append(Pairs(_samples(pictures[index]), _samples(decoded), **scores))
    return pairs


def _samples(picture: Picture) -> NDArray[np.uint8]:
    return np.concatenate([plane.ravel() for plane in picture.planes])[None]


def _moving(pictures: Pictures, rng: np.random.Generator) -> list[Picture]:
    """Return COUNT pictures: a training picture that moves and grows, behind a disc of another one that moves too."""
    behind, before = (_path(pictures, rng) for _ in range(2))
    y, x = np.mgrid[:SIZE, :SIZE]
    centre, speed = rng.uniform(0, SIZE, 2), rng.uniform(-_FASTEST, _FASTEST, 2)
    radius = float(rng.uniform(0, SIZE / 3))
    shown = []
    for number, (back, front) in enumerate(zip(behind, before, strict=True)):
        middle = centre + number * speed
        inside = (x - middle[0]) ** 2 + (y - middle[1]) ** 2 < radius**2
        shown.append(_to_picture(np.where(inside[..., None], front, back)))
    return shown


def _path(pictures: Pictures, rng: np.random.Generator) -> list[NDArray[np.uint8]]:
    """Return COUNT crops (SIZE, SIZE, 3) along a path over one picture."""
    picture = Image.fromarray(
        np.asarray(pictures.items[rng.choice(len(pictures.items), p=pictures.weights)])
    )
    scale = float(np.exp(rng.uniform(0, np.log(min(picture.size) / SIZE))))
    speed = rng.uniform(-1, 1, 2) * rng.choice([0.0, 1.0, _FASTEST])
    growth = float(rng.choice([1.0, rng.uniform(0.99, 1.01)]))
    room = np.array(picture.size) - scale * SIZE
    place = rng.uniform(0, 1, 2) * np.maximum(room, 0)
    crops = []
    for number in range(COUNT):
        side = scale * growth**number * SIZE
        corner = np.clip(
            place + number * scale * speed, 0, np.maximum(np.array(picture.size) - side, 0)
        )
        box = (*corner, *np.minimum(corner + side, picture.size))
        crops.append(np.asarray(picture.resize((SIZE, SIZE), Image.Resampling.BICUBIC, box)))
    return crops


def _to_picture(rgb: NDArray[np.uint8]) -> Picture:
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), "rgb24")
    return frame_to_picture(frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709))
