"""Jobs of worker processes that fit prompts and measure what fitting gave; they need torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from refcodec.encoder.picture_store import StoredPictures
from refcodec.encoder.prompts import coded_prompt, latents_of, prompter, torch_threads
from refcodec.encoder.segment_job import CodedSegment, SegmentResult, keep
from refcodec.encoder.worker import report
from refcodec.fitting.case import CodedPictures, FitCase, Presentation
from refcodec.fitting.settings import FitSettings, share_of
from refcodec.generator import generate
from refcodec.picture import Picture
from refcodec.restoration import Restoration

if TYPE_CHECKING:
    from refcodec.fitting.distortion import Distortion
    from refcodec.fitting.fit import FitState

_MEASURED = 8
"""Pictures of a full interval whose decode is measured."""


@dataclass(frozen=True, slots=True)
class FitJob:
    """Fit the prompt of a coded segment. presented: the pictures in presentation size, if decodes are compared with
    those; restoration: how decodes are restored before that, or None; rate: pictures a second; round: number of the
    round, in the name of what is kept; folder: where results are kept; stop: when this file appears the job ends with
    the best so far."""

    pictures: StoredPictures
    presented: StoredPictures | None
    restoration: Restoration | None
    rate: float
    result: SegmentResult
    model: Path | None
    settings: FitSettings
    round: int
    folder: Path
    stop: Path

    @property
    def log(self) -> Path:
        """The file whose last line says how far the job is."""
        return self.folder / f"fit-{self.result.number:07}.log"


@dataclass(frozen=True, slots=True)
class FitResult:
    """number: of the segment; prompt: where the fitted prompt is; improved: whether it is another one than before."""

    number: int
    prompt: Path
    improved: bool
    steps: int


def run_fit_job(job: FitJob) -> FitResult:
    """Fit one prompt and keep it."""
    from refcodec.fitting.fit import fit

    case = _case(job)
    settings = job.settings.for_interval(job.pictures.count / job.rate)

    def progress(state: FitState) -> None:
        job.log.write_text(
            f"prompt {state.bits / 8000:.1f} kB, cost {state.cost:.4f}", encoding="utf-8"
        )
        report(state.step / state.steps)

    with torch_threads(settings.threads):
        distortion = _distortion(job)
        fitted = fit(case, settings, distortion, progress, job.stop.exists)
    prompt = coded_prompt(case.model, case.q, fitted.latents)
    path = job.folder / f"{job.pictures.path.stem}-q{case.q}-round{job.round}.prompt"
    keep(path, prompt)
    return FitResult(job.result.number, path, fitted.improved, fitted.steps)


def _case(job: FitJob) -> FitCase:
    """Return the case of a coded segment with a generated keyframe; without targets only that of its keyframe."""
    segment = job.result.load()
    assert segment.prompt_data is not None
    maker, q = prompter(job.model), segment.prompt_scale_index
    model = maker.model
    start = latents_of(model, q, segment.prompt_data, job.pictures.size)
    originals = _compared(job)
    if not job.settings.targets:
        return FitCase(model, q, maker.trade.at(q), start, {0: originals.first()}, job.rate, None)
    coded = coded_pictures(segment)
    return FitCase(model, q, maker.trade.at(q), start, dict(enumerate(originals)), job.rate, coded)


def _compared(job: FitJob | MeasureJob) -> StoredPictures:
    """Return the pictures that decodes are compared with."""
    return job.pictures if job.presented is None else job.presented


def _distortion(job: FitJob | MeasureJob) -> Distortion:
    """Return the distortion of decodes to the pictures that they are compared with."""
    from refcodec.fitting.presented import compared_distortion

    presentation = None
    if job.presented is not None:
        coded, presented = job.pictures.size, job.presented.size
        presentation = Presentation(
            (coded.width, coded.height), (presented.width, presented.height), job.restoration
        )
    return compared_distortion(job.settings, presentation)


def coded_pictures(segment: CodedSegment) -> CodedPictures:
    """Return the H.264 part of a coded segment."""
    interval = segment.interval
    return CodedPictures(
        interval.parameter_sets, tuple(picture.nal_units for picture in interval.pictures)
    )


@dataclass(frozen=True, slots=True)
class MeasureJob:
    """Measure the decode of a coded segment, as a FitJob does; the distortion is that of `settings`."""

    pictures: StoredPictures
    presented: StoredPictures | None
    restoration: Restoration | None
    rate: float
    result: SegmentResult
    model: Path | None
    settings: FitSettings


def run_measure_job(job: MeasureJob) -> float:
    """Return the mean distortion of pictures spread over the segment, decoded by the integer decoders."""
    import torch

    from refcodec.twin.planes import planes_of

    device = job.settings.device
    with torch_threads(job.settings.threads), torch.no_grad():
        distortion = _distortion(job)
        total, count = 0.0, 0
        for original, decoded in _decoded(job):
            prepared = distortion.prepare(planes_of(original.planes, device))
            total += float(distortion.distance(planes_of(decoded.planes, device), prepared))
            count += 1
    return total / count


def _decoded(job: MeasureJob) -> Iterator[tuple[Picture, Picture]]:
    """Yield the measured originals and what the decoder makes of them."""
    from refcodec.twin.recording import decode_again, record_interval

    segment = job.result.load()
    generated = None
    if segment.prompt_data is not None:
        model, q = prompter(job.model).model, segment.prompt_scale_index
        latents = latents_of(model, q, segment.prompt_data, job.pictures.size)
        generated = generate(model, latents.values, q)
    coded = coded_pictures(segment)
    recording = record_interval(coded.parameter_sets, coded.access_units, generated)
    measured = max(1, round(_MEASURED * share_of(job.pictures.count / job.rate)))
    step = max(1, job.pictures.count // measured)
    places = {recording.output[k]: k for k in range(step // 2, job.pictures.count, step)}
    originals = {k: picture for k, picture in enumerate(_compared(job)) if k in places.values()}
    if recording.identity in places:
        yield originals[places[recording.identity]], recording.keyframe
    for identity, picture in decode_again(recording, recording.keyframe):
        if identity in places:
            yield originals[places[identity]], picture
