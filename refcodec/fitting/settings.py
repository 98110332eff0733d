"""How prompts are fitted, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from refcodec import errors

FULL_INTERVAL = 4.0
"""Seconds of an interval from which on a fit has all of its steps."""


def share_of(seconds: float) -> float:
    """Return the share of the work of a full interval that an interval of so many seconds has in a fit."""
    return float(min(1.0, seconds / FULL_INTERVAL) ** 0.5)


@dataclass(frozen=True, slots=True)
class FitSettings:
    """Settings of a fit.

    steps: of the optimiser in each round; a round ends with coding the following pictures anew. As `targets` and
        `sampled`, for an interval of FULL_INTERVAL seconds or more (`for_interval`).
    rounds: at most; after one that does not improve the decode the next one goes half as fast, and a second such one
        ends the fit.
    keyframe_rounds: how many of them, at the beginning, fit the prompt to its keyframe alone.
    targets: following pictures that are decoded by the twin and compared in a joint round, spread over the
        interval; 0: all rounds fit the prompt to its keyframe alone.
    following_weight: weight of the following pictures' distortion, their mean, in a joint round, beside the keyframe's
        own, which has 1.
    decay: weight of a picture a second later than another one, 0 < decay <= 1.
    sampled: how many of them are decoded in a step, drawn anew each time; at the end of a round all are.
    learning_rate: of the optimiser at the beginning of a round, in quantised units; it falls to a tenth.
    joint_rate: that of a joint round.
    noise: width of the noise before rounding at the beginning of a round, 0 to 1; it falls to 0.
    lpips: files of the weights of LPIPS, whose mean is the perceptual distance; none of them: features of the
        analysis networks are compared in its place.
    turns: 1: in a step each picture is judged by one of these networks, in turns, which takes half the time; 0: by
        all. At the end of a round all judge.
    presented: 1: pictures are compared as they are presented, upscaled and restored, in place of their coded size (0).
    mse_weight: of the squared error (of samples in 0..1) beside the perceptual distance.
    device: of torch, "cpu" or "cuda".
    threads: of torch on the CPU. Constant, because sums of floating-point numbers depend on it.
    seed: of noise and of the choice of targets.
    """

    steps: int = 30
    rounds: int = 2
    keyframe_rounds: int = 0
    targets: int = 6
    following_weight: float = 0.67
    decay: float = 1.0
    sampled: int = 2
    learning_rate: float = 0.03
    joint_rate: float = 0.03
    noise: float = 1.0
    lpips: tuple[Path, ...] = ()
    turns: int = 1
    presented: int = 1
    mse_weight: float = 60.0
    device: str = "cpu"
    threads: int = 2
    seed: int = 0

    @property
    def takes_turns(self) -> bool:
        """Whether there are several judges, one of which judges a picture in a step."""
        return self.turns > 0 and len(self.lpips) > 1

    def with_options(self, options: Sequence[str], element: str) -> FitSettings:
        """Return the settings with some changed, each "name=value", but for `steps` and what is no number. Raises
        HYP-E-CLI-03, with `element` as the option, for text of another form and HYP-E-OUT-03 for its value."""
        known = {
            each.name: type(getattr(self, each.name))
            for each in fields(self)
            if isinstance(getattr(self, each.name), int | float) and each.name != "steps"
        }
        changes: dict[str, Any] = {}
        for option in options:
            name, _, value = option.partition("=")
            try:
                changes[name] = known[name](value)
            except (KeyError, ValueError) as problem:
                raise errors.error(
                    "HYP-E-CLI-03",
                    element=element,
                    value=option,
                    allowed=f"NAME=VALUE, NAME one of {', '.join(known)}",
                ) from problem
        return replace(self, **changes)

    def for_interval(self, seconds: float) -> FitSettings:
        """Return the settings for an interval of so many seconds: steps, targets and pictures of a step by the square
        root of its length, where it is short. So keyframes that come more often take less time each, and more
        together (docs/decisions/0032)."""
        share = share_of(seconds)
        return replace(
            self,
            steps=max(1, round(share * self.steps)),
            targets=min(self.targets, max(1, round(share * self.targets))),
            sampled=max(1, round(share * self.sampled)),
        )

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("steps", self.steps, 1, 100_000),
            ("rounds", self.rounds, 1, 100),
            ("keyframe_rounds", self.keyframe_rounds, 0, 100),
            ("targets", self.targets, 0, 10_000),
            ("following_weight", self.following_weight, 0, 1000),
            ("decay", self.decay, 1e-6, 1),
            ("sampled", self.sampled, 1, 10_000),
            ("learning_rate", self.learning_rate, 1e-6, 10),
            ("joint_rate", self.joint_rate, 1e-6, 10),
            ("noise", self.noise, 0, 1),
            ("turns", self.turns, 0, 1),
            ("presented", self.presented, 0, 1),
            ("mse_weight", self.mse_weight, 0, 1e6),
            ("threads", self.threads, 1, 1024),
        ):
            if not low <= value <= high:
                raise errors.error(
                    "HYP-E-OUT-03", element=f"fit.{name}", value=value, allowed=f"{low}..{high}"
                )
