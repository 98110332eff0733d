"""The progress callback of long operations, and how a comparison reports its own."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called with work done, work in all (None where unknown) and what is being done."""

    def __call__(self, done: float, total: float | None = None, stage: str = "") -> None: ...


def silent(done: float, total: float | None = None, stage: str = "") -> None:
    """Report nothing."""


class Share:
    """Progress of one part of a longer work: a share of `total` that begins at `begin`.

    A part whose length is unknown (a search) nears its end ever more slowly: each call takes
    an eighth of what is left of it.
    """

    def __init__(self, whole: Progress, begin: float, length: float, total: float) -> None:
        self._whole, self._begin, self._length, self._total = whole, begin, length, total
        self._unknown = 0.0

    def __call__(self, done: float, total: float | None = None, stage: str = "") -> None:
        if total:
            part = min(done / total, 1.0)
        else:
            part = self._unknown
            self._unknown += (1 - self._unknown) / 8
        self._whole(self._begin + part * self._length, self._total, stage)
