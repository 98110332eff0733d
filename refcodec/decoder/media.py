"""Streams of media files written through libavformat, and side tracks put into them as they are."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import av

from refcodec import errors
from refcodec.container import SequenceHeader, TrackHeader, TrackPackets

UNSPECIFIED = 2
"""Code point of H.273 for a colour description that is not known."""

LIMITED_RANGE, FULL_RANGE = 1, 2
"""libavutil's values of colour ranges."""


def describe_colour(context: Any, header: SequenceHeader) -> None:
    """(#sem.sequence_header.colour_primaries) Give the colour description of `header` to a codec
    context."""
    context.color_primaries = header.colour_primaries
    context.color_trc = header.transfer_characteristics
    context.colorspace = header.matrix_coefficients
    context.color_range = FULL_RANGE if header.full_range_flag else LIMITED_RANGE


class SideTracks:
    """Side tracks of a HYP file on their way into a media file.

    `left_out` has an HYP-E-OUT-24 for each track that the format cannot hold.
    """

    def __init__(self, output: Any, tracks: Iterable[TrackHeader]) -> None:
        """Add a stream to the libav container `output` for each track, before its first packet."""
        self._output = output
        self._streams: dict[int, tuple[Any, Fraction]] = {}
        self.left_out: list[errors.HypError] = []
        for track in tracks:
            try:
                self._streams[track.track_id] = (_add_stream(output, track), track.tick)
            except (ValueError, av.error.FFmpegError) as cause:
                self.left_out.append(
                    errors.error(
                        "HYP-E-OUT-24",
                        element=f"track {track.track_id}",
                        value=track.codec_name,
                        detail=f"libav: {cause}.",
                    )
                )

    def write(self, units: Iterable[TrackPackets], origin: Fraction = Fraction(0)) -> None:
        """Write the packets of track packets units; the output begins at `origin` seconds, packets
        that begin before are left out when it is not 0."""
        for unit in units:
            if unit.track_id not in self._streams:
                continue
            stream, tick = self._streams[unit.track_id]
            shift = round(origin / tick)
            for entry in unit.packets:
                time = unit.packet_base_time + entry.time_offset - shift
                if shift and time < 0:
                    continue
                packet = av.Packet(bytes(entry.data))
                packet.stream = stream
                packet.time_base = tick
                packet.pts = packet.dts = time
                packet.duration = entry.duration
                packet.is_keyframe = True
                self._output.mux(packet)


def _add_stream(output: Any, track: TrackHeader) -> Any:
    """Add a stream with the codec parameters of `track`.

    libav takes them from an encoder of the same codec that is opened but never used, whose
    extradata are replaced. A codec that libav has no encoder of needs none where there are no
    extradata to hand over. Raises ValueError or an FFmpegError where neither is possible.
    """
    direct = hasattr(output, "add_mux_stream") and not track.extradata
    if direct and not _has_encoder(track.codec_name):
        rate = {"rate": track.sample_rate} if track.sample_rate else {}
        stream = output.add_mux_stream(track.codec_name, **rate)
        stream.time_base = track.tick
        if track.language:
            stream.metadata["language"] = track.language
        return stream
    options = {"strict": "experimental"}
    if track.sample_rate:
        stream = output.add_stream(track.codec_name, rate=track.sample_rate, options=options)
        stream.codec_context.layout = track.channel_layout or _default_layout(track.channel_count)
    else:
        stream = output.add_stream(track.codec_name, options=options)
    stream.time_base = track.tick
    if stream.codec_context is not None:
        stream.codec_context.open()
        stream.codec_context.extradata = bytes(track.extradata) or None
    if track.language:
        stream.metadata["language"] = track.language
    return stream


def _has_encoder(name: str) -> bool:
    try:
        av.codec.Codec(name, "w")
    except ValueError:
        return False
    return True


def _default_layout(channels: int) -> str:
    return {1: "mono", 2: "stereo"}.get(channels, f"{channels}c")
