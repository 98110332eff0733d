"""Telling users why the first run takes longer."""

from __future__ import annotations

import sys
from typing import Any

NOTICE = "Compiling for this machine: only the first run does this, for up to 40 seconds."


def announce_compilation() -> None:
    """Print NOTICE on standard error as soon as Numba compiles something that its cache has not."""
    from numba.core import event

    class Listener(event.Listener):
        """Speaks once."""

        said = False

        def on_start(self, event: Any) -> None:
            if not self.said:
                self.said = True
                print(NOTICE, file=sys.stderr, flush=True)

        def on_end(self, event: Any) -> None:
            """Nothing to say."""

    register: Any = event.register
    register("numba:compile", Listener())
