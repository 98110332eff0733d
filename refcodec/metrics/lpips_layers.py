"""The two backbones of LPIPS v0.1 as a list of steps, and its input scaling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Net = Literal["alex", "squeeze"]
NETS: tuple[Net, ...] = ("alex", "squeeze")

SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)
"""Inputs in [-1, 1] are scaled to (x - SHIFT) / SCALE, channel by channel."""

EPSILON = 1e-10
"""Added to the norm of a feature vector before it divides."""


@dataclass(frozen=True)
class Convolution:
    """Convolution followed by ReLU; `name` is the prefix of its tensors after `net.features.`."""

    name: str
    stride: int
    padding: int


@dataclass(frozen=True)
class Fire:
    """SqueezeNet's module: 1x1 to few channels, then 1x1 and 3x3 side by side, each with ReLU."""

    name: str


@dataclass(frozen=True)
class Pool:
    """Maximum of 3x3 samples, stride 2; with `ceil` a last partial window counts."""

    ceil: bool


@dataclass(frozen=True)
class Tap:
    """The activations at this point are compared."""


Step = Convolution | Fire | Pool | Tap

STEPS: dict[str, tuple[Step, ...]] = {
    "alex": (
        Convolution("0", 4, 2),
        Tap(),
        Pool(False),
        Convolution("3", 1, 2),
        Tap(),
        Pool(False),
        Convolution("6", 1, 1),
        Tap(),
        Convolution("8", 1, 1),
        Tap(),
        Convolution("10", 1, 1),
        Tap(),
    ),
    "squeeze": (
        Convolution("0", 2, 0),
        Tap(),
        Pool(True),
        Fire("3"),
        Fire("4"),
        Tap(),
        Pool(True),
        Fire("6"),
        Fire("7"),
        Tap(),
        Pool(True),
        Fire("9"),
        Tap(),
        Fire("10"),
        Tap(),
        Fire("11"),
        Tap(),
        Fire("12"),
        Tap(),
    ),
}

MINIMUM_SIZE = 32
"""Smallest width and height at which every tapped layer still has a sample."""
