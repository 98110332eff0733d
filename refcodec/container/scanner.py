"""From bytes to units: the sequential scan, and resynchronisation after damage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from refcodec import errors
from refcodec.container.crc import RangeCrc, crc32c
from refcodec.container.source import READ_AHEAD, ByteSource
from refcodec.container.units import (
    CRC_SIZE,
    MAX_HEADER_SIZE,
    UNIT_SYNC,
    Unit,
    UnitHeader,
    crc_error,
    header_error,
    parse_header,
    truncation_error,
)


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes [start, end) of the file that are no intact unit; `unit_type` where a header has it."""

    start: int
    end: int
    unit_type: int | None
    error: errors.HypError


class Scanner:
    """(#unit.resync) Iterates over the units from `position` on, and the damage between them.

    After damage the scan continues with the next intact unit: a valid header whose CRC holds. The
    work is linear in the size of the file whatever its bytes are, and the window of the source
    never holds more than one unit of the greatest size and one read.
    """

    def __init__(self, source: ByteSource, position: int = 0) -> None:
        self.source = source
        self.position = position
        # CRC of prefixes from the last damage on; None where everything was intact so far.
        self._ranges: RangeCrc | None = None

    def __iter__(self) -> Iterator[Unit | Damage]:
        while True:
            event = self.next()
            if event is None:
                return
            yield event

    def next(self) -> Unit | Damage | None:
        """Return the unit or the damage at `position` and move behind it; None at the end."""
        start = self.position
        if not self.source.start <= start <= self.source.end:
            self._ranges = None
            self.source.move(start)
        self._release(start)
        head = self._head(start)
        if not head:
            return None
        header = parse_header(head)
        if header is None:
            error = header_error(head, start)
            return self._damage(start, self.resynchronise(start + 1), None, error)
        end = start + header.total
        available = self.source.ensure(end) - start
        if available < header.total:
            error = truncation_error(start, header, available)
            return self._damage(start, self.resynchronise(start + 1), header.unit_type, error)
        read, computed = self._check(start, header)
        if read == computed:
            self.position = end
            return Unit(start, header.unit_type, header.size, self.source.piece(start, end))
        error = crc_error(start, header, read, computed)
        if self._ranges is None:
            self._ranges = RangeCrc(start)
        following = self._head(end)
        if following and parse_header(following) is None:
            end = self.resynchronise(start + 1)
        return self._damage(start, end, header.unit_type, error)

    def probe(self) -> Unit | None:
        """Return the intact unit at `position`, or None; never look further."""
        start = self.position
        self.source.move(start)
        header = parse_header(self._head(start))
        if header is None or self.source.ensure(start + header.total) < start + header.total:
            return None
        read, computed = self._check(start, header)
        if read != computed:
            return None
        self.position = start + header.total
        return Unit(start, header.unit_type, header.size, self.source.piece(start, self.position))

    def resynchronise(self, position: int) -> int:
        """(#unit.resync) Return the offset of the first intact unit at or after `position`, or of
        the end of the file when there is none."""
        found = self.search(position)
        return self.source.end if found is None else found

    def search(self, position: int, limit: int | None = None) -> int | None:
        """(#unit.resync) Return the offset of the first intact unit that begins at or after
        `position` (and before `limit`), or None."""
        source = self.source
        if self._ranges is None:
            self._ranges = RangeCrc(position)
        while limit is None or position < limit:
            found = source.find(UNIT_SYNC, position)
            if found < 0:
                # The last byte may be the first of unit_sync.
                position = max(position, source.end - 1)
                end = source.end
                self._release(position)
                if source.ensure(end + READ_AHEAD) == end:
                    return None
                continue
            self._release(found)
            header = parse_header(self._head(found))
            if header is not None:
                end = found + header.total
                if source.ensure(end) == end:
                    read, computed = self._check(found, header)
                    if read == computed:
                        return found
            position = found + 1
        return None

    def _damage(
        self, start: int, end: int, unit_type: int | None, error: errors.HypError
    ) -> Damage:
        error.source = self.source.name
        self.position = end
        return Damage(start, end, unit_type, error)

    def _head(self, offset: int) -> bytes:
        """Return the bytes that a unit header at `offset` may have; fewer at the file's end."""
        self.source.ensure(offset + MAX_HEADER_SIZE)
        return self.source.piece(offset, offset + MAX_HEADER_SIZE)

    def _release(self, position: int) -> None:
        """Let go of the bytes before `position`, but keep those that the next CRC state needs."""
        ranges = self._ranges
        if ranges is not None and position >= ranges.end + RangeCrc.STEP:
            # Everything that was looked at twice lies behind.
            ranges = self._ranges = None
        if ranges is None:
            self.source.release(position)
        else:
            ranges.forget(position)
            self.source.release(max(self.source.start, min(ranges.floor(position), ranges.end)))

    def _check(self, start: int, header: UnitHeader) -> tuple[int, int]:
        """Return unit_crc as read and as computed of the unit at `start`, in the window."""
        end = start + header.total - CRC_SIZE
        source, ranges = self.source, self._ranges
        read = int.from_bytes(source.piece(end, end + CRC_SIZE), "big")
        if ranges is None:
            return read, crc32c(source.piece(start, end))
        while ranges.end + RangeCrc.STEP <= end:
            ranges.feed(source.piece(ranges.end, ranges.end + RangeCrc.STEP))
        before = ranges.prefix(start, source.piece(ranges.floor(start), start))
        after = ranges.prefix(end, source.piece(ranges.floor(end), end))
        return read, ranges.between(before, after, end - start)
