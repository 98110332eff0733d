"""Sizes and rates of a coded file, read without decoding it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from refcodec import errors
from refcodec.container import Keyframe, Pictures, SequenceHeader, UnitType, open_reader
from refcodec.media.opening import opened, video_stream
from refcodec.nominal_rate import stream_rate


@dataclass(frozen=True)
class CodedFacts:
    """`bytes`: the file. `side_bytes`: side tracks in it. `sizes`: (seconds, bytes) a coded
    picture, in order of time. `width`, `height`: coded size. `description`: what it is, for
    people."""

    bytes: int
    side_bytes: int
    sizes: tuple[tuple[float, int], ...]
    width: int
    height: int
    description: str
    setting: str
    full_range: bool = False

    @property
    def pictures(self) -> int:
        """Number of coded pictures."""
        return len(self.sizes)


def media_facts(path: Path) -> CodedFacts:
    """Return the facts of a media file; all streams but the first video are side tracks."""
    sizes: list[tuple[float, int]] = []
    side = 0
    with opened(path) as container:
        stream = video_stream(container, path)
        rate = stream_rate(stream)
        codec = stream.codec_context.name
        width, height = stream.codec_context.width, stream.codec_context.height
        for packet in container.demux():
            if packet.size == 0:
                continue
            if packet.stream.index != stream.index:
                side += packet.size
                continue
            time = (
                Fraction(len(sizes)) / rate
                if packet.pts is None or packet.time_base is None
                else packet.pts * packet.time_base
            )
            sizes.append((float(time), packet.size))
    sizes.sort()
    begin = sizes[0][0] if sizes else 0.0
    shifted = tuple((time - begin, size) for time, size in sizes)
    return CodedFacts(
        path.stat().st_size,
        side,
        shifted,
        width,
        height,
        f"{codec} in {path.suffix or 'a file'}",
        "",
    )


def hyp_facts(path: Path) -> CodedFacts:
    """Return the facts of a HYP file. A keyframe's bytes count for the first picture it serves.

    Damaged units count as bytes of the file only. Raises HYP-E-FILE-02 without a sequence header.
    """
    ticks: list[tuple[int, int]] = []
    header: SequenceHeader | None = None
    side = generated = segments = pending = segment_time = 0
    with open_reader(path) as reader:
        for unit in reader:
            if unit.unit_type in (UnitType.TRACK_HEADER, UnitType.TRACK_PACKETS):
                side += len(unit.data)
                continue
            try:
                content = unit.content
            except errors.HypError:
                continue
            if isinstance(content, SequenceHeader):
                header = header or content
            elif isinstance(content, Keyframe):
                segments += 1
                generated += content.generated
                pending, segment_time = len(unit.data), content.segment_time
            elif isinstance(content, Pictures):
                for access_unit in content.access_units:
                    time = segment_time + access_unit.presentation_offset
                    ticks.append((time, access_unit.size + pending))
                    pending = 0
    if header is None:
        raise errors.error("HYP-E-FILE-02", source=str(path))
    ticks.sort()
    return CodedFacts(
        path.stat().st_size,
        side,
        tuple((float(time * header.tick), size) for time, size in ticks),
        header.coded_width,
        header.coded_height,
        "HYP",
        f"{segments} segments, {generated} of them with a generated keyframe",
        bool(header.full_range_flag),
    )
