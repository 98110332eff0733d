"""Intra prediction as matrices: the equations of 8.3 without rounding and clipping are linear, so they
are evaluated once on symbols instead of samples."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from refcodec.avc.intra_prediction import LEFT, TOP, TOP_LEFT, TOP_RIGHT
from refcodec.avc.plain.intra_prediction import (
    predict_chroma,
    predict_intra4x4,
    predict_intra8x8,
    predict_intra16x16,
)
from refcodec.twin.linear_form import LinearForm

Array = NDArray[Any]

# Kinds of blocks
LUMA_4X4: Final = 0
LUMA_8X8: Final = 1
LUMA_16X16: Final = 2
CHROMA_8X8: Final = 3

SIZES: Final = (4, 8, 16, 8)
"""Samples a side, by kind."""

_MODES: Final = (9, 9, 4, 4)
_PREDICTIONS: Final[tuple[Any, ...]] = (
    predict_intra4x4,
    predict_intra8x8,
    predict_intra16x16,
    predict_chroma,
)


def columns(n: int) -> int:
    """Columns of the matrix of an n x n block: the neighbouring samples p[-1, -1], p[0, -1] to
    p[2 * n - 1, -1], p[-1, 0] to p[-1, n - 1], then a constant."""
    return 3 * n + 2


_PLACES: Final = tuple(
    sum(_MODES[kind] * 16 * SIZES[kind] ** 2 * columns(SIZES[kind]) for kind in range(before))
    for before in range(5)
)

KIND_PLACES: Final[Array] = np.array(_PLACES, np.int64)
"""Where the matrices of a kind begin in `prediction_weights`; those of a mode and an availability
follow each other: by 16 * mode + availability."""


def neighbours(n: int, availability: int) -> dict[tuple[int, int], int]:
    """Return the column of each neighbouring sample of an n x n block that is available."""
    places: dict[tuple[int, int], int] = {}
    if availability & TOP_LEFT:
        places[-1, -1] = 0
    if availability & TOP:
        places |= {(x, -1): 1 + x for x in range(n)}
    if availability & TOP_RIGHT:
        places |= {(x, -1): 1 + x for x in range(n, 2 * n)}
    if availability & LEFT:
        places |= {(-1, y): 1 + 2 * n + y for y in range(n)}
    return places


def prediction_matrix(kind: int, mode: int, availability: int) -> Array | None:
    """(#avc.8.3) Return the matrix (n * n, columns(n)) that predicts a block from its neighbours, None
    where the mode needs others than those available. All entries are multiples of 2 ** -12."""
    n = SIZES[kind]
    unit = np.eye(columns(n))
    p = {place: LinearForm(unit[column]) for place, column in neighbours(n, availability).items()}
    try:
        block = _PREDICTIONS[kind](mode, p)
    except KeyError:
        return None
    rows = [
        sample.weights if isinstance(sample, LinearForm) else sample * unit[-1]
        for row in block
        for sample in row
    ]
    return np.array(rows)


@cache
def prediction_weights() -> Array:
    """Return all matrices, flat: float32, see KIND_PLACES; 0 where `prediction_matrix` has none."""
    weights = np.zeros(_PLACES[-1], np.float32)
    for kind, n in enumerate(SIZES):
        size = n * n * columns(n)
        for mode in range(_MODES[kind]):
            for availability in range(16):
                matrix = prediction_matrix(kind, mode, availability)
                if matrix is not None:
                    at = _PLACES[kind] + (16 * mode + availability) * size
                    weights[at : at + size] = matrix.reshape(-1)
    return weights
