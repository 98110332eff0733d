"""How far keyframes stand apart: shorter than asked for where trial encodes like that better."""

from __future__ import annotations

from dataclasses import dataclass, replace

from refcodec.encoder.context import EncodeContext
from refcodec.encoder.planning import Planner
from refcodec.encoder.rung_choice import RungChoice

_SHORTENED = 2.2
"""What divides the interval from one trial to the next."""
_WORTH = 0.96
"""Distance, times that before, from which a shorter interval is taken: trials see only some segments."""


@dataclass(frozen=True, slots=True)
class SequencePlan:
    """A sequence with its keyframes placed. choices: of the rung, the best one first, from which the planner settles
    on one; target_size: as the planner's."""

    context: EncodeContext
    planner: Planner
    choices: tuple[RungChoice, ...]
    target_size: float | None


def plan_sequence(context: EncodeContext, target_size: float | None) -> SequencePlan:
    """Return the plan at the longest interval, or at the shorter one that trials like best."""
    planner = Planner(context, target_size)
    best = SequencePlan(context, planner, planner.choose_rung(), target_size)
    settings = context.settings
    interval = settings.keyframe_interval / _SHORTENED
    first = best.choices[0]
    tried = {context.survey.starts}
    while (
        target_size is not None
        and context.use_generator
        and first.distance is not None
        and interval >= settings.shortest_interval
    ):
        survey = context.survey.placed(interval)
        if survey.starts not in tried:
            tried.add(survey.starts)
            # Segments are numbered, so what is kept of them needs a folder of its own.
            folder = context.folder / f"interval-{interval:.3f}"
            folder.mkdir()
            shorter = replace(context, survey=survey, folder=folder)
            planner = Planner(shorter, target_size)
            choice, before = planner.at(first), best.choices[0].distance
            assert choice.distance is not None and before is not None
            if choice.distance > _WORTH * before:
                planner.clear()
            else:
                best.planner.clear()
                best = SequencePlan(shorter, planner, (choice,), target_size)
        interval /= _SHORTENED
    return best
