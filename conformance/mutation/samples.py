"""Files with random payloads: every unit of the container, in milliseconds, from a seed.

Their pictures do not decode; the container does not look inside them.
"""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from dataclasses import dataclass

from refcodec.container import (
    AccessUnit,
    Keyframe,
    Metadata,
    Packet,
    SequenceHeader,
    TrackHeader,
    Writer,
)

TICK_RATE = 30000
PICTURE_TICKS = 1000
UNKNOWN_UNIT_TYPE = 200


@dataclass(frozen=True, repr=False)
class RandomFile:
    """A file's bytes and what was written: header, segments as (keyframe, access units)."""

    data: bytes
    header: SequenceHeader
    segments: tuple[tuple[Keyframe, tuple[AccessUnit, ...]], ...]

    def __repr__(self) -> str:
        return f"<file of {len(self.segments)} segments, {len(self.data)} bytes>"


def random_file(
    seed: int = 0,
    *,
    segments: int = 3,
    pictures: int = 8,
    picture_bytes: int = 300,
    prompt_bytes: int = 200,
    audio: bool = True,
    repeat_headers: bool = False,
    unknown_units: bool = False,
) -> RandomFile:
    """Return a file of `segments` segments of `pictures` access units of up to `picture_bytes`.

    With `repeat_headers` the sequence header stands before every segment; with `unknown_units` a
    unit of a type that the document does not define stands there.
    """
    source = random.Random(seed)
    stream = io.BytesIO()
    writer = Writer(stream)
    header = SequenceHeader(
        level=1,
        coded_width=64,
        coded_height=48,
        presentation_width=96,
        presentation_height=71,
        tick_numerator=1,
        tick_denominator=TICK_RATE,
        picture_duration=PICTURE_TICKS,
        generator_id=1,
        model_digest=source.randbytes(32),
        restoration_gain=2,
        restoration_digest=source.randbytes(32),
        parameter_sets=(source.randbytes(24), source.randbytes(5)),
    )
    writer.sequence_header(header)
    if audio:
        seconds = segments * pictures * PICTURE_TICKS / TICK_RATE
        writer.track_header(
            TrackHeader(
                track_id=1,
                track_kind=0,
                codec_name="aac",
                track_tick_numerator=1,
                track_tick_denominator=48000,
                sample_rate=48000,
                channel_count=2,
                channel_layout="stereo",
                initial_padding=1024,
                language="en",
                extradata=source.randbytes(5),
            ),
            _packets(source, seconds),
        )
    writer.metadata(Metadata((("title", "Über allen Gipfeln"), ("date", "1780"))))
    written = []
    for number in range(segments):
        if repeat_headers and number:
            writer.sequence_header()
        if unknown_units:
            writer.foreign_unit(UNKNOWN_UNIT_TYPE, source.randbytes(40))
        keyframe, access_units = _segment(source, number, pictures, picture_bytes, prompt_bytes)
        writer.segment(keyframe, access_units)
        written.append((keyframe, access_units))
    writer.finish()
    return RandomFile(stream.getvalue(), header, tuple(written))


def _packets(source: random.Random, seconds: float) -> Iterator[tuple[int, Packet]]:
    for number in range(int(seconds * 48000 / 1024)):
        yield 1024 * (number - 1), Packet(0, 1024, source.randbytes(source.randint(0, 60)))


def _segment(
    source: random.Random, number: int, pictures: int, picture_bytes: int, prompt_bytes: int
) -> tuple[Keyframe, tuple[AccessUnit, ...]]:
    # The first access unit is shown first; the others in an order of their own.
    order = [0, *source.sample(range(1, pictures), pictures - 1)]
    access_units = tuple(
        AccessUnit(
            PICTURE_TICKS * shown,
            tuple(
                source.randbytes(source.randint(1, picture_bytes))
                for _ in range(source.choice((1, 1, 1, 2)))
            ),
        )
        for shown in order
    )
    generated = source.random() < 0.75
    keyframe = Keyframe(
        segment_number=number,
        segment_time=number * pictures * PICTURE_TICKS,
        segment_duration=pictures * PICTURE_TICKS,
        picture_count=pictures,
        keyframe_mode=0 if generated else 1,
        prompt_scale_index=source.randrange(64) if generated else 0,
        prompt_data=source.randbytes(prompt_bytes) if generated else b"",
    )
    return keyframe, access_units
