"""The H.264 decoder's control: what it refuses, what damage costs, what it gives out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from refcodec import errors, syntax
from refcodec.avc.access_units import to_annex_b
from refcodec.avc.coded_sequence import pictures_in_the_works
from refcodec.avc.frame_slots import SlotPool
from refcodec.avc.injection import injected_idr
from refcodec.avc.known_parameter_sets import KnownParameterSets
from refcodec.avc.loss import Loss
from refcodec.avc.nal import add_emulation_prevention, nal_units, remove_emulation_prevention
from refcodec.avc.parameter_sets import (
    avc_syntax,
    parse_parameter_sets,
    parse_picture_parameter_set,
    parse_sequence_parameter_set,
)
from refcodec.avc.picture_decoding import PictureDecoding
from refcodec.avc.slice_header import injected_header
from refcodec.avc.slice_table import B
from refcodec.avc.stream_decoder import AvcDecoder, OutputPicture
from refcodec.decoder.libav_substrate import frame_planes, open_context, packet_of
from refcodec.picture import Picture
from tests.unit.avc_slice_streams import encode, moving_pictures

SPS, PPS, SLICE, IDR = 7, 8, 1, 5
Units = list[list[bytes]]


def access_units(parameters: str, count: int = 8, width: int = 48, height: int = 48) -> Units:
    """Return the access units that x264 makes, as NAL units without SEI."""
    found: Units = []
    stream = encode(moving_pictures(width, height, count), parameters)
    sets: list[bytes] = []
    for unit in map(bytes, nal_units(stream)):
        kind = unit[0] & 31
        if kind in (SPS, PPS):
            sets.append(unit)
        elif kind in (SLICE, IDR):
            if unit[1] & 0x80:  # first_mb_in_slice is 0
                found.append(sets)
                sets = []
            found[-1].append(unit)
    return found


def decode(
    units: Sequence[Sequence[bytes]], **options: Any
) -> tuple[list[OutputPicture], list[Loss]]:
    decoder = AvcDecoder(**options)
    pictures: list[OutputPicture] = []
    for number, unit in enumerate(units):
        for nal_unit in unit:
            pictures += decoder.decode(nal_unit, number)
    pictures += decoder.flush()
    decoder.close()
    return pictures, decoder.losses


def by_libav(units: Sequence[Sequence[bytes]]) -> list[tuple[int, list[Any]]]:
    context = open_context(1)
    frames = []
    for number, unit in enumerate(units):
        frames += context.decode(packet_of(to_annex_b(unit), number))
    frames += context.decode(None)
    return [(frame.pts, [plane.copy() for plane in frame_planes(frame)]) for frame in frames]


def assert_same(pictures: list[OutputPicture], expected: list[tuple[int, list[Any]]]) -> None:
    assert [picture.number for picture in pictures] == [number for number, _ in expected]
    for picture, (number, planes) in zip(pictures, expected, strict=True):
        for ours, theirs in zip(picture.planes, planes, strict=True):
            assert np.array_equal(ours, theirs), f"access unit {number}"


def changed(nal_unit: bytes, structure: str, change: dict[str, Any], **params: Any) -> bytes:
    """Return a parameter set with other values of some elements."""
    tree = avc_syntax()
    values: Any = syntax.read(
        tree, structure, remove_emulation_prevention(nal_unit[1:]), params=params
    )
    target = values["seq_parameter_set_data"] if structure.startswith("seq") else values
    target.update(change)
    return nal_unit[:1] + add_emulation_prevention(
        syntax.write(tree, structure, values, params=params)
    )


def with_header(
    nal_unit: bytes, sets: list[bytes], change: dict[str, Any], new_sets: list[bytes] | None = None
) -> bytes:
    """Return a slice under CABAC with other values of some elements of its header, None for none,
    perhaps for other parameter sets. nal_ref_idc may be among the values."""
    tree = avc_syntax()

    def params(units: list[bytes], first: bytes) -> dict[str, Any]:
        sps: Any = syntax.read(
            tree, "seq_parameter_set_rbsp", remove_emulation_prevention(units[0][1:])
        )
        pps = syntax.read(
            tree,
            "pic_parameter_set_rbsp",
            remove_emulation_prevention(units[1][1:]),
            params={"chroma_format_idc": 1},
        )
        nal = syntax.read(tree, "nal_unit_header", first)
        return {"nal": nal, "sps": sps["seq_parameter_set_data"], "pps": pps}

    rbsp = remove_emulation_prevention(nal_unit[1:])
    values: Any = syntax.read(tree, "slice_header", rbsp, params=params(sets, nal_unit[:1]))
    data = rbsp[(values.bit_length + 7) // 8 :]
    first = bytes([change.get("nal_ref_idc", nal_unit[0] >> 5) << 5 | nal_unit[0] & 31])
    for element, value in change.items():
        if value is None:
            values.pop(element, None)
        elif element != "nal_ref_idc":
            values[element] = value
    head, result = syntax.written(tree, "slice_header", values, params(new_sets or sets, first))
    ones = (1 << (-result.bit_length % 8)) - 1
    return first + add_emulation_prevention(head[:-1] + bytes([head[-1] | ones]) + data)


STREAM = "keyint=4:min-keyint=4:scenecut=0:bframes=0:ref=2"


@pytest.fixture(scope="module")
def stream() -> Units:
    """Two coded video sequences of four pictures."""
    units = access_units(STREAM)
    kinds = [unit[-1][0] & 31 for unit in units]
    assert kinds == [IDR, SLICE, SLICE, SLICE] * 2
    return units


@pytest.mark.parametrize(
    "parameters",
    [
        STREAM,
        "bframes=3:b-pyramid=normal:ref=4:slices=3",
        "bframes=2:cabac=0:direct=temporal:weightb=1",
        "cqm=jvt:8x8dct=1:keyint=1",
        "bframes=0:open-gop=0:ref=1",
    ],
)
def test_streams_decode_as_libavcodec_says(parameters: str) -> None:
    units = access_units(parameters, count=10, width=50, height=38)
    pictures, losses = decode(units)
    assert not losses
    assert len(pictures) == len(units)
    assert_same(pictures, by_libav(units))


@pytest.mark.parametrize(
    ("change", "element"),
    [
        ({"frame_mbs_only_flag": 0, "mb_adaptive_frame_field_flag": 0}, "frame_mbs_only_flag"),
        ({"chroma_format_idc": 2}, "chroma_format_idc"),
        ({"bit_depth_luma_minus8": 2}, "bit_depth_luma_minus8"),
        ({"bit_depth_chroma_minus8": 1}, "bit_depth_chroma_minus8"),
        ({"qpprime_y_zero_transform_bypass_flag": 1}, "qpprime_y_zero_transform_bypass_flag"),
    ],
)
def test_unsupported_sequences_are_named(
    stream: Units, change: dict[str, Any], element: str
) -> None:
    sps = changed(stream[0][0], "seq_parameter_set_rbsp", change)
    pictures, losses = decode([[sps, *stream[0][1:]], *stream[1:4]])
    assert not pictures
    assert [(loss.number, loss.pictures) for loss in losses] == [(0, 4)]
    assert (losses[0].error.id, losses[0].error.element) == ("HYP-E-AVC-01", element)


def test_slice_groups_are_unsupported(stream: Units) -> None:
    change = {"num_slice_groups_minus1": 1, "slice_group_map_type": 1}
    pps = changed(stream[0][1], "pic_parameter_set_rbsp", change, chroma_format_idc=1)
    _, losses = decode([[stream[0][0], pps, stream[0][2]]])
    assert (losses[0].error.id, losses[0].error.element) == (
        "HYP-E-AVC-01",
        "num_slice_groups_minus1",
    )


def with_slice_type(nal_unit: bytes, code: str) -> bytes:
    """Return a slice of macroblock 0 and picture parameter set 0 that has another slice_type."""
    bits = f"{int.from_bytes(nal_unit[1:9], 'big'):064b}"
    zeros = bits[1:].index("1")
    head = "1" + code + bits[1 + 2 * zeros + 1 :]
    return nal_unit[:1] + int(head[:64].ljust(64, "0"), 2).to_bytes(8, "big") + nal_unit[9:]


@pytest.mark.parametrize("code", ["00100", "00101", "0001001", "0001010"])
def test_switching_slices_are_unsupported(stream: Units, code: str) -> None:
    _, losses = decode([[*stream[0][:2], with_slice_type(stream[0][2], code)]])
    assert (losses[0].error.id, losses[0].error.element) == ("HYP-E-AVC-01", "slice_type")


def test_data_partitions_are_unsupported(stream: Units) -> None:
    partition = bytes([stream[1][0][0] & 0xE0 | 2]) + stream[1][0][1:]
    pictures, losses = decode([stream[0], [partition], *stream[2:5]])
    assert [picture.number for picture in pictures] == [0, 4]
    assert (losses[0].number, losses[0].pictures) == (1, 3)
    assert (losses[0].error.id, losses[0].error.element) == ("HYP-E-AVC-01", "nal_unit_type")


def test_slices_out_of_order_are_unsupported() -> None:
    units = access_units("slices=3:keyint=1", count=2)
    sps, pps, first, second, third = units[0]
    _, losses = decode([[sps, pps, first, third, second]])
    assert (losses[0].error.id, losses[0].error.element) == ("HYP-E-AVC-01", "first_mb_in_slice")


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_missing_slice_costs_the_sequence(missing: int) -> None:
    units = access_units("slices=3:keyint=4:min-keyint=4:scenecut=0:bframes=0")
    damaged = [each for number, each in enumerate(units[1]) if number != missing]
    pictures, losses = decode([units[0], damaged, *units[2:]])
    assert [picture.number for picture in pictures] == [0, 4, 5, 6, 7]
    assert [(loss.number, loss.pictures, loss.error.id) for loss in losses] == [
        (1, 3, "HYP-E-AVC-05")
    ]
    whole, _ = decode(units)
    for picture in pictures:
        assert np.array_equal(picture.planes[0], whole[picture.number].planes[0])


def test_a_slice_that_comes_twice_is_an_error() -> None:
    units = access_units("slices=3:keyint=1", count=1)
    sps, pps, first, second, third = units[0]
    _, losses = decode([[sps, pps, first, second, second, third]])
    assert losses[0].error.id == "HYP-E-AVC-05"


def test_a_missing_reference_picture_is_noticed(stream: Units) -> None:
    pictures, losses = decode([*stream[:1], [], *stream[2:]])
    assert [picture.number for picture in pictures] == [0, 4, 5, 6, 7]
    assert (losses[0].number, losses[0].pictures, losses[0].error.id) == (2, 2, "HYP-E-AVC-06")


def test_missing_parameter_sets_are_noticed(stream: Units) -> None:
    pictures, losses = decode([stream[0][2:], *stream[1:]])
    assert [picture.number for picture in pictures] == [4, 5, 6, 7]
    assert (losses[0].number, losses[0].pictures, losses[0].error.id) == (0, 4, "HYP-E-AVC-07")
    _, losses = decode([stream[0][1:]])
    assert losses[0].error.element == "seq_parameter_set_id"


def test_what_does_not_begin_with_an_idr_picture_is_lost(stream: Units) -> None:
    pictures, losses = decode([stream[0][:2], *stream[1:]])
    assert [picture.number for picture in pictures] == [4, 5, 6, 7]
    assert [(loss.number, loss.pictures) for loss in losses] == [(1, 3)]


@pytest.mark.parametrize("kept", [1, 2, 4, 9, 20])
def test_truncated_slices_cost_the_sequence(stream: Units, kept: int) -> None:
    pictures, losses = decode([stream[0], [stream[1][0][:kept]], *stream[2:]])
    assert [picture.number for picture in pictures] == [0, 4, 5, 6, 7]
    assert [(loss.number, loss.pictures) for loss in losses] == [(1, 3)]


def test_units_that_decoding_does_not_need_are_passed_over(stream: Units) -> None:
    extra = [b"", b"\x09\x10", b"\x06\x05\x01\x00\x80", b"\x0c\xff\x80", b"\x6e\x00", b"\x7f\x00"]
    padded = [[*extra[:3], *unit, *extra[3:]] for unit in stream]
    pictures, losses = decode([[*unit] for unit in padded])
    assert not losses
    assert_same(pictures, by_libav(stream))


def test_unused_damaged_sets_cost_their_access_unit_only_where_they_are(stream: Units) -> None:
    pictures, losses = decode([*stream[:2], [b"\x68\x00", *stream[2]], *stream[3:]])
    assert [picture.number for picture in pictures] == [0, 1, 4, 5, 6, 7]
    assert losses[0].error.id.startswith("HYP-E-SYN")


def test_another_sequence_parameter_set_begins_a_new_sequence(stream: Units) -> None:
    small = access_units(STREAM, count=4, width=32, height=34)
    units = [*stream[:4], *small, *stream[4:]]
    units[8] = [*stream[0][:2], *units[8]]
    pictures, losses = decode(units)
    assert not losses
    shapes = [picture.planes[0].shape for picture in pictures]
    assert shapes == [(48, 48)] * 4 + [(34, 32)] * 4 + [(48, 48)] * 4


def test_pictures_that_are_kept_do_not_change() -> None:
    units = access_units("keyint=infinite:bframes=2:ref=2", count=40)
    pictures, losses = decode(units)
    assert not losses
    assert_same(pictures, by_libav(units))


@pytest.mark.parametrize("threads", [1, 2])
def test_an_injected_picture_is_what_its_slice_would_be(threads: int) -> None:
    units = access_units("keyint=infinite:bframes=2:ref=3", count=8)
    sps = parse_sequence_parameter_set(units[0][0])
    pps = parse_picture_parameter_set(units[0][1])
    random = np.random.default_rng(5)
    planes = (random.integers(0, 256, size, np.uint8) for size in ((48, 48), (24, 24), (24, 24)))
    generated = Picture(*planes)
    injected = injected_idr(generated, sps, [pps], 0)
    expected, losses = decode([[*units[0][:2], *injected], *units[1:]])
    assert not losses
    decoder = AvcDecoder(threads=threads)
    pictures: list[OutputPicture] = []
    for nal_unit in units[0][:2]:
        pictures += decoder.decode(nal_unit, 0)
    pictures += decoder.inject(generated, sps.seq_parameter_set_id, 0, 0)
    for number, unit in enumerate(units[1:], 1):
        for nal_unit in unit:
            pictures += decoder.decode(nal_unit, number)
        pictures += decoder.end_access_unit()
    pictures += decoder.flush()
    decoder.close()
    assert not decoder.losses
    assert_same(pictures, [(each.number, list(each.planes)) for each in expected[1:]])


def test_an_injected_picture_needs_the_right_size_and_parameter_sets(stream: Units) -> None:
    flat = Picture(*(np.zeros(size, np.uint8) for size in ((16, 16), (8, 8), (8, 8))))
    decoder = AvcDecoder()
    assert not decoder.inject(flat, 0, 0, 0)
    for nal_unit in stream[0][:2]:
        decoder.decode(nal_unit, 1)
    assert not decoder.inject(flat, 0, 0, 1)
    assert [loss.error.id for loss in decoder.losses] == ["HYP-E-AVC-07", "HYP-E-INJ-02"]


def test_details_tell_how_a_picture_was_coded() -> None:
    units = access_units("bframes=1:slices=2:keyint=infinite", count=6)
    pictures, _ = decode(units, details=True, threads=2)
    kinds = set()
    for picture in pictures:
        details = picture.details
        assert details is not None
        assert details.slice_count == len(details.headers) == 2
        assert (details.info.slice_table >= 0).all()
        kinds.add(details.headers[0].slice_type)
        used = details.info.motion.ref_picture[details.info.motion.ref_picture >= 0]
        assert set(used) <= {other.identity for other in pictures} - {picture.identity}
    assert kinds == {0, 1, 2}


def test_pictures_beyond_the_memory_granted_are_refused(stream: Units) -> None:
    change = {"pic_width_in_mbs_minus1": 1054, "pic_height_in_map_units_minus1": 1054}
    sps = changed(stream[0][0], "seq_parameter_set_rbsp", change)
    for unit, options in (([sps, *stream[0][1:]], {}), (stream[0], {"memory": 10_000})):
        pictures, losses = decode([unit], **options)
        assert not pictures
        assert losses[0].error.id == "HYP-E-LVL-09"


MODIFICATION = {"modification_of_pic_nums_idc": 0, "abs_diff_pic_num_minus1": 0}
CONTRADICTIONS: dict[str, tuple[int, dict[str, Any]]] = {
    "first_mb_in_slice": (1, {"first_mb_in_slice": 9}),
    "slice_qp_delta": (1, {"slice_qp_delta": 60}),
    "num_ref_idx_l0_active_minus1": (
        1,
        {"num_ref_idx_active_override_flag": 1, "num_ref_idx_l0_active_minus1": 16},
    ),
    "list_modification_l0": (
        1,
        {
            "ref_pic_list_modification": {
                "ref_pic_list_modification_flag_l0": 1,
                "list_modification_l0": [MODIFICATION] * 3 + [{"modification_of_pic_nums_idc": 3}],
            }
        },
    ),
    "nal_ref_idc": (0, {"nal_ref_idc": 0, "dec_ref_pic_marking": None}),
    "frame_num": (0, {"frame_num": 1}),
    "slice_type": (
        0,
        {
            "slice_type": 5,
            "num_ref_idx_active_override_flag": 0,
            "cabac_init_idc": 0,
            "ref_pic_list_modification": {"ref_pic_list_modification_flag_l0": 0},
        },
    ),
}


@pytest.mark.parametrize("element", CONTRADICTIONS)
def test_headers_that_contradict_themselves_are_refused(element: str) -> None:
    number, change = CONTRADICTIONS[element]
    units = access_units(f"{STREAM}:weightp=0", count=2)
    units[number][-1] = with_header(units[number][-1], units[0][:2], change)
    _, losses = decode(units)
    assert [(loss.number, loss.error.id) for loss in losses] == [(number, "HYP-E-AVC-08")]
    assert losses[0].error.element == element


def test_redundant_slices_are_unsupported(stream: Units) -> None:
    sps, pps, idr = stream[0]
    change = {"redundant_pic_cnt_present_flag": 1}
    other = changed(pps, "pic_parameter_set_rbsp", change, chroma_format_idc=1)
    primary, redundant = (
        with_header(idr, [sps, pps], {"redundant_pic_cnt": count}, [sps, other]) for count in (0, 1)
    )
    pictures, losses = decode([[sps, other, primary], [redundant]])
    assert len(pictures) == 1
    assert (losses[0].error.id, losses[0].error.element) == ("HYP-E-AVC-01", "redundant_pic_cnt")


def test_lists_may_be_longer_than_there_are_pictures() -> None:
    """Nothing refers to the entries beyond them."""
    units = access_units("bframes=0:ref=3:weightp=0:keyint=infinite", count=4)
    change = {"num_ref_idx_active_override_flag": 1, "num_ref_idx_l0_active_minus1": 6}
    longer = [*units[:3], [with_header(units[3][0], units[0][:2], change)]]
    pictures, losses = decode(longer)
    assert not losses
    assert_same(pictures, by_libav(units))


def test_b_slices_need_a_colocated_picture(stream: Units) -> None:
    sets = KnownParameterSets()
    sets.add_sequence_parameter_set(stream[0][0])
    sets.add_picture_parameter_set(stream[0][1])
    header = replace(injected_header(sets.picture(0), 0), slice_type=B, num_ref_idx_active=(1, 1))
    pool = SlotPool(header.parameters.sequence.geometry, 1)
    decoding = PictureDecoding(pool, [], pool.lease())
    with pytest.raises(errors.CLASSES["HYP-E-AVC-06"]):
        decoding.decode_slice(np.zeros(9, np.uint8), header, ([None], [None]), 0)


def test_pictures_of_one_access_unit_are_told_apart(stream: Units) -> None:
    pictures, losses = decode([stream[0], [*stream[1], *stream[2]], stream[3]])
    assert not losses
    assert [picture.number for picture in pictures] == [0, 1, 1, 2]
    parts = access_units("slices=3:keyint=4:min-keyint=4:scenecut=0:bframes=0", count=6)
    pictures, losses = decode([parts[0], [*parts[1][:2], *parts[2]], *parts[3:]])
    assert [picture.number for picture in pictures] == [0, 3, 4]
    assert [(loss.number, loss.pictures, loss.error.id) for loss in losses] == [
        (1, 2, "HYP-E-AVC-05")
    ]


def test_parameter_sets_outside_the_subset_are_named(stream: Units) -> None:
    sps, pps = stream[0][:2]
    for change, element in (
        ({"pic_order_cnt_type": 1}, "pic_order_cnt_type"),
        ({"frame_cropping_flag": 1, "frame_crop_right_offset": 24}, "frame_crop_right_offset"),
    ):
        cycle = {
            "delta_pic_order_always_zero_flag": 1,
            "offset_for_non_ref_pic": 0,
            "offset_for_top_to_bottom_field": 0,
            "num_ref_frames_in_pic_order_cnt_cycle": 0,
        }
        crop = {f"frame_crop_{side}_offset": 0 for side in ("left", "top", "bottom")}
        extra = cycle if element == "pic_order_cnt_type" else crop
        with pytest.raises(errors.CLASSES["HYP-E-SEQ-17"]) as caught:
            parse_parameter_sets([changed(sps, "seq_parameter_set_rbsp", extra | change), pps])
        assert caught.value.element == element
    other = changed(pps, "pic_parameter_set_rbsp", {"seq_parameter_set_id": 1}, chroma_format_idc=1)
    with pytest.raises(errors.CLASSES["HYP-E-SEQ-14"]) as caught:
        parse_parameter_sets([sps, other])
    assert caught.value.element == "seq_parameter_set_id"


def test_frame_numbers_of_reference_pictures_differ() -> None:
    stream = access_units(f"{STREAM}:weightp=0", count=3)
    same = with_header(stream[2][0], stream[0][:2], {"frame_num": 1})
    _, losses = decode([*stream[:2], [same]])
    assert [(loss.error.id, loss.error.element) for loss in losses] == [
        ("HYP-E-AVC-08", "frame_num")
    ]
    change = {"frame_num": 1, "nal_ref_idc": 0, "dec_ref_pic_marking": None}
    unused = with_header(stream[2][0], stream[0][:2], change)
    pictures, losses = decode([*stream[:2], [unused]])
    assert not losses
    assert len(pictures) == 3


def test_frames_in_a_gap_are_not_there_to_refer_to() -> None:
    units = access_units("bframes=0:ref=3:weightp=0:keyint=infinite", count=6)
    change = {"gaps_in_frame_num_value_allowed_flag": 1}
    units[0][0] = changed(units[0][0], "seq_parameter_set_rbsp", change)
    pictures, losses = decode([*units[:3], *units[4:]])
    assert len(pictures) == 3
    assert [(loss.number, loss.error.id, loss.error.element) for loss in losses] == [
        (3, "HYP-E-AVC-06", "ref_idx")
    ]


def test_memory_decides_how_many_pictures_may_be_in_the_works(stream: Units) -> None:
    sets = KnownParameterSets()
    sets.add_sequence_parameter_set(stream[0][0])
    sets.add_picture_parameter_set(stream[0][1])
    parameters = sets.picture(0).sequence
    choices = (12, 5)

    def needed(count: int) -> int:
        """Find by halving what a number of pictures takes."""
        low, high = 0, 1 << 32
        while high - low > 1:
            middle = (low + high) // 2
            try:
                pictures_in_the_works(parameters, (count,), middle)
                high = middle
            except errors.CLASSES["HYP-E-LVL-09"]:
                low = middle
        return high

    most, least = needed(12), needed(5)
    assert least < most
    assert pictures_in_the_works(parameters, choices, most) == 12
    assert pictures_in_the_works(parameters, choices, most - 1) == 5
    assert pictures_in_the_works(parameters, choices, least) == 5
    with pytest.raises(errors.CLASSES["HYP-E-LVL-09"]):
        pictures_in_the_works(parameters, choices, least - 1)
