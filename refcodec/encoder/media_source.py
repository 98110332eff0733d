"""The source of an encode: any media file that libavformat opens, as 8-bit 4:2:0 pictures of square samples.

Pictures are streamed; nothing but a few of them is ever in memory. What is done to a picture, in this order:
deinterlaced (bwdif, one picture a frame) when it is flagged interlaced; converted to 8-bit 4:2:0 (rounded, with
swscale's ordered dither; matrix and range of YCbCr sources kept, RGB sources become BT.709 limited range, alpha
dropped); scaled to square samples (the smaller direction is enlarged); turned upright by the rotation flag.
Damaged sources are refused, not concealed; only pictures before the first clean one are skipped.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import av.filter
import numpy as np
from av.video.reformatter import Colorspace, Interpolation
from numpy.typing import NDArray

from refcodec import errors
from refcodec.nominal_rate import DEFAULT_RATE, nominal_rate
from refcodec.picture import Picture

SMALLEST_SIDE, LARGEST_SIDE = 16, 8192
_LARGEST_SIDE_TRACK_UNIT = 16_000_000
_PLANAR_420 = ("yuv420p", "yuvj420p")
_UNSPECIFIED = 2
_MATRIX_BT709 = 1
_RANGE_LIMITED, _RANGE_FULL = 1, 2
_SEEK_MARGIN = 2  # seconds before the start of the chosen part
_TRACK_KINDS = {"audio": 0, "subtitle": 1}


@dataclass(frozen=True, slots=True)
class ColourDescription:
    """Code points of ITU-T H.273 (2 = unspecified) and the range of the samples."""

    primaries: int = _UNSPECIFIED
    transfer: int = _UNSPECIFIED
    matrix: int = _UNSPECIFIED
    full_range: bool = False


@dataclass(frozen=True, slots=True)
class SideTrack:
    """A track that is carried as it is. kind: 0 audio, 1 subtitles. time_base: seconds of one tick."""

    stream_index: int
    kind: int
    codec_name: str
    time_base: Fraction
    sample_rate: int
    channel_count: int
    channel_layout: str
    initial_padding: int
    language: str
    extradata: bytes


@dataclass(frozen=True, slots=True)
class SidePacket:
    """A packet of a side track: index into `SourceDescription.side_tracks`, time and duration in ticks of the
    track, counted from the first chosen picture."""

    track: int
    time: int
    duration: int
    data: bytes


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """What is known of a source after its first picture. width, height: presentation size."""

    path: Path
    codec_name: str
    pixel_format: str
    stored_width: int
    stored_height: int
    width: int
    height: int
    sample_aspect_ratio: Fraction
    orientation: Orientation
    colour: ColourDescription
    interlaced: bool
    nominal_rate: Fraction | None
    time_base: Fraction
    side_tracks: tuple[SideTrack, ...]
    conversions: tuple[str, ...] = field(default=())
    """What is done to the pictures, in words, for the report."""


@dataclass(frozen=True, slots=True)
class SourcePicture:
    """index: from 0 in the chosen part; time: seconds from the first chosen picture."""

    index: int
    time: Fraction
    picture: Picture


@dataclass(frozen=True, slots=True)
class Orientation:
    """How stored planes become upright ones: transposed first, then mirrored."""

    transpose: bool = False
    mirror_x: bool = False
    mirror_y: bool = False

    @property
    def is_identity(self) -> bool:
        """Whether nothing is done."""
        return not (self.transpose or self.mirror_x or self.mirror_y)

    def apply(self, plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the upright plane, C-contiguous."""
        if self.transpose:
            plane = plane.T
        if self.mirror_x:
            plane = plane[:, ::-1]
        if self.mirror_y:
            plane = plane[::-1]
        return np.ascontiguousarray(plane)


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
        with self._opened() as container:
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
                yield SourcePicture(index, time - first, self._converted(frame))
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
        numbers = {
            track.stream_index: number
            for number, track in enumerate(tracks)
            if only is None or number == only
        }
        with self._opened() as container:
            streams = [container.streams[index] for index in numbers]
            last: dict[int, int] = {}
            for packet in _demuxed(container, streams, self.path):
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
                if packet.size > _LARGEST_SIDE_TRACK_UNIT:
                    raise errors.error(
                        "HYP-E-IN-07",
                        element="packet size",
                        value=packet.size,
                        source=str(self.path),
                    )
                yield SidePacket(number, stamp - round(zero / base), duration, bytes(packet))

    # ------------------------------------------------------------------------------------- opening

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        if not self.path.is_file():
            raise errors.error(
                "HYP-E-IN-01", source=str(self.path), detail="There is no such file."
            )
        try:
            container = av.open(str(self.path), metadata_errors="replace")
        except (av.error.FFmpegError, OSError, ValueError) as problem:
            raise errors.error(
                "HYP-E-IN-01", source=str(self.path), detail=_reason(problem)
            ) from problem
        with closing(container):
            yield container

    def _video(self, container: Any) -> Any:
        for stream in container.streams.video:
            if stream.codec_context is None:
                continue
            if stream.disposition & av.stream.Disposition.attached_pic:
                continue
            return stream
        raise errors.error("HYP-E-IN-02", source=str(self.path))

    def _describe(self, side_tracks: bool) -> SourceDescription:
        with self._opened() as container:
            stream = self._video(container)
            frames = self._frames(container, None)
            with closing(frames):
                first, stamp = next(frames, (None, Fraction(0)))
            if first is None:
                raise errors.error(
                    "HYP-E-IN-02", source=str(self.path), detail="No picture could be decoded."
                )
            self._origin = stamp
            context = stream.codec_context
            aspect = _sane_aspect(stream.sample_aspect_ratio or context.sample_aspect_ratio)
            orientation = _orientation(first)
            width, height = _square_size(first.width, first.height, aspect)
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
            colour = _colour(first)
            conversions = []
            if self._interlaced:
                conversions.append("deinterlaced")
            if first.format.name not in _PLANAR_420:
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
                side_tracks=_side_tracks(container) if side_tracks else (),
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
        stream = self._video(container)
        # not by frames: libavcodec's threads then mark a damaged picture in most runs only
        stream.thread_type = "SLICE"
        stream.codec_context.thread_count = self._threads
        base = Fraction(stream.time_base)
        rate = nominal_rate(stream) or DEFAULT_RATE
        if seek_to is not None and self._timed:
            container.seek(int(seek_to / base), stream=stream, backward=True)
        deinterlacer: _Deinterlacer | None = None
        for number, frame in enumerate(self._decoded(container, stream)):
            self._timed = frame.pts is not None
            stamp = frame.pts * base if self._timed else number / rate
            if deinterlacer is None and frame.interlaced_frame:
                deinterlacer = _Deinterlacer(frame)
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
                        raise self._corrupt(_reason(problem), packet.pts) from problem
                    continue
                for frame in frames:
                    if frame.is_corrupt:
                        if clean:
                            raise self._corrupt("The decoder marks it as damaged.", frame.pts)
                        continue
                    clean = True
                    yield frame
        except (av.error.FFmpegError, OSError) as problem:
            raise self._corrupt(_reason(problem), None) from problem

    def _corrupt(self, reason: str, stamp: int | None) -> errors.HypError:
        return errors.error(
            "HYP-E-IN-03",
            element=None if stamp is None else "picture at stream time",
            value=stamp,
            detail=reason,
            source=str(self.path),
        )

    # ---------------------------------------------------------------------------------- conversion

    def _converted(self, frame: Any) -> Picture:
        about = self.description
        width, height = about.width, about.height
        if about.orientation.transpose:
            width, height = height, width
        if frame.format.name not in _PLANAR_420 or (frame.width, frame.height) != (width, height):
            frame = self._reformatted(frame, width, height)
        planes = [_plane(plane) for plane in frame.planes[:3]]
        if not about.orientation.is_identity:
            planes = [about.orientation.apply(plane) for plane in planes]
        return Picture(*planes)

    def _reformatted(self, frame: Any, width: int, height: int) -> Any:
        is_rgb = frame.format.is_rgb
        full = self.description.colour.full_range
        flags = (
            Interpolation.LANCZOS
            | Interpolation.ACCURATE_RND
            | Interpolation.FULL_CHR_H_INT
            | Interpolation.FULL_CHR_H_INP
        )
        try:
            return frame.reformat(
                width=width,
                height=height,
                format="yuv420p",
                interpolation=flags,
                dst_colorspace=Colorspace.ITU709 if is_rgb else None,
                src_color_range=_RANGE_FULL if is_rgb or full else _RANGE_LIMITED,
                dst_color_range=_RANGE_FULL if full else _RANGE_LIMITED,
                threads=1,
            )
        except (av.error.FFmpegError, ValueError) as problem:
            raise errors.error(
                "HYP-E-IN-06",
                element="pixel format",
                value=frame.format.name,
                detail=_reason(problem),
                source=str(self.path),
            ) from problem


