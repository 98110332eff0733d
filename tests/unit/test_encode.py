"""Whole encodes of tiny sources: rate, structure, decodability, determinism, errors."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from refcodec import errors, generator
from refcodec.container import open_reader
from refcodec.decoder import decode
from refcodec.encoder import EncoderSettings, MediaSource, encode, planning, prompts, worker
from refcodec.encoder.analysis import bundled_analyser
from refcodec.encoder.avc_job import AvcSettings
from refcodec.encoder.jobs import WorkerPool
from refcodec.encoder.resizing import coded_size
from refcodec.encoder.rung_choice import DEFAULT_PROMPT_SHARE, RungChoice, RungTrials
from refcodec.encoder.segment_job import PromptChoice
from refcodec.encoder.sequence_encoder import SequenceEncoder
from refcodec.encoder.settings import PRESETS
from refcodec.fitting.settings import FitSettings
from refcodec.generator import decode_prompt, generate
from refcodec.metrics import psnr
from refcodec.metrics.lpips_weights import file_name
from refcodec.picture import Picture
from refcodec.validation import validate
from tests.unit.test_metrics import random_weights

WIDTH, HEIGHT, RATE = 160, 96, 25


def moving_picture(number: int, seed: int) -> np.ndarray:
    """RGB of a textured pan with a moving disc."""
    rng = np.random.default_rng(seed)
    wide = np.kron(
        rng.integers(20 + 80 * seed, 150 + 80 * seed, (HEIGHT // 8, 48, 3)), np.ones((8, 8, 1))
    )
    frame = wide[:, number * 2 : number * 2 + WIDTH].copy()
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    noise = rng.integers(-12, 13, (HEIGHT, 2 * WIDTH, 1))
    frame = np.clip(frame + noise[:, number * 2 : number * 2 + WIDTH], 0, 255)
    frame[(y - 48) ** 2 + (x - 20 - 2 * number) ** 2 < 300] = (230, 60, 40)
    return frame.astype(np.uint8)


def write_source(path: Path, count: int = 36, cut: int = 18, audio: bool = False) -> Path:
    """Write a lossless source of two scenes."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("ffv1", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        sound: Any = container.add_stream("aac", rate=48000, layout="mono") if audio else None
        for number in range(count):
            samples = moving_picture(number % cut, number // cut)
            frame = av.VideoFrame.from_ndarray(samples, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if audio:
            time = np.arange(48000 * count // RATE) / 48000
            wave = np.sin(2 * np.pi * 440 * time).astype(np.float32)[None]
            chunk = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            chunk.sample_rate, chunk.pts, chunk.time_base = 48000, 0, Fraction(1, 48000)
            container.mux(sound.encode(chunk))
            container.mux(sound.encode(None))
    return path


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_source(tmp_path_factory.mktemp("encode") / "source.mkv")


def fast(**options: Any) -> EncoderSettings:
    values: dict[str, Any] = {"preset": "fast", "keyframes": "coded", "workers": 1}
    values |= options
    if values.get("quality") is None:
        values.setdefault("bitrate", 150_000)
    return EncoderSettings(**values)


def medium(**options: Any) -> EncoderSettings:
    options |= {"preset": "medium", "size": Fraction(1), "keyframes": "auto"}
    return fast(shortest_interval=30, **options)


@pytest.mark.parametrize("keyframes", ["coded", "generated"])
@pytest.mark.parametrize("bitrate", [120_000, 300_000])
def test_total_rate_is_met_and_the_file_decodes(
    source: Path, tmp_path: Path, keyframes: str, bitrate: int
) -> None:
    target = tmp_path / "a.hyp"
    report = encode(source, target, fast(bitrate=bitrate, keyframes=keyframes))
    assert report.size == target.stat().st_size
    assert abs(report.size * 8 / (36 / RATE) / bitrate - 1) <= 0.02
    parts = (
        report.keyframe_rate, report.pictures_rate, report.side_track_rate, report.overhead_rate
    )  # fmt: skip
    assert sum(parts) == pytest.approx(report.rate)
    assert [segment.picture_count for segment in report.segments] == [18, 18]
    assert all(s.generated == (keyframes == "generated") for s in report.segments)
    decoded = list(decode(target))
    assert [picture.time for picture in decoded] == [Fraction(k, RATE) for k in range(36)]
    quality = [
        psnr(shown.picture, original.picture)
        for shown, original in zip(decoded, MediaSource(source).pictures(), strict=True)
    ]
    assert min(quality) > 20


@pytest.mark.parametrize("rate", [{"bitrate": 120_000}, {"quality": 40}])
def test_prompts_have_the_prompt_scale_index_that_is_asked_for(
    source: Path, tmp_path: Path, rate: dict[str, Any]
) -> None:
    sizes = []
    for index in (30, 45):
        settings = fast(keyframes="generated", prompt_scale_index=index, **rate)
        report = encode(source, tmp_path / "a.hyp", settings)
        assert report.prompt_scale_index == index
        assert {segment.prompt_scale_index for segment in report.segments} == {index}
        sizes.append(report.keyframe_rate)
    assert sizes[0] > sizes[1]


def test_more_bits_give_more_quality(source: Path, tmp_path: Path) -> None:
    means = []
    for quality in (20, 60):
        target = tmp_path / f"{quality}.hyp"
        report = encode(source, target, fast(quality=quality))
        assert report.target_rate is None
        pairs = zip(decode(target), MediaSource(source).pictures(), strict=True)
        means.append(np.mean([psnr(a.picture, b.picture) for a, b in pairs]))
    assert means[1] > means[0] + 3


@pytest.mark.parametrize("keyframes", ["coded", "generated"])
def test_bytes_do_not_depend_on_the_number_of_workers(
    source: Path, tmp_path: Path, keyframes: str
) -> None:
    files = []
    for workers in (1, 2):
        target = tmp_path / f"{workers}.hyp"
        encode(
            source,
            target,
            fast(quality=40, workers=workers, keyframes=keyframes, keyframe_interval=0.4),
        )
        files.append(target.read_bytes())
    assert files[0] == files[1]


def test_trials_choose_rung_and_keyframes(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "m.hyp"
    report = encode(source, target, fast(preset="medium", keyframes="auto", bitrate=100_000))
    assert abs(report.rate / 100_000 - 1) <= 0.02
    assert report.presentation_width == WIDTH
    assert len(list(decode(target))) == 36


def test_quality_spends_its_bits_at_the_rung_of_the_trials(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed = []

    def climb(sizes: list[Fraction], start: Fraction, trials: RungTrials) -> RungChoice:
        allowed.append(trials.bits_per_picture)
        return RungChoice(Fraction(2, 3), 33.0)

    monkeypatch.setattr("refcodec.encoder.rung_choice.climb", climb)
    for quality in (20, 60):
        report = encode(source, tmp_path / "q.hyp", fast(preset="medium", quality=quality))
        assert report.rung == Fraction(2, 3)
        assert report.crf == 33.0 + PRESETS["medium"].crf_offset
        assert len(list(decode(tmp_path / "q.hyp"))) == 36
    assert 0 < 2 * allowed[0] < allowed[1]


@pytest.mark.parametrize("size", [Fraction(1), Fraction(1, 2)])
def test_forced_size_is_coded_and_scaled_up(source: Path, tmp_path: Path, size: Fraction) -> None:
    target = tmp_path / "s.hyp"
    report = encode(source, target, fast(size=size, bitrate=100_000))
    assert (report.coded_width, report.coded_height) == (WIDTH * size, HEIGHT * size)
    picture = next(iter(decode(target))).picture
    assert (picture.width, picture.height) == (WIDTH, HEIGHT)


def test_rate_includes_the_side_tracks(tmp_path: Path) -> None:
    sounding = write_source(tmp_path / "sound.mkv", audio=True)
    target = tmp_path / "sound.hyp"
    report = encode(sounding, target, fast(bitrate=200_000))
    assert report.side_track_rate > 10_000
    assert abs(report.rate / 200_000 - 1) <= 0.02
    mute = encode(sounding, target, fast(bitrate=150_000, side_tracks=False))
    assert mute.side_track_rate == 0
    with pytest.raises(errors.CLASSES["HYP-E-OUT-02"], match="side"):
        encode(sounding, target, fast(bitrate=20_000))


def test_very_short_clips_meet_the_rate(tmp_path: Path) -> None:
    for count in (1, 3):
        short = write_source(tmp_path / f"{count}.mkv", count=count)
        for keyframes in ("coded", "generated"):
            report = encode(
                short, tmp_path / "short.hyp", fast(bitrate=300_000, keyframes=keyframes)
            )
            assert abs(report.rate / 300_000 - 1) <= 0.02, (count, keyframes)
            assert len(list(decode(tmp_path / "short.hyp"))) == count


def test_unreachable_rate_leaves_no_file(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "none.hyp"
    with pytest.raises(errors.CLASSES["HYP-E-OUT-01"], match="at least"):
        encode(source, target, fast(bitrate=4_000))
    assert list(tmp_path.iterdir()) == []


def test_failing_encode_keeps_the_file_that_was_there(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "kept.hyp"
    target.write_bytes(b"before")
    with pytest.raises(errors.CLASSES["HYP-E-OUT-01"]):
        encode(source, target, fast(bitrate=4_000))
    assert target.read_bytes() == b"before"


def test_interrupt_ends_the_workers_and_leaves_nothing(source: Path, tmp_path: Path) -> None:
    workspace = tmp_path / "work"
    workspace.mkdir()

    def interrupt(done: float, total: float, stage: str) -> None:
        if stage.startswith("encoding"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode(source, tmp_path / "x.hyp", fast(workers=2, workspace=workspace), interrupt)
    assert list(workspace.iterdir()) == []
    assert list(tmp_path.iterdir()) == [workspace]


@pytest.mark.parametrize("workers", [1, 2])
def test_progress_rises_to_the_end(source: Path, tmp_path: Path, workers: int) -> None:
    seen: list[float] = []
    encode(
        source,
        tmp_path / "p.hyp",
        fast(workers=workers),
        lambda done, total, stage: seen.append(done / total),
    )
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_progress_moves_inside_a_segment(source: Path, tmp_path: Path) -> None:
    seen = []

    def look(done: float, total: float, stage: str) -> None:
        if stage.startswith("encoding"):
            seen.append(done)

    encode(source, tmp_path / "p.hyp", fast(quality=50, duration=0.7), look)
    assert len(set(seen)) > 10


def test_jobs_go_to_a_worker_that_is_there() -> None:
    """What a process has loaded serves the next job too, however many workers there may be."""
    with WorkerPool(3) as pool:
        # each worker leads a session
        found = {leader for _ in range(4) for leader in pool.run(os.getsid, [0])}
    assert len(found) == 1
    assert found != {os.getsid(0)}


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_a_job_that_lacks_memory_says_so(workers: int, library: str) -> None:
    zeros = pytest.importorskip(library).zeros
    with WorkerPool(workers) as pool:
        with pytest.raises(errors.CLASSES["HYP-E-OUT-05"], match=r"memory.*alloc"):
            list(pool.run(zeros, [1 << 55]))
        assert list(pool.run(os.getsid, [0]))  # the worker goes on


def test_other_errors_of_jobs_stay_what_they_are() -> None:
    with WorkerPool(1) as pool, pytest.raises(TypeError):
        list(pool.run(np.zeros, ["so many"]))


def test_reports_of_workers_arrive() -> None:
    told: list[float] = []
    with WorkerPool(2) as pool:
        assert list(pool.run(worker.report, [0.25], told.append)) == [None]
        process = pool._idle.get() or pool._idle.get()
        assert process is not None and process.stdin is not None and process.stdout is not None
        worker.send(process.stdin, (worker.report, 0.5))
        assert worker.receive(process.stdout) == (None, 0.5)
        assert worker.receive(process.stdout) == (True, None)
    assert told == sorted(told)


def test_parameter_sets_are_the_same_whatever_the_rate_factor(source: Path, tmp_path: Path) -> None:
    headers = []
    for quality in (10, 80):
        encode(source, tmp_path / "h.hyp", fast(quality=quality))
        with open_reader(tmp_path / "h.hyp") as reader:
            headers.append([bytes(unit) for unit in reader.sequence_header.parameter_sets])
    assert headers[0] == headers[1]


def test_source_is_never_overwritten(source: Path) -> None:
    with pytest.raises(errors.CLASSES["HYP-E-CLI-05"]):
        encode(source, source, fast())


@pytest.mark.parametrize(
    "options",
    [
        {"bitrate": None, "quality": None},
        {"bitrate": 100_000, "quality": 50},
        {"bitrate": 1},
        {"quality": 101},
        {"preset": "none"},
        {"keyframe_interval": 0.0},
        {"size": Fraction(3, 2)},
        {"workers": 0},
        {"prompt_share": 1.5},
        {"prompt_scale_index": 64},
        {"refine": -1},
        {"refine": 1001},
    ],
)
def test_settings_are_checked(options: dict[str, Any]) -> None:
    values = {"bitrate": 100_000} if "quality" not in options else {}
    with pytest.raises(errors.CLASSES["HYP-E-OUT-03"]):
        EncoderSettings(**(values | options))


def keyframe_cost(path: Path, original: Picture) -> tuple[float, int]:
    """Cost of the first keyframe by what refinement minimises without LPIPS, from the file alone, and its index."""
    from refcodec.fitting.distortion import distortion_of
    from refcodec.twin.planes import planes_of

    with open_reader(path) as reader:
        keyframe = next(iter(reader.segments())).keyframe
        digest = bytes(reader.sequence_header.model_digest)
    q, prompt = keyframe.prompt_scale_index, bytes(keyframe.prompt_data)
    model = generator.bundled(1, digest)
    picture = generate(model, decode_prompt(model, prompt, q, WIDTH // 16, HEIGHT // 16).values, q)
    trade = bundled_analyser().trade.at(q)
    distortion = distortion_of(FitSettings())
    prepared = distortion.prepare(planes_of(original.planes))
    distance = float(distortion.distance(planes_of(picture.planes), prepared))
    return 8 * len(prompt) / (WIDTH * HEIGHT) + trade * distance, q


def test_refined_keyframes_cost_less_with_any_number_of_workers(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    monkeypatch.setattr(sys.modules[encode.__module__], "find_judges", lambda: ())
    original = next(iter(MediaSource(source).pictures())).picture
    costs, files = [], []
    for steps, workers in ((0, 1), (8, 1), (8, 2)):
        target = tmp_path / f"{steps}-{workers}.hyp"
        settings = fast(quality=50, keyframes="generated", refine=steps, workers=workers)
        report = encode(source, target, settings)
        assert any("own measure" in note for note in report.notes) == (steps > 0)
        assert any("lowered their cost" in note for note in report.notes) == (steps > 0)
        assert len(list(decode(target))) == 36
        costs.append(keyframe_cost(target, original))
        files.append(target.read_bytes())
    assert costs[0][1] == costs[1][1]
    assert costs[1][0] < costs[0][0]
    assert files[1] == files[2]
    assert validate(tmp_path / "8-1.hyp").conforming


def test_a_prompt_is_refined_once_whatever_the_passes(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    refined = []

    def counted(*arguments: Any) -> Any:
        refined.append(arguments[-1].steps)
        return refine(*arguments)

    refine = prompts._refine
    monkeypatch.setattr(prompts, "_refine", counted)
    settings = fast(bitrate=200_000, keyframes="generated", refine=1)
    report = encode(source, tmp_path / "r.hyp", settings)
    assert report.passes > 1
    assert refined == [1, 1]
    assert abs(report.rate / 200_000 - 1) <= 0.02


class NoTorch(MetaPathFinder):
    """Finds that torch is not installed."""

    def find_spec(self, name: str, path: object, target: object = None) -> None:
        if name == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name=name)


def test_refinement_without_torch_says_what_to_install(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(sys, "meta_path", [NoTorch(), *sys.meta_path])
    with pytest.raises(errors.CLASSES["HYP-E-CLI-04"], match=r"hybridprompt\[trainer\]"):
        encode(source, tmp_path / "t.hyp", fast(keyframes="generated", refine=2))
    report = encode(source, tmp_path / "t.hyp", fast(keyframes="coded", refine=2))
    assert any("Nothing was refined" in note for note in report.notes)


@pytest.mark.parametrize("weights", [False, True])
def test_preset_slow_refines_where_it_can(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: bool
) -> None:
    pytest.importorskip("torch")
    file = tmp_path / file_name("alex")
    np.savez(file, **random_weights("alex", 1))
    monkeypatch.setattr(
        sys.modules[encode.__module__], "find_judges", lambda: (file,) if weights else ()
    )
    monkeypatch.setitem(PRESETS, "slow", replace(PRESETS["slow"], refine=2))
    settings = fast(preset="slow", keyframes="generated", quality=40)
    report = encode(source, tmp_path / "slow.hyp", settings)
    assert any("lowered their cost" in note for note in report.notes) == weights
    assert any("were not refined" in note for note in report.notes) == (not weights)
    assert not encode(source, tmp_path / "off.hyp", settings.with_(refine=0)).notes


@pytest.mark.parametrize("restless", [False, True])
@pytest.mark.parametrize("generated", [False, True])
@pytest.mark.parametrize("near", [False, True])
def test_trials_with_the_settings_themselves_choose_manner_and_kind(
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    restless: bool,
    generated: bool,
    near: bool,
) -> None:
    """The quick trials say the opposite; where they are near each other they are not believed."""
    added = PRESETS["medium"].restless
    tried: list[tuple[bool, bool]] = []

    def measure(trials: RungTrials, rung: Fraction) -> tuple[float, float]:
        kind = trials.prompt(coded_size(WIDTH, HEIGHT, rung)) is not None
        if trials.thrift == 1.0:
            manner = set(added) <= set(trials.avc.overrides)
            tried.append((kind, manner))
            return 0.1 + 0.2 * (kind != generated) + 0.1 * (manner != restless), 33.0
        return (0.31 if near else 0.4) if kind == generated else 0.3, 30.0

    used = []

    class Watched(SequenceEncoder):
        def __init__(self, context: Any, store: Any, avc: AvcSettings, keyframes: Any) -> None:
            used.append((keyframes[0] is not None, set(added) <= set(avc.overrides)))
            super().__init__(context, store, avc, keyframes)

    set_trials(monkeypatch, measure)
    monkeypatch.setattr(sys.modules[encode.__module__], "SequenceEncoder", Watched)
    encode(source, tmp_path / "m.hyp", medium())
    kind = generated if near else not generated
    assert used == [(kind, restless)]
    # Once more with less for prompts where the manner for what moves wins behind them.
    assert len(tried) == (4 if near else 2) + (kind and restless)


def set_trials(
    monkeypatch: pytest.MonkeyPatch,
    measure: Callable[[RungTrials, Fraction], tuple[float, float]],
) -> None:
    """Let trials say what a function does, alone and together."""

    def together(asked: list[tuple[RungTrials, Fraction]]) -> list[tuple[float, float]]:
        return [measure(trials, rung) for trials, rung in asked]

    monkeypatch.setattr(RungTrials, "measure", measure)
    monkeypatch.setattr(planning, "measure_together", together)


@pytest.mark.parametrize(("real", "segments"), [(0.1, 4), (0.3, 2)])
def test_trials_with_the_settings_themselves_decide_between_near_intervals(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, real: float, segments: int
) -> None:
    def measure(trials: RungTrials, rung: Fraction) -> tuple[float, float]:
        shorter = len(trials.numbers) > 1
        if trials.thrift != 1.0:
            return 0.26 if shorter else 0.25, 30.0
        return real if shorter else 0.2, 30.0

    set_trials(monkeypatch, measure)
    settings = medium().with_(
        keyframes="generated", keyframe_interval=0.8, shortest_interval=0.3, restoration=0
    )
    target = tmp_path / "m.hyp"
    report = encode(source, target, settings)
    assert len(report.segments) == segments
    assert sum(1 for _ in decode(target)) == 36


class PlanKnownError(Exception):
    """Ends an encode where its plan is known."""


def plan_of(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch, settings: EncoderSettings
) -> tuple[PromptChoice | None, AvcSettings]:
    """Return how the first keyframe is made, and how pictures are coded."""

    def ended(self: object, context: Any, store: Any, avc: AvcSettings, keyframes: Any) -> None:
        raise PlanKnownError(keyframes[0], avc)

    monkeypatch.setattr(SequenceEncoder, "__init__", ended)
    with pytest.raises(PlanKnownError) as caught:
        encode(source, target, settings)
    prompt, avc = caught.value.args
    return prompt, avc


def planned(
    source: Path,
    target: Path,
    monkeypatch: pytest.MonkeyPatch,
    distances: dict[tuple[bool, bool], float],
    settings: EncoderSettings,
) -> tuple[bool, AvcSettings]:
    """Return whether the keyframe is generated, and how pictures are coded, where trials with the settings themselves
    say `distances` by kind (generated) and manner (restless)."""
    added = set(PRESETS["medium"].restless)

    def measure(trials: RungTrials, rung: Fraction) -> tuple[float, float]:
        kind = trials.prompt(coded_size(WIDTH, HEIGHT, rung)) is not None
        return distances[kind, added <= set(trials.avc.overrides)], 40.0

    set_trials(monkeypatch, measure)
    prompt, avc = plan_of(source, target, monkeypatch, settings)
    return prompt is not None, avc


@pytest.mark.parametrize(("restless", "wins"), [(0.295, False), (0.285, True)])
def test_manner_for_what_moves_must_win_clearly_and_sharpens(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restless: float, wins: bool
) -> None:
    distances = {(False, False): 0.3, (False, True): restless}
    distances |= {(True, False): 0.9, (True, True): 0.9}
    generated, avc = planned(source, tmp_path / "m.hyp", monkeypatch, distances, medium())
    assert not generated
    assert avc.sharpening == (PRESETS["medium"].sharpening if wins else 0)
    assert (("subme", "2") in avc.overrides) == wins


@pytest.mark.parametrize("fit", [0, 1])
def test_what_is_going_to_be_fitted_may_measure_a_little_worse(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fit: int
) -> None:
    pytest.importorskip("torch")
    distances = {(False, False): 0.3, (True, False): 0.31}
    distances |= {(False, True): 0.9, (True, True): 0.9}
    generated, _ = planned(source, tmp_path / "f.hyp", monkeypatch, distances, medium(fit=fit))
    assert generated == (fit > 0)


@pytest.mark.parametrize(("spared", "wins"), [(0.24, True), (0.25, False)])
def test_manner_of_the_preset_is_tried_once_more_with_less_for_prompts(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spared: float, wins: bool
) -> None:
    """It lacks bits for the pictures with the part that quick trials like, the manner for what moves does not."""
    added = set(PRESETS["medium"].restless)
    tried: list[float] = []

    def measure(trials: RungTrials, rung: Fraction) -> tuple[float, float]:
        if trials.thrift != 1.0:
            return 0.3 - 0.1 * (trials.prompt(coded_size(WIDTH, HEIGHT, rung)) is not None), 30.0
        if added <= set(trials.avc.overrides):
            return 0.25, 30.0
        tried.append(trials.bits_per_picture)
        return (math.inf, 51.0) if len(tried) == 1 else (spared, 40.0)

    set_trials(monkeypatch, measure)
    found = []
    for share in (None, DEFAULT_PROMPT_SHARE):
        tried.clear()
        settings = medium(keyframes="generated", bitrate=12_000, prompt_share=share)
        prompt, avc = plan_of(source, tmp_path / "m.hyp", monkeypatch, settings)
        assert prompt is not None
        found.append((prompt.prompt_scale_index, avc, list(tried)))
    (index, avc, bits), (index_asked, avc_asked, bits_asked) = found
    assert (index > index_asked) == wins
    assert (added <= set(avc.overrides)) == (not wins) and added <= set(avc_asked.overrides)
    # Nothing else is tried where the part for prompts is asked for.
    assert len(bits_asked) == 1 and len(bits) == 2 and bits[0] < bits[1]


def test_prompts_of_an_index_that_is_asked_for_count_with_what_they_take(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a part of the rate of their own, which trials would keep for them whatever they take."""
    bits: list[tuple[float, float]] = []

    def measure(trials: RungTrials, rung: Fraction) -> tuple[float, float]:
        bits.append((trials.bits_per_picture, trials.keyframe_charge(0)))
        raise PlanKnownError

    set_trials(monkeypatch, measure)
    for share in (None, 0.5):
        settings = medium().with_(
            keyframes="generated", prompt_scale_index=30, prompt_share=share, size="auto"
        )
        with pytest.raises(PlanKnownError):
            encode(source, tmp_path / "m.hyp", settings)
    (all_bits, charge), (half, nothing) = bits
    assert charge > 0 and nothing == 0
    assert half == pytest.approx(all_bits / 2)
