"""Writing: order of calls, sizes of units, and files that appear whole or not at all."""

import io
import os
import stat
import threading
from pathlib import Path

import pytest

from conformance.mutation.samples import random_file
from refcodec import errors
from refcodec.container import (
    AccessUnit,
    Keyframe,
    Pictures,
    SequenceHeader,
    TrackPackets,
    Writer,
    open_reader,
    output_file,
)
from refcodec.container.units import SIGNATURE, build_unit
from refcodec.container.writer import PICTURES_UNIT_BYTES, pictures_units


def header() -> SequenceHeader:
    return random_file(0, segments=1, pictures=1).header


def keyframe(number: int = 0, count: int = 1, time: int = 0) -> Keyframe:
    return Keyframe(
        segment_number=number,
        segment_time=time,
        segment_duration=10,
        picture_count=count,
        keyframe_mode=1,
    )


def test_calls_in_a_wrong_order_are_refused() -> None:
    unit = AccessUnit(0, (b"x",))
    writer = Writer(io.BytesIO())
    with pytest.raises(ValueError, match="first"):
        writer.segment(keyframe(), [unit])
    writer.sequence_header(header())
    with pytest.raises(ValueError, match="one sequence header"):
        writer.sequence_header(header())
    with pytest.raises(ValueError, match="picture_count"):
        writer.segment(keyframe(count=2), [unit])
    with pytest.raises(ValueError, match="segment_number"):
        writer.segment(keyframe(number=1), [unit])
    with pytest.raises(ValueError, match="not declared"):
        writer.track_packets(TrackPackets(3, 0, ()))
    writer.segment(keyframe(), [unit])
    with pytest.raises(ValueError, match="segment_time"):
        writer.segment(keyframe(number=1, time=9), [unit])
    writer.finish()
    with pytest.raises(ValueError, match="finished"):
        writer.segment(keyframe(number=1, time=10), [unit])


def test_value_out_of_range_is_refused_and_nothing_is_written() -> None:
    stream = io.BytesIO()
    writer = Writer(stream)
    writer.sequence_header(header())
    before = stream.getvalue()
    with pytest.raises(errors.HypError) as caught:
        writer.segment(keyframe(count=0), [])
    assert caught.value.name == "PictureCountInvalid"
    assert stream.getvalue() == before


def test_pictures_units_are_small_and_lose_nothing() -> None:
    units = [AccessUnit(number, (bytes(number * 150),)) for number in range(1, 300)]
    made = list(pictures_units(7, units))
    assert [unit for pictures in made for unit in pictures.access_units] == units
    first = 0
    for pictures in made:
        assert isinstance(pictures, Pictures)
        assert pictures.first_access_unit == first
        first += len(pictures.access_units)
        if len(pictures.access_units) > 1:
            assert sum(unit.size for unit in pictures.access_units) <= PICTURES_UNIT_BYTES
    with pytest.raises(ValueError, match="no unit"):
        list(pictures_units(0, [AccessUnit(0, (bytes(1 << 24),))]))


def test_writing_needs_no_seekable_stream(tmp_path: Path) -> None:
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    got = []

    def read() -> None:
        with fifo.open("rb") as stream:
            got.append(stream.read())

    thread = threading.Thread(target=read)
    thread.start()
    with output_file(fifo) as stream:
        writer = Writer(stream)
        writer.sequence_header(header())
        writer.segment(keyframe(), [AccessUnit(0, (b"x",))])
        writer.finish()
    thread.join()
    assert len(list(open_reader(got[0]).segments())) == 1
    assert stat.S_ISFIFO(fifo.stat().st_mode)


def test_file_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "film.hyp"
    with output_file(target) as file:
        file.write(b"half")
        assert not target.exists()
        file.write(b" and half")
    assert target.read_bytes() == b"half and half"
    assert os.listdir(tmp_path) == ["film.hyp"]


def test_failed_file_leaves_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "film.hyp"
    target.write_bytes(b"old")
    target.chmod(0o640)
    with pytest.raises(KeyboardInterrupt), output_file(target) as file:
        file.write(b"new")
        raise KeyboardInterrupt
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["film.hyp"]
    with output_file(target) as file:
        file.write(b"new")
    assert target.read_bytes() == b"new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_file_is_written_through_a_link_and_not_over_a_folder(tmp_path: Path) -> None:
    real = tmp_path / "real.hyp"
    real.write_bytes(b"old")
    link = tmp_path / "link.hyp"
    link.symlink_to(real)
    with output_file(link) as file:
        file.write(b"new")
    assert link.is_symlink() and real.read_bytes() == b"new"
    with pytest.raises(IsADirectoryError), output_file(tmp_path):
        raise AssertionError("a folder was opened")


def test_unreadable_files_have_an_error(tmp_path: Path) -> None:
    with pytest.raises(errors.CLASSES["HYP-E-FILE-08"]) as caught:
        open_reader(tmp_path / "none.hyp")
    assert "none.hyp" in str(caught.value.explain())
    with pytest.raises(errors.CLASSES["HYP-E-FILE-08"]):
        open_reader(tmp_path)


def test_segment_beyond_the_limit_of_the_receiver_is_cut() -> None:
    file = random_file(5, segments=2, pictures=30, picture_bytes=9000)
    reader = open_reader(file.data, segment_bytes=60_000)
    segments = list(reader.segments())
    assert all(segment.size <= 60_000 and not segment.complete for segment in segments)
    assert {error.name for error in segments[0].errors} >= {"ReceiverLimit"}


def test_unknown_units_are_counted_and_skipped() -> None:
    reader = open_reader(random_file(6, unknown_units=True).data)
    assert len(list(reader.segments())) == 3
    assert reader.report.unknown_units == 3 and reader.report.intact
    assert build_unit(200, b"")[2] == 200 and len(SIGNATURE) == 8
