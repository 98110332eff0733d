"""Resynchronisation: the same as a plain scan, linear on hostile data, constant in memory."""

import io
import random
import time
import tracemalloc

from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.mutation.samples import random_file
from refcodec.container import Unit, open_reader
from refcodec.container.crc import RangeCrc, crc8, crc32c
from refcodec.container.scanner import Damage, Scanner
from refcodec.container.source import open_source
from refcodec.container.units import (
    MAX_PAYLOAD_SIZE,
    SIGNATURE,
    UNIT_SYNC,
    build_unit,
    leb128,
    parse_header,
)


def lure(unit_type: int, size: int) -> bytes:
    """A valid unit header without its unit."""
    head = UNIT_SYNC + bytes([unit_type]) + leb128(size)
    return head + bytes([crc8(head)])


def intact_at(data: bytes, place: int) -> bytes | None:
    header = parse_header(data, place)
    if header is None or place + header.total > len(data):
        return None
    unit = data[place : place + header.total]
    return unit if crc32c(unit[:-4]) == int.from_bytes(unit[-4:], "big") else None


def scan_plain(data: bytes) -> list[tuple[int, int, bool]]:
    """(#unit.resync) The rule, word for word: (start, end, whether it is a unit)."""
    found = []
    place = 0
    while place < len(data):
        unit = intact_at(data, place)
        if unit is not None:
            found.append((place, place + len(unit), True))
            place += len(unit)
            continue
        header = parse_header(data, place)
        end = None
        if header is not None and place + header.total <= len(data):
            after = place + header.total
            if after == len(data) or parse_header(data, after) is not None:
                end = after
        if end is None:
            end = place + 1
            while end < len(data) and intact_at(data, end) is None:
                end += 1
        found.append((place, end, False))
        place = end
    return found


pieces = st.one_of(
    st.builds(build_unit, st.integers(1, 9), st.binary(max_size=40)),
    st.builds(build_unit, st.just(200), st.binary(min_size=3000, max_size=3000)),
    st.builds(lure, st.integers(0, 9), st.sampled_from([0, 1, 5, 20, 60, 700, 5000, 1 << 24])),
    st.binary(max_size=30),
    st.just(UNIT_SYNC),
    st.just(bytes(1500)),
    # a unit inside another one, whose checksum is wrong
    st.binary(max_size=9).map(lambda inner: build_unit(3, build_unit(1, inner))[:-1] + b"x"),
)


@settings(deadline=None, max_examples=200)
@given(st.lists(pieces, max_size=14), st.integers(0, 3))
def test_scan_equals_the_plain_one(parts: list[bytes], cut: int) -> None:
    data = b"".join(parts)
    data = data[: len(data) - cut]
    events = [
        (event.offset, event.end, True)
        if isinstance(event, Unit)
        else (event.start, event.end, False)
        for event in Scanner(open_source(data))
    ]
    assert events == scan_plain(data)


class Counted:
    """Counts the bytes that checksums are taken of, and the calls."""

    def __init__(self) -> None:
        self.fed = self.calls = 0


def scan_cost(data: bytes, monkeypatch_target: Counted) -> float:
    feed, prefix = RangeCrc.feed, RangeCrc.prefix

    def counted_feed(self: RangeCrc, piece: bytes) -> None:
        monkeypatch_target.fed += len(piece)
        feed(self, piece)

    def counted_prefix(self: RangeCrc, offset: int, rest: bytes) -> int:
        monkeypatch_target.calls += 1
        assert len(rest) < RangeCrc.STEP
        return prefix(self, offset, rest)

    RangeCrc.feed, RangeCrc.prefix = counted_feed, counted_prefix  # type: ignore[method-assign]
    try:
        start = time.process_time()
        for event in Scanner(open_source(data)):
            assert isinstance(event, Unit | Damage)
        return time.process_time() - start
    finally:
        RangeCrc.feed, RangeCrc.prefix = feed, prefix  # type: ignore[method-assign]


def test_work_is_linear_on_lures() -> None:
    """Every six bytes promise a unit of up to 16 MiB: the bytes are still looked at once."""
    for size in (50, 1 << 16, MAX_PAYLOAD_SIZE):
        for count in (10_000, 20_000):
            data = lure(3, size) * count + bytes(2000)
            counted = Counted()
            seconds = scan_cost(data, counted)
            assert counted.fed <= 2 * len(data)
            assert counted.calls <= 2 * 2 * count
            assert seconds < 10


def test_work_is_linear_between_small_units_and_large_lures() -> None:
    data = (build_unit(200, b"abc") + lure(3, 1 << 17)) * 10_000
    counted = Counted()
    scan_cost(data, counted)
    assert counted.fed <= 3 * len(data)


class Endless(io.RawIOBase):
    """A pipe that gives the same segments again and again, and noise between them."""

    def __init__(self, head: bytes, body: bytes, times: int) -> None:
        super().__init__()
        self.head, self.body, self.times = head, body, times
        self.rest = memoryview(head)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self.rest and self.times:
            self.times -= 1
            self.rest = memoryview(self.body)
        size = min(len(buffer), len(self.rest))
        buffer[:size] = self.rest[:size]
        self.rest = self.rest[size:]
        return size


def test_long_pipe_is_never_in_memory() -> None:
    file = random_file(4, segments=4, pictures=10, picture_bytes=40_000, audio=False)
    units = list(open_reader(file.data))
    noise = random.Random(0).randbytes(200_000)
    first = next(unit.offset for unit in units if unit.unit_type == 2)
    body = file.data[first : units[-3].offset] + noise
    pipe = Endless(file.data[:first], body, 40)
    size = 40 * len(body)
    tracemalloc.start()
    reader = open_reader(pipe)
    segments = sum(1 for _ in reader.segments())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert segments == 160
    assert size > 30_000_000 and peak < 6_000_000, (size, peak)


def test_inflated_size_allocates_nothing() -> None:
    data = SIGNATURE + lure(1, MAX_PAYLOAD_SIZE) + bytes(100)
    tracemalloc.start()
    reader = open_reader(data)
    assert not list(reader)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000
    assert reader.report.losses[0].error.name == "UnitTruncated"
