"""How the keyframe of each segment is made, and how much of the rate goes into prompts (design decision D8)."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from refcodec.encoder.avc_job import AvcSettings
from refcodec.encoder.jobs import WorkerPool
from refcodec.encoder.picture_store import PictureStore
from refcodec.encoder.progress import ProgressMeter
from refcodec.encoder.segment_job import PromptChoice, PromptSizeJob, run_prompt_size_job
from refcodec.encoder.settings import EncoderSettings

DEFAULT_PROMPT_SHARE = 0.38
_SAMPLED_SEGMENTS = 6
_PROBED = (0, 16, 32, 48, 63)


def choose_prompt_scale_index(
    store: PictureStore,
    segment_count: int,
    settings: EncoderSettings,
    pool: WorkerPool,
    video_bits: float,
) -> int:
    """Return the prompt_scale_index at which the prompts of the sequence take their share of `video_bits`."""
    share = settings.prompt_share or DEFAULT_PROMPT_SHARE
    wanted = share * video_bits / segment_count
    count = min(segment_count, _SAMPLED_SEGMENTS)
    sampled = [k * segment_count // count for k in range(count)]

    jobs = (PromptSizeJob(store.segment(n), settings.model, _PROBED) for n in sampled)
    columns = zip(*pool.run(run_prompt_size_job, jobs), strict=True)
    # Bits fall nearly exponentially with the index, so a few probes and straight lines are enough.
    sizes = [math.log2(max(1.0, sum(column) / count)) for column in columns]
    fitting = (q for q in range(64) if np.interp(q, _PROBED, sizes) <= math.log2(wanted))
    return next(fitting, 63)


def choose_keyframes(
    store: PictureStore,
    segment_count: int,
    choice: PromptChoice,
    avc: AvcSettings,
    crf: float,
    pool: WorkerPool,
    folder: Path,
    meter: ProgressMeter,
) -> list[PromptChoice | None]:
    """Return for each segment the prompt choice, or None where an ordinary IDR picture is the better keyframe."""
    return [choice] * segment_count
