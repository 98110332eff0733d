"""The job of a worker process: one segment at one rate factor, its keyframe generated or coded."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

from refcodec.encoder.avc_job import AvcSettings, CodedInterval, encode_interval
from refcodec.encoder.block_motion import block_motion
from refcodec.encoder.carried_texture import carried
from refcodec.encoder.picture_store import StoredPictures
from refcodec.encoder.prompts import Prompt, Refinement, prompter
from refcodec.encoder.resizing import CodedSize, cropped, to_grid
from refcodec.encoder.worker import report
from refcodec.picture import Picture

Kept = TypeVar("Kept")


@dataclass(frozen=True, slots=True)
class PromptChoice:
    """A generated keyframe: prompt_scale_index, the model (None: the bundled one), and how its latents are
    refined, if at all; fitted: the file of a prompt that was fitted to its interval; carried: whether the pictures that
    follow are asked to keep the texture of the keyframe."""

    prompt_scale_index: int
    model: Path | None
    refinement: Refinement | None = None
    fitted: Path | None = None
    carried: bool = False

    @property
    def name(self) -> str:
        """Part of a file name; differs where prompts of one picture would."""
        if self.fitted is not None:
            return self.fitted.stem
        steps = "" if self.refinement is None else f"-refined{self.refinement.steps}"
        model = "" if self.model is None else f"-{self.model.stem}"
        return f"q{self.prompt_scale_index}{steps}{model}"


@dataclass(frozen=True, slots=True)
class SegmentJob:
    """number: of the segment; prompt: None for a coded keyframe; folder: where results are kept."""

    number: int
    pictures: StoredPictures
    avc: AvcSettings
    crf: float
    prompt: PromptChoice | None
    folder: Path


@dataclass(frozen=True, slots=True)
class CodedSegment:
    """What a job leaves in its file."""

    prompt_scale_index: int
    prompt_data: bytes | None
    interval: CodedInterval


@dataclass(frozen=True, slots=True)
class SegmentResult:
    """Where the coded segment is, and its sizes in bytes."""

    number: int
    crf: float
    path: Path
    prompt_size: int
    keyframe_size: int
    """Bytes of the prompt, or of the IDR access unit of a coded keyframe."""
    pictures_size: int
    """Bytes of all NAL units."""
    refinement_costs: tuple[float, float] | None = None
    """Cost of the prompt before and after its refinement."""

    def load(self) -> CodedSegment:
        """Read the coded segment."""
        with self.path.open("rb") as file:
            return pickle.load(file)


def run_segment_job(job: SegmentJob) -> SegmentResult:
    """Encode one segment."""
    avc = job.avc
    name = f"{avc.size.width}x{avc.size.height}-{avc.x264_preset}-{job.number:07}"
    prompt = None
    if job.prompt is not None:
        prompt = make_prompt(job.pictures, avc.size, job.pictures.first, job.prompt)
        name += f"-{job.prompt.name}"
    total = job.pictures.count + (prompt is not None)
    interval = encode_interval(
        wanted_pictures(job.pictures, job.pictures, avc.size, job.prompt, prompt),
        avc,
        job.crf,
        None if prompt is None else prompt.picture,
        lambda done: report(done / total),
    )
    segment = CodedSegment(
        0 if prompt is None else prompt.prompt_scale_index,
        None if prompt is None else prompt.data,
        interval,
    )
    path = job.folder / f"{name}-crf{job.crf:.3f}.segment"
    keep(path, segment)
    first = sum(map(len, interval.pictures[0].nal_units))
    prompt_size = 0 if prompt is None else len(prompt.data)
    return SegmentResult(
        job.number,
        job.crf,
        path,
        prompt_size,
        prompt_size or first,
        interval.size,
        None if prompt is None else prompt.refinement_costs,
    )


def make_prompt(
    pictures: StoredPictures, size: CodedSize, first: Callable[[], Picture], choice: PromptChoice
) -> Prompt:
    """Return the prompt of a segment coded at `size`, from an earlier job or trial where there is one; `first` gives
    its first picture (grid of `size`)."""
    return _kept(
        choice.fitted or pictures.place(size, f"{choice.name}.prompt"),
        lambda: prompter(choice.model).prompt(
            first(), choice.prompt_scale_index, choice.refinement
        ),
    )


def scaled_pictures(
    stored: StoredPictures, width: int, height: int, size: CodedSize
) -> Iterable[Picture]:
    """Return the pictures of a segment, stored at presentation size width x height, scaled to another coded size. They
    are kept beside the stored ones, where these are kept from pass to pass."""
    if size == stored.size:
        return stored
    scaled = (to_grid(cropped(picture, width, height), size) for picture in stored)
    if not stored.lasting:
        return list(scaled)
    place = stored.made(f"{size.width}x{size.height}-{stored.count}.scaled")
    if not place.exists():
        _keep_pictures(place, scaled)
    return StoredPictures(place, size, stored.count)


def wanted_pictures(
    pictures: Iterable[Picture],
    stored: StoredPictures,
    size: CodedSize,
    choice: PromptChoice | None,
    prompt: Prompt | None,
) -> Iterable[Picture]:
    """Return what the pictures of a segment coded at `size` are asked to look like. Pictures that carry the keyframe's
    texture are kept beside the `stored` ones, where these are kept from pass to pass."""
    if choice is None or prompt is None or not choice.carried:
        return pictures
    if not stored.lasting:
        return _carried(pictures, prompt)
    place = stored.place(size, f"{choice.name}-{stored.count}.carried")
    if not place.exists():
        for older in place.parent.glob(stored.place(size, "*.carried").name):
            older.unlink(missing_ok=True)
        _keep_pictures(place, _carried(pictures, prompt))
    return StoredPictures(place, size, stored.count)


def _keep_pictures(place: Path, pictures: Iterable[Picture]) -> None:
    with _whole(place) as file:
        for picture in pictures:
            file.write(picture.tobytes())


def _carried(pictures: Iterable[Picture], prompt: Prompt) -> Iterator[Picture]:
    return carried(pictures, prompt.picture, block_motion(picture.y for picture in pictures))


@dataclass(frozen=True, slots=True)
class PromptSizeJob:
    """Asks for the bits of a segment's prompt at each of some prompt_scale_index values."""

    pictures: StoredPictures
    model: Path | None
    indices: tuple[int, ...]


def run_prompt_size_job(job: PromptSizeJob) -> list[float]:
    """Return the estimated bits of the prompt for each index."""
    return prompter(job.model).bits(job.pictures.first(), job.indices)


def _kept(path: Path, make: Callable[[], Kept]) -> Kept:
    if path.exists():
        with path.open("rb") as file:
            return pickle.load(file)
    value = make()
    keep(path, value)
    return value


def keep(path: Path, value: object) -> None:
    """Leave a result in a file for the jobs that come after."""
    with _whole(path) as file:
        pickle.dump(value, file)


@contextmanager
def _whole(path: Path) -> Iterator[BinaryIO]:
    """Open a file that appears when it is whole: another worker may be at the same."""
    partial = path.with_suffix(f".{os.getpid()}")
    with partial.open("wb") as file:
        yield file
    partial.replace(path)
