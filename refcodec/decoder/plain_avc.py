"""Plain H.264 input: byte streams (Annex B), MP4, Matroska and what else libavformat opens."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import av
import numpy as np

from refcodec import errors
from refcodec.avc.access_units import NAL_IDR_SLICE, nal_unit_type
from refcodec.avc.nal import configuration_units, length_prefixed_units, nal_units
from refcodec.container import SequenceHeader, TrackHeader, TrackPackets
from refcodec.container.report import DamageReport
from refcodec.decoder.backends import open_stream
from refcodec.decoder.decoding import DecodedPicture
from refcodec.decoder.media import FULL_RANGE
from refcodec.decoder.report import DecodeReport
from refcodec.decoder.substrate import CodedPicture
from refcodec.nominal_rate import stream_rate
from refcodec.picture import Picture


@dataclass(frozen=True, slots=True)
class PlainAccessUnit:
    """An access unit in decoding order: `number` from 0, `nal_units` without start codes, and
    `time` in seconds, None where the file has no times."""

    number: int
    nal_units: list[bytes]
    time: Fraction | None


class PlainAvcFile:
    """The H.264 track of a media file, demultiplexed by libavformat."""

    def __init__(self, source: Path | BinaryIO) -> None:
        """Raises HYP-E-IN-01 when `source` is no media file, HYP-E-IN-02 when its video is not
        H.264."""
        self.name = str(source) if isinstance(source, Path) else getattr(source, "name", None)
        try:
            self._container: Any = av.open(str(source) if isinstance(source, Path) else source)
        except (av.error.FFmpegError, ValueError) as cause:
            reason = getattr(cause, "strerror", None) or cause
            raise errors.error(
                "HYP-E-IN-01", source=self.name, detail=f"libav: {reason}."
            ) from cause
        streams = [
            each for each in self._container.streams.video if each.codec_context.name == "h264"
        ]
        if not streams:
            self._container.close()
            raise errors.error("HYP-E-IN-02", source=self.name, allowed="H.264")
        self._stream: Any = streams[0]
        self._length_size = 0
        self._sets: list[bytes] = []
        record = self._stream.codec_context.extradata
        if record and record[0] == 1:
            try:
                self._length_size, self._sets = configuration_units(record)
            except ValueError as cause:
                self._container.close()
                raise errors.error("HYP-E-IN-03", source=self.name, detail=f"{cause}.") from cause

    @property
    def rate(self) -> Fraction:
        """Nominal pictures a second."""
        return stream_rate(self._stream)

    @property
    def tick(self) -> Fraction:
        """Unit of the file's times in seconds."""
        return Fraction(self._stream.time_base)

    @property
    def timed(self) -> bool:
        """Whether the file has times, which byte streams have not."""
        return "h264" not in self._container.format.name.split(",")

    def header(self) -> SequenceHeader:
        """Return what of a HYP sequence header can be said of this file."""
        context = self._stream.codec_context
        tick = self.tick if self.timed else 1 / self.rate
        duration = 1 / (self.rate * tick)
        return SequenceHeader(
            level=0,
            coded_width=context.width,
            coded_height=context.height,
            presentation_width=context.width,
            presentation_height=context.height,
            colour_primaries=int(context.color_primaries),
            transfer_characteristics=int(context.color_trc),
            matrix_coefficients=int(context.colorspace),
            full_range_flag=int(context.color_range == FULL_RANGE),
            tick_numerator=tick.numerator,
            tick_denominator=tick.denominator,
            picture_duration=int(duration) if duration.denominator == 1 else 0,
            parameter_sets=tuple(self._sets),
        )

    def access_units(self) -> Iterator[PlainAccessUnit]:
        """Yield the access units. Raises HYP-E-IN-03 where libavformat gives up."""
        number = 0
        sets = self._sets
        try:
            for packet in self._container.demux(self._stream):
                if not packet.size:
                    continue
                data = bytes(packet)
                units = (
                    length_prefixed_units(data, self._length_size)
                    if self._length_size
                    else nal_units(data)
                )
                time = None
                if self.timed and packet.pts is not None:
                    time = (packet.pts - (self._stream.start_time or 0)) * self.tick
                yield PlainAccessUnit(number, [*sets, *map(bytes, units)], time)
                sets = []
                number += 1
        except av.error.FFmpegError as cause:
            raise errors.error(
                "HYP-E-IN-03", source=self.name, detail=f"libav: {cause.strerror}."
            ) from cause

    def close(self) -> None:
        """Close the file."""
        self._container.close()


class PlainDecoding(Iterator[DecodedPicture]):
    """The pictures of a plain H.264 file in output order, with what a Decoding has: `report`, in
    which a segment is what an IDR picture begins, `header`, `name`, `start`."""

    def __init__(
        self,
        file: PlainAvcFile,
        *,
        backend: str,
        threads: int,
        start: Fraction | None,
        duration: Fraction | None,
    ) -> None:
        self.report = DecodeReport(DamageReport())
        self.header = file.header()
        self.name = file.name
        self.start = start or Fraction(0)
        self.side_tracks = False
        self.tracks: dict[int, TrackHeader] = {}
        self.metadata: dict[str, str] = {}
        self._end = None if duration is None else self.start + duration
        self._file = file
        self._backend = open_stream(backend, threads)
        self._times: dict[int, tuple[Fraction | None, int]] = {}
        self._count = 0
        self._losses = 0
        self._pictures = self._run()

    def __iter__(self) -> PlainDecoding:
        return self

    def __next__(self) -> DecodedPicture:
        return next(self._pictures)

    def __enter__(self) -> PlainDecoding:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the decode: stop its threads, close the file."""
        self._pictures.close()
        self._backend.close()
        self._file.close()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the pictures, at the beginning."""
        return self.header.coded_width, self.header.coded_height

    def take_packets(self) -> list[TrackPackets]:
        """Return nothing: side tracks of plain files are not handed on."""
        return []

    def _run(self) -> Generator[DecodedPicture, None, None]:
        for coded, time, segment in self._timed():
            if self._end is not None and time >= self._end:
                return
            if time < self.start:
                continue
            planes = (np.array(plane, order="C") for plane in coded.planes)
            self.report.pictures += 1
            yield DecodedPicture(Picture(*planes), time, segment)

    def _timed(self) -> Iterator[tuple[CodedPicture, Fraction, int]]:
        rate = self._file.rate
        for coded in self._coded():
            unknown = (None, max(self.report.segments - 1, 0))
            time, segment = self._times.pop(coded.access_unit, unknown)
            yield coded, self._count / rate if time is None else time, segment
            self._count += 1

    def _coded(self) -> Iterator[CodedPicture]:
        report = self.report
        for unit in self._file.access_units():
            if any(nal_unit_type(each) == NAL_IDR_SLICE for each in unit.nal_units):
                report.segments += 1
            self._times[unit.number] = unit.time, max(report.segments - 1, 0)
            yield from self._backend.decode(unit.nal_units, unit.number)
        yield from self._backend.flush()
        for loss in self._backend.losses:
            segment = self._times.get(loss.number, (None, 0))[1]
            report.lose(segment, loss.pictures, loss.error)
