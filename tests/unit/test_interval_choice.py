"""Shorter keyframe intervals are taken where trials get better, and no shorter than asked for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from refcodec.encoder import interval_choice
from refcodec.encoder.rung_choice import RungChoice

HALF = Fraction(1, 2)


@dataclass(frozen=True)
class Survey:
    """Stands for a survey of ten seconds, one picture each."""

    starts: tuple[int, ...]

    def placed(self, interval: float) -> Survey:
        return Survey((*range(0, 10, max(1, round(interval))), 10))


@dataclass(frozen=True)
class Context:
    """Stands for the context of an encode."""

    survey: Survey
    settings: Any
    folder: Path
    use_generator: bool = True
    meter: Any = field(default_factory=lambda: SimpleNamespace(stage=lambda name, share: None))


def planned(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    distances: dict[int, float],
    shortest: float = 1.0,
    use_generator: bool = True,
) -> interval_choice.SequencePlan:
    """Plan where a sequence of n segments has the distance distances[n]."""

    class Planner:
        def __init__(self, context: Context, target_size: float | None) -> None:
            self.count = len(context.survey.starts) - 1

        def choose_rung(self) -> tuple[RungChoice, ...]:
            return (RungChoice(HALF, 30.0, distances[self.count], share=0.3),)

        def at(self, choice: RungChoice) -> RungChoice:
            assert (choice.rung, choice.share) == (HALF, 0.3)
            return replace(choice, crf=31.0, distance=distances[self.count])

        def clear(self) -> None:
            pass

    monkeypatch.setattr(interval_choice, "Planner", Planner)
    settings = SimpleNamespace(keyframe_interval=5.0, shortest_interval=shortest)
    context: Any = Context(Survey((0, 5, 10)), settings, folder, use_generator)
    return interval_choice.plan_sequence(context, 1000.0)


def count(plan: interval_choice.SequencePlan) -> int:
    return len(plan.context.survey.starts) - 1


def test_intervals_shorten_where_it_pays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plan = planned(monkeypatch, tmp_path, {2: 0.5, 5: 0.4, 10: 0.3})
    assert count(plan) == 10
    assert plan.choices[0].distance == 0.3
    assert plan.context.folder.parent == tmp_path and plan.context.folder.is_dir()


def test_a_little_better_is_not_worth_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plan = planned(monkeypatch, tmp_path, {2: 0.5, 5: 0.49, 10: 0.49})
    assert count(plan) == 2
    assert plan.context.folder == tmp_path


def test_a_shorter_one_is_tried_behind_one_that_does_not_pay(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert count(planned(monkeypatch, tmp_path, {2: 0.5, 5: 0.51, 10: 0.4})) == 10


def test_the_best_one_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert count(planned(monkeypatch, tmp_path, {2: 0.5, 5: 0.3, 10: 0.4})) == 5


def test_no_shorter_than_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert count(planned(monkeypatch, tmp_path, {2: 0.5, 5: 0.4, 10: 0.1}, shortest=2.0)) == 5
    assert count(planned(monkeypatch, tmp_path, {2: 0.5}, shortest=5.0)) == 2


def test_ordinary_keyframes_stay_far_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert count(planned(monkeypatch, tmp_path, {2: 0.5, 5: 0.1}, use_generator=False)) == 2
