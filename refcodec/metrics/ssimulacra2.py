"""SSIMULACRA 2 from the optional package `ssimulacra2`; absent, the measure is left out."""

from __future__ import annotations

import importlib
import importlib.util
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from refcodec.metrics.colour import to_8bit


def available() -> bool:
    """Return whether the package `ssimulacra2` is installed."""
    return importlib.util.find_spec("ssimulacra2") is not None


def ssimulacra2(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Return the score of `b` against `a`, both RGB (3, height, width) in [0, 1]; 100 is best.

    Negative scores are possible and mean very strong distortion. Pictures are rounded to 8 bits.
    """
    package = importlib.import_module("ssimulacra2")
    return float(package.compute_ssimulacra2(_bitmap(a), _bitmap(b)))


def _bitmap(rgb: NDArray[np.float32]) -> io.BytesIO:
    # The package reads files only; an uncompressed bitmap in memory costs next to nothing.
    buffer = io.BytesIO()
    Image.fromarray(to_8bit(rgb)).save(buffer, "BMP")
    buffer.seek(0)
    return buffer
