"""Any file that can be decoded: HYP, or plain H.264."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, TypeAlias

from refcodec import errors
from refcodec.container.source import Readable
from refcodec.container.units import SIGNATURE
from refcodec.decoder.decoding import MEMORY, Decoding, decode, seconds
from refcodec.decoder.plain_avc import PlainAvcFile, PlainDecoding
from refcodec.generator import GeneratorModel

AnyDecoding: TypeAlias = Decoding | PlainDecoding


def decode_any(
    source: Readable,
    *,
    backend: str = "numba",
    threads: int = 2,
    presentation: bool = True,
    start: Fraction | float | None = None,
    duration: Fraction | float | None = None,
    model: GeneratorModel | None = None,
    side_tracks: bool = False,
    memory: int = MEMORY,
) -> AnyDecoding:
    """(#dec.process) Decode a HYP file as `decode` does, or a plain H.264 file (Annex B, MP4,
    Matroska), of which the video alone is decoded.

    A file that does not begin as a HYP file does and that holds no H.264 either raises HYP-E-FILE-01
    like any file that is no HYP file.
    """
    try:
        if _is_plain_stream(source):
            raise errors.error("HYP-E-FILE-01", source=getattr(source, "name", None))
        return decode(
            source,
            backend=backend,
            threads=threads,
            presentation=presentation,
            start=start,
            duration=duration,
            model=model,
            side_tracks=side_tracks,
            memory=memory,
        )
    except errors.CLASSES["HYP-E-FILE-01"]:
        try:
            file = PlainAvcFile(_media(source))
        except errors.HypError:
            file = None
        if file is None:
            raise
    return PlainDecoding(
        file,
        backend=backend,
        threads=threads,
        start=None if start is None else seconds(start),
        duration=None if duration is None else seconds(duration),
    )


def _is_plain_stream(source: Readable) -> bool:
    """Whether `source` is a stream whose first bytes, which stay there, are not HYP's signature."""
    peek = getattr(source, "peek", None)
    if peek is None:
        return False
    head: bytes = peek(len(SIGNATURE))[: len(SIGNATURE)]
    return not SIGNATURE.startswith(head)


def _media(source: Readable) -> Path | BinaryIO:
    if isinstance(source, bytes | bytearray | memoryview):
        return io.BytesIO(source)
    if isinstance(source, str) or hasattr(source, "__fspath__"):
        return Path(source)
    return source
