"""The rung of the size ladder for a sequence, chosen by measuring (design decision D7)."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import inf, isfinite
from typing import Protocol

from refcodec.encoder.avc_job import AvcSettings
from refcodec.encoder.jobs import WorkerPool
from refcodec.encoder.picture_store import StoredPictures
from refcodec.encoder.rate_control import CrfGuess, clamped
from refcodec.encoder.resizing import CodedSize, coded_size, rungs
from refcodec.encoder.segment_job import PromptChoice
from refcodec.encoder.settings import HIGHEST_CRF, EncoderSettings
from refcodec.encoder.trial import (
    SCORED_PICTURES,
    TrialJob,
    TrialPoint,
    crf_at,
    distance_at,
    run_preparation_job,
    run_trial_job,
)
from refcodec.media import SourceDescription

_ENOUGH_BITS = 0.012
"""Bits per luma sample from which a rung is not too large, for choosing without measuring."""
_ROUNDS = 4
_SPREAD = 4.0
"""Distance of the two rate factors of a trial."""
_NEAR = 1.15
"""Distance of a choice, times that of the best one, up to which it may be the better one."""
_OVER_RATE = 1.1
"""Bits of the cheapest trial, of those allowed, from which a rung counts as out of reach."""
_UNDER_RATE = 0.8
"""Bits of the dearest trial, of those allowed, up to which another one is made."""
_WIDE = 2.5
"""Bits of the trial above those allowed, times the ones of the trial below, from which one between is made."""

Measured = tuple[float, float]
"""Distance and rate factor of trials at the allowed bits; an infinite distance where these are not enough."""

DEFAULT_PROMPT_SHARE = 0.29
"""Where nothing is tried."""


@dataclass(frozen=True, slots=True)
class RungChoice:
    """rung: the chosen one; crf: the rate factor of its trials at the rate, or None without trials; distance: what
    they say about the pictures, likewise; generated: whether their keyframes were; share: the part of the rate that
    prompts have."""

    rung: Fraction
    crf: float | None
    distance: float | None = None
    generated: bool | None = None
    share: float = DEFAULT_PROMPT_SHARE


def candidates(about: SourceDescription, settings: EncoderSettings) -> list[Fraction]:
    """Return the rungs that may be used, from large to small."""
    if settings.size != "auto":
        return [settings.size]
    return rungs(about.width, about.height)


def by_bits_per_sample(
    about: SourceDescription, picture_count: int, sizes: list[Fraction], target_size: float
) -> Fraction:
    """Return the largest rung at which a sample gets enough bits; target_size in bytes."""
    for rung in sizes:
        samples = coded_size(about.width, about.height, rung).samples * picture_count
        if target_size * 8 / samples >= _ENOUGH_BITS:
            return rung
    return sizes[-1]


class Trials(Protocol):
    """Says how good rungs are."""

    def measure(self, rung: Fraction) -> Measured:
        """Return what they say about a rung."""
        ...


@dataclass(frozen=True, slots=True)
class RungTrials:
    """Everything that the trials of a sequence need. pictures: gives those of a segment at full size; numbers:
    segments that are tried; bits_per_picture: what the rate allows, of it what is not charged left out; prompt:
    the prompt choice for a coded size; keyframe_charge: by segment, as TrialJob has it; thrift: likewise; guess:
    what the trials of the content have in common."""

    about: SourceDescription
    pictures: Callable[[int], StoredPictures]
    numbers: tuple[int, ...]
    avc: AvcSettings
    bits_per_picture: float
    prompt: Callable[[CodedSize], PromptChoice | None]
    keyframe_charge: Callable[[int], float]
    thrift: float
    guess: CrfGuess
    pool: WorkerPool
    # Other trials, as `replace` makes them, begin without.
    measured: dict[Fraction, Measured] = field(default_factory=dict, init=False)

    def measure(self, rung: Fraction) -> Measured:
        """Return what they say about a rung, means over the tried segments."""
        if rung not in self.measured:
            (self.measured[rung],) = measure_together([(self, rung)])
        return self.measured[rung]

    def rounds(self, rung: Fraction) -> Generator[list[TrialJob], list[list[TrialPoint]], Measured]:
        """Yield the jobs of one round after the other, for the results of each, and return what they say."""
        size = coded_size(self.about.width, self.about.height, rung)
        bits_per_sample = self.bits_per_picture / size.samples
        guess = self.guess.at(bits_per_sample)
        prompt = self.prompt(size)
        crfs: dict[int, tuple[float, ...]] = {
            number: (clamped(guess - _SPREAD / 2), clamped(guess + _SPREAD / 2))
            for number in self.numbers
        }
        points: dict[int, list[TrialPoint]] = {number: [] for number in self.numbers}
        for _ in range(_ROUNDS):
            results = yield self._jobs(rung, prompt, crfs)
            for number, found in zip(crfs, results, strict=True):
                points[number] += found
            crfs = self._further(points)
            if not crfs:
                break
        distances = [distance_at(points[n], self._bits(n)) for n in self.numbers]
        factors = [crf_at(points[n], self._bits(n)) for n in self.numbers]
        if (
            min(point.bits / self._bits(n) for n in self.numbers for point in points[n])
            > _OVER_RATE
        ):
            return float("inf"), HIGHEST_CRF
        crf = sum(factors) / len(factors)
        self.guess.learn(bits_per_sample, crf)
        return sum(distances) / len(distances), crf

    def _jobs(
        self, rung: Fraction, prompt: PromptChoice | None, crfs: dict[int, tuple[float, ...]]
    ) -> list[TrialJob]:
        return [
            TrialJob(
                self.pictures(number), self.about.width, self.about.height, rung,
                self.avc, prompt, tried, self.keyframe_charge(number), self.thrift,
                max(2, round(SCORED_PICTURES / len(self.numbers))),
            )
            for number, tried in crfs.items()
        ]  # fmt: skip

    def _bits(self, number: int) -> float:
        return self.bits_per_picture * self.pictures(number).count

    def _further(self, points: dict[int, list[TrialPoint]]) -> dict[int, tuple[float, ...]]:
        """Return rate factors for segments whose trials lie too far from the allowed bits for a straight line."""
        further: dict[int, tuple[float, ...]] = {}
        for number, known in points.items():
            if _far([point.bits / self._bits(number) for point in known]):
                crf = clamped(crf_at(known, self._bits(number)))
                if all(abs(crf - point.crf) > 0.5 for point in known):
                    further[number] = (crf,)
        return further


def measure_together(asked: Sequence[tuple[RungTrials, Fraction]]) -> list[Measured]:
    """Return what each of some trials, which share a pool but no guess, says about a rung: the same as one after the
    other, with more jobs at a time."""
    pool = asked[0][0].pool
    rounds = [trials.rounds(rung) for trials, rung in asked]
    jobs = {place: next(each) for place, each in enumerate(rounds)}
    found: dict[int, Measured] = {}
    while jobs:
        results = iter(_results([job for each in jobs.values() for job in each], pool))
        further: dict[int, list[TrialJob]] = {}
        for place, each in jobs.items():
            try:
                further[place] = rounds[place].send(list(itertools.islice(results, len(each))))
            except StopIteration as end:
                found[place] = end.value
        jobs = further
    return [found[place] for place in range(len(asked))]


def _results(jobs: Sequence[TrialJob], pool: WorkerPool) -> list[list[TrialPoint]]:
    """Return the results of jobs. Where some workers would have none, each rate factor is a job of its own, once
    what is kept for the segments' trials is there."""
    if len(jobs) >= pool.count or all(len(job.crfs) == 1 for job in jobs):
        return list(pool.run(run_trial_job, jobs))
    kept = [job for job in jobs if job.pictures.lasting]
    deque(pool.run(run_preparation_job, kept), maxlen=0)
    single = [replace(job, crfs=(crf,)) for job in jobs for crf in job.crfs]
    found = pool.run(run_trial_job, single)
    return [[point for _ in job.crfs for point in next(found)] for job in jobs]


