"""Latent refinement: fit the prompt of one keyframe to its picture by gradient descent (needs torch)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from refcodec.generator import GeneratorModel
from refcodec.generator.prompt import Latents
from refcodec.picture import Picture

# Weights of the training loss (trainer/settings.py): bits per pixel + trade(q) * (LPIPS + 60 * MSE).
MSE_WEIGHT = 60.0
MSE_ONLY_WEIGHT = 240.0
CHROMA_WEIGHT = 0.5
TRADE_AT_FINEST = 8.0
TRADE_OCTAVES = 6.5
FIRST_RATE, LAST_RATE = 0.08, 0.01


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
    steps: int = 40,
    lpips_weights: Path | None = None,
    progress: Callable[[int, float], None] | None = None,
) -> Refined:
    """Return latents whose decoded picture has the lowest rate and distortion found in `steps` steps.

    Distortion: squared error, and LPIPS-alex where its weights are given (without them perceived detail may
    suffer, so callers should give them). The result is never worse than `start`, measured on exact decodes.
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
    trade = TRADE_AT_FINEST * 2 ** (-q / 63 * TRADE_OCTAVES)
    values = torch.from_numpy(start.values.astype(np.float32))[None].requires_grad_()
    optimiser = torch.optim.Adam([values], lr=FIRST_RATE, betas=(0.9, 0.95))
    best: NDArray[np.int16] = start.values
    costs: list[float] = []
    lowest = float("inf")
    for step in range(steps + 1):
        rendering = twin.render(values)
        y, c = rendering.luma / 255, rendering.chroma / 255
        error = (y - luma).square().mean() + CHROMA_WEIGHT * (c - chroma).square().mean()
        distortion = (MSE_WEIGHT if lpips else MSE_ONLY_WEIGHT) * error
        if lpips and target:
            distortion = distortion + lpips.compare(lpips.features(planes_to_rgb(y, c).clamp(0, 1)), target).sum()
        cost = rendering.bits / luma.numel() + trade * distortion
        costs.append(float(cost.detach()))
        if costs[-1] < lowest:
            lowest = costs[-1]
            best = rendering.values.detach()[0].numpy().astype(np.int16)
        if progress:
            progress(step, lowest)
        if step == steps:
            break
        for group in optimiser.param_groups:
            group["lr"] = FIRST_RATE * (LAST_RATE / FIRST_RATE) ** (step / max(1, steps - 1))
        optimiser.zero_grad(set_to_none=True)
        cost.backward()
        optimiser.step()
    return Refined(Latents(best, start.hyper), costs[0], lowest)
