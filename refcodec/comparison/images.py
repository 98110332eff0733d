"""Pictures as data URIs for the report."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from refcodec.comparison.model import Crop

FRAME_QUALITY = 90


def frame_uri(rgb: NDArray[np.uint8]) -> str:
    """Return a whole picture (height, width, 3) as WebP of quality 90: near enough to look at."""
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "WEBP", quality=FRAME_QUALITY, method=4)
    return _uri(buffer.getvalue())


def crop_uri(rgb: NDArray[np.uint8], crop: Crop) -> str:
    """Return a window of a picture as lossless WebP: exactly the decoded samples."""
    window = rgb[crop.y : crop.y + crop.height, crop.x : crop.x + crop.width]
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(window)).save(buffer, "WEBP", lossless=True, method=3)
    return _uri(buffer.getvalue())


def _uri(data: bytes) -> str:
    return "data:image/webp;base64," + base64.b64encode(data).decode("ascii")
