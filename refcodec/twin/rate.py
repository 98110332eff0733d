"""The rate of a latent as a smooth function: the distributions behind the normative tables."""

import torch
from torch import Tensor

SMALLEST_PROBABILITY = 2.0**-15


def laplace_bits(x: Tensor, mean: Tensor, index: Tensor) -> Tensor:
    """Bits of the interval x-1/2..x+1/2 under Laplace(mean, 2^(-3.5 + 0.2 index)), elementwise (#parse.tables).

    The coded rate differs from it by the rounding of the tables only. All tensors float32, shapes that broadcast.
    """
    rate = torch.exp2(3.5 - 0.2 * index)
    distance = (x - mean).abs()
    outer = torch.exp(-(distance + 0.5) * rate)
    inner = torch.exp(-(distance - 0.5).abs() * rate)
    p = torch.where(distance >= 0.5, 0.5 * (inner - outer), 1 - 0.5 * (outer + inner))
    # at the tables' floor the bits are constant; a slope keeps improbable values coming back
    slope = 0.2 * rate.detach().clamp(max=1) * (p < SMALLEST_PROBABILITY)
    return -torch.log2(p.clamp_min(SMALLEST_PROBABILITY)) + slope * (distance - distance.detach())
