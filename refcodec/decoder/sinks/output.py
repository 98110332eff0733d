"""Writing the pictures of a decode to a file or to standard output, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain
from pathlib import PurePath
from typing import BinaryIO

import av

from refcodec import errors
from refcodec.container import output_file
from refcodec.decoder.decoding import DecodedPicture
from refcodec.decoder.opening import AnyDecoding
from refcodec.decoder.sinks.libav import LibavSink
from refcodec.decoder.sinks.plain import write_raw, write_y4m, y4m_header

PLAIN_FORMATS = {".y4m": "y4m", ".yuv": "raw", ".raw": "raw", ".i420": "raw"}
STANDARD_OUTPUT = "-"


@dataclass(slots=True)
class WriteReport:
    """Number of pictures written, and side tracks that the format could not hold.

    `displaced` are the seconds by which a picture stands away from its time at most, in a format that
    has one rate and no times; 0 where that is less than half the time of a picture.
    """

    pictures: int = 0
    left_out: list[errors.HypError] = field(default_factory=list)
    displaced: float = 0.0


def write(
    decoding: AnyDecoding,
    target: str | os.PathLike[str],
    *,
    form: str | None = None,
    encoder: str | None = None,
    options: Mapping[str, str] | None = None,
    progress: Callable[[DecodedPicture], None] | None = None,
) -> WriteReport:
    """(#dec.output) Write all pictures of `decoding` to `target`; "-" is standard output.

    `form` is "y4m", "raw" or libavformat's name of a format; None takes what the name's ending
    says, and Y4M for standard output. Y4M and raw files have no times: their pictures follow each
    other at the nominal rate. `encoder` and `options` are for libavcodec; without them FFV1 in
    Matroska, NUT and AVI, x264 at CRF 12 in MP4. Side tracks are written into the latter when
    `decoding` was made with side_tracks. `progress` is called after each picture.

    The file appears when it is complete. Raises HYP-E-OUT-21 for a format that cannot be written,
    HYP-E-OUT-22 when writing fails, HYP-E-OUT-23 without any picture, and what decoding raises.
    """
    kind = form or _form(target)
    try:
        # Decoded first, so that a file that cannot be decoded leaves no trace of an output.
        first = next(decoding, None)
        if first is None:
            raise errors.error("HYP-E-OUT-23", source=decoding.name)
        with output_file(target) as stream:
            return _write(decoding, first, stream, kind, encoder, options or {}, progress)
    except (OSError, av.error.FFmpegError) as cause:
        if isinstance(cause, BrokenPipeError) and not isinstance(cause, av.error.FFmpegError):
            raise
        raise errors.error(
            "HYP-E-OUT-22",
            element="output",
            value=os.fspath(target),
            detail=f"{getattr(cause, 'strerror', None) or cause}.",
        ) from cause
    finally:
        decoding.close()


def _form(target: str | os.PathLike[str]) -> str:
    """Return the form that the ending of a name asks for. Raises HYP-E-OUT-21 when none does."""
    name = os.fspath(target)
    if name == STANDARD_OUTPUT:
        return "y4m"
    ending = PurePath(name).suffix.lower()
    if ending in PLAIN_FORMATS:
        return PLAIN_FORMATS[ending]
    endings = {".mkv": "matroska", ".m4v": "mp4"}
    form = endings.get(ending, ending[1:])
    try:
        if form and av.ContainerFormat(form, "w").is_output:
            return form
    except ValueError:
        pass
    raise errors.error("HYP-E-OUT-21", element="file name", value=name)


def nominal_rate(
    decoding: AnyDecoding, first: DecodedPicture, second: DecodedPicture | None
) -> Fraction:
    """Pictures a second: by picture_duration, or where that is not constant by the first two
    pictures."""
    header = decoding.header
    if header.picture_duration:
        return 1 / (header.tick * header.picture_duration)
    if second is not None and second.time > first.time:
        return (1 / (second.time - first.time)).limit_denominator(1001)
    return Fraction(25)


def _write(
    decoding: AnyDecoding,
    first: DecodedPicture,
    stream: BinaryIO,
    form: str,
    encoder: str | None,
    options: Mapping[str, str],
    progress: Callable[[DecodedPicture], None] | None,
) -> WriteReport:
    report = WriteReport()
    second = next(decoding, None)
    rate = nominal_rate(decoding, first, second)
    size = first.picture.width, first.picture.height
    sink: LibavSink | None = None
    append: Callable[[DecodedPicture], None]
    if form in ("y4m", "raw"):
        plain = write_raw(stream) if form == "raw" else write_y4m(stream)
        if form == "y4m":
            stream.write(y4m_header(decoding.header, *size, rate))

        def append(decoded: DecodedPicture) -> None:
            plain(decoded.picture)
            away = abs(decoded.time - first.time - report.pictures / rate)
            if 2 * away * rate > 1:
                report.displaced = max(report.displaced, float(away))
    else:
        tracks = decoding.tracks.values() if decoding.side_tracks else ()
        sink = LibavSink(stream, form, decoding.header, size, rate, tracks, encoder, options)
        report.left_out = sink.left_out
        origin = decoding.start

        def append(decoded: DecodedPicture) -> None:
            assert sink is not None
            sink.packets(decoding.take_packets(), origin)
            sink.picture(decoded.picture, decoded.time - origin)

    for decoded in chain([first] if second is None else [first, second], decoding):
        append(decoded)
        report.pictures += 1
        if progress is not None:
            progress(decoded)
    if sink is not None:
        sink.packets(decoding.take_packets(), decoding.start)
        sink.close()
    return report
