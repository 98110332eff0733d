"""Units as dataclasses, named after the syntax structures; parsing and writing of payloads.

Bytes elements of parsed units are memoryviews of the payload, not copies; equal to the bytes that
were written. Reading what was written gives equal objects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction
from functools import cache
from typing import Any, TypeAlias

from refcodec import errors, syntax

Bytes: TypeAlias = bytes | memoryview


class UnitType(IntEnum):
    """(#unit.type) unit_type of the units that this document defines."""

    SEQUENCE_HEADER = 1
    KEYFRAME = 2
    PICTURES = 3
    TRACK_HEADER = 4
    TRACK_PACKETS = 5
    METADATA = 6
    INDEX = 7
    END = 8


STRUCTURE_NAMES: dict[int, str] = {kind: kind.name.lower() for kind in UnitType}
"""Name of the syntax structure of each unit_type."""


def type_name(unit_type: int) -> str:
    """Return the name of the syntax structure of `unit_type`, or "unit type N"."""
    return STRUCTURE_NAMES.get(unit_type, f"unit type {unit_type}")


KEYFRAME_GENERATED = 0
"""keyframe_mode of a keyframe that the generator makes from a prompt."""

KEYFRAME_CODED = 1
"""keyframe_mode of a keyframe that is an ordinary IDR access unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceHeader:
    """(#syn.sequence_header) What holds for the whole file. `model_digest` is empty when
    generator_id is 0, `restoration_digest` when restoration_gain is 0; `parameter_sets` are NAL
    units without start code, the SPS first."""

    version_major: int = 0
    version_minor: int = 1
    profile: int = 0
    level: int
    coded_width: int
    coded_height: int
    presentation_width: int
    presentation_height: int
    colour_primaries: int = 2
    transfer_characteristics: int = 2
    matrix_coefficients: int = 2
    full_range_flag: int = 0
    restoration_gain: int = 0
    tick_numerator: int
    tick_denominator: int
    picture_duration: int = 0
    inter_codec_id: int = 1
    generator_id: int = 0
    model_digest: Bytes = b""
    restoration_digest: Bytes = b""
    parameter_sets: tuple[Bytes, ...]

    @property
    def tick(self) -> Fraction:
        """Duration of one tick in seconds."""
        return Fraction(self.tick_numerator, self.tick_denominator)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyframe:
    """(#syn.keyframe) Start of a segment; times in ticks. `prompt_data` is empty when
    keyframe_mode is KEYFRAME_CODED."""

    segment_number: int
    segment_time: int
    segment_duration: int
    picture_count: int
    keyframe_mode: int
    prompt_scale_index: int = 0
    prompt_data: Bytes = b""

    @property
    def generated(self) -> bool:
        """Whether the keyframe is made by the generator."""
        return self.keyframe_mode == KEYFRAME_GENERATED


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """(#syn.access_unit) One picture: `presentation_offset` in ticks from segment_time; NAL units
    without start codes."""

    presentation_offset: int
    nal_units: tuple[Bytes, ...]

    @property
    def size(self) -> int:
        """Bytes of all NAL units."""
        return sum(map(len, self.nal_units))


@dataclass(frozen=True, slots=True)
class Pictures:
    """(#syn.pictures) Access units of segment `segment_number` in decoding order, the first of them
    being number `first_access_unit` of the segment."""

    segment_number: int
    first_access_unit: int
    access_units: tuple[AccessUnit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackHeader:
    """(#syn.track_header) A side track that is carried as it is; times in its own ticks."""

    track_id: int
    track_kind: int
    codec_name: str
    track_tick_numerator: int
    track_tick_denominator: int
    sample_rate: int = 0
    channel_count: int = 0
    channel_layout: str = ""
    initial_padding: int = 0
    language: str = ""
    extradata: Bytes = b""

    @property
    def tick(self) -> Fraction:
        """Duration of one tick of the track in seconds."""
        return Fraction(self.track_tick_numerator, self.track_tick_denominator)


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet of a track: `time_offset` from packet_base_time and `duration` in track ticks."""

    time_offset: int
    duration: int
    data: Bytes


@dataclass(frozen=True, slots=True)
class TrackPackets:
    """(#syn.track_packets) Packets of track `track_id`; `packet_base_time` in track ticks may be
    negative."""

    track_id: int
    packet_base_time: int
    packets: tuple[Packet, ...]


@dataclass(frozen=True, slots=True)
class Metadata:
    """(#syn.metadata) Pairs of key and value."""

    entries: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """Place of a keyframe unit in the file, in bytes, and its segment_time, in ticks."""

    unit_offset: int
    segment_time: int


@dataclass(frozen=True, slots=True)
class Index:
    """(#syn.index) Places and times of all keyframe units. The file has differences to the entry
    before; here are the sums."""

    entries: tuple[IndexEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """(#syn.end) Last unit of a file; of constant size, so that it is found from the file's end."""

    index_offset: int
    segment_count: int
    total_picture_count: int


Content: TypeAlias = (
    SequenceHeader | Keyframe | Pictures | TrackHeader | TrackPackets | Metadata | Index | End
)

_Values: TypeAlias = Mapping[str, Any]

# ------------------------------------------------------------------------------- from the syntax


def _sequence_header(values: _Values) -> SequenceHeader:
    plain = {name: value for name, value in values.items() if name in _SEQUENCE_HEADER_NUMBERS}
    return SequenceHeader(
        **plain,
        model_digest=values.get("model_digest", b""),
        restoration_digest=values.get("restoration_digest", b""),
        parameter_sets=tuple(values["parameter_set"]),
    )


_SEQUENCE_HEADER_NUMBERS = frozenset(SequenceHeader.__dataclass_fields__) - {
    "model_digest",
    "restoration_digest",
    "parameter_sets",
}


def _keyframe(values: _Values) -> Keyframe:
    return Keyframe(**{name: values[name] for name in values if name != "payload_size"})


def _pictures(values: _Values) -> Pictures:
    return Pictures(
        values["segment_number"],
        values["first_access_unit"],
        tuple(
            AccessUnit(unit["presentation_offset"], tuple(unit["nal_unit_bytes"]))
            for unit in values["access_unit"]
        ),
    )


_TRACK_HEADER_FIELDS = frozenset(TrackHeader.__dataclass_fields__)


def _track_header(values: _Values) -> TrackHeader:
    return TrackHeader(**{name: values[name] for name in values if name in _TRACK_HEADER_FIELDS})


def _track_packets(values: _Values) -> TrackPackets:
    columns = (values[f"packet_{name}"] for name in ("time_offset", "duration", "data"))
    packets = tuple(Packet(*row) for row in zip(*columns, strict=True))
    return TrackPackets(values["track_id"], values["packet_base_time"], packets)


def _metadata(values: _Values) -> Metadata:
    return Metadata(tuple(zip(values["key"], values["value"], strict=True)))


def _index(values: _Values) -> Index:
    entries = []
    unit_offset = segment_time = 0
    if values["entry_count"]:
        deltas = zip(values["unit_offset_delta"], values["segment_time_delta"], strict=True)
        for offset_delta, time_delta in deltas:
            unit_offset += offset_delta
            segment_time += time_delta
            entries.append(IndexEntry(unit_offset, segment_time))
    return Index(tuple(entries))


def _end(values: _Values) -> End:
    return End(**{name: values[name] for name in End.__dataclass_fields__})


_READERS: dict[UnitType, Callable[[_Values], Content]] = {
    UnitType.SEQUENCE_HEADER: _sequence_header,
    UnitType.KEYFRAME: _keyframe,
    UnitType.PICTURES: _pictures,
    UnitType.TRACK_HEADER: _track_header,
    UnitType.TRACK_PACKETS: _track_packets,
    UnitType.METADATA: _metadata,
    UnitType.INDEX: _index,
    UnitType.END: _end,
}

# --------------------------------------------------------------------------------- to the syntax


def _sequence_header_values(header: SequenceHeader) -> dict[str, Any]:
    values: dict[str, Any] = {name: getattr(header, name) for name in _SEQUENCE_HEADER_NUMBERS}
    values["reserved_zero_5bits"] = 0
    if header.generator_id:
        values["model_digest"] = header.model_digest
    if header.restoration_gain:
        values["restoration_digest"] = header.restoration_digest
    values["parameter_set_count"] = len(header.parameter_sets)
    values["parameter_set_size"] = [len(entry) for entry in header.parameter_sets]
    values["parameter_set"] = list(header.parameter_sets)
    return values


def _keyframe_values(keyframe: Keyframe) -> dict[str, Any]:
    values: dict[str, Any] = {
        name: getattr(keyframe, name) for name in Keyframe.__dataclass_fields__
    }
    if not keyframe.generated:
        del values["prompt_data"]
    return values


def _pictures_values(pictures: Pictures) -> dict[str, Any]:
    return {
        "segment_number": pictures.segment_number,
        "first_access_unit": pictures.first_access_unit,
        "access_unit_count": len(pictures.access_units),
        "access_unit": [
            {
                "presentation_offset": unit.presentation_offset,
                "nal_unit_count": len(unit.nal_units),
                "nal_unit_size": [len(nal_unit) for nal_unit in unit.nal_units],
                "nal_unit_bytes": list(unit.nal_units),
            }
            for unit in pictures.access_units
        ],
    }


def _track_header_values(header: TrackHeader) -> dict[str, Any]:
    values: dict[str, Any] = {
        name: getattr(header, name) for name in TrackHeader.__dataclass_fields__
    }
    for name in ("codec_name", "channel_layout", "language"):
        values[f"{name}_size"] = len(values[name].encode())
    values["extradata_size"] = len(header.extradata)
    return values


def _track_packets_values(unit: TrackPackets) -> dict[str, Any]:
    return {
        "track_id": unit.track_id,
        "packet_base_time": unit.packet_base_time,
        "packet_count": len(unit.packets),
        "packet_time_offset": [packet.time_offset for packet in unit.packets],
        "packet_duration": [packet.duration for packet in unit.packets],
        "packet_size": [len(packet.data) for packet in unit.packets],
        "packet_data": [packet.data for packet in unit.packets],
    }


def _metadata_values(metadata: Metadata) -> dict[str, Any]:
    return {
        "entry_count": len(metadata.entries),
        "key_size": [len(key.encode()) for key, _ in metadata.entries],
        "key": [key for key, _ in metadata.entries],
        "value_size": [len(value.encode()) for _, value in metadata.entries],
        "value": [value for _, value in metadata.entries],
    }


def _index_values(index: Index) -> dict[str, Any]:
    offsets = [entry.unit_offset for entry in index.entries]
    times = [entry.segment_time for entry in index.entries]
    if not index.entries:
        return {"entry_count": 0}
    return {
        "entry_count": len(index.entries),
        "unit_offset_delta": _differences(offsets),
        "segment_time_delta": _differences(times),
    }


def _differences(sums: list[int]) -> list[int]:
    return [value - before for value, before in zip(sums, [0, *sums], strict=False)]


def _end_values(end: End) -> dict[str, Any]:
    return {name: getattr(end, name) for name in End.__dataclass_fields__}


_WRITERS: dict[type, tuple[UnitType, Callable[[Any], dict[str, Any]]]] = {
    SequenceHeader: (UnitType.SEQUENCE_HEADER, _sequence_header_values),
    Keyframe: (UnitType.KEYFRAME, _keyframe_values),
    Pictures: (UnitType.PICTURES, _pictures_values),
    TrackHeader: (UnitType.TRACK_HEADER, _track_header_values),
    TrackPackets: (UnitType.TRACK_PACKETS, _track_packets_values),
    Metadata: (UnitType.METADATA, _metadata_values),
    Index: (UnitType.INDEX, _index_values),
    End: (UnitType.END, _end_values),
}

# ----------------------------------------------------------------------------------------- both


@cache
def hyp_syntax() -> Any:
    """Return the tree of spec/syntax/hyp.syn."""
    return syntax.load("hyp")


def parse(unit_type: UnitType, payload: Bytes, *, bit_offset: int = 0) -> Content:
    """(#syn.unit) Parse the payload of a unit of `unit_type`; `bit_offset` is its place.

    Raises the error of the first requirement that the payload breaks, with its place in the file.
    """
    view = memoryview(payload)
    values = syntax.read(
        hyp_syntax(),
        STRUCTURE_NAMES[unit_type],
        view,
        params=_params(unit_type, len(view)),
        origin=bit_offset,
    )
    if values.bit_length != 8 * len(view):
        raise errors.for_requirement(
            "HYP-UNIT-022",
            bit_offset=bit_offset + values.bit_length,
            detail=f"{len(view) - values.bit_length // 8} bytes are left.",
        )
    return _READERS[unit_type](values)


def serialise(content: Content) -> tuple[UnitType, bytes]:
    """(#syn.unit) Return unit_type and payload of `content`.

    Raises the error of the first requirement that `content` breaks.
    """
    unit_type, to_values = _WRITERS[type(content)]
    params = _params(unit_type, keyframe_size(content) if isinstance(content, Keyframe) else 0)
    name = STRUCTURE_NAMES[unit_type]
    return unit_type, syntax.write(hyp_syntax(), name, to_values(content), params=params)


def keyframe_size(keyframe: Keyframe) -> int:
    """(#syn.keyframe) Return the size of the payload of a keyframe unit in bytes."""
    numbers = (
        keyframe.segment_number,
        keyframe.segment_time,
        keyframe.segment_duration,
        keyframe.picture_count,
    )
    sizes = (max(1, -(-number.bit_length() // 7)) for number in numbers)
    return sum(sizes) + 1 + (len(keyframe.prompt_data) if keyframe.generated else 0)


def _params(unit_type: UnitType, payload_size: int) -> dict[str, int]:
    return {"payload_size": payload_size} if unit_type is UnitType.KEYFRAME else {}
