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
from refcodec.encoder.rung_choice import DEFAULT_PROMPT_SHARE, Trials
from refcodec.encoder.segment_job import PromptSizeJob, run_prompt_size_job
from refcodec.encoder.trial import TrialJob, TrialPoint, distance_at, run_trial_job

PROMPT_SHARES = (0.2, 0.29, 0.38, 0.5, 0.62, 0.74)
"""Parts of the rate that prompts may have: calm content wants more (docs/decisions/0015)."""
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
    numbers: Sequence[int],
    job: Callable[[int, bool], TrialJob],
    pool: WorkerPool,
    done: Callable[[int], None],
) -> list[bool]:
    """Return for each of some segments whether its keyframe is generated, by trial encodes of both kinds.

    job(number, generated) makes a trial; done(number) is told when a segment is decided.
    """
    jobs = (job(number, generated) for number in numbers for generated in (True, False))
    points: list[list[TrialPoint]] = []
    for found in pool.run(run_trial_job, jobs):
        points.append(found)
        if len(points) % 2 == 0:
            done(numbers[len(points) // 2 - 1])
    pairs = zip(points[::2], points[1::2], strict=True)
    return [prefer_generated(generated, coded) for generated, coded in pairs]


class SharedRate:
    """Trials in which prompts have at each rung the largest part of the rate, up to DEFAULT_PROMPT_SHARE, that leaves
    the pictures enough: none of the parts may be wrong for a rung before the others are seen."""

    def __init__(self, trials: Callable[[float], Trials]) -> None:
        """trials: those with a part of the rate for prompts."""
        self._make = trials
        self._trials: dict[float, Trials] = {}

    def at(self, share: float) -> Trials:
        """Return the trials with one part of the rate, the same ones each time."""
        if share not in self._trials:
            self._trials[share] = self._make(share)
        return self._trials[share]

    def share(self, rung: Fraction) -> float:
        """Return the part that prompts have at a rung; the smallest where none leaves enough."""
        start = PROMPT_SHARES.index(DEFAULT_PROMPT_SHARE)
        for share in PROMPT_SHARES[start:0:-1]:
            if math.isfinite(self.at(share).measure(rung)[0]):
                return share
        return PROMPT_SHARES[0]

    def measure(self, rung: Fraction) -> tuple[float, float]:
        """Return distance and rate factor at a rung."""
        return self.at(self.share(rung)).measure(rung)

    def best_share(self, rung: Fraction) -> float:
        """Return the part of the rate for prompts with the smallest distance at `rung`, going from the one that
        prompts have there to better neighbours only: the distance has one minimum."""
        best = PROMPT_SHARES.index(self.share(rung))

        def distance(place: int) -> float:
            return self.at(PROMPT_SHARES[place]).measure(rung)[0]

        for direction in (1, -1):
            moved = False
            while 0 <= best + direction < len(PROMPT_SHARES) and (
                distance(best + direction) < distance(best)
            ):
                best += direction
                moved = True
            if moved:
                break
        return PROMPT_SHARES[best]
