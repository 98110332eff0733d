"""A picture: three planes of 8-bit samples in 4:2:0."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Picture:
    """(#dec.picture) Luma plane `y` of shape (height, width) and chroma planes `u` (Cb) and `v`
    (Cr) of shape (ceil(height/2), ceil(width/2)); uint8, C-contiguous.

    Raises ValueError when dtypes, shapes or memory order are others.
    """

    y: Plane
    u: Plane
    v: Plane

    def __post_init__(self) -> None:
        height, width = self.y.shape
        chroma = ((height + 1) // 2, (width + 1) // 2)
        if self.u.shape != chroma or self.v.shape != chroma:
            raise ValueError(
                f"chroma planes {self.u.shape}, {self.v.shape} do not belong to luma {self.y.shape}"
            )
        for plane in self.planes:
            if plane.dtype != np.uint8 or not plane.flags.c_contiguous:
                raise ValueError("planes are C-contiguous arrays of uint8")

    @property
    def width(self) -> int:
        """Luma samples in a row."""
        return self.y.shape[1]

    @property
    def height(self) -> int:
        """Luma rows."""
        return self.y.shape[0]

    @property
    def planes(self) -> tuple[Plane, Plane, Plane]:
        """(y, u, v)."""
        return self.y, self.u, self.v

    def sha256(self) -> str:
        """(#dec.output) Return the SHA-256 of the bytes y || u || v, rows from top to bottom, in
        hexadecimal."""
        digest = hashlib.sha256()
        for plane in self.planes:
            digest.update(plane.data)
        return digest.hexdigest()

    def tobytes(self) -> bytes:
        """Return y || u || v, rows from top to bottom."""
        return b"".join(plane.tobytes() for plane in self.planes)

    def same_as(self, other: Picture) -> bool:
        """Return whether all samples and the size are equal."""
        return all(np.array_equal(a, b) for a, b in zip(self.planes, other.planes, strict=True))
