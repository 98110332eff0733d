"""(#parse.tables) The normative distributions, read from spec/tables/latent_cdf.csv."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from spec import data

SCALE_INDEX_COUNT = 40
FRACTION_COUNT = 8
SYMBOL_COUNT = 33
ESCAPE_SYMBOL = 32
SYMBOL_OFFSET = 15
TOTAL_BITS = 15
MAX_MAGNITUDE = 2047
LARGEST_MEAN = 127 * FRACTION_COUNT
MAX_PREFIX = 11


@dataclass(frozen=True, eq=False)
class Tables:
    """`cumulative` int32, flat (40 * 8 * 34): entry ((s * 8) + f + 4) * 34 + symbol; rows of s = 0 are zeros.
    `escape_order` int32 (40)."""

    cumulative: NDArray[np.int32]
    escape_order: NDArray[np.int32]


@cache
def load() -> Tables:
    """Read the tables once."""
    cumulative = np.zeros((SCALE_INDEX_COUNT, FRACTION_COUNT, SYMBOL_COUNT + 1), np.int32)
    escape_order = np.zeros(SCALE_INDEX_COUNT, np.int32)
    rows = np.loadtxt(data("tables/latent_cdf.csv"), dtype=np.int32, delimiter=",", skiprows=1)
    for scale_index, fraction, order, *entries in rows:
        cumulative[scale_index, fraction + 4] = entries
        escape_order[scale_index] = order
    flat = cumulative.reshape(-1)
    flat.setflags(write=False)
    escape_order.setflags(write=False)
    return Tables(flat, escape_order)
