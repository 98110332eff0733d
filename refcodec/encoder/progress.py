"""How far an encode is, as one number that never goes back."""

from __future__ import annotations

from collections.abc import Callable

ProgressCallback = Callable[[float, float, str], None]
"""Called with (done, total, stage); done / total is the finished part of the expected work."""


class ProgressMeter:
    """Spreads the work of stages over 0..1. A stage takes its share of what is left when it begins."""

    def __init__(self, callback: ProgressCallback | None) -> None:
        self._callback = callback
        self._begin = 0.0
        self._end = 0.0
        self._stage = ""

    def stage(self, name: str, share: float) -> None:
        """Begin a stage that takes `share` (0..1) of the work that is left."""
        self._begin = self._end
        self._end = self._begin + share * (1 - self._begin)
        self._stage = name
        self.at(0.0)

    def say(self, name: str) -> None:
        """Rename the stage."""
        self._stage = name

    def at(self, part: float) -> None:
        """Say that `part` (0..1) of the stage is done."""
        if self._callback is not None:
            done = self._begin + min(1.0, part) * (self._end - self._begin)
            self._callback(done, 1.0, self._stage)
