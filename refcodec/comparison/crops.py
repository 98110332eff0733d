"""Choice of the instants and windows that a report shows: much detail, and codecs that differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refcodec.comparison.model import Crop
from refcodec.picture import Picture

CELL = 16
"""Side in samples of the cells that windows are made of while searching."""


WIDTH, HEIGHT = 416, 240
"""Largest window in samples: what a page shows at full size, three in a row."""


@dataclass(frozen=True)
class _Candidate:
    interest: float
    crop: Crop


class CropFinder:
    """Observer of a measuring pass that remembers how telling the windows of each instant are.

    Interest of a window: spread over the codecs of the RMS luma error in it, times the square root
    of the source's mean gradient, so that flat areas need large differences to count.
    """

    def __init__(self, width: int, height: int) -> None:
        self._width = min(width, WIDTH, max(4, width // (2 * CELL)) * CELL)
        self._height = min(height, HEIGHT, max(4, height // (2 * CELL)) * CELL)
        self._found: list[list[_Candidate]] = []

    def __call__(self, index: int, source: Picture, decoded: Sequence[Picture]) -> None:
        """Look at one instant."""
        columns = max(1, self._width // CELL)
        rows = max(1, self._height // CELL)
        luma = source.y.astype(np.float32)
        errors = [
            np.sqrt(_windows(_cells((picture.y - luma) ** 2), rows, columns)) for picture in decoded
        ]
        gradient = np.zeros_like(luma)
        gradient[:, 1:] += np.abs(np.diff(luma, axis=1))
        gradient[1:] += np.abs(np.diff(luma, axis=0))
        detail = np.sqrt(_windows(_cells(gradient), rows, columns))
        # A lone video has nothing to differ from but the source.
        spread = np.max(errors, axis=0) - np.min(errors, axis=0) if len(errors) > 1 else errors[0]
        interest = spread * detail
        # One window in each half window: enough to choose from, and little to keep.
        down, right = max(1, rows // 2), max(1, columns // 2)
        found = [
            _Candidate(
                float(interest[row, column]),
                Crop(index, column * CELL, row * CELL, self._width, self._height),
            )
            for row in range(0, interest.shape[0], down)
            for column in range(0, interest.shape[1], right)
        ]
        self._found.append(found)

    def best(self, count: int) -> tuple[Crop, ...]:
        """Return the best window of each of `count` equal parts of the clip, in order of time.

        A window loses interest by the share of it that windows of earlier parts have shown.
        """
        chosen: list[Crop] = []
        parts = np.array_split(np.arange(len(self._found)), max(1, min(count, len(self._found))))
        for part in parts:
            candidates = [candidate for i in part for candidate in self._found[i]]
            if candidates and len(chosen) < count:
                chosen.append(max(candidates, key=lambda c: c.interest * _new(c.crop, chosen)).crop)
        return tuple(chosen)


def _new(crop: Crop, chosen: Sequence[Crop]) -> float:
    return 1 - max((_shared(crop, other) for other in chosen), default=0.0)


def _shared(a: Crop, b: Crop) -> float:
    """Return the share of window `a` that lies in window `b`'s place, 0..1."""
    across = min(a.x, b.x) + a.width - max(a.x, b.x)
    down = min(a.y, b.y) + a.height - max(a.y, b.y)
    return max(across, 0) * max(down, 0) / (a.width * a.height)


def _cells(values: NDArray[np.float32]) -> NDArray[np.float64]:
    height, width = (max(1, size // CELL) for size in values.shape)
    if min(values.shape) < CELL:
        return np.array([[values.mean()]], np.float64)
    whole = values[: height * CELL, : width * CELL].reshape(height, CELL, width, CELL)
    return whole.mean(axis=(1, 3), dtype=np.float64)


def _windows(cells: NDArray[np.float64], rows: int, columns: int) -> NDArray[np.float64]:
    rows, columns = min(rows, cells.shape[0]), min(columns, cells.shape[1])
    total = np.pad(cells.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    sums = (
        total[rows:, columns:]
        - total[:-rows, columns:]
        - total[rows:, :-columns]
        + total[:-rows, :-columns]
    )
    return np.asarray(np.maximum(sums, 0) / (rows * columns))