class _Deinterlacer:
    """libavfilter's bwdif, one output picture a frame; frames that are not flagged interlaced pass unchanged."""

    def __init__(self, frame: Any) -> None:
        # Times go round the filter in a list: its own time base may be finer than the stream's.
        graph = av.filter.Graph()
        source = graph.add_buffer(
            width=frame.width,
            height=frame.height,
            format=frame.format,
            time_base=Fraction(1, 1000),
        )
        bwdif = graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced")
        sink = graph.add("buffersink")
        graph.link_nodes(source, bwdif, sink)
        graph.configure()
        self._graph = graph
        self._stamps: list[Fraction] = []
        self._pushed = 0

    def push(self, frame: Any, stamp: Fraction) -> Iterator[tuple[Any, Fraction]]:
        frame.pts = self._pushed
        frame.time_base = Fraction(1, 1000)
        self._pushed += 1
        self._stamps.append(stamp)
        self._graph.vpush(frame)
        yield from self._pulled()

    def finish(self) -> Iterator[tuple[Any, Fraction]]:
        self._graph.vpush(None)
        yield from self._pulled()

    def _pulled(self) -> Iterator[tuple[Any, Fraction]]:
        while self._stamps:
            try:
                frame = self._graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            yield frame, self._stamps.pop(0)


