"""Range decoding: symbols and bypass bits from the bytes of prompt_data.

Plain integers. Cumulative frequencies are a list of 34 integers, from 0 to 32768.
"""

from __future__ import annotations

from collections.abc import Sequence

ESCAPE_SYMBOL = 32
LATENT_LIMIT = 2047


class RangeError(Exception):
    """The bytes break a rule of the clause; `args[0]` is the id of the error."""


class RangeDecoder:
    """(#parse.range) The state of the range decoder."""

    def __init__(self, prompt_data: bytes) -> None:
        self.prompt_data = prompt_data
        self.position = 0
        self.range = 2**32 - 1
        self.code = 0
        for _ in range(4):
            self.code = (self.code << 8) | self.next_byte()

    def next_byte(self) -> int:
        byte = self.prompt_data[self.position] if self.position < len(self.prompt_data) else 0
        self.position += 1
        return byte

    def normalise(self) -> None:
        while self.range < 2**24:
            self.code = (self.code << 8) | self.next_byte()
            self.range = self.range << 8


def decode_symbol(decoder: RangeDecoder, cumulative: Sequence[int]) -> int:
    """(#parse.range) Decode one symbol of a distribution."""
    unit = decoder.range >> 15
    target = decoder.code // unit
    if target >= 2**15:
        raise RangeError("HYP-E-ENT-03")
    symbol = 0
    while cumulative[symbol + 1] <= target:
        symbol += 1
    decoder.code -= unit * cumulative[symbol]
    decoder.range = unit * (cumulative[symbol + 1] - cumulative[symbol])
    decoder.normalise()
    return symbol


def decode_bypass_bit(decoder: RangeDecoder) -> int:
    """(#parse.range) Decode one bit of probability 1/2."""
    decoder.range = decoder.range >> 1
    bit = 0
    if decoder.code >= decoder.range:
        decoder.code -= decoder.range
        bit = 1
    decoder.normalise()
    return bit


def decode_excess(decoder: RangeDecoder, escape_order: int) -> int:
    """(#parse.symbol) Decode how far a value lies beyond the symbols: Exp-Golomb of bounded length."""
    prefix = 0
    while prefix < 11 - escape_order and decode_bypass_bit(decoder) == 1:
        prefix += 1
    w = 1
    for _ in range(prefix):
        w = (w << 1) | decode_bypass_bit(decoder)
    excess = w - 1
    for _ in range(escape_order):
        excess = (excess << 1) | decode_bypass_bit(decoder)
    return excess


def decode_latent(
    decoder: RangeDecoder,
    cdf: Sequence[Sequence[Sequence[int]]],
    escape_order: Sequence[int],
    mean: int,
    scale_index: int,
) -> int:
    """(#parse.symbol) Decode one latent; `cdf[s][f + 4]` and `escape_order[s]` are the tables."""
    base = (mean + 4) >> 3
    fraction = mean - 8 * base
    if scale_index == 0:
        return base
    symbol = decode_symbol(decoder, cdf[scale_index][fraction + 4])
    if symbol < ESCAPE_SYMBOL:
        value = base + symbol - 15
    else:
        negative = decode_bypass_bit(decoder)
        excess = decode_excess(decoder, escape_order[scale_index])
        value = base - 16 - excess if negative else base + 17 + excess
    if decoder.position > len(decoder.prompt_data) + 3:
        raise RangeError("HYP-E-ENT-01")
    if not -LATENT_LIMIT <= value <= LATENT_LIMIT:
        raise RangeError("HYP-E-ENT-04")
    return value


def check_end(decoder: RangeDecoder) -> None:
    """(#parse.end) Check that the data end exactly where the last latent ends."""
    if decoder.position > len(decoder.prompt_data) + 3:
        raise RangeError("HYP-E-ENT-01")
    if decoder.position < len(decoder.prompt_data) + 3:
        raise RangeError("HYP-E-ENT-02")
    if decoder.code >= decoder.range:
        raise RangeError("HYP-E-ENT-03")
    if decoder.code >= 2**24:
        raise RangeError("HYP-E-ENT-05")
