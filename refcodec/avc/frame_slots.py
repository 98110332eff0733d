"""Which slots of the frame store are free: each one is leased, and free again when nobody keeps the
lease any more: not the picture buffer, not a picture in the works, not who was given its samples."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from refcodec.avc.completion import Completion
from refcodec.avc.frame_store import FrameStore, Geometry
from refcodec.avc.side_information import MotionField
from refcodec.picture import Plane

MOST_GIVEN_OUT = 8
"""Pictures whose samples others may look at in their slots; further ones get copies."""


class SlotLease:
    """A picture's claim to a slot, as long as this object lives.

    `number` is what slice tables call it while its picture waits. `slot` and `motion`, the motion field that
    belongs to the slot, are there from `SlotPool.place` on, -1 and None before. `written` is done when its
    samples are complete, None stands for done.
    """

    __slots__ = ("__weakref__", "_pool", "motion", "number", "slot", "written")

    def __init__(self, pool: SlotPool, number: int) -> None:
        self._pool = pool
        self.number = number
        self.slot = -1
        self.motion: MotionField | None = None
        self.written: Completion | None = None

    def __del__(self) -> None:
        self._pool.give_back(self)


class SlotPool:
    """A frame store with `slots` slots to lease, and some more for pictures that are given out.

    A lease gets its slot when its picture is made, not when it is parsed: then few slots are in use at a time, and
    caches hold more of them.
    """

    def __init__(self, geometry: Geometry, slots: int) -> None:
        self.store = FrameStore(geometry, slots + MOST_GIVEN_OUT)
        count = self.store.slots
        self._motion: list[MotionField | None] = [None] * count
        # Lists, because threads that drop what they were given may change them at any time.
        self._numbers = list(range(count))[::-1]
        self._free = list(range(count))[::-1]
        self._slots = np.full(count + 1, -1, np.int32)
        """Slots by number of their leases, -1 where there is none; and behind them, for index -1, another -1."""
        self._permits = [None] * MOST_GIVEN_OUT
        self._windows: dict[tuple[int, tuple[int, int, int, int]], list[_Window]] = {}

    @property
    def exhausted(self) -> bool:
        """Whether nothing is left to lease."""
        return not self._numbers

    def lease(self) -> SlotLease:
        """Return a lease without a slot; there must be one left."""
        return SlotLease(self, self._numbers.pop())

    def place(self, lease: SlotLease) -> MotionField:
        """Give a lease a slot, unless it has one: the one used last, for the caches. Return its motion field."""
        if lease.motion is None:
            slot = lease.slot = self._free.pop()
            motion = self._motion[slot]
            if motion is None:
                motion = self._motion[slot] = MotionField.allocate(self.store.geometry.mbs)
            lease.motion = motion
            self._slots[lease.number] = slot
        return lease.motion

    def slots_of(self, numbers: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the slots of leases by their numbers, -1 for -1."""
        return self._slots[numbers]

    def give_back(self, lease: SlotLease) -> None:
        """Make a slot free again; leases call it."""
        if lease.slot >= 0:
            self._slots[lease.number] = -1
            self._free.append(lease.slot)
        self._numbers.append(lease.number)

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
