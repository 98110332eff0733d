"""Which slots of the frame store are free: each one is leased, and free again when nobody keeps the
lease any more: not the picture buffer, not a picture in the works, not who was given its samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from refcodec.avc.completion import Completion
from refcodec.avc.frame_store import FrameStore, Geometry
from refcodec.avc.side_information import MotionField
from refcodec.picture import Plane

MOST_GIVEN_OUT = 8
"""Pictures whose samples others may look at in their slots; further ones get copies."""


class SlotLease:
    """One slot, as long as this object lives. `motion` is the motion field that belongs to it,
    `written` is done when its samples are complete, None stands for done."""

    __slots__ = ("__weakref__", "_pool", "motion", "slot", "written")

    def __init__(self, pool: SlotPool, slot: int, motion: MotionField) -> None:
        self._pool = pool
        self.slot = slot
        self.motion = motion
        self.written: Completion | None = None

    def __del__(self) -> None:
        self._pool.give_back(self.slot)


class SlotPool:
    """A frame store with `slots` slots to lease, and some more for pictures that are given out."""

    def __init__(self, geometry: Geometry, slots: int) -> None:
        self.store = FrameStore(geometry, slots + MOST_GIVEN_OUT)
        self._motion: list[MotionField | None] = [None] * self.store.slots
        # Lists, because threads that drop what they were given may change them at any time.
        self._free = list(range(self.store.slots))[::-1]
        self._permits = [None] * MOST_GIVEN_OUT
        self._windows: dict[tuple[int, tuple[int, int, int, int]], list[_Window]] = {}

    @property
    def exhausted(self) -> bool:
        """Whether no slot is free."""
        return not self._free

    def lease(self) -> SlotLease:
        """Return a free slot; there must be one. The one used last comes first, for the caches."""
        slot = self._free.pop()
        motion = self._motion[slot]
        if motion is None:
            motion = self._motion[slot] = MotionField.allocate(self.store.geometry.mbs)
        return SlotLease(self, slot, motion)

    def give_back(self, slot: int) -> None:
        """Make a slot free again; leases call it."""
        self._free.append(slot)

    def planes(
        self, lease: SlotLease, crop: tuple[int, int, int, int]
    ) -> tuple[Plane, Plane, Plane]:
        """(#avc.7.4.2.1.1) Return the picture of a slot without `crop` luma samples left, top,
        right and bottom: views that keep the lease, or copies."""
        windows = self._windows.get((lease.slot, crop))
        if windows is None:
            windows = self._windows[lease.slot, crop] = self._cropped(lease.slot, crop)
        if not self._permits:
            y, u, v = (window.plane.copy() for window in windows)
        else:
            permit = _Permit(self._permits, lease)
            y, u, v = (np.asarray(_Leased(window, permit)) for window in windows)
        return y, u, v

    def _cropped(self, slot: int, crop: tuple[int, int, int, int]) -> list[_Window]:
        left, top, right, bottom = crop
        windows = []
        for number, plane in enumerate(self.store.planes(slot)):
            shift = number > 0
            height, width = plane.shape
            rows = slice(top >> shift, height - (bottom >> shift))
            windows.append(_Window(plane[rows, left >> shift : width - (right >> shift)]))
        return windows


class _Permit:
    """Lets somebody outside keep a lease."""

    def __init__(self, permits: list[None], lease: SlotLease) -> None:
        permits.pop()
        self._permits = permits
        self._lease: SlotLease | None = lease

    def __del__(self) -> None:
        self._lease = None
        self._permits.append(None)


class _Window:
    """A plane of a slot without what is cropped, and how NumPy describes it."""

    __slots__ = ("interface", "plane")

    def __init__(self, plane: Plane) -> None:
        self.plane = plane
        self.interface: dict[str, Any] = plane.__array_interface__


class _Leased:
    """What a plane given out has as its base; it keeps the frame store and the lease."""

    __slots__ = ("__array_interface__", "_permit", "_window")

    def __init__(self, window: _Window, permit: _Permit) -> None:
        self.__array_interface__ = window.interface
        self._window = window
        self._permit = permit
