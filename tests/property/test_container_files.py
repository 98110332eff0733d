"""Files, whole and damaged: what was written comes back, and damage costs what it must."""

import io
import os
import random
import threading
from fractions import Fraction
from typing import BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.mutation.samples import RandomFile, random_file
from refcodec import errors
from refcodec.container import (
    Keyframe,
    Reader,
    Segment,
    TrackPackets,
    Unit,
    UnitType,
    open_reader,
)
from refcodec.container.units import SIGNATURE, build_unit

FILES = [
    random_file(0),
    random_file(1, segments=4, pictures=5, picture_bytes=9000, repeat_headers=True),
    random_file(2, segments=5, pictures=3, audio=False, unknown_units=True),
    random_file(3, segments=1, pictures=1, picture_bytes=20, prompt_bytes=1),
]
numbers = st.sampled_from(range(len(FILES)))

few = settings(deadline=None, max_examples=40)


class Pipe(io.RawIOBase):
    """What cannot seek and gives a few bytes at a time."""

    def __init__(self, data: bytes, most: int = 777) -> None:
        self.stream, self.most = io.BytesIO(data), most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        return self.stream.readinto(memoryview(buffer)[: self.most])


def units_of(data: bytes) -> list[Unit]:
    return list(open_reader(data))


def parts(segments: list[Segment]) -> list[tuple[object, object]]:
    return [(segment.keyframe, segment.access_units) for segment in segments]


def intact(file: RandomFile, segment: Segment) -> bool:
    """Whether a segment has nothing that was not written, in its order."""
    keyframe, access_units = file.segments[segment.number]
    count = len(segment.access_units)
    return segment.keyframe == keyframe and segment.access_units == access_units[:count]


def read_all(data: bytes) -> tuple[list[Segment], Reader]:
    reader = open_reader(data)
    return list(reader.segments()), reader


@few
@given(numbers)
def test_what_was_written_is_read(number: int) -> None:
    file = FILES[number]
    segments, reader = read_all(file.data)
    assert parts(segments) == list(file.segments)
    assert reader.sequence_header == file.header
    assert reader.report.intact and reader.report.end_reached, str(reader.report)
    assert all(segment.complete and not segment.errors for segment in segments)


@few
@given(numbers)
def test_parsed_units_are_written_back_as_they_were(number: int) -> None:
    file = FILES[number]
    from refcodec.container.structures import serialise

    data = SIGNATURE
    for unit in units_of(file.data):
        content = unit.content
        data += build_unit(unit.unit_type, unit.payload.tobytes())
        if content is not None:
            assert serialise(content) == (unit.unit_type, unit.payload)
    assert data == file.data


@few
@given(numbers, st.sampled_from([3, 100, 4999]))
def test_pipe_gives_what_the_file_gives(number: int, most: int) -> None:
    file = FILES[number]
    piped = open_reader(io.BufferedReader(Pipe(file.data, most)))
    assert not piped.seekable
    assert list(piped.items()) == list(open_reader(file.data).items())
    assert piped.report.intact


def test_real_pipe_is_read_while_it_is_written() -> None:
    file = FILES[1]
    out, into = os.pipe()

    def feed() -> None:
        with os.fdopen(into, "wb") as stream:
            stream.write(file.data)

    thread = threading.Thread(target=feed)
    thread.start()
    with os.fdopen(out, "rb") as stream, open_reader(stream) as reader:
        assert parts(list(reader.segments())) == list(file.segments)
    thread.join()


@few
@given(numbers, st.data(), st.booleans())
def test_file_cut_anywhere_gives_every_whole_unit(
    number: int, data: st.DataObject, piped: bool
) -> None:
    file = FILES[number]
    cut = data.draw(st.integers(0, len(file.data) - 1))
    whole = [unit for unit in units_of(file.data) if unit.end <= cut]
    stream: BinaryIO = Pipe(file.data[:cut]) if piped else io.BytesIO(file.data[:cut])
    if cut < len(SIGNATURE):
        with pytest.raises(errors.CLASSES["HYP-E-FILE-01"]):
            open_reader(stream)
        return
    reader = open_reader(stream)
    assert list(reader) == whole
    end = whole[-1].end if whole else len(SIGNATURE)
    assert [(loss.start, loss.end) for loss in reader.report.losses] == (
        [(end, cut)] if cut > end else []
    )
    if not whole:
        with pytest.raises(errors.CLASSES["HYP-E-FILE-02"]):
            list(open_reader(file.data[:cut]).segments())
        return
    # Segments: all pictures of whole units, in order.
    segments, _ = read_all(file.data[:cut])
    assert all(intact(file, segment) for segment in segments)
    count = sum(
        len(unit.content.access_units)
        for unit in whole
        if unit.unit_type == UnitType.PICTURES and unit.content is not None
    )
    assert sum(len(segment.access_units) for segment in segments) == count


