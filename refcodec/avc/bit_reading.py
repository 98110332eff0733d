"""Reading of syntax elements by kernels (7.2, 9.1): u(n), ue(v), se(v), te(v).

An RBSP is read through windows: window i holds the 64 bits that begin at bit 32 * i, so 32 bits
from any position cost one load. A reader is an int64 array: READER_POSITION, the next bit, and
READER_END, the number of bits that may be read (the place of rbsp_stop_one_bit). Reading beyond the
end yields zeros and moves the position beyond it, where the caller sees it; a position is never
used beyond the end plus 64, so that no read leaves the windows.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload
from numpy.typing import NDArray

from refcodec.avc.compilation import inlined, kernel, load

Array = NDArray[Any]

READER_POSITION: Final = 0
READER_END: Final = 1

PADDING_WORDS: Final = 64
"""Words of zeros after the data: 2048 bits, more than any one residual block can take."""

UE_INVALID: Final = (1 << 32) - 1
"""What an Exp-Golomb code with 32 or more leading zeros yields: above every value of ue(v)."""


def bit_windows(rbsp: Array) -> Array:
    """Return the windows of an RBSP, int64: the 64 bits from each multiple of 32 bits on, followed
    by PADDING_WORDS words of zeros."""
    words = (rbsp.size + 3) // 4 + PADDING_WORDS
    data = np.zeros(4 * (words + 1), np.uint8)
    data[: rbsp.size] = rbsp
    big_endian: Array = data.view(">u4").astype(np.int64)
    windows: Array = (big_endian[:-1] << 32) | big_endian[1:]
    return windows


def stop_bit_position(rbsp: Array) -> int:
    """(#avc.7.2) Return the place of rbsp_stop_one_bit, the last bit that is 1: more_rbsp_data() is
    position < stop_bit_position. -1 where all bits are 0."""
    end = rbsp.size
    while end > 0 and rbsp[end - 1] == 0:
        # cabac_zero_words and trailing zeros; long runs are passed over in blocks
        block = rbsp[max(0, end - 4096) : end]
        used = np.flatnonzero(block)
        end -= block.size - (int(used[-1]) + 1 if used.size else 0)
    if end == 0:
        return -1
    last = int(rbsp[end - 1])
    return 8 * end - (last & -last).bit_length()


def leading_zeros(value: int) -> int:
    """Return the number of zero bits before the first 1 of the 32 bits of `value`; 32 for 0."""
    return 32 - int(value).bit_length()


def _count(_context: Any, value: Any) -> Any:
    def build(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        zero_is_undefined = ir.Constant(ir.IntType(1), 0)
        return builder.ctlz(arguments[0], zero_is_undefined)

    return types.int64(types.int64), build


_count_leading_zeros: Any = intrinsic(_count)


@overload(leading_zeros, strict=False)
def _leading_zeros(value: Any) -> Any:
    return lambda value: _count_leading_zeros(value) - 32


@inlined
def peek(windows: Array, position: int, bits: int) -> int:
    """Return the `bits` (1 to 32) bits from `position` (within the windows) on."""
    window = int(load(windows, position >> 5))
    return (window >> (64 - (position & 31) - bits)) & ((1 << bits) - 1)


@kernel
def read_bits(windows: Array, reader: Array, bits: int) -> int:
    """(#avc.7.2) u(n), n from 1 to 32."""
    position = min(int(reader[READER_POSITION]), int(reader[READER_END]))
    reader[READER_POSITION] += bits
    return int(peek(windows, position, bits))


@kernel
def read_ue(windows: Array, reader: Array) -> int:
    """(#avc.9.1) ue(v): 0 to 2**32 - 2, or UE_INVALID where 32 zeros stand before the first 1."""
    position = min(int(reader[READER_POSITION]), int(reader[READER_END]))
    head = int(peek(windows, position, 32))
    zeros = int(leading_zeros(head))
    if zeros < 16:
        reader[READER_POSITION] += 2 * zeros + 1
        return (head >> (31 - 2 * zeros)) - 1
    if zeros == 32:
        reader[READER_POSITION] += 32
        return UE_INVALID
    reader[READER_POSITION] += 2 * zeros + 1
    return (1 << zeros) - 1 + int(peek(windows, position + zeros + 1, zeros))


@kernel
def read_se(windows: Array, reader: Array) -> int:
    """(#avc.9.1.1) se(v): -2**31 + 1 to 2**31 - 1, or 2**31 where ue(v) is UE_INVALID."""
    code = int(read_ue(windows, reader))
    return (code + 1) >> 1 if code & 1 else -(code >> 1)


@kernel
def read_te(windows: Array, reader: Array, largest: int) -> int:
    """(#avc.9.1) te(v) of an element with values from 0 to `largest` (at least 1). Larger ones are
    returned as they are."""
    if largest > 1:
        return int(read_ue(windows, reader))
    return 1 - int(read_bits(windows, reader, 1))
