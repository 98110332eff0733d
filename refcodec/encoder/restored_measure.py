"""How pictures look with more or less of the detail that a network finds (#dec.restoration)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from refcodec.encoder.perceptual_measure import Seen, distance, seen
from refcodec.picture import Picture
from refcodec.restoration import RestorationModel, each_gain, shipped_restoration

NETWORKS = {
    Fraction(1, 3): "restoration_third",
    Fraction(1, 2): "restoration_half",
    Fraction(2, 3): "restoration_two_thirds",
    Fraction(1): "restoration_whole",
}
"""Networks that were taught with pictures coded at a part of their size; each serves sizes near its own."""

_COUNTED = (1.0, 1.02, 1.05, 1.1)
_COUNTED_SMALL = (1.0, 1.02, 1.09, 1.15)
"""Times the distance that counts, by restoration_gain, the second for sizes up to _SMALL: the measure still likes more
of it than LPIPS does, of small sizes above all (docs/decisions/0024)."""
_SMALL = Fraction(1, 2)
SMALLEST_RESTORED = 16_000
"""Bytes of a file of which a digest is no part worth mentioning; it comes after the search for the rate."""


def network_for(rung: Fraction) -> RestorationModel:
    """Return the network for pictures that are coded at `rung` of the presentation size."""
    nearest = min(NETWORKS, key=lambda taught: abs(taught - rung))
    return shipped_restoration(NETWORKS[nearest])


def restored_distances(
    source: Seen, picture: Picture, rung: Fraction, gains: Sequence[int]
) -> list[float]:
    """Return the distance that counts of a presented picture to `source` with each restoration_gain of `gains`."""
    counted = _COUNTED_SMALL if rung <= _SMALL else _COUNTED
    variants = zip(gains, each_gain(network_for(rung), picture, gains), strict=True)
    return [counted[gain] * distance(source, seen(variant)) for gain, variant in variants]
