"""The optimiser of latents: Adam whose steps are in proportion to the derivative.

Plain Adam moves all latents at one speed, so that from whole numbers they all come to their next rounding at one step,
and the picture falls apart. With one second moment for all of them those move first that gain most. Little momentum,
since the derivative before a latent's rounding says nothing about the one behind it (docs/decisions/0014).
"""

from __future__ import annotations

import torch
from torch import Tensor

_FIRST, _SECOND = 0.5, 0.95
_TINY = 1e-12


class CommonAdam:
    """Adam on one tensor with one second moment; a step moves no element by more than `longest` times the
    learning rate."""

    def __init__(self, values: Tensor, longest: float = 20.0) -> None:
        self._values, self._longest = values, longest
        self._mean = torch.zeros_like(values)
        self._square = values.new_zeros(())
        self._steps = 0

    def step(self, gradient: Tensor, learning_rate: float) -> None:
        """Move the values against the gradient."""
        self._steps += 1
        self._mean.lerp_(gradient, 1 - _FIRST)
        self._square.lerp_(gradient.square().mean(), 1 - _SECOND)
        mean = self._mean / (1 - _FIRST**self._steps)
        root = (self._square / (1 - _SECOND**self._steps)).sqrt_().add_(_TINY)
        move = (mean / root).clamp_(-self._longest, self._longest)
        with torch.no_grad():
            self._values.sub_(move, alpha=learning_rate)
