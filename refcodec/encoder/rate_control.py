"""The rate factor at which a sequence has the size that was asked for.

The search is over one real number. Segment k is coded at that number rounded down to a grid, with an offset of
the segment's own before rounding: a small change of the number moves few segments, and their results at the
other grid point may be known already. So the last corrections cost little, and still the size can be met exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from refcodec.encoder.settings import HIGHEST_CRF, LOWEST_CRF

_GOLDEN = (math.sqrt(5) - 1) / 2
_SLOPE = -0.16
"""Usual change of log2(bytes) with the rate factor."""
_LARGEST_GUESS = 46.0
_STEEPEST, _FLATTEST = -0.5, -0.04
_PATIENCE, _NEAR = 4, 0.01
"""Observations after which a miss of this part of the target is good enough: a hundredth of the bits is not seen, and
the size does not fall steadily with the rate factor, so that nearer ones are found by chance."""


def clamped(crf: float) -> float:
    """Return the nearest rate factor that x264 is given."""
    return min(HIGHEST_CRF, max(LOWEST_CRF, crf))


def segment_crf(position: float, number: int, count: int) -> float:
    """Return the rate factor of segment `number` of `count` for a position of the search."""
    step = min(0.5, 0.02 * count)
    offset = (number * _GOLDEN) % 1.0
    crf = step * math.floor(position / step + offset)
    return clamped(round(crf, 3))


def initial_crf(bits_per_sample: float) -> float:
    """Return a first guess of the rate factor for a rate in bits per luma sample."""
    return min(_LARGEST_GUESS, max(LOWEST_CRF, _usual_crf(bits_per_sample)))


def crf_for_rate(part: float) -> float:
    """Return by how much the rate factor usually grows where a sample gets `part` of the bits."""
    return -3.6 * math.log2(part)


def _usual_crf(bits_per_sample: float) -> float:
    return 23.0 + crf_for_rate(max(1e-6, bits_per_sample) / 0.1)


@dataclass
class CrfGuess:
    """Guesses rate factors for one content: the usual ones, moved by what the last encode of it took."""

    offset: float | None = None

    def at(self, bits_per_sample: float) -> float:
        """Return the rate factor for a rate in bits per luma sample."""
        if self.offset is None:
            return initial_crf(bits_per_sample)
        return clamped(_usual_crf(bits_per_sample) + self.offset)

    def learn(self, bits_per_sample: float, crf: float) -> None:
        """Say which rate factor gave a rate."""
        self.offset = crf - _usual_crf(bits_per_sample)


@dataclass
class RateSearch:
    """Search for the position at which the file has `target` bytes, within `tolerance` (a fraction), or a hundredth
    where that takes long; `fixed` of them do not depend on the position."""

    target: float
    tolerance: float = 0.004
    first: float = 30.0
    fixed: float = 0.0
    observations: list[tuple[float, float]] = field(default_factory=list)

    def observe(self, position: float, size: float) -> None:
        """Say how many bytes a position gave."""
        self.observations.append((position, max(1.0, size)))

    @property
    def best(self) -> tuple[float, float] | None:
        """The observation nearest to the target."""
        return min(self.observations, key=self._miss, default=None)

    def _miss(self, observation: tuple[float, float]) -> float:
        return abs(observation[1] / self.target - 1)

    def next(self) -> float | None:
        """Return the position to try next, or None when the target is met or cannot be come nearer to."""
        if not self.observations:
            return self.first
        best = self.best
        assert best is not None
        patient = len(self.observations) < _PATIENCE
        if self._miss(best) <= (self.tolerance if patient else max(self.tolerance, _NEAR)):
            return None
        position = self._proposed(best)
        if any(abs(position - known) < 1e-6 for known, _ in self.observations):
            return None
        return position

    def _log2(self, size: float) -> float:
        return math.log2(max(1.0, size - self.fixed))

    def _proposed(self, best: tuple[float, float]) -> float:
        goal = self._log2(self.target)
        points = [(position, self._log2(size)) for position, size in self.observations]
        above = max((p for p in points if p[1] > goal), key=lambda p: p[0], default=None)
        below = min((p for p in points if p[1] <= goal), key=lambda p: p[0], default=None)
        if above is not None and below is not None and above[0] < below[0]:
            # Both ends known: interpolate, but never stay at an end.
            part = (above[1] - goal) / max(1e-9, above[1] - below[1])
            return above[0] + min(0.9, max(0.1, part)) * (below[0] - above[0])
        slope = _SLOPE
        nearest = sorted(points, key=lambda p: abs(p[1] - goal))[:2]
        if len(nearest) == 2 and nearest[0][0] != nearest[1][0]:
            slope = (nearest[0][1] - nearest[1][1]) / (nearest[0][0] - nearest[1][0])
            slope = min(_FLATTEST, max(_STEEPEST, slope))
        position = best[0] + (goal - self._log2(best[1])) / slope
        return min(HIGHEST_CRF + 0.5, max(LOWEST_CRF, position))
