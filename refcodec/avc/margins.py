"""The margins of reference pictures: edge samples repeated outwards (8.4.2.2.1, clipped positions)."""

from __future__ import annotations

from typing import Any

from refcodec.avc.compilation import kernel, load, store
from refcodec.avc.frame_layout import (
    CB_OFFSET,
    HEIGHT_MBS,
    LUMA_OFFSET,
    LUMA_STRIDE,
    SLOT_SIZE,
    TO_CR,
    WIDTH_MBS,
    layout_of,
)
from refcodec.avc.frame_store import CHROMA_MARGIN, LUMA_MARGIN, FrameStore


def extend_margins(store: FrameStore, slot: int) -> None:
    """(#avc.8.4.2.2.1) Repeat the edge samples of the picture in `slot` all around it.

    To be called once the picture is complete (after deblocking), before it is a reference.
    """
    repeat_edges(store.samples, slot, layout_of(store))


@kernel
def repeat_edges(samples: Any, slot: int, layout: Any) -> None:
    """(#avc.8.4.2.2.1) Write the margins of the picture in `slot`."""
    luma_at = slot * load(layout, SLOT_SIZE) + load(layout, LUMA_OFFSET)
    cb_at = slot * load(layout, SLOT_SIZE) + load(layout, CB_OFFSET)
    width, height = 16 * load(layout, WIDTH_MBS), 16 * load(layout, HEIGHT_MBS)
    stride = load(layout, LUMA_STRIDE)
    _repeat_plane_edges(samples, luma_at, stride, width, height, LUMA_MARGIN)
    for component in range(2):
        at = cb_at + component * load(layout, TO_CR)
        _repeat_plane_edges(samples, at, stride >> 1, width >> 1, height >> 1, CHROMA_MARGIN)


@kernel
def _repeat_plane_edges(
    samples: Any, at: int, stride: int, width: int, height: int, margin: int
) -> None:
    """(#avc.8.4.2.2.1) Write `margin` samples on each side of a plane that begins at `at`."""
    for y in range(height):
        row = at + y * stride
        first, last = load(samples, row), load(samples, row + width - 1)
        for x in range(margin):
            store(samples, row - margin + x, first)
        for x in range(margin):
            store(samples, row + width + x, last)
    first_row, last_row = at - margin, at - margin + (height - 1) * stride
    for y in range(1, margin + 1):
        for x in range(width + 2 * margin):
            store(samples, first_row - y * stride + x, load(samples, first_row + x))
    for y in range(1, margin + 1):
        for x in range(width + 2 * margin):
            store(samples, last_row + y * stride + x, load(samples, last_row + x))
