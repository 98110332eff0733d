"""What is compared: the source, HYP files and other video files, as pictures with their times."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from refcodec.comparison.frames import limited, scaled
from refcodec.decoder import decode
from refcodec.generator import GeneratorModel
from refcodec.libav_frames import frame_to_picture, picture_to_frame
from refcodec.media import MediaSource
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
        """Return the pictures of the part, in order."""
        return read_pictures(self.path, self.start, self.count)


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
    return frame_to_picture(scaled(picture_to_frame(picture), width, height))


def is_hyp(path: Path) -> bool:
    """Return whether the file begins with the HYP signature."""
    with path.open("rb") as file:
        return file.read(len(SIGNATURE)) == SIGNATURE


def read_pictures(
    path: Path, start: float = 0.0, count: int | None = None
) -> Iterator[TimedPicture]:
    """Yield the pictures of a media file from `start` seconds on, `count` at most, as the encoder reads them, in
    limited range. Raises what MediaSource raises: damaged files are refused."""
    source = MediaSource(path, start=start, side_tracks=False)
    full = source.description.colour.full_range
    for each in source.pictures(count):
        yield TimedPicture(each.time, limited(each.picture) if full else each.picture)


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
