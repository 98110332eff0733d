"""How far keyframes stand apart: shorter than asked for where trial encodes like that better."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from refcodec.encoder.context import EncodeContext
from refcodec.encoder.planning import Planner, Settled
from refcodec.encoder.rung_choice import RungChoice

_SHORTENED = 2.2
"""What divides the interval from one trial to the next."""
_NEAR = 1.06
"""Distance of an interval, times that of the best one, up to which quick trials do not decide."""
_WORTH = 0.97
"""Distance, times that of the longer interval, from which the shorter one is taken: trials see only some segments."""


@dataclass(frozen=True, slots=True)
class SequencePlan:
    """A sequence with its keyframes placed. target_size: as the planner's."""

    context: EncodeContext
    planner: Planner
    settled: Settled
    target_size: float | None


@dataclass(frozen=True, slots=True)
class _Interval:
    """One placing of the keyframes. choices: of the rung, the best one first, from which the planner settles on one."""

    context: EncodeContext
    planner: Planner
    choices: tuple[RungChoice, ...]

    @property
    def distance(self) -> float:
        """What quick trials say."""
        distance = self.choices[0].distance
        assert distance is not None
        return distance


def plan_sequence(context: EncodeContext, target_size: float | None) -> SequencePlan:
    """Return the plan at the longest interval, or at the shorter one that trials like best. Quick trials say which
    two may be the best ones, and trials with the settings of the encode itself which of these is."""
    planner = Planner(context, target_size)
    left = [_Interval(context, planner, planner.choose_rung())]
    first = left[0].choices[0]
    if target_size is not None and context.use_generator and first.distance is not None:
        for shorter in _shorter(context):
            planner = Planner(shorter, target_size)
            left = _contenders([*left, _Interval(shorter, planner, (planner.at(first),))])
    best = left[0]
    settled = best.planner.settle(best.choices)
    for rival in left[1:]:
        found = _against(settled, rival)
        if found.distance < _WORTH * settled.distance:
            best.planner.clear()
            best, settled = rival, found
            rival.planner.keep_only(found.choice.rung)
        else:
            rival.planner.clear()
    return SequencePlan(best.context, best.planner, settled, target_size)


def _shorter(context: EncodeContext) -> Iterator[EncodeContext]:
    """Yield the sequence with its keyframes nearer to each other, as far as that is allowed."""
    settings = context.settings
    interval = settings.keyframe_interval / _SHORTENED
    tried = {context.survey.starts}
    while interval >= settings.shortest_interval:
        survey = context.survey.placed(interval)
        if survey.starts not in tried:
            tried.add(survey.starts)
            # Segments are numbered, so what is kept of them needs a folder of its own.
            folder = context.folder / f"interval-{interval:.3f}"
            folder.mkdir()
            yield replace(context, survey=survey, folder=folder)
        interval /= _SHORTENED


def _contenders(intervals: list[_Interval]) -> list[_Interval]:
    """Return of intervals from long to short the best one and another one that is nearly as good, if there is one: the
    longest of these. The others are removed."""
    least = min(each.distance for each in intervals)
    near = [each for each in intervals if each.distance <= _NEAR * least]
    best = min(near, key=lambda each: each.distance)
    other = next((each for each in near if each is not best), None)
    for each in intervals:
        if each is not best and each is not other:
            each.planner.clear()
    return [each for each in near if each is best or each is other]


def _against(settled: Settled, rival: _Interval) -> Settled:
    """Return what trials with the settings of the encode itself say about a shorter interval; where what the longer
    one settled on has generated keyframes too, at its rung and in its manner."""
    (choice,) = rival.choices
    if not settled.choice.generated:
        return rival.planner.weigh((choice,))
    if settled.choice.rung != choice.rung:
        choice = rival.planner.at(settled.choice)
    return rival.planner.weigh((choice,), (settled.restless,))
