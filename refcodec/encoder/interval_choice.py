"""How far keyframes stand apart: shorter than asked for where trial encodes like that better."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from refcodec.encoder.context import EncodeContext
from refcodec.encoder.planning import Planner, Settled
from refcodec.encoder.rung_choice import RungChoice

_SHORTENED = 2.2
"""What divides the interval from one trial to the next."""
_SURE = 0.96
"""Distance, times that of a longer interval, from which quick trials alone make it the shorter one."""
_NEAR = 1.06
"""Distance, likewise, up to which trials with the settings of the encode itself compare the two."""
_WORTH = 0.97
"""Distance by those, likewise, from which the shorter one is taken: trials see only some segments."""


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
    """Return the plan at the longest interval, or at the shorter one that trials like best. Where quick trials do not
    tell them apart, trials with the settings of the encode itself do."""
    planner = Planner(context, target_size)
    best = _Interval(context, planner, planner.choose_rung())
    rival: _Interval | None = None
    first = best.choices[0]
    if target_size is not None and context.use_generator and first.distance is not None:
        for shorter in _shorter(context):
            planner = Planner(shorter, target_size)
            found = _Interval(shorter, planner, (planner.at(first),))
            if found.distance <= _SURE * best.distance:
                _clear(best, rival)
                best, rival = found, None
            elif found.distance <= _NEAR * best.distance and _is_better(found, rival):
                _clear(rival)
                rival = found
            else:
                _clear(found)
    settled = best.planner.settle(best.choices)
    if rival is not None:
        against = _against(settled, rival)
        if against.distance < _WORTH * settled.distance:
            rival.planner.keep({against.choice.rung})
            best, rival, settled = rival, best, against
        _clear(rival)
    return SequencePlan(best.context, best.planner, settled, target_size)


def _is_better(found: _Interval, rival: _Interval | None) -> bool:
    return rival is None or found.distance < rival.distance


def _clear(*intervals: _Interval | None) -> None:
    """Remove the pictures that are kept for intervals that are not taken."""
    for each in intervals:
        if each is not None:
            each.planner.clear()


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


def _against(settled: Settled, rival: _Interval) -> Settled:
    """Return what trials with the settings of the encode itself say about a shorter interval; where what the longer
    one settled on has generated keyframes too, at its rung and in its manner."""
    (choice,) = rival.choices
    if not settled.choice.generated:
        return rival.planner.weigh((choice,))
    if settled.choice.rung != choice.rung:
        choice = rival.planner.at(settled.choice)
    return rival.planner.weigh((choice,), (settled.restless,))
