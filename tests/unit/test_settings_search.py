"""The search for settings: changes are what they say, what pays is taken, and the page shows what was found."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from refcodec import errors
from refcodec.ablation import Ablation, settings_search
from refcodec.ablation.settings_page import write_search
from refcodec.ablation.settings_search import BASE, TRIED, changed, search_settings
from refcodec.encoder import EncoderSettings
from refcodec.metrics.lpips_weights import file_name
from tests.unit.test_encode import write_source
from tests.unit.test_metrics import random_weights

START = EncoderSettings(bitrate=60_000, preset="fast", size=Fraction(1), workers=1)
PLAN = Ablation(60_000, 0.4, 0, START, ())


def test_changes_are_parameters_of_x264_or_settings() -> None:
    assert changed(START, "deblock=-1,-1").inter_options == (("deblock", "-1,-1"),)
    assert changed(changed(START, "a=1"), "b=2").inter_options == (("a", "1"), ("b", "2"))
    nearer = changed(START, "keyframe-interval=2.5")
    assert nearer.keyframe_interval == nearer.shortest_interval == 2.5
    assert changed(START, "prompt-share=0.3").prompt_share == 0.3
    for change in TRIED:
        assert changed(START, change) != START


@pytest.mark.parametrize("text", ["deblock", "=1", "deblock=", "prompt-share=much", "a=../b"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(errors.CLASSES["HYP-E-CLI-03"], match="NAME=VALUE"):
        changed(START, text)


def test_values_out_of_range_are_refused_before_anything_is_encoded(tmp_path: Path) -> None:
    with pytest.raises(errors.CLASSES["HYP-E-OUT-03"]):
        search_settings([tmp_path], PLAN, ["prompt-share=2"], 1)


def found(
    monkeypatch: pytest.MonkeyPatch, factors: dict[str, float], rounds: int
) -> list[settings_search.SearchRound]:
    """Search where a change multiplies the distance by factors[change], alone or with others."""

    def run(clips: list[Path], plan: Ablation, variants: list[Any], **_: Any) -> list[Any]:
        def result(variant: Any) -> Any:
            settings = variant.change(plan.settings, 0)
            distance = 0.2
            for name, value in settings.inter_options:
                distance *= factors[f"{name}={value}"]
            return SimpleNamespace(
                label=variant.label, summary=lambda name: SimpleNamespace(mean=distance)
            )

        results = [result(variant) for variant in variants]
        comparison = SimpleNamespace(results=results)
        return [SimpleNamespace(clip=clip.stem, comparison=comparison) for clip in clips]

    monkeypatch.setattr(settings_search, "run_ablation", run)
    return search_settings([Path("x.mkv"), Path("y.mkv")], PLAN, list(factors), rounds)


def test_what_pays_is_taken_and_the_others_tried_on_top(monkeypatch: pytest.MonkeyPatch) -> None:
    factors = {"a=1": 0.98, "a=2": 0.9, "b=1": 0.95, "c=1": 1.1}
    rounds = found(monkeypatch, factors, 5)
    assert [each.taken for each in rounds] == [(), ("a=2",), ("a=2", "b=1")]
    assert [each.best for each in rounds] == ["a=2", "b=1", "c=1"]
    assert rounds[1].mean_gain("b=1") == pytest.approx(-0.05)
    assert {each.change for each in rounds[1].tried} == {"b=1", "c=1"}
    assert len(found(monkeypatch, factors, 1)) == 1
    assert len(found(monkeypatch, {"a=1": 0.998, "b=1": 1.0}, 5)) == 1


def test_the_page_shows_each_change_best_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rounds = found(monkeypatch, {"a=1": 1.02, "b=1": 0.95}, 2)
    text = write_search(rounds, PLAN, tmp_path, "hyp bench settings x.mkv").read_text()
    assert "| `b=1` | -5.0 % | -5.0 / -5.0 % | -5.0 / -5.0 % |" in text
    assert text.index("`b=1`") < text.index("`a=1`")
    assert "Round 2, on top of `b=1`" in text


def test_a_search_of_real_encodes(tmp_path: Path) -> None:
    clip = write_source(tmp_path / "clip.mkv", count=10, cut=10)
    for net in ("alex", "squeeze"):
        np.savez(tmp_path / file_name(net), **random_weights(net, 1))
    plan = replace(PLAN, lpips=tmp_path)
    (only,) = search_settings([clip], plan, ["subme=1"], 1, cache=tmp_path)
    (tried,) = only.tried
    assert (tried.clip, tried.change) == ("clip", "subme=1")
    assert tried.before["psnr_y"] != tried.after["psnr_y"] > 20
    assert 0 < abs(tried.gain) < 1
    assert BASE not in (each.change for each in only.tried)
