"""Integer arithmetic without its rounding, on symbols: which matrix the equations of the standard are."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]


class LinearForm:
    """A linear combination of samples that passes through integer arithmetic: numbers
    added to it are rounding offsets and left out, shifts are divisions, and Clip1 finds nothing to
    clip."""

    __slots__ = ("weights",)

    def __init__(self, weights: Array) -> None:
        self.weights = weights

    def __add__(self, other: LinearForm | int) -> LinearForm:
        return self if isinstance(other, int) else LinearForm(self.weights + other.weights)

    __radd__ = __add__

    def __sub__(self, other: LinearForm) -> LinearForm:
        return LinearForm(self.weights - other.weights)

    def __mul__(self, factor: int) -> LinearForm:
        return LinearForm(self.weights * factor)

    __rmul__ = __mul__

    def __rshift__(self, bits: int) -> LinearForm:
        return LinearForm(self.weights / (1 << bits))

    def __lt__(self, other: object) -> bool:
        return False

    __gt__ = __lt__
