"""(#avc.8.5.6) Scaling matrices: lists of the parameter sets, fall-back rules, defaults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refcodec.avc.scans import ZIGZAG_4X4, ZIGZAG_8X8
from refcodec.syntax import Structure

FLAT_4X4 = (16,) * 16
FLAT_8X8 = (16,) * 64

DEFAULT_4X4_INTRA = (6, 13, 13, 20, 20, 20, 28, 28, 28, 28, 32, 32, 32, 37, 37, 42)
"""(#avc.7.4.2.1.1.1) Table 7-3, in zig-zag order."""
DEFAULT_4X4_INTER = (10, 14, 14, 20, 20, 20, 24, 24, 24, 24, 27, 27, 27, 30, 30, 34)


def _by_diagonals(values: Sequence[int]) -> tuple[int, ...]:
    """Return an 8x8 list in zig-zag order that has one value on each of the 15 diagonals."""
    lengths = (*range(1, 9), *range(7, 0, -1))
    return tuple(
        value for value, length in zip(values, lengths, strict=True) for _ in range(length)
    )


# Table 7-4: all but the intra list's beginning go by diagonals.
DEFAULT_8X8_INTRA = (
    *(6, 10, 10, 13, 11, 13, 16, 16, 16, 16),
    *_by_diagonals((0, 0, 0, 0, 18, 23, 25, 27, 29, 31, 33, 36, 38, 40, 42))[10:],
)
DEFAULT_8X8_INTER = (
    *(9, 13, 13, 15, 13, 15, 17, 17, 17, 17),
    *_by_diagonals((0, 0, 0, 0, 19, 21, 22, 24, 25, 27, 28, 30, 32, 33, 35))[10:],
)

DEFAULTS: tuple[tuple[int, ...], ...] = (
    *(DEFAULT_4X4_INTRA,) * 3,
    *(DEFAULT_4X4_INTER,) * 3,
    DEFAULT_8X8_INTRA,
    DEFAULT_8X8_INTER,
)
FLAT: tuple[tuple[int, ...], ...] = (*(FLAT_4X4,) * 6, FLAT_8X8, FLAT_8X8)

FIRST_OF_KIND = (0, 3, 6, 7)
"""The lists that have no list before them to fall back to (Table 7-2)."""


@dataclass(frozen=True)
class ScalingMatrices:
    """Weights in matrix positions. matrix4x4: uint8 (6, 16), Intra Y, Cb, Cr, Inter Y, Cb, Cr;
    matrix8x8: uint8 (2, 64), Intra Y, Inter Y."""

    matrix4x4: NDArray[np.uint8]
    matrix8x8: NDArray[np.uint8]


def scaling_lists(
    entries: Sequence[Structure], fall_back: Sequence[tuple[int, ...]]
) -> tuple[tuple[int, ...], ...]:
    """(#avc.7.4.2.1.1) Return the eight scaling lists in zig-zag order that `entries`, structures
    scaling_list_entry, say; entries that are not there count as not present.

    `fall_back` has the lists that the first of each kind falls back to: the defaults by rule A,
    those of the sequence parameter set by rule B. The others fall back to the list before.
    """
    lists: list[tuple[int, ...]] = []
    for number in range(8):
        entry: Any = entries[number] if number < len(entries) else None
        if entry is None or not entry["scaling_list_present_flag"]:
            lists.append(fall_back[number] if number in FIRST_OF_KIND else lists[number - 1])
            continue
        derived = entry["scaling_list"].derived
        if derived["UseDefaultScalingMatrixFlag"]:
            lists.append(DEFAULTS[number])
        else:
            lists.append(tuple(derived["ScalingList"]))
    return tuple(lists)


def scaling_matrices(sps: Structure, pps: Structure) -> ScalingMatrices:
    """(#avc.7.4.2.2) Return the scaling matrices of a picture: the sequence parameter set's lists
    by rule A, the picture parameter set's by rule B, or by A where the former has none."""
    lists = FLAT
    rule: tuple[tuple[int, ...], ...] = DEFAULTS
    if sps["seq_scaling_matrix_present_flag"]:
        entries: Any = sps["scaling_list_entry"]
        lists = rule = scaling_lists(entries, DEFAULTS)
    if pps["pic_scaling_matrix_present_flag"]:
        pps_entries: Any = pps["scaling_list_entry"]
        lists = scaling_lists(pps_entries, rule)
    return ScalingMatrices(
        np.stack([_matrix(lists[number], ZIGZAG_4X4) for number in range(6)]),
        np.stack([_matrix(lists[number], ZIGZAG_8X8) for number in (6, 7)]),
    )


def _matrix(values: Sequence[int], scan: NDArray[Any]) -> NDArray[np.uint8]:
    """(#avc.8.5.6) Return a list in zig-zag order as matrix positions."""
    matrix = np.empty(len(values), np.uint8)
    matrix[scan] = values
    return matrix
