"""How the keyframe of each segment is made, and how much of the rate goes into prompts (design decision D8)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from refcodec.encoder.jobs import WorkerPool
from refcodec.encoder.picture_store import PictureStore
from refcodec.encoder.rung_choice import RungTrials
from refcodec.encoder.segment_job import PromptSizeJob, run_prompt_size_job
from refcodec.encoder.trial import TrialJob, TrialPoint, distance_at, run_trial_job

PROMPT_SHARES = (0.2, 0.29, 0.38, 0.5, 0.62, 0.74)
"""Parts of the rate that prompts may have: calm content wants more (docs/decisions/0015)."""
DEFAULT_PROMPT_SHARE = 0.5
"""Where nothing is tried."""
_SAMPLED_SEGMENTS = 6
_PROBED = (0, 16, 32, 48, 63)


@dataclass(frozen=True, slots=True)
class PromptSizes:
    """Mean bits of a prompt for some prompt_scale_index values, at one coded size."""

    log2_bits: tuple[float, ...]

    def index(self, bits: float) -> int:
        """Return the smallest prompt_scale_index whose prompts have at most `bits` bits in the mean.

        Bits fall nearly exponentially with the index, so a few probes and straight lines are enough.
        """
        goal = math.log2(max(1.0, bits))
        fitting = (q for q in range(64) if np.interp(q, _PROBED, self.log2_bits) <= goal)
        return next(fitting, 63)


def sampled_segments(segment_count: int, most: int = _SAMPLED_SEGMENTS) -> list[int]:
    """Return the numbers of up to `most` segments, spread evenly."""
    count = min(segment_count, most)
    return [(2 * k + 1) * segment_count // (2 * count) for k in range(count)]


def measure_prompt_sizes(
    store: PictureStore, numbers: Sequence[int], model: Path | None, pool: WorkerPool
) -> PromptSizes:
    """Return the mean prompt sizes of the segments `numbers` (ascending) of a store."""
    jobs = (PromptSizeJob(store.segment(number), model, _PROBED) for number in numbers)
    columns = zip(*pool.run(run_prompt_size_job, jobs), strict=True)
    return PromptSizes(tuple(math.log2(max(1.0, sum(c) / len(c))) for c in columns))


def prefer_generated(generated: Sequence[TrialPoint], coded: Sequence[TrialPoint]) -> bool:
    """Return whether a generated keyframe gives the smaller distance at equal bits.

    The bits are the geometric mean of all trials, so that neither kind is judged far from its own points.
    """
    logs = [math.log2(point.bits) for point in (*generated, *coded)]
    bits = 2.0 ** (sum(logs) / len(logs))
    return distance_at(generated, bits) < distance_at(coded, bits)


def choose_keyframes(
    count: int, job: Callable[[int, bool], TrialJob], pool: WorkerPool, done: Callable[[int], None]
) -> list[bool]:
    """Return for each of `count` segments whether its keyframe is generated, by trial encodes of both kinds.

    job(number, generated) makes a trial; done(number) is told when a segment is decided.
    """
    jobs = (job(number, generated) for number in range(count) for generated in (True, False))
    points: list[list[TrialPoint]] = []
    for found in pool.run(run_trial_job, jobs):
        points.append(found)
        if len(points) % 2 == 0:
            done(len(points) // 2 - 1)
    pairs = zip(points[::2], points[1::2], strict=True)
    return [prefer_generated(generated, coded) for generated, coded in pairs]


def best_share(
    start: float,
    known: RungTrials,
    trials: Callable[[float], RungTrials],
    rung: Fraction,
) -> tuple[float, RungTrials]:
    """Return the part of the rate for prompts with the smallest distance at `rung`, and its trials.

    Goes from `start`, whose trials are `known`, to better neighbours only: the distance has one minimum.
    """
    best = PROMPT_SHARES.index(start)
    tried = {best: known}

    def distance(place: int) -> float:
        if place not in tried:
            tried[place] = trials(PROMPT_SHARES[place])
        return tried[place].measure(rung)[0]

    for direction in (1, -1):
        moved = False
        while 0 <= best + direction < len(PROMPT_SHARES) and (
            distance(best + direction) < distance(best)
        ):
            best += direction
            moved = True
        if moved:
            break
    return PROMPT_SHARES[best], tried[best]
