"""Restoration: the detail that a network finds is added to pictures of presentation size."""

from refcodec.restoration.model import (
    Restoration,
    RestorationModel,
    find_restoration,
    load_restoration,
    shipped_restoration,
)
from refcodec.restoration.restorer import LARGEST_GAIN, Restorer, each_gain

__all__ = [
    "LARGEST_GAIN",
    "Restoration",
    "RestorationModel",
    "Restorer",
    "each_gain",
    "find_restoration",
    "load_restoration",
    "shipped_restoration",
]
