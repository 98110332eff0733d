"""Pictures a second of a media stream that libav has opened."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

DEFAULT_RATE = Fraction(25)
"""Of a stream that states none."""
_HIGHEST = 1000


def nominal_rate(stream: Any) -> Fraction | None:
    """Return the rate that the stream states, or None. What libav guesses comes first: it knows the timing that a byte
    stream has in its parameter sets, where the average rate is the demuxer's default."""
    for rate in (stream.guessed_rate, stream.average_rate, stream.base_rate):
        if rate and 0 < rate <= _HIGHEST:
            return Fraction(rate)
    return None


def stream_rate(stream: Any) -> Fraction:
    """Return the nominal rate of a stream, DEFAULT_RATE where it states none."""
    return nominal_rate(stream) or DEFAULT_RATE
