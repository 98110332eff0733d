"""Parts of pictures: which macroblocks a window of some pictures needs, and a recording of no more than these.

Found backwards through the pictures: from a window to its neighbours (deblocking, intra prediction) and along the
vectors to references, down to the keyframe.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refcodec.avc.frame_store import Geometry
from refcodec.avc.side_information import LAST_INTRA, NOT_DECODED, MotionField, SideInformation
from refcodec.picture import Picture
from refcodec.twin.recording import RecordedPicture, Recording

Mask = NDArray[np.bool_]

_BEFORE, _BEHIND = 2, 3
"""Luma samples that interpolation reaches before and behind a block."""
_BLOCK_X = np.array([4 * (b & 3) for b in range(16)])
_BLOCK_Y = np.array([4 * (b >> 2) for b in range(16)])
_QUARTER = np.array([2 * (b >> 3) + ((b & 3) >> 1) for b in range(16)])


@dataclass(frozen=True)
class Window:
    """Macroblocks left <= column < right, top <= row < bottom."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def area(self) -> int:
        """Macroblocks in it."""
        return (self.right - self.left) * (self.bottom - self.top)


@dataclass(frozen=True, eq=False)
class Needs:
    """What a window of some pictures needs: `masks` (rows, columns) of macroblocks by picture id, the keyframe's
    too, and the smallest `window` that has all of them."""

    window: Window
    masks: dict[int, Mask]


def needs_of(recording: Recording, targets: Collection[int], window: Window) -> Needs:
    """Return what of all pictures `window` of the pictures `targets` needs.

    Deblocking is taken to reach one macroblock; filtered edges that follow each other can carry a difference
    further, in principle, with a weight that falls at each of them.
    """
    columns, rows = recording.geometry.width_mbs, recording.geometry.height_mbs
    needed: dict[int, Mask] = {}
    for target in targets:
        mask = np.zeros((rows, columns), bool)
        mask[window.top : window.bottom, window.left : window.right] = True
        needed[target] = mask
    for picture in reversed(recording.pictures):
        if picture.identity not in needed:
            continue
        mask = _with_neighbours(picture, _grown(needed[picture.identity]))
        needed[picture.identity] = mask
        for reference, more in _referenced(picture, mask).items():
            needed[reference] = needed.get(reference, np.zeros_like(more)) | more
    union = np.any(list(needed.values()), 0)
    across, down = np.flatnonzero(union.any(0)), np.flatnonzero(union.any(1))
    around = Window(int(across[0]), int(down[0]), int(across[-1]) + 1, int(down[-1]) + 1)
    return Needs(around, needed)


def _grown(mask: Mask) -> Mask:
    """Return a mask with the macroblocks beside, above and below its own, in all eight directions."""
    padded = np.pad(mask, 1)
    rows, columns = mask.shape
    around = [padded[dy : dy + rows, dx : dx + columns] for dy in range(3) for dx in range(3)]
    grown: Mask = np.any(around, 0)
    return grown


def _with_neighbours(picture: RecordedPicture, mask: Mask) -> Mask:
    """(#avc.8.3) Return a mask with what the intra macroblocks in it are predicted from, and those from."""
    intra = (picture.details.info.motion.mb_type <= LAST_INTRA).reshape(mask.shape)
    while True:
        padded = np.pad(mask & intra, 1)
        rows, columns = mask.shape
        # a macroblock is needed by those on its right, lower left, below and lower right
        around = [
            padded[dy : dy + rows, dx : dx + columns] for dy, dx in ((1, 2), (2, 0), (2, 1), (2, 2))
        ]
        more = mask | np.any(around, 0)
        if (more == mask).all():
            return mask
        mask = more


def _referenced(picture: RecordedPicture, mask: Mask) -> dict[int, Mask]:
    """(#avc.8.4.2.2) Return by picture id the macroblocks that the inter macroblocks of a mask refer to."""
    motion = picture.details.info.motion
    rows, columns = mask.shape
    inter = mask.reshape(-1) & (motion.mb_type > LAST_INTRA)
    used = inter[:, None, None] & (motion.ref_idx >= 0)[:, :, _QUARTER]
    mb, field, block = np.nonzero(used)
    identity = motion.ref_picture[mb, field, _QUARTER[block]]
    mv = motion.mv[mb, field, block].astype(np.int64) >> 2
    x = 16 * (mb % columns) + _BLOCK_X[block] + mv[:, 0]
    y = 16 * (mb // columns) + _BLOCK_Y[block] + mv[:, 1]
    left, right = (np.clip(x + d >> 4, 0, columns - 1) for d in (-_BEFORE, 3 + _BEHIND))
    top, bottom = (np.clip(y + d >> 4, 0, rows - 1) for d in (-_BEFORE, 3 + _BEHIND))
    found: dict[int, Mask] = {}
    for reference in np.unique(identity):
        these = identity == reference
        marked = np.zeros((rows, columns), bool)
        # a block and its surroundings lie in two macroblocks a direction at most
        for down in (top, bottom):
            for across in (left, right):
                marked[down[these], across[these]] = True
        found[int(reference)] = marked
    return found


def crop_recording(recording: Recording, needs: Needs) -> Recording:
    """Return a recording of what is needed alone: pictures of the size of `needs.window`, whose other macroblocks
    are not decoded. Pictures of which nothing is needed are left out."""
    window = needs.window
    columns = recording.geometry.width_mbs
    down, across = np.mgrid[window.top : window.bottom, window.left : window.right]
    mbs = (down * columns + across).reshape(-1)
    pictures = tuple(
        replace(
            each,
            details=replace(
                each.details, info=_cut(each.details.info, mbs, needs.masks[each.identity])
            ),
        )
        for each in recording.pictures
        if each.identity in needs.masks
    )
    output = tuple(each for each in recording.output if each in needs.masks)
    geometry = Geometry(window.right - window.left, window.bottom - window.top)
    keyframe = crop_picture(recording.keyframe, window)
    return replace(
        recording,
        geometry=geometry,
        crop=(0, 0, 0, 0),
        keyframe=keyframe,
        pictures=pictures,
        output=output,
    )


def crop_picture(picture: Picture, window: Window) -> Picture:
    """Return a window of a picture over the macroblock grid."""
    planes = []
    for plane, size in zip(picture.planes, (16, 8, 8), strict=True):
        part = plane[
            size * window.top : size * window.bottom, size * window.left : size * window.right
        ]
        planes.append(np.ascontiguousarray(part))
    return Picture(*planes)


def _cut(info: SideInformation, mbs: NDArray[np.int64], mask: Mask) -> SideInformation:
    changes: dict[str, Any] = {"mbs": len(mbs), "motion": _rows(info.motion, mbs)}
    for field in fields(info):
        value = getattr(info, field.name)
        if field.name not in ("levels", "levels_used") and isinstance(value, np.ndarray):
            changes[field.name] = value[mbs]
    changes["slice_table"][~mask.reshape(-1)[mbs]] = NOT_DECODED
    return replace(info, **changes)


def _rows(motion: MotionField, mbs: NDArray[np.int64]) -> MotionField:
    parts = (getattr(motion, field.name) for field in fields(motion))
    return MotionField(*(part[mbs] for part in parts))
