"""The injected I_PCM IDR: equal to its plain counterpart, and what an H.264 decoder makes of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.generators import tiny_stream
from refcodec import errors
from refcodec.avc.access_units import avc_configuration, to_annex_b, to_avcc
from refcodec.avc.bit_writer import BitWriter
from refcodec.avc.injection import injected_idr
from refcodec.avc.nal import add_emulation_prevention, remove_emulation_prevention
from refcodec.avc.parameter_sets import (
    ParameterSets,
    PictureParameterSet,
    SequenceParameterSet,
    parse_parameter_sets,
)
from refcodec.container import Segment, open_reader
from refcodec.libav_frames import frame_to_picture
from refcodec.picture import Picture
from spec.model import injection as plain

SPS = SequenceParameterSet(
    seq_parameter_set_id=0,
    level_idc=30,
    log2_max_frame_num=4,
    pic_order_cnt_type=0,
    log2_max_pic_order_cnt_lsb=6,
    max_num_ref_frames=4,
    pic_width_in_mbs=2,
    pic_height_in_mbs=1,
    crop_right=0,
    crop_bottom=0,
)


def random_picture(seed: int, width: int, height: int, limit: int = 256) -> Picture:
    rng = np.random.default_rng(seed)
    sizes = ((height, width), (height // 2, width // 2), (height // 2, width // 2))
    return Picture(*(rng.integers(0, limit, size, np.uint8) for size in sizes))


def real_stream(path: Path, width: int, height: int) -> tuple[ParameterSets, Segment]:
    """Parameter sets and first segment that x264 (with CABAC) makes at a size."""
    tiny_stream.build(path, width=width, height=height, segments=1, pictures=5)
    with open_reader(path) as reader:
        segment = next(iter(reader.segments()))
        return parse_parameter_sets(reader.sequence_header.parameter_sets), segment


def decoded(units: list[list[bytes]]) -> list[tuple[int, Picture]]:
    """Decode access units by libavcodec; numbers of access units with pictures, in output order."""
    context: Any = av.CodecContext.create("h264", "r")
    frames = []
    for number, unit in enumerate(units):
        packet = av.Packet(to_annex_b(unit))
        packet.pts = packet.dts = number
        frames += context.decode(packet)
    frames += context.decode(None)
    result = []
    for frame in frames:
        result.append((frame.pts, frame_to_picture(frame)))
    return result


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    limit=st.sampled_from([1, 2, 4, 256]),
    width=st.integers(1, 3),
    height=st.integers(1, 3),
    idr_pic_id=st.sampled_from([0, 1, 65535]),
    order=st.sampled_from([(0, 4), (0, 16), (2, 0)]),
    frame_num=st.integers(4, 16),
    used=st.sampled_from([[0], [0, 1, 2], [1], [2, 0], list(range(255))]),
    sps_id=st.integers(0, 31),
)
def test_equals_the_plain_counterpart(
    seed: int,
    limit: int,
    width: int,
    height: int,
    idr_pic_id: int,
    order: tuple[int, int],
    frame_num: int,
    used: list[int],
    sps_id: int,
) -> None:
    sps = replace(
        SPS,
        seq_parameter_set_id=sps_id,
        log2_max_frame_num=frame_num,
        pic_order_cnt_type=order[0],
        log2_max_pic_order_cnt_lsb=order[1],
        pic_width_in_mbs=width,
        pic_height_in_mbs=height,
    )
    picture = random_picture(seed, 16 * width, 16 * height, limit)
    pps_list = [PictureParameterSet(pps_id, sps_id, 1) for pps_id in used]
    expected = plain.injected_idr(
        *(plane.tolist() for plane in picture.planes), sps_id, frame_num, *order, used, idr_pic_id
    )
    assert injected_idr(picture, sps, pps_list, idr_pic_id) == [bytes(unit) for unit in expected]


@pytest.mark.parametrize("limit", [1, 2, 4, 256])
@pytest.mark.parametrize("size", [(16, 16), (64, 48), (50, 38)])
def test_libavcodec_returns_the_planes(tmp_path: Path, size: tuple[int, int], limit: int) -> None:
    sets, segment = real_stream(tmp_path / "s.hyp", *size)
    sps = sets.sps
    picture = random_picture(1, 16 * sps.pic_width_in_mbs, 16 * sps.pic_height_in_mbs, limit)
    idr = injected_idr(picture, sps, sets.pps_list, 1)
    if limit < 4:
        assert b"\0\0\3" in idr[1]
    assert sets.pps_list[0].entropy_coding_mode_flag == 1
    inter = [list(map(bytes, unit.nal_units)) for unit in segment.access_units]
    pictures = decoded([[*sets.nal_units, *idr], *inter])
    width, height = size
    shown = [p[: height // s, : width // s] for p, s in zip(picture.planes, (1, 2, 2), strict=True)]
    number, first = pictures[0]
    assert number == 0
    assert all(np.array_equal(a, b) for a, b in zip(first.planes, shown, strict=True))
    assert sorted(number for number, _ in pictures) == list(range(6))


def test_pictures_above_depend_on_the_injected_one(tmp_path: Path) -> None:
    sets, segment = real_stream(tmp_path / "s.hyp", 32, 32)
    inter = [list(map(bytes, unit.nal_units)) for unit in segment.access_units]
    last = []
    for seed in (1, 2):
        idr = injected_idr(random_picture(seed, 32, 32), sets.sps, sets.pps_list, 0)
        last.append(decoded([[*sets.nal_units, *idr], *inter])[-1][1])
    assert not last[0].same_as(last[1])


@given(st.lists(st.sampled_from([0, 0, 0, 1, 2, 3, 4, 255]), max_size=60).map(bytes))
def test_emulation_prevention_is_undone(rbsp: bytes) -> None:
    unit = add_emulation_prevention(rbsp)
    assert remove_emulation_prevention(unit) == rbsp
    assert all(code not in unit for code in (b"\0\0\0", b"\0\0\1", b"\0\0\2"))
    assert bytes(plain.nal_unit(3, 5, list(rbsp))[1:]) == unit


def test_all_parameter_set_ids_used() -> None:
    used = [PictureParameterSet(pps_id, 0, 1) for pps_id in range(256)]
    with pytest.raises(errors.CLASSES["HYP-E-INJ-01"]):
        injected_idr(random_picture(0, 32, 16), SPS, used, 0)


def test_picture_of_another_size() -> None:
    with pytest.raises(errors.CLASSES["HYP-E-INJ-02"]):
        injected_idr(random_picture(0, 16, 16), SPS, [], 0)


def test_signed_exp_golomb_codes() -> None:
    bits = BitWriter()
    for value in (0, 1, -1, 2):
        bits.se(value)
    assert bits.bit_length == 12
    with pytest.raises(ValueError, match="whole bytes"):
        bits.to_bytes()
    with pytest.raises(ValueError, match="fit"):
        bits.u(3, 8)
    bits.trailing_bits()
    assert bits.to_bytes() == bytes([0b10100110, 0b01001000])


def test_lengths_and_configuration_record() -> None:
    assert to_avcc([b"ab", b"c"]) == b"\0\0\0\2ab\0\0\0\1c"
    record = avc_configuration(b"\x67\x64\x00\x1f", [b"\x68\x01"])
    assert record.startswith(
        b"\x01\x64\x00\x1f\xff\xe1\x00\x04\x67\x64\x00\x1f\x01\x00\x02\x68\x01"
    )
    # that of profiles without a chroma format is without it, too
    shorter = avc_configuration(b"\x67\x42\x00\x1f", [b"\x68\x01"])
    assert shorter == record[:-4].replace(b"\x64", b"\x42")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda sets: sets[:1], "HYP-E-SEQ-14"),
        (lambda sets: sets[::-1], "HYP-E-SEQ-14"),
        (lambda sets: [sets[0], sets[1], sets[1]], "HYP-E-SEQ-14"),
        (lambda sets: [sets[0][:6], sets[1]], "HYP-E-SEQ-14"),
        (lambda sets: [sets[0], bytes([0x68, 0xFF])], "HYP-E-SEQ-14"),
        (lambda sets: [bytes([0x67, 66, *sets[0][2:]]), sets[1]], "HYP-E-SEQ-1"),
    ],
)
def test_unusable_parameter_sets(tmp_path: Path, change: Any, error: str) -> None:
    sets, _ = real_stream(tmp_path / "s.hyp", 32, 32)
    with pytest.raises(errors.HypError) as caught:
        parse_parameter_sets(change(list(sets.nal_units)))
    assert caught.value.id.startswith(error)
