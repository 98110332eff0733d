"""The H.264 decoder: NAL units in, pictures in output order out."""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass

import numpy as np

from refcodec import errors
from refcodec.avc import first_start
from refcodec.avc.access_unit_detection import begins_picture, ends_picture
from refcodec.avc.access_units import (
    NAL_IDR_SLICE,
    NAL_PICTURE_PARAMETER_SET,
    NAL_SEQUENCE_PARAMETER_SET,
    NAL_SLICE,
    Buffer,
    nal_unit_type,
)
from refcodec.avc.active_parameters import unsupported
from refcodec.avc.coded_sequence import CodedSequence
from refcodec.avc.injected_picture import write_injected
from refcodec.avc.known_parameter_sets import KnownParameterSets
from refcodec.avc.loss import Loss
from refcodec.avc.nal import remove_emulation_prevention
from refcodec.avc.picture_decoding import PictureDecoding, Workspace
from refcodec.avc.reconstruction_queue import ReconstructionQueue
from refcodec.avc.side_information import SideInformation
from refcodec.avc.slice_header import (
    SliceHeader,
    injected_header,
    pic_parameter_set_id,
    read_slice_header,
)
from refcodec.avc.slice_table import SliceTable
from refcodec.avc.stored_picture import StoredPicture
from refcodec.picture import Picture, Plane

MEMORY = 2 << 30
"""Bytes that pictures may take, unless the caller grants more or less."""

DATA_PARTITIONS = (2, 3, 4)
"""nal_unit_type of slice data partitions A, B and C."""


@dataclass(frozen=True, slots=True)
class PictureDetails:
    """How a picture was coded: its side information, the first `slice_count` rows of its slice
    table, and the slice headers."""

    info: SideInformation
    slices: SliceTable
    slice_count: int
    headers: tuple[SliceHeader, ...]


@dataclass(frozen=True, slots=True)
class OutputPicture:
    """A decoded picture.

    `number` is that of its access unit, `identity` that which `ref_picture` of the side information
    uses, `order_count` its PicOrderCnt. `planes` (y, u, v) are cropped, uint8, rows contiguous, with
    gaps between rows; they may be views of the decoder's memory, not to be written to. `details`
    are there when the decoder was asked for them.
    """

    number: int
    identity: int
    order_count: int
    planes: tuple[Plane, Plane, Plane]
    details: PictureDetails | None


@dataclass(slots=True)
class _Current:
    """The picture whose slices come."""

    picture: StoredPicture
    decoding: PictureDecoding
    headers: list[SliceHeader]
    decoded_mbs: int = 0
    next_mb: int = 0
    furthest: int = -1


