"""Adding detail to pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from refcodec.intnet.backends import evaluator
from refcodec.picture import Picture, Plane
from refcodec.restoration.model import DETAIL, LUMA, UNIT, RestorationModel

LARGEST_GAIN = 3
MIDDLE = 128

_kernel = njit(nogil=True, cache=True, error_model="numpy")


@_kernel
def _around_middle(luma: Any, values: Any) -> None:
    """Write luma less MIDDLE; beyond its edges at the right and bottom, the samples at the edges."""
    height, width = luma.shape
    for row in range(values.shape[0]):
        source = luma[min(row, height - 1)]
        for column in range(width):
            values[row, column] = np.int16(source[column]) - np.int16(MIDDLE)
        for column in range(width, values.shape[1]):
            values[row, column] = values[row, width - 1]


@_kernel
def _add(luma: Any, detail: Any, gain: int, target: Any) -> None:
    for row in range(luma.shape[0]):
        for column in range(luma.shape[1]):
            added = (gain * np.int32(detail[row, column]) + 2) >> 2
            value = np.int32(luma[row, column]) + added
            target[row, column] = min(max(value, 0), 255)


class Restorer:
    """(#dec.restoration) Restores pictures with `gain`, restoration_gain 1..3. Thread-safe."""

    def __init__(self, model: RestorationModel, gain: int, backend: str = "auto") -> None:
        if not 1 <= gain <= LARGEST_GAIN:
            raise ValueError(f"restoration_gain lies within 1..{LARGEST_GAIN}")
        self._network = model.network
        self._gain = gain
        self._evaluate = evaluator(backend)

    def detail(self, luma: Plane) -> NDArray[np.int16]:
        """Return the detail of a luma plane, (height, width) rounded up to multiples of UNIT."""
        height, width = (-(-side // UNIT) * UNIT for side in luma.shape)
        values = np.empty((1, height, width), np.int16)
        _around_middle(luma, values[0])
        return self._evaluate(self._network, {LUMA: values}, 1)[DETAIL][0]

    def restore(self, picture: Picture) -> Picture:
        """(#dec.restoration) Return a picture of presentation size with luma restored."""
        return _with_detail(picture, self.detail(picture.y), self._gain)


def each_gain(model: RestorationModel, picture: Picture) -> list[Picture]:
    """(#dec.restoration) Return a picture of presentation size as each restoration_gain from 0 on makes it."""
    detail = Restorer(model, 1).detail(picture.y)
    restored = (_with_detail(picture, detail, gain) for gain in range(1, LARGEST_GAIN + 1))
    return [picture, *restored]


def _with_detail(picture: Picture, detail: NDArray[np.int16], gain: int) -> Picture:
    target = np.empty(picture.y.shape, np.uint8)
    _add(picture.y, detail, gain, target)
    return Picture(target, picture.u, picture.v)
