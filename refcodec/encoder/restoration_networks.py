"""The restoration networks that encoders use (#dec.restoration): one for each size that pictures may be coded at."""

from __future__ import annotations

from fractions import Fraction

from refcodec.restoration import RestorationModel, shipped_restoration

NETWORKS = {
    Fraction(1, 3): "restoration_third",
    Fraction(1, 2): "restoration_half",
    Fraction(2, 3): "restoration_two_thirds",
    Fraction(1): "restoration_whole",
}
"""Networks by the part of their size that pictures were coded at which they were taught with; each serves sizes near
its own, the first one of two that are as near."""


def network_for(rung: Fraction) -> RestorationModel:
    """Return the network for pictures that are coded at `rung` of the presentation size."""
    nearest = min(NETWORKS, key=lambda taught: abs(taught - rung))
    return shipped_restoration(NETWORKS[nearest])
