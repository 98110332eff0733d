"""What lasts from picture to picture of a coded video sequence: the decoded picture buffer, the
counts, and the frame slots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from refcodec import errors
from refcodec.avc.active_parameters import SequenceParameters
from refcodec.avc.frame_slots import SlotPool
from refcodec.avc.order_count import OrderCounter
from refcodec.avc.picture_buffer import PictureBuffer
from refcodec.avc.reference_lists import ReferenceList, number_pictures, reference_lists
from refcodec.avc.reference_marking import ReferenceMarking, unmark
from refcodec.avc.slice_header import SliceHeader, contradiction
from refcodec.avc.stored_picture import SHORT_TERM, StoredPicture

BYTES_PER_MB = 1600
"""Side information and motion of a macroblock, about."""


def pictures_in_the_works(
    parameters: SequenceParameters, choices: Sequence[int], memory: int
) -> int:
    """Return how many pictures may be reconstructed at a time: the first of `choices`, descending, for which
    pictures of this size need no more than `memory` bytes. Raises HYP-E-LVL-09 when none is."""
    geometry = parameters.geometry
    for count in choices:
        slots = parameters.dpb_frames + 1 + count
        needed = slots * geometry.slot_size + (count + 1) * geometry.mbs * BYTES_PER_MB
        if needed <= memory:
            return count
    raise errors.error(
        "HYP-E-LVL-09",
        element="picture buffers",
        value=needed,
        allowed=f"at most {memory} bytes",
    )


class CodedSequence:
    """Pictures go through `begin`, `lists` for each slice, and `end`."""

    def __init__(
        self,
        parameters: SequenceParameters,
        identities: Iterator[int],
        in_the_works: Sequence[int],
        memory: int,
    ) -> None:
        """`identities` yields numbers for pictures; of the numbers of pictures that may be reconstructed at a
        time, `in_the_works`, descending, the first is taken that `memory`, the most bytes of pictures, allows.

        Raises HYP-E-AVC-01 and -08 for what is not decoded, HYP-E-LVL-09 for too large pictures.
        """
        parameters.check()
        self.in_the_works = pictures_in_the_works(parameters, in_the_works, memory)
        self.parameters = parameters
        self.pool = SlotPool(parameters.geometry, parameters.dpb_frames + 1 + self.in_the_works)
        self._identities = identities
        self._buffer = PictureBuffer(parameters)
        self._counter = OrderCounter(parameters)
        self._marking = ReferenceMarking(parameters.max_num_ref_frames)
        self._previous_frame_num = 0
        """PrevRefFrameNum (7.4.3)."""
        self._top = 0

    def begin(self, header: SliceHeader, number: int, output: list[StoredPicture]) -> StoredPicture:
        """(#avc.8.2.1) Begin the picture with the first slice header `header`; append the pictures
        to `output` that are output before it is decoded.

        Raises HYP-E-AVC-06 for a gap in frame_num that the parameter set does not allow.
        """
        if header.idr:
            # C.4.4 lets no_output_of_prior_pics_flag drop pictures that a decoder has not output
            # yet, which depends on how long it waits; here, as with libavcodec, all are output.
            unmark(self._buffer.references)
            output += self._buffer.flush()
        else:
            self._fill_gap(header, output)
        self._number_pictures(header.frame_num)
        self._top, bottom = self._counter.decode(header)
        return StoredPicture(
            identity=next(self._identities),
            lease=self.pool.lease(),
            number=number,
            frame_num=header.frame_num,
            order_count=min(self._top, bottom),
            waiting=True,
        )

    def _number_pictures(self, frame_num: int) -> None:
        number_pictures(self._buffer.pictures, frame_num, self.parameters.max_frame_num)

    def lists(
        self, header: SliceHeader, picture: StoredPicture
    ) -> tuple[ReferenceList, ReferenceList]:
        """(#avc.8.2.4) Return the reference picture lists of a slice of `picture`."""
        return reference_lists(header, self._buffer.references, picture.order_count)

    def end(self, header: SliceHeader, picture: StoredPicture, output: list[StoredPicture]) -> None:
        """(#avc.8.2.5) Mark reference pictures after `picture` was decoded, store it, and append the
        pictures to `output` that are output now."""
        if header.nal_ref_idc:
            self._marking.mark(header, picture, self._buffer.references)
            self._previous_frame_num = header.frame_num
        if header.has_mmco5:
            output += self._buffer.flush()
            # 8.2.1: the picture's own counts begin anew, too.
            self._top -= picture.order_count
            picture.order_count = picture.frame_num = self._previous_frame_num = 0
            self._counter.restart(self._top)
        output += self._buffer.store(picture)

    def flush(self) -> list[StoredPicture]:
        """Return all pictures that wait for output, and empty the buffer."""
        output = self._buffer.flush()
        self._buffer.drop()
        return output

    def _fill_gap(self, header: SliceHeader, output: list[StoredPicture]) -> None:
        """(#avc.8.2.5.2) Store "non-existing" frames for values of frame_num that are left out."""
        most, before = self.parameters.max_frame_num, self._previous_frame_num
        if header.frame_num == before:
            if header.nal_ref_idc:
                allowed = f"not that of the reference picture before, {before}"
                raise contradiction("frame_num", header.frame_num, allowed)
            return
        missing = (header.frame_num - before - 1) % most
        if not missing:
            return
        if not self.parameters["gaps_in_frame_num_value_allowed_flag"]:
            raise errors.error(
                "HYP-E-AVC-06",
                element="frame_num",
                value=header.frame_num,
                allowed=(before + 1) % most,
                detail="Reference pictures before it are missing.",
            )
        # Those that sliding window marking would take away again are left out.
        kept = min(missing, max(self.parameters.max_num_ref_frames, 1))
        for step in range(missing - kept, missing):
            frame_num = (before + 1 + step) % most
            self._number_pictures(frame_num)
            order_count = self._counter.decode_non_existing(frame_num)
            self._marking.slide(self._buffer.references)
            output += self._buffer.store(
                StoredPicture(
                    identity=next(self._identities),
                    lease=None,
                    number=-1,
                    frame_num=frame_num,
                    order_count=order_count,
                    marking=SHORT_TERM,
                )
            )
        self._previous_frame_num = (header.frame_num - 1) % most
