"""Kernels on bands of rows at once, in threads: each row by itself, so that the bands change nothing."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any

from refcodec.processors import default_threads


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="bands")


def in_bands(rows: int, kernel: Callable[..., None], *arguments: Any) -> None:
    """Call kernel(first_row, end_row, *arguments) for bands of all rows; it runs without the interpreter lock."""
    threads = min(rows, default_threads())
    if threads < 2:
        kernel(0, rows, *arguments)
        return
    ends = [rows * k // threads for k in range(threads + 1)]
    bands = pairwise(ends)
    calls = [_pool(threads).submit(kernel, *band, *arguments) for band in bands]
    for call in calls:
        call.result()
