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
    size_bytes = 0
    for size_bytes in range(1, len(data) - 2):
        if data[2 + size_bytes] < 0x80:
            break
    else:
        if len(data) < MAX_HEADER_SIZE:
            return _truncated(offset, f"{len(data)} bytes are left.")
    size = 4 + size_bytes
    if size > len(data):
        return _truncated(offset, f"{len(data)} bytes are left.")
    payload_size = 0
    for index in range(size_bytes):
        payload_size |= (data[3 + index] & 0x7F) << 7 * index
    computed = crc8(data[: size - 1])
    value: object
    allowed: object
    if size_bytes == 5 and data[7] >= 0x80:
        requirement, element, value, allowed = "HYP-UNIT-024", "payload_size", data[3:8], "32 bits"
    elif computed != data[size - 1]:
        requirement, element = "HYP-UNIT-004", "header_check"
        value, allowed = data[size - 1 : size], bytes([computed])
    elif payload_size > MAX_PAYLOAD_SIZE:
        return errors.for_requirement(
            "HYP-UNIT-003",
            bit_offset=8 * (offset + 3),
            element="payload_size",
            value=payload_size,
            allowed=(0, MAX_PAYLOAD_SIZE),
        )
    else:
        requirement, element = "HYP-UNIT-023", "payload_size"
        value, allowed = data[3 : 3 + size_bytes], leb128(payload_size).hex()
    place = offset + size - 1 if element == "header_check" else offset + 3
    return errors.for_requirement(
        requirement, bit_offset=8 * place, element=element, value=value, allowed=allowed
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
