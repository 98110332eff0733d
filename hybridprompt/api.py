"""The operations of HybridPrompt as functions: what `hyp` does on the command line.

Paths may be `str` or `os.PathLike`. Rates are bits a second, times seconds. Where a HYP file is read, its
bytes or an open binary stream do as well as a path. Every function raises subclasses of `HypError`, whose
`id` stands in the specification: usage errors for options and paths, the decoder's for damaged files.
Nothing heavy is imported before a function is called; decoding never imports torch.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from refcodec.comparison import Comparison
    from refcodec.container.report import DamageReport
    from refcodec.container.source import Readable
    from refcodec.decoder import DecodedPicture, DecodeReport, Decoding
    from refcodec.encoder import EncodeReport
    from refcodec.errors import HypError
    from refcodec.exporting import ExportReport
    from refcodec.inspection.info import FileInfo
    from refcodec.inspection.tracing import TracedElement, TracedFault
    from refcodec.picture import Picture
    from refcodec.validation import Finding, ValidationReport

StrPath = str | os.PathLike[str]
ProgressCallback = Callable[[float, float, str], None]
"""Called with work done, work in all, and the name of the stage."""

TYPES = {
    "Comparison": "refcodec.comparison",
    "DamageReport": "refcodec.container.report",
    "DecodeReport": "refcodec.decoder",
    "DecodedPicture": "refcodec.decoder",
    "EncodeReport": "refcodec.encoder",
    "ExportReport": "refcodec.exporting",
    "FileInfo": "refcodec.inspection.info",
    "Finding": "refcodec.validation",
    "HypError": "refcodec.errors",
    "Picture": "refcodec.picture",
    "TracedElement": "refcodec.inspection.tracing",
    "TracedFault": "refcodec.inspection.tracing",
    "ValidationReport": "refcodec.validation",
}
"""Types of arguments and results, and the module that each comes from."""

__all__ = [
    "Comparison",
    "DamageReport",
    "DecodeReport",
    "DecodedPicture",
    "EncodeReport",
    "ExportReport",
    "FileInfo",
    "Finding",
    "HypError",
    "Picture",
    "TracedElement",
    "TracedFault",
    "ValidationReport",
    "compare",
    "decode",
    "encode",
    "export",
    "info",
    "trace",
    "validate",
]


def __getattr__(name: str) -> Any:
    """Load a type when it is asked for, so that the import of this module costs nothing."""
    if name not in TYPES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(TYPES[name]), name)


def encode(
    source: StrPath,
    target: StrPath,
    *,
    bitrate: int | None = None,
    quality: float | None = None,
    progress: ProgressCallback | None = None,
    **settings: Any,
) -> EncodeReport:
    """Encode any video that libavcodec reads into a HYP file and return what was done.

    bitrate: bit/s of the whole file, met within 2 %; quality: instead of it, 0 (worst) to 100. Without
    either, 200,000 bit/s. settings: the other fields of `refcodec.encoder.EncoderSettings`, for example
    preset="slow", keyframe_interval=4.0, size=Fraction(2, 3), start=90.0, duration=20.0, workers=2.

    The target appears whole or not at all. Raises errors of the areas IN (source), OUT (settings, rate)
    and CLI (paths); TypeError for a setting that does not exist.
    """
    from refcodec.encoder import EncoderSettings
    from refcodec.encoder import encode as run

    if bitrate is None and quality is None:
        bitrate = 200_000
    chosen = EncoderSettings(bitrate=bitrate, quality=quality, **settings)
    return run(Path(source), Path(target), chosen, progress)


def decode(
    source: Readable,
    *,
    backend: str = "numba",
    threads: int = 2,
    presentation: bool = True,
    start: Fraction | float | None = None,
    duration: Fraction | float | None = None,
) -> Decoding:
    """Decode a HYP file: an iterator over `DecodedPicture(picture, time, segment)` in output order.

    `picture` has planes y, u, v: numpy arrays uint8, (height, width) and half of that rounded up. With
    `presentation` False the pictures have coded size. `start` and `duration` select pictures with
    start <= time < start + duration; what lies before is not read. `backend` decodes the H.264 part:
    "numba", our own, which names what is wrong with damaged slices, or "libav". The result's `report` says what
    was lost to damage. Use it in a `with` statement when you may stop early.
    """
    from refcodec.decoder import decode as run

    return run(
        source,
        backend=backend,
        threads=threads,
        presentation=presentation,
        start=start,
        duration=duration,
    )


def info(source: Readable) -> FileInfo:
    """Return what a HYP file holds: picture format, segments, tracks, cost of each kind of unit, damage.

    Raises HYP-E-FILE-01 or HYP-E-FILE-02 for what is no HYP file.
    """
    from refcodec.container.source import open_source
    from refcodec.inspection.info import info as run

    opened = open_source(source)
    try:
        return run(opened, opened.name or "")
    finally:
        opened.close()


def trace(
    source: Readable,
    *,
    unit: int | None = None,
    unit_type: str | None = None,
    segment: int | None = None,
    element: str | None = None,
    at: int | None = None,
    avc: bool = True,
) -> Iterator[TracedElement | TracedFault]:
    """Yield every element of a HYP file with place, bits, value, meaning and clause, in order.

    The filters are those of `refcodec.inspection.tracing.Selection`: number and type of the unit, number of
    the segment, name or path of the element with wildcards, byte offset. `avc` False leaves H.264 NAL units
    closed. A damaged place yields a TracedFault.
    """
    from refcodec.container.source import open_source
    from refcodec.inspection.tracing import Selection
    from refcodec.inspection.tracing import trace as run

    opened = open_source(source)
    try:
        yield from run(opened, Selection(unit, unit_type, segment, element, at, avc))
    finally:
        opened.close()


def validate(source: Readable) -> ValidationReport:
    """Check all bitstream requirements on a HYP file.

    The result is a list of findings, empty when the file conforms, with `conforming` and `total`.
    """
    from refcodec.validation import validate as run

    return run(source)


def compare(
    source: StrPath,
    files: Sequence[StrPath] = (),
    *,
    peers: Sequence[str] = ("x264", "x265", "vp9", "svtav1"),
    bitrate: float | None = None,
    metrics: Iterable[str] | None = None,
    start: float = 0.0,
    duration: float | None = None,
    lpips: StrPath | None = None,
    progress: Callable[..., None] | None = None,
) -> Comparison:
    """Compare HYP files with their source and with other codecs at the same total rate.

    `bitrate` (bit/s) is that of the peers; by default the rate of the first HYP file. `metrics` are ids of
    `refcodec.comparison.MEASURES`, by default all that can be taken; `lpips` is the folder of LPIPS weights.
    The result has `to_html(path)`, `to_csv(path)`, `to_dict()`, and `notes` on what could not be done.
    """
    from refcodec.comparison import compare as run
    from refcodec.comparison.progress import silent

    return run(
        source,
        files,
        peers=peers,
        bitrate=bitrate,
        metrics=metrics,
        start=start,
        duration=duration,
        lpips_path=lpips,
        progress=progress or silent,
    )


def export(source: Readable, target: StrPath) -> ExportReport:
    """Write a plain H.264 MP4 with the generated keyframes injected, and the audio, for any player.

    The target appears whole or not at all.
    """
    from refcodec.exporting import export_mp4

    return export_mp4(source, target)
