"""All segments of a sequence at one position of the rate search, and the search itself."""

from __future__ import annotations

from collections.abc import Iterator
from io import RawIOBase
from typing import BinaryIO, cast

from refcodec.container import structures
from refcodec.encoder import levels
from refcodec.encoder.assembly import FilePlan, write_file
from refcodec.encoder.avc_job import AvcSettings
from refcodec.encoder.context import EncodeContext
from refcodec.encoder.picture_store import PictureStore
from refcodec.encoder.prompts import CORE_GENERATOR_ID, prompter
from refcodec.encoder.rate_control import RateSearch, segment_crf
from refcodec.encoder.segment_job import (
    PromptChoice,
    SegmentJob,
    SegmentResult,
    run_segment_job,
)
from refcodec.encoder.settings import LOWEST_CRF

WRITER_NAME = "hybridprompt 0.1.0"
RATE_TOLERANCE = 0.02
_MOST_PASSES = 12
_LONGEST_SEGMENT = 30.0


class SequenceEncoder:
    """Encodes all segments at a position of the rate search, reusing what is known."""

    def __init__(
        self,
        context: EncodeContext,
        store: PictureStore,
        avc: AvcSettings,
        choices: list[PromptChoice | None],
    ) -> None:
        self._context = context
        self._store = store
        self._avc = avc
        self._choices = choices
        self._known: dict[tuple[int, float], SegmentResult] = {}
        self.passes = 0
        self.encodes = 0
        self.note: str | None = None
        """What the user should know about the rate."""
        self.smallest_rate = 0.0
        """bit/s at the highest rate factor, where that is too much."""

    def at(self, position: float) -> list[SegmentResult]:
        """Return the results of all segments at `position`."""
        context, count = self._context, len(self._choices)
        self.passes += 1
        context.meter.stage(f"encoding, pass {self.passes}", 0.45)
        wanted = {number: segment_crf(position, number, count) for number in range(count)}
        missing = [n for n, crf in wanted.items() if (n, crf) not in self._known]

        def jobs() -> Iterator[SegmentJob]:
            for number in missing:
                pictures = self._store.segment(number)
                choice = self._choices[number]
                yield SegmentJob(
                    number, pictures, self._avc, wanted[number], choice, context.folder
                )

        def progress(done: float) -> None:
            context.meter.at(done / len(missing))

        for result in context.pool.run(run_segment_job, jobs(), progress):
            self._known[result.number, result.crf] = result
            self._store.release(result.number)
            self.encodes += 1
        return [self._known[number, crf] for number, crf in wanted.items()]

    def search(self, search: RateSearch) -> tuple[float, list[SegmentResult]] | None:
        """Return position and results with the size nearest to the target, or None where even the highest rate
        factor gives too much."""
        best: tuple[float, list[SegmentResult]] | None = None
        nearest = float("inf")
        for _ in range(_MOST_PASSES):
            position = search.next()
            if position is None:
                break
            results = self.at(position)
            size = self._size(results)
            prompts = sum(result.prompt_size for result in results)
            search.fixed = prompts + self._context.survey.side_size
            search.observe(position, size)
            miss = abs(size / search.target - 1)
            if miss < nearest:
                best, nearest = (position, results), miss
        assert best is not None
        if nearest > RATE_TOLERANCE:
            size = self._size(best[1])
            rate = size * 8 / self._context.survey.timing.seconds
            if size > search.target:
                self.smallest_rate = rate
                return None
            highest = best[0] <= LOWEST_CRF + 0.5
            self.note = (
                f"The source needs only {rate / 1000:.1f} kbit/s at the best quality."
                if highest
                else f"The rate could be met to {100 * nearest:.1f} % only: {rate / 1000:.1f} kbit/s."
            )
        return best

    def plan(self, results: list[SegmentResult]) -> FilePlan:
        """Return the plan of the file with these results."""
        context = self._context
        return FilePlan(
            header=self._header(results[0].load().interval.parameter_sets),
            timing=context.survey.timing,
            starts=context.survey.starts,
            side_tracks=context.source.description.side_tracks,
            metadata=(("encoder", WRITER_NAME),),
            longest_segment=_LONGEST_SEGMENT,
        )

    def _header(self, parameter_sets: tuple[bytes, ...]) -> structures.SequenceHeader:
        context, avc = self._context, self._avc
        about, timing = context.source.description, context.survey.timing
        # A sequence of coded keyframes asks for no generator, so that decoders without one take it.
        models = [prompter(choice.model).model for choice in self._choices if choice is not None]
        model = models[0] if models else None
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

    def _size(self, results: list[SegmentResult]) -> int:
        """Return the exact size of the file with these results, by writing it to nowhere."""
        counter = _Counter()
        segments = (result.load() for result in results)
        source = self._context.source
        write_file(cast(BinaryIO, counter), self.plan(results), segments, source.side_packets)
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
