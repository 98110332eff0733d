"""Audio and subtitles of a media file, which are carried as they are."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av.error

from refcodec import errors
from refcodec.media.description import SidePacket, SideTrack
from refcodec.media.opening import reason

_LARGEST_UNIT = 16_000_000
_KINDS = {"audio": 0, "subtitle": 1}


def find_side_tracks(container: Any) -> tuple[SideTrack, ...]:
    """Return the side tracks of an open file."""
    tracks = []
    for stream in container.streams:
        kind = _KINDS.get(stream.type)
        context = stream.codec_context
        if kind is None or context is None:
            continue
        audio = kind == 0
        tracks.append(
            SideTrack(
                stream_index=stream.index,
                kind=kind,
                codec_name=context.codec.canonical_name,
                time_base=Fraction(stream.time_base),
                sample_rate=int(context.sample_rate or 0) if audio else 0,
                channel_count=int(context.layout.nb_channels) if audio else 0,
                channel_layout=str(context.layout.name)[:64] if audio else "",
                initial_padding=int(getattr(context, "initial_padding", 0) or 0) if audio else 0,
                language=str(stream.language or "")[:35],
                extradata=bytes(context.extradata or b""),
            )
        )
    return tuple(tracks[:32])


def side_packets(
    container: Any,
    tracks: tuple[SideTrack, ...],
    zero: Fraction,
    end: Fraction | None,
    only: int | None,
    path: Path,
) -> Iterator[SidePacket]:
    """Yield the packets of tracks (or of track number `only`) that lie between `zero` and `end`, in seconds of stream
    time, in file order; their times are counted from `zero`. Raises HYP-E-IN-07 where they cannot be read or carried.
    """
    numbers = {
        track.stream_index: number
        for number, track in enumerate(tracks)
        if only is None or number == only
    }
    streams = [container.streams[index] for index in numbers]
    last: dict[int, int] = {}
    for packet in _demuxed(container, streams, path):
        stamp = packet.pts if packet.pts is not None else packet.dts
        if packet.size == 0 or packet.stream_index not in numbers:
            continue
        number = numbers[packet.stream_index]
        base = tracks[number].time_base
        duration = int(packet.duration or 0)
        if stamp is None:
            stamp = last.get(number, round(zero / base))
        last[number] = stamp + duration
        seconds = stamp * base
        if seconds + duration * base <= zero or (end is not None and seconds >= end):
            continue
        if packet.size > _LARGEST_UNIT:
            raise errors.error(
                "HYP-E-IN-07", element="packet size", value=packet.size, source=str(path)
            )
        yield SidePacket(number, stamp - round(zero / base), duration, bytes(packet))


def _demuxed(container: Any, streams: list[Any], path: Path) -> Iterator[Any]:
    try:
        yield from container.demux(streams)
    except (av.error.FFmpegError, OSError) as problem:
        raise errors.error("HYP-E-IN-07", detail=reason(problem), source=str(path)) from problem
