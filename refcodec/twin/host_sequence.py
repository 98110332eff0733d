"""The pictures that follow a keyframe and the adjoint of their decoding, in the host's memory: the integer decoder
goes forward, kernels go back.

The same function as SequenceTwin in exact mode, of single pictures, many times as fast: what of the adjoint depends
on samples is which lines the deblocking filter changed and what it clipped, and that is all that is kept of a picture.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from refcodec.avc.frame_store import FrameStore
from refcodec.avc.side_information import LAST_INTRA
from refcodec.avc.slice_table import SliceTable
from refcodec.avc.stream_decoder import PictureDetails
from refcodec.picture import Picture
from refcodec.twin.components import BOTH, CHROMA, LUMA, PLANES
from refcodec.twin.deblocking import Decisions, FilterPlan
from refcodec.twin.host_planes import HostPlanes
from refcodec.twin.inter_kernels import WORK, return_inter
from refcodec.twin.inter_prediction import prediction_factors
from refcodec.twin.intra_prediction import IntraBlocks
from refcodec.twin.planes import Mode
from refcodec.twin.recording import (
    RecordedPicture,
    Recording,
    deblock_picture,
    decode_again,
)

Array = NDArray[Any]
Result = TypeVar("Result")

_NONE = np.empty(0, np.float32)
"""In the place of a plane that is not worked on."""


def inter_factors(details: PictureDetails) -> tuple[Array, int]:
    """(#avc.8.4.2.3) Return the factors of the predictions from the two lists, float32 flat (slices, n, n, 3, 2), by
    ref_idx + 1 in both lists, component and list; and n."""
    slices = len(details.slices.parameters)
    n = max(int(details.info.motion.ref_idx.max(initial=-1)), 0) + 2
    index, first, second = (grid.reshape(-1) for grid in np.mgrid[:slices, :n, :n])
    factors, _ = prediction_factors(details, index, np.stack([first, second], 1) - 1)
    return np.ascontiguousarray(factors[:, :2].transpose(2, 0, 1), np.float32).reshape(-1), n


def return_inter_picture(
    details: PictureDetails,
    gradient: HostPlanes,
    width_mbs: int,
    slots: Array,
    targets: HostPlanes,
    factors: tuple[Array, int],
    components: int = BOTH,
) -> None:
    """(#avc.8.4.2) Add what the inter macroblocks of a picture pass back to the gradients of its references.

    gradient: float32 (H, W), (H/2, W/2), contiguous; targets: (slots, H, W), (slots, H/2, W/2) likewise
    slots: int32, the slot of each picture id, -1 where there is none; factors: as inter_factors makes them
    components: LUMA, CHROMA or both
    """
    info, motion = details.info, details.info.motion
    y, cb, cr = (plane.reshape(-1) for plane in gradient)
    target_y, target_cb, target_cr = (plane.reshape(-1) for plane in targets)
    return_inter(
        y,
        cb,
        cr,
        width_mbs,
        info.mbs,
        info.slice_table,
        motion.mb_type,
        motion.mv.reshape(-1),
        motion.ref_idx.reshape(-1),
        motion.ref_picture.reshape(-1),
        slots,
        target_y,
        target_cb,
        target_cr,
        factors[0],
        factors[1],
        components,
        np.empty(WORK, np.float32),
    )


class _Adjoint:
    """What of a picture's adjoint does not change, and the cases of its deblocking, which each decode writes."""

    def __init__(self, picture: RecordedPicture, width_mbs: int) -> None:
        details = self._details = picture.details
        self._width_mbs = width_mbs
        self._filter = FilterPlan.of(details, width_mbs)
        self._filters = bool(self._filter.strengths.any())
        self._cases = Decisions.allocate(1, details.info.mbs)
        intra = (details.info.motion.mb_type <= LAST_INTRA).any()
        self._intra = IntraBlocks.of(details, width_mbs) if intra else None
        self._factors = inter_factors(details)

    def deblock(self, store: FrameStore, slot: int, components: int) -> None:
        """(#avc.8.7) Filter the picture in a slot and keep the cases of its lines."""
        if not self._filters:
            return
        planes, used = store.planes(slot), PLANES[components]
        y, cb, cr = (
            plane.astype(np.float32) if k in used else _NONE for k, plane in enumerate(planes)
        )
        batch = y[None], cb[None], cr[None]
        self._filter.filter_into(batch, self._cases, False, Mode.EXACT, components)
        for k in used:
            planes[k][...] = batch[k][0]

    def transpose(
        self, gradient: HostPlanes, slots: Array, targets: HostPlanes, components: int
    ) -> None:
        """Pass the gradient of the picture, which is overwritten, back to its references."""
        y, cb, cr = gradient
        batch = y[None], cb[None], cr[None]
        if self._filters:
            self._filter.transpose(batch, self._cases, components)
        if self._intra is not None:
            self._intra.transpose(batch, components)
        return_inter_picture(
            self._details, gradient, self._width_mbs, slots, targets, self._factors, components
        )


class _Gradients:
    """Gradients of pictures that are not passed back yet, in slots: `planes` (slots, H, W), (slots, H/2, W/2), of
    which only those of `components` are used, and `slots`, int32, by picture id, -1 where there is none."""

    def __init__(
        self, count: int, width: int, height: int, identities: int, components: int
    ) -> None:
        luma = np.zeros((count, height, width), np.float32)
        cb, cr = np.zeros((2, count, height // 2, width // 2), np.float32)
        self.planes: HostPlanes = luma, cb, cr
        self.slots = np.full(identities, -1, np.int32)
        self._free = list(range(count))
        self._used = PLANES[components]

    def of(self, identity: int) -> HostPlanes:
        """Return the gradient of a picture, 0 if it had none."""
        if self.slots[identity] < 0:
            self.slots[identity] = self._free.pop()
        luma, cb, cr = (plane[self.slots[identity]] for plane in self.planes)
        return luma, cb, cr

    def add(self, identity: int, planes: HostPlanes | None) -> None:
        """Add to the gradient of a picture."""
        own = self.of(identity)
        if planes is not None:
            for k in self._used:
                own[k][...] += planes[k]

    def drop(self, identity: int) -> None:
        """Forget the gradient of a picture."""
        own = self.of(identity)
        for k in self._used:
            own[k][...] = 0
        self._free.append(int(self.slots[identity]))
        self.slots[identity] = -1


class HostSequence:
    """(#avc.8) The pictures of a recording as a function of its keyframe, and the adjoint of the last decode.

    depends: ids of the pictures that depend on the keyframe, its own too; the others pass nothing back
    """

    def __init__(self, recording: Recording, depends: Collection[int]) -> None:
        self._recording = recording
        self._depends = frozenset(depends)
        self._adjoints: dict[int, _Adjoint] = {}
        self._decoded: list[RecordedPicture] = []
        self._beside = ThreadPoolExecutor(1)

    def decode(self, keyframe: Picture, wanted: Collection[int]) -> Iterator[tuple[int, Picture]]:
        """Yield the wanted pictures, their references among them, by picture id in decoding order."""
        recording, live = self._recording, self._depends & set(wanted)
        self._decoded = [each for each in recording.pictures if each.identity in live]
        for picture in self._decoded:
            if picture.identity not in self._adjoints:
                self._adjoints[picture.identity] = _Adjoint(picture, recording.geometry.width_mbs)
        return decode_again(recording, keyframe, wanted, self._deblock)

    def _deblock(
        self, picture: RecordedPicture, table: SliceTable, store: FrameStore, slot: int
    ) -> None:
        if picture.identity in self._depends:
            adjoint = self._adjoints[picture.identity]
            self._both(lambda components: adjoint.deblock(store, slot, components))
        else:
            deblock_picture(picture, table, store, slot)

    def transpose(self, gradients: Mapping[int, HostPlanes]) -> HostPlanes:
        """Return the gradient with respect to the keyframe, float32 (H, W), (H/2, W/2), of a sum over pictures of
        the last decode, whose own gradients are given by picture id."""
        passing = self._passing(gradients)
        (luma, _, _), (_, cb, cr) = self._both(
            lambda components: self._transpose(gradients, passing, components)
        )
        return luma, cb, cr

    def _both(self, work: Callable[[int], Result]) -> tuple[Result, Result]:
        """Do something for luma, which takes two thirds of the time, and for chroma beside it."""
        chroma = self._beside.submit(work, CHROMA)
        try:
            luma = work(LUMA)
        finally:
            other = chroma.result()
        return luma, other

    def _transpose(
        self,
        gradients: Mapping[int, HostPlanes],
        passing: Sequence[RecordedPicture],
        components: int,
    ) -> HostPlanes:
        recording = self._recording
        most, open_pictures = 1, {recording.identity}
        for picture in passing:
            open_pictures |= {picture.identity} | (picture.references & self._depends)
            most = max(most, len(open_pictures))
            open_pictures.discard(picture.identity)
        identities = max([recording.identity, *(each.identity for each in recording.pictures)]) + 1
        held = _Gradients(most, recording.width, recording.height, identities, components)
        for picture in passing:
            held.add(picture.identity, gradients.get(picture.identity))
            for reference in picture.references & self._depends:
                held.of(reference)
            self._adjoints[picture.identity].transpose(
                held.of(picture.identity), held.slots, held.planes, components
            )
            held.drop(picture.identity)
        held.add(recording.identity, gradients.get(recording.identity))
        return held.of(recording.identity)

    def _passing(self, gradients: Mapping[int, HostPlanes]) -> list[RecordedPicture]:
        """Return the pictures that pass something back, the last one first."""
        found, reached = [], set(gradients)
        for picture in reversed(self._decoded):
            if picture.identity in reached:
                found.append(picture)
                reached |= picture.references
        return found
