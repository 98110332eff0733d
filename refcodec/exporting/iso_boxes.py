"""Boxes of ISO base media files (ISO/IEC 14496-12): what has to be changed after libavformat wrote
one."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

CONTAINERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts")

CHUNK_OFFSETS = {b"stco": 4, b"co64": 8}
"""(ISO/IEC 14496-12, 8.7.5) The boxes of places in the file, and the bytes of each place."""

BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Edit:
    """(ISO/IEC 14496-12, 8.6.6) A stretch of the presentation: `duration` in ticks of the movie,
    from `media_time` in ticks of the track on; -1 shows nothing."""

    duration: int
    media_time: int


@dataclass(slots=True)
class Box:
    """A box: its type, and its content as bytes or as boxes."""

    kind: bytes
    content: bytes | list[Box]

    def to_bytes(self) -> bytes:
        """Return the box with its header."""
        content = (
            self.content
            if isinstance(self.content, bytes)
            else b"".join(box.to_bytes() for box in self.content)
        )
        return (8 + len(content)).to_bytes(4, "big") + self.kind + content

    def child(self, kind: bytes) -> Box:
        """Return the first box of `kind` inside. Raises KeyError when there is none."""
        for box in self.content:
            if isinstance(box, Box) and box.kind == kind:
                return box
        raise KeyError(kind)


def parse_boxes(data: bytes) -> list[Box]:
    """Parse boxes with sizes of 32 bits that stand one after the other."""
    boxes = []
    at = 0
    while at + 8 <= len(data):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        content = data[at + 8 : at + size]
        boxes.append(Box(kind, parse_boxes(content) if kind in CONTAINERS else content))
        at += size
    return boxes


def edit_list(edits: Sequence[Edit]) -> Box:
    """Return an edit box with an edit list of version 1, all rates 1."""
    rows = b"".join(
        edit.duration.to_bytes(8, "big")
        + edit.media_time.to_bytes(8, "big", signed=True)
        + b"\0\1\0\0"
        for edit in edits
    )
    return Box(b"edts", [Box(b"elst", b"\1\0\0\0" + len(edits).to_bytes(4, "big") + rows)])


def present_video(stream: BinaryIO, edits: Sequence[Edit], width: int, height: int) -> None:
    """Give the first video track of the file in `stream` the edit list `edits` and the presentation
    size `width` x `height`.

    The movie box, which is the last one of the file, becomes the second, so that a player on a
    network begins before it has all; it stays where it is when places in the file would not fit
    their bits then. `stream` is left at its end.
    """
    position, movie = _movie(stream)
    track = next(box for box in movie.content if isinstance(box, Box) and _is_video(box))
    assert isinstance(track.content, list)
    header = track.child(b"tkhd")
    assert isinstance(header.content, bytes)
    duration = sum(edit.duration for edit in edits)
    header.content = _track_header(header.content, duration, width, height)
    track.content = [box for box in track.content if box.kind != b"edts"]
    track.content.insert(1, edit_list(edits))
    front = _first_box_size(stream)
    size = len(movie.to_bytes())
    if move_chunks(movie, size):
        _shift(stream, front, position, size)
        stream.seek(front)
        stream.write(movie.to_bytes())
        stream.seek(0, io.SEEK_END)
    else:
        stream.seek(position)
        stream.write(movie.to_bytes())
        stream.truncate()


def _first_box_size(stream: BinaryIO) -> int:
    stream.seek(0)
    return int.from_bytes(stream.read(4), "big")


def move_chunks(movie: Box, by: int) -> bool:
    """Add `by` to all places of samples; return False, with nothing changed, when one has no room."""
    moved = []
    for box in _inside(movie):
        if box.kind in CHUNK_OFFSETS:
            assert isinstance(box.content, bytes)
            places = np.frombuffer(box.content[8:], f">u{CHUNK_OFFSETS[box.kind]}").astype(
                np.uint64
            )
            if len(places) and int(places.max()) + by >= 1 << (8 * CHUNK_OFFSETS[box.kind]):
                return False
            data = (places + np.uint64(by)).astype(f">u{CHUNK_OFFSETS[box.kind]}").tobytes()
            moved.append((box, box.content[:8] + data))
    for box, content in moved:
        box.content = content
    return True


def _inside(box: Box) -> Iterator[Box]:
    """Yield the boxes in `box`, at any depth."""
    for inner in box.content:
        if isinstance(inner, Box):
            yield inner
            yield from _inside(inner)


def _shift(stream: BinaryIO, begin: int, end: int, by: int) -> None:
    """Move bytes `begin` to `end` of the file back by `by` bytes, the last ones first; the file is
    cut or grows to where they end."""
    stream.truncate(end + by)
    at = end
    while at > begin:
        size = min(BLOCK, at - begin)
        at -= size
        stream.seek(at)
        block = stream.read(size)
        stream.seek(at + by)
        stream.write(block)


def _movie(stream: BinaryIO) -> tuple[int, Box]:
    """Return the place of the movie box and the box; it ends the file."""
    end = stream.seek(0, io.SEEK_END)
    at = 0
    while at < end:
        stream.seek(at)
        head = stream.read(16)
        size, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
        if kind == b"moov":
            if at + size != end:
                raise ValueError("the movie box is not the last box of the file")
            stream.seek(at)
            return at, parse_boxes(stream.read(size))[0]
        if size < 8:
            break
        at += size
    raise ValueError("the file has no movie box")


def _is_video(box: Box) -> bool:
    if box.kind != b"trak":
        return False
    handler = box.child(b"mdia").child(b"hdlr").content
    return isinstance(handler, bytes) and handler[8:12] == b"vide"


def _track_header(content: bytes, duration: int, width: int, height: int) -> bytes:
    """Return the content of a track header box as version 1 with another duration and size."""
    wide = 8 if content[0] == 1 else 4
    at = 4
    created, modified = (content[at + i * wide : at + (i + 1) * wide] for i in (0, 1))
    at += 2 * wide
    track = content[at : at + 8]
    at += 8 + wide
    rest = content[at:-8]
    return (
        b"\1"
        + content[1:4]
        + created.rjust(8, b"\0")
        + modified.rjust(8, b"\0")
        + track
        + duration.to_bytes(8, "big")
        + rest
        + (width << 16).to_bytes(4, "big")
        + (height << 16).to_bytes(4, "big")
    )
