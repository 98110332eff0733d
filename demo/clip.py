"""Renders the demonstration clip: 1080p, 30 pictures a second, two shots with a cut, moving things, small text.

The clip depends on nothing but this code: every texture comes from a seeded generator.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numba import njit, prange
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from demo import beach, landscape
from demo.noise import Map

RATE = 30
FIRST_SHOT = 3.4
SECONDS = 6.0
SEED = 11

Planes = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]


@njit(nogil=True, cache=True, parallel=True)
def _to_planes(rgb: Map, y: NDArray[np.uint8], u: NDArray[np.uint8], v: NDArray[np.uint8]) -> None:
    """Convert (h, w, 3) RGB 0..255 to BT.709 limited-range 4:2:0; chroma is the mean of 2 x 2 samples."""
    for lane in prange(u.shape[0]):
        row = np.int64(lane)
        for column in range(u.shape[1]):
            blue = red = 0.0
            for dy in range(2):
                for dx in range(2):
                    r = min(255.0, max(0.0, rgb[2 * row + dy, 2 * column + dx, 0]))
                    g = min(255.0, max(0.0, rgb[2 * row + dy, 2 * column + dx, 1]))
                    b = min(255.0, max(0.0, rgb[2 * row + dy, 2 * column + dx, 2]))
                    luma = 0.2126 * r + 0.7152 * g + 0.0722 * b
                    y[2 * row + dy, 2 * column + dx] = int(16.5 + luma * 219 / 255)
                    blue += (b - luma) / 1.8556
                    red += (r - luma) / 1.5748
            u[row, column] = int(128.5 + blue * 56 / 255)
            v[row, column] = int(128.5 + red * 56 / 255)


def _caption(rgb: Map, text: str) -> None:
    """Draw `text` in small letters at the lower left, with a dark edge."""
    rows, columns = rgb.shape[:2]
    size = max(8, round(rows * 0.022))
    wide, high = min(columns, 30 * size), 2 * size
    ink = Image.new("L", (wide, high), 0)
    edge = Image.new("L", (wide, high), 0)
    ImageDraw.Draw(edge).text(
        (6, 4), text, fill=190, font=beach.font(size), stroke_width=max(1, size // 9)
    )
    ImageDraw.Draw(ink).text((6, 4), text, fill=245, font=beach.font(size))
    top, left = rows - 3 * size, 2 * size
    patch = rgb[top : top + high, left : left + wide]
    for layer, tone in ((edge, 20.0), (ink, 250.0)):
        cover = np.asarray(layer, np.float32)[: patch.shape[0], : patch.shape[1], None] / 255
        patch += (tone - patch) * cover


def render(
    rows: int = 1080,
    columns: int = 1920,
    seconds: float = SECONDS,
    rate: int = RATE,
    seed: int = SEED,
) -> Iterator[Planes]:
    """Yield the pictures of the clip as BT.709 limited-range 4:2:0 planes, uint8.

    `rows` and `columns` are even. The cut comes at 3.4 of 6 seconds, in proportion where `seconds` differs.
    """
    count = round(seconds * rate)
    cut = round(count * FIRST_SHOT / SECONDS)
    land = landscape.terrain(seed)
    for number in range(cut):
        time = number / rate
        sway = 0.03 * time + 0.004 * np.sin(1.7 * time)
        camera = landscape.Camera(
            x=740.0 + 9.0 * time,
            y=1060.0 - 5.0 * time,
            z=landscape.WATER + 34.0 + 0.5 * np.sin(1.1 * time),
            heading=-1.75 + sway,
            focal=1700.0 * rows / 1080,
            horizon=430.0 * rows / 1080,
        )
        rgb = landscape.draw(land, camera, time, rows, columns)
        landscape.draw_balloons(rgb, land.ripples, time)
        _caption(rgb, f"Lake Umbra, north shore   06:40:{number // rate:02}.{number % rate:02}")
        yield _planes(rgb)
    del land
    ground = beach.beach(seed)
    for number in range(cut, count):
        rgb = beach.draw(ground, (number - cut) / rate, rows, columns)
        _caption(rgb, f"Harbour beach   07:15:{number // rate:02}.{number % rate:02}")
        yield _planes(rgb)


def _planes(rgb: Map) -> Planes:
    rows, columns = rgb.shape[:2]
    y = np.empty((rows, columns), np.uint8)
    u = np.empty((rows // 2, columns // 2), np.uint8)
    v = np.empty((rows // 2, columns // 2), np.uint8)
    _to_planes(rgb, y, u, v)
    return y, u, v


def write(
    path: Path,
    rows: int = 1080,
    columns: int = 1920,
    seconds: float = SECONDS,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write the clip as H.264 of very high quality (x264, crf 8) to `path`, whole or not at all."""
    total = round(seconds * RATE)
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=path.suffix)
    os.close(handle)
    try:
        with av.open(name, "w") as container:
            stream = container.add_stream("libx264", rate=RATE)
            stream.width, stream.height, stream.pix_fmt = columns, rows, "yuv420p"
            stream.time_base = Fraction(1, RATE)
            stream.options = {"crf": "8", "preset": "veryfast", "threads": "2"}
            context = stream.codec_context
            context.colorspace = context.color_primaries = context.color_trc = 1
            context.color_range = 1
            for number, planes in enumerate(render(rows, columns, seconds)):
                frame = av.VideoFrame.from_ndarray(
                    np.concatenate([plane.reshape(-1, columns) for plane in planes]), "yuv420p"
                )
                frame.pts = number
                container.mux(stream.encode(frame))
                progress(number + 1, total)
            container.mux(stream.encode(None))
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
