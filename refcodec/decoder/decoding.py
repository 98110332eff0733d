"""Decoding a HYP file: an iterator over presented pictures."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType

import numpy as np

from refcodec import errors
from refcodec.container import (
    Reader,
    Segment,
    SequenceHeader,
    TrackHeader,
    TrackPackets,
    open_reader,
)
from refcodec.container.source import Readable
from refcodec.decoder.backends import BACKENDS, open_substrate, unknown_backend
from refcodec.decoder.pipeline import Prefetch, ordered_map
from refcodec.decoder.preparation import PreparedSegment, SequenceSetup
from refcodec.decoder.report import DecodeReport
from refcodec.decoder.substrate import CodedPicture, Substrate
from refcodec.generator import GeneratorModel
from refcodec.picture import Picture
from refcodec.restoration import Restorer
from refcodec.upscaling import Upscaler

SEGMENTS_AHEAD = 2
"""Segments that are prepared while another one is decoded."""

MEMORY = 1 << 30
"""Bytes that pictures may take, unless the caller grants more."""


@dataclass(frozen=True, slots=True)
class DecodedPicture:
    """A picture in output order: its `time` in seconds and the number of its `segment`."""

    picture: Picture
    time: Fraction
    segment: int


@dataclass(frozen=True, slots=True)
class _Upscaling:
    """What the threads get that upscale and restore."""

    coded: CodedPicture
    time: Fraction
    segment: int


class Decoding(Iterator[DecodedPicture]):
    """The pictures of one file, as `decode` returns it. Also a context manager; `close` frees
    threads and the file, which the end of the pictures does too.

    `report` is a DecodeReport; `header`, `tracks` and `metadata` come from the file; `name` is its
    name (None: it has none), `start` the time in seconds before which no picture is given,
    `side_tracks` whether packets of side tracks are delivered.
    """

    def __init__(
        self,
        reader: Reader,
        *,
        backend: str,
        threads: int,
        presentation: bool,
        start: Fraction | None,
        duration: Fraction | None,
        model: GeneratorModel | None,
        side_tracks: bool,
        memory: int,
    ) -> None:
        self.report = DecodeReport(reader.report)
        self._reader = reader
        self._backend = backend
        self._threads = threads
        self._presentation = presentation
        self._start = start
        self.start = start or Fraction(0)
        self.side_tracks = side_tracks
        self.name = reader.name
        self._end = None if duration is None else (start or Fraction(0)) + duration
        self._model = model
        self._memory = memory
        self._setup: SequenceSetup | None = None
        self._packets: list[TrackPackets] = []
        self._first: list[DecodedPicture] = []
        self._prefetch: Prefetch[PreparedSegment | TrackPackets] | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._restorer: Restorer | None = None
        self._pictures = self._run()

    # ------------------------------------------------------------------------- the iterator

    def __iter__(self) -> Decoding:
        return self

    def __next__(self) -> DecodedPicture:
        if self._first:
            return self._first.pop()
        return next(self._pictures)

    def __enter__(self) -> Decoding:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the decode: stop its threads, close the file."""
        self._pictures.close()
        ended = self._prefetch is None or self._prefetch.close()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        # A thread that still waits for a pipe keeps the file; it is a daemon.
        if ended:
            self._reader.close()

    # ------------------------------------------------------------------ what the file says

    def _prime(self) -> None:
        """Decode up to the first picture, so that the header is known."""
        if self._setup is None and not self._first:
            picture = next(self._pictures, None)
            if picture is not None:
                self._first.append(picture)

    @property
    def header(self) -> SequenceHeader:
        """The sequence header. Raises HYP-E-FILE-02 when the file has none."""
        self._prime()
        return self._reader.sequence_header if self._setup is None else self._setup.header

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the pictures."""
        header = self.header
        if self._presentation:
            return header.presentation_width, header.presentation_height
        return header.coded_width, header.coded_height

    @property
    def tracks(self) -> dict[int, TrackHeader]:
        """Side tracks by track_id."""
        self._prime()
        return self._reader.tracks

    @property
    def metadata(self) -> dict[str, str]:
        """Metadata of the file."""
        self._prime()
        return self._reader.metadata

    def take_packets(self) -> list[TrackPackets]:
        """Return the packets of side tracks that came since the last call, when they were asked
        for."""
        packets, self._packets = self._packets, []
        return packets

    # ------------------------------------------------------------------------ the pipeline

    def _prepared(self) -> Iterator[PreparedSegment | TrackPackets]:
        """Read and prepare; runs in the prefetching thread."""
        reader = self._reader
        if self._start is not None:
            reader.seek(self._start)
        setup: SequenceSetup | None = None
        for item in reader.items():
            if setup is None and isinstance(item, Segment):
                setup = SequenceSetup(
                    reader.sequence_header, self._model, self._memory, self._threads
                )
                if self._presentation:
                    self._restorer = setup.restorer()
                self._setup = setup
            if isinstance(item, TrackPackets):
                if self.side_tracks:
                    yield item
            elif setup is not None:
                begin = item.keyframe.segment_time * setup.header.tick
                if self._end is not None and begin >= self._end:
                    return
                yield setup.prepare(item)

    def _run(self) -> Generator[DecodedPicture, None, None]:
        self._prefetch = Prefetch(self._prepared(), SEGMENTS_AHEAD)
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="upscale")
        try:
            for picture in ordered_map(self._present, self._coded(), self._pool, self._threads + 2):
                self.report.pictures += 1
                yield picture
        finally:
            if self._prefetch.close():
                self._reader.close()
            self._pool.shutdown(cancel_futures=True)

    def _coded(self) -> Iterator[_Upscaling]:
        """Yield the coded pictures of all segments in output order."""
        assert self._prefetch is not None
        substrate: Substrate | None = None
        try:
            for item in self._prefetch:
                if isinstance(item, TrackPackets):
                    self._packets.append(item)
                    continue
                assert self._setup is not None
                header = self._setup.header
                if substrate is None:
                    substrate = open_substrate(
                        self._backend, header.coded_width, header.coded_height, self._threads
                    )
                    self._upscaler = Upscaler(
                        header.coded_width,
                        header.coded_height,
                        header.presentation_width,
                        header.presentation_height,
                    )
                yield from self._segment(item, substrate)
        finally:
            if substrate is not None:
                substrate.close()

    def _segment(self, item: PreparedSegment, substrate: Substrate) -> Iterator[_Upscaling]:
        report, number = self.report, item.segment.number
        declared = len(item.segment.access_units)
        if item.error is not None:
            report.lose(number, declared, item.error)
            return
        if item.generated is not None:
            report.generated_keyframes += 1
            report.keyframe_seconds += item.seconds
            report.worst_keyframe_seconds = max(report.worst_keyframe_seconds, item.seconds)
        assert self._setup is not None
        count = 0
        try:
            for coded in substrate.decode(item, self._setup.sets):
                count += 1
                time = item.times[coded.access_unit]
                if self._start is not None and time < self._start:
                    continue
                if self._end is not None and time >= self._end:
                    continue
                yield _Upscaling(coded, time, number)
        except errors.HypError as error:
            error.bit_offset = 8 * item.segment.offset
            error.source = self._reader.name
            report.lose(number, declared - count, error)
        report.segments += 1

    def _present(self, job: _Upscaling) -> DecodedPicture:
        """(#dec.presentation) Upscale and restore one picture; runs in the pool."""
        planes = job.coded.planes
        if self._presentation:
            picture = self._upscaler.upscale(planes)
            if self._restorer is not None:
                picture = self._restorer.restore(picture)
        else:
            picture = Picture(*(np.array(plane, order="C") for plane in planes))
        return DecodedPicture(picture, job.time, job.segment)


def seconds(value: Fraction | float) -> Fraction:
    """Return `value` as a fraction; binary floating point is taken for the decimal number meant."""
    return Fraction(value).limit_denominator(10**6) if isinstance(value, float) else Fraction(value)


def decode(
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
) -> Decoding:
    """(#dec.process) Decode a HYP file to pictures in output order.

    `source` is a path, the bytes of a file or a binary stream, also a pipe. `threads` (1 or more)
    serve the H.264 decoder and the upscaler each. `presentation` False leaves out the upscaler and restoration.
    `start` and `duration` (seconds) choose the pictures with start <= time < start + duration.
    `model` is the generator; without it the installed one that the file names. With `side_tracks`,
    `take_packets` delivers the packets of side tracks. `memory` bounds the bytes of pictures.

    Damage costs the segments that it lies in; `report` of the result tells. While iterating, raises
    HYP-E-FILE-02 without a sequence header, HYP-E-SEQ-14, -16, -17, -19 and HYP-E-LVL-09 when the file
    as a whole cannot be decoded; at once, HYP-E-FILE-01 when it is no HYP file and HYP-E-DEC-05
    for an unknown `backend`.
    """
    if backend not in BACKENDS:
        raise unknown_backend(backend)
    if threads < 1:
        raise ValueError("decoding takes one thread at least")
    return Decoding(
        open_reader(source),
        backend=backend,
        threads=threads,
        presentation=presentation,
        start=None if start is None else seconds(start),
        duration=None if duration is None else seconds(duration),
        model=model,
        side_tracks=side_tracks,
        memory=memory,
    )
