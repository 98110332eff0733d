"""Sizes and ranges of samples that are compared."""

from __future__ import annotations

from functools import cache

import av
import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from refcodec.picture import Picture

SCALER = Interpolation.LANCZOS | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP
"""libswscale's Lanczos: how peers are brought to a rung and back."""


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