def _far(ratios: Sequence[float]) -> bool:
    """Return whether trials with these parts of the allowed bits say too little of it."""
    if min(ratios) > _OVER_RATE or max(ratios) < _UNDER_RATE:
        return True
    above, below = [r for r in ratios if r >= 1], [r for r in ratios if r < 1]
    return bool(above and below) and min(above) > _WIDE * max(below)


def climb(sizes: list[Fraction], start: Fraction, trials: Trials) -> RungChoice:
    """Return the rung with the smallest distance, going from `start` to better neighbours only: the distance
    has one minimum over the ladder in practice, and a trial at a large rung is not cheap."""
    best = sizes.index(start)
    for direction in (-1, 1):
        moved = False
        while (
            0 <= best + direction < len(sizes)
            and trials.measure(sizes[best + direction])[0] < trials.measure(sizes[best])[0]
        ):
            best += direction
            moved = True
        if moved:
            break
    return measured(trials, sizes[best])


def measured(trials: Trials, rung: Fraction) -> RungChoice:
    """Return a rung with what trials say about it."""
    distance, crf = trials.measure(rung)
    return RungChoice(rung, crf, distance)


def contenders(choices: Sequence[RungChoice]) -> tuple[RungChoice, ...]:
    """Return the best choice by its trials, and behind it those that are nearly as good: trials with quick settings
    do not tell them apart."""
    ordered = sorted(choices, key=_distance)
    return tuple(each for each in ordered if each is ordered[0] or _near(each, ordered[0]))


def _near(choice: RungChoice, best: RungChoice) -> bool:
    return isfinite(_distance(choice)) and _distance(choice) <= _NEAR * _distance(best)


def _distance(choice: RungChoice) -> float:
    return inf if choice.distance is None else choice.distance