@few
@given(numbers, st.data())
def test_damage_to_one_unit_costs_its_own_segment(number: int, data: st.DataObject) -> None:
    file = FILES[number]
    units = units_of(file.data)
    hit = data.draw(st.sampled_from(units))
    position = data.draw(st.integers(hit.offset, hit.end - 1))
    flipped = data.draw(st.integers(1, 255))
    damaged = bytearray(file.data)
    damaged[position] ^= flipped
    segments, reader = read_all(bytes(damaged))
    (loss,) = [loss for loss in reader.report.losses if loss.start < loss.end][:1]
    assert (loss.start, loss.end) == (hit.offset, hit.end)
    assert all(intact(file, segment) for segment in segments)
    complete = {segment.number for segment in segments if segment.complete}
    expected = set(range(len(file.segments)))
    if hit.unit_type == UnitType.KEYFRAME:
        assert isinstance(hit.content, Keyframe)
        expected.remove(hit.content.segment_number)
    elif hit.unit_type == UnitType.PICTURES:
        pictures = hit.content
        segment_number = pictures.segment_number  # type: ignore[union-attr]
        expected.remove(segment_number)
        before = pictures.first_access_unit  # type: ignore[union-attr]
        kept = {segment.number: len(segment.access_units) for segment in segments}
        assert kept.get(segment_number, 0) == before
        assert reader.report.pictures_lost == len(file.segments[segment_number][1]) - before
        assert loss.segment == segment_number
    assert complete == expected
    assert reader.sequence_header == file.header


@few
@given(numbers, st.data())
def test_garbage_between_units_costs_nothing(number: int, data: st.DataObject) -> None:
    file = FILES[number]
    units = units_of(file.data)
    place = data.draw(st.sampled_from(units)).offset
    garbage = data.draw(st.binary(min_size=1, max_size=300))
    segments, reader = read_all(file.data[:place] + garbage + file.data[place:])
    assert parts(segments) == list(file.segments)
    assert [(loss.start, loss.end) for loss in reader.report.losses] == [
        (place, place + len(garbage))
    ]


@few
@given(numbers, st.data())
def test_dropped_unit_costs_no_other_segment(number: int, data: st.DataObject) -> None:
    file = FILES[number]
    units = units_of(file.data)
    hit = data.draw(st.sampled_from(units))
    segments, reader = read_all(file.data[: hit.offset] + file.data[hit.end :])
    assert all(intact(file, segment) for segment in segments)
    lost = hit.unit_type in (UnitType.KEYFRAME, UnitType.PICTURES)
    assert sum(segment.complete for segment in segments) == len(file.segments) - lost
    if hit.known:
        assert lost == bool(reader.report.segments_damaged or reader.report.pictures_lost)


@few
@given(numbers, st.data())
def test_repeated_unit_changes_no_picture(number: int, data: st.DataObject) -> None:
    file = FILES[number]
    units = units_of(file.data)
    hit = data.draw(st.sampled_from(units))
    segments, reader = read_all(file.data[: hit.end] + hit.data + file.data[hit.end :])
    assert parts(segments) == list(file.segments)
    if hit.unit_type not in (UnitType.SEQUENCE_HEADER, UnitType.TRACK_PACKETS) and hit.known:
        assert not reader.report.intact


@few
@given(numbers, st.integers(0, 2**32))
def test_units_in_any_order_never_make_wrong_segments(number: int, seed: int) -> None:
    file = FILES[number]
    units = units_of(file.data)
    random.Random(seed).shuffle(units)
    data = SIGNATURE + b"".join(unit.data for unit in units)
    for segment in open_reader(data).segments():
        assert intact(file, segment)


@few
@given(numbers, st.booleans())
def test_repeat_of_the_sequence_header_makes_up_for_the_first(number: int, piped: bool) -> None:
    file = FILES[number]
    damaged = bytearray(file.data)
    damaged[len(SIGNATURE) + 9] ^= 0x40
    repeats = sum(unit.unit_type == UnitType.SEQUENCE_HEADER for unit in units_of(file.data)) > 2
    reader = open_reader(Pipe(bytes(damaged)) if piped else bytes(damaged))
    if not piped:
        assert reader.sequence_header == file.header
        assert parts(list(reader.segments())) == list(file.segments)
        return
    with pytest.raises(errors.CLASSES["HYP-E-FILE-02"]):
        _ = reader.sequence_header
    got = parts(list(reader.segments()))
    # From a pipe a header serves the segments that begin behind it.
    assert got == list(file.segments[1:] if repeats else [])
    assert reader.report.segments_damaged == len(file.segments) - len(got)


