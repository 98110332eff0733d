"""Colours of the drawings: one for each macroblock type, and a scale for heat maps."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from refcodec.avc import side_information as si
from refcodec.picture import Plane

Colour = tuple[int, int, int]

TYPE_COLOURS: Final[dict[int, Colour]] = {
    si.I_4X4: (214, 39, 40),
    si.I_8X8: (255, 127, 14),
    si.I_16X16: (255, 187, 90),
    si.I_PCM: (227, 60, 180),
    si.INTER_16X16: (44, 110, 200),
    si.INTER_16X8: (60, 160, 220),
    si.INTER_8X16: (60, 200, 200),
    si.INTER_8X8: (120, 90, 220),
    si.P_SKIP: (150, 160, 150),
    si.B_SKIP: (180, 200, 160),
    si.B_DIRECT_16X16: (90, 170, 80),
}

LIST_COLOURS: Final[tuple[Colour, Colour]] = ((255, 235, 60), (80, 255, 140))
"""Vectors of list 0 and of list 1."""

_STOPS: Final = np.array(
    [(0, 0, 4), (66, 10, 104), (147, 38, 103), (221, 81, 58), (252, 165, 10), (252, 255, 164)],
    np.float64,
)


def heat_colours(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Return uint8 (rows, columns, 3): dark for the smallest, bright for the largest value; NaN is
    black."""
    known = np.isfinite(values)
    low = float(values[known].min()) if known.any() else 0.0
    high = float(values[known].max()) if known.any() else 1.0
    share = np.where(known, (values - low) / max(1e-9, high - low), 0.0)
    place = share * (len(_STOPS) - 1)
    first = np.minimum(place.astype(np.int64), len(_STOPS) - 2)
    part = (place - first)[..., None]
    mixed = _STOPS[first] * (1 - part) + _STOPS[first + 1] * part
    return np.round(mixed).astype(np.uint8)


def type_colours(mb_type: NDArray[Any]) -> NDArray[np.uint8]:
    """Return uint8 (rows, columns, 3) with the colour of each macroblock's type."""
    table = np.zeros((max(TYPE_COLOURS) + 1, 3), np.uint8)
    for number, colour in TYPE_COLOURS.items():
        table[number] = colour
    coloured: NDArray[np.uint8] = table[mb_type]
    return coloured


def rgb(planes: tuple[Plane, Plane, Plane]) -> NDArray[np.uint8]:
    """Return uint8 (rows, columns, 3) of a limited-range BT.709 4:2:0 picture, chroma repeated."""
    y = (planes[0].astype(np.float32) - 16) * (255 / 219)
    rows, columns = y.shape
    cb, cr = (
        np.repeat(np.repeat(plane, 2, 0), 2, 1)[:rows, :columns].astype(np.float32) - 128
        for plane in planes[1:]
    )
    scale = 255 / 224
    red = y + 1.5748 * scale * cr
    green = y - 0.1873 * scale * cb - 0.4681 * scale * cr
    blue = y + 1.8556 * scale * cb
    return np.clip(np.round(np.stack([red, green, blue], axis=2)), 0, 255).astype(np.uint8)
