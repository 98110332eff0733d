"""Training of the encoder's measure: the analysis network of a generator, taught to see what LPIPS sees.

LPIPS is the mean of its two networks here, so that a decision or a fit does not please one of them only.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import Tensor

from refcodec.fitting.feature_distance import FeatureNetwork
from refcodec.metrics.analysis_features import WEIGHT
from refcodec.twin.planes import Planes
from trainer.measure_pairs import Pairs
from trainer.moving_pictures import SIZE

FLOOR = 0.02
"""Added to both distances before their logarithms are compared."""


FIRST_SHARES = (0.1, 0.1, 0.5)
"""Squares of the first weights of differences, by level; there is one for each feature."""


@dataclass(frozen=True)
class Training:
    """steps, batch: of pairs; learning_rate: of Adam, to zero by a cosine; seed; held_back: part of the pairs that
    is measured only."""

    steps: int = 1500
    batch: int = 8
    learning_rate: float = 3e-4
    seed: int = 1
    held_back: float = 0.1


@dataclass(frozen=True)
class Agreement:
    """Of a measure with LPIPS on pairs. correlation: of the ranks; error: root mean square of the difference of
    logarithms."""

    correlation: float
    error: float


def train(
    network: FeatureNetwork,
    pairs: Pairs,
    settings: Training,
    report: Callable[[int, float, float], None],
    seconds: float = 1e12,
) -> None:
    """Train in place; report(step, loss, elapsed seconds)."""
    rng = np.random.default_rng(settings.seed)
    count = len(pairs.alex) - held_back(pairs, settings)
    parameters = [weight.requires_grad_() for weight in network.weights.values()]
    optimiser = torch.optim.Adam(parameters, settings.learning_rate)
    begin = time.monotonic()
    for step in range(settings.steps):
        part = max(step / settings.steps, (time.monotonic() - begin) / seconds)
        if part >= 1:
            break
        rate = settings.learning_rate * 0.5 * (1 + np.cos(np.pi * part)) * min(1.0, (step + 1) / 50)
        for group in optimiser.param_groups:
            group["lr"] = rate
        chosen = rng.choice(count, min(settings.batch, count), replace=False)
        loss = (logarithms(network, pairs, chosen) - wanted(pairs, chosen)).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        report(step + 1, float(loss.detach()), time.monotonic() - begin)
    for parameter in parameters:
        parameter.requires_grad_(False)


def held_back(pairs: Pairs, settings: Training) -> int:
    """Return how many pairs, the last ones, are not trained on."""
    return round(settings.held_back * len(pairs.alex))


def agreement(network: FeatureNetwork, pairs: Pairs, chosen: np.ndarray) -> Agreement:
    """Return how a measure agrees with LPIPS on the pairs `chosen`."""
    with torch.no_grad():
        parts = np.array_split(chosen, max(1, len(chosen) // 8))
        ours = torch.cat([logarithms(network, pairs, part) for part in parts])
    goal = wanted(pairs, chosen)
    ranks = [torch.argsort(torch.argsort(values)).double() for values in (ours, goal)]
    correlation = torch.corrcoef(torch.stack(ranks))[0, 1]
    return Agreement(float(correlation), float((ours - goal).square().mean().sqrt()))


def logarithms(network: FeatureNetwork, pairs: Pairs, chosen: np.ndarray) -> Tensor:
    """Return log(distance + FLOOR) of the pairs `chosen`, (N,)."""
    a, b = (
        network.features(_planes(samples[chosen])) for samples in (pairs.originals, pairs.decoded)
    )
    return (network.between(a, b) + FLOOR).log()


def wanted(pairs: Pairs, chosen: np.ndarray) -> Tensor:
    """Return log(LPIPS + FLOOR) of the pairs `chosen`, (N,)."""
    both = (pairs.alex[chosen] + pairs.squeeze[chosen]) / 2
    return torch.from_numpy(np.log(both + FLOOR))


def begun(weights: dict[str, Tensor]) -> FeatureNetwork:
    """Return the measure to train from the weights of analysis networks."""
    used = {
        name: value.clone()
        for name, value in weights.items()
        if name.startswith("analysis.") and not name.startswith("analysis.last")
    }
    widths = [used[f"analysis.{name}.bias"].numel() for name in ("first", "down1", "down2")]
    for level, width in enumerate(widths):
        share = FIRST_SHARES[level]
        used.setdefault(WEIGHT.format(level=level), torch.full((width,), share**0.5))
    return FeatureNetwork(used)


def save(network: FeatureNetwork, path: Path) -> None:
    """Write the float16 weights."""
    arrays = {n: v.detach().cpu().numpy().astype(np.float16) for n, v in network.weights.items()}
    save_file(arrays, path)


def _planes(samples: np.ndarray) -> Planes:
    """Return the planes of pictures (N, SIZE * SIZE * 3 / 2) whose planes follow each other."""
    values = torch.from_numpy(samples).float()
    luma, chroma = SIZE * SIZE, SIZE * SIZE // 4
    half = SIZE // 2
    return Planes(
        values[:, :luma].view(-1, SIZE, SIZE),
        values[:, luma : luma + chroma].view(-1, half, half),
        values[:, luma + chroma :].view(-1, half, half),
    )
