"""How many examples tests draw of pictures and other large things."""

from __future__ import annotations

from numba import config


def examples(compiled: int) -> int:
    """Return that number, but a quarter of it where kernels run as plain Python
    (NUMBA_DISABLE_JIT=1), which takes a hundred times as long and is done to measure coverage."""
    return (compiled + 3) // 4 if getattr(config, "DISABLE_JIT", False) else compiled
