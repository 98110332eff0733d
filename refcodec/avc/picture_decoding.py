"""One picture on its way through the stages: parsing, derivation, reconstruction, deblocking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from refcodec import errors
from refcodec.avc import cabac_slice_data, cavlc_slice_data, first_start
from refcodec.avc.frame_slots import SlotLease, SlotPool
from refcodec.avc.intra_availability import check_intra_availability
from refcodec.avc.intra_modes import derive_intra_modes
from refcodec.avc.motion_vectors import derive_motion
from refcodec.avc.picture_samples import FlatArrays, SampleWork, Scratch, flat
from refcodec.avc.reference_lists import ReferenceList
from refcodec.avc.side_information import MotionField, SideInformation
from refcodec.avc.slice_header import SliceHeader
from refcodec.avc.slice_rows import fill_row, grown, set_scaling
from refcodec.avc.slice_table import END_MB, B, SliceTable

FIRST_SLICES = 8
"""Rows of a slice table before it grows."""


@dataclass(slots=True)
class Workspace:
    """Arrays that a picture takes on its way, used again for another one."""

    info: SideInformation
    slices: SliceTable
    scratch: Scratch
    _infos: dict[int, tuple[SideInformation, FlatArrays]] = field(default_factory=dict)

    def info_in(self, slot: int, motion: MotionField) -> tuple[SideInformation, FlatArrays]:
        """Return the side information with the motion field of a slot, and its arrays flat; made once, as slots
        and workspaces come together again and again."""
        found = self._infos.get(slot)
        if found is None:
            info = replace(self.info, motion=motion)
            found = self._infos[slot] = info, flat(info)
        return found

    @classmethod
    def allocate(cls, mbs: int) -> Workspace:
        """Return a workspace for pictures of `mbs` macroblocks."""
        return cls(SideInformation.allocate(mbs), SliceTable.allocate(FIRST_SLICES), Scratch(mbs))


class PictureDecoding:
    """The slices of one picture, parsed as they come, and its reconstruction.

    `info` and `slices` are what the stages hand on; `slice_count` rows of `slices` are in use. Parsing writes to a
    motion field of the workspace, until the picture has a slot.
    """

    def __init__(self, pool: SlotPool, workspaces: list[Workspace], lease: SlotLease) -> None:
        """`workspaces` are those not in use, to take from and to give back to."""
        self._pool = pool
        self._workspaces = workspaces
        workspace = workspaces.pop() if workspaces else Workspace.allocate(pool.store.geometry.mbs)
        self._workspace = workspace
        self._width_mbs = pool.store.geometry.width_mbs
        self.lease = lease
        self.info = workspace.info
        self._arrays: FlatArrays | None = None
        self.info.clear()
        self.slice_count = 0
        self.references: dict[int, SlotLease] = {}
        """Leases of the pictures that this one is predicted from, by number."""
        self._motion_to_derive: list[tuple[int, SlotLease | None]] = []
        self.reference = False
        """Whether other pictures may be predicted from it."""
        self.sample_work: SampleWork | None = None
        """What other threads may help with, while its samples are being made."""

    @property
    def slices(self) -> SliceTable:
        """The slice table; it may grow while slices come."""
        return self._workspace.slices

    def decode_slice(
        self,
        rbsp: NDArray[np.uint8],
        header: SliceHeader,
        lists: tuple[ReferenceList, ReferenceList],
        order_count: int,
    ) -> int:
        """(#avc.7.3.4) Parse a slice and derive its prediction modes, and its motion where that can
        fail. Return the address after its last macroblock.

        Raises HYP-E-AVC-02 to -06.
        """
        index, workspace = self.slice_count, self._workspace
        self.reference |= header.nal_ref_idc > 0
        if index == workspace.slices.parameters.shape[0]:
            workspace.slices = grown(workspace.slices)
        slices = workspace.slices
        if index == 0:
            set_scaling(slices, header.parameters.scaling)
        fill_row(slices, index, header, lists, order_count)
        for pictures in lists:
            for picture in pictures:
                if picture is not None and picture.lease is not None:
                    self.references[picture.lease.number] = picture.lease
        colocated: SlotLease | None = None
        if header.slice_type == B:
            first = lists[1][0]
            if first is None or first.lease is None:
                raise errors.error(
                    "HYP-E-AVC-06", element="RefPicList1[0]", detail="It is the colocated picture."
                )
            colocated = first.lease
        self.slice_count += 1
        parsing = (
            cabac_slice_data if header.parameters["entropy_coding_mode_flag"] else cavlc_slice_data
        )
        deferred = _derives_later(header, lists)
        if not deferred:
            self.place()
        parsing.parse_slice_data(rbsp, header.bit_length, index, slices, self.info, self._width_mbs)
        derive_intra_modes(index, slices, self.info, self._width_mbs)
        check_intra_availability(index, slices, self.info, self._width_mbs)
        if deferred:
            self._motion_to_derive.append((index, colocated))
        else:
            field = None if colocated is None else _complete(colocated).motion
            derive_motion(index, slices, self.info, field, self._width_mbs)
        return int(slices.parameters[index, END_MB])

    def place(self) -> FlatArrays:
        """Give the picture its slot, with what is parsed so far of its motion, unless it has one. Return the arrays
        of its side information, flat."""
        if self._arrays is None:
            parsed, motion = self.info.motion, self._pool.place(self.lease)
            self.info, self._arrays = self._workspace.info_in(self.lease.slot, motion)
            motion.mb_type[...] = parsed.mb_type
            motion.ref_idx[...] = parsed.ref_idx
        return self._arrays

    def reconstruct(self, shareable: Callable[[], None] | None = None) -> None:
        """(#avc.8.3) Make the samples: motion, prediction and residual, then the deblocking filter.
        The pictures that this one is predicted from must be complete. `shareable` is called when other threads
        may help."""
        first_start.finish()
        arrays, slices = self.place(), self.slices
        slots = slices.ref_slot[: self.slice_count]
        slots[...] = self._pool.slots_of(slots)
        for index, colocated in self._motion_to_derive:
            field = None if colocated is None else _complete(colocated).motion
            derive_motion(index, slices, self.info, field, self._width_mbs)
        work = SampleWork(
            arrays,
            slices,
            self._workspace.scratch,
            self._pool.store,
            self.lease.slot,
            self.reference,
        )
        if shareable is not None:
            self.sample_work = work
            shareable()
        try:
            work.write()
        finally:
            self.sample_work = None
        self.references.clear()
        self._motion_to_derive.clear()

    def release(self) -> None:
        """Give the arrays back: `info` and `slices` are not needed any more."""
        self._workspaces.append(self._workspace)


def _derives_later(header: SliceHeader, lists: tuple[ReferenceList, ReferenceList]) -> bool:
    """(#avc.8.4.1) Return whether the motion of a slice can be derived when the picture is reconstructed: where all
    pictures that it may refer to are there, which nearly always holds. Then the thread that derives vectors is the
    one that reads them, and they stay in its cache. Temporal direct prediction may need pictures that a colocated
    block referred to."""
    complete = all(
        picture is not None and picture.existing for pictures in lists for picture in pictures
    )
    return complete and (header.slice_type != B or bool(header.direct_spatial_mv_pred))


def _complete(lease: SlotLease) -> SlotLease:
    """Wait until the picture in a slot is complete."""
    if lease.written is not None:
        lease.written.result()
    return lease
