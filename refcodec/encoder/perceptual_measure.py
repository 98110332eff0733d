"""A measure of visible difference for the encoder's own decisions: features of an analysis network.

The network learned under an LPIPS loss, so what it sees of a picture says what LPIPS would see. It is that of the first
generator and has its own file, so that a new generator changes no decision. Distances
of unit-normalised features at 1/16, and a term for detail that the source does not have, follow LPIPS in order on
each clip (docs/decisions/0012). LPIPS itself is not used, since the
bytes of an encode must not depend on which optional weights are installed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refcodec.encoder.analysis import Analyser, load_analyser
from refcodec.generator.model import MODELS
from refcodec.metrics.analysis_features import FEATURE_WEIGHT, NORM_FLOOR, SCALE_INDEX, WEIGHTS
from refcodec.picture import Picture

Float = NDArray[np.float32]

_EXCESS_WEIGHT = 3.23
_BLOCK = 8
_ENERGY_FLOOR = 30.0
_GRID = 16


@dataclass(frozen=True, eq=False)
class Seen:
    """What the measure keeps of a picture: unit features (C,h,w) at 1/16, and block energies of a band."""

    features: Float
    energy: Float


def seen(picture: Picture) -> Seen:
    """Return what the measure keeps of a picture of at least 16 x 16 samples (sides are cut to multiples of 16)."""
    height, width = picture.height // _GRID * _GRID, picture.width // _GRID * _GRID
    planes = [picture.y[:height, :width]]
    planes += [chroma[: height // 2, : width // 2] for chroma in (picture.u, picture.v)]
    cut = Picture(*(np.ascontiguousarray(plane) for plane in planes))
    features = _network().features(cut, SCALE_INDEX)
    return Seen(_unit(features), _band_energy(cut.y))


def distance(reference: Seen, other: Seen) -> float:
    """Return the distance of two pictures of the same size: 0 for equal ones, on a scale like that of LPIPS."""
    difference = float(((reference.features - other.features) ** 2).sum(axis=0).mean())
    excess = np.log((other.energy + _ENERGY_FLOOR) / (reference.energy + _ENERGY_FLOOR))
    surplus = float(np.maximum(excess, 0).mean()) if excess.size else 0.0
    return FEATURE_WEIGHT * difference + _EXCESS_WEIGHT * surplus


def _network() -> Analyser:
    return load_analyser(MODELS / WEIGHTS)


def _unit(features: Float) -> Float:
    norm = np.sqrt((features * features).sum(axis=0, keepdims=True) + np.float32(NORM_FLOOR))
    return features / norm


def _band_energy(luma: NDArray[np.uint8]) -> Float:
    """Return the mean square, block by block, of the detail between a quarter and an eighth of the size."""
    quarter = _halved(_halved(luma.astype(np.float32)))
    detail = quarter[: quarter.shape[0] // 2 * 2, : quarter.shape[1] // 2 * 2]
    detail = detail - _halved(quarter).repeat(2, axis=0).repeat(2, axis=1)
    rows, columns = detail.shape[0] // _BLOCK, detail.shape[1] // _BLOCK
    blocks = detail[: rows * _BLOCK, : columns * _BLOCK].reshape(rows, _BLOCK, columns, _BLOCK)
    energy: Float = (blocks * blocks).mean(axis=(1, 3))
    return energy


def _halved(plane: Float) -> Float:
    height, width = plane.shape[0] // 2, plane.shape[1] // 2
    cut = plane[: 2 * height, : 2 * width]
    return (cut[::2, ::2] + cut[1::2, ::2] + cut[::2, 1::2] + cut[1::2, 1::2]) * np.float32(0.25)
