"""Settings of a training run, read from a TOML file under trainer/configs."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from refcodec.fitting.trade import Trade
from trainer.networks import Architecture


@dataclass(frozen=True)
class Settings:
    """Everything that determines a run; `steps` and `decay_steps` may grow when it is resumed.

    Over the last `decay_steps` the learning rate falls to zero. Over the last `rounded_steps` the rate is that of
    rounded values, not of noisy ones, which wastes bits (decision 25): the first runs had it.

    A run that is quantised from step 0 starts from weights whose activation steps were learned before. `frozen`:
    parts that stay as they began, by the names of modules or parameters. `start`: part -> the part of the weights to
    start from that it takes, or several 1x1 convolutions in a row that it takes folded into one; others take that of
    their own name. `enlarged`: part of the crops that are enlarged, up to `enlarged_most` times, as video is often
    softer than its size allows. `lpips_weight` is for LPIPS-alex, `squeeze_weight` for LPIPS-squeeze,
    `l1_weight` for the absolute error of RGB at three scales, `adversarial_weight` for the judgement of a network that
    learns to tell coded pictures from originals, at `adversary_rate`.
    """

    seed: int = 1
    batch: int = 6
    crop: int = 192
    learning_rate: float = 5e-4
    warm_steps: int = 300
    mse_only_steps: int = 700
    quantised_from: int = 6000
    steps: int = 12000
    decay_steps: int = 3000
    rounded_steps: int = 0
    average: float = 0.998
    clip: float = 1.0
    mse_weight: float = 60.0
    chroma_weight: float = 0.25
    low_weight: float = 2.0
    lpips_weight: float = 1.0
    squeeze_weight: float = 0.0
    l1_weight: float = 0.0
    adversarial_weight: float = 0.0
    adversary_rate: float = 2e-4
    trade_at_finest: float = 8.0
    trade_octaves: float = 6.5
    enlarged: float = 0.0
    enlarged_most: float = 2.5
    frozen: Sequence[str] = ()
    start: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    architecture: Architecture = field(default_factory=Architecture)

    @property
    def trade(self) -> Trade:
        """What the run weighs."""
        return Trade(self.trade_at_finest, self.trade_octaves)


def read_settings(path: Path) -> Settings:
    """Read a configuration; raises ValueError for an unknown key."""
    values = tomllib.loads(path.read_text())
    architecture = Architecture(**values.pop("architecture", {}))
    known = {f.name for f in fields(Settings)}
    if unknown := set(values) - known:
        raise ValueError(f"{path}: unknown settings {sorted(unknown)}")
    return Settings(**values, architecture=architecture)
