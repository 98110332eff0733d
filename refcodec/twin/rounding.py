"""Rounding with a derivative."""

import torch
from torch import Tensor


def round_through(x: Tensor) -> Tensor:
    """Round half up with the gradient of the identity."""
    return torch.floor(x.detach() + 0.5) + (x - x.detach())
