"""Rules between units, checked in the order of the file.

`ContainerRules` is told of every unit and every damage, and answers with the requirements that are
broken there. The reader acts on some of the answers, validation reports all of them. It keeps a
state of constant size, so that it works on a pipe of any length.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from refcodec.container.structures import (
    Content,
    End,
    Index,
    Keyframe,
    Metadata,
    Pictures,
    SequenceHeader,
    TrackHeader,
    TrackPackets,
    UnitType,
)
from refcodec.errors import HypError, for_requirement

LONGEST_MEMORY = 1 << 16
"""Metadata keys that are remembered for the rule that none occurs twice."""


@dataclass(slots=True)
class _OpenSegment:
    keyframe: Keyframe
    offset: int
    access_units: int = 0
    # Presentation offsets are at most as many as picture_count, which is below 65536.
    offsets: set[int] | None = None


class ContainerRules:
    """The state that rules between units need, and the rules.

    `damaged` is set once bytes were lost: rules that count what the file has are silent from then
    on, because the count cannot be known.
    """

    def __init__(self) -> None:
        self.damaged = False
        self._first = True
        self._header: SequenceHeader | None = None
        self._segment: _OpenSegment | None = None
        self._tracks: dict[int, int] = {}
        self._keys: set[str] = set()
        self._segments = 0
        self._pictures = 0
        self._index_offset: int | None = None
        self._last_type = 0
        self._keyframe_places = hashlib.sha256()
        self._end_offset: int | None = None
        self._after_end = False

    # ------------------------------------------------------------------------------- events

    def lost(self) -> None:
        """Bytes were lost at this place."""
        self.damaged = True

    def unit(self, offset: int, unit_type: int, content: Content | None) -> list[HypError]:
        """Return the rules that the unit at `offset` breaks, in the order of the document.

        `content` is None for unit types that this document does not define.
        """
        return list(self._unit(offset, unit_type, content))

    def finished(self, offset: int) -> list[HypError]:
        """Return the rules that the file as a whole breaks; `offset` is its size in bytes."""
        return list(self._finished(offset))

    def _unit(self, offset: int, unit_type: int, content: Content | None) -> Iterator[HypError]:
        if self._end_offset is not None and not self._after_end:
            self._after_end = True
            yield _broken("HYP-FILE-022", offset)
        if self._first and unit_type != UnitType.SEQUENCE_HEADER and not self.damaged:
            yield _broken("HYP-FILE-020", offset, element="unit_type", value=unit_type, allowed=1)
        self._first = False
        match content:
            case SequenceHeader():
                yield from self._sequence_header(offset, content)
            case Keyframe():
                yield from self._keyframe(offset, content)
            case Pictures():
                yield from self._pictures_unit(offset, content)
            case TrackHeader():
                yield from self._track_header(offset, content)
            case TrackPackets():
                yield from self._track_packets(offset, content)
            case Metadata():
                yield from self._metadata(offset, content)
            case Index():
                yield from self._index_unit(offset, content)
            case End():
                yield from self._end(offset, content)
        self._last_type = unit_type

    # ---------------------------------------------------------------------------- unit types

    def _sequence_header(self, offset: int, header: SequenceHeader) -> Iterator[HypError]:
        """(#sem.sequence_header)"""
        if self._header is not None:
            if header != self._header:
                yield _broken("HYP-SEQ-022", offset)
            return
        self._header = header
        for name in ("coded_width", "coded_height"):
            if getattr(header, name) % 2:
                yield _broken(
                    "HYP-SEQ-020", offset, element=name, value=getattr(header, name), allowed="even"
                )

    def _keyframe(self, offset: int, keyframe: Keyframe) -> Iterator[HypError]:
        """(#sem.keyframe)"""
        yield from self._after_index(offset, "a keyframe")
        yield from self._segment_finished()
        number, before = keyframe.segment_number, self._segment
        expected = 0 if before is None else before.keyframe.segment_number + 1
        if number != expected and not (self.damaged and number > expected):
            yield _broken(
                "HYP-KF-020", offset, element="segment_number", value=number, allowed=expected
            )
        if before is not None:
            end = before.keyframe.segment_time + before.keyframe.segment_duration
            if keyframe.segment_time < end:
                yield _broken(
                    "HYP-KF-021",
                    offset,
                    element="segment_time",
                    value=keyframe.segment_time,
                    allowed=f"{end} or more",
                )
        if keyframe.generated:
            if self._header is not None and self._header.generator_id == 0:
                yield _broken("HYP-KF-023", offset, element="keyframe_mode", value=0, allowed=1)
            if not keyframe.prompt_data:
                yield _broken("HYP-KF-007", offset, element="prompt_data", value=b"")
        elif keyframe.prompt_scale_index:
            yield _broken(
                "HYP-KF-026",
                offset,
                element="prompt_scale_index",
                value=keyframe.prompt_scale_index,
                allowed=0,
            )
        self._segments += 1
        self._pictures += keyframe.picture_count
        self._keyframe_places.update(f"{offset},{keyframe.segment_time};".encode())
        self._segment = _OpenSegment(keyframe, offset)

    def _segment_finished(self) -> Iterator[HypError]:
        segment = self._segment
        if segment is None:
            return
        declared = segment.keyframe.picture_count
        if segment.access_units < declared:
            yield _broken(
                "HYP-KF-022",
                segment.offset,
                element="picture_count",
                value=declared,
                allowed=segment.access_units,
                detail=f"Segment {segment.keyframe.segment_number}.",
            )

    def _pictures_unit(self, offset: int, pictures: Pictures) -> Iterator[HypError]:
        """(#sem.pictures)"""
        yield from self._after_index(offset, "pictures")
        segment = self._segment
        if segment is None:
            yield _broken("HYP-FILE-024", offset, detail="No keyframe unit stands before it.")
            return
        number = segment.keyframe.segment_number
        if pictures.segment_number != number:
            yield _broken(
                "HYP-PIC-020",
                offset,
                element="segment_number",
                value=pictures.segment_number,
                allowed=number,
            )
            return
        if pictures.first_access_unit != segment.access_units:
            yield _broken(
                "HYP-PIC-021",
                offset,
                element="first_access_unit",
                value=pictures.first_access_unit,
                allowed=segment.access_units,
            )
            return
        count = segment.access_units + len(pictures.access_units)
        declared = segment.keyframe.picture_count
        if count > declared:
            yield _broken(
                "HYP-PIC-022",
                offset,
                element="access_unit_count",
                value=len(pictures.access_units),
                allowed=(1, declared - segment.access_units),
            )
        if segment.access_units == 0 and pictures.access_units[0].presentation_offset:
            yield _broken(
                "HYP-PIC-027",
                offset,
                element="presentation_offset",
                value=pictures.access_units[0].presentation_offset,
                allowed=0,
            )
        yield from self._presentation_offsets(offset, segment, pictures)
        segment.access_units = min(count, declared)

    def _presentation_offsets(
        self, offset: int, segment: _OpenSegment, pictures: Pictures
    ) -> Iterator[HypError]:
        offsets = segment.offsets = segment.offsets or set()
        duration = segment.keyframe.segment_duration
        room = segment.keyframe.picture_count - segment.access_units
        for unit in pictures.access_units[:room]:
            at = unit.presentation_offset
            if at in offsets:
                yield _broken("HYP-PIC-023", offset, element="presentation_offset", value=at)
            offsets.add(at)
            if duration and at >= duration:
                yield _broken(
                    "HYP-KF-025",
                    offset,
                    element="presentation_offset",
                    value=at,
                    allowed=(0, duration - 1),
                )

    def _track_header(self, offset: int, header: TrackHeader) -> Iterator[HypError]:
        """(#sem.track_header)"""
        if header.track_id in self._tracks:
            yield _broken("HYP-TRK-021", offset, element="track_id", value=header.track_id)
        else:
            self._tracks[header.track_id] = -(1 << 63)
        if not all(0x21 <= ord(character) <= 0x7E for character in header.codec_name):
            yield _broken("HYP-TRK-004", offset, element="codec_name", value=header.codec_name)

    def _track_packets(self, offset: int, packets: TrackPackets) -> Iterator[HypError]:
        """(#sem.track_packets)"""
        yield from self._after_index(offset, "packets")
        before = self._tracks.get(packets.track_id)
        if before is None:
            # The header may be among what was lost.
            if not self.damaged:
                yield _broken("HYP-TRK-020", offset, element="track_id", value=packets.track_id)
            return
        if packets.packet_base_time < before:
            yield _broken(
                "HYP-TRK-022",
                offset,
                element="packet_base_time",
                value=packets.packet_base_time,
                allowed=f"{before} or more",
            )
        self._tracks[packets.track_id] = max(before, packets.packet_base_time)

    def _metadata(self, offset: int, metadata: Metadata) -> Iterator[HypError]:
        """(#sem.metadata)"""
        for key, _ in metadata.entries:
            if key in self._keys:
                yield _broken("HYP-META-020", offset, element="key", value=key)
            elif len(self._keys) < LONGEST_MEMORY:
                self._keys.add(key)

    def _index_unit(self, offset: int, index: Index) -> Iterator[HypError]:
        """(#sem.index)"""
        yield from self._segment_finished()
        self._segment_closed()
        if self._index_offset is not None:
            yield _broken("HYP-IDX-021", offset)
            return
        self._index_offset = offset
        listed = hashlib.sha256()
        for entry in index.entries:
            listed.update(f"{entry.unit_offset},{entry.segment_time};".encode())
        if listed.digest() != self._keyframe_places.digest() and not self.damaged:
            yield _broken(
                "HYP-IDX-020",
                offset,
                element="entry_count",
                value=len(index.entries),
                allowed=self._segments,
                detail="It is not the list of the keyframe units.",
            )

    def _segment_closed(self) -> None:
        """The segment was judged; judge it no second time."""
        if self._segment is not None:
            self._segment.access_units = self._segment.keyframe.picture_count

    def _end(self, offset: int, end: End) -> Iterator[HypError]:
        """(#sem.end)"""
        yield from self._segment_finished()
        self._segment_closed()
        if self._end_offset is not None:
            return
        self._end_offset = offset
        if self.damaged:
            return
        if self._last_type != UnitType.INDEX:
            yield _broken("HYP-IDX-022", offset)
        if self._index_offset is not None and end.index_offset != self._index_offset:
            yield _broken(
                "HYP-END-001",
                offset,
                element="index_offset",
                value=end.index_offset,
                allowed=self._index_offset,
            )
        if end.segment_count != self._segments:
            yield _broken(
                "HYP-END-002",
                offset,
                element="segment_count",
                value=end.segment_count,
                allowed=self._segments,
            )
        if end.total_picture_count != self._pictures:
            yield _broken(
                "HYP-END-003",
                offset,
                element="total_picture_count",
                value=end.total_picture_count,
                allowed=self._pictures,
            )

    def _after_index(self, offset: int, what: str) -> Iterator[HypError]:
        if self._index_offset is not None:
            yield _broken(
                "HYP-FILE-024", offset, detail=f"It has {what} and the index stands before it."
            )

    def _finished(self, offset: int) -> Iterator[HypError]:
        """(#file.order)"""
        if self._end_offset is None:
            yield from self._segment_finished()
            yield _broken("HYP-FILE-021", offset)
        if not self._segments:
            yield _broken("HYP-FILE-023", offset)


def _broken(
    requirement: str,
    offset: int,
    *,
    element: str | None = None,
    value: object = None,
    allowed: object = None,
    detail: str | None = None,
) -> HypError:
    """Return the error of `requirement` for the unit at byte `offset`."""
    return for_requirement(
        requirement,
        bit_offset=8 * offset,
        element=element,
        value=value,
        allowed=allowed,
        detail=detail,
    )
