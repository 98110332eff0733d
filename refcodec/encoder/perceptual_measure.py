"""A measure of visible difference for the encoder's own decisions: features of a network that was taught what LPIPS
sees.

The network has its own file, so that a new generator changes no decision. LPIPS itself is not used, since the bytes of
an encode must not depend on which optional weights are installed. `refcodec.fitting.feature_distance` is the same for
fits; `trainer/measure.py` trains it (docs/decisions/0012, 0017).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refcodec.encoder.analysis import load_analyser
from refcodec.intnet.installed import MODELS
from refcodec.metrics.analysis_features import NORM_FLOOR, SCALE_INDEX, WEIGHT, WEIGHTS
from refcodec.picture import Picture

ENOUGH = 1 << 19
"""Luma samples of a picture up to which all are seen."""
_GRID = 16
_SQUARE = 128


@dataclass(frozen=True, eq=False)
class Seen:
    """What the measure keeps of a picture: weighted unit features (C,h,w), float16, at 1/4, 1/8 and 1/16."""

    levels: tuple[NDArray[np.float16], ...]


def seen(picture: Picture) -> Seen:
    """Return what the measure keeps of a picture of at least 16 x 16 samples. Sides are cut to multiples of 16; of
    more than ENOUGH samples only some squares are seen, at the same places in all pictures of one size."""
    cut = _squares(picture)
    network = load_analyser(MODELS / WEIGHTS)
    levels = []
    narrow, middle = network.fine(cut)
    for level, features in enumerate((narrow, middle, network.coarse(middle, SCALE_INDEX))):
        weight = network.weights[WEIGHT.format(level=level)][:, None, None]
        norm = np.sqrt(np.einsum("chw,chw->hw", features, features) + np.float32(NORM_FLOOR))
        levels.append((features * weight / norm).astype(np.float16))
    return Seen(tuple(levels))


def _squares(picture: Picture) -> Picture:
    """Return the picture cut to multiples of 16, or a mosaic of every n-th of its squares where it is large."""
    every = -(-picture.y.size // ENOUGH)
    sampled = every > 1 and min(picture.height, picture.width) >= _SQUARE
    side = _SQUARE if sampled else _GRID
    rows, columns = picture.height // side, picture.width // side
    if not sampled:
        planes = [picture.y[: rows * side, : columns * side]]
        planes += [
            plane[: rows * side // 2, : columns * side // 2] for plane in (picture.u, picture.v)
        ]
        return Picture(*(np.ascontiguousarray(plane) for plane in planes))
    # Along diagonals, so that all rows and columns are seen.
    places = [(r, c) for r in range(rows) for c in range(columns) if (r + c) % every == 0]
    mosaic = []
    for plane, size in zip(picture.planes, (side, side // 2, side // 2), strict=True):
        squares = [plane[r * size : (r + 1) * size, c * size : (c + 1) * size] for r, c in places]
        mosaic.append(np.ascontiguousarray(np.concatenate(squares, axis=1)))
    return Picture(*mosaic)


def distance(reference: Seen, other: Seen) -> float:
    """Return the distance of two pictures of the same size: 0 for equal ones, on a scale like that of LPIPS."""
    total = 0.0
    for a, b in zip(reference.levels, other.levels, strict=True):
        difference = (a.astype(np.float32) - b.astype(np.float32)).ravel()
        total += float(difference @ difference) / (a.shape[1] * a.shape[2])
    return total
