"""(#avc.8.2.4) Reference picture lists of slices of frames."""

from __future__ import annotations

from collections.abc import Sequence

from refcodec import errors
from refcodec.avc.slice_header import ListModification, SliceHeader
from refcodec.avc.slice_table import B, I
from refcodec.avc.stored_picture import LONG_TERM, SHORT_TERM, StoredPicture

ReferenceList = list[StoredPicture | None]
"""None stands for "no reference picture"."""


def number_pictures(
    references: Sequence[StoredPicture], frame_num: int, max_frame_num: int
) -> None:
    """(#avc.8.2.4.1) Derive FrameNumWrap of the short-term pictures for a picture with `frame_num`;
    it is their PicNum. LongTermPicNum is LongTermFrameIdx."""
    for picture in references:
        wrapped = picture.frame_num > frame_num
        picture.frame_num_wrap = picture.frame_num - (max_frame_num if wrapped else 0)


def reference_lists(
    header: SliceHeader, references: Sequence[StoredPicture], order_count: int
) -> tuple[ReferenceList, ReferenceList]:
    """(#avc.8.2.4) Return RefPicList0 and RefPicList1 of a slice of a picture with PicOrderCnt
    `order_count`; `references` are the numbered reference pictures in the buffer.

    Raises HYP-E-AVC-06 when a modification names a picture that is not there.
    """
    if header.slice_type == I:
        return [], []
    if header.slice_type == B:
        initial = _initial_b(header, references, order_count)
    else:
        initial = _initial_p(references), []
    first, second = (
        _modified(header, number, _of_size(pictures, header.num_ref_idx_active[number]), references)
        for number, pictures in enumerate(initial)
    )
    return first, second


def _of_size(pictures: ReferenceList, size: int) -> ReferenceList:
    """(#avc.8.2.4.2) Cut the list off, or fill it up with "no reference picture"."""
    return pictures[:size] + [None] * (size - len(pictures))


def _long_terms(references: Sequence[StoredPicture]) -> ReferenceList:
    pictures = [each for each in references if each.marking == LONG_TERM]
    return [*sorted(pictures, key=lambda each: each.long_term_frame_idx)]


def _initial_p(references: Sequence[StoredPicture]) -> ReferenceList:
    """(#avc.8.2.4.2.1) P slices: by falling PicNum, then long-term pictures."""
    short = [each for each in references if each.marking == SHORT_TERM]
    short.sort(key=lambda each: -each.frame_num_wrap)
    return [*short, *_long_terms(references)]


def _initial_b(
    header: SliceHeader, references: Sequence[StoredPicture], order_count: int
) -> tuple[ReferenceList, ReferenceList]:
    """(#avc.8.2.4.2.3) B slices: by distance before and after, or after and before, then long-term
    pictures. Non-existing frames have no order count with type 0 and are left out."""
    counted = header.parameters.sequence["pic_order_cnt_type"] != 0
    short = [
        each for each in references if each.marking == SHORT_TERM and (each.existing or counted)
    ]
    short.sort(key=lambda each: each.order_count)
    before = [each for each in short if each.order_count < order_count][::-1]
    after = [each for each in short if each.order_count >= order_count]
    long_terms = _long_terms(references)
    first: ReferenceList = [*before, *after, *long_terms]
    second: ReferenceList = [*after, *before, *long_terms]
    if len(second) > 1 and first == second:
        second[0], second[1] = second[1], second[0]
    return first, second


def _modified(
    header: SliceHeader,
    number: int,
    pictures: ReferenceList,
    references: Sequence[StoredPicture],
) -> ReferenceList:
    """(#avc.8.2.4.3) Apply the modifications of list `number` to the initial list."""
    operations = header.modifications[number]
    if not operations:
        return pictures
    size = len(pictures)
    max_pic_num = header.parameters.sequence.max_frame_num
    predicted = header.frame_num
    for place, operation in enumerate(operations):
        if operation.operation == 2:
            picture = _find(references, LONG_TERM, operation.value)
        else:
            # 8.2.4.3.1: picNumLXNoWrap
            step = operation.value + 1
            predicted += step if operation.operation == 1 else -step
            predicted %= max_pic_num
            number_wanted = predicted - (max_pic_num if predicted > header.frame_num else 0)
            picture = _find(references, SHORT_TERM, number_wanted)
        if picture is None:
            raise _missing(operation)
        rest = [each for each in pictures[place:] if each is not picture]
        pictures = [*pictures[:place], picture, *rest][:size]
    return pictures


def _find(references: Sequence[StoredPicture], marking: int, number: int) -> StoredPicture | None:
    """Return the picture with PicNum or LongTermPicNum `number`."""
    for picture in references:
        if picture.marking == marking and number == (
            picture.frame_num_wrap if marking == SHORT_TERM else picture.long_term_frame_idx
        ):
            return picture
    return None


def _missing(operation: ListModification) -> errors.HypError:
    element = "long_term_pic_num" if operation.operation == 2 else "abs_diff_pic_num_minus1"
    return errors.error("HYP-E-AVC-06", element=element, value=operation.value)
