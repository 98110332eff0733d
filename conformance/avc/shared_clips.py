"""H.264 files from elsewhere, which are no part of this project."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av

from conformance.avc.comparison import Difference, first_difference
from conformance.avc.content import Planes
from conformance.avc.decoders import Decoder, libavcodec, reference_decoder

VARIABLE = "HYP_AVC_CLIPS"
"""Names the folder; without it `../shared/data/video/dev` beside the project is looked at."""

SUFFIXES = (".264", ".h264", ".mp4", ".mkv")


def clips(folder: Path | None = None) -> list[Path]:
    """Return the files with H.264 video in the folder, none where there is no such folder."""
    if folder is None:
        given = os.environ.get(VARIABLE)
        root = Path(__file__).resolve().parents[2]
        folder = Path(given) if given else root.parent / "shared/data/video/dev"
    if not folder.is_dir():
        return []
    return [path for path in sorted(folder.iterdir()) if path.suffix in SUFFIXES and _is_avc(path)]


def _is_avc(path: Path) -> bool:
    with av.open(str(path)) as media:
        return any(stream.codec_context.name == "h264" for stream in media.streams.video)


def access_units(path: Path) -> Iterator[bytes]:
    """Yield the access units in decoding order (Annex B)."""
    with av.open(str(path)) as media:
        stream: Any = media.streams.video[0]
        filters = av.BitStreamFilterContext("h264_mp4toannexb", stream)
        for packet in media.demux(stream):
            for filtered in filters.filter(packet if packet.size else None):
                yield bytes(filtered)


def compare(
    path: Path, decoder: Decoder = reference_decoder, pictures: int | None = None
) -> tuple[int, Difference | None]:
    """Return how many pictures were compared, and the first difference; `pictures`: at most."""
    count = 0
    with av.open(str(path)) as media:
        width = media.streams.video[0].codec_context.coded_width

    def counted(planes: Iterator[Planes]) -> Iterator[Planes]:
        nonlocal count
        for shown in planes:
            count += 1
            yield shown

    units = list(access_units(path))[:pictures]
    difference = first_difference(counted(libavcodec(units)), decoder(units), width=width)
    return count, difference
