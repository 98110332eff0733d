"""Whether a picture is complete that is reconstructed beside the parsing of others."""

from __future__ import annotations

from collections.abc import Callable


class Completion:
    """Of one picture: not `done` until its samples are there or cannot be made.

    Nothing sleeps on it: who has to wait gives its time to the pictures in the works, by `finish`.
    """

    __slots__ = ("_finish", "done", "error")

    def __init__(self, finish: Callable[[Completion], None]) -> None:
        self._finish = finish
        self.done = False
        self.error: BaseException | None = None

    def result(self) -> None:
        """Return when the picture is complete; raises what kept it from that."""
        if not self.done:
            self._finish(self)
        if self.error is not None:
            raise self.error