def _plane(plane: Any) -> NDArray[np.uint8]:
    rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
    return rows[:, : plane.width].copy()


def _demuxed(container: Any, streams: list[Any], path: Path) -> Iterator[Any]:
    try:
        yield from container.demux(streams)
    except (av.error.FFmpegError, OSError) as problem:
        raise errors.error("HYP-E-IN-07", detail=_reason(problem), source=str(path)) from problem


def _reason(problem: BaseException) -> str:
    if isinstance(problem, av.error.FFmpegError):
        return f"libav: {problem.strerror}."
    return f"{type(problem).__name__}: {problem}"


def _sane_aspect(aspect: Fraction | None) -> Fraction:
    """Return the sample aspect ratio; 1 where it is absent or far from what any system uses."""
    if not aspect or not Fraction(1, 8) <= aspect <= 8:
        return Fraction(1)
    return Fraction(aspect)


def _square_size(width: int, height: int, aspect: Fraction) -> tuple[int, int]:
    """Return the size in square samples: the smaller direction is enlarged, so that no detail is lost."""
    if aspect > 1:
        return round(width * aspect), height
    if aspect < 1:
        return width, round(height / aspect)
    return width, height


def _orientation(frame: Any) -> Orientation:
    """Read the display matrix (x' = a x + c y, y' = b x + d y) of a frame as one of eight orientations."""
    for entry in frame.side_data:
        if entry.type.name == "DISPLAYMATRIX":
            a, b, _, c, d = np.frombuffer(entry, np.int32)[:5].tolist()
            if abs(a) + abs(d) >= abs(b) + abs(c):
                return Orientation(False, a < 0, d < 0)
            # Upright x comes from stored y (sign of c), upright y from stored x (sign of b).
            return Orientation(True, c < 0, b < 0)
    return Orientation()


def _colour(frame: Any) -> ColourDescription:
    matrix = int(frame.colorspace)
    full = int(frame.color_range) == _RANGE_FULL or frame.format.name.startswith("yuvj")
    if frame.format.is_rgb:
        matrix, full = _MATRIX_BT709, False
    elif matrix == 0:  # "identity" on YCbCr samples is a mislabelled source
        matrix = _UNSPECIFIED
    return ColourDescription(int(frame.color_primaries), int(frame.color_trc), matrix, full)


def _side_tracks(container: Any) -> tuple[SideTrack, ...]:
    tracks = []
    for stream in container.streams:
        kind = _TRACK_KINDS.get(stream.type)
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
