"""(#parse.range) The range decoder and its encoder, as Numba kernels over whole arrays of latents.

Range 32 bits, cumulative frequencies of total 2^15, normalisation by bytes while the range is below 2^24.
The state of a decoder is an int64 array [code, range, position], position counting the bytes read,
also those past the end, which read as 0. The plain counterpart is spec/model/range_decoding.py.

Elements: arrays (C, H, W); a *pass* codes those with (y + x + (c >= C / 2)) & 1 == parity, or all of
them when parity is 2, in the order c, y, x. Means are in 1/8; scale index 0 codes nothing (residual 0).
Means and scale indices are read where the networks left them, in any strides, and clamped on the way.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from refcodec import errors
from refcodec.entropy import tables

ALL = 2
"""Parity that selects every element."""

OK, TRUNCATED, TRAILING, INVALID, RANGE, NOT_CANONICAL = range(6)
_ERRORS = {
    TRUNCATED: "HYP-E-ENT-01",
    TRAILING: "HYP-E-ENT-02",
    INVALID: "HYP-E-ENT-03",
    RANGE: "HYP-E-ENT-04",
    NOT_CANONICAL: "HYP-E-ENT-05",
}

_TOP = 1 << 24
_END_BYTES = 3
_ESCAPE = tables.ESCAPE_SYMBOL
_OFFSET = tables.SYMBOL_OFFSET
_MAX = tables.MAX_MAGNITUDE
_PREFIX = tables.MAX_PREFIX
_LARGEST_MEAN = tables.LARGEST_MEAN
_LARGEST_INDEX = tables.SCALE_INDEX_COUNT - 1

Int16 = NDArray[np.int16]
_kernel = njit(nogil=True, cache=True, error_model="numpy")


@_kernel
def _normalise(data: Any, code: int, width: int, position: int) -> tuple[int, int, int]:
    while width < _TOP:
        byte = int(data[position]) if position < data.size else 0
        code = (code << 8) | byte
        width <<= 8
        position += 1
    return code, width, position


@_kernel
def _decode_bit(data: Any, state: Any) -> int:
    code, width = state[0], state[1] >> 1
    bit = 0
    if code >= width:
        code -= width
        bit = 1
    state[0], state[1], state[2] = _normalise(data, code, width, state[2])
    return bit


@_kernel
def _decode_excess(data: Any, state: Any, order: int) -> int:
    prefix = 0
    while prefix < _PREFIX - order and _decode_bit(data, state) == 1:
        prefix += 1
    value = 1
    for _ in range(prefix):
        value = (value << 1) | _decode_bit(data, state)
    value -= 1
    for _ in range(order):
        value = (value << 1) | _decode_bit(data, state)
    return value


@_kernel
def _distribution(mean: Any, scale: Any) -> tuple[int, int, int]:
    """(#parse.symbol) From what the networks say of an element: scale index, position of its row, base."""
    s = int(min(max(np.int64(scale), np.int64(0)), np.int64(_LARGEST_INDEX)))
    m = int(min(max(np.int64(mean), np.int64(-_LARGEST_MEAN)), np.int64(_LARGEST_MEAN)))
    base = (m + 4) >> 3
    return s, ((s << 3) + (m - (base << 3)) + 4) * 34, base


@_kernel
def _decode_pass(
    data: Any,
    state: Any,
    cumulative: Any,
    orders: Any,
    mean: Any,
    scale: Any,
    parity: int,
    values: Any,
) -> int:
    channels, height, width = values.shape
    limit = data.size + _END_BYTES
    # in variables: after each store to an array, all that lies in arrays is read again
    code, span, position = state[0], state[1], state[2]
    for c in range(channels):
        group = 1 if 2 * c >= channels else 0
        for y in range(height):
            step = 1 if parity == ALL else 2
            first = 0 if parity == ALL else (parity + y + group) & 1
            for x in range(first, width, step):
                s, row, base = _distribution(mean[c, y, x], scale[c, y, x])
                if s == 0:
                    values[c, y, x] = base
                    continue
                unit = span >> 15
                if code >= unit << 15:
                    state[2] = position
                    return INVALID
                # the symbol whose interval holds the code, from the most probable one outwards: no division
                low = _OFFSET
                start = unit * np.int64(cumulative[row + low])
                end = unit * np.int64(cumulative[row + low + 1])
                while code < start:
                    low -= 1
                    end = start
                    start = unit * np.int64(cumulative[row + low])
                while code >= end:
                    low += 1
                    start = end
                    end = unit * np.int64(cumulative[row + low + 1])
                code, span, position = _normalise(data, code - start, end - start, position)
                k = low - _OFFSET
                if low == _ESCAPE:
                    state[0], state[1], state[2] = code, span, position
                    negative = _decode_bit(data, state)
                    excess = _decode_excess(data, state, orders[s])
                    k = -16 - excess if negative else 17 + excess
                    code, span, position = state[0], state[1], state[2]
                if position > limit:
                    state[2] = position
                    return TRUNCATED
                value = base + k
                if value < -_MAX or value > _MAX:
                    state[2] = position
                    return RANGE
                values[c, y, x] = value
    state[0], state[1], state[2] = code, span, position
    return OK


class RangeDecoder:
    """(#parse.range) Decodes arrays of latents from one byte string."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = np.frombuffer(data, np.uint8)
        head = bytes(data[:4]).ljust(4, b"\0")
        self._state = np.array([int.from_bytes(head, "big"), 0xFFFFFFFF, 4], np.int64)
        self._tables = tables.load()

    def decode(self, mean: Int16, scale: Int16, parity: int, values: Int16) -> None:
        """Decode one pass into `values` (C,H,W); the other elements stay as they are.

        `mean` in 1/8 is clamped to -1016..1016, `scale` to 0..39; both int16 (C,H,W), of any strides. Raises
        HYP-E-ENT-01, -03 or -04. The work is bounded by the number of elements.
        """
        status = _decode_pass(
            self._data,
            self._state,
            self._tables.cumulative,
            self._tables.escape_order,
            mean,
            scale,
            parity,
            values,
        )
        self._check(int(status))

    def finish(self) -> None:
        """(#parse.end) Check that the data end exactly here. Raises HYP-E-ENT-01, -02, -03 or -05."""
        code, width, position = (int(n) for n in self._state)
        used = position - _END_BYTES
        if used > self._data.size:
            self._check(TRUNCATED)
        if used < self._data.size:
            self._check(TRAILING)
        if code >= width:
            self._check(INVALID)
        if code >= _TOP:
            self._check(NOT_CANONICAL)

    def _check(self, status: int) -> None:
        if status != OK:
            raise errors.error(
                _ERRORS[status],
                element="prompt_data",
                value=f"{self._data.size} bytes",
                detail=f"The decoder had read {int(self._state[2])} bytes.",
            )


# The encoder's state: [low, range, cache, bytes held back, position in the buffer].


@_kernel
def _shift_low(buffer: Any, state: Any) -> None:
    low = state[0]
    if low < 0xFF000000 or low >= 1 << 32:
        carry = low >> 32
        buffer[state[4]] = (state[2] + carry) & 255
        state[4] += 1
        for _ in range(state[3]):
            buffer[state[4]] = (255 + carry) & 255
            state[4] += 1
        state[3] = 0
        state[2] = (low >> 24) & 255
    else:
        state[3] += 1
    state[0] = (low & 0xFFFFFF) << 8


@_kernel
def _encode_normalise(buffer: Any, state: Any) -> None:
    while state[1] < _TOP:
        state[1] <<= 8
        _shift_low(buffer, state)


@_kernel
def _encode_bit(buffer: Any, state: Any, bit: int) -> None:
    state[1] >>= 1
    if bit:
        state[0] += state[1]
    _encode_normalise(buffer, state)


@_kernel
def _encode_excess(buffer: Any, state: Any, order: int, excess: int) -> None:
    value = (excess >> order) + 1
    prefix = 0
    while (value >> (prefix + 1)) > 0:
        prefix += 1
    for _ in range(prefix):
        _encode_bit(buffer, state, 1)
    if prefix < _PREFIX - order:
        _encode_bit(buffer, state, 0)
    for i in range(prefix - 1, -1, -1):
        _encode_bit(buffer, state, (value >> i) & 1)
    for i in range(order - 1, -1, -1):
        _encode_bit(buffer, state, (excess >> i) & 1)


@_kernel
def _encode_pass(
    buffer: Any,
    state: Any,
    cumulative: Any,
    orders: Any,
    mean: Any,
    scale: Any,
    parity: int,
    values: Any,
) -> int:
    """Encode one pass; returns the number of elements that scale index 0 does not allow."""
    channels, height, width = values.shape
    refused = 0
    for c in range(channels):
        group = 1 if 2 * c >= channels else 0
        for y in range(height):
            step = 1 if parity == ALL else 2
            first = 0 if parity == ALL else (parity + y + group) & 1
            for x in range(first, width, step):
                s, row, base = _distribution(mean[c, y, x], scale[c, y, x])
                k = np.int64(values[c, y, x]) - base
                if s == 0:
                    if k != 0:
                        refused += 1
                    continue
                symbol = k + _OFFSET if -16 < k < 17 else _ESCAPE
                unit = state[1] >> 15
                start = np.int64(cumulative[row + symbol])
                state[0] += unit * start
                state[1] = unit * (np.int64(cumulative[row + symbol + 1]) - start)
                _encode_normalise(buffer, state)
                if symbol == _ESCAPE:
                    _encode_bit(buffer, state, 1 if k < 0 else 0)
                    _encode_excess(buffer, state, int(orders[s]), int(-16 - k if k < 0 else k - 17))
    return refused


@_kernel
def _count_bits(bits: Any, orders: Any, mean: Any, scale: Any, parity: int, values: Any) -> float:
    channels, height, width = values.shape
    total = 0.0
    for c in range(channels):
        group = 1 if 2 * c >= channels else 0
        for y in range(height):
            step = 1 if parity == ALL else 2
            first = 0 if parity == ALL else (parity + y + group) & 1
            for x in range(first, width, step):
                s, row, base = _distribution(mean[c, y, x], scale[c, y, x])
                if s == 0:
                    continue
                k = np.int64(values[c, y, x]) - base
                symbol = k + _OFFSET if -16 < k < 17 else _ESCAPE
                total += bits[row + symbol]
                if symbol == _ESCAPE:
                    excess = -16 - k if k < 0 else k - 17
                    order = np.int64(orders[s])
                    value = (excess >> order) + 1
                    prefix = 0
                    while (value >> (prefix + 1)) > 0:
                        prefix += 1
                    total += 1 + 2 * prefix + order + (1 if prefix < _PREFIX - order else 0)
    return total


class RangeEncoder:
    """Encodes arrays of latents; `finish` returns the one byte string that decodes to them."""

    _BYTES_PER_ELEMENT = 6  # 15 bits of a symbol and at most 28 of an escape

    def __init__(self) -> None:
        self._buffer = np.empty(16, np.uint8)
        self._state = np.array([0, 0xFFFFFFFF, 0, 0, 0], np.int64)
        self._tables = tables.load()

    def encode(self, mean: Int16, scale: Int16, parity: int, values: Int16) -> None:
        """Encode one pass; arguments as in `RangeDecoder.decode`.

        Raises ValueError when a value lies outside -2047..2047, or differs from its mean's integer part
        where scale index 0 says that nothing is coded.
        """
        if values.size and int(np.abs(values.astype(np.int32)).max()) > _MAX:
            raise ValueError(f"latents lie within -{_MAX}..{_MAX}")
        held = int(self._state[3] + self._state[4])
        room = held + 16 + self._BYTES_PER_ELEMENT * int(np.count_nonzero(scale > 0))
        if room > self._buffer.size:
            grown = np.empty(room, np.uint8)
            grown[: int(self._state[4])] = self._buffer[: int(self._state[4])]
            self._buffer = grown
        refused = _encode_pass(
            self._buffer,
            self._state,
            self._tables.cumulative,
            self._tables.escape_order,
            mean,
            scale,
            parity,
            values,
        )
        if refused:
            raise ValueError(f"{refused} latents differ from their mean where nothing is coded")

    def finish(self) -> bytes:
        """(#parse.end) Return the bytes; the encoder is of no use afterwards."""
        self._state[0] = (self._state[0] + _TOP - 1) & ~(_TOP - 1)
        _shift_low(self._buffer, self._state)
        _shift_low(self._buffer, self._state)
        # the first byte is the cache's initial 0: the code begins below 2^32, so no carry reaches it
        return self._buffer[1 : int(self._state[4])].tobytes()


def count_bits(mean: Int16, scale: Int16, parity: int, values: Int16) -> float:
    """Return the ideal code length in bits of one pass; elements of scale index 0 cost nothing."""
    return float(
        _count_bits(_code_lengths(), tables.load().escape_order, mean, scale, parity, values)
    )


def _code_lengths() -> NDArray[np.float64]:
    cumulative = tables.load().cumulative.astype(np.float64)
    frequency = np.append(np.diff(cumulative), 1.0)
    lengths: NDArray[np.float64] = 15.0 - np.log2(np.maximum(frequency, 1.0))
    return lengths
