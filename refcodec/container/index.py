"""Where the segments of a seekable file are: from its index, or from its unit headers."""

from __future__ import annotations

from collections.abc import Iterator

from refcodec import errors
from refcodec.container import structures
from refcodec.container.scanner import Damage, Scanner
from refcodec.container.source import ByteSource
from refcodec.container.structures import (
    End,
    Index,
    IndexEntry,
    Keyframe,
    SequenceHeader,
    UnitType,
)
from refcodec.container.units import (
    MAX_HEADER_SIZE,
    SIGNATURE,
    Unit,
    parse_header,
)

KEYFRAME_HEAD = 32
"""Bytes of a keyframe payload that are enough for all elements before prompt_data."""

TAIL_SEARCH = 1 << 18
"""Bytes before the index in which the repeat of the sequence header is looked for."""

END_SIZE = 27
"""(#sem.end) Bytes of the end unit."""


def unit_at(source: ByteSource, offset: int) -> Unit | None:
    """Return the intact unit at `offset`, or None. Reads that unit and nothing else."""
    before, source.read_ahead = source.read_ahead, MAX_HEADER_SIZE
    try:
        event = Scanner(source, offset).probe()
    finally:
        source.read_ahead = before
    return event


def read_end(source: ByteSource) -> tuple[int, End] | None:
    """(#access.index) Return place and content of the end unit, or None when none is at the end."""
    size = source.size()
    if size is None or size < len(SIGNATURE) + END_SIZE:
        return None
    offset = size - END_SIZE
    unit = unit_at(source, offset)
    content = _content(unit)
    return (offset, content) if isinstance(content, End) else None


def read_index(source: ByteSource) -> Index | None:
    """(#access.index) Return the index that the end unit points to; None when either is missing, or
    when the index points outside the file or is not in order."""
    tail = read_end(source)
    if tail is None:
        return None
    end_offset, end = tail
    if not len(SIGNATURE) <= end.index_offset < end_offset:
        return None
    content = _content(unit_at(source, end.index_offset))
    if not isinstance(content, Index) or not content.entries:
        return None
    before = IndexEntry(len(SIGNATURE), 0)
    for entry in content.entries:
        if entry.unit_offset <= before.unit_offset or entry.segment_time < before.segment_time:
            return None
        before = entry
    return content if before.unit_offset < end.index_offset else None


def read_tail_header(source: ByteSource) -> SequenceHeader | None:
    """(#access.header) Return the repeat of the sequence header at the end of the file, or None."""
    tail = read_end(source)
    if tail is None:
        return None
    end_offset, end = tail
    stop = end.index_offset if end.index_offset < end_offset else end_offset
    scanner = Scanner(source, max(len(SIGNATURE), stop - TAIL_SEARCH))
    header: SequenceHeader | None = None
    while scanner.position < stop:
        event = scanner.next()
        if event is None:
            break
        if isinstance(event, Unit):
            content = _content(event, UnitType.SEQUENCE_HEADER)
            header = content if isinstance(content, SequenceHeader) else header
    return header


def find_header(source: ByteSource) -> SequenceHeader | None:
    """(#access.header) Return the first intact sequence header of a seekable file, or None: the one
    at its end first, then any other, by unit headers."""
    header = read_tail_header(source)
    if header is not None:
        return header
    for offset, unit_type, _ in unit_headers(source, len(SIGNATURE)):
        if unit_type == UnitType.SEQUENCE_HEADER:
            content = _content(unit_at(source, offset))
            if isinstance(content, SequenceHeader):
                return content
    return None


def _content(unit: Unit | None, only: UnitType | None = None) -> structures.Content | None:
    if unit is None or (only is not None and unit.unit_type != only):
        return None
    try:
        return unit.content
    except errors.HypError:
        return None


def unit_headers(source: ByteSource, offset: int) -> Iterator[tuple[int, int, int]]:
    """(#access.scan) Yield (offset, unit_type, payload offset) of the units from `offset` on,
    without reading their payloads; behind damage by reading on to the next intact unit."""
    scanner: Scanner | None = None
    while True:
        if scanner is None:
            source.read_ahead = MAX_HEADER_SIZE + KEYFRAME_HEAD
            source.move(offset)
            source.ensure(offset + MAX_HEADER_SIZE)
            head = source.piece(offset, offset + MAX_HEADER_SIZE)
            if not head:
                return
            header = parse_header(head)
            if header is not None:
                yield offset, header.unit_type, offset + header.size
                offset += header.total
                continue
            scanner = Scanner(source, offset)
        source.read_ahead = 1 << 16
        event = scanner.next()
        if event is None:
            return
        if isinstance(event, Damage):
            offset = event.end
        scanner = None


def scan_segments(source: ByteSource, offset: int) -> Iterator[tuple[IndexEntry, Keyframe]]:
    """(#access.scan) Yield the segments from `offset` on, found by unit headers. Of a keyframe unit
    only the elements before prompt_data are read; `prompt_data` is therefore incomplete."""
    for place, unit_type, payload in unit_headers(source, offset):
        if unit_type != UnitType.KEYFRAME:
            continue
        keyframe = keyframe_head(source, place, payload)
        if keyframe is not None:
            yield IndexEntry(place, keyframe.segment_time), keyframe


def keyframe_head(source: ByteSource, offset: int, payload_offset: int) -> Keyframe | None:
    """Return the elements before prompt_data of the keyframe unit at `offset`, or None."""
    source.move(offset)
    head_end = source.ensure(payload_offset + KEYFRAME_HEAD)
    header = parse_header(source.piece(offset, offset + MAX_HEADER_SIZE))
    if header is None:
        return None
    end = min(head_end, payload_offset + header.payload_size)
    try:
        content = structures.parse(
            UnitType.KEYFRAME, source.piece(payload_offset, end), bit_offset=8 * payload_offset
        )
    except errors.HypError:
        return None
    return content if isinstance(content, Keyframe) else None
