"""(#avc.8.2.5) Marking of reference pictures: sliding window, memory management operations."""

from __future__ import annotations

from collections.abc import Sequence

from refcodec import errors
from refcodec.avc.slice_header import MemoryManagement, SliceHeader, contradiction
from refcodec.avc.stored_picture import LONG_TERM, SHORT_TERM, UNUSED, StoredPicture


class ReferenceMarking:
    """Marks the pictures of a decoded picture buffer; knows MaxLongTermFrameIdx."""

    def __init__(self, max_num_ref_frames: int) -> None:
        self._most = max(max_num_ref_frames, 1)
        self._max_long_term_frame_idx = -1
        """-1 for "no long-term frame indices"."""

    def mark(
        self, header: SliceHeader, current: StoredPicture, references: Sequence[StoredPicture]
    ) -> None:
        """(#avc.8.2.5.1) Mark `references`, numbered for the current picture, and the current
        picture, after it was decoded; its nal_ref_idc is not 0.

        Raises HYP-E-AVC-06 when an operation names a picture that is not there, HYP-E-AVC-08 when
        more reference pictures would remain than max_num_ref_frames.
        """
        if header.idr:
            unmark(references)
            if header.long_term_reference:
                current.marking, current.long_term_frame_idx = LONG_TERM, 0
                self._max_long_term_frame_idx = 0
            else:
                current.marking = SHORT_TERM
                self._max_long_term_frame_idx = -1
            return
        if header.marking is None:
            self.slide(references)
        else:
            for operation in header.marking:
                self._operate(operation, header.frame_num, current, references)
            remaining = sum(each.marking != UNUSED for each in references)
            if remaining >= self._most:
                raise contradiction(
                    "memory_management_control_operation", remaining + 1, f"at most {self._most}"
                )
        if current.marking != LONG_TERM:
            current.marking = SHORT_TERM

    def slide(self, references: Sequence[StoredPicture]) -> None:
        """(#avc.8.2.5.3) Sliding window: make room for one more picture.

        Raises HYP-E-AVC-08 when only long-term pictures could make room.
        """
        kept = [each for each in references if each.marking != UNUSED]
        if len(kept) < self._most:
            return
        short = [each for each in kept if each.marking == SHORT_TERM]
        if not short:
            raise contradiction("adaptive_ref_pic_marking_mode_flag", 0, "1, to unmark a picture")
        min(short, key=lambda each: each.frame_num_wrap).marking = UNUSED

    def _operate(
        self,
        operation: MemoryManagement,
        frame_num: int,
        current: StoredPicture,
        references: Sequence[StoredPicture],
    ) -> None:
        """(#avc.8.2.5.4) Carry out one memory management control operation."""
        match operation.operation:
            case 1:
                _short_term(references, frame_num, operation).marking = UNUSED
            case 2:
                _long_term(references, operation).marking = UNUSED
            case 3:
                picture = _short_term(references, frame_num, operation)
                self._assign(picture, operation.long_term_frame_idx, references)
            case 4:
                self._max_long_term_frame_idx = operation.max_long_term_frame_idx_plus1 - 1
                for each in references:
                    if (
                        each.marking == LONG_TERM
                        and each.long_term_frame_idx > self._max_long_term_frame_idx
                    ):
                        each.marking = UNUSED
            case 5:
                unmark(references)
                self._max_long_term_frame_idx = -1
            case _:  # 6
                self._assign(current, operation.long_term_frame_idx, references)

    def _assign(
        self, picture: StoredPicture, index: int, references: Sequence[StoredPicture]
    ) -> None:
        """(#avc.8.2.5.4.3) Make `picture` the long-term picture with LongTermFrameIdx `index`."""
        if index > self._max_long_term_frame_idx:
            most = self._max_long_term_frame_idx
            raise contradiction("long_term_frame_idx", index, f"at most {most}")
        for each in references:
            if (
                each.marking == LONG_TERM
                and each.long_term_frame_idx == index
                and each is not picture
            ):
                each.marking = UNUSED
        picture.marking, picture.long_term_frame_idx = LONG_TERM, index


def unmark(references: Sequence[StoredPicture]) -> None:
    """Mark all as unused for reference."""
    for each in references:
        each.marking = UNUSED


def _short_term(
    references: Sequence[StoredPicture], frame_num: int, operation: MemoryManagement
) -> StoredPicture:
    """(#avc.8.2.5.4.1) Return the short-term picture with PicNum picNumX."""
    number = frame_num - (operation.difference_of_pic_nums_minus1 + 1)
    for each in references:
        if each.marking == SHORT_TERM and each.frame_num_wrap == number:
            return each
    raise errors.error(
        "HYP-E-AVC-06",
        element="difference_of_pic_nums_minus1",
        value=operation.difference_of_pic_nums_minus1,
    )


def _long_term(references: Sequence[StoredPicture], operation: MemoryManagement) -> StoredPicture:
    """(#avc.8.2.5.4.2) Return the long-term picture with LongTermPicNum long_term_pic_num."""
    for each in references:
        if each.marking == LONG_TERM and each.long_term_frame_idx == operation.long_term_pic_num:
            return each
    raise errors.error(
        "HYP-E-AVC-06", element="long_term_pic_num", value=operation.long_term_pic_num
    )
