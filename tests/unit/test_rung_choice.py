"""Trials of rungs: as many jobs as there are workers, and the same points however they are shared out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refcodec.encoder.avc_job import AvcSettings
from refcodec.encoder.picture_store import StoredPictures
from refcodec.encoder.rate_control import CrfGuess
from refcodec.encoder.resizing import coded_size
from refcodec.encoder.rung_choice import RungTrials, measure_together
from refcodec.encoder.trial import (
    TrialJob,
    TrialPoint,
    crf_at,
    distance_at,
    run_preparation_job,
    run_trial_job,
)
from refcodec.media import ColourDescription

SIZE = coded_size(64, 64, Fraction(1))


class Pool:
    """Answers trials by a formula, and remembers them."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.calls: list[tuple[Any, TrialJob]] = []

    def run(self, function: Callable[..., Any], jobs: Iterable[TrialJob]) -> Iterator[Any]:
        for job in jobs:
            self.calls.append((function, job))
            part = 1 + 0.1 * int(job.pictures.path.stem)
            found = [TrialPoint(c, part * 4e3 * 2 ** (-0.16 * (c - 30)), c / 100) for c in job.crfs]
            yield found if function is run_trial_job else None


def trials(pool: Pool, segments: int) -> RungTrials:
    return RungTrials(
        about=type("About", (), {"width": 64, "height": 64})(),
        pictures=lambda number: StoredPictures(Path(f"{number}.yuv"), SIZE, 10, lasting=True),
        numbers=tuple(range(segments)),
        avc=AvcSettings(SIZE, Fraction(25), ColourDescription(1, 1, 1, False), "veryfast"),
        bits_per_picture=400.0,
        prompt=lambda _: None,
        keyframe_charge=lambda _: 1.0,
        thrift=1.0,
        guess=CrfGuess(),
        pool=pool,
    )  # type: ignore[arg-type]


@pytest.mark.parametrize("segments", [1, 2, 3, 5])
@pytest.mark.parametrize("workers", [1, 2, 4, 16])
def test_points_do_not_depend_on_the_workers(segments: int, workers: int) -> None:
    pool = Pool(workers)
    found = trials(pool, segments).measure(Fraction(1))
    assert found == trials(Pool(1), segments).measure(Fraction(1))
    first = [job for function, job in pool.calls if function is run_trial_job]
    shared_out = workers > segments
    assert all(len(job.crfs) == 1 for job in first[: 2 * segments]) == shared_out
    # what trials of a segment share is made before they begin, once
    prepared = [job for function, job in pool.calls if function is run_preparation_job]
    assert len(prepared) == (segments if shared_out else 0)
    assert [function for function, _ in pool.calls[: len(prepared)]] == [
        run_preparation_job for _ in prepared
    ]


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_trials_together_say_what_each_does(workers: int) -> None:
    """Some need more rounds than others."""

    class Waves(Pool):
        waves = 0

        def run(self, function: Callable[..., Any], jobs: Iterable[TrialJob]) -> Iterator[Any]:
            self.waves += function is run_trial_job
            return super().run(function, jobs)

    def asked(pool: Pool) -> list[tuple[RungTrials, Fraction]]:
        found = []
        for bits, segments in ((400.0, 1), (40.0, 2), (2.0, 1), (1500.0, 3)):
            guess = CrfGuess()
            guess.learn(bits / SIZE.samples, 25.0)
            each = dataclasses.replace(trials(pool, segments), bits_per_picture=bits, guess=guess)
            found.append((each, Fraction(1)))
        return found

    alone, together = Waves(workers), Waves(workers)
    expected = [each.measure(rung) for each, rung in asked(alone)]
    assert measure_together(asked(together)) == expected
    assert len(set(expected)) == 4
    assert together.waves <= alone.waves - 3

    def tried(pool: Pool) -> list[tuple[str, float]]:
        calls = [each for each in pool.calls if each[0] is run_trial_job]
        return sorted((job.pictures.path.stem, crf) for _, job in calls for crf in job.crfs)

    assert tried(together) == tried(alone)


def points(*made: tuple[float, float, float]) -> list[TrialPoint]:
    return [TrialPoint(crf, bits, distance) for crf, bits, distance in made]


SATURATED = points((44.75, 0.666, 0.1517), (48.75, 0.63, 0.1986), (33.01, 1.939, 0.0895))
"""Of a real trial: where x264 can save no more bits, two rate factors have nearly the same."""


def test_bits_between_trials_are_read_between_them() -> None:
    assert 0.0895 < distance_at(SATURATED, 1.0) < 0.1517
    assert 33.01 < crf_at(SATURATED, 1.0) < 44.75


@given(
    st.lists(
        st.builds(TrialPoint, st.floats(4, 51), st.floats(0.1, 10), st.floats(0.01, 0.5)),
        min_size=1,
        max_size=4,
    ),
    st.floats(0.05, 20),
)
def test_a_distance_is_never_less_than_half_of_a_measured_one(
    made: list[TrialPoint], bits: float
) -> None:
    found = distance_at(made, bits)
    assert found >= min(point.distance for point in made) / 2
    if any(p.bits <= bits for p in made) and any(p.bits >= bits for p in made):
        least = min(point.distance for point in made)
        most = max(point.distance for point in made)
        assert least * (1 - 1e-9) <= found <= most * (1 + 1e-9)


def test_a_wide_gap_is_tried_once_more() -> None:
    class Saturating(Pool):
        def run(self, function: Callable[..., Any], jobs: Iterable[TrialJob]) -> Iterator[Any]:
            for job in jobs:
                self.calls.append((function, job))
                bits = {c: 4e3 * (0.6 + (2 if c < 30 else 0)) for c in job.crfs}
                yield [TrialPoint(c, bits[c], c / 100) for c in job.crfs]

    pool = Saturating(1)
    trials(pool, 1).measure(Fraction(1))
    tried = sorted(crf for _, job in pool.calls for crf in job.crfs)
    assert len(tried) > 3 and tried[0] < 30 < tried[-1]
