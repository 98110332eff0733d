"""Orders of blocks (6.4.3) and of transform coefficients (8.5.6, 8.5.7) for frame macroblocks.

Tables are int64 arrays, for kernels.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Table = NDArray[Any]


def zigzag(size: int) -> list[int]:
    """(#avc.8.5.6) Return the matrix position size * row + column of each place in the zig-zag scan
    of a size x size matrix: anti-diagonals in turn, those with an odd number downwards."""
    positions: list[int] = []
    for diagonal in range(2 * size - 1):
        rows = range(max(0, diagonal - size + 1), min(diagonal, size - 1) + 1)
        for row in rows if diagonal % 2 else reversed(rows):
            positions.append(size * row + diagonal - row)
    return positions


LUMA_4X4_BLOCK: Final[Table] = np.array(
    [
        4 * (2 * (block // 8) + block % 4 // 2) + 2 * (block // 4 % 2) + block % 2
        for block in range(16)
    ],
    np.int64,
)
"""(#avc.6.4.3) Raster position 4 * (y // 4) + x // 4 by luma4x4BlkIdx; it is its own inverse."""

ZIGZAG_4X4: Final[Table] = np.array(zigzag(4), np.int64)
"""(#avc.8.5.6) Matrix position 4 * row + column by place in the zig-zag scan."""

ZIGZAG_8X8: Final[Table] = np.array(zigzag(8), np.int64)
"""(#avc.8.5.7) Matrix position 8 * row + column by place in the 8x8 zig-zag scan."""
