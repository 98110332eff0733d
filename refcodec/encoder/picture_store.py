"""The pictures of segments on disk, scaled to the grid, from where worker processes read them.

The source is read in one direction; going back means reading it again from its beginning. Where all pictures
fit into the allowance they are kept for the next pass, else each segment is removed after use, so that the
length of the source does not matter.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from refcodec import errors
from refcodec.encoder.resizing import CodedSize, picture_from_bytes, to_grid
from refcodec.media import MediaSource, SourcePicture
from refcodec.picture import Picture

LARGEST_ALLOWANCE = 16 * 2**30


@dataclass(frozen=True, slots=True)
class StoredPictures:
    """Pictures y || u || v of the grid of `size` in a file, in output order. lasting: whether they stay for the next
    pass, so that what is made of them may too."""

    path: Path
    size: CodedSize
    count: int
    lasting: bool = False

    def __iter__(self) -> Iterator[Picture]:
        with self.path.open("rb") as file:
            for _ in range(self.count):
                yield picture_from_bytes(file.read(self.size.picture_bytes), self.size)

    def picture(self, number: int) -> Picture:
        """Return one picture."""
        with self.path.open("rb") as file:
            file.seek(number * self.size.picture_bytes)
            return picture_from_bytes(file.read(self.size.picture_bytes), self.size)

    def first(self) -> Picture:
        """Return the first picture."""
        return self.picture(0)

    def made(self, suffix: str) -> Path:
        """Return where something that was made of these pictures is kept, as long as they are."""
        return self.path.with_name(f"{self.path.stem}-{suffix}")

    def place(self, size: CodedSize, suffix: str) -> Path:
        """Return where a result for this segment, coded at `size`, is kept beside the pictures."""
        number = self.path.stem.rpartition("-")[2]
        return self.path.with_name(f"{size.width}x{size.height}-{number}-{suffix}")


class PictureStore:
    """Keeps the pictures of segments [starts[i], starts[i+1]) of a source in `folder`."""

    def __init__(
        self, source: MediaSource, starts: Sequence[int], size: CodedSize, folder: Path
    ) -> None:
        """starts: first picture of each segment and, last, the number of pictures."""
        self._source = source
        self._starts = starts
        self._size = size
        self._folder = folder
        self._pictures: Iterator[SourcePicture] | None = None
        self._next = 0
        # What is made of the pictures takes as much again; what trials make of some, in other sizes, is beyond that.
        allowance = min(LARGEST_ALLOWANCE, shutil.disk_usage(folder).free // 3)
        self.keeps_all = 2 * starts[-1] * size.picture_bytes <= allowance

    def segment(self, number: int) -> StoredPictures:
        """Return the pictures of a segment, reading the source as far as needed."""
        begin, end = self._starts[number], self._starts[number + 1]
        stored = StoredPictures(self._path(number), self._size, end - begin, self.keeps_all)
        if not stored.path.exists():
            self._read(number, begin)
        return stored

    def release(self, number: int) -> None:
        """Say that a segment is not needed in this pass any more."""
        if not self.keeps_all:
            self._path(number).unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove all pictures, with what was made of them, and stop reading the source."""
        self._pictures = None
        for number in range(len(self._starts) - 1):
            path = self._path(number)
            path.unlink(missing_ok=True)
            for kind in ("carried", "scaled"):
                for made in path.parent.glob(f"{path.stem}-*.{kind}"):
                    made.unlink(missing_ok=True)

    def _path(self, number: int) -> Path:
        size = self._size
        return self._folder / f"{size.width}x{size.height}-{number:07}.yuv"

    def _read(self, number: int, begin: int) -> None:
        if self._pictures is None or self._next > begin:
            self._pictures, self._next = self._source.pictures(), 0
        while self._next < self._starts[number + 1]:
            here = int(np.searchsorted(self._starts, self._next, side="right")) - 1
            wanted = here == number or self.keeps_all
            try:
                self._read_segment(here, wanted)
            except OSError as problem:
                raise errors.error("HYP-E-OUT-04", detail=str(problem)) from problem

    def _read_segment(self, number: int, wanted: bool) -> None:
        assert self._pictures is not None
        count = self._starts[number + 1] - self._next
        if not wanted:
            for _ in range(count):
                next(self._pictures)
        else:
            partial = self._path(number).with_suffix(".part")
            with partial.open("wb") as file:
                for _ in range(count):
                    file.write(to_grid(next(self._pictures).picture, self._size).tobytes())
            partial.rename(self._path(number))
        self._next += count
