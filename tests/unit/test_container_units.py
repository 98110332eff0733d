"""The frame of a unit: checksums, header, and agreement with the syntax tables."""

import random

import pytest

from refcodec import errors
from refcodec.container import Reader, open_reader, structures
from refcodec.container.crc import CRC32C_POLYNOMIAL, RangeCrc, crc8, crc32c, crc32c_shift
from refcodec.container.index import END_SIZE
from refcodec.container.structures import End, UnitType, hyp_syntax
from refcodec.container.units import (
    MAX_HEADER_SIZE,
    MAX_PAYLOAD_SIZE,
    SIGNATURE,
    UNIT_SYNC,
    build_unit,
    header_error,
    leb128,
    parse_header,
)
from refcodec.syntax import read, write


def crc8_plain(data: bytes) -> int:
    """CRC-8 bit by bit: long division by x^8 + x^2 + x + 1."""
    register = 0
    for byte in data:
        for bit in range(7, -1, -1):
            top = register >> 7 ^ byte >> bit & 1
            register = (register << 1 & 0xFF) ^ (0x07 if top else 0)
    return register


def crc32c_plain(data: bytes) -> int:
    """CRC-32C bit by bit."""
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (CRC32C_POLYNOMIAL if register & 1 else 0)
    return register ^ 0xFFFFFFFF


def test_checksums_have_their_published_check_values() -> None:
    assert crc8(b"123456789") == 0xF4
    assert crc32c(b"123456789") == 0xE3069283


def test_checksums_agree_with_plain_ones() -> None:
    source = random.Random(1)
    for size in [0, 1, 2, 7, 64, 333]:
        data = source.randbytes(size)
        assert crc8(data) == crc8_plain(data)
        assert crc32c(data) == crc32c_plain(data)


@pytest.mark.parametrize("length", [0, 1, 2, 5, 1023, 1024, 70001, MAX_PAYLOAD_SIZE])
def test_shifted_register_joins_two_checksums(length: int) -> None:
    source = random.Random(length)
    head, tail = source.randbytes(10), source.randbytes(length)
    joined = crc32c_shift(crc32c(head), length) ^ crc32c(tail)
    assert joined == crc32c(head + tail)


def test_range_crc_equals_the_checksum_of_every_range() -> None:
    data = random.Random(3).randbytes(10 * RangeCrc.STEP)
    ranges = RangeCrc(0)
    while ranges.end < len(data):
        ranges.feed(data[ranges.end : ranges.end + ranges.STEP])
    source = random.Random(4)
    for _ in range(200):
        start, end = sorted(source.randrange(len(data) + 1) for _ in range(2))
        before = ranges.prefix(start, data[ranges.floor(start) : start])
        after = ranges.prefix(end, data[ranges.floor(end) : end])
        assert ranges.between(before, after, end - start) == crc32c(data[start:end])


def test_unit_types_are_those_of_the_syntax() -> None:
    constants = hyp_syntax().constants
    declared = {name: row.value for name, row in constants.items() if name.startswith("UNIT_")}
    assert {f"UNIT_{kind.name}": int(kind) for kind in UnitType} == declared


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16383, 16384, 2097151, 2097152, MAX_PAYLOAD_SIZE])
def test_header_of_every_length_is_read_back(size: int) -> None:
    unit = build_unit(77, bytes(size))
    header = parse_header(unit)
    assert header is not None
    assert (header.unit_type, header.payload_size, header.total) == (77, size, len(unit))
    assert header.size < MAX_HEADER_SIZE


def test_unit_equals_what_the_syntax_tables_write() -> None:
    end = End(index_offset=99, segment_count=3, total_picture_count=12)
    unit = build_unit(*structures.serialise(end))
    values = {
        "unit_sync": 0xC7A9,
        "unit_type": 8,
        "payload_size": 18,
        "header_check": crc8_plain(unit[:4]),
        "end": {"index_offset": 99, "segment_count": 3, "total_picture_count": 12},
        "unit_crc": crc32c_plain(unit[:-4]),
    }
    assert write(hyp_syntax(), "unit", values) == unit
    assert read(hyp_syntax(), "unit", unit)["end"] == values["end"]
    assert len(unit) == END_SIZE


def test_signature_and_sync_are_those_of_the_syntax() -> None:
    file = write(hyp_syntax(), "file", {"unit": []})
    assert file == SIGNATURE
    with pytest.raises(errors.HypError):
        read(hyp_syntax(), "unit", b"\x00" + UNIT_SYNC)


def damaged_header(kind: str) -> bytes:
    unit = bytearray(build_unit(5, bytes(200)))
    if kind == "sync":
        unit[0] ^= 1
    elif kind == "check":
        unit[5] ^= 1
    elif kind == "type":
        unit[2] ^= 1
    else:
        size = {
            "size": leb128(MAX_PAYLOAD_SIZE + 1),
            "minimal": b"\x81\x00",
            "long": b"\xff\xff\xff\xff\xff",
        }[kind]
        head = UNIT_SYNC + b"\x05" + size
        unit[:6] = head + bytes([crc8_plain(head)])
    return bytes(unit)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("sync", "UnitSyncMissing"),
        ("check", "UnitHeaderMismatch"),
        ("type", "UnitHeaderMismatch"),
        ("size", "PayloadSizeOutOfRange"),
        ("minimal", "NumberNotMinimal"),
        ("long", "NumberTooLong"),
    ],
)
def test_each_damage_of_a_header_has_its_error(kind: str, name: str) -> None:
    unit = damaged_header(kind)
    assert parse_header(unit) is None
    error = header_error(unit[:MAX_HEADER_SIZE], 1000)
    assert error.name == name
    assert error.bit_offset is not None and 8000 <= error.bit_offset < 8000 + 8 * MAX_HEADER_SIZE


@pytest.mark.parametrize("size", range(1, 6))
def test_header_that_is_cut_is_truncated(size: int) -> None:
    head = build_unit(5, bytes(200))[:size]
    assert parse_header(head) is None
    assert header_error(head, 0).name == "UnitTruncated"


def test_unit_type_zero_is_refused() -> None:
    head = UNIT_SYNC + b"\x00\x00"
    body = head + bytes([crc8(head)])
    reader = open_reader(SIGNATURE + body + crc32c(body).to_bytes(4, "big"))
    assert isinstance(reader, Reader)
    (unit,) = list(reader)
    with pytest.raises(errors.CLASSES["HYP-E-UNIT-04"]):
        _ = unit.content


def test_payload_with_bytes_left_is_refused() -> None:
    unit_type, payload = structures.serialise(
        End(index_offset=1, segment_count=1, total_picture_count=1)
    )
    with pytest.raises(errors.CLASSES["HYP-E-UNIT-08"]):
        structures.parse(unit_type, payload + b"\x00")
