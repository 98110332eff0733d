"""Times of pictures in ticks: a constant rate where the source has one, else a fine time base."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

_COMMON_RATES = tuple(
    Fraction(rate)
    for rate in ("24000/1001", "24", "25", "30000/1001", "30", "48", "50", "60000/1001", "60",
                 "120000/1001", "120", "15", "12", "10", "5", "1")
)  # fmt: skip
_FINE_TICK = Fraction(1, 90_000)
_LARGEST_NUMBER = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Timing:
    """tick: seconds; stamps: presentation times of the pictures in ticks, the first 0, and at last the end of the
    last picture; picture_duration: ticks of each picture where it is constant, else 0."""

    tick: Fraction
    picture_duration: int
    stamps: tuple[int, ...]

    @property
    def seconds(self) -> float:
        """Duration of all pictures."""
        return float(self.stamps[-1] * self.tick)

    @property
    def rate(self) -> Fraction:
        """Pictures a second, nominal: exact where it is constant, else the mean within 1..1000."""
        if self.picture_duration:
            return 1 / (self.tick * self.picture_duration)
        mean = (len(self.stamps) - 1) / self.seconds
        return Fraction(min(1000.0, max(1.0, mean))).limit_denominator(1001)


def find_timing(
    times: Sequence[Fraction], nominal_rate: Fraction | None, time_base: Fraction
) -> Timing:
    """Return the timing of pictures at `times` (seconds, increasing, the first 0).

    The rate is constant when no time is further from a multiple of the picture duration than the source's
    clock (time_base, seconds) can express.
    """
    for rate in _candidates(times, nominal_rate):
        tolerance = max(time_base, Fraction(1, 20_000))
        if all(abs(time - k / rate) <= tolerance for k, time in enumerate(times)):
            return Timing(1 / rate, 1, tuple(range(len(times) + 1)))
    tick = time_base if _fits(time_base) and time_base <= Fraction(1, 500) else _FINE_TICK
    stamps: list[int] = []
    for time in times:
        stamp = round(time / tick)
        stamps.append(max(stamp, stamps[-1] + 1) if stamps else 0)
    # The last picture stays as long as the one before it.
    last = stamps[-1] - stamps[-2] if len(stamps) > 1 else round(Fraction(1, 25) / tick)
    return Timing(tick, 0, (*stamps, stamps[-1] + max(1, last)))


def _candidates(times: Sequence[Fraction], nominal_rate: Fraction | None) -> list[Fraction]:
    candidates = []
    if nominal_rate is not None and _fits(1 / nominal_rate):
        candidates.append(nominal_rate)
    if len(times) > 1:
        mean = (len(times) - 1) / times[-1]
        near = min(_COMMON_RATES, key=lambda rate: abs(rate - mean))
        candidates += [near, mean.limit_denominator(1001)]
    return [rate for rate in candidates if 0 < rate <= 1000] or [Fraction(25)]


def _fits(tick: Fraction) -> bool:
    return tick.numerator <= _LARGEST_NUMBER and tick.denominator <= _LARGEST_NUMBER
