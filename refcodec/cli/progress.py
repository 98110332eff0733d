"""Progress with time left, on standard error, for whatever lasts longer than two seconds."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from refcodec.cli.values import clock

QUIET_SECONDS = 2.0
PLAIN_INTERVAL = 10.0
"""Seconds between two lines where standard error is no terminal."""


class Progress:
    """Context manager whose `update` is a callback for long operations.

        with Progress("Encoding") as progress:
            encode(..., progress=progress.update)

    Nothing is shown in the first two seconds. A terminal gets a bar, a pipe or a log one line every ten
    seconds. `enabled` False shows nothing at all.
    """

    def __init__(self, title: str, *, enabled: bool = True) -> None:
        self._title = title
        self._enabled = enabled
        self._terminal = sys.stderr.isatty()
        self._begin = time.monotonic()
        self._printed = self._begin + QUIET_SECONDS - PLAIN_INTERVAL
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, done: float, total: float | None = None, stage: str = "") -> None:
        """Report that `done` of `total` units of work are done in `stage`; `total` None or 0: unknown."""
        now = time.monotonic()
        if not self._enabled or now - self._begin < QUIET_SECONDS:
            return
        label = f"{self._title}: {stage}" if stage else self._title
        if self._terminal:
            self._draw(done, total, label)
        elif now - self._printed >= PLAIN_INTERVAL:
            self._printed = now
            print(self._line(done, total, label, now - self._begin), file=sys.stderr, flush=True)

    def _draw(self, done: float, total: float | None, label: str) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as RichProgress

            self._bar = RichProgress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.percentage:>3.0f} %"),
                TimeRemainingColumn(),
                TextColumn("left"),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._bar.add_task(label, total=total or None)
            self._bar.start()
        self._bar.update(self._task, completed=done, total=total or None, description=label)

    @staticmethod
    def _line(done: float, total: float | None, label: str, elapsed: float) -> str:
        if not total:
            return f"{label}: {done:g}"
        share = min(1.0, done / total)
        left = f", {clock(elapsed * (1 - share) / share)} left" if share > 0 else ""
        return f"{label}: {100 * share:.0f} %{left}"
