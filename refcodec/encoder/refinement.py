"""Latent refinement: fit the prompt of one keyframe to its picture, guided by gradients (needs torch).

Latents are whole numbers, so the search moves by whole steps: the elements whose gradient promises most go one step
down it, together; what a real decode does not confirm is taken back and fewer are tried. (Plain Adam on relaxed
latents was tried first: from the analysis network's latents it only made the cost worse.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from refcodec.generator import GeneratorModel
from refcodec.generator.prompt import Latents
from refcodec.picture import Picture

if TYPE_CHECKING:
    from torch import Tensor

Int16 = NDArray[np.int16]

# Weights of the distortion: LPIPS + 60 * MSE, as in training (trainer/settings.py).
MSE_WEIGHT = 60.0
MSE_ONLY_WEIGHT = 240.0
CHROMA_WEIGHT = 0.5
FIRST_SHARE, GROWTH, SHRINKAGE, FEWEST = 0.004, 1.3, 0.5, 4


@dataclass(frozen=True)
class Refined:
    """`latents` that can be coded; `cost_before` and `cost_after` in bits per pixel and distortion."""

    latents: Latents
    cost_before: float
    cost_after: float


def refine(
    model: GeneratorModel,
    picture: Picture,
    q: int,
    start: Latents,
    *,
    trade: float,
    steps: int = 40,
    lpips_weights: Path | None = None,
    progress: Callable[[int, float], None] | None = None,
) -> Refined:
    """Return latents whose decoded picture has the lowest rate and distortion found in `steps` steps.

    Distortion: squared error, and LPIPS-alex where its weights are given (without them perceived detail may
    suffer, so callers should give them). `trade`: bits per luma sample that a distortion of 1 is worth. The
    result is never worse than `start`, measured on exact decodes.
    """
    import torch

    from refcodec.metrics.lpips_torch import LpipsModule
    from refcodec.metrics.lpips_weights import load_weights
    from refcodec.twin.colour import planes_to_rgb
    from refcodec.twin.keyframe import KeyframeTwin

    twin = KeyframeTwin(model, q, start.hyper)
    luma = torch.from_numpy(picture.y.astype(np.float32))[None, None] / 255
    chroma = torch.from_numpy(np.stack([picture.u, picture.v]).astype(np.float32))[None] / 255
    lpips = LpipsModule("alex", load_weights(lpips_weights)) if lpips_weights else None
    with torch.no_grad():
        target = lpips.features(planes_to_rgb(luma, chroma).clamp(0, 1)) if lpips else None

    def cost_and_gradient(values: Tensor) -> tuple[float, Tensor, Int16]:
        values = values.clone().requires_grad_()
        rendering = twin.render(values)
        y, c = rendering.luma / 255, rendering.chroma / 255
        error = (y - luma).square().mean() + CHROMA_WEIGHT * (c - chroma).square().mean()
        distortion = (MSE_WEIGHT if lpips else MSE_ONLY_WEIGHT) * error
        if lpips and target:
            rgb = planes_to_rgb(y, c).clamp(0, 1)
            distortion = distortion + lpips.compare(lpips.features(rgb), target).sum()
        cost = rendering.bits / luma.numel() + trade * distortion
        (gradient,) = torch.autograd.grad(cost, values)
        whole = rendering.values.detach()[0].numpy().astype(np.int16)
        return float(cost.detach()), gradient.detach(), whole

    values = torch.from_numpy(start.values.astype(np.float32))[None]
    first, gradient, best = cost_and_gradient(values)
    lowest = first
    barred = torch.zeros(values.shape, dtype=torch.bool)
    count = max(FEWEST, int(FIRST_SHARE * values.numel()))
    for step in range(1, steps + 1):
        promise = gradient.abs().masked_fill(barred, 0).flatten()
        chosen = promise.topk(min(count, promise.numel())).indices
        move = torch.zeros_like(promise)
        move[chosen] = gradient.flatten().sign()[chosen]
        cost, new_gradient, whole = cost_and_gradient(values - move.view_as(values))
        if cost < lowest:
            values, gradient = torch.from_numpy(whole.astype(np.float32))[None], new_gradient
            lowest, best = cost, whole
            count = int(count * GROWTH) + 1
        elif count > FEWEST:
            count = max(FEWEST, int(count * SHRINKAGE))
        else:
            barred.view(-1)[chosen] = True
        if progress:
            progress(step, lowest)
    return Refined(Latents(best, start.hyper), first, lowest)
