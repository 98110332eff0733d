"""The arithmetic decoding engine of CABAC (9.3.1.2, 9.3.3.2).

All of its state is one int64 array, `cabac`: the states of the contexts by ctxIdx, then registers,
room for the places of one block's levels, the slice's row of SliceTable.parameters, and from WORDS
on the bytes of the slice data as 32-bit numbers, most significant byte first.

codIOffset is kept with bits that were read ahead: `value` is codIOffset << 48 plus the `bits` next
bits of the slice data, the first of them at place 47. Past the end zeros are read; the caller
compares `bits_read` with the length, at least once a macroblock.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from refcodec.avc.cabac_tables import (
    CONTEXT_INITIALISATION,
    CONTEXTS,
    RANGE_LPS,
    RENORMALISATION,
    TRANSITION,
)
from refcodec.avc.compilation import inlined, kernel, load, store
from refcodec.avc.slice_table import FIELDS

Array = NDArray[Any]

RANGE: Final = 440
"""codIRange."""
VALUE: Final = 441
BITS: Final = 442
POSITION: Final = 443
"""Index in the array of the next word to read."""
ERROR_VALUE: Final = 444
"""The value that a kernel refuses."""
ERROR_MB: Final = 445
"""Address of the macroblock that is parsed."""
STOP_BIT: Final = 446
"""Place of rbsp_stop_one_bit, in bits from the first word."""
PLACES: Final = 448
PARAMETERS: Final = 512
WORDS: Final = PARAMETERS + FIELDS

_PLACE: Final = 48
"""Place of the lowest bit of codIOffset in `value`."""
_MOST: Final = 8
"""A decoding step may read this many bits without looking; it leaves as many to the next."""

State = tuple[int, int, int, int, int]


def new_state(slice_data: bytes, parameters: Array) -> Array:
    """Return the array of the engine for slice data that begin with the first byte of `slice_data`
    and whose last byte has rbsp_stop_one_bit, of a slice with `parameters`; contexts and registers
    are not initialised."""
    words = np.frombuffer(slice_data + bytes(-len(slice_data) % 4), ">u4")
    cabac = np.empty(WORDS + words.size, np.int64)
    cabac[PARAMETERS:WORDS] = parameters
    cabac[WORDS:] = words
    last = slice_data[-1]
    cabac[STOP_BIT] = 8 * len(slice_data) - (last & -last).bit_length()
    return cabac


@kernel
def initialise_contexts(cabac: Any, cabac_init_idc: int, slice_qp: int) -> None:
    """(#avc.9.3.1.1) Set all contexts for a slice; cabac_init_idc is 3 for I slices."""
    qp = min(max(slice_qp, 0), 51)
    table = 2 * CONTEXTS * cabac_init_idc
    for context in range(CONTEXTS):
        m = load(CONTEXT_INITIALISATION, table + 2 * context)
        n = load(CONTEXT_INITIALISATION, table + 2 * context + 1)
        state = min(max(((m * qp) >> 4) + n, 1), 126)
        if state <= 63:
            cabac[context] = 2 * (63 - state)
        else:
            cabac[context] = 2 * (state - 64) + 1


@kernel
def slice_byte(cabac: Any, position: int) -> int:
    """Return byte `position` of the slice data, 0 past the end."""
    index = WORDS + (position >> 2)
    if index >= cabac.size:
        return 0
    return (load(cabac, index) >> (24 - 8 * (position & 3))) & 255


@kernel
def initialise_engine(cabac: Any, position: int) -> None:
    """(#avc.9.3.1.2) Set codIRange to 510 and read 9 bits from byte `position` of the slice
    data."""
    # up to the end of a word: 2 to 5 bytes
    count = 4 - (position & 3)
    if count < 2:
        count += 4
    value = 0
    for offset in range(count):
        value = (value << 8) | slice_byte(cabac, position + offset)
    bits = 8 * count - 9
    value <<= _PLACE - bits
    following = WORDS + ((position + count) >> 2)
    if bits < _MOST:
        if following < cabac.size:
            value |= load(cabac, following) << (_PLACE - 32 - bits)
        following += 1
        bits += 32
    cabac[RANGE] = 510
    cabac[VALUE] = value
    cabac[BITS] = bits
    cabac[POSITION] = following


@kernel
def bits_read(cabac: Any) -> int:
    """Return how many bits of the slice data the engine has read, as the standard counts them."""
    return 32 * (load(cabac, POSITION) - WORDS) - load(cabac, BITS)


@inlined
def refill(cabac: Any, value: int, bits: int, position: int) -> tuple[int, int, int]:
    """Read a word ahead; return value, bits, position."""
    if position < cabac.size:
        value |= load(cabac, position) << (_PLACE - 32 - bits)
    return value, bits + 32, position + 1


@inlined
def decision(cabac: Any, context: int, span: int, value: int, bits: int, position: int) -> State:
    """(#avc.9.3.3.2.1) DecodeDecision with the registers in variables: return binVal, codIRange
    (`span`), value, bits, position."""
    state = load(cabac, context)
    lps = load(RANGE_LPS, 4 * state + (span >> 6))
    span -= lps
    rest = value - (span << _PLACE)
    if rest < 0:
        store(cabac, context, load(TRANSITION, state))
        symbol = state & 1
        shift = 1 - (span >> 8)
    else:
        store(cabac, context, load(TRANSITION, 128 + state))
        symbol = (state & 1) ^ 1
        value = rest
        span = lps
        shift = load(RENORMALISATION, lps)
    span <<= shift
    value <<= shift
    bits -= shift
    if bits < _MOST:
        value, bits, position = refill(cabac, value, bits, position)
    return symbol, span, value, bits, position


@inlined
def bypass(
    cabac: Any, span: int, value: int, bits: int, position: int
) -> tuple[int, int, int, int]:
    """(#avc.9.3.3.2.3) DecodeBypass with the registers in variables: return binVal, value, bits,
    position."""
    value <<= 1
    rest = value - (span << _PLACE)
    symbol = 0
    if rest >= 0:
        value = rest
        symbol = 1
    bits -= 1
    if bits < _MOST:
        value, bits, position = refill(cabac, value, bits, position)
    return symbol, value, bits, position


@kernel
def decode_decision(cabac: Any, context: int) -> int:
    """(#avc.9.3.3.2.1) DecodeDecision: return binVal."""
    symbol, span, value, bits, position = decision(
        cabac,
        context,
        load(cabac, RANGE),
        load(cabac, VALUE),
        load(cabac, BITS),
        load(cabac, POSITION),
    )
    cabac[RANGE] = span
    cabac[VALUE] = value
    cabac[BITS] = bits
    cabac[POSITION] = position
    return symbol


@kernel
def decode_terminate(cabac: Any) -> int:
    """(#avc.9.3.3.2.4) DecodeTerminate: return binVal. When it is 1 the last bit that was read is
    the last of the slice data or before pcm_alignment_zero_bit."""
    span = load(cabac, RANGE) - 2
    value = load(cabac, VALUE)
    if value >= span << _PLACE:
        return 1
    shift = 1 - (span >> 8)
    bits = load(cabac, BITS) - shift
    value <<= shift
    cabac[RANGE] = span << shift
    if bits < _MOST:
        value, bits, position = refill(cabac, value, bits, load(cabac, POSITION))
        cabac[POSITION] = position
    cabac[VALUE] = value
    cabac[BITS] = bits
    return 0
