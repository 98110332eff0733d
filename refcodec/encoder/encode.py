"""The encoder: a source becomes a HYP file by way of independent jobs, one for each segment."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass, replace
from fractions import Fraction
from importlib import import_module
from pathlib import Path

from refcodec import errors
from refcodec.container.atomic import output_file
from refcodec.encoder.assembly import FilePlan, write_file
from refcodec.encoder.avc_job import AvcSettings
from refcodec.encoder.context import EncodeContext
from refcodec.encoder.fitting_rounds import Coding, FitReport, Stores, fit_sequence
from refcodec.encoder.interval_choice import SequencePlan, plan_sequence
from refcodec.encoder.jobs import WorkerPool
from refcodec.encoder.planning import LARGEST_REFINED, Planner
from refcodec.encoder.progress import ProgressCallback, ProgressMeter
from refcodec.encoder.prompts import Refinement, prompter
from refcodec.encoder.rate_control import RateSearch
from refcodec.encoder.report import EncodeReport, SegmentReport
from refcodec.encoder.restoration_choice import (
    SMALLEST_RESTORED,
    RestorationJob,
    best_gain,
    run_restoration_job,
    segment_file,
)
from refcodec.encoder.restoration_networks import NETWORKS, network_for
from refcodec.encoder.rung_choice import RungChoice
from refcodec.encoder.segment_job import PromptChoice, SegmentResult
from refcodec.encoder.sequence_encoder import SequenceEncoder
from refcodec.encoder.settings import EncoderSettings
from refcodec.encoder.survey import Survey, survey_source
from refcodec.fitting.settings import FitSettings
from refcodec.media import MediaSource
from refcodec.metrics.lpips_layers import NETS
from refcodec.metrics.lpips_weights import VARIABLE, file_name, find_judges
from refcodec.restoration import Restoration, shipped_restoration

_MOST_SIDE_SHARE = 0.9
_FILES = ", ".join(file_name(net) for net in NETS)


def encode(
    source_path: str | Path,
    target_path: str | Path,
    settings: EncoderSettings,
    progress: ProgressCallback | None = None,
) -> EncodeReport:
    """Encode a media file to a HYP file and return what was done.

    The target appears whole or not at all. `progress` is called with (done, total, stage) from this thread.
    Raises errors of the areas IN (source), OUT (rate, settings, workspace) and CLI (target not writable).
    """
    begin = time.monotonic()
    source_path, target_path = Path(source_path), Path(target_path)
    _check_target(source_path, target_path)
    meter = ProgressMeter(progress)
    source = MediaSource(
        source_path,
        start=settings.start,
        duration=settings.duration,
        side_tracks=settings.side_tracks,
    )
    notes: list[str] = []
    use_generator = _generator_usable(settings, notes)
    refinement = _refinement(settings, use_generator, notes)
    fit = _fit(settings, use_generator, notes)
    settings = _restorable(settings, notes)
    try:
        with (
            output_file(target_path) as file,
            tempfile.TemporaryDirectory(prefix="hyp-", dir=settings.workspace) as folder,
            WorkerPool(settings.worker_count) as pool,
        ):
            survey = survey_source(source, settings.keyframe_interval, meter)
            context = EncodeContext(
                source, settings, survey, use_generator, refinement, fit, pool, meter, Path(folder)
            )
            plan = plan_sequence(context, _target_size(settings, survey))
            context = plan.context
            sequence = _encode_sequence(plan)
            meter.stage("writing", 0.9)
            segments = (result.load() for result in sequence.results)
            write_file(file, sequence.plan, segments, source.side_packets)
            size = file.tell()
    except OSError as problem:
        raise errors.error("HYP-E-OUT-04", detail=str(problem)) from problem
    if sequence.encoder.note is not None:
        notes.append(sequence.encoder.note)
    if refinement is not None:
        notes.append(_gain(sequence.results))
    if sequence.fit is not None:
        notes.append(str(sequence.fit))
    meter.stage("done", 1.0)
    meter.at(1.0)
    return _report(context, sequence, target_path, size, time.monotonic() - begin, notes)


@dataclass(frozen=True, slots=True)
class _Sequence:
    """The encoded sequence. crf: position of the rate search."""

    results: list[SegmentResult]
    plan: FilePlan
    rung: Fraction
    crf: float
    prompt_scale_index: int | None
    encoder: SequenceEncoder
    fit: FitReport | None


def _check_target(source: Path, target: Path) -> None:
    if target.exists() and source.exists() and target.samefile(source):
        raise errors.error("HYP-E-CLI-05", element="target", value=str(target))
    folder = target.resolve().parent
    if target.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise errors.error("HYP-E-CLI-02", element="target", value=str(target))


def _generator_usable(settings: EncoderSettings, notes: list[str]) -> bool:
    """Return whether keyframes may be generated; where the user did not ask, a missing model is only noted."""
    if settings.keyframes == "coded":
        return False
    try:
        prompter(settings.model)
    except errors.HypError as problem:
        if settings.keyframes == "generated" or settings.model is not None:
            raise
        notes.append(f"All keyframes are coded ones: {problem}")
        return False
    return True


def _restorable(settings: EncoderSettings, notes: list[str]) -> EncoderSettings:
    """Return settings under which pictures are restored only where the networks for it are installed; raises what is
    wrong with them where the user asked for a gain."""
    if settings.restoration == 0:
        return settings
    try:
        for name in NETWORKS.values():
            shipped_restoration(name)
    except errors.HypError as problem:
        if settings.restoration != "auto":
            raise
        notes.append(f"Pictures are not restored: {problem}")
        return settings.with_(restoration=0)
    return settings


def _refinement(
    settings: EncoderSettings, use_generator: bool, notes: list[str]
) -> Refinement | None:
    """Return how final prompts are refined. What the preset asks for is done where torch and the weights of LPIPS
    are there; raises ExtraMissing where the user asked for it and torch is absent."""
    if settings.refine is None:
        steps = settings.effort.refine
        if not steps or not use_generator or settings.fit:
            return None
        weights = find_judges()
        if not weights or not _has_torch():
            notes.append(
                f"Prompts were not refined, as preset {settings.preset} would: that needs torch and the weights of "
                f"LPIPS ({_FILES}, in the folder that {VARIABLE} names)."
            )
            return None
        return Refinement(steps, weights)
    if not _wanted(settings.refine, "refined", use_generator, notes):
        return None
    _need_torch("Refinement (--refine)", "refinement")
    return Refinement(settings.refine, _judges("refined", notes))


def _fit(settings: EncoderSettings, use_generator: bool, notes: list[str]) -> FitSettings | None:
    """Return how prompts are fitted; raises ExtraMissing where that was asked for and torch is absent, and
    EncoderSettingInvalid where torch has no such device."""
    if not _wanted(settings.fit, "fitted", use_generator, notes):
        return None
    _need_torch("Fitting (--fit)", "fitting")
    from refcodec.torch_devices import check_device

    check_device(settings.fit_settings.device, "fit.device")
    wanted = replace(settings.fit_settings, steps=settings.fit)
    if not wanted.lpips:
        wanted = replace(wanted, lpips=_judges("fitted", notes))
    return wanted


def _wanted(steps: int, done: str, use_generator: bool, notes: list[str]) -> bool:
    """Return whether prompts are to be `done`; notes why not where the user asked for it."""
    if steps and not use_generator:
        notes.append(f"Nothing was {done}: all keyframes are coded ones.")
    return steps > 0 and use_generator


def _judges(done: str, notes: list[str]) -> tuple[Path, ...]:
    """Return the weights of LPIPS, which prompts are `done` by; notes where there are none."""
    weights = find_judges()
    if not weights:
        notes.append(
            f"Prompts were {done} by the encoder's own measure, which saves bits but gains no detail: the weights of "
            f"LPIPS ({_FILES}) were not found. Name their folder with {VARIABLE}."
        )
    return weights


def _has_torch() -> bool:
    try:
        import_module("torch")
    except (ImportError, OSError):
        return False
    return True


def _need_torch(what: str, name: str) -> None:
    if not _has_torch():
        raise errors.error(
            "HYP-E-CLI-04",
            element="torch",
            detail=f"{what} needs it; install it with: pip install 'hybridprompt[trainer]', "
            f"or encode without {name}.",
        )


def _gain(results: list[SegmentResult]) -> str:
    costs = [r.refinement_costs for r in results if r.refinement_costs is not None]
    if not costs:
        return (
            "Nothing was refined: all segments have coded keyframes, or the coded size is above "
            f"{LARGEST_REFINED / 1e6:.1f} Mpixel."
        )
    before, after = (sum(column) / len(costs) for column in zip(*costs, strict=True))
    return (
        f"Refinement of {len(costs)} prompts lowered their cost (rate and distortion, in bits per pixel) from "
        f"{before:.4f} to {after:.4f} in the mean."
    )


def _target_size(settings: EncoderSettings, survey: Survey) -> float | None:
    """Return the bytes that the file may have, or None with constant quality."""
    if settings.bitrate is None:
        return None
    size = settings.bitrate * survey.timing.seconds / 8
    if survey.side_size > _MOST_SIDE_SHARE * size:
        rate = survey.side_size * 8 / survey.timing.seconds
        raise errors.error(
            "HYP-E-OUT-02",
            element="rate of the side tracks",
            value=f"{rate / 1000:.1f} kbit/s",
            allowed=f"90 % of {settings.bitrate / 1000:.1f} kbit/s",
        )
    return size


def _encode_sequence(begun: SequencePlan) -> _Sequence:
    """Encode at the chosen rung, or at a smaller one where that does not fit into the target."""
    context, planner, settled = begun.context, begun.planner, begun.settled
    target_size = begun.target_size
    while True:
        choice, avc, first = settled.choice, settled.avc, settled.crf
        keyframes = planner.keyframes(choice)
        encoder = SequenceEncoder(context, planner.store(choice.rung), avc, keyframes)
        if target_size is None:
            found: tuple[float, list[SegmentResult]] | None = first, encoder.at(first)
        else:
            found = encoder.search(RateSearch(target_size, first=first))
        if found is not None:
            crf, results = found
            report = None
            restoration = _restoration(
                context, planner, avc, choice.rung, encoder.plan(results), results
            )
            if context.fit is not None:
                coding = Coding(keyframes, encoder, crf, results)
                coding, report = _fitted(
                    context, planner, choice.rung, avc, coding, restoration, target_size
                )
                keyframes, encoder = coding.choices, coding.encoder
                crf, results = coding.crf, coding.results
            index = next((k.prompt_scale_index for k in keyframes if k is not None), None)
            plan = _restored(encoder.plan(results), restoration)
            return _Sequence(results, plan, choice.rung, crf, index, encoder, report)
        smaller = [rung for rung in planner.rungs if rung < choice.rung]
        if not smaller:
            raise errors.error(
                "HYP-E-OUT-01",
                element="bitrate",
                value=context.settings.bitrate,
                allowed=f"at least {encoder.smallest_rate:.0f} bit/s for this source",
            )
        settled = planner.settle((RungChoice(smaller[0], None, share=choice.share),))


def _restoration(
    context: EncodeContext,
    planner: Planner,
    avc: AvcSettings,
    rung: Fraction,
    plan: FilePlan,
    results: list[SegmentResult],
) -> Restoration | None:
    """Return how pictures are to be restored: as the user wants, or by decodes of some segments. What the encoder has
    sharpened is left as it is, and so are files that the digest of the network would make larger by more than a
    little. Fits come behind it: they see pictures as they are shown."""
    gain = context.settings.restoration
    if gain == "auto":
        size = sum(result.pictures_size + result.prompt_size for result in results)
        open_question = not avc.sharpening and size >= SMALLEST_RESTORED
        gain = _measured_gain(context, planner, rung, plan, results) if open_question else 0
    return Restoration(gain, network_for(rung).digest) if gain else None


def _restored(plan: FilePlan, restoration: Restoration | None) -> FilePlan:
    """Return the plan of a file whose pictures are restored."""
    if restoration is None:
        return plan
    header = replace(
        plan.header,
        restoration_gain=restoration.gain,
        restoration_digest=restoration.digest,
    )
    return replace(plan, header=header)


def _measured_gain(
    context: EncodeContext,
    planner: Planner,
    rung: Fraction,
    plan: FilePlan,
    results: list[SegmentResult],
) -> int:
    context.meter.stage("choosing restoration", 0.05)
    about = context.source.description
    jobs = [
        RestorationJob(
            segment_file(plan, number, results[number].load()),
            pictures,
            about.width,
            about.height,
            rung,
            context.settings.model,
        )
        for number, pictures in planner.sampled()
    ]
    return best_gain(list(context.pool.run(run_restoration_job, jobs)))


def _fitted(
    context: EncodeContext,
    planner: Planner,
    rung: Fraction,
    avc: AvcSettings,
    coding: Coding,
    restoration: Restoration | None,
    target_size: float | None,
) -> tuple[Coding, FitReport]:
    """Return a coded sequence with its prompts fitted."""
    store = planner.store(rung)

    def recode(choices: list[PromptChoice | None], crf: float) -> Coding | None:
        encoder = SequenceEncoder(context, store, avc, choices)
        if target_size is None:
            return Coding(choices, encoder, crf, encoder.at(crf))
        found = encoder.search(RateSearch(target_size, first=crf))
        return None if found is None else Coding(choices, encoder, *found)

    assert context.fit is not None
    differs = rung < 1 or restoration is not None
    presented = planner.store(Fraction(1)) if context.fit.presented and differs else None
    return fit_sequence(context, Stores(store, presented, restoration), coding, recode)


def _report(
    context: EncodeContext,
    sequence: _Sequence,
    target: Path,
    size: int,
    elapsed: float,
    notes: list[str],
) -> EncodeReport:
    about, survey = context.source.description, context.survey
    timing, seconds = survey.timing, survey.timing.seconds
    index = sequence.prompt_scale_index
    segments = tuple(
        SegmentReport(
            number=result.number,
            time=float(timing.stamps[survey.starts[result.number]] * timing.tick),
            picture_count=survey.starts[result.number + 1] - survey.starts[result.number],
            generated=result.prompt_size > 0,
            prompt_scale_index=index or 0 if result.prompt_size else 0,
            crf=result.crf,
            keyframe_size=result.keyframe_size,
            pictures_size=result.pictures_size
            - (0 if result.prompt_size else result.keyframe_size),
        )
        for result in sequence.results
    )
    keyframes = sum(segment.keyframe_size for segment in segments)
    pictures = sum(segment.pictures_size for segment in segments)
    overhead = size - keyframes - pictures - survey.side_size
    return EncodeReport(
        source=context.source.path,
        target=target,
        size=size,
        duration=seconds,
        rate=size * 8 / seconds,
        target_rate=context.settings.bitrate,
        picture_count=survey.picture_count,
        coded_width=sequence.plan.header.coded_width,
        coded_height=sequence.plan.header.coded_height,
        restoration_gain=sequence.plan.header.restoration_gain,
        presentation_width=about.width,
        presentation_height=about.height,
        rung=sequence.rung,
        crf=sequence.crf,
        prompt_scale_index=index,
        keyframe_rate=keyframes * 8 / seconds,
        pictures_rate=pictures * 8 / seconds,
        side_track_rate=survey.side_size * 8 / seconds,
        overhead_rate=overhead * 8 / seconds,
        segments=segments,
        passes=sequence.encoder.passes,
        segment_encodes=sequence.encoder.encodes,
        elapsed=elapsed,
        conversions=about.conversions,
        notes=tuple(notes),
    )
