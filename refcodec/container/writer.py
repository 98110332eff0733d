"""Writing a file: units in their order, side tracks between them, index and end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO

from refcodec.container.structures import (
    STRUCTURE_NAMES,
    AccessUnit,
    Content,
    End,
    Index,
    IndexEntry,
    Keyframe,
    Metadata,
    Packet,
    Pictures,
    SequenceHeader,
    TrackHeader,
    TrackPackets,
    serialise,
)
from refcodec.container.units import MAX_PAYLOAD_SIZE, SIGNATURE, build_unit

PICTURES_UNIT_BYTES = 1 << 14
"""Bytes after which a pictures unit is closed: a damaged unit costs no more than that."""

PACKETS_UNIT_SECONDS = Fraction(1)
"""Time after which a track packets unit is closed."""

MOST_PER_UNIT = 255
"""Access units or packets of one unit, at most."""


@dataclass(slots=True)
class _TrackSource:
    """Packets of a track that are still to be written: absolute time in track ticks, packet."""

    header: TrackHeader
    packets: Iterator[tuple[int, Packet]]
    next: tuple[int, Packet] | None = None


class Writer:
    """Writes a HYP file to a binary stream, which need not be seekable.

    Order of calls: sequence_header; track headers and metadata; segments (with track packets);
    finish. The writer keeps no picture and no packet longer than it must. Every element is checked
    against the syntax: values out of range raise the error of their requirement; calls in a wrong
    order raise ValueError.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._position = 0
        self._header: SequenceHeader | None = None
        self._entries: list[IndexEntry] = []
        self._picture_count = 0
        self._tracks: dict[int, TrackHeader] = {}
        self._sources: dict[int, _TrackSource] = {}
        self._end_time = 0
        self._finished = False

    @property
    def position(self) -> int:
        """Bytes written so far."""
        return self._position

    def _put(self, data: bytes) -> None:
        self._stream.write(data)
        self._position += len(data)

    def _unit(self, content: Content) -> int:
        """Write one unit; return its offset."""
        if self._finished:
            raise ValueError("the file is finished")
        if self._header is None and not isinstance(content, SequenceHeader):
            raise ValueError("the sequence header comes first")
        offset = self._position
        unit_type, payload = serialise(content)
        self._put(build_unit(unit_type, payload))
        return offset

    def sequence_header(self, header: SequenceHeader | None = None) -> None:
        """(#syn.sequence_header) Write the signature and the sequence header; without an argument,
        repeat the header."""
        if header is None:
            if self._header is None:
                raise ValueError("there is no sequence header to repeat")
            self._unit(self._header)
            return
        if self._header is not None:
            raise ValueError("a file has one sequence header; leave the argument out to repeat it")
        payload = serialise(header)
        self._put(SIGNATURE)
        self._put(build_unit(*payload))
        self._header = header

    def track_header(
        self, header: TrackHeader, packets: Iterable[tuple[int, Packet]] | None = None
    ) -> None:
        """(#syn.track_header) Declare a side track.

        `packets` gives pairs of absolute time in track ticks and packet (whose time_offset is
        ignored), in order of time. It is asked for more only when the segments have reached that
        time, so a demuxer can feed it.
        """
        if header.track_id in self._tracks:
            raise ValueError(f"track {header.track_id} was declared before")
        self._unit(header)
        self._tracks[header.track_id] = header
        if packets is not None:
            self._sources[header.track_id] = _TrackSource(header, iter(packets))

    def track_packets(self, packets: TrackPackets) -> None:
        """(#syn.track_packets) Write packets of a declared track here."""
        if packets.track_id not in self._tracks:
            raise ValueError(f"track {packets.track_id} was not declared")
        self._unit(packets)

    def metadata(self, metadata: Metadata) -> None:
        """(#syn.metadata) Write metadata."""
        self._unit(metadata)

    def foreign_unit(self, unit_type: int, payload: bytes) -> None:
        """(#unit.type) Write a unit of a type that this document does not define; decoders skip it.

        Raises ValueError for a type that it does define.
        """
        if unit_type in STRUCTURE_NAMES:
            raise ValueError(f"unit_type {unit_type} has a meaning")
        if self._header is None or self._finished:
            raise ValueError("units stand between the sequence header and the end")
        self._put(build_unit(unit_type, payload))

    def segment(self, keyframe: Keyframe, access_units: Sequence[AccessUnit]) -> None:
        """(#terms.segment) Write a segment: its keyframe unit, the packets of the side tracks up to
        its end, and its pictures units.

        Raises ValueError when `access_units` are not as many as the keyframe declares, or when the
        segment does not follow the one before.
        """
        if keyframe.picture_count != len(access_units):
            raise ValueError(
                f"{len(access_units)} access units, but picture_count is {keyframe.picture_count}"
            )
        if keyframe.segment_number != len(self._entries):
            raise ValueError(
                f"segment_number is {keyframe.segment_number} instead of {len(self._entries)}"
            )
        if keyframe.segment_time < self._end_time:
            raise ValueError(
                f"segment_time is {keyframe.segment_time}; the segment before ends at "
                f"{self._end_time}"
            )
        offset = self._unit(keyframe)
        self._entries.append(IndexEntry(offset, keyframe.segment_time))
        self._picture_count += keyframe.picture_count
        self._end_time = keyframe.segment_time + keyframe.segment_duration
        assert self._header is not None
        self._drain(self._end_time * self._header.tick)
        for pictures in pictures_units(keyframe.segment_number, access_units):
            self._unit(pictures)

    def _drain(self, until: Fraction | None) -> None:
        """Write the packets of all track sources that begin before `until` seconds."""
        units: list[tuple[Fraction, TrackPackets]] = []
        for source in self._sources.values():
            tick = source.header.tick
            for unit in _packet_units(source, until):
                units.append((unit.packet_base_time * tick, unit))
        # Packets of several tracks stand in the order of their times.
        units.sort(key=lambda timed: timed[0])
        for _, unit in units:
            self._unit(unit)

    def finish(self) -> None:
        """(#file.order) Write the packets that are left, the repeat of the sequence header, the
        index and the end unit; flush the stream."""
        if self._header is None:
            raise ValueError("the sequence header comes first")
        self._drain(None)
        self._unit(self._header)
        index_offset = self._unit(Index(tuple(self._entries)))
        self._unit(
            End(
                index_offset=index_offset,
                segment_count=len(self._entries),
                total_picture_count=self._picture_count,
            )
        )
        self._finished = True
        self._stream.flush()


