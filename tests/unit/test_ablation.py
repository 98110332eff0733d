"""The experiment on fitting: all variants at one rate, a page that says what was found, and nothing done twice."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from refcodec import ablation
from refcodec.ablation import VARIANTS, Ablation, ClipResult, run_ablation, running
from refcodec.ablation.writing import write_report
from refcodec.container import Segment, open_reader
from refcodec.decoder import decode
from refcodec.encoder import EncoderSettings
from refcodec.fitting.settings import FitSettings
from tests.unit.test_encode import write_source

pytest.importorskip("torch")

PLAN = Ablation(
    bitrate=60_000,
    duration=0.4,
    steps=2,
    settings=EncoderSettings(
        bitrate=60_000, preset="fast", size=Fraction(1), workers=1, keyframes="generated",
        fit_settings=FitSettings(rounds=2, targets=2, sampled=1),
    ),
    peers=("x264",),
)  # fmt: skip


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_source(tmp_path_factory.mktemp("ablation") / "clip.mkv", count=10, cut=10)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def result(clip: Path, cache: Path) -> ClipResult:
    (found,) = run_ablation([clip], PLAN, cache=cache)
    return found


def test_variants_have_one_rate_and_one_size(result: ClipResult) -> None:
    labels = [each.label for each in VARIANTS]
    compared = {each.label: each for each in result.comparison.results}
    assert set(labels) < set(compared)
    for label in labels:
        assert compared[label].bitrate == pytest.approx(60_000, rel=0.02)
        assert compared[label].coded_width == compared[labels[0]].coded_width
    assert [each.label for each in result.variants] == labels
    assert not result.variants[0].notes
    assert all("fitted" in " ".join(each.notes) for each in result.variants[1:])
    for each in result.variants:
        assert sum(1 for _ in decode(each.path)) == 10


def test_what_is_done_is_not_done_again(
    clip: Path, cache: Path, result: ClipResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        pytest.fail("this was done before")

    monkeypatch.setattr(running, "encode", refuse)
    monkeypatch.setattr(running, "compare", refuse)
    (again,) = run_ablation([clip], PLAN, cache=cache)
    assert again.variants == result.variants
    scores = [[each.scores for each in r.comparison.results] for r in (again, result)]
    assert scores[0] == scores[1]


def test_other_steps_are_another_experiment(
    clip: Path, cache: Path, result: ClipResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    def encode(*_: object, **__: object) -> None:
        raise EncodedError

    monkeypatch.setattr(running, "encode", encode)
    with pytest.raises(EncodedError):
        run_ablation([clip], dataclasses.replace(PLAN, steps=3), cache=cache)


class EncodedError(Exception):
    """Ends an experiment where a file is to be encoded."""


def asked(
    clip: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[EncoderSettings, int], EncoderSettings],
) -> EncoderSettings:
    """Return the settings with which a variant behind the first one is encoded."""
    found: list[EncoderSettings] = []

    def encode(_: Path, __: Path, settings: EncoderSettings, *___: object) -> None:
        found.append(settings)
        raise EncodedError

    monkeypatch.setattr(running, "encode", encode)
    second = dataclasses.replace(VARIANTS[1], change=change)
    with pytest.raises(EncodedError):
        run_ablation([clip], PLAN, variants=[VARIANTS[0], second], cache=cache)
    (settings,) = found
    return settings


def test_variants_take_what_the_first_one_chose(
    clip: Path, cache: Path, result: ClipResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that they differ in their latents: keyframes stand at the same places and have the same prompt_scale_index."""
    settings = asked(clip, cache, monkeypatch, lambda s, _: s.with_(preset="medium"))
    first = result.variants[0]
    with open_reader(first.path) as reader:
        segments = [item for item in reader.items() if isinstance(item, Segment)]
    counts = [len(segment.access_units) for segment in segments]
    assert sum(counts) == 10
    assert settings.keyframe_interval == settings.shortest_interval
    assert settings.keyframe_interval == pytest.approx(max(counts) / 25)
    assert settings.prompt_share == pytest.approx(1.02 * first.keyframe_rate / 60_000, abs=1e-3)
    assert settings.prompt_scale_index == segments[0].keyframe.prompt_scale_index


def test_variants_keep_what_they_change_themselves(
    clip: Path, cache: Path, result: ClipResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another number of keyframes wants another part of the rate for prompts."""
    settings = asked(clip, cache, monkeypatch, lambda s, _: s.with_(keyframe_interval=0.2))
    assert (settings.keyframe_interval, settings.prompt_scale_index) == (0.2, None)
    assert settings.prompt_share is None
    settings = asked(clip, cache, monkeypatch, lambda s, _: s.with_(prompt_share=0.7))
    assert (settings.prompt_share, settings.prompt_scale_index) == (0.7, None)
    assert settings.keyframe_interval == settings.shortest_interval == pytest.approx(0.4)


def test_the_page_says_what_was_found(result: ClipResult, tmp_path: Path) -> None:
    page = write_report([result], PLAN, tmp_path, "hyp bench ablation clip.mkv")
    text = page.read_text()
    assert "hyp bench ablation clip.mkv" in text
    for each in result.comparison.results:
        found = each.summary("psnr_y")
        assert found is not None
        assert f"{found.mean:.2f} / {found.worst:.2f}" in text
    for line in text.splitlines():
        if "](ablation/" in line:
            figure = tmp_path / line.split("](")[1].split(")")[0]
            assert figure.stat().st_size > 500
            if figure.suffix == ".svg":
                assert figure.read_text().startswith("<svg xmlns=")
    assert text.count("](ablation/") >= 2
    assert "seed 0" in text and "torch" in text
    assert all(each.description in text for each in VARIANTS)
    fewer = dataclasses.replace(result, variants=result.variants[:2])
    told = write_report([fewer], PLAN, tmp_path / "fewer", "hyp").read_text()
    assert [each.description in told for each in VARIANTS] == [True, True, False, False]
    bare = write_report([result], PLAN, tmp_path / "bare", "hyp", close_ups=False)
    assert "crops" in text and "crops" not in bare.read_text()
    assert not list(tmp_path.glob("bare/ablation/*.webp"))


def test_no_variant_tells_of_another(result: ClipResult) -> None:
    assert ablation.VARIANTS is VARIANTS
    settings = {each.label: each.change(PLAN.settings, 7) for each in VARIANTS}
    assert [each.fit for each in settings.values()] == [0, 7, 7, 7]
    assert [each.fit_settings.targets for each in settings.values()] == [2, 0, 2, 2]
    assert [bool(each.inter_options) for each in settings.values()] == [False, False, False, True]
