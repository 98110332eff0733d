"""The search for settings of the encoder: which of them looks better at equal rate, one change at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from refcodec import errors
from refcodec.ablation.running import METRICS, Ablation, ClipResult, run_ablation
from refcodec.ablation.variants import Variant
from refcodec.comparison.progress import Progress, silent
from refcodec.encoder.settings import EncoderSettings

JUDGES = ("lpips_alex", "lpips_squeeze")
"""Measures whose mean decides."""
PAYS = 0.005
"""What a change must gain, as a part of the distance, to be taken."""
BASE = "as it is"

TRIED: tuple[str, ...] = (
    "deblock=0,0", "aq-strength=0.5", "aq-mode=0", "qcomp=0.75", "chroma-qp-offset=3", "psy-rd=0,0",
    "psy-rd=1.5,0", "pbratio=1.1", "rc-lookahead=30", "subme=7", "trellis=0", "deadzone-inter=21",
    "keyframe-interval=2.5", "prompt-share=0.29", "prompt-share=0.62",
)  # fmt: skip
"""What is tried where the user names nothing."""


def changed(settings: EncoderSettings, change: str) -> EncoderSettings:
    """Return settings with one change "name=value": keyframe-interval or prompt-share, else a parameter of x264.

    Raises HYP-E-CLI-03 for text of another form and HYP-E-OUT-03 for values that the encoder refuses.
    """
    name, equals, value = change.partition("=")
    try:
        if not (name and equals and value) or "/" in change:
            raise ValueError("no such form")
        if name == "keyframe-interval":
            # The shortest one too: trials would choose another.
            return settings.with_(keyframe_interval=float(value), shortest_interval=float(value))
        if name == "prompt-share":
            return settings.with_(prompt_share=float(value))
    except ValueError as problem:
        raise errors.error(
            "HYP-E-CLI-03", element="--try", value=change, allowed="NAME=VALUE", detail=str(problem)
        ) from problem
    return settings.with_(inter_options=(*settings.inter_options, (name, value)))


@dataclass(frozen=True)
class Tried:
    """One change on one clip: its measures, and those of the settings without it."""

    change: str
    clip: str
    before: dict[str, float]
    after: dict[str, float]

    @property
    def gain(self) -> float:
        """Mean change of the deciding measures, as a part; below 0 it looks better."""
        known = [name for name in JUDGES if name in self.before and name in self.after]
        return float(np.mean([self.after[name] / self.before[name] - 1 for name in known]))


@dataclass(frozen=True)
class SearchRound:
    """What one round tried, on top of what the rounds before it had taken."""

    taken: tuple[str, ...]
    tried: tuple[Tried, ...]

    def mean_gain(self, change: str) -> float:
        """Return the mean gain of a change over the clips."""
        return float(np.mean([each.gain for each in self.tried if each.change == change]))

    @property
    def best(self) -> str:
        """The change with the largest mean gain."""
        return min(dict.fromkeys(each.change for each in self.tried), key=self.mean_gain)


def search_settings(
    clips: Sequence[Path],
    plan: Ablation,
    changes: Sequence[str],
    rounds: int,
    *,
    cache: Path | None = None,
    progress: Progress = silent,
    done: Callable[[list[SearchRound]], None] | None = None,
) -> list[SearchRound]:
    """Try each change on each clip at one rate and one coded size; take the best one where it pays, and try the
    others on top of it, for so many rounds at most. `done` is told after each round."""
    for change in changes:
        changed(plan.settings, change)
    found: list[SearchRound] = []
    taken: tuple[str, ...] = ()
    left = list(changes)
    while left and len(found) < rounds:
        here = replace(plan, settings=_all(plan.settings, taken))
        variants = [Variant(BASE, "", _unchanged), *map(_variant, left)]
        results = run_ablation(clips, here, variants=variants, cache=cache, progress=progress)
        found.append(SearchRound(taken, tuple(t for each in results for t in _tried(each, left))))
        if done is not None:
            done(found)
        best = found[-1].best
        if found[-1].mean_gain(best) > -PAYS:
            break
        taken = (*taken, best)
        # Other values of what is taken are other changes, but not on top of it.
        left = [each for each in left if each.partition("=")[0] != best.partition("=")[0]]
    return found


def _unchanged(settings: EncoderSettings, steps: int) -> EncoderSettings:
    return settings


def _variant(change: str) -> Variant:
    return Variant(change, change, lambda settings, steps: changed(settings, change))


def _all(settings: EncoderSettings, changes: Sequence[str]) -> EncoderSettings:
    for change in changes:
        settings = changed(settings, change)
    return settings


def _tried(result: ClipResult, changes: Sequence[str]) -> list[Tried]:
    measures = {
        each.label: {
            name: summary.mean for name in METRICS if (summary := each.summary(name)) is not None
        }
        for each in result.comparison.results
    }
    return [Tried(change, result.clip, measures[BASE], measures[change]) for change in changes]
