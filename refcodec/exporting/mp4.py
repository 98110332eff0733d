"""Export to MP4: H.264 with injected keyframes, and the side tracks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, BinaryIO

import av

from refcodec import errors
from refcodec.avc.access_units import avc_configuration, to_avcc
from refcodec.avc.injection import free_pic_parameter_set_id, injected_parameter_set
from refcodec.container import Reader, Segment, TrackPackets, open_reader, output_file
from refcodec.container.source import Readable
from refcodec.decoder.decoding import MEMORY, SEGMENTS_AHEAD
from refcodec.decoder.media import SideTracks, describe_colour
from refcodec.decoder.pipeline import Prefetch
from refcodec.decoder.preparation import PreparedSegment, SequenceSetup
from refcodec.decoder.report import DecodeReport
from refcodec.exporting.iso_boxes import present_video
from refcodec.exporting.timeline import Timeline
from refcodec.generator import GeneratorModel


@dataclass(slots=True)
class ExportReport(DecodeReport):
    """What was exported and what was lost; `left_out` are side tracks that MP4 cannot hold."""

    left_out: list[errors.HypError] = field(default_factory=list)


def export_mp4(
    source: Readable,
    target: str | os.PathLike[str],
    *,
    model: GeneratorModel | None = None,
    memory: int = MEMORY,
) -> ExportReport:
    """(#export) Write the pictures and side tracks of a HYP file as an H.264 MP4 file that any
    player plays.

    Each generated keyframe becomes an I_PCM IDR sample outside of the presentation (see Timeline).
    Pictures have the coded size; the track header asks players to show them at presentation size.
    `model` and `memory` are as for `decode`. The file appears when it is complete.

    Damaged segments are left out as far as they are damaged and reported. Raises what `decode`
    raises, HYP-E-OUT-21 when libav cannot write it, HYP-E-OUT-22 when writing fails, HYP-E-OUT-23
    without any picture.
    """
    reader = open_reader(source)
    prefetch = Prefetch(_prepared(reader, model, memory), SEGMENTS_AHEAD)
    try:
        with output_file(target) as stream:
            return _export(reader, prefetch, stream)
    except (OSError, av.error.FFmpegError) as cause:
        raise errors.error(
            "HYP-E-OUT-22",
            element="output",
            value=os.fspath(target),
            detail=f"{getattr(cause, 'strerror', None) or cause}.",
        ) from cause
    finally:
        if prefetch.close():
            reader.close()


@dataclass(frozen=True, slots=True)
class _Prepared:
    setup: SequenceSetup
    segment: PreparedSegment


def _prepared(
    reader: Reader, model: GeneratorModel | None, memory: int
) -> Iterator[_Prepared | TrackPackets]:
    setup: SequenceSetup | None = None
    for item in reader.items():
        if isinstance(item, Segment):
            if setup is None:
                setup = SequenceSetup(reader.sequence_header, model, memory, 1)
            yield _Prepared(setup, setup.prepare(item))
        else:
            yield item


def _export(
    reader: Reader, items: Prefetch[_Prepared | TrackPackets], stream: BinaryIO
) -> ExportReport:
    report = ExportReport(reader.report)
    early: list[TrackPackets] = []
    muxer: _Muxer | None = None
    for item in items:
        if isinstance(item, TrackPackets):
            if muxer is None:
                early.append(item)
            else:
                muxer.tracks.write([item])
            continue
        prepared = item.segment
        if prepared.error is not None:
            count = len(prepared.segment.access_units)
            report.lose(prepared.segment.number, count, prepared.error)
            continue
        if muxer is None:
            muxer = _Muxer(stream, reader, item.setup)
            report.left_out = muxer.tracks.left_out
            muxer.tracks.write(early)
        muxer.segment(prepared)
        report.segments += 1
        report.pictures += len(prepared.times)
        if prepared.generated is not None:
            report.generated_keyframes += 1
            report.keyframe_seconds += prepared.seconds
            report.worst_keyframe_seconds = max(report.worst_keyframe_seconds, prepared.seconds)
    if muxer is None:
        raise errors.error("HYP-E-OUT-23", source=reader.name)
    muxer.close()
    return report


class _Muxer:
    """Writes samples through libavformat, then the edit list and the presentation size."""

    def __init__(self, stream: BinaryIO, reader: Reader, setup: SequenceSetup) -> None:
        self._stream, self._setup = stream, setup
        header, sets = setup.header, setup.sets
        self._timeline = Timeline(header.tick)
        scale = str(self._timeline.scale)
        picture_sets = list(sets.nal_units[1:])
        if header.generator_id:
            pps_id = free_pic_parameter_set_id(pps.pic_parameter_set_id for pps in sets.pps_list)
            picture_sets.append(injected_parameter_set(pps_id, sets.sps.seq_parameter_set_id))
        try:
            self._output: Any = av.open(
                stream,
                "w",
                format="mp4",
                container_options={"movie_timescale": scale, "video_track_timescale": scale},
            )
            # The encoder serves to carry the parameters of the stream; it codes nothing.
            video: Any = self._output.add_stream("libx264", rate=25)
            video.width, video.height = header.coded_width, header.coded_height
            video.pix_fmt = "yuv420p"
            describe_colour(video.codec_context, header)
            video.codec_context.open()
            video.codec_context.extradata = avc_configuration(sets.nal_units[0], picture_sets)
            self._video = video
            self.tracks = SideTracks(self._output, reader.tracks.values())
            self._output.start_encoding()
        except (ValueError, av.error.FFmpegError) as cause:
            raise errors.error("HYP-E-OUT-21", value="mp4", detail=f"libav: {cause}.") from cause

    def segment(self, prepared: PreparedSegment) -> None:
        """(#export.samples) Write the samples of one segment; the sets stand in the sample
        entry."""
        keyframe, tick = prepared.segment.keyframe, self._setup.header.tick
        samples = [to_avcc(unit.nal_units) for unit in prepared.segment.access_units]
        if prepared.generated is not None:
            samples.insert(0, to_avcc(prepared.injected(self._setup.sets)[1:]))
        end = (keyframe.segment_time + keyframe.segment_duration) * tick
        times = self._timeline.segment(prepared.times, end, prepared.generated is not None)
        for number, (data, (dts, pts, duration)) in enumerate(zip(samples, times, strict=True)):
            packet = av.Packet(data)
            packet.stream = self._video
            packet.time_base = Fraction(1, self._timeline.scale)
            packet.dts, packet.pts, packet.duration = dts, pts, duration
            packet.is_keyframe = number == 0
            self._output.mux(packet)

    def close(self) -> None:
        """End the file."""
        self._output.close()
        header = self._setup.header
        present_video(
            self._stream,
            self._timeline.edits(),
            header.presentation_width,
            header.presentation_height,
        )
