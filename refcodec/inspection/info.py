"""What a file holds: picture format, segments, tracks, and what each part of it costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from typing import Any

from refcodec.container import (
    Keyframe,
    Metadata,
    Pictures,
    SequenceHeader,
    TrackHeader,
    TrackPackets,
)
from refcodec.container.scanner import Damage, Scanner
from refcodec.container.source import ByteSource
from refcodec.container.structures import type_name
from refcodec.container.units import SIGNATURE, Unit
from refcodec.errors import HypError, error


@dataclass(slots=True)
class SegmentInfo:
    """One segment: `begin` and `duration` in seconds, sizes in bytes of whole units."""

    number: int
    begin: float
    duration: float
    pictures: int
    generated: bool
    prompt_scale_index: int
    keyframe_bytes: int
    pictures_bytes: int = 0


@dataclass(slots=True)
class TrackInfo:
    """One side track; `bytes` are those of its units."""

    track_id: int
    kind: int
    codec: str
    language: str
    sample_rate: int
    channels: int
    packets: int = 0
    bytes: int = 0


@dataclass(slots=True)
class FileInfo:
    """A whole file. `size` and `bytes_by_unit_type` in bytes, `duration` in seconds, `bit_rate` in bit/s of
    the whole file, `picture_rate` in pictures a second. `damage` lists what could not be read."""

    name: str
    size: int = 0
    version: str = ""
    profile: int = 0
    level: int = 0
    coded_size: tuple[int, int] = (0, 0)
    presentation_size: tuple[int, int] = (0, 0)
    colour: dict[str, int] = field(default_factory=dict)
    generator_id: int = 0
    model_digest: str = ""
    restoration_gain: int = 0
    restoration_digest: str = ""
    duration: float = 0.0
    pictures: int = 0
    segments: list[SegmentInfo] = field(default_factory=list)
    tracks: list[TrackInfo] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    bytes_by_unit_type: dict[str, int] = field(default_factory=dict)
    damage: list[str] = field(default_factory=list)

    @property
    def bit_rate(self) -> float:
        """Bits a second of the whole file, 0 for a file without duration."""
        return 8 * self.size / self.duration if self.duration else 0.0

    @property
    def picture_rate(self) -> float:
        """Pictures a second, 0 for a file without duration."""
        return self.pictures / self.duration if self.duration else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self) | {"bit_rate": self.bit_rate, "picture_rate": self.picture_rate}


def info(source: ByteSource, name: str) -> FileInfo:
    """Read a file through, holding one unit at a time, and return what it holds.

    Damaged units are listed in `damage`. Raises SignatureMismatch or SequenceHeaderMissing for what is no
    HYP file.
    """
    found = FileInfo(name)
    started = source.piece(0, source.ensure(len(SIGNATURE))) == SIGNATURE
    position = len(SIGNATURE) if started else 0
    tick: Fraction | None = None
    by_number: dict[int, SegmentInfo] = {}
    for event in Scanner(source, position):
        if isinstance(event, Damage):
            found.size = max(found.size, event.end)
            found.damage.append(str(event.error))
            continue
        found.size = max(found.size, event.end)
        kind = type_name(event.unit_type)
        found.bytes_by_unit_type[kind] = found.bytes_by_unit_type.get(kind, 0) + len(event.data)
        try:
            content = event.content
        except HypError as cause:
            found.damage.append(str(cause))
            continue
        if isinstance(content, SequenceHeader) and tick is None:
            tick = content.tick
            _header(found, content)
        elif isinstance(content, Keyframe) and tick is not None:
            segment = _segment(content, tick, len(event.data))
            by_number[segment.number] = segment
            found.segments.append(segment)
        elif isinstance(content, Pictures) and content.segment_number in by_number:
            by_number[content.segment_number].pictures_bytes += len(event.data)
        else:
            _side(found, event, content)
    if tick is None:
        missing = "HYP-E-FILE-02" if started else "HYP-E-FILE-01"
        raise error(missing, bit_offset=0, source=name)
    found.pictures = sum(segment.pictures for segment in found.segments)
    if found.segments:
        begin = found.segments[0].begin
        found.duration = max(s.begin + s.duration for s in found.segments) - begin
    return found


def _header(found: FileInfo, header: SequenceHeader) -> None:
    found.version = f"{header.version_major}.{header.version_minor}"
    found.profile, found.level = header.profile, header.level
    found.coded_size = (header.coded_width, header.coded_height)
    found.presentation_size = (header.presentation_width, header.presentation_height)
    found.colour = {
        "colour_primaries": header.colour_primaries,
        "transfer_characteristics": header.transfer_characteristics,
        "matrix_coefficients": header.matrix_coefficients,
        "full_range_flag": header.full_range_flag,
    }
    found.generator_id = header.generator_id
    found.model_digest = bytes(header.model_digest).hex()
    found.restoration_gain = header.restoration_gain
    found.restoration_digest = bytes(header.restoration_digest).hex()


def _segment(keyframe: Keyframe, tick: Fraction, size: int) -> SegmentInfo:
    return SegmentInfo(
        number=keyframe.segment_number,
        begin=float(keyframe.segment_time * tick),
        duration=float(keyframe.segment_duration * tick),
        pictures=keyframe.picture_count,
        generated=keyframe.generated,
        prompt_scale_index=keyframe.prompt_scale_index,
        keyframe_bytes=size,
    )


def _side(found: FileInfo, unit: Unit, content: object) -> None:
    if isinstance(content, TrackHeader):
        found.tracks.append(
            TrackInfo(
                content.track_id,
                content.track_kind,
                content.codec_name,
                content.language,
                content.sample_rate,
                content.channel_count,
            )
        )
    elif isinstance(content, TrackPackets):
        for track in _tracks(found, content.track_id):
            track.packets += len(content.packets)
            track.bytes += len(unit.data)
    elif isinstance(content, Metadata):
        found.metadata.update(content.entries)


def _tracks(found: FileInfo, track_id: int) -> Iterator[TrackInfo]:
    return (track for track in found.tracks if track.track_id == track_id)
