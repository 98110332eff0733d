"""The margins of reference pictures: edge samples repeated outwards (8.4.2.2.1, clipped positions)."""

from __future__ import annotations

from refcodec.avc.frame_store import CHROMA_MARGIN, LUMA_MARGIN, FrameStore


def extend_margins(store: FrameStore, slot: int) -> None:
    """(#avc.8.4.2.2.1) Repeat the edge samples of the picture in `slot` all around it.

    To be called once the picture is complete (after deblocking), before it is a reference.
    """
    g = store.geometry
    base = slot * g.slot_size
    planes = (
        (g.luma_offset, g.luma_stride, 16, LUMA_MARGIN),
        (g.cb_offset, g.chroma_stride, 8, CHROMA_MARGIN),
        (g.cr_offset, g.chroma_stride, 8, CHROMA_MARGIN),
    )
    for offset, stride, unit, margin in planes:
        width, height = unit * g.width_mbs, unit * g.height_mbs
        first = base + offset - margin * stride - margin
        rows = store.samples[first : first + (height + 2 * margin) * stride]
        rows = rows.reshape(height + 2 * margin, stride)
        inner = rows[margin : margin + height]
        inner[:, :margin] = inner[:, margin : margin + 1]
        inner[:, margin + width : 2 * margin + width] = inner[:, margin + width - 1, None]
        rows[:margin] = rows[margin]
        rows[margin + height :] = rows[margin + height - 1]
