"""Every rule between elements and units, broken once on purpose in a file that conforms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conformance.generators import tiny_stream
from refcodec import errors, syntax
from refcodec.avc.nal import add_emulation_prevention, remove_emulation_prevention
from refcodec.avc.parameter_sets import avc_syntax
from refcodec.container import (
    AccessUnit,
    End,
    Index,
    IndexEntry,
    Keyframe,
    Metadata,
    Pictures,
    SequenceHeader,
    TrackHeader,
    TrackPackets,
    Unit,
    open_reader,
)
from refcodec.container.structures import Content, serialise
from refcodec.container.units import SIGNATURE, build_unit
from refcodec.decoder import decode
from refcodec.generator import GeneratorModel
from refcodec.validation import ValidationReport, validate
from refcodec.validation.levels import LevelRules, limits

Contents = list[Content]


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> tuple[Contents, GeneratorModel, bytes]:
    """A tiny real file: a generated and a coded segment, an audio track."""
    path = tmp_path_factory.mktemp("validation") / "tiny.hyp"
    made = tiny_stream.build(path, seed=4, segments=2, generated=[True, False], audio=True)
    assert made.model is not None
    data = path.read_bytes()
    return [unit.content for unit in open_reader(data) if unit.content], made.model, data


def written(contents: Contents) -> bytes:
    """The file of `contents`, with index and end as the places of its units demand."""
    data = SIGNATURE
    entries: list[IndexEntry] = []
    pictures = 0
    for content in contents:
        if isinstance(content, Keyframe):
            entries.append(IndexEntry(len(data), content.segment_time))
            pictures += content.picture_count
        if isinstance(content, Index):
            index_offset = len(data)
            content = Index(tuple(entries))
        if isinstance(content, End):
            content = End(
                index_offset=index_offset,
                segment_count=len(entries),
                total_picture_count=pictures,
            )
        data += build_unit(*serialise(content))
    return data


def place(contents: Contents, kind: type, number: int = 0) -> int:
    return [at for at, content in enumerate(contents) if isinstance(content, kind)][number]


def changed(kind: type, number: int = 0, **values: Any) -> Callable[[Contents], Contents]:
    def apply(contents: Contents) -> Contents:
        at = place(contents, kind, number)
        return [*contents[:at], replace(contents[at], **values), *contents[at + 1 :]]

    return apply


def with_pictures(
    number: int, change: Callable[[AccessUnit, int], AccessUnit]
) -> Callable[[Contents], Contents]:
    def apply(contents: Contents) -> Contents:
        at = place(contents, Pictures, number)
        pictures = contents[at]
        assert isinstance(pictures, Pictures)
        units = tuple(change(unit, at) for at, unit in enumerate(pictures.access_units))
        return [*contents[:at], replace(pictures, access_units=units), *contents[at + 1 :]]

    return apply


def swapped_times(number: int) -> Callable[[Contents], Contents]:
    """Exchange the presentation offsets of two access units."""

    def apply(contents: Contents) -> Contents:
        pictures = contents[place(contents, Pictures, number)]
        assert isinstance(pictures, Pictures)
        offsets = [unit.presentation_offset for unit in pictures.access_units]
        offsets[1], offsets[2] = offsets[2], offsets[1]

        def change(unit: AccessUnit, at: int) -> AccessUnit:
            return replace(unit, presentation_offset=offsets[at])

        return with_pictures(number, change)(contents)

    return apply


def with_nal_header(byte: int, at: int = 1) -> Callable[[AccessUnit, int], AccessUnit]:
    def change(unit: AccessUnit, number: int) -> AccessUnit:
        if number != at:
            return unit
        first = bytes([byte]) + bytes(unit.nal_units[0][1:])
        return replace(unit, nal_units=(first, *unit.nal_units[1:]))

    return change


def with_offset(value: int, at: int) -> Callable[[AccessUnit, int], AccessUnit]:
    def change(unit: AccessUnit, number: int) -> AccessUnit:
        return replace(unit, presentation_offset=value) if number == at else unit

    return change


def with_slice(at: int, structure: str, **values: int) -> Callable[[Contents], Contents]:
    """Change elements of the slice header of access unit `at` of the generated segment."""

    def apply(contents: Contents) -> Contents:
        header = contents[0]
        assert isinstance(header, SequenceHeader)
        sps, pps = (
            remove_emulation_prevention(bytes(nal[1:])) for nal in header.parameter_sets[:2]
        )
        sets: Any = syntax.read(avc_syntax(), "seq_parameter_set_rbsp", sps)
        params: dict[str, object] = {
            "sps": sets["seq_parameter_set_data"],
            "pps": syntax.read(
                avc_syntax(), "pic_parameter_set_rbsp", pps, params={"chroma_format_idc": 1}
            ),
        }

        def change(unit: AccessUnit, number: int) -> AccessUnit:
            if number != at:
                return unit
            place = next(at for at, nal in enumerate(unit.nal_units) if nal[0] & 31 == 1)
            nal_unit = bytes(unit.nal_units[place])
            params["nal"] = syntax.read(avc_syntax(), "nal_unit_header", nal_unit[:1])
            given = params if structure == "slice_header" else {}
            rbsp = remove_emulation_prevention(nal_unit[1:])
            before = syntax.read(avc_syntax(), structure, rbsp, params=given)
            new = syntax.write(avc_syntax(), structure, {**before, **values}, params=given)
            size = syntax.read(avc_syntax(), structure, new, params=given).bit_length
            bits = bit_text(new)[:size] + bit_text(rbsp)[before.bit_length :]
            bits += "0" * (-len(bits) % 8)
            payload = int(bits, 2).to_bytes(len(bits) // 8)
            made = nal_unit[:1] + add_emulation_prevention(payload)
            others = unit.nal_units
            return replace(unit, nal_units=(*others[:place], made, *others[place + 1 :]))

        return with_pictures(0, change)(contents)

    return apply


def bit_text(data: bytes) -> str:
    return bin(int.from_bytes(b"\1" + data))[3:]


def with_sps(**values: int | None) -> Callable[[Contents], Contents]:
    def apply(contents: Contents) -> Contents:
        header = contents[0]
        assert isinstance(header, SequenceHeader)
        nal_unit = bytes(header.parameter_sets[0])
        rbsp = remove_emulation_prevention(nal_unit[1:])
        sps: Any = syntax.read(avc_syntax(), "seq_parameter_set_rbsp", rbsp)
        data = {**sps["seq_parameter_set_data"], **values}
        kept = {name: value for name, value in data.items() if value is not None}
        sps["seq_parameter_set_data"] = kept
        new = syntax.write(avc_syntax(), "seq_parameter_set_rbsp", sps)
        sets = (nal_unit[:1] + add_emulation_prevention(new), *header.parameter_sets[1:])
        return all_headers(parameter_sets=sets)(contents)

    return apply


def all_headers(**values: Any) -> Callable[[Contents], Contents]:
    def apply(contents: Contents) -> Contents:
        return [
            replace(content, **values) if isinstance(content, SequenceHeader) else content
            for content in contents
        ]

    return apply


def without(kind: type, number: int = 0) -> Callable[[Contents], Contents]:
    def apply(contents: Contents) -> Contents:
        at = place(contents, kind, number)
        return [*contents[:at], *contents[at + 1 :]]

    return apply


def again(kind: type, before: type, number: int = 0) -> Callable[[Contents], Contents]:
    def apply(contents: Contents) -> Contents:
        content = contents[place(contents, kind)]
        at = place(contents, before, number)
        return [*contents[:at], content, *contents[at:]]

    return apply


def long_metadata(contents: Contents) -> Contents:
    return [contents[0], Metadata((("title", "a"), ("title", "b"))), *contents[1:]]


def many_pictures(contents: Contents) -> Contents:
    """The generated segment again and again within a thousandth of a second."""
    at = place(contents, Keyframe)
    return (
        changed(Keyframe, 0, segment_duration=100)(all_headers(tick_denominator=10**9)(contents))[
            : at + 1
        ]
        + contents[at + 1 :]
    )


BREACHES: dict[str, list[Callable[[Contents], Contents]]] = {
    "HYP-FILE-020": [lambda c: [Metadata((("a", "b"),)), *c]],
    "HYP-FILE-021": [without(End)],
    "HYP-FILE-022": [lambda c: [*c, Metadata((("late", "b"),))]],
    "HYP-FILE-023": [lambda c: [x for x in c if not isinstance(x, Keyframe | Pictures)]],
    "HYP-FILE-024": [without(Keyframe), lambda c: [*c[:-1], c[place(c, TrackPackets)], c[-1]]],
    "HYP-SEQ-018": [all_headers(parameter_sets=(b"\x67abc", b"\x68\x00"))],
    "HYP-SEQ-020": [all_headers(coded_width=33)],
    "HYP-SEQ-021": [all_headers(coded_width=48), all_headers(coded_height=16)],
    "HYP-SEQ-022": [changed(SequenceHeader, 1, picture_duration=7)],
    "HYP-SEQ-023": [with_sps(profile_idc=110), with_sps(qpprime_y_zero_transform_bypass_flag=1)],
    "HYP-SEQ-024": [all_headers(matrix_coefficients=9), all_headers(full_range_flag=1)],
    "HYP-SEQ-014": [all_headers(generator_id=77)],
    "HYP-SEQ-015": [all_headers(model_digest=bytes(32))],
    "HYP-SEQ-019": [all_headers(restoration_gain=1, restoration_digest=bytes(32))],
    "HYP-AVC-001": [
        with_sps(
            pic_order_cnt_type=1,
            log2_max_pic_order_cnt_lsb_minus4=None,
            delta_pic_order_always_zero_flag=0,
            offset_for_non_ref_pic=0,
            offset_for_top_to_bottom_field=0,
            num_ref_frames_in_pic_order_cnt_cycle=0,
        )
    ],
    "HYP-AVC-002": [with_sps(gaps_in_frame_num_value_allowed_flag=1)],
    "HYP-AVC-003": [
        with_sps(
            frame_cropping_flag=1,
            frame_crop_left_offset=1,
            frame_crop_right_offset=0,
            frame_crop_top_offset=0,
            frame_crop_bottom_offset=0,
        )
    ],
    "HYP-AVC-004": [with_slice(0, "slice_header", pic_order_cnt_lsb=0)],
    "HYP-KF-007": [changed(Keyframe, 0, prompt_data=b"")],
    "HYP-KF-020": [changed(Keyframe, 1, segment_number=5), changed(Keyframe, 0, segment_number=1)],
    "HYP-KF-021": [changed(Keyframe, 1, segment_time=0)],
    "HYP-KF-022": [changed(Keyframe, 1, picture_count=9), without(Pictures, 1)],
    "HYP-KF-023": [all_headers(generator_id=0, model_digest=b"")],
    "HYP-KF-024": [changed(Keyframe, 0, prompt_data=bytes(400))],
    "HYP-KF-025": [changed(Keyframe, 0, segment_duration=2)],
    "HYP-KF-026": [changed(Keyframe, 1, prompt_scale_index=9)],
    "HYP-PIC-007": [with_pictures(0, with_nal_header(0x67))],
    "HYP-PIC-020": [changed(Pictures, 0, segment_number=1)],
    "HYP-PIC-021": [changed(Pictures, 0, first_access_unit=1)],
    "HYP-PIC-022": [changed(Keyframe, 0, picture_count=2)],
    "HYP-PIC-023": [with_pictures(0, with_offset(0, 1))],
    "HYP-PIC-024": [with_pictures(0, with_nal_header(0x65))],
    "HYP-PIC-025": [
        with_pictures(1, with_nal_header(0x65)),
        with_pictures(1, with_nal_header(0x41, 0)),
    ],
    "HYP-PIC-026": [
        with_slice(1, "slice_header_start", pic_parameter_set_id=9),
        with_slice(1, "slice_header_start", slice_type=3),
    ],
    "HYP-PIC-028": [swapped_times(0), swapped_times(1)],
    "HYP-PIC-027": [with_pictures(0, with_offset(3, 0))],
    "HYP-TRK-004": [changed(TrackHeader, 0, codec_name="a b")],
    "HYP-TRK-020": [without(TrackHeader)],
    "HYP-TRK-021": [again(TrackHeader, Keyframe)],
    "HYP-TRK-022": [lambda c: [*c[:-3], replace(_packets(c), packet_base_time=-5), *c[-3:]]],
    "HYP-META-020": [long_metadata],
    "HYP-IDX-021": [again(Index, Index)],
    "HYP-IDX-022": [lambda c: [*c[:-1], Metadata((("x", "y"),)), c[-1]]],
    "HYP-LVL-001": [all_headers(coded_width=3000)],
    "HYP-LVL-002": [all_headers(presentation_width=5000)],
    "HYP-LVL-003": [many_pictures],
    "HYP-LVL-004": [changed(Keyframe, 0, prompt_data=bytes(3 << 20))],
    "HYP-LVL-006": [changed(Keyframe, 0, prompt_data=bytes(1 << 17))],
    "HYP-LVL-007": [with_sps(level_idc=62)],
    "HYP-LVL-008": [
        changed(Keyframe, 1, picture_count=2000),
        changed(Keyframe, 1, segment_duration=10**4),
    ],
}


def _packets(contents: Contents) -> TrackPackets:
    content = contents[place(contents, TrackPackets)]
    assert isinstance(content, TrackPackets)
    return content


def cases() -> Iterator[Any]:
    for requirement, breaches in BREACHES.items():
        for number, breach in enumerate(breaches):
            yield pytest.param(requirement, breach, id=f"{requirement}-{number}")


def found(report: ValidationReport) -> set[str]:
    return {finding.requirement for finding in report}


def test_conforming_files_have_no_findings(stream: tuple[Contents, GeneratorModel, bytes]) -> None:
    contents, model, data = stream
    assert not validate(data, model=model)
    assert not validate(written(contents), model=model)


def with_last_bytes(segment: int, at: int, change: Callable[[bytes], bytes]) -> Any:
    """Change the slice of access unit `at` of a segment."""

    def apply(unit: AccessUnit, number: int) -> AccessUnit:
        if number != at:
            return unit
        return replace(unit, nal_units=(*unit.nal_units[:-1], change(bytes(unit.nal_units[-1]))))

    return with_pictures(segment, apply)


@pytest.mark.parametrize("segment", [0, 1])
@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda nal: nal[: len(nal) * 2 // 3], {"HYP-E-AVC-02", "HYP-E-AVC-03"}),
        (lambda nal: nal + bytes(range(7, 60)), {"HYP-E-AVC-04"}),
        (lambda nal: nal[:-3] + bytes([nal[-3] ^ 0x5A]) + nal[-2:], None),
    ],
    ids=["cut", "longer", "other bits"],
)
def test_slice_data_are_decoded(
    stream: tuple[Contents, GeneratorModel, bytes],
    segment: int,
    change: Callable[[bytes], bytes],
    error: set[str] | None,
) -> None:
    """What the decoder finds in slice data is a finding, and nothing else is."""
    contents, model, _ = stream
    data = written(with_last_bytes(segment, 2, change)(contents))
    report = validate(data, model=model)
    with decode(data, model=model, threads=1) as decoding:
        count = sum(1 for _ in decoding)
        lost = [loss.error.id for loss in decoding.report.losses]
    assert [finding.error.id for finding in report] == lost
    assert {finding.requirement for finding in report} <= {"HYP-AVC-005"}
    if error is not None:
        assert len(report) == 1 and report[0].error.id in error
    assert bool(report) == (count < 8)


def test_unreadable_slices_are_findings(stream: tuple[Contents, GeneratorModel, bytes]) -> None:
    contents, model, _ = stream
    for header in (0xC1, 0x85, 0xFF):
        broken = with_pictures(1, with_nal_header(header))(contents)
        assert found(validate(written(broken), model=model)) & {"HYP-PIC-026", "HYP-PIC-007"}


@pytest.mark.parametrize(("requirement", "breach"), list(cases()))
def test_each_breach_is_found_by_its_id(
    stream: tuple[Contents, GeneratorModel, bytes],
    requirement: str,
    breach: Callable[[Contents], Contents],
) -> None:
    contents, model, _ = stream
    report = validate(written(breach(contents)), model=model)
    assert requirement in found(report), found(report)
    finding = next(finding for finding in report if finding.requirement == requirement)
    assert finding.error.id == errors.requirements()[requirement]["error"]
    assert finding.bit_offset is not None and requirement in str(finding)


def units(data: bytes) -> list[Unit]:
    return list(open_reader(data))


@pytest.mark.parametrize(
    ("requirement", "damage"),
    [
        ("HYP-FILE-001", lambda d, u: b"x" + d[1:]),
        ("HYP-UNIT-001", lambda d, u: d[: u[2].offset] + b"??" + d[u[2].offset :]),
        ("HYP-UNIT-004", lambda d, u: d[: u[2].offset + 2] + b"\x77" + d[u[2].offset + 3 :]),
        (
            "HYP-UNIT-005",
            lambda d, u: d[: u[2].end - 1] + bytes([d[u[2].end - 1] ^ 1]) + d[u[2].end :],
        ),
        ("HYP-UNIT-020", lambda d, u: d[:-2]),
        ("HYP-IDX-020", lambda d, u: swapped(d, u, Index, Index(()))),
        (
            "HYP-END-001",
            lambda d, u: swapped(
                d, u, End, End(index_offset=9, segment_count=2, total_picture_count=8)
            ),
        ),
        (
            "HYP-END-002",
            lambda d, u: swapped(
                d, u, End, End(index_offset=9, segment_count=3, total_picture_count=8)
            ),
        ),
        (
            "HYP-END-003",
            lambda d, u: swapped(
                d, u, End, End(index_offset=9, segment_count=2, total_picture_count=9)
            ),
        ),
    ],
)
def test_each_damage_is_found_by_its_id(
    stream: tuple[Contents, GeneratorModel, bytes],
    requirement: str,
    damage: Callable[[bytes, list[Unit]], bytes],
) -> None:
    _, model, data = stream
    assert requirement in found(validate(damage(data, units(data)), model=model))


def swapped(data: bytes, all_units: list[Unit], kind: type, content: Content) -> bytes:
    unit = next(unit for unit in all_units if isinstance(unit.content, kind))
    return data[: unit.offset] + build_unit(*serialise(content)) + data[unit.end :]


def test_nothing_stops_at_the_first_finding(
    stream: tuple[Contents, GeneratorModel, bytes], tmp_path: Path
) -> None:
    contents, model, _ = stream
    broken = changed(Keyframe, 1, segment_time=0)(contents)
    broken = with_pictures(0, with_nal_header(0x65))(all_headers(matrix_coefficients=9)(broken))
    path = tmp_path / "broken.hyp"
    path.write_bytes(written(broken))
    report = validate(path, model=model)
    assert {"HYP-KF-021", "HYP-PIC-024", "HYP-SEQ-024"} <= found(report)
    assert not report.conforming and report.total == len(report)
    places = [finding.bit_offset for finding in report]
    assert places == sorted(places, key=lambda place: place or 0)
    assert all(finding.as_dict()["rule"] for finding in report)
    assert all(finding.error.source == str(path) for finding in report)


def test_other_files_are_one_finding() -> None:
    assert found(validate(bytes(5000))) == {"HYP-FILE-001"}
    with pytest.raises(errors.CLASSES["HYP-E-FILE-08"]):
        validate("/nowhere/film.hyp")


def test_crowded_or_costly_keyframes_are_above_the_level() -> None:
    header = SequenceHeader(
        level=1,
        coded_width=640,
        coded_height=640,
        presentation_width=640,
        presentation_height=640,
        tick_numerator=1,
        tick_denominator=100,
        parameter_sets=(b"\x67", b"\x68"),
    )

    def findings(spacing: int) -> list[errors.HypError]:
        rules = LevelRules()
        assert not list(rules.header(8, header))
        found = []
        for number in range(12):
            keyframe = Keyframe(
                segment_number=number,
                segment_time=number * spacing,
                segment_duration=spacing,
                picture_count=1,
                keyframe_mode=0,
                prompt_data=b"x",
            )
            data = build_unit(*serialise(keyframe))
            found += list(rules.unit(Unit(100 * number, 2, 5, data), keyframe))
        return found

    # Four of 409600 samples are allowed in a second, five are not.
    assert not findings(25)
    assert {error.requirement for error in findings(24)} == {"HYP-LVL-005"}
    rules = LevelRules()
    list(rules.header(8, header))
    limit = limits(1)
    assert limit is not None
    assert not list(rules.cost(8, limit["max_generator_cost"]))
    (error,) = rules.cost(8, limit["max_generator_cost"] + 1)
    assert error.requirement == "HYP-LVL-005"
