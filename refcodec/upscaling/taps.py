"""The table of upscaler taps, and the positions and phases of a row or column."""

from __future__ import annotations

import csv
from functools import cache

import numpy as np
from numpy.typing import NDArray

from spec import data

TAPS = 6
CENTRED = 2
CO_SITED = 1


@cache
def tap_table() -> NDArray[np.int16]:
    """(#dec.upscaling) Return int16 (32, 6): the taps of spec/tables/upscaler_taps.csv by phase."""
    with data("tables/upscaler_taps.csv").open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    return np.array([[int(tap) for tap in row[1:]] for row in rows], np.int16)


def positions(
    coded: int, presented: int, siting: int
) -> tuple[NDArray[np.int32], NDArray[np.int16]]:
    """(#dec.upscaling.position) Return for each of `presented` samples the index of its first tap
    among `coded` samples (int32, -3 or greater, not clipped) and its taps (int16, (presented, 6)).

    `siting` is CENTRED or CO_SITED.
    """
    index = np.arange(presented, dtype=np.int64)
    place = (4 * index + siting) * coded - siting * presented
    position = (32 * place + 2 * presented) // (4 * presented)
    return (position // 32 - 2).astype(np.int32), tap_table()[position % 32]
