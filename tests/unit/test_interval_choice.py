"""Shorter keyframe intervals are taken where trials get better, and no shorter than asked for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import inf
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from refcodec.encoder import interval_choice
from refcodec.encoder.planning import Settled
from refcodec.encoder.rung_choice import RungChoice

HALF, SETTLED = Fraction(1, 2), Fraction(2, 3)


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


class Planner:
    """Says of a sequence of n segments what the test wants: quick trials `quick[n]`, those with the settings of the
    encode `real[n]`."""

    quick: dict[int, float]
    real: dict[int, float]
    generated: bool
    made: list[int]
    cleared: list[int]
    weighed: list[tuple[int, Fraction, tuple[bool, ...]]]

    def __init__(self, context: Context, target_size: float | None) -> None:
        self.count = len(context.survey.starts) - 1
        self.made.append(self.count)

    def choose_rung(self) -> tuple[RungChoice, ...]:
        return (RungChoice(HALF, 30.0, self.quick[self.count], self.generated, share=0.3),)

    def at(self, choice: RungChoice) -> RungChoice:
        assert choice.share == 0.3 and choice.rung in (HALF, SETTLED)
        return replace(choice, crf=31.0, distance=self.quick[self.count], generated=True)

    def settle(self, choices: tuple[RungChoice, ...]) -> Settled:
        settings: Any = None
        distance = self.real.get(self.count, inf)
        return Settled(replace(choices[0], rung=SETTLED), settings, 32.0, distance, True)

    def weigh(
        self, choices: tuple[RungChoice, ...], manners: tuple[bool, ...] = (False, True)
    ) -> Settled:
        self.weighed.append((self.count, choices[0].rung, manners))
        settings: Any = None
        return Settled(choices[0], settings, 32.0, self.real[self.count], manners[0])

    def keep(self, rungs: set[Fraction]) -> None:
        pass

    def clear(self) -> None:
        self.cleared.append(self.count)


def planned(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    quick: dict[int, float],
    real: dict[int, float] | None = None,
    shortest: float = 1.0,
    use_generator: bool = True,
    generated: bool = True,
) -> interval_choice.SequencePlan:
    """Plan ten seconds whose longest interval is five."""
    told = {
        "quick": quick,
        "real": real or {},
        "generated": generated,
        "made": [],
        "cleared": [],
        "weighed": [],
    }
    for name, value in told.items():
        monkeypatch.setattr(Planner, name, value, raising=False)
    monkeypatch.setattr(interval_choice, "Planner", Planner)
    settings = SimpleNamespace(keyframe_interval=5.0, shortest_interval=shortest)
    context: Any = Context(Survey((0, 5, 10)), settings, folder, use_generator)
    plan = interval_choice.plan_sequence(context, 1000.0)
    # pictures of all others are gone
    assert sorted([*Planner.cleared, count(plan)]) == sorted(Planner.made)
    return plan


def count(plan: interval_choice.SequencePlan) -> int:
    return len(plan.context.survey.starts) - 1


def test_intervals_shorten_where_it_pays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plan = planned(monkeypatch, tmp_path, {2: 0.5, 5: 0.4, 10: 0.3})
    assert count(plan) == 10
    assert plan.settled.choice.distance == 0.3
    assert plan.context.folder.parent == tmp_path and plan.context.folder.is_dir()
    assert not Planner.weighed


@pytest.mark.parametrize(("shorter", "wins"), [(0.198, False), (0.19, True)])
def test_of_two_that_are_near_the_encodes_own_settings_decide(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shorter: float, wins: bool
) -> None:
    """By trials that see only some segments, so a shorter one must win clearly."""
    plan = planned(monkeypatch, tmp_path, {2: 0.5, 5: 0.52, 10: 0.6}, {2: 0.2, 5: shorter})
    assert count(plan) == (5 if wins else 2)
    assert (plan.context.folder == tmp_path) != wins
    # at the size and in the manner that the longer one settled on
    assert Planner.weighed == [(5, SETTLED, (True,))]
    assert plan.settled.choice.rung == SETTLED


def test_what_quick_trials_are_sure_of_is_not_tried_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A longer interval that lost is none of two that are near each other."""
    plan = planned(monkeypatch, tmp_path, {2: 0.5, 5: 0.49, 10: 0.475})
    assert count(plan) == 10
    assert not Planner.weighed


def test_of_several_that_are_near_the_longest_is_compared_with_the_best(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plan = planned(monkeypatch, tmp_path, {2: 0.5, 5: 0.495, 10: 0.49}, {2: 0.2, 10: 0.1})
    assert count(plan) == 10
    assert [weighed[0] for weighed in Planner.weighed] == [10]


def test_behind_ordinary_keyframes_a_shorter_one_has_both_manners(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    near = {2: 0.5, 5: 0.5, 10: 0.9}
    plan = planned(monkeypatch, tmp_path, near, {2: 0.2, 5: 0.1}, generated=False)
    assert count(plan) == 5 and plan.settled.choice.generated
    assert Planner.weighed == [(5, HALF, (False, True))]


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
