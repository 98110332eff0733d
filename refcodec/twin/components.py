"""Which planes of a picture a kernel works on: adjoints of luma and chroma do not depend on each other."""

from __future__ import annotations

from typing import Final

LUMA: Final = 1
CHROMA: Final = 2
BOTH: Final = LUMA | CHROMA

PLANES: Final = {LUMA: (0,), CHROMA: (1, 2), BOTH: (0, 1, 2)}
"""Indices of Y, Cb and Cr."""
