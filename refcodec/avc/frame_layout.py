"""What kernels know of a frame store: its geometry as an array."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from refcodec.avc.frame_store import FrameStore, Geometry

# Where the values of `layout` are
LUMA_STRIDE = 0
LUMA_OFFSET = 1
CB_OFFSET = 2
TO_CR = 3
SLOT_SIZE = 4
WIDTH_MBS = 5
HEIGHT_MBS = 6


@lru_cache(maxsize=16)
def layout_of_geometry(g: Geometry) -> Any:
    """Return what kernels need to know of frame slots, an int64 array."""
    to_cr = g.cr_offset - g.cb_offset
    offsets = [g.luma_stride, g.luma_offset, g.cb_offset, to_cr]
    values = np.array([*offsets, g.slot_size, g.width_mbs, g.height_mbs], np.int64)
    values.flags.writeable = False
    return values


def layout_of(store: FrameStore) -> Any:
    """Return what kernels need to know of a frame store."""
    return layout_of_geometry(store.geometry)
