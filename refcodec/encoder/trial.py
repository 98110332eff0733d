"""Trial encodes: what a segment costs and how it looks at some rung, with one kind of keyframe."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

from refcodec.encoder.avc_job import AvcSettings, decode_packets, encode_packets
from refcodec.encoder.perceptual_measure import Seen, distance, seen
from refcodec.encoder.picture_store import StoredPictures
from refcodec.encoder.prompts import Prompt
from refcodec.encoder.resizing import coded_size, cropped
from refcodec.encoder.segment_job import (
    PromptChoice,
    make_prompt,
    scaled_pictures,
    wanted_pictures,
)
from refcodec.libav_frames import frame_to_picture
from refcodec.picture import Picture
from refcodec.upscaling import Upscaler

SCORED_PICTURES = 8


@dataclass(frozen=True, slots=True)
class TrialJob:
    """pictures: of the full size; width, height: presentation size; avc: its size is replaced by that of the
    rung; crfs: rate factors to try; keyframe_charge: the part of the keyframe's bits that counts, as a trial of
    some pictures of a segment must not bear a keyframe that serves all of them; thrift: bits of the encode for one
    bit that x264 spends in a trial, where both look alike; scored: pictures that are measured."""

    pictures: StoredPictures
    width: int
    height: int
    rung: Fraction
    avc: AvcSettings
    prompt: PromptChoice | None
    crfs: tuple[float, ...]
    keyframe_charge: float
    thrift: float = 1.0
    scored: int = SCORED_PICTURES


@dataclass(frozen=True, slots=True)
class TrialPoint:
    """Bits of a trial encode, its keyframe charged, and its perceptual distance to the source (mean)."""

    crf: float
    bits: float
    distance: float


def run_trial_job(job: TrialJob) -> list[TrialPoint]:
    """Encode the segment at each rate factor and measure it at presentation size."""
    asked, prompt = _asked(job)
    avc = replace(job.avc, size=coded_size(job.width, job.height, job.rung))
    hidden = 0 if prompt is None else 1
    wanted = _wanted(job.pictures.count, job.scored)
    reference = [_seen_source(job.pictures, job.width, job.height, number) for number in wanted]
    points = []
    for crf in job.crfs:
        packets = encode_packets(asked, avc, crf, None if prompt is None else prompt.picture)
        keyframe = job.thrift * packets[0].size if prompt is None else len(prompt.data)
        following = job.thrift * sum(packet.size for packet in packets[1:])
        size = job.keyframe_charge * keyframe + following
        points.append(TrialPoint(crf, 8.0 * size, _distance(packets, hidden, job, reference)))
    return points


def run_preparation_job(job: TrialJob) -> None:
    """Make what is kept of a trial's segment, for trials of it in several processes at once."""
    _asked(job)


def _asked(job: TrialJob) -> tuple[Iterable[Picture], Prompt | None]:
    """Return what the pictures of a trial are asked to look like, at the coded size, and the prompt of its keyframe."""
    size = coded_size(job.width, job.height, job.rung)
    pictures = scaled_pictures(job.pictures, job.width, job.height, size)
    prompt = None
    if job.prompt is not None:
        prompt = make_prompt(job.pictures, size, lambda: next(iter(pictures)), job.prompt)
    asked = wanted_pictures(pictures, job.pictures, size, job.prompt, prompt)
    return asked if job.pictures.lasting else list(asked), prompt


@lru_cache(maxsize=2 * SCORED_PICTURES)
def _seen_source(pictures: StoredPictures, width: int, height: int, number: int) -> Seen:
    """Return what the measure keeps of a source picture: trials of one segment follow each other."""
    return seen(cropped(pictures.picture(number), width, height))


def _wanted(count: int, scored: int) -> range:
    """Return the numbers of the pictures that are scored, spread evenly over a segment of `count`."""
    step = max(1, count // scored)
    return range(step // 2, count, step)


def _distance(packets: list[Any], hidden: int, job: TrialJob, reference: list[Seen]) -> float:
    """Return the mean distance of the scored pictures to what was seen of the source."""
    frames = decode_packets(packets)
    upscaler = Upscaler(frames[0].width, frames[0].height, job.width, job.height)
    total = 0.0
    for number, original in zip(_wanted(len(frames) - hidden, job.scored), reference, strict=True):
        decoded = upscaler.upscale(frame_to_picture(frames[number + hidden]).planes)
        total += distance(original, seen(decoded))
    return total / len(reference)


def _around(points: Sequence[TrialPoint], goal: float) -> list[TrialPoint]:
    """Return the points whose line tells of a number of bits, 2 ** goal: the nearest with fewer and the nearest with
    more, or else the two nearest ones. The nearest is the first. Two points on one side may have nearly the same bits,
    at rate factors where x264 cannot save any: their line leads anywhere."""

    def off(point: TrialPoint) -> float:
        return math.log2(point.bits) - goal

    near = sorted(points, key=lambda point: abs(off(point)))
    beyond = [point for point in near if (off(point) > 0) != (off(near[0]) > 0)]
    return [near[0], beyond[0]] if beyond else near[:2]


def distance_at(points: Sequence[TrialPoint], bits: float) -> float:
    """Return the distance at a number of bits, on the line through two points around it in log2(bits); beyond all
    points it is half of the nearest one's at least."""
    goal = math.log2(bits)
    near = _around(points, goal)
    a = near[0]
    if len(near) < 2 or near[0].bits == near[1].bits:
        return a.distance
    b = near[1]
    slope = (b.distance - a.distance) / (math.log2(b.bits) - math.log2(a.bits))
    return max(a.distance / 2, a.distance + min(0.0, slope) * (goal - math.log2(a.bits)))


def crf_at(points: Sequence[TrialPoint], bits: float) -> float:
    """Return the rate factor that should give a number of bits, by the same line."""
    goal = math.log2(bits)
    near = _around(points, goal)
    a = near[0]
    slope = -0.15
    if len(near) == 2 and near[1].crf != a.crf:
        slope = (math.log2(near[1].bits) - math.log2(a.bits)) / (near[1].crf - a.crf)
        slope = min(-0.05, max(-0.4, slope))
    return a.crf + (goal - math.log2(a.bits)) / slope
