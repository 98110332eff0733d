"""How the kernels of the H.264 decoder are compiled: the one place that knows Numba's options.

A kernel takes one-dimensional arrays and integers, allocates nothing and slices nothing: then no
reference is counted in it (`_nrt=False` also keeps Numba from emitting the counting), which costs
a factor of two and more. Every array element that enters arithmetic is read as `int(a[i])`, so that
a kernel means the same when it runs as plain Python (NUMBA_DISABLE_JIT=1). Elements of unsigned
arrays are read by `load`: Numba's `int` leaves their type as it is, and the difference of two is
then unsigned.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numba import njit, types
from numba.core.caching import FunctionCache

Function = TypeVar("Function", bound=Callable[..., Any])

_OPTIONS: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "_nrt": False,
    "no_cfunc_wrapper": True,
}


def _compiled(function: Function, **options: Any) -> Function:
    """Return a function that kernels and Python call, compiled for either when it is called first.

    Numba would compile it again for each literal and each width of an integer argument, and with it
    every kernel below it. For kernels it is compiled without the code that Python needs to call it
    and is not kept in Numba's cache, which has it inside the kernels that Python calls: preparing
    either for all functions would take most of the time of a start and a sixth of the first one.
    """
    compiled: Any = njit(**(_OPTIONS | options))(function)
    if not hasattr(compiled, "get_call_template"):  # NUMBA_DISABLE_JIT=1
        return function
    below: list[Any] = []

    def below_kernels() -> Any:
        if not below:
            below.append(njit(**(_OPTIONS | options | {"no_cpython_wrapper": True}))(function))
        return below[0]

    def get_call_template(args: tuple[Any, ...], kws: dict[str, Any]) -> Any:
        wide = {name: _wide(kws[name]) for name in kws}
        return below_kernels().get_call_template(tuple(map(_wide, args)), wide)

    def compile_for_args(*args: Any, **kws: Any) -> Any:
        compiled._cache = _cache(function)
        vars(compiled).pop("_compile_for_args", None)  # two threads may be here
        return compiled._compile_for_args(*args, **kws)

    compiled.get_call_template = get_call_template
    compiled.get_overload = lambda signature: below_kernels().get_overload(signature)
    compiled._compile_for_args = compile_for_args
    result: Function = compiled
    return result


@cache
def _sources() -> str:
    """Return a digest of when the modules of this package were last changed."""
    modules = sorted(Path(__file__).parent.glob("*.py"))
    stamps = [(each.name, each.stat().st_mtime_ns, each.stat().st_size) for each in modules]
    return hashlib.sha256(repr(stamps).encode()).hexdigest()


def _cache(function: Function) -> Any:
    """Return Numba's cache for a kernel, which is void when any module of this package changes;
    Numba would look at the kernel's own module only, not at those of the functions in it."""
    new_cache: Any = FunctionCache
    kept = new_cache(function)
    index = kept._cache_file
    index._source_stamp = index._source_stamp, _sources()
    return kept


def is_kept(function: Callable[..., Any]) -> bool:
    """Return whether Numba's cache has a kernel, or none is needed as it is not compiled."""
    python = getattr(function, "py_func", None)
    return python is None or bool(_cache(python)._cache_file._load_index())


def _wide(kind: Any) -> Any:
    integer = isinstance(kind, types.Integer | types.IntegerLiteral)
    return types.int64 if integer else kind


def kernel(function: Function) -> Function:
    """Compile a function that runs without the interpreter lock; it is kept in Numba's cache."""
    return _compiled(function)


def inlined(function: Function) -> Function:
    """Compile a small function that LLVM merges into the kernels that call it."""
    return _compiled(function, forceinline=True)


@inlined
def load(array: Any, at: int) -> int:
    """Return the array element at an index >= 0 as a signed integer of 64 bits.

    With an unsigned index Numba emits no test for negative indices, which count from the end and
    keep LLVM from seeing that neighbouring elements are neighbours.
    """
    return int(np.int64(array[np.uint64(at)]))


@inlined
def store(array: Any, at: int, value: int) -> None:
    """Set the array element at an index >= 0; see `load`."""
    array[np.uint64(at)] = value