def pictures_units(segment_number: int, access_units: Sequence[AccessUnit]) -> Iterator[Pictures]:
    """Yield the pictures units of a segment: each closed after PICTURES_UNIT_BYTES.

    Raises ValueError for an access unit that fits into no unit.
    """
    first = size = 0
    group: list[AccessUnit] = []
    for unit in access_units:
        # Sizes and offsets take at most this much besides the NAL units themselves.
        cost = unit.size + 8 + 4 * len(unit.nal_units)
        if cost + 16 > MAX_PAYLOAD_SIZE:
            raise ValueError(f"an access unit of {unit.size} bytes fits into no unit")
        if group and (size + cost > PICTURES_UNIT_BYTES or len(group) == MOST_PER_UNIT):
            yield Pictures(segment_number, first, tuple(group))
            first += len(group)
            group, size = [], 0
        group.append(unit)
        size += cost
    if group:
        yield Pictures(segment_number, first, tuple(group))


def _packet_units(source: _TrackSource, until: Fraction | None) -> Iterator[TrackPackets]:
    """Yield track packets units with the packets that begin before `until` seconds."""
    tick = source.header.tick
    group: list[tuple[int, Packet]] = []
    size = 0
    while True:
        if source.next is None:
            source.next = next(source.packets, None)
        entry = source.next
        if entry is None or (until is not None and entry[0] * tick >= until):
            break
        time, packet = entry
        if group and (
            (time - group[0][0]) * tick >= PACKETS_UNIT_SECONDS
            or time < group[0][0]
            or size + len(packet.data) + 16 > PICTURES_UNIT_BYTES
            or len(group) == MOST_PER_UNIT
        ):
            yield _packet_unit(source.header.track_id, group)
            group, size = [], 0
        group.append((time, packet))
        size += len(packet.data) + 16
        source.next = None
    if group:
        yield _packet_unit(source.header.track_id, group)


def _packet_unit(track_id: int, group: Sequence[tuple[int, Packet]]) -> TrackPackets:
    base = group[0][0]
    packets = tuple(Packet(time - base, packet.duration, packet.data) for time, packet in group)
    return TrackPackets(track_id, base, packets)