def test_no_header_at_all_is_an_error() -> None:
    file = FILES[0]
    kept = [u.data for u in units_of(file.data) if u.unit_type != UnitType.SEQUENCE_HEADER]
    data = SIGNATURE + b"".join(kept)
    for stream in (io.BytesIO(data), Pipe(data)):
        with pytest.raises(errors.CLASSES["HYP-E-FILE-02"]):
            list(open_reader(stream).segments())


def test_damaged_signature_is_survived_and_other_files_are_refused() -> None:
    file = FILES[0]
    segments, reader = read_all(b"XX" + file.data[2:])
    assert parts(segments) == list(file.segments)
    assert reader.report.losses[0].error.name == "SignatureMismatch"
    with pytest.raises(errors.CLASSES["HYP-E-FILE-01"]):
        open_reader(random.Random(5).randbytes(100_000))
    with pytest.raises(errors.CLASSES["HYP-E-FILE-01"]):
        open_reader(b"")


def test_track_packets_come_with_the_segments_of_their_time() -> None:
    file = random_file(8, segments=6, pictures=30)
    reader = open_reader(file.data)
    time = 0
    ends = {k.segment_number: k.segment_time + k.segment_duration for k, _ in file.segments}
    packets = []
    waiting: list[TrackPackets] = []
    for item in reader.items():
        if isinstance(item, TrackPackets):
            waiting.append(item)
            continue
        for unit in waiting:
            seconds = unit.packet_base_time * reader.tracks[1].tick
            assert seconds < ends[item.number] * reader.sequence_header.tick
        packets += waiting
        waiting = []
    packets += waiting
    for unit in packets:
        assert unit.packet_base_time >= time or time == 0
        time = unit.packet_base_time
    assert sum(len(unit.packets) for unit in packets) == int(6 * 48000 / 1024)


class Counting(io.BytesIO):
    """Counts what is read."""

    taken = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.taken += len(data)
        return data

    read1 = read  # type: ignore[assignment]


BIG = random_file(9, segments=60, pictures=30, picture_bytes=2000)
BIG_INDEX = units_of(BIG.data)[-2].offset


@few
@given(st.fractions(0, 59), st.booleans())
def test_seek_finds_the_segment_and_reads_little(seconds: Fraction, indexed: bool) -> None:
    end = len(BIG.data) if indexed else BIG_INDEX
    stream = Counting(BIG.data[:end])
    reader = open_reader(stream)
    entry = reader.seek(seconds)
    assert entry is not None
    wanted = int(seconds)
    assert entry.segment_time == BIG.segments[wanted][0].segment_time
    found = stream.taken
    assert found < (24_000 if indexed else 60_000), found
    segment = next(reader.segments())
    assert segment.number == wanted and intact(BIG, segment)
    assert stream.taken - found < segment.size + 100_000
    if wanted < 59:
        assert [s.number for s in reader.segments()][:1] == [wanted + 1]


def test_duration_reads_little() -> None:
    stream = Counting(BIG.data)
    assert open_reader(stream).duration() == 60
    assert stream.taken < 24_000


def test_seek_in_a_pipe_leaves_out_what_ends_before() -> None:
    reader = open_reader(Pipe(BIG.data, 60_000))
    assert reader.seek(Fraction(41, 2)) is None
    assert [segment.number for segment in reader.segments()] == list(range(20, 60))


@pytest.mark.parametrize("wrong", ["offset", "time"])
def test_wrong_index_is_not_believed(wrong: str) -> None:
    from refcodec.container import Index, IndexEntry
    from refcodec.container.structures import serialise

    file = FILES[1]
    units = units_of(file.data)
    index = next(unit for unit in units if unit.unit_type == UnitType.INDEX)
    content = index.content
    assert isinstance(content, Index)
    entries = tuple(
        IndexEntry(e.unit_offset + 1 * (wrong == "offset"), e.segment_time + 7 * (wrong == "time"))
        for e in content.entries
    )
    unit = build_unit(*serialise(Index(entries)))
    assert len(unit) == len(index.data)
    reader = open_reader(file.data[: index.offset] + unit + file.data[index.end :])
    last = file.segments[-1][0]
    reader.seek(last.segment_time * file.header.tick)
    assert next(reader.segments()).keyframe == last
    assert [finding.name for finding in reader.report.findings] == ["IndexWrong"]
