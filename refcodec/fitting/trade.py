"""What bits are worth: the trade of rate and distortion that a generator was trained with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Trade:
    """A distortion of 1 is worth `at_finest` bits per luma sample at prompt_scale_index 0, and half as much every
    63 / `octaves` indices."""

    at_finest: float = 8.0
    octaves: float = 6.5

    def at(self, q: int) -> float:
        """Return the bits per luma sample that a distortion of 1 is worth at prompt_scale_index q."""
        return float(self.at_finest * 2 ** (-q / 63 * self.octaves))
