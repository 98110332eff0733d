"""Decoding: real small files to pictures, damage, seeking, pipes, sinks."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from conformance.generators import tiny_stream
from conformance.generators.tiny_stream import TinyStream
from refcodec import errors, syntax
from refcodec.avc.access_units import to_annex_b
from refcodec.avc.injection import injected_idr
from refcodec.avc.nal import add_emulation_prevention, remove_emulation_prevention
from refcodec.avc.parameter_sets import avc_syntax, parse_parameter_sets
from refcodec.container import (
    AccessUnit,
    Packet,
    Segment,
    SequenceHeader,
    TrackHeader,
    Writer,
    open_reader,
)
from refcodec.decoder import DecodedPicture, decode
from refcodec.decoder.backends import BACKENDS
from refcodec.decoder.pipeline import Prefetch
from refcodec.decoder.sinks import picture_hashes, write
from refcodec.libav_frames import frame_to_picture
from refcodec.picture import Picture
from refcodec.upscaling import Upscaler


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> TinyStream:
    """Three segments, the second with a coded keyframe; cropping, upscaling, sound."""
    return tiny_stream.build(
        tmp_path_factory.mktemp("tiny") / "tiny.hyp",
        width=50,
        height=38,
        segments=3,
        pictures=5,
        generated=(True, False, True),
        presentation=(76, 57),
        full_range=True,
        audio=True,
    )


def contents(path: Path) -> tuple[SequenceHeader, list[Segment]]:
    with open_reader(path) as reader:
        return reader.sequence_header, list(reader.segments())


def file_of(
    header: SequenceHeader,
    segments: list[Segment],
    change: Callable[[int, list[AccessUnit]], None] | None = None,
) -> bytes:
    """A file of these segments, whose access units `change` may replace."""
    buffer = io.BytesIO()
    writer = Writer(buffer)
    writer.sequence_header(header)
    for segment in segments:
        units = list(segment.access_units)
        if change is not None:
            change(segment.number, units)
        writer.segment(segment.keyframe, units)
    writer.finish()
    return buffer.getvalue()


def hashes(pictures: Any) -> list[tuple[int, Fraction, str]]:
    return [(p.segment, p.time, p.picture.sha256()) for p in pictures]


def plain_decode(stream: TinyStream) -> list[Picture]:
    """Decode segment by segment without the pipeline: fresh decoder, one thread, output by
    libavcodec."""
    header, segments = contents(stream.path)
    sets = parse_parameter_sets(header.parameter_sets)
    result = []
    for segment, generated in zip(segments, stream.generated, strict=True):
        units = [to_annex_b(unit.nal_units) for unit in segment.access_units]
        if generated is not None:
            idr = injected_idr(generated, sets.sps, sets.pps_list, segment.number & 1)
            units.insert(0, to_annex_b(idr))
        units[0] = to_annex_b(sets.nal_units) + units[0]
        context: Any = av.CodecContext.create("h264", "r")
        context.thread_count = 1
        frames = [f for unit in [*map(av.Packet, units), None] for f in context.decode(unit)]
        if generated is not None:
            del frames[0]
        for frame in frames:
            result.append(frame_to_picture(frame))
    return result


def test_pictures_times_and_order(stream: TinyStream) -> None:
    decoding = decode(stream.path, model=stream.model)
    pictures = list(decoding)
    assert [p.time for p in pictures] == [Fraction(i, 25) for i in range(15)]
    assert [p.segment for p in pictures] == [0] * 5 + [1] * 5 + [2] * 5
    assert {(p.picture.width, p.picture.height) for p in pictures} == {(76, 57)}
    assert decoding.report.intact
    assert decoding.report.pictures == 15
    assert decoding.report.generated_keyframes == 2
    assert 0 < decoding.report.worst_keyframe_seconds <= decoding.report.keyframe_seconds


def test_equals_a_decode_without_the_pipeline(stream: TinyStream) -> None:
    coded = plain_decode(stream)
    pictures = [p.picture for p in decode(stream.path, model=stream.model, presentation=False)]
    assert all(a.same_as(b) for a, b in zip(pictures, coded, strict=True))
    upscaler = Upscaler(50, 38, 76, 57)
    shown = [p.picture for p in decode(stream.path, model=stream.model)]
    assert all(a.same_as(upscaler.upscale(b.planes)) for a, b in zip(shown, coded, strict=True))


@pytest.mark.parametrize("threads", [1, 2, 3, 5])
def test_threads_change_nothing(stream: TinyStream, threads: int) -> None:
    expected = hashes(decode(stream.path, model=stream.model, threads=1))
    assert hashes(decode(stream.path, model=stream.model, threads=threads)) == expected


def test_model_is_found_in_the_folder_of_the_variable(
    stream: TinyStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stream.model_path is not None
    monkeypatch.setenv("HYP_MODELS", str(stream.model_path.parent))
    expected = hashes(decode(stream.path, model=stream.model))
    assert hashes(decode(stream.path)) == expected


def test_without_the_model_coded_segments_decode(stream: TinyStream) -> None:
    decoding = decode(stream.path)
    assert {p.segment for p in decoding} == {1}
    assert [loss.segment for loss in decoding.report.losses] == [0, 2]
    assert {loss.error.id for loss in decoding.report.losses} == {"HYP-E-GEN-02"}
    assert decoding.report.pictures_lost == 10


@pytest.mark.parametrize(
    ("start", "duration", "expected"),
    [
        (Fraction(6, 25), None, range(6, 15)),
        (0.4, 0.08, range(10, 12)),
        (None, Fraction(1, 5), range(5)),
        (0.6, None, range(0)),
    ],
)
def test_part_of_the_file(stream: TinyStream, start: Any, duration: Any, expected: range) -> None:
    everything = hashes(decode(stream.path, model=stream.model))
    part = hashes(decode(stream.path, model=stream.model, start=start, duration=duration))
    assert part == [everything[i] for i in expected]


def test_pipe(stream: TinyStream) -> None:
    expected = hashes(decode(stream.path, model=stream.model))
    read_end, write_end = os.pipe()
    data = stream.path.read_bytes()

    def feed() -> None:
        with os.fdopen(write_end, "wb") as file:
            file.write(data)

    feeder = threading.Thread(target=feed)
    feeder.start()
    with os.fdopen(read_end, "rb") as file:
        assert hashes(decode(file, model=stream.model)) == expected
    feeder.join()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("damaged", [0, 1, 3])
@pytest.mark.parametrize("backend", BACKENDS)
def test_undecodable_access_unit_costs_the_rest_of_its_segment(
    stream: TinyStream, damaged: int, threads: int, backend: str
) -> None:
    header, segments = contents(stream.path)

    def change(number: int, units: list[AccessUnit]) -> None:
        if number == 1:
            unit = units[damaged]
            units[damaged] = AccessUnit(
                unit.presentation_offset, (bytes(unit.nal_units[0][:1]) + b"\xff" * 3,)
            )

    everything = hashes(decode(stream.path, model=stream.model))
    decoding = decode(
        file_of(header, segments, change), model=stream.model, threads=threads, backend=backend
    )
    result = hashes(decoding)
    whole = [entry for entry in everything if entry[0] != 1]
    assert [entry for entry in result if entry[0] != 1] == whole
    shown = {unit.presentation_offset for unit in segments[1].access_units[:damaged]}
    expected = [e for e in everything if e[0] == 1 and e[1] * 25 - 5 in shown]
    assert [entry for entry in result if entry[0] == 1] == expected
    (loss,) = decoding.report.losses
    assert (loss.segment, loss.pictures) == (1, 5 - damaged)
    # libavcodec says which access unit; the own decoder says what is wrong in it
    if backend == "libav":
        assert (loss.error.id, loss.error.value) == ("HYP-E-DEC-01", damaged)
    else:
        assert loss.error.id == "HYP-E-SYN-02"


def test_damaged_prompt_costs_its_segment(stream: TinyStream) -> None:
    header, segments = contents(stream.path)
    keyframe = segments[2].keyframe
    prompt = bytes(keyframe.prompt_data) + b"\x55"
    segments[2] = replace(segments[2], keyframe=replace(keyframe, prompt_data=prompt))
    decoding = decode(file_of(header, segments), model=stream.model)
    assert {p.segment for p in decoding} == {0, 1}
    (loss,) = decoding.report.losses
    assert loss.error.klass == "malformed"
    assert loss.error.bit_offset is not None


def test_damaged_bytes_are_reported(stream: TinyStream) -> None:
    data = bytearray(stream.path.read_bytes())
    _, segments = contents(stream.path)
    data[segments[1].offset + 3] ^= 1
    decoding = decode(bytes(data), model=stream.model)
    assert {p.segment for p in decoding} == {0, 2}
    assert not decoding.report.intact
    assert decoding.report.container.loss_count


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"coded_width": 48}, "HYP-E-SEQ-16"),
        ({"parameter_sets": (b"\x67\x64", b"\x68\xff")}, "HYP-E-SEQ-14"),
    ],
)
def test_unusable_sequence_header(stream: TinyStream, changes: dict[str, Any], error: str) -> None:
    header, segments = contents(stream.path)
    data = file_of(replace(header, **changes), segments)
    with pytest.raises(errors.CLASSES[error]):
        list(decode(data, model=stream.model))


def test_memory_is_bounded_before_anything_is_allocated(stream: TinyStream) -> None:
    header, segments = contents(stream.path)
    data = file_of(replace(header, presentation_width=8192, presentation_height=8192), segments)
    with pytest.raises(errors.CLASSES["HYP-E-LVL-09"]):
        list(decode(data, model=stream.model, memory=1 << 29))
    with pytest.raises(errors.CLASSES["HYP-E-LVL-09"]):
        list(decode(stream.path, model=stream.model, memory=1 << 16))


def test_generated_keyframe_without_generator(stream: TinyStream) -> None:
    header, segments = contents(stream.path)
    data = file_of(replace(header, generator_id=0, model_digest=b""), segments)
    decoding = decode(data, model=stream.model)
    assert {p.segment for p in decoding} == {1}
    assert {loss.error.id for loss in decoding.report.losses} == {"HYP-E-KF-11"}


def test_what_is_no_file_and_unknown_backends(stream: TinyStream) -> None:
    with pytest.raises(errors.CLASSES["HYP-E-FILE-01"]):
        decode(b"no HYP file at all")
    with pytest.raises(errors.CLASSES["HYP-E-DEC-05"]):
        decode(stream.path, backend="magic")
    with pytest.raises(ValueError, match="thread"):
        decode(stream.path, threads=0)


@pytest.mark.parametrize("after", [0, 1, 7])
def test_a_decode_may_be_given_up(stream: TinyStream, after: int) -> None:
    before = threading.active_count()
    with decode(stream.path, model=stream.model) as decoding:
        for _ in range(after):
            next(decoding)
    assert threading.active_count() == before
    assert next(decoding, None) is None


def test_what_the_file_says(stream: TinyStream) -> None:
    with decode(stream.path, model=stream.model, side_tracks=True) as decoding:
        assert decoding.size == (76, 57)
        assert decoding.tracks[0].codec_name == "pcm_s16le"
        assert decoding.metadata == {"title": "tiny stream 0"}
        assert len(list(decoding)) == 15
        samples = sum(len(p.data) for unit in decoding.take_packets() for p in unit.packets)
    assert samples == 2 * 8000 * 15 // 25


def test_decoding_needs_no_torch(stream: TinyStream) -> None:
    assert stream.model_path is not None
    program = (
        "import sys; from refcodec.decoder import decode; from refcodec.decoder.sinks import write;"
        f"n = sum(1 for _ in decode({str(stream.path)!r}));"
        "assert n == 15, n;"
        "assert 'torch' not in sys.modules; assert 'refcodec.encoder' not in sys.modules"
    )
    environment = os.environ | {"HYP_MODELS": str(stream.model_path.parent)}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)


# --------------------------------------------------------------------------------------- sinks


def media_pictures(path: Path) -> list[str]:
    with av.open(str(path)) as media:
        result = []
        for frame in media.decode(video=0):
            result.append(frame_to_picture(frame).sha256())
        return result


def decoding_of(stream: TinyStream, **options: Any) -> Any:
    return decode(stream.path, model=stream.model, side_tracks=True, **options)


def test_hashes_are_those_of_the_planes(stream: TinyStream) -> None:
    expected = [
        hashlib.sha256(p.picture.tobytes()).hexdigest()
        for p in decode(stream.path, model=stream.model)
    ]
    assert list(picture_hashes(decoding_of(stream))) == expected


@pytest.mark.parametrize("name", ["out.y4m", "out.mkv", "out.nut"])
def test_lossless_outputs(stream: TinyStream, tmp_path: Path, name: str) -> None:
    report = write(decoding_of(stream), tmp_path / name)
    assert report.pictures == 15
    assert media_pictures(tmp_path / name) == list(picture_hashes(decoding_of(stream)))
    with av.open(str(tmp_path / name)) as media:
        assert media.streams.video[0].average_rate == 25
        if name == "out.mkv":
            assert media.streams.video[0].codec_context.color_range == 2
            assert sum(p.size for p in media.demux(audio=0)) == 2 * 8000 * 15 // 25


def test_y4m_header(stream: TinyStream, tmp_path: Path) -> None:
    write(decoding_of(stream), tmp_path / "out.y4m")
    first = (tmp_path / "out.y4m").read_bytes().split(b"\n", 1)[0].split()
    assert {b"W76", b"H57", b"F25:1", b"C420mpeg2", b"XCOLORRANGE=FULL"} <= set(first)


def test_raw_output(stream: TinyStream, tmp_path: Path) -> None:
    write(decoding_of(stream), tmp_path / "out.yuv")
    pictures = decode(stream.path, model=stream.model)
    assert (tmp_path / "out.yuv").read_bytes() == b"".join(p.picture.tobytes() for p in pictures)


def test_formats_without_times_say_how_far_pictures_are_displaced(tmp_path: Path) -> None:
    made = tiny_stream.build(tmp_path / "even.hyp", generated=False)
    with open_reader(made.path) as reader, (tmp_path / "gap.hyp").open("wb") as file:
        writer = Writer(file)
        writer.sequence_header(reader.sequence_header)
        for segment in reader.segments():
            keyframe = segment.keyframe
            late = replace(keyframe, segment_time=keyframe.segment_time + 30 * segment.number)
            writer.segment(late, segment.access_units)
        writer.finish()
    assert write(decode(made.path), tmp_path / "out.y4m").displaced == 0
    assert write(decode(tmp_path / "gap.hyp"), tmp_path / "out.yuv").displaced == 30 / 25
    assert write(decode(tmp_path / "gap.hyp"), tmp_path / "out.mkv").displaced == 0


def test_compressed_output_of_a_part(tmp_path: Path) -> None:
    stream = tiny_stream.build(tmp_path / "even.hyp", audio=True)
    seen: list[DecodedPicture] = []
    decoding = decode(stream.path, model=stream.model, side_tracks=True, start=0.08)
    report = write(decoding, tmp_path / "out.mp4", progress=seen.append)
    assert report.pictures == len(seen) == 6
    with av.open(str(tmp_path / "out.mp4")) as media:
        assert [frame.time for frame in media.decode(video=0)] == pytest.approx(
            [i / 25 for i in range(6)]
        )
        assert media.streams.audio[0].codec_context.sample_rate == 8000


def test_side_track_that_a_format_cannot_hold(tmp_path: Path) -> None:
    stream = tiny_stream.build(tmp_path / "even.hyp", audio=True)
    report = write(decoding_of(stream), tmp_path / "out.webm")
    assert [error.id for error in report.left_out] == ["HYP-E-OUT-24"]


def test_side_track_of_a_codec_that_cannot_be_encoded(tmp_path: Path) -> None:
    """libav writes pictures of Blu-ray subtitles, and has no encoder of them."""
    made = tiny_stream.build(tmp_path / "even.hyp", generated=False)
    track = TrackHeader(
        track_id=4, track_kind=1, codec_name="hdmv_pgs_subtitle",
        track_tick_numerator=1, track_tick_denominator=1000, language="de",
    )  # fmt: skip
    # A segment of each kind has type and size; type 128 ends what is shown at one time.
    first, second = (bytes([22, 0, 11]) + bytes([n]) * 11 + b"\x80\0\0" for n in (1, 2))
    packets = [(0, Packet(0, 40, first)), (80, Packet(0, 40, second))]
    with open_reader(made.path) as reader, (tmp_path / "with.hyp").open("wb") as file:
        writer = Writer(file)
        writer.sequence_header(reader.sequence_header)
        writer.track_header(track, iter(packets))
        for segment in reader.segments():
            writer.segment(segment.keyframe, segment.access_units)
        writer.finish()
    report = write(decode(tmp_path / "with.hyp", side_tracks=True), tmp_path / "out.mkv")
    assert not report.left_out
    with av.open(str(tmp_path / "out.mkv")) as media:
        subtitles = media.streams.subtitles[0]
        assert subtitles.language == "de"
        found = [(p.pts * p.time_base, bytes(p)) for p in media.demux(subtitles) if p.size]
        assert found == [(0, first), (Fraction(80, 1000), second)]


def test_failures_leave_no_file(stream: TinyStream, tmp_path: Path) -> None:
    with pytest.raises(errors.CLASSES["HYP-E-OUT-21"]):
        write(decoding_of(stream), tmp_path / "out.unknown")
    with pytest.raises(errors.CLASSES["HYP-E-OUT-21"]):  # x264 takes no odd height
        write(decoding_of(stream), tmp_path / "out.mp4")
    with pytest.raises(errors.CLASSES["HYP-E-OUT-22"]):
        write(decoding_of(stream), tmp_path / "no folder" / "out.y4m")
    with pytest.raises(errors.CLASSES["HYP-E-OUT-23"]):
        write(decoding_of(stream, start=0.6), tmp_path / "out.y4m")

    def stop(_: DecodedPicture) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(decoding_of(stream), tmp_path / "out.y4m", progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_prefetch_keeps_order_passes_errors_and_is_bounded() -> None:
    made: list[int] = []

    def numbers() -> Any:
        for number in range(6):
            made.append(number)
            yield number
        raise OSError("end")

    prefetch: Prefetch[int] = Prefetch(numbers(), 2)
    taken = []
    with pytest.raises(OSError, match="end"):
        for number in prefetch:
            taken.append(number)
            assert len(made) <= number + 4
    assert taken == list(range(6))
    assert prefetch.close()


def test_pictures_before_an_idr_that_wants_them_dropped(stream: TinyStream) -> None:
    """no_output_of_prior_pics_flag of a coded keyframe takes no picture from the segment before
    it."""
    header, segments = contents(stream.path)

    def change(number: int, units: list[AccessUnit]) -> None:
        if number == 1:
            slice_ = with_no_output_of_prior_pics(header, bytes(units[0].nal_units[0]))
            units[0] = AccessUnit(0, (slice_,))

    expected = hashes(decode(stream.path, model=stream.model))
    assert hashes(decode(file_of(header, segments, change), model=stream.model)) == expected


def with_no_output_of_prior_pics(header: SequenceHeader, nal_unit: bytes) -> bytes:
    """Set no_output_of_prior_pics_flag of an IDR slice."""
    tree = avc_syntax()

    def structure(name: str, data: bytes, params: Any = None, listener: Any = None) -> Any:
        rbsp = remove_emulation_prevention(data)
        return syntax.read(tree, name, rbsp, params=params or {}, listener=listener)

    sets = [bytes(unit) for unit in header.parameter_sets]
    sps = structure("seq_parameter_set_rbsp", sets[0][1:])["seq_parameter_set_data"]
    pps = structure("pic_parameter_set_rbsp", sets[1][1:], {"chroma_format_idc": 1})
    nal = structure("nal_unit_header", nal_unit[:1])
    places = []

    def listener(event: Any) -> None:
        if event.path.endswith("no_output_of_prior_pics_flag"):
            assert event.value == 0
            places.append(event.bit_offset)

    structure("slice_header", nal_unit[1:], {"nal": nal, "sps": sps, "pps": pps}, listener)
    rbsp = bytearray(remove_emulation_prevention(nal_unit[1:]))
    rbsp[places[0] // 8] |= 128 >> places[0] % 8
    return nal_unit[:1] + add_emulation_prevention(bytes(rbsp))
