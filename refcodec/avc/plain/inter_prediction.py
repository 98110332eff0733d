"""Inter prediction of one macroblock, written from the equations of 8.4.2 with no thought of speed.

Each 4x4 block of luma and 2x2 block of chroma is predicted by itself; positions outside the
reference picture are clipped, so no margins are needed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refcodec.avc.frame_store import FrameStore
from refcodec.avc.side_information import SideInformation
from refcodec.avc.slice_table import (
    CHROMA_LOG2_WEIGHT_DENOM,
    EXPLICIT,
    LUMA_LOG2_WEIGHT_DENOM,
    UNWEIGHTED,
    WEIGHTED_PREDICTION,
    SliceTable,
)


def _clip1(x: int) -> int:
    return 0 if x < 0 else 255 if x > 255 else x


class _Samples:
    """(#avc.8.4.2.2) A plane of a reference picture, defined for all integer positions."""

    def __init__(self, plane: Any) -> None:
        self.plane = plane
        self.height, self.width = plane.shape

    def __call__(self, x: int, y: int) -> int:
        return int(self.plane[min(max(y, 0), self.height - 1), min(max(x, 0), self.width - 1)])


def _tap(e: int, f: int, g: int, h: int, i: int, j: int) -> int:
    return e - 5 * f + 20 * g + 20 * h - 5 * i + j


def luma_sample(reference: _Samples, x: int, y: int, x_frac: int, y_frac: int) -> int:
    """(#avc.8.4.2.2.1) The sample at (x + x_frac / 4, y + y_frac / 4), by the letters of Figure 8-4."""

    def b1(dx: int, dy: int) -> int:
        return _tap(*(reference(x + dx + k, y + dy) for k in range(-2, 4)))

    def h1(dx: int, dy: int) -> int:
        return _tap(*(reference(x + dx, y + dy + k) for k in range(-2, 4)))

    full_g, full_h, full_m = reference(x, y), reference(x + 1, y), reference(x, y + 1)
    b, s = _clip1((b1(0, 0) + 16) >> 5), _clip1((b1(0, 1) + 16) >> 5)
    h, m = _clip1((h1(0, 0) + 16) >> 5), _clip1((h1(1, 0) + 16) >> 5)
    j = _clip1((_tap(*(b1(0, k) for k in range(-2, 4))) + 512) >> 10)
    table = {
        (0, 0): full_g,
        (0, 1): (full_g + h + 1) >> 1,  # d
        (0, 2): h,
        (0, 3): (full_m + h + 1) >> 1,  # n
        (1, 0): (full_g + b + 1) >> 1,  # a
        (1, 1): (b + h + 1) >> 1,  # e
        (1, 2): (h + j + 1) >> 1,  # i
        (1, 3): (h + s + 1) >> 1,  # p
        (2, 0): b,
        (2, 1): (b + j + 1) >> 1,  # f
        (2, 2): j,
        (2, 3): (j + s + 1) >> 1,  # q
        (3, 0): (full_h + b + 1) >> 1,  # c
        (3, 1): (b + m + 1) >> 1,  # g
        (3, 2): (j + m + 1) >> 1,  # k
        (3, 3): (s + m + 1) >> 1,  # r
    }
    return table[x_frac, y_frac]


def chroma_sample(reference: _Samples, x: int, y: int, x_frac: int, y_frac: int) -> int:
    """(#avc.8.4.2.2.2) The sample at (x + x_frac / 8, y + y_frac / 8)."""
    return (
        (8 - x_frac) * (8 - y_frac) * reference(x, y)
        + x_frac * (8 - y_frac) * reference(x + 1, y)
        + (8 - x_frac) * y_frac * reference(x, y + 1)
        + x_frac * y_frac * reference(x + 1, y + 1)
        + 32
    ) >> 6


def predicted_sample(planes: Any, component: int, x: int, y: int, mv: Any) -> int:
    """(#avc.8.4.2.2) The sample for position (x, y) of a component, displaced by a vector."""
    mv_x, mv_y = int(mv[0]), int(mv[1])
    reference = _Samples(planes[component])
    if component == 0:
        return luma_sample(reference, x + (mv_x >> 2), y + (mv_y >> 2), mv_x & 3, mv_y & 3)
    return chroma_sample(reference, x + (mv_x >> 3), y + (mv_y >> 3), mv_x & 7, mv_y & 7)


def weighted_sample(
    slices: SliceTable, index: int, component: int, refs: tuple[int, int], values: tuple[int, int]
) -> int:
    """(#avc.8.4.2.3) Weighted sample prediction; a reference index of -1 is a list not used."""
    parameters = slices.parameters[index]
    method = int(parameters[WEIGHTED_PREDICTION])
    both = refs[0] >= 0 and refs[1] >= 0
    one = 0 if refs[0] >= 0 else 1
    if method == UNWEIGHTED or (method != EXPLICIT and not both):
        return (values[0] + values[1] + 1) >> 1 if both else values[one]
    w, o = [0, 0], [0, 0]
    if method == EXPLICIT:
        log_wd = int(parameters[CHROMA_LOG2_WEIGHT_DENOM if component else LUMA_LOG2_WEIGHT_DENOM])
        for k in range(2):
            if refs[k] >= 0:
                w[k], o[k] = (int(v) for v in slices.weights[index, k, refs[k], component])
    else:
        log_wd = 5
        w[1] = int(slices.implicit_weights[index, refs[0], refs[1]])
        w[0] = 64 - w[1]
    if both:
        total = values[0] * w[0] + values[1] * w[1] + (1 << log_wd)
        return _clip1((total >> (log_wd + 1)) + ((o[0] + o[1] + 1) >> 1))
    if log_wd >= 1:
        return _clip1(((values[one] * w[one] + (1 << (log_wd - 1))) >> log_wd) + o[one])
    return _clip1(values[one] * w[one] + o[one])


def predict_macroblock(
    info: SideInformation, slices: SliceTable, store: FrameStore, mb: int
) -> tuple[Any, Any, Any]:
    """(#avc.8.4.2) Return the prediction of an inter macroblock: uint8 (16, 16), (8, 8), (8, 8)."""
    index = int(info.slice_table[mb])
    mb_y, mb_x = divmod(mb, store.geometry.width_mbs)
    slots = {int(s) for s in slices.ref_slot[index].reshape(-1) if s >= 0}
    planes = {s: store.planes(s) for s in slots}
    result = (np.zeros((16, 16), np.uint8), np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint8))
    for component, out in enumerate(result):
        size = out.shape[0]
        for y in range(size):
            for x in range(size):
                block = 4 * (4 * y // size) + 4 * x // size
                quarter = 2 * (2 * y // size) + 2 * x // size
                refs = [int(r) for r in info.motion.ref_idx[mb, :, quarter]]
                values = [0, 0]
                for k in range(2):
                    if refs[k] >= 0:
                        values[k] = predicted_sample(
                            planes[int(slices.ref_slot[index, k, refs[k]])],
                            component,
                            size * mb_x + x,
                            size * mb_y + y,
                            info.motion.mv[mb, k, block],
                        )
                out[y, x] = weighted_sample(
                    slices, index, component, (refs[0], refs[1]), (values[0], values[1])
                )
    return result
