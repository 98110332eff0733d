"""The encoder: a source becomes a HYP file by way of independent jobs, one for each segment."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from io import RawIOBase
from pathlib import Path
from typing import BinaryIO, cast

from refcodec import errors
from refcodec.container import structures
from refcodec.container.atomic import output_file
from refcodec.encoder import keyframe_choice, levels, rung_choice
from refcodec.encoder.assembly import FilePlan, write_file
from refcodec.encoder.avc_job import AvcSettings
from refcodec.encoder.jobs import WorkerPool
from refcodec.encoder.media_source import MediaSource
from refcodec.encoder.picture_store import PictureStore
from refcodec.encoder.progress import ProgressCallback, ProgressMeter
from refcodec.encoder.prompts import CORE_GENERATOR_ID, prompter
from refcodec.encoder.rate_control import RateSearch, initial_crf, segment_crf
from refcodec.encoder.resizing import CodedSize, coded_size
from refcodec.encoder.scene_cuts import FeatureExtractor, place_keyframes
from refcodec.encoder.segment_job import (
    CodedSegment,
    PromptChoice,
    SegmentJob,
    SegmentResult,
    run_segment_job,
)
from refcodec.encoder.settings import (
    HIGHEST_CRF,
    LOWEST_CRF,
    EncoderSettings,
    quality_to_crf,
    quality_to_prompt_scale_index,
)
from refcodec.encoder.timing import Timing, find_timing

WRITER_NAME = "hybridprompt 0.1.0"
RATE_TOLERANCE = 0.02
MINIMUM_INTERVAL = 0.4
"""Seconds between a keyframe and the next scene cut that gets one."""
_MOST_PASSES = 12
_LONGEST_SEGMENT = 30.0


@dataclass(frozen=True, slots=True)
class SegmentReport:
    """One segment: time of its keyframe in seconds, pictures, and sizes in bytes."""

    number: int
    time: float
    picture_count: int
    generated: bool
    prompt_scale_index: int
    crf: float
    keyframe_size: int
    pictures_size: int


@dataclass(frozen=True, slots=True)
class EncodeReport:
    """What an encode did. Rates in bit/s over the duration; sizes in bytes."""

    source: Path
    target: Path
    size: int
    duration: float
    rate: float
    target_rate: int | None
    picture_count: int
    coded_width: int
    coded_height: int
    presentation_width: int
    presentation_height: int
    rung: Fraction
    crf: float
    prompt_scale_index: int | None
    keyframe_rate: float
    pictures_rate: float
    side_track_rate: float
    overhead_rate: float
    segments: tuple[SegmentReport, ...]
    passes: int
    """Searches over the whole sequence until the rate was met."""
    segment_encodes: int
    elapsed: float
    conversions: tuple[str, ...]
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Survey:
    """What the first reading of the source found. starts: first picture of each segment and, last, the number
    of pictures; side_size: bytes of the side packets."""

    timing: Timing
    starts: tuple[int, ...]
    side_size: int


def encode(
    source_path: str | Path,
    target_path: str | Path,
    settings: EncoderSettings,
    progress: ProgressCallback | None = None,
) -> EncodeReport:
    """Encode a media file to a HYP file and return what was done.

    The target appears whole or not at all. `progress` is called with (done, total, stage) from this thread.
    Raises errors of the areas IN (source), OUT (rate, settings, workspace) and CLI (target not writable).
    """
    begin = time.monotonic()
    source_path, target_path = Path(source_path), Path(target_path)
    if target_path.exists() and source_path.exists() and target_path.samefile(source_path):
        raise errors.error("HYP-E-CLI-05", element="target", value=str(target_path))
    meter = ProgressMeter(progress)
    source = MediaSource(
        source_path,
        start=settings.start,
        duration=settings.duration,
        side_tracks=settings.side_tracks,
    )
    with (
        output_file(target_path) as file,
        tempfile.TemporaryDirectory(prefix="hyp-", dir=settings.workspace) as folder,
        WorkerPool(settings.worker_count) as pool,
    ):
        run = _Run(source, settings, meter, pool, Path(folder))
        report = run.encode(file, target_path, begin)
    meter.stage("done", 1.0)
    meter.at(1.0)
    return report


class _Run:
    def __init__(
        self,
        source: MediaSource,
        settings: EncoderSettings,
        meter: ProgressMeter,
        pool: WorkerPool,
        folder: Path,
    ) -> None:
        self.source = source
        self.settings = settings
        self.meter = meter
        self.pool = pool
        self.folder = folder
        self.notes: list[str] = []
        self.passes = 0
        self.encodes = 0

    def encode(self, file: BinaryIO, target: Path, begin: float) -> EncodeReport:
        self.survey = self._survey()
        self.use_generator = self._generator_usable()
        target_size = self._target_size()
        sizes = rung_choice.candidates(self.source.description, self.settings)
        rung = rung_choice.choose(
            self.source, self.settings, self.survey.timing, self.survey.starts, sizes, self.pool,
            self.meter, target_size,
        )  # fmt: skip
        while True:
            outcome = self._encode_at(rung, target_size)
            if outcome is not None:
                break
            smaller = [size for size in sizes if size < rung]
            if not smaller:
                raise self._unreachable()
            rung = smaller[0]
        results, plan, crf, index = outcome
        self.meter.stage("writing", 0.5)
        write_file(file, plan, self._segments(results), self.source.side_packets)
        size = file.tell()
        return self._report(target, begin, size, rung, crf, index, results, plan)

    # ------------------------------------------------------------------------------------ planning

    def _survey(self) -> Survey:
        """Read the source once: times, places of keyframes, size of the side tracks."""
        self.meter.stage("reading", 0.08)
        extract = FeatureExtractor()
        times, features = [], []
        for picture in self.source.pictures():
            times.append(picture.time)
            features.append(extract(picture.picture))
            self.meter.at(1 - 300 / (300 + len(times)))
        about = self.source.description
        timing = find_timing(times, about.nominal_rate, about.time_base)
        seconds = [float(stamp * timing.tick) for stamp in timing.stamps]
        starts = place_keyframes(
            seconds,
            features,
            interval=self.settings.keyframe_interval,
            minimum_interval=min(MINIMUM_INTERVAL, self.settings.keyframe_interval),
        )
        side_size = sum(len(packet.data) for packet in self.source.side_packets())
        return Survey(timing, (*starts, len(times)), side_size)

    def _generator_usable(self) -> bool:
        if self.settings.keyframes == "coded":
            return False
        try:
            prompter(self.settings.model)
        except errors.HypError as problem:
            if self.settings.keyframes == "generated" or self.settings.model is not None:
                raise
            self.notes.append(f"Keyframes are coded: {problem}")
            return False
        return True

    def _target_size(self) -> float | None:
        """Return the bytes that the file may have, or None with constant quality."""
        if self.settings.bitrate is None:
            return None
        size = self.settings.bitrate * self.survey.timing.seconds / 8
        if self.survey.side_size > 0.9 * size:
            rate = self.survey.side_size * 8 / self.survey.timing.seconds
            raise errors.error(
                "HYP-E-OUT-02",
                element="rate of the side tracks",
                value=f"{rate / 1000:.1f} kbit/s",
                allowed=f"90 % of {self.settings.bitrate / 1000:.1f} kbit/s",
            )
        return size

    # ------------------------------------------------------------------------------------ encoding

    def _encode_at(
        self, rung: Fraction, target_size: float | None
    ) -> tuple[list[SegmentResult], FilePlan, float, int | None] | None:
        """Encode the sequence at one rung; None when it does not fit into the target even at its worst."""
        about, survey, settings = self.source.description, self.survey, self.settings
        size = coded_size(about.width, about.height, rung)
        store = PictureStore(self.source, survey.starts, size, self.folder)
        effort = settings.effort
        avc = AvcSettings(
            size,
            survey.timing.rate,
            about.colour,
            effort.x264_preset,
            tuple(effort.overrides.items()),
        )
        video_size = None if target_size is None else target_size - survey.side_size
        first = self._first_crf(size, video_size)
        choices = self._prompt_choices(store, avc, first, video_size)
        encoder = _SequenceEncoder(self, store, avc, choices)
        if target_size is None:
            position = first
            results = encoder.at(position)
        else:
            search = RateSearch(target_size, first=first)
            found = encoder.search(search)
            if found is None:
                return None
            position, results = found
        index = next((c.prompt_scale_index for c in choices if c is not None), None)
        return results, encoder.plan(results), position, index

    def _first_crf(self, size: CodedSize, video_size: float | None) -> float:
        if video_size is None:
            assert self.settings.quality is not None
            return quality_to_crf(self.settings.quality)
        return initial_crf(video_size * 8 / (self.survey.starts[-1] * size.samples))

    def _prompt_choices(
        self, store: PictureStore, avc: AvcSettings, crf: float, video_size: float | None
    ) -> list[PromptChoice | None]:
        """Return for each segment how its keyframe is made."""
        count = len(self.survey.starts) - 1
        if not self.use_generator:
            return [None] * count
        settings = self.settings
        if video_size is None:
            assert settings.quality is not None
            index = quality_to_prompt_scale_index(settings.quality)
        else:
            self.meter.stage("sizing prompts", 0.1)
            index = keyframe_choice.choose_prompt_scale_index(
                store, count, settings, self.pool, 8 * video_size
            )
        choice = PromptChoice(index, settings.model)
        if settings.keyframes == "generated" or not settings.effort.keyframe_trials:
            return [choice] * count
        self.meter.stage("choosing keyframes", 0.25)
        return keyframe_choice.choose_keyframes(
            store, count, choice, avc, crf, self.pool, self.folder, self.meter
        )

    def header(self, avc: AvcSettings, parameter_sets: tuple[bytes, ...]) -> structures.SequenceHeader:
        """Return the sequence header."""
        about, timing = self.source.description, self.survey.timing
        model = prompter(self.settings.model).model if self.use_generator else None
        return structures.SequenceHeader(
            level=levels.smallest_level(
                avc.size, about.width, about.height, float(timing.rate), parameter_sets[0]
            ),
            coded_width=avc.size.width,
            coded_height=avc.size.height,
            presentation_width=about.width,
            presentation_height=about.height,
            colour_primaries=about.colour.primaries,
            transfer_characteristics=about.colour.transfer,
            matrix_coefficients=about.colour.matrix,
            full_range_flag=int(about.colour.full_range),
            tick_numerator=timing.tick.numerator,
            tick_denominator=timing.tick.denominator,
            picture_duration=timing.picture_duration,
            generator_id=0 if model is None else CORE_GENERATOR_ID,
            model_digest=b"" if model is None else model.digest,
            parameter_sets=parameter_sets,
        )

    def _segments(self, results: list[SegmentResult]) -> Iterator[CodedSegment]:
        for result in results:
            yield result.load()

    # ------------------------------------------------------------------------------------- results

    def _unreachable(self) -> errors.HypError:
        return errors.error(
            "HYP-E-OUT-01",
            element="bitrate",
            value=self.settings.bitrate,
            allowed=f"at least {self.smallest_rate:.0f} bit/s for this source",
        )

    smallest_rate = 0.0

    def _report(
        self,
        target: Path,
        begin: float,
        size: int,
        rung: Fraction,
        crf: float,
        index: int | None,
        results: list[SegmentResult],
        plan: FilePlan,
    ) -> EncodeReport:
        about, timing, starts = self.source.description, self.survey.timing, self.survey.starts
        seconds = timing.seconds
        segments = tuple(
            SegmentReport(
                number=result.number,
                time=float(timing.stamps[starts[result.number]] * timing.tick),
                picture_count=starts[result.number + 1] - starts[result.number],
                generated=result.prompt_size > 0,
                prompt_scale_index=index or 0 if result.prompt_size else 0,
                crf=result.crf,
                keyframe_size=result.keyframe_size,
                pictures_size=result.pictures_size - (0 if result.prompt_size else result.keyframe_size),
            )
            for result in results
        )
        keyframes = sum(segment.keyframe_size for segment in segments)
        pictures = sum(segment.pictures_size for segment in segments)
        overhead = size - keyframes - pictures - self.survey.side_size
        return EncodeReport(
            source=self.source.path,
            target=target,
            size=size,
            duration=seconds,
            rate=size * 8 / seconds,
            target_rate=self.settings.bitrate,
            picture_count=starts[-1],
            coded_width=plan.header.coded_width,
            coded_height=plan.header.coded_height,
            presentation_width=about.width,
            presentation_height=about.height,
            rung=rung,
            crf=crf,
            prompt_scale_index=index,
            keyframe_rate=keyframes * 8 / seconds,
            pictures_rate=pictures * 8 / seconds,
            side_track_rate=self.survey.side_size * 8 / seconds,
            overhead_rate=overhead * 8 / seconds,
            segments=segments,
            passes=self.passes,
            segment_encodes=self.encodes,
            elapsed=time.monotonic() - begin,
            conversions=about.conversions,
            notes=tuple(self.notes),
        )


class _SequenceEncoder:
    """Encodes all segments at a position of the rate search, reusing what is known."""

    def __init__(
        self,
        run: _Run,
        store: PictureStore,
        avc: AvcSettings,
        choices: list[PromptChoice | None],
    ) -> None:
        self._run = run
        self._store = store
        self._avc = avc
        self._choices = choices
        self._known: dict[tuple[int, float], SegmentResult] = {}

    def at(self, position: float) -> list[SegmentResult]:
        """Return the results of all segments at `position`."""
        run, count = self._run, len(self._choices)
        run.passes += 1
        run.meter.stage(f"encoding, pass {run.passes}", 0.45)
        wanted = {number: segment_crf(position, number, count) for number in range(count)}
        missing = [n for n, crf in wanted.items() if (n, crf) not in self._known]

        def jobs() -> Iterator[SegmentJob]:
            for number in missing:
                pictures = self._store.segment(number)
                choice = self._choices[number]
                yield SegmentJob(number, pictures, self._avc, wanted[number], choice, run.folder)

        done = 0
        for result in run.pool.run(run_segment_job, jobs()):
            self._known[result.number, result.crf] = result
            self._store.release(result.number)
            done += 1
            run.encodes += 1
            run.meter.at(done / len(missing))
        return [self._known[number, crf] for number, crf in wanted.items()]

    def search(self, search: RateSearch) -> tuple[float, list[SegmentResult]] | None:
        """Return position and results with the size nearest to the target, or None where even the highest rate
        factor gives too much."""
        run = self._run
        best: tuple[float, list[SegmentResult]] | None = None
        nearest = float("inf")
        for _ in range(_MOST_PASSES):
            position = search.next()
            if position is None:
                break
            results = self.at(position)
            size = self._size(results)
            search.observe(position, size)
            miss = abs(size / search.target - 1)
            if miss < nearest:
                best, nearest = (position, results), miss
        assert best is not None
        if nearest > RATE_TOLERANCE:
            size = self._size(best[1])
            rate = size * 8 / run.survey.timing.seconds
            if size > search.target:
                run.smallest_rate = rate
                return None
            highest = best[0] <= LOWEST_CRF + 0.5
            run.notes.append(
                f"The source needs only {rate / 1000:.1f} kbit/s at the best quality."
                if highest
                else f"The rate could be met to {100 * nearest:.1f} % only: {rate / 1000:.1f} kbit/s."
            )
        return best

    def plan(self, results: list[SegmentResult]) -> FilePlan:
        """Return the plan of the file with these results."""
        run = self._run
        return FilePlan(
            header=run.header(self._avc, results[0].load().interval.parameter_sets),
            timing=run.survey.timing,
            starts=run.survey.starts,
            side_tracks=run.source.description.side_tracks,
            metadata=(("encoder", WRITER_NAME),),
            longest_segment=_LONGEST_SEGMENT,
        )

    def _size(self, results: list[SegmentResult]) -> int:
        """Return the exact size of the file with these results, by writing it to nowhere."""
        run = self._run
        counter = _Counter()
        segments = (result.load() for result in results)
        write_file(
            cast(BinaryIO, counter), self.plan(results), segments, run.source.side_packets
        )
        return counter.count


class _Counter(RawIOBase):
    """A file that only counts what is written."""

    count = 0

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.count += len(data)
        return len(data)

    def tell(self) -> int:
        return self.count

    def writable(self) -> bool:
        return True
