"""The frame around a payload: sync, type, size, header check and CRC."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from refcodec import errors
from refcodec.container import structures
from refcodec.container.crc import crc8, crc32c
from refcodec.container.structures import Content, UnitType

SIGNATURE = bytes.fromhex("894859500d0a1a0a")
"""(#file.signature) The first eight bytes of a file."""

UNIT_SYNC = bytes.fromhex("c7a9")
"""(#unit.sync) The first two bytes of a unit."""

MAX_PAYLOAD_SIZE = 1 << 24
"""(#unit.payload_size) Greatest payload_size, in bytes."""

MAX_HEADER_SIZE = 9
"""Bytes that are enough to judge any unit header: sync, type, up to five of payload_size, check."""

CRC_SIZE = 4
"""Bytes of unit_crc."""


@dataclass(frozen=True, slots=True)
class UnitHeader:
    """A unit header whose header check holds and whose payload_size is allowed.

    `size` is the number of bytes of the header itself.
    """

    unit_type: int
    payload_size: int
    size: int

    @property
    def total(self) -> int:
        """Bytes of the whole unit, CRC included."""
        return self.size + self.payload_size + CRC_SIZE


def leb128(value: int) -> bytes:
    """(#conv.leb128) Return `value` (not negative) as shortest LEB128."""
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def parse_header(data: bytes | bytearray, position: int = 0) -> UnitHeader | None:
    """(#unit) Return the unit header at `data[position]`, or None when none stands there complete.

    Reads at most MAX_HEADER_SIZE bytes. `header_error` says what is wrong where this returns None.
    """
    if data[position : position + 2] != UNIT_SYNC:
        return None
    header = data[position : position + MAX_HEADER_SIZE]
    payload_size = shift = 0
    for index in range(3, len(header) - 1):
        byte = header[index]
        payload_size |= (byte & 0x7F) << shift
        if byte < 0x80:
            if (byte == 0 and shift) or payload_size > MAX_PAYLOAD_SIZE:
                return None
            if crc8(header[: index + 1]) != header[index + 1]:
                return None
            return UnitHeader(header[2], payload_size, index + 2)
        shift += 7
    return None


def header_error(data: bytes, offset: int) -> errors.HypError:
    """(#unit) Return what is wrong with the unit header that begins `data`, at byte `offset`.

    `data` are the next MAX_HEADER_SIZE bytes, fewer only at the end of the file.
    """
    if data[:2] != UNIT_SYNC:
        if UNIT_SYNC.startswith(data):
            return _truncated(offset, f"{len(data)} bytes are left.")
        return errors.for_requirement(
            "HYP-UNIT-001",
            bit_offset=8 * offset,
            element="unit_sync",
            value=data[:2],
            allowed=UNIT_SYNC,
        )
    sizes = data[3:8]
    last = next((index for index, byte in enumerate(sizes) if byte < 0x80), None)
    if last is None and len(sizes) == 5:
        return _header_error("HYP-UNIT-024", offset + 3, "payload_size", sizes, "32 bits")
    if last is None or len(data) < 5 + last:
        return _truncated(offset, f"{len(data)} bytes are left.")
    check = 4 + last
    computed = crc8(data[:check])
    if computed != data[check]:
        return _header_error("HYP-UNIT-004", offset + check, "header_check", data[check], computed)
    payload_size = sum((byte & 0x7F) << 7 * index for index, byte in enumerate(sizes[: last + 1]))
    if last and not sizes[last]:
        shortest = leb128(payload_size)
        return _header_error("HYP-UNIT-023", offset + 3, "payload_size", sizes, shortest)
    requirement = "HYP-UNIT-024" if payload_size >> 32 else "HYP-UNIT-003"
    allowed = (0, MAX_PAYLOAD_SIZE)
    return _header_error(requirement, offset + 3, "payload_size", payload_size, allowed)


def _header_error(
    requirement: str, offset: int, element: str, value: object, allowed: object
) -> errors.HypError:
    return errors.for_requirement(
        requirement, bit_offset=8 * offset, element=element, value=value, allowed=allowed
    )


def _truncated(offset: int, detail: str) -> errors.HypError:
    return errors.for_requirement("HYP-UNIT-020", bit_offset=8 * offset, detail=detail)


def truncation_error(offset: int, header: UnitHeader, available: int) -> errors.HypError:
    """(#unit) Return the error of a unit at `offset` of which only `available` bytes are there."""
    return _truncated(offset, f"The unit has {header.total} bytes; {available} are left.")


def crc_error(offset: int, header: UnitHeader, read: int, computed: int) -> errors.HypError:
    """(#unit.crc) Return the error of a unit whose unit_crc is `read` where `computed` is right."""
    return errors.for_requirement(
        "HYP-UNIT-005",
        bit_offset=8 * (offset + header.total - CRC_SIZE),
        element="unit_crc",
        value=read,
        allowed=computed,
    )


@dataclass(frozen=True)
class Unit:
    """One intact unit: header check and CRC hold.

    `offset` is the place of unit_sync in the file, `unit_type` 1..255, `data` the whole unit.
    The payload is parsed when `content` is first asked for.
    """

    offset: int
    unit_type: int
    header_size: int
    data: bytes = field(repr=False)

    @property
    def end(self) -> int:
        """Offset of the byte after the unit."""
        return self.offset + len(self.data)

    @property
    def payload_offset(self) -> int:
        """Offset of the first byte of the payload in the file."""
        return self.offset + self.header_size

    @property
    def payload(self) -> memoryview:
        """The payload, not copied."""
        return memoryview(self.data)[self.header_size : -CRC_SIZE]

    @property
    def payload_size(self) -> int:
        """Bytes of the payload."""
        return len(self.data) - self.header_size - CRC_SIZE

    @property
    def known(self) -> bool:
        """Whether this document defines the type of the unit."""
        return self.unit_type in structures.STRUCTURE_NAMES

    @property
    def type_name(self) -> str:
        """Name of the syntax structure of the payload, or "unit type N"."""
        return structures.type_name(self.unit_type)

    @cached_property
    def content(self) -> Content | None:
        """The parsed payload; None for a type that this document does not define.

        Raises the error of the requirement that the payload breaks.
        """
        if self.unit_type == 0:
            raise errors.for_requirement(
                "HYP-UNIT-002",
                bit_offset=8 * (self.offset + 2),
                element="unit_type",
                value=0,
                allowed=(1, 255),
            )
        if not self.known:
            return None
        return structures.parse(
            UnitType(self.unit_type), self.payload, bit_offset=8 * self.payload_offset
        )


def build_unit(unit_type: int, payload: bytes) -> bytes:
    """(#unit) Return the unit of `unit_type` (1..255) around `payload` (at most MAX_PAYLOAD_SIZE).

    Raises ValueError for another type or a longer payload.
    """
    if not 1 <= unit_type <= 255:
        raise ValueError(f"unit_type is {unit_type}")
    if len(payload) > MAX_PAYLOAD_SIZE:
        raise ValueError(f"a payload of {len(payload)} bytes is longer than a unit may be")
    header = UNIT_SYNC + bytes([unit_type]) + leb128(len(payload))
    body = header + bytes([crc8(header)]) + payload
    return body + crc32c(body).to_bytes(CRC_SIZE, "big")
