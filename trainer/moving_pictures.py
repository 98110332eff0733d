"""Training pictures that move: a few pictures of a scene that pans and grows, with something else in front of it."""

from __future__ import annotations

import av
import numpy as np
from av.video.reformatter import Colorspace
from numpy.typing import NDArray
from PIL import Image

from refcodec.libav_frames import frame_to_picture
from refcodec.picture import Picture
from trainer.data import Pictures

SIZE = 256
"""Width and height of the pictures."""
COUNT = 10
"""How many there are of a scene."""
_ENLARGED = 0.5
"""Part of the paths over pictures that are enlarged: video is often softer than its size allows."""
_LEAST_SCALE = 0.5
_FASTEST = 6.0
"""Samples that a picture moves at most from one to the next."""


def moving_pictures(pictures: Pictures, rng: np.random.Generator) -> list[Picture]:
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
    if rng.random() < _ENLARGED:
        scale = float(rng.uniform(_LEAST_SCALE, 1.0))
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
