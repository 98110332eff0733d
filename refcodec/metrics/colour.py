"""From 8-bit 4:2:0 planes to RGB; by default as the test conditions ask (BT.709, limited range)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from refcodec.picture import Picture

Matrix = Literal["bt709", "bt601"]

LUMA_COEFFICIENTS: dict[str, tuple[float, float]] = {
    "bt709": (0.2126, 0.0722),
    "bt601": (0.299, 0.114),
}
"""(K_R, K_B) of Rec. ITU-R BT.709 and BT.601."""


def planes_to_rgb(
    picture: Picture, *, matrix: Matrix = "bt709", full_range: bool = False
) -> NDArray[np.float32]:
    """Return RGB (3, height, width), float32 in [0, 1], gamma-encoded, clipped.

    Chroma is raised to luma size bilinearly, its samples lying at the centres of 2x2 luma samples.
    """
    kr, kb = LUMA_COEFFICIENTS[matrix]
    kg = 1.0 - kr - kb
    height, width = picture.y.shape
    y = picture.y.astype(np.float32)
    cb = upsample_chroma(picture.u, height, width)
    cr = upsample_chroma(picture.v, height, width)
    if full_range:
        y *= np.float32(1 / 255)
        chroma_scale = 1 / 255
    else:
        y -= np.float32(16)
        y *= np.float32(1 / 219)
        chroma_scale = 1 / 224
    for chroma in (cb, cr):
        chroma -= np.float32(128)
        chroma *= np.float32(chroma_scale)
    rgb = np.empty((3, height, width), np.float32)
    rgb[0] = y + np.float32(2 * (1 - kr)) * cr
    rgb[1] = y - np.float32(2 * (1 - kb) * kb / kg) * cb - np.float32(2 * (1 - kr) * kr / kg) * cr
    rgb[2] = y + np.float32(2 * (1 - kb)) * cb
    return np.clip(rgb, 0.0, 1.0, out=rgb)


def upsample_chroma(plane: NDArray[np.uint8], height: int, width: int) -> NDArray[np.float32]:
    """Return `plane` (ceil(height/2), ceil(width/2)) at (height, width), float32, bilinear."""
    rows = _double(plane.astype(np.float32))
    return np.ascontiguousarray(_double(rows.T).T[:height, :width])


def _double(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    # Output samples lie a quarter step from an input sample: weights 3/4 and 1/4; edges repeat.
    out = np.empty((2 * samples.shape[0], samples.shape[1]), np.float32)
    near = samples * np.float32(0.75)
    far = samples * np.float32(0.25)
    out[0::2] = near
    out[2::2] += far[:-1]
    out[0] += far[0]
    out[1::2] = near
    out[1:-1:2] += far[1:]
    out[-1] += far[-1]
    return out


def to_8bit(rgb: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return (height, width, 3) uint8 from RGB (3, height, width) in [0, 1], rounded."""
    return np.ascontiguousarray(
        np.clip(rgb * np.float32(255) + np.float32(0.5), 0, 255).astype(np.uint8).transpose(1, 2, 0)
    )
