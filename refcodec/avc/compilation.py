"""How the kernels of the H.264 decoder are compiled: the one place that knows Numba's options.

A kernel takes one-dimensional arrays and integers, allocates nothing and slices nothing: then no
reference is counted in it (`_nrt=False` also keeps Numba from emitting the counting), which costs
a factor of two and more. Every array element that enters arithmetic is read as `int(a[i])`, so that
a kernel means the same when it runs as plain Python (NUMBA_DISABLE_JIT=1). Elements of unsigned
arrays are read by `load`: Numba's `int` leaves their type as it is, and the difference of two is
then unsigned.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])

_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "cache": True, "_nrt": False}


def kernel(function: Function) -> Function:
    """Compile a function that runs without the interpreter lock; it is kept in Numba's cache."""
    compiled: Function = njit(**_OPTIONS)(function)
    return compiled


def inlined(function: Function) -> Function:
    """Compile a small function that LLVM merges into the kernels that call it."""
    compiled: Function = njit(**_OPTIONS, forceinline=True)(function)
    return compiled


@inlined
def load(array: Any, at: int) -> int:
    """Return an array element as a signed integer of 64 bits."""
    return int(np.int64(array[at]))
