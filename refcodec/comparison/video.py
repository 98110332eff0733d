"""What is compared: the source, HYP files and other video files, as pictures with their times."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import av

from refcodec import errors
from refcodec.comparison.frames import limited, scaled, to_frame, to_picture
from refcodec.decoder import decode
from refcodec.generator import GeneratorModel
from refcodec.nominal_rate import DEFAULT_RATE, nominal_rate
from refcodec.picture import Picture

SIGNATURE = bytes.fromhex("894859500d0a1a0a")


@dataclass(frozen=True)
class TimedPicture:
    """A picture and its time in seconds from the first picture."""

    time: Fraction
    picture: Picture


class Video(Protocol):
    """A sequence of pictures that can be read from its beginning as often as wanted."""

    @property
    def name(self) -> str: ...

    def pictures(self) -> Iterator[TimedPicture]: ...


@dataclass(frozen=True)
class Clip:
    """The part of a source from `start` that is compared: `count` pictures of one size."""

    path: Path
    start: float
    count: int
    width: int
    height: int
    rate: Fraction
    digest: str
    """SHA-256 of the file."""

    @property
    def name(self) -> str:
        """File name of the source."""
        return self.path.name

    @property
    def seconds(self) -> Fraction:
        """Duration: pictures over pictures a second."""
        return self.count / self.rate

    def pictures(self) -> Iterator[TimedPicture]:
        """Yield the pictures of the part."""
        for index, timed in enumerate(read_pictures(self.path, self.start)):
            if index == self.count:
                return
            yield timed


@dataclass(frozen=True)
class VideoFile:
    """Any file that libavcodec decodes, brought to the size `width`, `height`."""

    path: Path
    width: int
    height: int

    @property
    def name(self) -> str:
        """File name."""
        return self.path.name

    def pictures(self) -> Iterator[TimedPicture]:
        """Yield all pictures."""
        for timed in read_pictures(self.path):
            yield TimedPicture(timed.time, fitted(timed.picture, self.width, self.height))


@dataclass(frozen=True)
class HypFile:
    """A HYP file, decoded by the reference decoder and brought to the size `width`, `height`.

    `full_range`: whether its samples have full range; they are brought to limited range. `model`:
    the generator, None for the installed one that the file names.
    """

    path: Path
    width: int
    height: int
    full_range: bool
    model: GeneratorModel | None = None

    @property
    def name(self) -> str:
        """File name."""
        return self.path.name

    def pictures(self) -> Iterator[TimedPicture]:
        """Yield all pictures."""
        with decode(self.path, model=self.model) as pictures:
            for decoded in pictures:
                picture = limited(decoded.picture) if self.full_range else decoded.picture
                yield TimedPicture(decoded.time, fitted(picture, self.width, self.height))


def fitted(picture: Picture, width: int, height: int) -> Picture:
    """Return `picture` in the given size; itself where it has that size."""
    if (picture.width, picture.height) == (width, height):
        return picture
    return to_picture(scaled(to_frame(picture), width, height))


def is_hyp(path: Path) -> bool:
    """Return whether the file begins with the HYP signature."""
    with path.open("rb") as file:
        return file.read(len(SIGNATURE)) == SIGNATURE


def open_media(path: Path) -> av.container.InputContainer:
    """Open a media file that has video. Raises HYP-E-IN-01 or HYP-E-IN-02."""
    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError) as cause:
        raise errors.error("HYP-E-IN-01", source=str(path), detail=str(cause)) from cause
    if not container.streams.video:
        container.close()
        raise errors.error("HYP-E-IN-02", source=str(path))
    return container


def read_pictures(path: Path, start: float = 0.0) -> Iterator[TimedPicture]:
    """Yield the pictures of a media file from `start` seconds on, times from the first one."""
    with open_media(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = 2
        rate = frame_rate(stream)
        tick = stream.time_base or Fraction(1, 1000)
        begin = (stream.start_time or 0) * tick
        if start > 0 and stream.duration:
            container.seek(int((begin + Fraction(start)) / tick), stream=stream)
        first: Fraction | None = None
        index = 0
        try:
            for frame in container.decode(stream):
                time = (
                    index / rate
                    if frame.pts is None or frame.time_base is None
                    else frame.pts * frame.time_base - begin
                )
                index += 1
                # Half a picture of tolerance: times in files are rounded.
                if time + 1 / (2 * rate) < start:
                    continue
                if first is None:
                    first = time
                yield TimedPicture(time - first, to_picture(frame))
        except av.FFmpegError as cause:
            raise errors.error("HYP-E-IN-03", source=str(path), detail=str(cause)) from cause


def frame_rate(stream: av.VideoStream) -> Fraction:
    """Return pictures a second, 25 where the stream does not say."""
    return nominal_rate(stream) or DEFAULT_RATE


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
