"""Reading a file or a pipe: units, and the segments and track packets that they make."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from types import TracebackType

from refcodec import errors
from refcodec.container import index as access
from refcodec.container.report import DamageReport, Loss
from refcodec.container.rules import ContainerRules
from refcodec.container.scanner import Damage, Scanner
from refcodec.container.source import (
    OPENING_READ,
    READ_AHEAD,
    ByteSource,
    Readable,
    open_source,
)
from refcodec.container.structures import (
    AccessUnit,
    Content,
    End,
    IndexEntry,
    Keyframe,
    Metadata,
    Pictures,
    SequenceHeader,
    TrackHeader,
    TrackPackets,
    UnitType,
)
from refcodec.container.units import SIGNATURE, Unit

SIGNATURE_SEARCH = 1 << 25
"""(#file.signature) Bytes in which a first unit is looked for when the signature is damaged."""

SEGMENT_BYTES = 1 << 28
"""Bytes of one segment that a reader holds, unless it is told otherwise."""

MOST_METADATA = 4096
"""Metadata entries that a reader keeps."""


@dataclass(frozen=True, slots=True)
class Segment:
    """(#terms.segment) A keyframe and the access units that follow it, in decoding order.

    `access_units` are those before the first one that is missing; `errors` says why some are.
    `offset` is the place of the keyframe unit in the file.
    """

    offset: int
    keyframe: Keyframe
    access_units: tuple[AccessUnit, ...]
    errors: tuple[errors.HypError, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether all access units that the keyframe unit declares are there."""
        return len(self.access_units) == self.keyframe.picture_count

    @property
    def number(self) -> int:
        """segment_number."""
        return self.keyframe.segment_number

    @property
    def size(self) -> int:
        """Bytes of prompt and NAL units."""
        return len(self.keyframe.prompt_data) + sum(unit.size for unit in self.access_units)


@dataclass(slots=True)
class _Assembly:
    """A segment whose units are being read."""

    offset: int
    end: int
    keyframe: Keyframe
    has_header: bool
    access_units: list[AccessUnit] = field(default_factory=list)
    faults: list[errors.HypError] = field(default_factory=list)
    first_loss: Loss | None = None
    size: int = 0
    closed: bool = False

    def fault(self, error: errors.HypError) -> None:
        if len(self.faults) < 16:
            self.faults.append(error)


class Reader:
    """Reads one file, or what comes from a pipe, once from its beginning to its end, or from where
    `seek` leads.

    Iterating gives the intact `Unit`s; `segments` and `items` give what they make. `report` tells
    what was lost so far. No more than one unit and one segment is held at a time.
    """

    def __init__(self, source: ByteSource, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.report = DamageReport()
        self.tracks: dict[int, TrackHeader] = {}
        self.metadata: dict[str, str] = {}
        self._source = source
        self._segment_bytes = segment_bytes
        self._rules: ContainerRules | None = ContainerRules()
        self._header: SequenceHeader | None = None
        self._first_position = self._check_signature()
        self._scanner = Scanner(source, self._first_position)
        self._assembly: _Assembly | None = None
        self._pending: Unit | None = None
        self._started = False
        self._skip_before: Fraction | None = None
        self._entries: list[IndexEntry] = []
        self._entries_complete = False
        self._segment_scan: Iterator[tuple[IndexEntry, Keyframe]] | None = None

    # ------------------------------------------------------------------------------ opening

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._source.close()

    @property
    def name(self) -> str | None:
        """Name of the file, or None."""
        return self._source.name

    @property
    def seekable(self) -> bool:
        """Whether `seek` may go anywhere; forward only where not."""
        return self._source.seekable

    @property
    def bytes_read(self) -> int:
        """Bytes that were read so far."""
        return self._source.bytes_read

    @property
    def size(self) -> int | None:
        """Size of the file in bytes, None for a pipe."""
        return self._source.size()

    def _check_signature(self) -> int:
        """(#file.signature) Return the offset of the first unit.

        Raises SignatureMismatch when neither the signature nor any unit is near the beginning.
        """
        source = self._source
        source.ensure(len(SIGNATURE))
        found = source.piece(0, len(SIGNATURE))
        if found == SIGNATURE:
            return len(SIGNATURE)
        error = errors.for_requirement(
            "HYP-FILE-001",
            bit_offset=0,
            element="signature",
            value=found,
            allowed=SIGNATURE,
            source=source.name,
        )
        position = Scanner(source).search(0, SIGNATURE_SEARCH)
        if position is None:
            raise error
        self._lose(Loss(0, position, None, error))
        return position

    # -------------------------------------------------------------------------------- units

    def __iter__(self) -> Iterator[Unit]:
        """Yield the intact units in the order of the file; `report` gets what is damaged.

        Their payloads are not parsed before `Unit.content` is asked for.
        """
        for event in self.events():
            if isinstance(event, Unit):
                yield event

    def events(self) -> Iterator[Unit | Loss]:
        """Yield the intact units and what lies between them, in the order of the file."""
        self._started = True
        self._source.read_ahead = READ_AHEAD
        yield from self.report.losses
        if self._pending is not None:
            unit, self._pending = self._pending, None
            yield unit
        for event in self._scanner:
            if isinstance(event, Unit):
                yield event
            else:
                loss = Loss(event.start, event.end, event.unit_type, event.error)
                self._lose(loss)
                yield loss

    # ----------------------------------------------------------------- what stands before

    @property
    def sequence_header(self) -> SequenceHeader:
        """The first intact sequence header; reads up to the first keyframe.

        A seekable file is searched for a repeat when the first one is damaged; from a pipe, one
        that comes later serves the segments behind it. Raises SequenceHeaderMissing when there is
        none (so far).
        """
        self._start()
        if self._header is None:
            raise errors.for_requirement("HYP-FILE-025", source=self._source.name)
        return self._header

    def _start(self) -> None:
        """Read the units before the first segment."""
        if self._started:
            return
        self._started = True
        while (unit := self._next_unit()) is not None:
            content = self._parsed(unit)
            if isinstance(content, Keyframe | Pictures | TrackPackets | End):
                self._pending = unit
                break
            if content is not None:
                self._observe(unit, content)
                self._prologue(content)
        if self._header is None and self._source.seekable:
            here = self._scanner.position
            self._header = access.find_header(self._source)
            self._restart(here)

    def _restart(self, position: int) -> None:
        self._source.read_ahead = OPENING_READ if self._source.seekable else READ_AHEAD
        self._source.move(position)
        self._scanner = Scanner(self._source, position)

    def _prologue(self, content: Content) -> None:
        match content:
            case SequenceHeader():
                if self._header is None:
                    self._header = content
            case TrackHeader():
                self.tracks.setdefault(content.track_id, content)
            case Metadata():
                for key, value in content.entries:
                    if len(self.metadata) < MOST_METADATA:
                        self.metadata.setdefault(key, value)

    def _next_unit(self) -> Unit | None:
        """Return the next intact unit; damage goes into the report."""
        if self._pending is not None:
            unit, self._pending = self._pending, None
            return unit
        while True:
            event = self._scanner.next()
            if event is None or isinstance(event, Unit):
                return event
            self._damaged(event)

    def _parsed(self, unit: Unit) -> Content | None:
        """Return the content of `unit`; None when it is unknown or broken."""
        try:
            content = unit.content
        except errors.HypError as error:
            error.source = self._source.name
            self._damaged(Damage(unit.offset, unit.end, unit.unit_type, error))
            return None
        if content is None:
            self.report.unknown_units += 1
        return content

    def _observe(self, unit: Unit, content: Content | None) -> None:
        if self._rules is not None:
            for finding in self._rules.unit(unit.offset, unit.unit_type, content):
                self._find(finding)

    def _find(self, finding: errors.HypError) -> None:
        finding.source = self._source.name
        self.report.find(finding)

    def _lose(self, loss: Loss) -> None:
        self.report.lose(loss)
        if self._rules is not None:
            self._rules.lost()

    def _damaged(self, damage: Damage) -> None:
        """Record bytes that gave nothing, for the segment that they belong to as far as known."""
        loss = Loss(damage.start, damage.end, damage.unit_type, damage.error)
        assembly = self._assembly
        if assembly is not None:
            full = len(assembly.access_units) == assembly.keyframe.picture_count
            loss.segment = assembly.keyframe.segment_number + full
            if not full:
                assembly.fault(damage.error)
                assembly.first_loss = assembly.first_loss or loss
        self._lose(loss)

    # ----------------------------------------------------------------------------- segments

    def segments(self) -> Iterator[Segment]:
        """Yield the segments that have at least one access unit, from the current place on.

        Raises SequenceHeaderMissing at the end when no sequence header came at all.
        """
        for item in self.items():
            if isinstance(item, Segment):
                yield item

    def items(self) -> Iterator[Segment | TrackPackets]:
        """Yield segments, and the track packets between them, in the order in which they end.

        Raises SequenceHeaderMissing at the end when no sequence header came at all.
        """
        self._start()
        while (unit := self._next_unit()) is not None:
            # From the second unit on the file is being read through.
            self._source.read_ahead = READ_AHEAD
            content = self._parsed(unit)
            if content is None:
                continue
            self._observe(unit, content)
            match content:
                case Keyframe():
                    if self._repeats(content):
                        self._lose(self._loss(unit, "HYP-KF-020", content.segment_number, 0))
                        continue
                    # The next segment begins before this one is handed out: whoever stops asking
                    # here may go on later.
                    segment = self._finished_segment()
                    has_header = self._header is not None
                    self._assembly = _Assembly(unit.offset, unit.end, content, has_header)
                    self._assembly.size = len(content.prompt_data)
                    if segment is not None:
                        yield segment
                case Pictures():
                    self._add(unit, content)
                case TrackPackets():
                    if self._in_reach(content):
                        yield content
                case End():
                    self.report.end_reached = True
                case _:
                    self._prologue(content)
        segment = self._finished_segment()
        if segment is not None:
            yield segment
        if self._rules is not None:
            for finding in self._rules.finished(self._scanner.position):
                self._find(finding)
            self._rules = None
        if self._header is None:
            raise errors.for_requirement("HYP-FILE-025", source=self._source.name)

    def _repeats(self, keyframe: Keyframe) -> bool:
        """Whether the keyframe unit of the current segment has come a second time."""
        assembly = self._assembly
        return assembly is not None and keyframe == assembly.keyframe

    def _add(self, unit: Unit, pictures: Pictures) -> None:
        """(#sem.pictures) Append access units to the current segment if they continue it."""
        assembly = self._assembly
        count = len(pictures.access_units)
        number = pictures.segment_number
        if assembly is None or assembly.keyframe.segment_number != number:
            self._lose(self._loss(unit, "HYP-PIC-020", number, count))
            self.report.pictures_lost += count
            return
        if pictures.first_access_unit != len(assembly.access_units) or assembly.closed:
            known = pictures.first_access_unit < len(assembly.access_units)
            loss = self._loss(unit, "HYP-PIC-021", number, 0 if known else count)
            if not known:
                assembly.fault(loss.error)
                assembly.first_loss = assembly.first_loss or loss
            self._lose(loss)
            return
        room = assembly.keyframe.picture_count - len(assembly.access_units)
        assembly.size += unit.payload_size
        if assembly.size > self._segment_bytes:
            error = errors.error(
                "HYP-E-LVL-09",
                bit_offset=8 * unit.offset,
                element="segment",
                value=assembly.size,
                allowed=f"at most {self._segment_bytes} bytes",
                source=self._source.name,
            )
            assembly.closed = True
            assembly.fault(error)
            loss = Loss(unit.offset, unit.end, unit.unit_type, error, number, count)
            assembly.first_loss = assembly.first_loss or loss
            self._lose(loss)
            return
        assembly.access_units.extend(pictures.access_units[:room])

    def _loss(self, unit: Unit, requirement: str, segment: int, pictures: int) -> Loss:
        error = errors.for_requirement(
            requirement, bit_offset=8 * unit.offset, source=self._source.name
        )
        return Loss(unit.offset, unit.end, unit.unit_type, error, segment, pictures)

    def _finished_segment(self) -> Segment | None:
        """Return the segment that ends here, if it has something to show."""
        assembly, self._assembly = self._assembly, None
        if assembly is None:
            return None
        keyframe, units = assembly.keyframe, tuple(assembly.access_units)
        missing = keyframe.picture_count - len(units)
        header = self._header
        if header is None or not assembly.has_header:
            # (#file.order) What comes from a pipe begins behind the first header.
            error = errors.for_requirement("HYP-FILE-025", source=self._source.name)
            self._lose(
                Loss(
                    assembly.offset,
                    assembly.end,
                    UnitType.KEYFRAME,
                    error,
                    keyframe.segment_number,
                    keyframe.picture_count,
                )
            )
            self.report.segments_damaged += 1
            self.report.pictures_lost += keyframe.picture_count
            return None
        if self._skip_before is not None:
            end = keyframe.segment_time + keyframe.segment_duration
            if end * header.tick <= self._skip_before:
                return None
            self._skip_before = None
        if missing:
            error = errors.for_requirement(
                "HYP-KF-022",
                bit_offset=8 * assembly.offset,
                element="picture_count",
                value=keyframe.picture_count,
                allowed=len(units),
                source=self._source.name,
            )
            assembly.fault(error)
            if assembly.first_loss is None:
                self._lose(
                    Loss(
                        assembly.end,
                        assembly.end,
                        UnitType.PICTURES,
                        error,
                        keyframe.segment_number,
                        missing,
                    )
                )
            else:
                assembly.first_loss.pictures = missing
            self.report.segments_damaged += 1
            self.report.pictures_lost += missing
        else:
            self.report.segments_intact += 1
        self.report.pictures_read += len(units)
        if not units:
            return None
        return Segment(assembly.offset, keyframe, units, tuple(assembly.faults))

    def _in_reach(self, packets: TrackPackets) -> bool:
        """Whether packets are wanted after a `seek` on a pipe."""
        if self._skip_before is None:
            return True
        track = self.tracks.get(packets.track_id)
        if track is None or not packets.packets:
            return False
        last = packets.packets[-1]
        end = packets.packet_base_time + last.time_offset + last.duration
        return end * track.tick > self._skip_before

    # ---------------------------------------------------------------------------- seeking

    def entries(self) -> Iterator[IndexEntry]:
        """(#access) Yield place and time of the segments of a seekable file, from its index, or by
        unit headers when it has none. Afterwards reading goes on where it was.

        Raises io.UnsupportedOperation for a pipe.
        """
        if not self.seekable:
            raise io.UnsupportedOperation("a pipe has no index before its end")
        self._start()
        position = 0
        while True:
            if position == len(self._entries):
                here = self._scanner.position
                found = self._extend_entries()
                self._restart(here)
                if not found:
                    return
            yield self._entries[position]
            position += 1

    def _extend_entries(self) -> bool:
        """Find one more segment; return whether there is one."""
        if self._entries_complete:
            return False
        if self._segment_scan is None:
            index = access.read_index(self._source)
            if index is not None:
                self._entries = list(index.entries)
                self._entries_complete = True
                return True
            self._segment_scan = access.scan_segments(self._source, self._first_position)
        for entry, _ in self._segment_scan:
            self._entries.append(entry)
            return True
        self._entries_complete = True
        return False

    def seek(self, seconds: Fraction | float) -> IndexEntry | None:
        """(#access) Continue with the segment that is shown at `seconds` (>= 0); return its entry.

        The next segment is the last one that begins at or before `seconds`, or the first of the
        file. From a pipe only forward: segments that end before are left out, and None is returned.
        Raises SequenceHeaderMissing without a sequence header, NoSegment for a file without any.
        """
        tick = self.sequence_header.tick
        target = Fraction(seconds)
        if not self.seekable:
            self._skip_before = target
            return None
        best: IndexEntry | None = None
        for entry in self.entries():
            if best is not None and entry.segment_time * tick > target:
                break
            best = entry
        if best is None:
            raise errors.for_requirement("HYP-FILE-023", source=self._source.name)
        if not self._stands_at(best):
            if self._segment_scan is not None:
                return self._continue_at(best)
            # The index is wrong: do as if there were none.
            self._find(
                errors.for_requirement(
                    "HYP-IDX-020",
                    bit_offset=8 * best.unit_offset,
                    element="unit_offset_delta",
                    value=best.unit_offset,
                    source=self._source.name,
                )
            )
            self._entries, self._entries_complete = [], False
            self._segment_scan = access.scan_segments(self._source, self._first_position)
            return self.seek(target)
        return self._continue_at(best)

    def _stands_at(self, entry: IndexEntry) -> bool:
        """Whether the keyframe unit of `entry` is intact at its place."""
        unit = access.unit_at(self._source, entry.unit_offset)
        if unit is None or unit.unit_type != UnitType.KEYFRAME:
            return False
        try:
            content = unit.content
        except errors.HypError:
            return False
        return isinstance(content, Keyframe) and content.segment_time == entry.segment_time

    def _continue_at(self, entry: IndexEntry) -> IndexEntry:
        self._pending = self._assembly = None
        # Rules between units need all of them from the beginning on.
        self._rules = None
        self._restart(entry.unit_offset)
        return entry

    def duration(self) -> Fraction | None:
        """Return the time in seconds at which the last segment ends; None for a pipe or a file
        without segments. Reads the index and the last keyframe unit's first elements."""
        if not self.seekable:
            return None
        header = self.sequence_header
        here = self._scanner.position
        last: IndexEntry | None = None
        for entry in self.entries():
            last = entry
        if last is None:
            return None
        unit = access.unit_at(self._source, last.unit_offset)
        self._restart(here)
        content = None if unit is None else self._quiet_content(unit)
        length = content.segment_duration if isinstance(content, Keyframe) else 0
        return (last.segment_time + length) * header.tick

    @staticmethod
    def _quiet_content(unit: Unit) -> Content | None:
        try:
            return unit.content
        except errors.HypError:
            return None


def open_reader(readable: Readable, *, segment_bytes: int = SEGMENT_BYTES) -> Reader:
    """Open a path, the bytes of a file, or a binary stream (a pipe too) for reading.

    `segment_bytes` bounds the memory that one segment may take. Raises SignatureMismatch when it
    is no HYP file and ReadFailed when it cannot be read.
    """
    source = open_source(readable)
    try:
        return Reader(source, segment_bytes=segment_bytes)
    except BaseException:
        if isinstance(readable, str) or hasattr(readable, "__fspath__"):
            source.close()
        raise
