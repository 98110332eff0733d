"""Prompts fitted to their intervals in rounds: fit, code the following pictures anew at the same rate, measure.

What a round that does not improve the decode gave is thrown away, and the next one goes half as fast; a second such
round ends the fit.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

from refcodec.encoder.context import EncodeContext
from refcodec.encoder.fit_job import (
    FitJob,
    FitResult,
    MeasureJob,
    run_fit_job,
    run_measure_job,
)
from refcodec.encoder.picture_store import PictureStore, StoredPictures
from refcodec.encoder.segment_job import PromptChoice, SegmentResult
from refcodec.encoder.sequence_encoder import SequenceEncoder
from refcodec.fitting.settings import FitSettings
from refcodec.restoration import Restoration
from refcodec.wording import counted

_MOST_MISSED = 2
"""Rounds that do not improve the decode, and then the fit ends."""


@dataclass(frozen=True)
class Coding:
    """The whole sequence with one choice of prompts, at a position of the rate search."""

    choices: list[PromptChoice | None]
    encoder: SequenceEncoder
    crf: float
    results: list[SegmentResult]


@dataclass(frozen=True)
class Stores:
    """The pictures of a sequence in coded size, and in presentation size where decodes are compared with those, with
    how they are restored before that."""

    coded: PictureStore
    presented: PictureStore | None
    restoration: Restoration | None

    def segment(self, number: int) -> tuple[StoredPictures, StoredPictures | None]:
        """Return the pictures of a segment."""
        shown = None if self.presented is None else self.presented.segment(number)
        return self.coded.segment(number), shown

    def release(self, number: int) -> None:
        """Say that a segment is not needed in this pass any more."""
        for store in (self.coded, self.presented):
            if store is not None:
                store.release(number)


@dataclass(frozen=True)
class FitReport:
    """What a fit did. distances: of the decode, by the fit's distortion, before it and after each round that was
    coded; steps: of all rounds; interrupted: whether the user ended it."""

    distances: tuple[float, ...]
    kept_rounds: int
    steps: int
    interrupted: bool

    def __str__(self) -> str:
        if not self.steps:
            return "Nothing was fitted: all segments have coded keyframes."
        ended = ", ended by an interrupt" if self.interrupted else ""
        course = " -> ".join(f"{distance:.4f}" for distance in self.distances)
        return (
            f"Prompts were fitted in {counted(self.steps, 'step')}{ended}; distance of the decode to the source "
            f"at equal rate by round: {course}; {counted(self.kept_rounds, 'round')} kept."
        )


def fit_sequence(
    context: EncodeContext,
    stores: Stores,
    coding: Coding,
    recode: Callable[[list[PromptChoice | None], float], Coding | None],
) -> tuple[Coding, FitReport]:
    """Return the sequence with fitted prompts, and what was done.

    recode(choices, crf) codes the sequence with other prompts at the same rate, beginning the search at crf; None
    where that is not possible. The first interrupt of the user ends the steps, what they gave is still coded; a
    second one ends that too, and the sequence before is returned.
    """
    settings = context.fit
    assert settings is not None
    stop = context.folder / "fit-stop"
    best, distances, kept, steps = coding, [], 0, 0
    missed = 0
    try:
        with _interrupt_creates(stop):
            if any(choice is not None for choice in coding.choices):
                distances.append(_measured(context, stores, coding, settings))
            for number in range(settings.rounds if distances else 0):
                fits = _fits(context, stores, best, _slower(settings, missed), number, stop)
                steps += sum(fit.steps for fit in fits.values())
                if not any(fit.improved for fit in fits.values()):
                    break
                found = recode(_fitted(best.choices, fits), best.crf)
                if found is None:
                    break
                distances.append(_measured(context, stores, found, settings))
                if distances[-1] < min(distances[:-1]):
                    best, kept = found, kept + 1
                else:
                    missed += 1
                if missed == _MOST_MISSED or stop.exists():
                    break
    except KeyboardInterrupt:
        stop.touch()
    return best, FitReport(tuple(distances), kept, steps, stop.exists())


def _slower(settings: FitSettings, times: int) -> FitSettings:
    """Return settings with learning rates halved some times."""
    share = 0.5**times
    return replace(
        settings,
        learning_rate=settings.learning_rate * share,
        joint_rate=settings.joint_rate * share,
    )


def _fitted(
    choices: list[PromptChoice | None], fits: dict[int, FitResult]
) -> list[PromptChoice | None]:
    """Return the choices with the prompts that a round improved."""
    return [
        replace(choice, fitted=fits[number].prompt)
        if choice is not None and fits[number].improved
        else choice
        for number, choice in enumerate(choices)
    ]


def _fits(
    context: EncodeContext,
    stores: Stores,
    coding: Coding,
    settings: FitSettings,
    number: int,
    stop: Path,
) -> dict[int, FitResult]:
    """Fit the prompts of one round; return the results by segment."""
    context.meter.stage(f"fitting, round {number + 1}", 0.5)
    rate = float(context.survey.timing.rate)
    chosen = [k for k, choice in enumerate(coding.choices) if choice is not None]
    # Other targets in each round: what is fitted is all of the interval.
    here = replace(settings, seed=settings.seed + number)
    if number < settings.keyframe_rounds:
        here = replace(here, targets=0)

    def job(segment: int) -> FitJob:
        choice = coding.choices[segment]
        assert choice is not None
        pictures, result = stores.segment(segment), coding.results[segment]
        return FitJob(
            *pictures,
            stores.restoration,
            rate,
            result,
            choice.model,
            here,
            number,
            context.folder,
            stop,
        )

    jobs: list[FitJob] = []

    def drawn() -> Iterator[FitJob]:
        for segment in chosen:
            jobs.append(job(segment))
            yield jobs[-1]

    def progress(done: float) -> None:
        states = (_last_line(each.log) for each in jobs)
        state = next((text for text in states if text), "")
        context.meter.say(f"fitting, round {number + 1}" + (f", {state}" if state else ""))
        context.meter.at(done / len(chosen))

    found = {}
    for result in context.pool.run(run_fit_job, drawn(), progress):
        found[result.number] = result
        jobs[len(found) - 1].log.unlink(missing_ok=True)
        stores.release(result.number)
    return found


def _last_line(log: Path) -> str:
    try:
        return log.read_text(encoding="utf-8")
    except OSError:
        return ""


def _measured(
    context: EncodeContext, stores: Stores, coding: Coding, settings: FitSettings
) -> float:
    """Return the mean distance of the decode to the source, over the pictures of all segments."""
    context.meter.stage("measuring", 0.1)
    starts, rate = context.survey.starts, float(context.survey.timing.rate)
    numbers = range(len(coding.choices))

    def jobs() -> Iterator[MeasureJob]:
        for number in numbers:
            yield MeasureJob(
                *stores.segment(number),
                stores.restoration,
                rate,
                coding.results[number],
                _model(coding, number),
                settings,
            )

    total = 0.0
    for number, distance in zip(numbers, context.pool.run(run_measure_job, jobs()), strict=True):
        total += distance * (starts[number + 1] - starts[number])
        stores.release(number)
    return total / starts[-1]


@contextmanager
def _interrupt_creates(stop: Path) -> Iterator[None]:
    """While this lasts, the first interrupt creates a file and the second one raises KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return

    def interrupted(number: int, frame: FrameType | None) -> None:
        if stop.exists():
            raise KeyboardInterrupt
        stop.touch()

    before = signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _model(coding: Coding, number: int) -> Path | None:
    choice = coding.choices[number]
    return None if choice is None else choice.model
