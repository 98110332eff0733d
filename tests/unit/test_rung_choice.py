"""Trials of rungs: as many jobs as there are workers, and the same points however they are shared out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from refcodec.encoder.avc_job import AvcSettings
from refcodec.encoder.media_source import ColourDescription
from refcodec.encoder.picture_store import StoredPictures
from refcodec.encoder.rate_control import CrfGuess
from refcodec.encoder.resizing import coded_size
from refcodec.encoder.rung_choice import RungTrials
from refcodec.encoder.trial import TrialJob, TrialPoint, run_preparation_job, run_trial_job

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
