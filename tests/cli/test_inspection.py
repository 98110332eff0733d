"""`hyp info`, `hyp trace` and `hyp validate` on a conforming file."""

from __future__ import annotations

import json

import pytest

from conformance.generators.tiny_stream import TinyStream
from hybridprompt import api
from refcodec.inspection.tracing import TracedElement, TracedFault, without_emulation_prevention
from tests.cli.conftest import Hyp


def elements(tiny: TinyStream, **filters: object) -> list[TracedElement]:
    """Return the traced elements of `tiny`, of which none may be a fault."""
    rows = list(api.trace(tiny.path, **filters))
    assert not any(isinstance(row, TracedFault) for row in rows)
    return [row for row in rows if isinstance(row, TracedElement)]


def test_trace_covers_every_bit_once(tiny: TinyStream) -> None:
    position = 0
    for row in elements(tiny, avc=False):
        assert row.bit_offset == position, row.path
        position += row.bit_length
    assert position == 8 * tiny.path.stat().st_size


def test_trace_of_h264_stays_inside_its_nal_unit(tiny: TinyStream) -> None:
    inside = 0
    holder: TracedElement | None = None
    for row in elements(tiny):
        if isinstance(row.value, memoryview) and row.name in ("parameter_set", "nal_unit_bytes"):
            holder = row
        elif row.clause.startswith("#avc."):
            assert holder is not None and row.path.startswith(holder.path + ".")
            assert holder.bit_offset <= row.bit_offset
            end = row.bit_offset + row.bit_length
            assert end <= holder.bit_offset + holder.bit_length
            inside += 1
    assert inside > 100


def test_trace_shows_the_bits_that_the_value_means(tiny: TinyStream) -> None:
    data = tiny.path.read_bytes()
    whole = int.from_bytes(data, "big")
    for row in elements(tiny):
        if row.descriptor.startswith("u(") and row.bit_length <= 16 and isinstance(row.value, int):
            shift = 8 * len(data) - row.bit_offset - row.bit_length
            bits = whole >> shift & ((1 << row.bit_length) - 1)
            assert bits == row.value, row.path


def test_slice_headers_are_read_with_their_parameter_sets(tiny: TinyStream) -> None:
    rows = elements(tiny, element="slice_qp_delta")
    assert len(rows) == 6  # one slice a picture
    # The parameter sets count even when they are not shown themselves.
    assert elements(tiny, element="slice_qp_delta", unit_type="pictures") == rows


def test_trace_filters(tiny: TinyStream) -> None:
    keyframes = elements(tiny, unit_type="keyframe")
    assert {row.unit_type for row in keyframes} == {"keyframe"}
    assert {row.segment for row in keyframes} == {0, 1}
    assert {row.segment for row in elements(tiny, segment=1)} == {1}
    by_path = elements(tiny, element="unit.keyframe.picture_count")
    assert [row.value for row in by_path] == [3, 3]
    assert {row.unit for row in elements(tiny, unit=2)} == {2}


@pytest.mark.parametrize("at", [0, 9, 40, 64, 100])
def test_trace_at_a_byte_marks_what_holds_it(tiny: TinyStream, at: int) -> None:
    rows = elements(tiny, at=at)
    marked = [row for row in rows if row.selected]
    assert marked
    for row in rows:
        covers = row.bit_offset < 8 * at + 8 and row.bit_offset + row.bit_length > 8 * at
        assert covers == row.selected


def test_emulation_prevention_is_mapped_back() -> None:
    raw = bytes.fromhex("000003010000030300000301aa")
    plain, removed = without_emulation_prevention(memoryview(raw))
    assert plain == bytes.fromhex("00000100000300000" + "1aa")
    rebuilt = bytearray(plain)
    for extra, place in enumerate(removed):
        rebuilt.insert(place + extra, 3)
    assert bytes(rebuilt) == raw


def test_trace_command(hyp: Hyp, tiny: TinyStream) -> None:
    result = hyp("trace", tiny.path, "--type", "keyframe")
    assert result.exit_code == 0
    assert "prompt_scale_index" in result.stdout and "(generated)" in result.stdout
    assert "#sem.keyframe.segment_number HYP-KF-001" in result.stdout
    lines = hyp("trace", tiny.path, "--json", "--limit", "5").stdout.splitlines()
    assert len(lines) == 5
    assert json.loads(lines[0])["element"] == "file.signature"
    piped = hyp("trace", "-", "--type", "keyframe", input=tiny.path.read_bytes())
    assert piped.stdout == result.stdout
    marked = hyp("trace", tiny.path, "--at", "0x0a").stdout
    assert (
        next(line for line in marked.splitlines() if line.startswith(">")).split()[2] == "unit_type"
    )


def test_info(hyp: Hyp, tiny: TinyStream) -> None:
    found = json.loads(hyp("info", tiny.path, "--json").stdout)
    assert (
        found["size"] == tiny.path.stat().st_size == sum(found["bytes_by_unit_type"].values()) + 8
    )
    assert found["coded_size"] == [32, 32] and found["presentation_size"] == [48, 40]
    assert found["pictures"] == tiny.picture_count == 6
    assert [segment["generated"] for segment in found["segments"]] == [True, True]
    assert found["tracks"][0]["codec"] == "pcm_s16le"
    assert found["bit_rate"] == pytest.approx(8 * found["size"] / found["duration"])
    text = hyp("info", tiny.path, "--segments").stdout
    assert "48 x 40, coded at 32 x 32" in text and "audio, pcm_s16le" in text
    assert api.info(tiny.path.read_bytes()).pictures == 6


def test_validate(hyp: Hyp, tiny: TinyStream) -> None:
    result = hyp("validate", tiny.path)
    assert (result.exit_code, "conforms" in result.stdout) == (0, True), result.stdout
    assert api.validate(tiny.path).conforming
    assert json.loads(hyp("validate", tiny.path, "--json").stdout) == {str(tiny.path): []}


def test_spec_commands(hyp: Hyp) -> None:
    shown = hyp("spec", "show", "keyframe")
    assert shown.exit_code == 0 and "prompt_scale_index" in shown.stdout
    assert "HYP-KF-001" in hyp("spec", "show", "hyp-kf-001").stdout
    assert "UnitCrcMismatch" in hyp("spec", "show", "HYP-E-UNIT-03").stdout
    assert "HYP-KF-001" in hyp("spec", "cite", "HYP-KF-001").stdout
    unknown = hyp("spec", "show", "keyfrme")
    assert unknown.exit_code == 2 and "keyframe" in unknown.stderr
    assert hyp("spec", "cite", "nothing.of.that.name").exit_code == 2
