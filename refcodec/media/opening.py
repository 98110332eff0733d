"""Media files that are opened: what libavformat finds in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import av
import av.error

from refcodec import errors


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a media file while the context lasts. Raises HYP-E-IN-01 where that cannot be done."""
    if not path.is_file():
        raise errors.error("HYP-E-IN-01", source=str(path), detail="There is no such file.")
    try:
        container = av.open(str(path), metadata_errors="replace")
    except (av.error.FFmpegError, OSError, ValueError) as problem:
        raise errors.error("HYP-E-IN-01", source=str(path), detail=reason(problem)) from problem
    with closing(container):
        yield container


def video_stream(container: Any, path: Path) -> Any:
    """Return the first video stream that can be decoded and is no cover. Raises HYP-E-IN-02 where there is none."""
    for stream in container.streams.video:
        if stream.codec_context is None:
            continue
        if stream.disposition & av.stream.Disposition.attached_pic:
            continue
        return stream
    raise errors.error("HYP-E-IN-02", source=str(path))


def reason(problem: BaseException) -> str:
    """Return what libav or the system says, for people."""
    if isinstance(problem, av.error.FFmpegError):
        return f"libav: {problem.strerror}."
    return f"{type(problem).__name__}: {problem}"
