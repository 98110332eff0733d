"""Facts about bits that both readers share."""

from __future__ import annotations

LONGEST_PREFIX = 31
"""Most leading zero bits of an Exp-Golomb code."""


def last_one_bit(data: memoryview, size: int) -> int:
    """Return the position in bits of the last 1 bit in the first `size` bytes, or -1."""
    while size and data[size - 1] == 0:
        size -= 1
    if not size:
        return -1
    byte = data[size - 1]
    return 8 * size - (byte & -byte).bit_length()
