"""Restoration: the detail that a network finds is added to pictures of presentation size."""

from refcodec.restoration.model import RestorationModel, find_restoration, load_restoration
from refcodec.restoration.restorer import LARGEST_GAIN, Restorer

__all__ = [
    "LARGEST_GAIN",
    "RestorationModel",
    "Restorer",
    "find_restoration",
    "load_restoration",
]
