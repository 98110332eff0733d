"""From coded segments and side packets to the units of a HYP file, in file order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO

from refcodec.container import structures
from refcodec.container.writer import Writer
from refcodec.encoder.segment_job import CodedSegment
from refcodec.encoder.timing import Timing
from refcodec.media import SidePacket, SideTrack

_LONGEST_DURATION = 2**32 - 1


@dataclass(frozen=True, slots=True)
class FilePlan:
    """What a file holds besides the coded segments. starts: first picture of each segment and, last, the
    number of pictures."""

    header: structures.SequenceHeader
    timing: Timing
    starts: tuple[int, ...]
    side_tracks: tuple[SideTrack, ...]
    metadata: tuple[tuple[str, str], ...]
    longest_segment: float
    """Seconds of segment_duration at most (a limit of the levels)."""


def write_file(
    file: BinaryIO,
    plan: FilePlan,
    segments: Iterable[CodedSegment],
    side_packets: Callable[[int], Iterator[SidePacket]],
) -> None:
    """Write the whole file. `side_packets` gives the packets of the side track with that number, in order."""
    writer = Writer(file)
    writer.sequence_header(plan.header)
    for number, track in enumerate(plan.side_tracks):
        writer.track_header(
            structures.TrackHeader(
                track_id=number,
                track_kind=track.kind,
                codec_name=track.codec_name,
                track_tick_numerator=track.time_base.numerator,
                track_tick_denominator=track.time_base.denominator,
                sample_rate=track.sample_rate,
                channel_count=track.channel_count,
                channel_layout=track.channel_layout,
                initial_padding=track.initial_padding,
                language=track.language,
                extradata=track.extradata,
            ),
            ((p.time, structures.Packet(0, p.duration, p.data)) for p in side_packets(number)),
        )
    if plan.metadata:
        writer.metadata(structures.Metadata(plan.metadata))
    for number, segment in enumerate(segments):
        writer.segment(*segment_units(plan, number, segment))
    writer.finish()


def segment_units(
    plan: FilePlan, number: int, segment: CodedSegment
) -> tuple[structures.Keyframe, list[structures.AccessUnit]]:
    """Return the keyframe and the access units of segment `number`."""
    stamps, begin, end = plan.timing.stamps, plan.starts[number], plan.starts[number + 1]
    duration = stamps[end] - stamps[begin]
    longest = int(Fraction(plan.longest_segment) / plan.timing.tick)
    needed = stamps[end - 1] - stamps[begin] + 1
    keyframe = structures.Keyframe(
        segment_number=number,
        segment_time=stamps[begin],
        segment_duration=min(duration, max(needed, longest), _LONGEST_DURATION),
        picture_count=end - begin,
        keyframe_mode=(
            structures.KEYFRAME_CODED
            if segment.prompt_data is None
            else structures.KEYFRAME_GENERATED
        ),
        prompt_scale_index=segment.prompt_scale_index,
        prompt_data=segment.prompt_data or b"",
    )
    units = [
        structures.AccessUnit(stamps[begin + picture.index] - stamps[begin], picture.nal_units)
        for picture in segment.interval.pictures
    ]
    return keyframe, units
