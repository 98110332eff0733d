"""Bytes of a file or pipe by absolute offset, through a window that is no longer than asked for."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import BinaryIO, TypeAlias

from refcodec import errors

Readable: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO
"""What can be read: a path, the bytes of a file themselves, or a binary stream."""

READ_AHEAD = 1 << 16
"""Bytes that are asked of the stream at a time when a file is read through."""

OPENING_READ = 1 << 12
"""Bytes that are asked of a seekable file at a time while it is only opened."""


class ByteSource:
    """A window of bytes over a stream, addressed by absolute offset.

    `read_ahead` is the least number of bytes to ask the stream for; small when headers are picked
    out of a seekable file. `bytes_read` counts what the stream has given.
    """

    def __init__(self, stream: BinaryIO, name: str | None = None) -> None:
        self.name = name
        self.bytes_read = 0
        self._stream = stream
        # A pipe's buffered reader would wait for the whole amount; read1 gives what has arrived.
        self._read = getattr(stream, "read1", stream.read)
        self._window = bytearray()
        self._exhausted = False
        self.seekable = _is_seekable(stream)
        self.read_ahead = OPENING_READ if self.seekable else READ_AHEAD
        # Offsets count from where the stream stands now.
        self._origin = stream.tell() if self.seekable else 0
        self._start = 0

    @property
    def start(self) -> int:
        """Offset of the first byte of the window."""
        return self._start

    @property
    def end(self) -> int:
        """Offset of the byte after the window."""
        return self._start + len(self._window)

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()

    def size(self) -> int | None:
        """Return the size of the file, or None when the stream is not seekable."""
        if not self.seekable:
            return None
        here = self._stream.tell()
        size = self._stream.seek(0, os.SEEK_END) - self._origin
        self._stream.seek(here)
        return max(size, 0)

    def ensure(self, end: int) -> int:
        """Extend the window to `end`, or as far as the stream goes; return where it ends then, at
        most `end`.

        Never asks for memory that the stream does not fill. Raises HYP-E-FILE-08 when the stream
        cannot be read.
        """
        while self.end < end and not self._exhausted:
            try:
                piece = self._read(max(min(end - self.end, 1 << 20), self.read_ahead))
            except (OSError, ValueError) as reason:
                raise errors.error(
                    "HYP-E-FILE-08",
                    bit_offset=8 * self.end,
                    detail=f"{reason}.",
                    source=self.name,
                ) from reason
            if not piece:
                self._exhausted = True
                break
            self.bytes_read += len(piece)
            self._window += piece
        return min(self.end, end)

    def piece(self, begin: int, end: int) -> bytes:
        """Return the bytes of [begin, end) that lie in the window; `begin` is not before it."""
        with memoryview(self._window) as view:
            return bytes(view[begin - self._start : max(end - self._start, 0)])

    def find(self, pattern: bytes, offset: int) -> int:
        """Return the offset of the first `pattern` at or after `offset` in the window, or -1."""
        found = self._window.find(pattern, offset - self._start)
        return found if found < 0 else found + self._start

    def release(self, offset: int) -> None:
        """Let go of the bytes before `offset`, which is in the window or at its end."""
        del self._window[: offset - self._start]
        self._start = offset

    def move(self, offset: int) -> None:
        """Make `offset` the start of the window. A pipe is read forward up to there, or its end.

        Raises io.UnsupportedOperation for going back in a pipe.
        """
        if self._start <= offset <= self.end:
            self.release(offset)
        elif self.seekable:
            self._stream.seek(self._origin + offset)
            self._window.clear()
            self._start = offset
            self._exhausted = False
        elif offset < self._start:
            raise io.UnsupportedOperation("a pipe cannot be read backwards")
        else:
            while self.end < offset and not self._exhausted:
                self.release(self.end)
                self.ensure(min(self.end + READ_AHEAD, offset))
            self.release(min(offset, self.end))


def _is_seekable(stream: BinaryIO) -> bool:
    try:
        return stream.seekable()
    except (AttributeError, ValueError):
        return False


def open_source(readable: Readable) -> ByteSource:
    """Return the source of a path ("-" is standard input), of bytes, or of a binary stream that
    stands at its beginning.

    Raises HYP-E-FILE-08 when a path cannot be opened.
    """
    if isinstance(readable, bytes | bytearray | memoryview):
        return ByteSource(io.BytesIO(readable))
    if isinstance(readable, str | os.PathLike) and os.fspath(readable) == "-":
        return ByteSource(sys.stdin.buffer)
    if isinstance(readable, str | os.PathLike):
        path = Path(readable)
        try:
            # Unbuffered: the window is the buffer, and only what is needed is read.
            return ByteSource(path.open("rb", buffering=0), str(path))
        except OSError as reason:
            raise errors.error(
                "HYP-E-FILE-08", detail=f"{reason.strerror}.", source=str(path)
            ) from reason
    name = getattr(readable, "name", None)
    return ByteSource(readable, name if isinstance(name, str) else None)
