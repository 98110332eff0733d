"""Intervals of moving pictures, coded and brought back to full size: what pairs of any kind are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from refcodec.encoder.avc_job import AvcSettings, decode_packets, encode_packets
from refcodec.encoder.resizing import CodedSize
from refcodec.libav_frames import frame_to_picture
from refcodec.media import ColourDescription
from refcodec.picture import Picture
from refcodec.upscaling import Upscaler
from trainer.data import Pictures
from trainer.moving_pictures import SIZE

Made = TypeVar("Made")
Options = tuple[tuple[str, str], ...]

_RATE = Fraction(25)
_COLOUR = ColourDescription(1, 1, 1, False)

kept_pictures = lru_cache(maxsize=1)(Pictures)
"""The training pictures of a folder, opened once in each process."""


def of_intervals(
    make: Callable[[int], Made], folder: Path, cache: Path, count: int, workers: int
) -> Iterator[Made]:
    """Yield what `make` makes of the numbers of `count` intervals, in order, in `workers` processes. The pictures of
    `folder` are decoded to `cache` before."""
    Pictures(folder, cache)
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(make, range(count), chunksize=4)


def interval_settings(
    size: CodedSize, x264_preset: str, overrides: Options, behind_coded: Options = ()
) -> AvcSettings:
    """Return settings of x264 for pictures of training."""
    return AvcSettings(size, _RATE, _COLOUR, x264_preset, overrides, behind_coded)


def coded_and_decoded(
    scaled: Sequence[Picture], avc: AvcSettings, crf: float, hidden: Picture | None
) -> Callable[[int], Picture]:
    """Code an interval, behind the generated keyframe `hidden` if there is one; return what gives a decoded picture,
    upscaled to SIZE x SIZE, by its number."""
    frames = decode_packets(encode_packets(scaled, avc, crf, hidden))
    if hidden is not None:
        frames = frames[1:]
    upscaler = Upscaler(avc.size.width, avc.size.height, SIZE, SIZE)
    return lambda number: upscaler.upscale(frame_to_picture(frames[number]).planes)


def samples_of(picture: Picture) -> NDArray[np.uint8]:
    """Return the samples of a picture as one array, y, u and v one after the other."""
    return np.frombuffer(picture.tobytes(), np.uint8)
