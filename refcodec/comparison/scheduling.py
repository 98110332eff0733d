"""The scheduling of this process, which a peer's encoder may change behind its back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def scheduling_kept() -> Iterator[None]:
    """Give the calling thread the scheduling back that it had before.

    SVT-AV1 makes the thread that opens it a real-time one where it may (as root), and does not take that back. Threads
    and processes that are started later inherit it; one that waits by spinning then keeps the processor from the one
    that it waits for, for ever.
    """
    if not hasattr(os, "sched_getscheduler"):
        yield  # not Linux
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        if os.sched_getscheduler(0) != policy:
            os.sched_setscheduler(0, policy, parameters)
