"""Arrays behind which no memory is: kernels that read or write beyond one end the process.

Numba's bounds checking sees array elements only. Vector functions work on addresses; the arrays of
the kernels that call them are copied to where a page follows that may not be touched.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refcodec.avc import deblocking, inter_prediction, picture_samples, reconstruction

KERNELS = (
    (picture_samples, "picture_samples"),
    (inter_prediction, "predict_macroblocks"),
    (reconstruction, "add_inter_residuals"),
    (reconstruction, "reconstruct_intra"),
    (reconstruction, "write_residuals"),
    (deblocking, "filter_macroblocks"),
)
"""The kernels that Python calls and that call vector functions."""

LARGEST = 8 << 20
"""Bytes of an array that is still copied: damaged headers may call for much larger ones."""

_NO_ACCESS = 0
_mprotect: Any = ctypes.CDLL(None, use_errno=True).mprotect
_mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


def guarded_bytes(size: int) -> NDArray[np.uint8]:
    """Return so many bytes that end where a page begins that may not be touched."""
    whole = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
    memory = np.frombuffer(mmap.mmap(-1, whole + mmap.PAGESIZE), np.uint8)
    if _mprotect(memory.ctypes.data + whole, mmap.PAGESIZE, _NO_ACCESS):
        raise OSError(ctypes.get_errno(), "mprotect")
    return memory[whole - size : whole]


class _Guarded:
    """A kernel whose array arguments are in guarded memory while it runs; for one thread."""

    def __init__(self, kernel: Callable[..., Any]) -> None:
        self._kernel = kernel
        self._memory: dict[int, NDArray[np.uint8]] = {}

    def __call__(self, *arguments: Any) -> Any:
        inside = list(arguments)
        for place, array in enumerate(arguments):
            if not isinstance(array, np.ndarray) or not 0 < array.nbytes <= LARGEST:
                continue
            memory = self._memory.get(place)
            if memory is None or memory.size != array.nbytes:
                memory = self._memory[place] = guarded_bytes(array.nbytes)
            copy = memory.view(array.dtype).reshape(array.shape)
            copy[...] = array
            inside[place] = copy
        result = self._kernel(*inside)
        for array, copy in zip(arguments, inside, strict=True):
            if copy is not array and array.flags.writeable:
                array[...] = copy
        return result


def guard() -> None:
    """Have the decoder call KERNELS with guarded arrays from now on; it must use one thread."""
    for module, name in KERNELS:
        setattr(module, name, _Guarded(getattr(module, name)))
