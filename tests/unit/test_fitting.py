"""Fitting of prompts: better by exact decodes, never worse, in any state in which it is ended."""

from __future__ import annotations

import dataclasses
import signal
import sys
import threading
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from refcodec import errors
from refcodec.decoder import decode
from refcodec.encoder import EncoderSettings, encode, fitting_rounds
from refcodec.encoder.avc_job import AvcSettings, encode_interval
from refcodec.encoder.perceptual_measure import distance, seen
from refcodec.encoder.prompts import prompter
from refcodec.encoder.resizing import CodedSize, cropped
from refcodec.encoder.restoration_networks import network_for
from refcodec.fitting.case import CodedPictures, FitCase, Presentation, load_case
from refcodec.fitting.settings import FitSettings
from refcodec.generator.prompt import settle
from refcodec.media import ColourDescription
from refcodec.metrics.lpips_layers import NETS
from refcodec.metrics.lpips_weights import file_name
from refcodec.picture import Picture
from refcodec.restoration import Restoration, Restorer
from refcodec.upscaling import Upscaler
from tests.unit.test_encode import NoTorch, write_source
from tests.unit.test_metrics import random_weights

torch = pytest.importorskip("torch")

from refcodec.fitting.distortion import FeatureDistance, SquaredError, distortion_of  # noqa: E402
from refcodec.fitting.fit import Round, fit  # noqa: E402
from refcodec.fitting.following import spread, target_weights  # noqa: E402
from refcodec.fitting.presented import PresentedDistortion  # noqa: E402
from refcodec.generator import generate  # noqa: E402
from refcodec.twin.planes import Planes, planes_of  # noqa: E402
from trainer.__main__ import app as trainer_app  # noqa: E402
from trainer.fit import make_case, run_case  # noqa: E402

WIDTH, HEIGHT, COUNT, Q = 96, 64, 5, 20
QUICK = FitSettings(steps=6, targets=3, sampled=2)


