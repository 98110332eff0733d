"""Between libav's frames and pictures: planes, range, rotation, scaling."""

from __future__ import annotations

from functools import cache

import av
import numpy as np
from av.video.reformatter import ColorRange, Interpolation
from numpy.typing import NDArray

from refcodec.picture import Picture, Plane

SCALER = Interpolation.LANCZOS | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP
"""libswscale's Lanczos: how peers are brought to a rung and back."""


def to_picture(frame: av.VideoFrame, *, rotate: bool = True) -> Picture:
    """Return `frame` as 8-bit 4:2:0 planes of limited range, upright."""
    full = frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj")
    if frame.format.name not in ("yuv420p", "yuvj420p"):
        # The range stays as it is here; `limited` below converts it the same way for every source.
        kept = ColorRange.JPEG if full else ColorRange.MPEG
        frame = frame.reformat(
            format="yuv420p", src_color_range=kept, dst_color_range=kept, interpolation=SCALER
        )
    y, u, v = (_plane(plane) for plane in frame.planes)
    quarters = (frame.rotation // 90) % 4 if rotate and frame.rotation % 90 == 0 else 0
    if quarters:
        y, u, v = (np.ascontiguousarray(np.rot90(plane, quarters)) for plane in (y, u, v))
    picture = Picture(y, u, v)
    return limited(picture) if full else picture


def to_frame(picture: Picture) -> av.VideoFrame:
    """Return `picture` as a yuv420p frame."""
    frame = av.VideoFrame(picture.width, picture.height, "yuv420p")
    for plane, samples in zip(frame.planes, picture.planes, strict=True):
        rows = np.zeros((plane.height, plane.line_size), np.uint8)
        rows[:, : samples.shape[1]] = samples
        plane.update(rows.tobytes())
    return frame


def scaled(frame: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
    """Return `frame` in another size, by libswscale's Lanczos."""
    return frame.reformat(width=width, height=height, interpolation=SCALER)


def limited(picture: Picture) -> Picture:
    """Return a picture of full range in limited range, rounded."""
    luma, chroma = _range_tables()
    return Picture(luma[picture.y], chroma[picture.u], chroma[picture.v])


@cache
def _range_tables() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    codes = np.arange(256)
    luma = np.floor(16 + codes * 219 / 255 + 0.5).astype(np.uint8)
    chroma = np.floor(128 + (codes - 128) * 224 / 255 + 0.5).astype(np.uint8)
    return luma, chroma


def _plane(plane: av.video.plane.VideoPlane) -> Plane:
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    return np.array(rows[:, : plane.width], order="C")
