"""The encoder: a source becomes a HYP file by way of independent jobs, one for each segment."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from io import RawIOBase
from itertools import pairwise
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
from refcodec.encoder.picture_store import PictureStore, StoredPictures
from refcodec.encoder.progress import ProgressCallback, ProgressMeter
from refcodec.encoder.prompts import CORE_GENERATOR_ID, prompter
from refcodec.encoder.rate_control import RateSearch, initial_crf, segment_crf
from refcodec.encoder.resizing import CodedSize, coded_size
from refcodec.encoder.rung_choice import RungChoice
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
from refcodec.encoder.trial import TrialJob

WRITER_NAME = "hybridprompt 0.1.0"
RATE_TOLERANCE = 0.02
MINIMUM_INTERVAL = 0.4
"""Seconds between a keyframe and the next scene cut that gets one."""
_MOST_PASSES = 12
FULL_SIZE = Fraction(1)
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
        planner = _Planner(self, target_size)
        choice = planner.choose_rung()
        while True:
            outcome = self._encode_at(planner, choice, target_size)
            if outcome is not None:
                break
            smaller = [rung for rung in planner.rungs if rung < choice.rung]
            if not smaller:
                raise self._unreachable()
            choice = RungChoice(smaller[0], None)
        results, plan, crf, index = outcome
        self.meter.stage("writing", 0.5)
        write_file(file, plan, self._segments(results), self.source.side_packets)
        size = file.tell()
        return self._report(target, begin, size, choice.rung, crf, index, results, plan)

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
        self, planner: _Planner, choice: RungChoice, target_size: float | None
    ) -> tuple[list[SegmentResult], FilePlan, float, int | None] | None:
        """Encode the sequence at one rung; None when it does not fit into the target even at its worst."""
        effort = self.settings.effort
        size = planner.size(choice.rung)
        store = planner.store(choice.rung)
        avc = planner.avc(size, effort.x264_preset, effort.overrides)
        first = planner.first_crf(choice)
        choices = planner.keyframes(choice, first)
        encoder = _SequenceEncoder(self, store, avc, choices)
        if target_size is None:
            position = first
            results = encoder.at(position)
        else:
            found = encoder.search(RateSearch(target_size, first=first))
            if found is None:
                return None
            position, results = found
        index = next((c.prompt_scale_index for c in choices if c is not None), None)
        return results, encoder.plan(results), position, index

    def header(
        self, avc: AvcSettings, parameter_sets: tuple[bytes, ...]
    ) -> structures.SequenceHeader:
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
                pictures_size=result.pictures_size
                - (0 if result.prompt_size else result.keyframe_size),
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


class _Planner:
    """Chooses rung, prompts and kinds of keyframes of a sequence."""

    def __init__(self, run: _Run, target_size: float | None) -> None:
        self._run = run
        self._about = run.source.description
        self._settings = run.settings
        starts = run.survey.starts
        self._counts = [end - begin for begin, end in pairwise(starts)]
        self._stores: dict[Fraction, PictureStore] = {}
        self._prompt_sizes: tuple[CodedSize, keyframe_choice.PromptSizes] | None = None
        self.rungs = rung_choice.candidates(self._about, run.settings)
        self._video_bits = (
            None if target_size is None else 8 * max(1.0, target_size - run.survey.side_size)
        )

    def size(self, rung: Fraction) -> CodedSize:
        """Return the coded size of a rung."""
        return coded_size(self._about.width, self._about.height, rung)

    def store(self, rung: Fraction) -> PictureStore:
        """Return the store of the pictures at a rung."""
        if rung not in self._stores:
            run = self._run
            self._stores[rung] = PictureStore(
                run.source, run.survey.starts, self.size(rung), run.folder
            )
        return self._stores[rung]

    def avc(
        self, size: CodedSize, preset: str, overrides: tuple[tuple[str, str], ...]
    ) -> AvcSettings:
        """Return the settings of x264 that all segments share."""
        return AvcSettings(
            size, self._run.survey.timing.rate, self._about.colour, preset, overrides
        )

    def first_crf(self, choice: RungChoice) -> float:
        """Return where the search for the rate begins, or the rate factor of constant quality."""
        if self._video_bits is None:
            assert self._settings.quality is not None
            return quality_to_crf(self._settings.quality)
        if choice.crf is not None:
            return min(HIGHEST_CRF, max(LOWEST_CRF, choice.crf))
        return initial_crf(self._bits_per_picture() / self.size(choice.rung).samples)

    def choose_rung(self) -> RungChoice:
        """Return the rung: the only one, the one that the bits allow, or the best by trial encodes."""
        if len(self.rungs) == 1 or self._video_bits is None:
            return RungChoice(self.rungs[0], None)
        start = rung_choice.by_bits_per_sample(
            self._about, sum(self._counts), self.rungs, self._video_bits / 8
        )
        effort = self._settings.effort
        if effort.rung_segments == 0:
            return RungChoice(start, None)
        self._run.meter.stage("choosing the coded size", 0.3)
        numbers = tuple(keyframe_choice.sampled_segments(len(self._counts), effort.rung_segments))
        kinds = [False]
        if self._run.use_generator:
            kinds = [True] if self._settings.keyframes == "generated" else [True, False]

        def trials(generated: bool) -> rung_choice.RungTrials:
            return rung_choice.RungTrials(
                about=self._about,
                pictures=lambda number: self._part(
                    self.store(FULL_SIZE), number, effort.rung_pictures
                ),
                numbers=numbers,
                avc=self.avc(self.size(start), effort.trial_preset, effort.trial_overrides),
                bits_per_picture=self._bits_per_picture(),
                prompt=(lambda size: self._prompt(size, start)) if generated else lambda size: None,
                pool=self._run.pool,
            )

        # The better kind of keyframe at the first rung decides which kind climbs the ladder.
        options = [trials(generated) for generated in kinds]
        options.sort(key=lambda option: option.measure(start)[0])
        return rung_choice.climb(self.rungs, start, options[0])

    def keyframes(self, choice: RungChoice, crf: float) -> list[PromptChoice | None]:
        """Return for each segment how its keyframe is made: a prompt choice, or None for an ordinary IDR."""
        count = len(self._counts)
        if not self._run.use_generator:
            return [None] * count
        size = self.size(choice.rung)
        prompt = self._prompt(size, choice.rung)
        if self._settings.keyframes == "generated":
            return [prompt] * count
        self._run.meter.stage("choosing keyframes", 0.25)
        effort = self._settings.effort
        avc = self.avc(size, effort.trial_preset, effort.trial_overrides)
        store = self.store(choice.rung)

        def job(number: int, generated: bool) -> TrialJob:
            # Measured at the coded size: the upscaler is the same for both kinds.
            return TrialJob(
                self._part(store, number, effort.keyframe_pictures),
                size.width,
                size.height,
                FULL_SIZE,
                avc,
                prompt if generated else None,
                tuple(min(HIGHEST_CRF, max(LOWEST_CRF, crf + d)) for d in (-1.0, 3.0)),
            )

        chosen = keyframe_choice.choose_keyframes(count, job, self._run.pool, self._run.meter.at)
        return [prompt if generated else None for generated in chosen]

    def _prompt(self, size: CodedSize, rung: Fraction) -> PromptChoice:
        """Return the prompt choice for a coded size; prompts are measured once, at the size of `rung`."""
        settings = self._settings
        if self._video_bits is None:
            assert settings.quality is not None
            return PromptChoice(quality_to_prompt_scale_index(settings.quality), settings.model)
        if self._prompt_sizes is None:
            store = self.store(rung)
            sizes = keyframe_choice.measure_prompt_sizes(
                store,
                keyframe_choice.sampled_segments(len(self._counts)),
                settings.model,
                self._run.pool,
            )
            self._prompt_sizes = self.size(rung), sizes
        measured, sizes = self._prompt_sizes
        share = settings.prompt_share or keyframe_choice.DEFAULT_PROMPT_SHARE
        bits = share * self._video_bits / len(self._counts)
        # At one index the bits are in proportion to the samples.
        return PromptChoice(sizes.index(bits * measured.samples / size.samples), settings.model)

    def _bits_per_picture(self) -> float:
        assert self._video_bits is not None
        return self._video_bits / sum(self._counts)

    @staticmethod
    def _part(store: PictureStore, number: int, most: int) -> StoredPictures:
        pictures = store.segment(number)
        return replace(pictures, count=min(pictures.count, most))


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

        for done, result in enumerate(run.pool.run(run_segment_job, jobs()), 1):
            self._known[result.number, result.crf] = result
            self._store.release(result.number)
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
        write_file(cast(BinaryIO, counter), self.plan(results), segments, run.source.side_packets)
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
