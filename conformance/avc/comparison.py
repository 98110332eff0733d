"""Whether two decoders give the same pictures, and if not, where they part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from conformance.avc.content import Planes

COMPONENTS = ("Y", "Cb", "Cr")


@dataclass(frozen=True)
class Difference:
    """The first place where two decodes differ.

    picture: in output order, from 0; macroblock: address in the picture, None when the pictures
    differ in size or number; component: Y, Cb or Cr; samples: how many of the picture differ;
    detail: the values there, or what else is wrong.
    """

    picture: int
    macroblock: int | None
    component: str
    samples: int
    detail: str

    def __str__(self) -> str:
        if self.macroblock is None:
            return f"picture {self.picture}: {self.detail}"
        return (
            f"picture {self.picture}, macroblock {self.macroblock}, {self.component}: "
            f"{self.detail}; {self.samples} samples of the picture differ"
        )


def first_difference(
    expected: Iterable[Planes],
    found: Iterable[Planes],
    *,
    width: int,
    crop: tuple[int, int] = (0, 0),
) -> Difference | None:
    """Return where `found` first differs from `expected` in output order, None if nowhere.

    width: of the coded picture before cropping, luma samples; crop: what is cut off left and above.
    Exceptions of either side pass through, after the pictures before them were compared.
    """
    width_mbs = (width + 15) // 16
    for number, (a, b) in enumerate(zip_longest(_each(expected), _each(found))):
        if a is None or b is None:
            detail = "one picture too many" if a is None else "the picture is missing"
            return Difference(number, None, "", 0, detail)
        sizes = [plane.shape for plane in a], [plane.shape for plane in b]
        if sizes[0] != sizes[1]:
            detail = f"sizes {sizes[1]} instead of {sizes[0]}"
            return Difference(number, None, "", 0, detail)
        if all(np.array_equal(x, y) for x, y in zip(a, b, strict=True)):
            continue
        return _place(number, a, b, width_mbs, crop)
    return None


def _each(pictures: Iterable[Planes]) -> Iterator[Planes]:
    yield from pictures


def _place(number: int, a: Planes, b: Planes, width_mbs: int, crop: tuple[int, int]) -> Difference:
    """Return the first macroblock in raster order in which two pictures differ."""
    best: tuple[int, int, int, int] | None = None
    samples = 0
    for index, (x, y) in enumerate(zip(a, b, strict=True)):
        rows, columns = np.nonzero(x != y)
        samples += rows.size
        if not rows.size:
            continue
        size, shift = (16, 0) if index == 0 else (8, 1)
        addresses = (rows + (crop[1] >> shift)) // size * width_mbs
        addresses += (columns + (crop[0] >> shift)) // size
        first = int(np.argmin(addresses))
        place = (int(addresses[first]), index, int(rows[first]), int(columns[first]))
        best = place if best is None else min(best, place)
    assert best is not None
    address, index, row, column = best
    detail = (
        f"{b[index][row, column]} instead of {a[index][row, column]} at ({column}, {row}) "
        f"of the cropped plane"
    )
    return Difference(number, address, COMPONENTS[index], samples, detail)
