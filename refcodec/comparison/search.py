"""Search of the quality setting at which an encoder meets a rate."""

from __future__ import annotations

import math
from collections.abc import Callable

from refcodec.comparison.codecs import PeerCodec

MAXIMUM_TRIALS = 9


def meet_rate(
    codec: PeerCodec,
    rate_of: Callable[[float], float],
    target: float,
    *,
    first: float,
    tolerance: float,
) -> dict[float, float]:
    """Return the rates (bit/s) by quality setting that were tried; `closest` picks among them.

    Secant steps on ln(rate), kept inside the bracket found so far; ends when a rate lies within
    `tolerance` (a share) of `target`, or when no setting between two tried ones is left.
    """
    tried: dict[float, float] = {}
    quality = codec.rounded(first)
    while quality not in tried and len(tried) < MAXIMUM_TRIALS:
        tried[quality] = rate_of(quality)
        if abs(tried[quality] / target - 1) <= tolerance:
            break
        quality = _next(codec, tried, target)
    return tried


def closest(tried: dict[float, float], target: float) -> float:
    """Return the tried setting whose rate is nearest to `target` on a logarithmic scale."""
    return min(tried, key=lambda quality: abs(math.log(tried[quality] / target)))


def _next(codec: PeerCodec, tried: dict[float, float], target: float) -> float:
    over = [q for q, rate in tried.items() if rate > target]
    under = [q for q, rate in tried.items() if rate <= target]
    near = closest(tried, target)
    slope = codec.slope
    others = sorted((q for q in tried if q != near), key=lambda q: abs(q - near))
    if others:
        other = others[0]
        measured = math.log(tried[other] / tried[near]) / (near - other)
        # Near the ends of its range an encoder may not react; then the typical slope must do.
        if measured > codec.slope / 4:
            slope = measured
    wanted = codec.rounded(near + math.log(tried[near] / target) / slope)
    low = max(over, default=codec.low)
    high = min(under, default=codec.high)
    if over and under:
        inside_low, inside_high = low + codec.step, high - codec.step
        if inside_low > inside_high + 1e-9:
            return near
        wanted = min(max(wanted, inside_low), inside_high)
        if codec.rounded(wanted) in tried:
            wanted = (low + high) / 2
    elif wanted == near:
        wanted = near + codec.step if tried[near] > target else near - codec.step
    return codec.rounded(wanted)
