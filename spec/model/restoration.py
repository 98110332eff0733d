"""Restoration: the detail that a network finds is added to luma.

Plain integers. A plane is a list of rows of samples (0..255); the network is as in integer_network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spec.model.integer_network import clamp, evaluate


def restore(
    luma: Sequence[Sequence[int]], network: Mapping[str, Any], gain: int
) -> list[list[int]]:
    """(#dec.restoration) Restore the luma plane of a presented picture; `gain` is restoration_gain."""
    around = [[sample - 128 for sample in row] + [row[-1] - 128] * (-len(row) % 8) for row in luma]
    around += [around[-1]] * (-len(luma) % 8)
    detail = evaluate(network, {"luma": [around]})["detail"][0]
    return [
        [clamp(0, 255, luma[y][x] + ((gain * detail[y][x] + 2) >> 2)) for x in range(len(luma[y]))]
        for y in range(len(luma))
    ]
