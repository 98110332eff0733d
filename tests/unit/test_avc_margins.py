"""Margins of reference pictures."""

from __future__ import annotations

import numpy as np
import pytest

from refcodec.avc.frame_store import CHROMA_MARGIN, LUMA_MARGIN, FrameStore, Geometry
from refcodec.avc.margins import extend_margins


@pytest.mark.parametrize(("width_mbs", "height_mbs"), [(1, 1), (3, 2), (60, 1)])
def test_edges_are_repeated_around_each_plane_and_nowhere_else(
    width_mbs: int, height_mbs: int
) -> None:
    g = Geometry(width_mbs, height_mbs)
    store = FrameStore(g, 3)
    rng = np.random.default_rng(1)
    store.samples[:] = rng.integers(0, 256, store.samples.size)
    before = store.samples.copy()
    planes = [plane.copy() for plane in store.planes(1)]
    extend_margins(store, 1)
    layout = (
        (g.luma_offset, g.luma_stride, LUMA_MARGIN),
        (g.cb_offset, g.chroma_stride, CHROMA_MARGIN),
        (g.cr_offset, g.chroma_stride, CHROMA_MARGIN),
    )
    for plane, (offset, stride, margin) in zip(planes, layout, strict=True):
        expected = np.pad(plane, margin, "edge")
        first = g.slot_size + offset - margin * stride - margin
        rows = store.samples[first : first + expected.shape[0] * stride]
        np.testing.assert_array_equal(rows.reshape(-1, stride)[:, : expected.shape[1]], expected)
    for slot in (0, 2):
        here = slice(slot * g.slot_size, (slot + 1) * g.slot_size)
        np.testing.assert_array_equal(store.samples[here], before[here])
