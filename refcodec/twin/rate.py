"""The rate of a latent as a smooth function: the distributions behind the normative tables."""

import torch
from torch import Tensor

SMALLEST_PROBABILITY = 2.0**-15


def rate_slope(x: Tensor, mean: Tensor, index: Tensor) -> Tensor:
    """Derivative of the expected bits of x + u with u uniform in -1/2..1/2, elementwise, as `laplace_bits`.

    It is what a whole step across x costs. The derivative at the rounded value is no use to descent: it is 0 where a
    value rounds to its mean, however near to the next rounding it is (docs/decisions/0025).
    """
    return laplace_bits(x + 0.5, mean, index) - laplace_bits(x - 0.5, mean, index)


def laplace_bits(
    x: Tensor, mean: Tensor, index: Tensor, *, exact_derivative: bool = False
) -> Tensor:
    """Bits of the interval x-1/2..x+1/2 under Laplace(mean, 2^(-3.5 + 0.2 index)), elementwise (#parse.tables).

    The coded rate differs from it by the rounding of the tables only. All tensors float32, shapes that broadcast.
    At the tables' floor the bits are constant: there the derivative is not theirs but a slope that keeps improbable
    values coming back, unless `exact_derivative`.
    """
    rate = torch.exp2(3.5 - 0.2 * index)
    distance = (x - mean).abs()
    outer = torch.exp(-(distance + 0.5) * rate)
    inner = torch.exp(-(distance - 0.5).abs() * rate)
    p = torch.where(distance >= 0.5, 0.5 * (inner - outer), 1 - 0.5 * (outer + inner))
    bits = -torch.log2(p.clamp_min(SMALLEST_PROBABILITY))
    if exact_derivative:
        return bits
    slope = 0.2 * rate.detach().clamp(max=1) * (p < SMALLEST_PROBABILITY)
    return bits + slope * (distance - distance.detach())