def picture(shift: int) -> Picture:
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)
    luma = 120 + 50 * np.sin((x + 3 * shift) / 7) * np.cos(y / 5) + 30 * ((x + shift) // 16 % 2)
    small = luma[::2, ::2] / 2
    planes = (luma, 64 + small, 160 - small)
    return Picture(*(np.clip(plane, 0, 255).astype(np.uint8) for plane in planes))


@pytest.fixture(scope="module")
def case() -> FitCase:
    maker = prompter(None)
    pictures = [picture(k) for k in range(COUNT)]
    z, v = maker._analyser.analyse(pictures[0], Q, maker.model.contract.gain)
    start = settle(maker.model, Q, z, v)
    colour = ColourDescription(1, 1, 1, False)
    avc = AvcSettings(CodedSize(WIDTH, HEIGHT), Fraction(25), colour, "veryfast")
    coded = encode_interval(pictures, avc, 30.0, generate(maker.model, start.values, Q))
    units = tuple(each.nal_units for each in coded.pictures)
    return FitCase(
        maker.model, Q, maker.trade.at(Q), start, dict(enumerate(pictures)), 25.0,
        CodedPictures(coded.parameter_sets, units),
    )  # fmt: skip


def test_cases_come_back_from_files(case: FitCase, tmp_path: Path) -> None:
    case.save(tmp_path / "case.npz")
    again = load_case(tmp_path / "case.npz", case.model)
    assert (again.q, again.trade, again.rate) == (case.q, case.trade, case.rate)
    assert again.coded == case.coded
    np.testing.assert_array_equal(again.start.values, case.start.values)
    np.testing.assert_array_equal(again.start.hyper, case.start.hyper)
    assert again.originals.keys() == case.originals.keys()
    for index, original in case.originals.items():
        assert again.originals[index].tobytes() == original.tobytes()


@pytest.mark.parametrize("joint", [False, True])
def test_a_round_lowers_the_exact_cost(case: FitCase, joint: bool) -> None:
    here = case if joint else dataclasses.replace(case, coded=None)
    distortion = distortion_of(QUICK)
    heard: list[int] = []
    settings = dataclasses.replace(QUICK, steps=12)
    found = fit(here, settings, distortion, lambda state: heard.append(state.step))
    assert heard == list(range(1, 13))
    assert found.improved
    # what is reported is what the integer decoders give
    work = Round(here, settings, distortion)
    assert work.exact(found.latents) == pytest.approx((found.bits_after, found.cost_after))
    assert work.exact(here.start) == pytest.approx((found.bits_before, found.cost_before))


def judges(folder: Path) -> list[Path]:
    files = [folder / file_name(net) for net in NETS]
    for net, file in zip(NETS, files, strict=True):
        np.savez(file, **random_weights(net, 1))
    return files


def test_judges_have_equal_parts(tmp_path: Path) -> None:
    files = judges(tmp_path)
    a, b = (planes_of(picture(k).planes) for k in (0, 2))

    def distance(*chosen_files: Path) -> float:
        chosen = distortion_of(FitSettings(lpips=chosen_files, mse_weight=0.0))
        return float(chosen.distance(b, chosen.prepare(a)))

    both, alone = distance(*files), [distance(file) for file in files]
    assert both == pytest.approx(sum(alone) / 2, rel=1e-5)
    assert alone[0] != alone[1]


def test_judges_take_turns_and_mean_the_same(tmp_path: Path) -> None:
    files = judges(tmp_path)
    a, b = (planes_of(picture(k).planes) for k in (0, 2))
    chosen = distortion_of(FitSettings(lpips=tuple(files), mse_weight=7.0))
    prepared = chosen.prepare(a)
    turns = [float(chosen.distance(b, prepared, turn)) for turn in range(4)]
    assert turns[:2] == turns[2:]
    assert turns[0] != turns[1]
    assert sum(turns) / 4 == pytest.approx(float(chosen.distance(b, prepared)), rel=1e-5)


def test_a_round_with_turns_lowers_the_cost_by_all_judges(case: FitCase, tmp_path: Path) -> None:
    files = judges(tmp_path)
    settings = dataclasses.replace(QUICK, steps=8, lpips=tuple(files))
    seen_turns: list[int | None] = []
    distortion = distortion_of(settings)
    plain = distortion.distance

    def heard(planes: Planes, prepared: Any, turn: int | None = None) -> Any:
        seen_turns.append(turn)
        return plain(planes, prepared, turn)

    distortion.distance = heard  # type: ignore[method-assign]
    found = fit(case, settings, distortion)
    assert found.improved
    work = Round(case, settings, distortion_of(settings))
    assert work.exact(found.latents) == pytest.approx((found.bits_after, found.cost_after))
    # in each step the keyframe, then the following pictures, each by the next judge
    drawn = settings.sampled
    expected = [n + k for n in range(settings.steps) for k in range(drawn + 1)]
    assert [turn for turn in seen_turns if turn is not None] == expected


def test_a_single_judge_has_every_turn(tmp_path: Path) -> None:
    files = judges(tmp_path)
    assert FitSettings(lpips=tuple(files)).takes_turns
    assert not FitSettings(lpips=tuple(files), turns=0).takes_turns
    assert not FitSettings(lpips=tuple(files[:1])).takes_turns
    assert not FitSettings().takes_turns


def test_a_fit_that_only_spoils_returns_its_start(case: FitCase) -> None:
    wild = dataclasses.replace(QUICK, steps=3, learning_rate=5.0)
    found = fit(dataclasses.replace(case, coded=None), wild, SquaredError())
    assert not found.improved
    assert found.cost_after == found.cost_before
    np.testing.assert_array_equal(found.latents.values, case.start.values)


def test_stopping_ends_after_the_step(case: FitCase) -> None:
    found = fit(case, QUICK, SquaredError(60), stop=lambda: True)
    assert found.steps == 1


def test_fits_repeat(case: FitCase) -> None:
    first, second = (fit(case, QUICK, SquaredError(60)) for _ in range(2))
    np.testing.assert_array_equal(first.latents.values, second.latents.values)
    assert first.cost_after == second.cost_after


def test_following_pictures_are_measured_on_the_keyframe(case: FitCase) -> None:
    """The estimate from all targets equals the exact distortion: the twin decodes as the decoder does."""
    settings = dataclasses.replace(QUICK, targets=COUNT)
    work = Round(case, settings, SquaredError())
    assert work.following is not None
    assert sum(work.following.weights.values()) == pytest.approx(1)
    keyframe = generate(case.model, case.start.values, case.q)
    estimate, slope = work.following.gradient(planes_of(keyframe.planes), COUNT)
    assert estimate == pytest.approx(work.following.exact(keyframe, "cpu"), rel=1e-5)
    assert float(slope.y.abs().max()) > 0


def test_targets_are_spread_and_weighted() -> None:
    chosen = spread(100, 4, np.random.default_rng(0))
    assert [each // 25 for each in chosen] == [0, 1, 2, 3]
    assert spread(2, 9, np.random.default_rng(0)) == [0, 1]
    weights = target_weights([0, 25, 50], 25.0, 0.5)
    assert sum(weights.values()) == pytest.approx(1)
    assert weights[0] == pytest.approx(2 * weights[25]) == pytest.approx(4 * weights[50])


def test_features_are_those_of_the_encoders_measure() -> None:
    a, b = picture(0), picture(9)
    feature = FeatureDistance()
    planes = planes_of(b.planes)
    planes.y.requires_grad_()
    found = feature.distance(planes, feature.prepare(planes_of(a.planes)))
    expected = distance(seen(a), seen(b))
    assert float(found.detach()) == pytest.approx(expected, rel=1e-3)
    found.backward()
    assert planes.y.grad is not None and float(planes.y.grad.abs().max()) > 0


@pytest.mark.parametrize("gain", [0, 1, 3])
def test_presented_pictures_are_compared_as_decoders_make_them(gain: int) -> None:
    """Upscaled, and restored."""
    coded, presented = (WIDTH - 4, HEIGHT - 6), (WIDTH + 40, HEIGHT + 18)
    decoded = picture(0)
    y, u, v = picture(1).planes
    original = Picture(np.pad(y, (0, 50)), np.pad(u, (0, 25)), np.pad(v, (0, 25)))
    network = network_for(Fraction(3, 4))
    restoration = Restoration(gain, network.digest) if gain else None
    distortion = PresentedDistortion(SquaredError(), Presentation(coded, presented, restoration))
    planes = planes_of(decoded.planes)
    planes.y.requires_grad_()
    found = distortion.distance(planes, distortion.prepare(planes_of(original.planes)))
    shown = Upscaler(*coded, *presented).upscale(cropped(decoded, *coded).planes)
    if gain:
        shown = Restorer(network, gain).restore(shown)
    error = SquaredError()
    part = planes_of(cropped(original, *presented).planes)
    expected = error.distance(planes_of(shown.planes), error.prepare(part))
    assert float(found.detach()) == pytest.approx(float(expected), rel=1e-5)
    found.backward()
    assert planes.y.grad is not None
    assert float(planes.y.grad[: coded[1], : coded[0]].abs().max()) > 0
    assert not planes.y.grad[coded[1] :].any() and not planes.y.grad[:, coded[0] :].any()


@pytest.mark.parametrize(
    ("size", "restoration", "same"),
    [(Fraction(1, 2), 0, False), (Fraction(1), 0, True), (Fraction(1), 2, False)],
)
def test_fits_to_presented_pictures(
    source: Path, tmp_path: Path, size: Fraction, restoration: int, same: bool
) -> None:
    """Smaller sizes and restored pictures are measured otherwise; else what is coded is what is presented."""
    notes = []
    for presented in (0, 1):
        fitting = dataclasses.replace(SETTINGS.fit_settings, presented=presented)
        target = tmp_path / f"{presented}.hyp"
        settings = SETTINGS.with_(size=size, restoration=restoration, fit_settings=fitting)
        report = encode(source, target, settings)
        notes += [note for note in report.notes if "were fitted in " in note]
        assert sum(1 for _ in decode(target)) == 12
    assert (notes[0] == notes[1]) == same


def test_short_intervals_have_fewer_steps() -> None:
    """By the square root of their length, and never none."""
    settings = FitSettings(steps=30, targets=6, sampled=2)

    def counts(seconds: float) -> tuple[int, int, int]:
        found = settings.for_interval(seconds)
        return found.steps, found.targets, found.sampled

    assert [counts(seconds) for seconds in (9, 4, 1, 0.25)] == [
        (30, 6, 2),
        (30, 6, 2),
        (15, 3, 1),
        (8, 2, 1),
    ]
    assert counts(1 / 60) == (2, 1, 1)
    few = FitSettings(steps=1, targets=0, sampled=1).for_interval(0.5)
    assert (few.steps, few.targets, few.sampled) == (1, 0, 1)


@pytest.mark.parametrize(
    "change",
    [{"steps": 0}, {"following_weight": -0.5}, {"decay": 0.0}, {"noise": -1.0}, {"presented": 2}],
)
def test_settings_are_checked(change: dict[str, float]) -> None:
    with pytest.raises(errors.HypError) as caught:
        dataclasses.replace(FitSettings(), **change)  # type: ignore[arg-type]
    assert caught.value.id == "HYP-E-OUT-03"


SETTINGS = EncoderSettings(
    bitrate=60_000, preset="fast", keyframes="generated", size=Fraction(1), workers=1,
    side_tracks=False, fit=4, fit_settings=FitSettings(rounds=2, targets=2, sampled=1),
)  # fmt: skip


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_source(tmp_path_factory.mktemp("fit") / "source.mkv", count=12, cut=12)


def test_encodes_with_fitted_prompts_decode(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "fitted.hyp"
    heard: list[str] = []
    report = encode(source, target, SETTINGS, lambda done, total, stage: heard.append(stage))
    assert abs(report.rate / 60_000 - 1) <= 0.02
    assert sum(1 for _ in decode(target)) == 12
    (note,) = [note for note in report.notes if "were fitted in " in note]
    assert "distance of the decode" in note
    assert any("prompt" in stage and "cost" in stage for stage in heard)


@pytest.mark.parametrize("presented", [True, False])
def test_cases_are_made_of_files_and_fitted_as_an_encode_does(
    source: Path, tmp_path: Path, presented: bool
) -> None:
    coded = tmp_path / "half.hyp"
    plain = SETTINGS.with_(fit=0, size=Fraction(1, 2), prompt_share=0.5, restoration=2)
    encode(source, coded, plain)
    made = make_case(source, coded, 0, 0.0, presented=presented)
    made.save(tmp_path / "case.npz")
    case = load_case(tmp_path / "case.npz", made.model)
    assert case.presentation == made.presentation
    assert case.rate == 25
    small, large = (80, 48), (160, 96)
    restoration = Restoration(2, network_for(Fraction(1, 2)).digest)
    assert case.presentation == (Presentation(small, large, restoration) if presented else None)
    assert sorted(case.originals) == list(range(12))
    original = case.originals[0]
    assert (original.width, original.height) == (large if presented else small)
    found = run_case(case, dataclasses.replace(QUICK, steps=12))
    assert found["steps"] == round(12 * (12 / 25 / 4) ** 0.5)
    assert found["cost_after"] <= found["cost_before"]
    with pytest.raises(errors.CLASSES["HYP-E-CLI-03"], match="segment = 1"):
        make_case(source, coded, 1, 0.0)


def test_hyp_train_stores_cases_and_fits_them(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYP_LPIPS", str(tmp_path))
    judges(tmp_path)
    coded, case = tmp_path / "half.hyp", tmp_path / "case.npz"
    encode(source, coded, SETTINGS.with_(fit=0, size=Fraction(1, 2), prompt_share=0.5))
    run = CliRunner().invoke
    assert run(trainer_app, ["fit-case", str(source), str(coded), str(case)]).exit_code == 0
    fitted = run(trainer_app, ["fit", str(case), "--steps", "6", "--option", "targets=2"])
    assert fitted.exit_code == 0, fitted.output
    values = dict(line.split() for line in fitted.output.splitlines() if "step " not in line)
    assert float(values["cost_after"]) <= float(values["cost_before"])
    assert float(values["steps"]) == 2  # of an interval of 0.48 s
    refused = run(trainer_app, ["fit", str(case), "--option", "patience=2"])
    assert isinstance(refused.exception, errors.HypError)


def test_an_interrupt_ends_the_steps_and_the_file_is_written(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "early.hyp"
    before = signal.getsignal(signal.SIGINT)
    heard: list[int] = []

    def progress(done: float, total: float, stage: str) -> None:
        if "cost" in stage and not heard:
            heard.append(1)
            signal.raise_signal(signal.SIGINT)

    report = encode(source, target, SETTINGS.with_(fit=200), progress)
    assert heard
    assert signal.getsignal(signal.SIGINT) is before
    assert sum(1 for _ in decode(target)) == 12
    (note,) = [note for note in report.notes if "were fitted in " in note]
    assert "ended by an interrupt" in note
    assert abs(report.rate / 60_000 - 1) <= 0.02


def test_a_second_interrupt_returns_what_was_before(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def twice(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("the second interrupt raised nothing")

    monkeypatch.setattr(fitting_rounds, "_fits", twice)
    report = encode(source, tmp_path / "second.hyp", SETTINGS)
    assert sum(1 for _ in decode(tmp_path / "second.hyp")) == 12
    assert any("ended by an interrupt" in note or "Nothing" in note for note in report.notes)


def test_fits_run_beside_the_main_thread(source: Path, tmp_path: Path) -> None:
    """There no handler of interrupts can be set."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            encode(source, tmp_path / "thread.hyp", SETTINGS.with_(fit=1))
        except BaseException as problem:
            failures.append(problem)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert not failures


def test_fitting_without_torch_is_refused_with_the_command_that_installs_it(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(sys, "meta_path", [NoTorch(), *sys.meta_path])
    with pytest.raises(errors.HypError) as caught:
        encode(source, tmp_path / "none.hyp", SETTINGS)
    assert caught.value.id == "HYP-E-CLI-04"
    assert "pip install" in str(caught.value)


@pytest.mark.parametrize("device", ["abacus", "meta", "cuda:99"])
def test_a_device_that_is_not_there_is_refused_before_anything_else(
    source: Path, tmp_path: Path, device: str
) -> None:
    heard: list[str] = []
    settings = SETTINGS.with_(fit_settings=FitSettings(device=device))
    with pytest.raises(errors.HypError) as caught:
        encode(source, tmp_path / "none.hyp", settings, lambda *told: heard.append(told[2]))
    assert caught.value.id == "HYP-E-OUT-03"
    assert device in str(caught.value) and "cpu" in str(caught.value)
    assert not heard and not list(tmp_path.iterdir())


def test_coded_keyframes_leave_nothing_to_fit(source: Path, tmp_path: Path) -> None:
    report = encode(source, tmp_path / "coded.hyp", SETTINGS.with_(keyframes="coded"))
    assert any("Nothing was fitted" in note for note in report.notes)


def test_rounds_that_do_not_help_are_undone_and_make_the_next_slower(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By distances that are given: which results are kept, at what rate each round goes, and when it ends."""
    distances = iter([1.0, 0.9, 0.95, 0.8, 0.85, 0.1])
    begun: list[tuple[float, float]] = []
    rates: list[float] = []

    def fits(context: Any, store: Any, coding: Any, settings: FitSettings, *_: Any) -> Any:
        begun.append((coding.crf, settings.learning_rate))
        rates.append(settings.joint_rate)
        return {0: SimpleNamespace(steps=1, improved=True)}

    monkeypatch.setattr(fitting_rounds, "_fits", fits)
    monkeypatch.setattr(fitting_rounds, "_fitted", lambda choices, _: choices)
    monkeypatch.setattr(fitting_rounds, "_measured", lambda *_: next(distances))
    settings = FitSettings(rounds=9, learning_rate=0.02, joint_rate=0.04)
    context: Any = SimpleNamespace(fit=settings, folder=tmp_path)
    store: Any = None
    choices: Any = [object()]
    start: Any = SimpleNamespace(choices=choices, crf=20.0)
    numbers = iter(range(1, 9))
    best, report = fitting_rounds.fit_sequence(
        context, store, start, lambda _, __: SimpleNamespace(choices=choices, crf=next(numbers))
    )
    assert begun == [(20.0, 0.02), (1, 0.02), (1, 0.01), (3, 0.01)]
    assert rates == [0.04, 0.04, 0.02, 0.02]
    assert best.crf == 3
    assert report.kept_rounds == 2
    assert report.distances == (1.0, 0.9, 0.95, 0.8, 0.85)
    assert report.steps == 4
