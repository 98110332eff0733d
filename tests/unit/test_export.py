"""Export to MP4: libavcodec gives exactly the pictures of the decoder, at their times."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.generators import tiny_stream
from refcodec import errors
from refcodec.container import Writer, open_reader
from refcodec.decoder import decode
from refcodec.exporting import export_mp4
from refcodec.exporting.iso_boxes import Box, Edit, move_chunks, parse_boxes
from refcodec.exporting.timeline import Timeline
from refcodec.libav_frames import frame_to_picture


def media_pictures(path: Path, **options: str) -> list[tuple[Fraction, str]]:
    result = []
    with av.open(str(path), options=options) as media:
        for frame in media.decode(video=0):
            picture = frame_to_picture(frame)
            assert frame.pts is not None
            result.append((frame.pts * frame.time_base, picture.sha256()))
    return result


@pytest.mark.parametrize(
    "generated",
    [(True, True, True), (True, False, True, False, False, True), (False, False), (False, True)],
)
def test_exported_pictures_are_the_decoded_ones(
    tmp_path: Path, generated: tuple[bool, ...]
) -> None:
    stream = tiny_stream.build(
        tmp_path / "a.hyp",
        width=50,
        height=38,
        segments=len(generated),
        pictures=7,
        generated=generated,
        presentation=(100, 77),
        full_range=True,
        audio=True,
    )
    report = export_mp4(stream.path, tmp_path / "a.mp4", model=stream.model)
    assert report.intact
    assert report.generated_keyframes == sum(generated)
    expected = [
        (p.time, p.picture.sha256())
        for p in decode(stream.path, model=stream.model, presentation=False)
    ]
    assert media_pictures(tmp_path / "a.mp4") == expected
    # A player that knows no edit lists shows each injected picture for one time unit.
    everything = media_pictures(tmp_path / "a.mp4", advanced_editlist="0")
    assert len(everything) == len(expected) + sum(generated)
    unit = Fraction(1, 25 * 64)
    following = {a[1]: b[0] - a[0] for a, b in pairwise(everything)}
    shown = {sha for _, sha in expected}
    hidden = [time for sha, time in following.items() if sha not in shown]
    assert hidden == [unit] * sum(generated)


def test_description_of_the_file(tmp_path: Path) -> None:
    stream = tiny_stream.build(
        tmp_path / "a.hyp", width=50, height=38, presentation=(100, 77), full_range=True, audio=True
    )
    export_mp4(stream.path, tmp_path / "a.mp4", model=stream.model)
    with av.open(str(tmp_path / "a.mp4")) as media:
        video, audio = media.streams.video[0], media.streams.audio[0]
        assert (video.codec_context.width, video.codec_context.height) == (50, 38)
        assert video.codec_context.color_range == 2
        assert video.codec_context.color_primaries == 1
        assert audio.codec_context.sample_rate == 8000
        assert audio.language == "eng"
        assert sum(p.size for p in media.demux(audio)) == 2 * 8000 * 8 // 25
        assert media.duration == 8 * av.time_base // 25
    with av.open(str(tmp_path / "a.mp4"), options={"advanced_editlist": "0"}) as media:
        sync = [p.is_keyframe for p in media.demux(video=0) if p.size]
        assert sync == [True, *[False] * 4] * 2
    data = (tmp_path / "a.mp4").read_bytes()
    kinds = [box.kind for box in parse_boxes(data)]
    assert kinds.index(b"moov") == 1 < kinds.index(b"mdat")  # so that playing begins at once
    movie = next(box for box in parse_boxes(data) if box.kind == b"moov")
    header = movie.child(b"trak").child(b"tkhd").content
    assert isinstance(header, bytes)
    assert header[-8:] == (100 << 16).to_bytes(4, "big") + (77 << 16).to_bytes(4, "big")


def test_damaged_and_late_segments(tmp_path: Path) -> None:
    stream = tiny_stream.build(tmp_path / "a.hyp", segments=4, generated=(False, True, True, False))
    with open_reader(stream.path) as reader:
        header, segments = reader.sequence_header, list(reader.segments())
    buffer = io.BytesIO()
    writer = Writer(buffer)
    writer.sequence_header(header)
    for segment in segments:
        keyframe = replace(segment.keyframe, segment_time=segment.keyframe.segment_time + 9)
        if keyframe.segment_number == 1:
            keyframe = replace(keyframe, prompt_data=bytes(keyframe.prompt_data) + b"\x55")
        writer.segment(keyframe, segment.access_units)
    writer.finish()
    report = export_mp4(buffer.getvalue(), tmp_path / "a.mp4", model=stream.model)
    assert [loss.segment for loss in report.losses] == [1]
    decoding = decode(buffer.getvalue(), model=stream.model, presentation=False)
    expected = [(p.time, p.picture.sha256()) for p in decoding]
    assert media_pictures(tmp_path / "a.mp4") == expected
    assert expected[0][0] == Fraction(9, 25)


def test_nothing_to_export_leaves_no_file(tmp_path: Path) -> None:
    stream = tiny_stream.build(tmp_path / "a.hyp")
    with pytest.raises(errors.CLASSES["HYP-E-OUT-23"]):
        export_mp4(stream.path, tmp_path / "a.mp4")  # its model is not installed
    with pytest.raises(errors.CLASSES["HYP-E-OUT-22"]):
        export_mp4(stream.path, tmp_path / "nowhere" / "a.mp4", model=stream.model)
    assert {path.name for path in tmp_path.iterdir()} == {"a.hyp", "core-random.safetensors"}


@st.composite
def coding_orders(draw: Any) -> tuple[Fraction, list[tuple[list[int], bool]]]:
    """A tick, and segments: presentation offsets in decoding order, and whether a picture is
    injected."""
    tick = draw(st.sampled_from([Fraction(1, 25), Fraction(1001, 30000), Fraction(1, 10**9)]))
    segments = []
    for _ in range(draw(st.integers(1, 5))):
        gaps = draw(st.lists(st.integers(1, 3), min_size=1, max_size=12))
        offsets = [sum(gaps[:i]) for i in range(len(gaps))]
        later = draw(st.permutations(offsets[1:]))
        segments.append(([0, *later], draw(st.booleans())))
    return tick, segments


@given(coding_orders())
def test_sample_times(case: tuple[Fraction, Sequence[tuple[list[int], bool]]]) -> None:
    tick, segments = case
    tick = max(tick, Fraction(1, 10**6))
    timeline = Timeline(tick)
    begin, last = 0, -1
    shown = []
    for offsets, injected in segments:
        end = begin + max(offsets) + 1
        times = [(begin + offset) * tick for offset in offsets]
        rows = timeline.segment(times, end * tick, injected)
        assert len(rows) == len(offsets) + injected
        if injected:
            assert rows[0][1] + 1 == rows[1][1] == min(row[1] for row in rows[1:])
        for decoding, composition, duration in rows:
            assert last < decoding <= composition
            assert duration > 0
            last = decoding
        shown += [row[1] for row in rows[int(injected) :]]
        begin = end
    edits = timeline.edits()
    assert sum(edit.duration for edit in edits) == begin * tick * timeline.scale
    expected = [time * timeline.scale for time in _times(segments, tick)]
    assert [_presented(edits, time) for time in shown] == expected


def test_samples_last_as_long_as_they_are_shown() -> None:
    """Players take the distance of decoding times for the duration of what is shown."""
    timeline = Timeline(Fraction(1, 25))
    for begin in (0, 6):
        times = [Fraction(begin + i, 25) for i in (0, 4, 2, 1, 3, 5)]
        rows = timeline.segment(times, Fraction(begin + 6, 25), begin > 0)
        assert [duration for _, _, duration in rows] == [*[1] * (begin > 0), *[64] * 6]
        assert all(decoding <= composition for decoding, composition, _ in rows)


def test_places_that_would_not_fit_their_bits_keep_the_movie_box_where_it_is() -> None:
    places = (8).to_bytes(4, "big") + (0xFFFFFF00).to_bytes(4, "big")
    box = Box(b"stco", bytes(4) + (2).to_bytes(4, "big") + places)
    movie = Box(b"moov", [Box(b"stbl", [box])])
    assert move_chunks(movie, 255)
    assert box.content == bytes(4) + (2).to_bytes(4, "big") + (
        (263).to_bytes(4, "big") + (0xFFFFFFFF).to_bytes(4, "big")
    )
    before = movie.to_bytes()
    assert not move_chunks(movie, 1)
    assert movie.to_bytes() == before


def _presented(edits: Sequence[Edit], time: int) -> int | None:
    """Map a composition time to its presentation time by an edit list."""
    begin = 0
    for edit in edits:
        if edit.media_time <= time < edit.media_time + edit.duration:
            return begin + time - edit.media_time
        begin += edit.duration
    return None


def _times(segments: Sequence[tuple[list[int], bool]], tick: Fraction) -> list[Fraction]:
    result, begin = [], 0
    for offsets, _ in segments:
        result += [(begin + offset) * tick for offset in offsets]
        begin += max(offsets) + 1
    return result


def test_edit_list_of_two_injected_segments() -> None:
    timeline = Timeline(Fraction(1, 25))
    times = [Fraction(i, 25) for i in range(4)]
    timeline.segment(times[:2], Fraction(2, 25), True)
    timeline.segment(times[2:], Fraction(4, 25), True)
    assert timeline.edits() == [Edit(128, 1), Edit(128, 130)]
