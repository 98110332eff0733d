"""Parts of the H.264 decoder's control by hand: order counts, scaling lists, buffer sizes, where
pictures begin."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from refcodec import errors
from refcodec.avc import scaling_matrices as scaling
from refcodec.avc.access_unit_detection import begins_picture, ends_picture
from refcodec.avc.active_parameters import (
    UNSUPPORTED_SEQUENCES,
    PictureParameters,
    SequenceParameters,
)
from refcodec.avc.order_count import OrderCounter
from refcodec.avc.picture_buffer import PictureBuffer
from refcodec.avc.reference_lists import number_pictures, reference_lists
from refcodec.avc.reference_marking import ReferenceMarking
from refcodec.avc.slice_header import (
    ListModification,
    MemoryManagement,
    SliceHeader,
    injected_header,
)
from refcodec.avc.slice_table import P
from refcodec.avc.stored_picture import LONG_TERM, SHORT_TERM, UNUSED, StoredPicture
from refcodec.syntax import Structure

BASE = {
    "profile_idc": 100,
    "constraint_set3_flag": 0,
    "level_idc": 40,
    "max_num_ref_frames": 1,
    "log2_max_frame_num_minus4": 0,
    "pic_order_cnt_type": 0,
    "log2_max_pic_order_cnt_lsb_minus4": 0,
    "pic_width_in_mbs_minus1": 119,
    "pic_height_in_map_units_minus1": 67,
}


def sequence(**values: Any) -> SequenceParameters:
    structure = Structure()
    structure.update(BASE | values)
    return SequenceParameters(structure)


def header(parameters: SequenceParameters, **values: Any) -> SliceHeader:
    base = injected_header(PictureParameters(Structure(), parameters), 0)
    return replace(base, **({"idr": False} | values))


def test_order_counts_of_type_0_follow_the_wraps_of_their_low_bits() -> None:
    parameters = sequence()
    counter = OrderCounter(parameters)
    counts = [0, 6, 2, 4, 12, 18, 14, 16, 24, 22, 30]
    for number, count in enumerate(counts):
        each = header(parameters, idr=number == 0, pic_order_cnt_lsb=count % 16, nal_ref_idc=1)
        assert counter.decode(each) == (count, count)
    counter.restart(0)
    each = header(parameters, pic_order_cnt_lsb=2, delta_pic_order_cnt_bottom=1)
    assert counter.decode(each) == (2, 3)


def test_order_counts_of_type_1_follow_the_cycle() -> None:
    parameters = sequence(
        pic_order_cnt_type=1,
        offset_for_ref_frame=[4, 8],
        offset_for_non_ref_pic=-3,
        offset_for_top_to_bottom_field=1,
    )
    counter = OrderCounter(parameters)
    rows = [(0, True, 0), (1, True, 4), (2, True, 12), (3, False, 9), (3, True, 16), (15, True, 88)]
    for number, (frame_num, reference, top) in enumerate(rows):
        each = header(parameters, idr=number == 0, frame_num=frame_num, nal_ref_idc=int(reference))
        assert counter.decode(each) == (top, top + 1)
    wrapped = header(parameters, frame_num=0, delta_pic_order_cnt=(2, 5))
    assert counter.decode(wrapped) == (98, 104)
    assert counter.decode_non_existing(1) == 100


def test_order_counts_of_type_2_are_those_of_decoding() -> None:
    parameters = sequence(pic_order_cnt_type=2)
    counter = OrderCounter(parameters)
    rows = [(0, 1, 0), (1, 0, 1), (1, 1, 2), (15, 1, 30), (0, 1, 32), (1, 0, 33)]
    for number, (frame_num, reference, count) in enumerate(rows):
        each = header(parameters, idr=number == 0, frame_num=frame_num, nal_ref_idc=reference)
        assert counter.decode(each) == (count, count)
    assert counter.decode_non_existing(2) == 36
    counter.restart(0)
    assert counter.decode(header(parameters, frame_num=1)) == (2, 2)


def entry(values: list[int] | None, default: bool = False) -> Structure:
    result = Structure()
    result["scaling_list_present_flag"] = int(values is not None or default)
    body = Structure()
    body.derived = {"UseDefaultScalingMatrixFlag": int(default), "ScalingList": values}
    result["scaling_list"] = body
    return result


def lists(present: int, entries: list[Structure], kind: str) -> Structure:
    result = Structure()
    result[f"{kind}_scaling_matrix_present_flag"] = present
    result["scaling_list_entry"] = list(entries)
    return result


def test_scaling_lists_fall_back_by_rules_a_and_b() -> None:
    own = [20] * 16
    flat = scaling.scaling_matrices(lists(0, [], "seq"), lists(0, [], "pic"))
    assert (flat.matrix4x4 == 16).all()
    assert (flat.matrix8x8 == 16).all()
    absent = entry(None)
    sps = lists(1, [absent, entry(own), absent, absent, absent, absent, entry([9] * 64)], "seq")
    by_a = scaling.scaling_matrices(sps, lists(0, [], "pic"))
    assert by_a.matrix4x4[0, 0] == 6
    assert by_a.matrix4x4[0, 15] == 42
    assert (by_a.matrix4x4[1:3] == 20).all()
    assert by_a.matrix4x4[3:, 0].tolist() == [10] * 3
    assert (by_a.matrix8x8[0] == 9).all()
    assert by_a.matrix8x8[1, [0, 63]].tolist() == [9, 35]
    pps = lists(1, [absent, absent, entry(None, default=True), entry(own)], "pic")
    by_b = scaling.scaling_matrices(sps, pps)
    assert np.array_equal(by_b.matrix4x4[0], by_a.matrix4x4[0])
    assert np.array_equal(by_b.matrix4x4[1], by_a.matrix4x4[0])
    assert by_b.matrix4x4[2, 15] == 42
    assert (by_b.matrix4x4[3:] == 20).all()
    assert (by_b.matrix8x8[0] == 9).all()
    without = scaling.scaling_matrices(lists(0, [], "seq"), pps)
    assert without.matrix8x8[0, [0, 1, 63]].tolist() == [6, 10, 42]
    # Default_8x8 lists are symmetric matrices.
    for matrix in without.matrix8x8.reshape(2, 8, 8):
        assert np.array_equal(matrix, matrix.T)


@pytest.mark.parametrize(
    ("values", "frames", "reorder"),
    [
        ({}, 4, 4),
        ({"level_idc": 51}, 16, 16),
        ({"level_idc": 10}, 1, 1),
        ({"level_idc": 99}, 16, 16),
        ({"max_num_ref_frames": 6}, 6, 6),
        ({"constraint_set3_flag": 1}, 1, 0),
        ({"pic_order_cnt_type": 2}, 4, 0),
        (
            {
                "level_idc": 11,
                "profile_idc": 66,
                "constraint_set3_flag": 1,
                "pic_width_in_mbs_minus1": 10,
                "pic_height_in_map_units_minus1": 8,
            },
            4,
            4,
        ),
    ],
)
def test_buffer_sizes_follow_the_level(values: dict[str, Any], frames: int, reorder: int) -> None:
    parameters = sequence(**values)
    assert (parameters.dpb_frames, parameters.reorder_frames) == (frames, reorder)


def test_pictures_are_output_when_the_buffer_is_full() -> None:
    buffer = PictureBuffer(sequence(level_idc=32))  # two frames
    counts = [(0, True), (8, True), (2, False), (4, False), (6, False)]
    output = []
    for number, (count, reference) in enumerate(counts):
        picture = StoredPicture(number, None, number, number, count, waiting=True)
        picture.marking = SHORT_TERM if reference else 0
        output.append([each.order_count for each in buffer.store(picture)])
    # Two reference pictures fill the buffer, so the others go out at once.
    assert output == [[], [], [0, 2], [4], [6]]
    assert [each.order_count for each in buffer.flush()] == [8]
    assert len(buffer.references) == 2
    buffer.drop()
    assert not buffer.pictures


def test_slices_of_one_picture_agree() -> None:
    first = header(sequence(), frame_num=3, nal_ref_idc=2, pic_order_cnt_lsb=6)
    same = replace(first, first_mb=4, nal_ref_idc=1, slice_type=0)
    assert not begins_picture(same, first)
    for change in (
        {"frame_num": 4},
        {"nal_ref_idc": 0},
        {"idr": True},
        {"idr_pic_id": 1},
        {"pic_order_cnt_lsb": 8},
        {"delta_pic_order_cnt_bottom": 1},
        {"delta_pic_order_cnt": (0, 1)},
        {"parameters": PictureParameters(Structure(), sequence())},
    ):
        changes: dict[str, Any] = change
        assert begins_picture(replace(same, **changes), first)
    assert [kind for kind in range(32) if ends_picture(kind)] == [
        6,
        7,
        8,
        9,
        10,
        11,
        *range(14, 19),
    ]


def test_operation_5_is_seen() -> None:
    assert not header(sequence()).has_mmco5
    assert header(sequence(), marking=(MemoryManagement(1), MemoryManagement(5))).has_mmco5


def stored(frame_num: int, marking: int = SHORT_TERM, index: int = -1) -> StoredPicture:
    """Return a reference picture; `index` is its LongTermFrameIdx."""
    picture = StoredPicture(frame_num, None, frame_num, frame_num, 2 * frame_num, marking)
    picture.long_term_frame_idx = index
    return picture


@pytest.mark.parametrize(
    ("operation", "value", "element"),
    [(0, 3, "abs_diff_pic_num_minus1"), (2, 1, "long_term_pic_num")],
)
def test_lists_name_pictures_that_are_there(operation: int, value: int, element: str) -> None:
    each = header(
        sequence(),
        slice_type=P,
        frame_num=3,
        num_ref_idx_active=(2, 0),
        modifications=((ListModification(operation, value),), ()),
    )
    references = [stored(1), stored(2), stored(0, LONG_TERM, 0)]
    number_pictures(references, 3, 16)
    with pytest.raises(errors.CLASSES["HYP-E-AVC-06"]) as caught:
        reference_lists(each, references, 6)
    assert caught.value.element == element


@pytest.mark.parametrize(
    ("operations", "error", "element"),
    [
        ([MemoryManagement(1, 3)], "HYP-E-AVC-06", "difference_of_pic_nums_minus1"),
        ([MemoryManagement(2, long_term_pic_num=1)], "HYP-E-AVC-06", "long_term_pic_num"),
        ([MemoryManagement(6, long_term_frame_idx=1)], "HYP-E-AVC-08", "long_term_frame_idx"),
        ([MemoryManagement(3, 0, 0, 7)], "HYP-E-AVC-08", "long_term_frame_idx"),
        ([], "HYP-E-AVC-08", "memory_management_control_operation"),
    ],
)
def test_marking_names_pictures_that_are_there_and_leaves_room(
    operations: list[MemoryManagement], error: str, element: str
) -> None:
    marking = ReferenceMarking(2)
    long_term = stored(0, LONG_TERM)
    marking.mark(header(sequence(), idr=True, long_term_reference=True), long_term, [])
    assert (long_term.marking, long_term.long_term_frame_idx) == (LONG_TERM, 0)
    references = [long_term, stored(1)]
    number_pictures(references, 2, 16)
    with pytest.raises(errors.CLASSES[error]) as caught:
        marking.mark(
            header(sequence(), frame_num=2, marking=tuple(operations)), stored(2), references
        )
    assert caught.value.element == element


def test_long_term_pictures_leave_no_room_to_slide() -> None:
    marking = ReferenceMarking(1)
    long_term = stored(0)
    marking.mark(header(sequence(), idr=True, long_term_reference=True), long_term, [])
    with pytest.raises(errors.CLASSES["HYP-E-AVC-08"]):
        marking.slide([long_term])


def test_operations_4_and_5_unmark_pictures() -> None:
    marking = ReferenceMarking(4)
    first, second = stored(0), stored(1)
    marking.mark(header(sequence(), idr=True, long_term_reference=True), first, [])
    fewer = MemoryManagement(4, max_long_term_frame_idx_plus1=0)
    marking.mark(header(sequence(), frame_num=1, marking=(fewer,)), second, [first])
    assert (first.marking, second.marking) == (UNUSED, SHORT_TERM)
    third = stored(2)
    marking.mark(header(sequence(), frame_num=2, marking=(MemoryManagement(5),)), third, [second])
    assert (second.marking, third.marking) == (UNUSED, SHORT_TERM)


def test_frames_left_out_have_no_order_count_of_type_0() -> None:
    assert OrderCounter(sequence()).decode_non_existing(3) == 0


def test_cropping_leaves_a_picture() -> None:
    values = {element: value for element, value, _ in UNSUPPORTED_SEQUENCES}
    sides = {f"frame_crop_{side}_offset": 0 for side in ("left", "top", "right", "bottom")}
    sequence(**values, **sides).check()
    for side in sides:
        with pytest.raises(errors.CLASSES["HYP-E-AVC-08"]):
            sequence(**values, **(sides | {side: 1000})).check()
