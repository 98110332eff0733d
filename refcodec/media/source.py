"""The source of an encode: any media file that libavformat opens, as 8-bit 4:2:0 pictures of square samples.

Pictures are streamed; nothing but a few of them is ever in memory. What is done to a picture, in this order:
deinterlaced (bwdif, one picture a frame) when it is flagged interlaced; converted to 8-bit 4:2:0 (rounded, with
swscale's ordered dither; matrix and range of YCbCr sources kept, RGB sources become BT.709 limited range, alpha
dropped); scaled to square samples (the smaller direction is enlarged); turned upright by the rotation flag.
Damaged sources are refused, not concealed; only pictures before the first clean one are skipped.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import av.error

from refcodec import errors
from refcodec.media.conversion import (
    PLANAR_420,
    colour_of,
    converted,
    orientation_of,
    sane_aspect,
    square_size,
)
from refcodec.media.deinterlacing import Deinterlacer
from refcodec.media.description import SidePacket, SourceDescription, SourcePicture
from refcodec.media.opening import opened, reason, video_stream
from refcodec.media.side_tracks import find_side_tracks, side_packets
from refcodec.nominal_rate import nominal_rate, stream_rate

SMALLEST_SIDE, LARGEST_SIDE = 16, 8192
_SEEK_MARGIN = 2  # seconds before the start of the chosen part


class MediaSource:
    """A part of a media file. start and duration in seconds, counted from the first picture of the video."""

    def __init__(
        self,
        path: str | Path,
        *,
        start: float = 0.0,
        duration: float | None = None,
        side_tracks: bool = True,
        threads: int = 2,
    ) -> None:
        self.path = Path(path)
        self._start = Fraction(start).limit_denominator(1_000_000)
        self._end = (
            None
            if duration is None
            else self._start + Fraction(duration).limit_denominator(1_000_000)
        )
        self._threads = threads
        self._origin = Fraction(0)
        self._interlaced = False
        self._timed = False  # raw streams carry no times: they cannot be sought
        self.description = self._describe(side_tracks)
        self._first_time: Fraction | None = None

    def pictures(self, count: int | None = None) -> Iterator[SourcePicture]:
        """Yield the pictures of the chosen part in order, `count` at most, at presentation size.

        Raises MediaCorrupt at the first damaged picture and MediaEmpty when there is none.
        """
        index = 0
        first: Fraction | None = None
        last: Fraction | None = None
        with opened(self.path) as container:
            for frame, stamp in self._frames(container, self._seekable_start(container)):
                time = stamp - self._origin
                if time < self._start:
                    continue
                if self._end is not None and time >= self._end:
                    break
                if last is not None and time <= last:
                    time = last + self.description.time_base
                last = time
                first = time if first is None else first
                yield SourcePicture(index, time - first, converted(frame, self.description))
                index += 1
                if count is not None and index >= count:
                    break
        if index == 0:
            raise errors.error(
                "HYP-E-IN-05",
                element="start",
                value=float(self._start),
                source=str(self.path),
            )
        self._first_time = first

    def side_packets(self, only: int | None = None) -> Iterator[SidePacket]:
        """Yield the packets of all side tracks (or of track number `only`) that begin within the chosen part, in
        file order.

        `pictures` must have been iterated before: times are counted from its first picture.
        """
        tracks = self.description.side_tracks
        if not tracks:
            return
        assert self._first_time is not None, "iterate pictures first"
        zero = self._origin + self._first_time
        end = None if self._end is None else self._origin + self._end
        with opened(self.path) as container:
            yield from side_packets(container, tracks, zero, end, only, self.path)

    # ---------------------------------------------------------------------------------- description

    def _describe(self, side_tracks: bool) -> SourceDescription:
        with opened(self.path) as container:
            stream = video_stream(container, self.path)
            frames = self._frames(container, None)
            with closing(frames):
                first, stamp = next(frames, (None, Fraction(0)))
            if first is None:
                raise errors.error(
                    "HYP-E-IN-02", source=str(self.path), detail="No picture could be decoded."
                )
            self._origin = stamp
            context = stream.codec_context
            aspect = sane_aspect(stream.sample_aspect_ratio or context.sample_aspect_ratio)
            orientation = orientation_of(first)
            width, height = square_size(first.width, first.height, aspect)
            if orientation.transpose:
                width, height = height, width
            for name, side in (("width", width), ("height", height)):
                if not SMALLEST_SIDE <= side <= LARGEST_SIDE:
                    raise errors.error(
                        "HYP-E-IN-04",
                        element=name,
                        value=side,
                        allowed=(SMALLEST_SIDE, LARGEST_SIDE),
                        source=str(self.path),
                    )
            colour = colour_of(first)
            conversions = []
            if self._interlaced:
                conversions.append("deinterlaced")
            if first.format.name not in PLANAR_420:
                conversions.append(f"{first.format.name} to 8-bit 4:2:0")
            if aspect != 1:
                conversions.append(f"sample aspect ratio {aspect} to square samples")
            if not orientation.is_identity:
                conversions.append("turned upright")
            return SourceDescription(
                path=self.path,
                codec_name=context.codec.canonical_name,
                pixel_format=first.format.name,
                stored_width=first.width,
                stored_height=first.height,
                width=width,
                height=height,
                sample_aspect_ratio=aspect,
                orientation=orientation,
                colour=colour,
                interlaced=self._interlaced,
                nominal_rate=nominal_rate(stream),
                time_base=Fraction(stream.time_base),
                side_tracks=find_side_tracks(container) if side_tracks else (),
                conversions=tuple(conversions),
            )

    def _seekable_start(self, container: Any) -> Fraction | None:
        """Return where to seek, in stream time, or None to read from the beginning."""
        if self._start <= 2 * _SEEK_MARGIN:
            return None
        return self._origin + self._start - _SEEK_MARGIN

    # ------------------------------------------------------------------------------------ decoding

    def _frames(
        self, container: Any, seek_to: Fraction | None
    ) -> Generator[tuple[Any, Fraction], None, None]:
        """Yield decoded frames with their stream time in seconds, interlaced ones deinterlaced."""
        stream = video_stream(container, self.path)
        # not by frames: libavcodec's threads then mark a damaged picture in most runs only
        stream.thread_type = "SLICE"
        stream.codec_context.thread_count = self._threads
        base = Fraction(stream.time_base)
        rate = stream_rate(stream)
        if seek_to is not None and self._timed:
            container.seek(int(seek_to / base), stream=stream, backward=True)
        deinterlacer: Deinterlacer | None = None
        for number, frame in enumerate(self._decoded(container, stream)):
            self._timed = frame.pts is not None
            stamp = frame.pts * base if self._timed else number / rate
            if deinterlacer is None and frame.interlaced_frame:
                deinterlacer = Deinterlacer(frame)
                self._interlaced = True
            if deinterlacer is None:
                yield frame, stamp
            else:
                yield from deinterlacer.push(frame, stamp)
        if deinterlacer is not None:
            yield from deinterlacer.finish()

    def _decoded(self, container: Any, stream: Any) -> Iterator[Any]:
        clean = False
        try:
            for packet in container.demux(stream):
                try:
                    frames = packet.decode()
                except av.error.InvalidDataError as problem:
                    if clean:
                        raise self._corrupt(reason(problem), packet.pts) from problem
                    continue
                for frame in frames:
                    if frame.is_corrupt:
                        if clean:
                            raise self._corrupt("The decoder marks it as damaged.", frame.pts)
                        continue
                    clean = True
                    yield frame
        except (av.error.FFmpegError, OSError) as problem:
            raise self._corrupt(reason(problem), None) from problem

    def _corrupt(self, detail: str, stamp: int | None) -> errors.HypError:
        return errors.error(
            "HYP-E-IN-03",
            element=None if stamp is None else "picture at stream time",
            value=stamp,
            detail=detail,
            source=str(self.path),
        )
