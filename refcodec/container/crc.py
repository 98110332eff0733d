"""The two checksums of a unit, and CRC-32C over many ranges of the same bytes in linear time."""

from __future__ import annotations

from functools import cache

import google_crc32c

CRC32C_POLYNOMIAL = 0x82F63B78
"""Generator polynomial of CRC-32C, bits reversed."""


def _crc8_table() -> bytes:
    table = bytearray(256)
    for byte in range(256):
        register = byte
        for _ in range(8):
            register = ((register << 1) ^ 0x07 if register & 0x80 else register << 1) & 0xFF
        table[byte] = register
    return bytes(table)


CRC8_TABLE = _crc8_table()
"""Register after one byte, for each of the 256 bytes; polynomial x^8 + x^2 + x + 1."""


def crc8(data: bytes | bytearray) -> int:
    """(#unit.header_check) Return the CRC-8 of `data`: polynomial 0x07, start value 0, no final
    inversion."""
    register = 0
    for byte in data:
        register = CRC8_TABLE[register ^ byte]
    return register


def crc32c(data: bytes) -> int:
    """(#unit.crc) Return the CRC-32C of `data`: polynomial 0x1EDC6F41, reflected, start value and
    final inversion 0xFFFFFFFF."""
    return int(google_crc32c.value(data))


@cache
def _shift_tables(level: int) -> tuple[tuple[int, ...], ...]:
    """Return the register after 2**level zero bytes, as four tables by byte of the register."""
    if level == 0:
        columns = []
        for bit in range(32):
            register = 1 << bit
            for _ in range(8):
                register = (register >> 1) ^ (CRC32C_POLYNOMIAL if register & 1 else 0)
            columns.append(register)
    else:
        columns = [_shifted(_shifted(1 << bit, level - 1), level - 1) for bit in range(32)]
    tables = []
    for byte in range(4):
        table = [0] * 256
        for bit in range(8):
            for low in range(1 << bit):
                table[(1 << bit) | low] = table[low] ^ columns[8 * byte + bit]
        tables.append(tuple(table))
    return tuple(tables)


def _shifted(register: int, level: int) -> int:
    t0, t1, t2, t3 = _shift_tables(level)
    return (
        t0[register & 255] ^ t1[register >> 8 & 255] ^ t2[register >> 16 & 255] ^ t3[register >> 24]
    )


def crc32c_shift(register: int, length: int) -> int:
    """Return `register` after `length` zero bytes, in time logarithmic in `length`."""
    level = 0
    while length:
        if length & 1:
            register = _shifted(register, level)
        length >>= 1
        level += 1
    return register


class RangeCrc:
    """CRC-32C of ranges of a stream of bytes that is fed once.

    The CRC of [a, b) follows from those of the prefixes up to a and up to b, so that checking many
    overlapping candidates for units costs no more than reading the bytes once. `start` and `end`
    are the offsets between which ranges may lie; a state is kept for every STEP bytes.
    """

    STEP = 1024

    def __init__(self, start: int) -> None:
        self.start = start
        self.end = start
        self._states: list[int] = [0]

    def feed(self, piece: bytes) -> None:
        """Take the STEP bytes that follow `end`. Raises ValueError for a piece of another size."""
        if len(piece) != self.STEP:
            raise ValueError(f"a piece has {self.STEP} bytes")
        self._states.append(int(google_crc32c.extend(self._states[-1], piece)))
        self.end += self.STEP

    def forget(self, offset: int) -> None:
        """Allow the states before `offset` to be dropped: no range will begin there again."""
        count = (min(offset, self.end) - self.start) // self.STEP
        if count >= 1 << 14:
            del self._states[:count]
            self.start += count * self.STEP

    def floor(self, offset: int) -> int:
        """Return the greatest multiple of STEP from `start` that is not above `offset`."""
        return offset - (offset - self.start) % self.STEP

    def prefix(self, offset: int, rest: bytes) -> int:
        """Return the CRC of [start, offset); `rest` are the bytes from floor(offset) to offset."""
        state = self._states[(offset - self.start) // self.STEP]
        return int(google_crc32c.extend(state, rest)) if rest else state

    @staticmethod
    def between(before: int, after: int, length: int) -> int:
        """Return the CRC of `length` bytes from the prefix CRCs at their start and at their end."""
        return crc32c_shift(before, length) ^ after
