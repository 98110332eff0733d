"""Decoding with all backends, and where they differ first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import Any

import numpy as np

from refcodec.container.source import Readable
from refcodec.decoder.backends import BACKENDS
from refcodec.decoder.decoding import DecodedPicture
from refcodec.decoder.opening import decode_any
from refcodec.decoder.report import DecodeReport
from refcodec.generator import GeneratorModel
from refcodec.picture import Picture

COMPONENTS = (("Y", 16), ("Cb", 8), ("Cr", 8))
"""Names of the planes, and width and height of a macroblock in each."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Where two backends differ first, in output order. `x` and `y` are those of the sample in its
    plane, `macroblock` the address in the picture as it is output; both values in the order of
    BACKENDS. Without a component, one of them has no such picture, or one of another size."""

    picture: int
    component: str | None = None
    macroblock: int = 0
    x: int = 0
    y: int = 0
    values: tuple[int, ...] = ()

    def __str__(self) -> str:
        if self.component is None:
            return f"picture {self.picture} is not there for all, or of another size"
        sides = ", ".join(f"{b} {v}" for b, v in zip(BACKENDS, self.values, strict=True))
        return (
            f"picture {self.picture}, macroblock {self.macroblock}, {self.component}, "
            f"sample ({self.x}, {self.y}): {sides}"
        )


@dataclass(frozen=True, slots=True)
class CheckReport:
    """`pictures` were compared before the first `difference`, if there is one; `reports` are those
    of the backends."""

    pictures: int
    difference: Difference | None
    reports: tuple[DecodeReport, ...]

    @property
    def equal(self) -> bool:
        """Whether all backends gave the same pictures."""
        return self.difference is None

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain values (for JSON)."""
        difference = None if self.difference is None else asdict(self.difference)
        reports = [report.as_dict() for report in self.reports]
        return {
            "equal": self.equal,
            "pictures": self.pictures,
            "difference": difference,
            "backends": dict(zip(BACKENDS, reports, strict=True)),
        }

    def __str__(self) -> str:
        names = " and ".join(BACKENDS)
        if self.difference is None:
            return f"{self.pictures} pictures, equal with {names}"
        return f"{names} differ in {self.difference}"


def check(
    source: Readable,
    *,
    threads: int = 2,
    model: GeneratorModel | None = None,
    progress: Callable[[DecodedPicture], None] | None = None,
) -> CheckReport:
    """(#dec.substrate) Decode `source`, which can be opened more than once, with each backend, at
    coded size, and compare all samples up to the first difference.

    Raises what `decode_any` raises.
    """
    decodings = [
        decode_any(source, backend=backend, threads=threads, presentation=False, model=model)
        for backend in BACKENDS
    ]
    pictures = 0
    difference = None
    try:
        for sides in zip_longest(*decodings):
            difference = _difference(pictures, sides)
            if difference is not None:
                break
            pictures += 1
            if progress is not None:
                progress(sides[0])
    finally:
        for decoding in decodings:
            decoding.close()
    return CheckReport(pictures, difference, tuple(each.report for each in decodings))


def _difference(number: int, sides: tuple[DecodedPicture | None, ...]) -> Difference | None:
    pictures = [side.picture for side in sides if side is not None]
    if len(pictures) < len(sides) or len({(each.width, each.height) for each in pictures}) > 1:
        return Difference(number)
    first, *others = pictures
    places = [place for other in others for place in _first_places(first, other)]
    if not places:
        return None
    macroblock, plane, y, x = min(places)
    values = tuple(int(each.planes[plane][y, x]) for each in pictures)
    return Difference(number, COMPONENTS[plane][0], macroblock, x, y, values)


def _first_places(a: Picture, b: Picture) -> Iterator[tuple[int, int, int, int]]:
    """Yield macroblock address, plane, y and x of the first difference of each plane."""
    columns = -(-a.width // 16)
    for number, (left, right) in enumerate(zip(a.planes, b.planes, strict=True)):
        if np.array_equal(left, right):
            continue
        size = COMPONENTS[number][1]
        ys, xs = np.nonzero(left != right)
        addresses = ys // size * columns + xs // size
        at = int(np.argmin(addresses))
        yield int(addresses[at]), number, int(ys[at]), int(xs[at])