class AvcDecoder:
    """Decodes a stream. Each NAL unit comes with the number of its access unit.

    An error never ends the decoder: the pictures before it are output, those from it on up to the
    next IDR picture are lost and noted in `losses`.
    """

    def __init__(self, *, threads: int = 1, details: bool = False, memory: int = MEMORY) -> None:
        """With `threads` > 1, that many decode, the caller's among them: it parses, and takes pictures
        to reconstruct when it is far ahead of the others. With `details`, pictures come with their
        side information. `memory` bounds the bytes that pictures may take."""
        self.losses: list[Loss] = []
        self._details = details
        self._memory = memory
        self._queue = ReconstructionQueue(threads)
        self._identities = itertools.count()
        self._sets = KnownParameterSets()
        self._workspaces: list[Workspace] = []
        self._sequence: CodedSequence | None = None
        self._current: _Current | None = None
        self._awaiting_idr = True
        self._lost_number: int | None = None
        self._output: deque[tuple[StoredPicture, CodedSequence]] = deque()
        self._ready: list[OutputPicture] = []
        self._found: dict[int, PictureDetails] = {}

    # ------------------------------------------------------------------------------ feeding

    def decode(self, nal_unit: Buffer, number: int) -> list[OutputPicture]:
        """Take the next NAL unit (without start code), of access unit `number`. Return the pictures
        that are complete and whose turn it is."""
        try:
            self._nal_unit(nal_unit, number)
        except errors.HypError as error:
            self._lose(number, error)
        return self._take()

    def inject(
        self, picture: Picture, seq_parameter_set_id: int, idr_pic_id: int, number: int
    ) -> list[OutputPicture]:
        """(#dec.injection) Take `picture`, which covers the macroblock grid, as the decoded picture
        of IDR access unit `number`. It is a reference but not returned."""
        self._end_picture()
        try:
            header = injected_header(self._sets.injecting(seq_parameter_set_id), idr_pic_id)
            self._begin_picture(header, number)
            current = self._current
            assert current is not None and self._sequence is not None
            current.picture.hidden = True
            write_injected(self._sequence.pool, current.decoding.lease, picture)
            current.decoding.release()
            self._current = None
            self._store(header, current.picture)
        except errors.HypError as error:
            self._lose(number, error)
        return self._take()

    def end_access_unit(self) -> list[OutputPicture]:
        """Say that the NAL units of an access unit are complete, which otherwise the next one
        tells."""
        self._end_picture()
        return self._take()

    def flush(self) -> list[OutputPicture]:
        """End the stream, or a part of it that an IDR picture follows; return the pictures that
        remain."""
        self._end_picture()
        self._restart()
        self._queue.wait()
        return self._take()

    def close(self) -> None:
        """End the threads."""
        self._queue.close()

    # ---------------------------------------------------------------------------- NAL units

    def _nal_unit(self, nal_unit: Buffer, number: int) -> None:
        """(#avc.7.4.1) Decode one NAL unit; types that decoding does not need are passed over."""
        if not len(nal_unit):
            return
        kind = nal_unit_type(nal_unit)
        if self._current is not None and (
            ends_picture(kind) or self._current.picture.number != number
        ):
            self._end_picture()
        if kind in (NAL_SLICE, NAL_IDR_SLICE):
            if self._skips(kind, number):
                return
            self._slice(nal_unit, number)
        elif kind == NAL_SEQUENCE_PARAMETER_SET:
            self._sets.add_sequence_parameter_set(nal_unit)
        elif kind == NAL_PICTURE_PARAMETER_SET:
            self._sets.add_picture_parameter_set(nal_unit)
        elif kind in DATA_PARTITIONS and not self._skips(kind, number):
            raise unsupported(
                "nal_unit_type", kind, "1 or 5", "Slice data partitioning is not decoded."
            )

    def _skips(self, kind: int, number: int) -> bool:
        """Whether slices are passed over: after an error, up to the IDR picture that follows the
        damaged picture. Notes what that costs."""
        if not self._awaiting_idr:
            return False
        if kind == NAL_IDR_SLICE and number != self._lost_number:
            return False
        if not self.losses:
            error = errors.error(
                "HYP-E-AVC-06", element="nal_unit_type", value=kind, allowed=NAL_IDR_SLICE
            )
            self.losses.append(Loss(number, 0, error))
        if number != self._lost_number:
            self.losses[-1].pictures += 1
            self._lost_number = number
        return True

    def _slice(self, nal_unit: Buffer, number: int) -> None:
        """(#avc.7.3.2.8) Decode a slice."""
        rbsp = bytearray(remove_emulation_prevention(memoryview(nal_unit)[1:]))
        parameters = self._sets.picture(pic_parameter_set_id(rbsp))
        parameters.check()
        header = read_slice_header(nal_unit[0], rbsp, parameters)
        current = self._current
        if current is not None and begins_picture(header, current.headers[-1]):
            self._end_picture()
            if self._skips(nal_unit_type(nal_unit), number):
                return
            current = None
        if current is None:
            self._begin_picture(header, number)
            current = self._current
            assert current is not None
        assert self._sequence is not None
        self._check_place(current, header)
        current.headers.append(header)
        lists = self._sequence.lists(header, current.picture)
        samples = np.frombuffer(rbsp, np.uint8)
        end = current.decoding.decode_slice(samples, header, lists, current.picture.order_count)
        current.decoded_mbs += end - header.first_mb
        current.next_mb, current.furthest = end, max(current.furthest, header.first_mb)

    @staticmethod
    def _check_place(current: _Current, header: SliceHeader) -> None:
        """(#avc.7.4.3) Refuse slices that are not in the order of their macroblocks; that
        macroblocks are missing shows at the end of the picture."""
        if header.first_mb < current.next_mb and header.first_mb < current.furthest:
            raise unsupported(
                "first_mb_in_slice",
                header.first_mb,
                f"at least {current.next_mb}",
                "Arbitrary slice order is not decoded.",
            )

    # ----------------------------------------------------------------------------- pictures

    def _begin_picture(self, header: SliceHeader, number: int) -> None:
        """Begin a picture with its first slice header; an IDR picture may begin a new sequence."""
        sequence = self._sequence
        parameters = header.parameters.sequence
        if header.idr:
            if sequence is None or sequence.parameters is not parameters:
                self._new_sequence(header)
                sequence = self._sequence
            self._awaiting_idr = False
        assert sequence is not None
        if sequence.parameters is not parameters:
            raise errors.error(
                "HYP-E-AVC-08",
                element="seq_parameter_set_id",
                value=parameters["seq_parameter_set_id"],
                detail="The sequence parameter set changes without an IDR picture.",
            )
        if sequence.pool.exhausted:
            self._queue.wait()
            self._deliver()
        output: list[StoredPicture] = []
        picture = sequence.begin(header, number, output)
        self._output += ((each, sequence) for each in output)
        assert picture.lease is not None
        decoding = PictureDecoding(sequence.pool, self._workspaces, picture.lease)
        self._current = _Current(picture, decoding, [])

    def _new_sequence(self, header: SliceHeader) -> None:
        """(#avc.7.4.1.2.1) Activate another sequence parameter set."""
        sequence = self._sequence
        if sequence is not None:
            self._output += ((each, sequence) for each in sequence.flush())
        self._workspaces = []
        first_start.begin()
        self._sequence = None
        self._sequence = CodedSequence(
            header.parameters.sequence, self._identities, self._queue.depths, self._memory
        )
        self._queue.depth = self._sequence.in_the_works

    def _end_picture(self) -> None:
        """Reconstruct and store the current picture, if there is one; all its slices are there."""
        current = self._current
        if current is None:
            return
        try:
            self._complete(current)
        except errors.HypError as error:
            self._lose(current.picture.number, error)

    def _complete(self, current: _Current) -> None:
        """Raises HYP-E-AVC-05 when macroblocks are missing, and the errors of marking."""
        assert self._sequence is not None
        macroblocks = self._sequence.parameters.geometry.mbs
        if current.decoded_mbs != macroblocks:
            raise errors.error(
                "HYP-E-AVC-05",
                element="macroblocks",
                value=current.decoded_mbs,
                allowed=macroblocks,
            )
        self._store(current.headers[0], current.picture)
        decoding = current.decoding
        if self._details:
            decoding.place()
            self._found[current.picture.identity] = PictureDetails(
                decoding.info, decoding.slices, decoding.slice_count, tuple(current.headers)
            )
        self._current = None
        self._queue.submit(decoding, keep=self._details)

    def _store(self, header: SliceHeader, picture: StoredPicture) -> None:
        sequence = self._sequence
        assert sequence is not None
        output: list[StoredPicture] = []
        sequence.end(header, picture, output)
        self._output += ((each, sequence) for each in output)

    # ------------------------------------------------------------------------------- errors

    def _lose(self, number: int, error: errors.HypError) -> None:
        """Give up the current picture and all up to the next IDR picture."""
        if self._current is not None:
            number = self._current.picture.number
        # Its frames would keep the picture and its slot.
        self.losses.append(Loss(number, 1, error.with_traceback(None)))
        self._restart()
        self._lost_number = number

    def _restart(self) -> None:
        """Output what waits, and begin again with an IDR picture."""
        if self._current is not None:
            self._current.decoding.release()
            self._current = None
        sequence = self._sequence
        if sequence is not None:
            self._output += ((each, sequence) for each in sequence.flush())
        self._awaiting_idr = True
        self._lost_number = None

    # ------------------------------------------------------------------------------- output

    def _take(self) -> list[OutputPicture]:
        """Return the pictures that are complete."""
        output = self._output
        while output:
            lease = output[0][0].lease
            if lease is not None and lease.written is not None and not lease.written.done:
                break
            self._give(*output.popleft())
        ready, self._ready = self._ready, []
        return ready

    def _deliver(self) -> None:
        """Make all pictures that were output ready; none is in the works."""
        while self._output:
            self._give(*self._output.popleft())

    def _give(self, picture: StoredPicture, sequence: CodedSequence) -> None:
        lease = picture.lease
        assert lease is not None
        details = self._found.pop(picture.identity, None)
        if lease.written is not None:
            lease.written.result()
        if picture.hidden:
            return
        self._ready.append(
            OutputPicture(
                picture.number,
                picture.identity,
                picture.order_count,
                sequence.pool.planes(lease, sequence.parameters.crop),
                details,
            )
        )
