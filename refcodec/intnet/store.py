"""Memory of whole tensors, for reuse."""

from __future__ import annotations

from math import prod
from sys import getrefcount
from threading import Lock

import numpy as np
from numpy.typing import NDArray

Tensor = NDArray[np.int16]


def _references(buffers: list[Tensor], i: int) -> int:
    return getrefcount(buffers[i])


_UNUSED = _references([np.empty(0, np.int16)], 0)
"""What is counted for a buffer that only the list refers to; Python versions differ."""


class Store:
    """Memory of whole tensors, for reuse: fresh memory of that size can cost more than what is computed in it.

    A buffer is free when no array refers to it any more, which holds for outputs in a caller's hands too.
    """

    LIMIT = 32 << 20
    """Elements kept; the memory of what is beyond is not reused."""

    def __init__(self) -> None:
        self._buffers: list[Tensor] = []
        self._lock = Lock()

    def take(self, shape: tuple[int, ...]) -> Tensor:
        """Return an uninitialised C-contiguous int16 array."""
        size = prod(shape)
        with self._lock:
            found = None
            for i, size_of in enumerate([kept.size for kept in self._buffers]):
                if size <= size_of <= 2 * size and _references(self._buffers, i) == _UNUSED:
                    found = self._buffers[i]
                    break
            if found is None:
                found = np.empty(size, np.int16)
                self._buffers.append(found)
                while sum(kept.size for kept in self._buffers) > self.LIMIT:
                    self._buffers.pop(0)
            return found[:size].reshape(shape)
