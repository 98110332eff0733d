"""A restoration network finds what a coarse quantiser and a small coded size took from luma (#dec.restoration).

    luma - 128 -> space_to_depth -> conv3x3, ReLU (once for each width) -> conv3x3 -> pixel_shuffle -> detail

A unit of detail is half a unit of luma; it is added with a gain of 1 to 3 halves.
"""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from refcodec.intnet.model_file import write_model_file
from refcodec.metrics.mixed_precision import mixed_precision
from refcodec.picture import Picture
from refcodec.restoration import RestorationModel, each_gain
from refcodec.restoration.model import DETAIL, LUMA, NETWORK
from refcodec.restoration.restorer import LARGEST_GAIN, MIDDLE
from refcodec.twin.colour import planes_to_rgb
from trainer.export import GraphBuilder
from trainer.graph import Conv, Executor, Range, Step, TorchExecutor, Value
from trainer.lpips import LPIPS
from trainer.moving_pictures import SIZE
from trainer.networks import Ranged
from trainer.restoration_pairs import PairSettings, RestorationPair

_LUMA = 1 / 255


@dataclass(frozen=True)
class RestorationTraining:
    """steps; batch: pairs of a step; crop: side of the part of a pair that is taken; learning_rate: of Adam, to zero
    in a line; quantised_from: step from which values are those of integers; mse_weight: of squared error beside LPIPS;
    factor: of space_to_depth; widths: channels of the layers between the first and the last tensor; seed."""

    steps: int = 3000
    batch: int = 4
    crop: int = 192
    learning_rate: float = 2e-3
    quantised_from: int = 1000
    mse_weight: float = 1.0
    factor: int = 4
    widths: tuple[int, ...] = (32,)
    seed: int = 1


def read_config(path: Path) -> tuple[PairSettings, RestorationTraining]:
    """Return the settings of a file in TOML: those of the pairs in a table `pairs`, sizes as fractions in quotes."""
    table = tomllib.loads(path.read_text())
    pairs = table.pop("pairs", {})
    if "sizes" in pairs:
        pairs["sizes"] = tuple(Fraction(size) for size in pairs["sizes"])
    return PairSettings(**pairs), RestorationTraining(**table)


class RestorationNetwork(Ranged):
    """From luma (N,1,H,W), multiples of `factor`, in units of 1/255 about the middle, to detail of the same size."""

    def __init__(self, factor: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.factor = factor
        self.luma = self.own("luma", Range(Step(_LUMA), -128, 127))
        self.hidden = self.own("hidden", Range(Step(1 / 256), 0, 255))
        self.detail = self.own("detail", Range(Step(_LUMA / 2), -128, 127))
        channels = (factor**2, *widths)
        self.layers = nn.ModuleList(
            Conv("conv3x3", inputs, outputs) for inputs, outputs in pairwise(channels)
        )
        self.last = Conv("conv3x3", channels[-1], factor**2, gain=0.01)

    def forward(self, g: Executor, luma: Value) -> Value:
        """Return the detail."""
        x = g.space_to_depth(luma, self.factor)
        for layer in self.layers:
            assert isinstance(layer, Conv)
            x = g.conv(layer, x, self.hidden)
        return g.pixel_shuffle(g.conv(self.last, x, self.detail), self.factor)

    def restored(self, g: Executor, luma: Tensor) -> Tensor:
        """Return luma (N,1,H,W), 0..1, with all of the detail; not rounded."""
        detail: Tensor = self(g, Value(luma - MIDDLE * _LUMA, 1, self.luma)).data
        return (luma + detail).clamp(0, 1)


def train(
    network: RestorationNetwork,
    pairs: Sequence[RestorationPair],
    lpips: Sequence[LPIPS],
    settings: RestorationTraining,
    report: Callable[[int, float, float], None],
) -> None:
    """Train in place on pairs by the mean of the distances `lpips`; report(step, loss, elapsed seconds)."""
    rng = np.random.default_rng(settings.seed)
    optimiser = torch.optim.Adam(network.parameters(), settings.learning_rate)
    begin = time.monotonic()
    for step in range(settings.steps):
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * (1 - step / settings.steps)
        g = TorchExecutor("float" if step < settings.quantised_from else "quantised")
        chosen = rng.choice(len(pairs), settings.batch, replace=False)
        corner = tuple(2 * int(n) for n in rng.integers(0, (SIZE - settings.crop) // 2 + 1, 2))
        original = _batch([pairs[n].original for n in chosen], corner, settings.crop)
        decoded = _batch([pairs[n].decoded for n in chosen], corner, settings.crop)
        loss = _loss(network, g, original, decoded, lpips, settings)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        report(step + 1, float(loss.detach()), time.monotonic() - begin)


def _loss(
    network: RestorationNetwork,
    g: TorchExecutor,
    original: tuple[Tensor, Tensor],
    decoded: tuple[Tensor, Tensor],
    lpips: Sequence[LPIPS],
    settings: RestorationTraining,
) -> Tensor:
    luma = network.restored(g, decoded[0])
    ours, theirs = _rgb(luma, decoded[1]), _rgb(*original)
    with mixed_precision("cpu"):
        distances = [net(ours, theirs).mean() for net in lpips]
    error = (luma - original[0]).square().mean()
    return torch.stack(distances).mean() + settings.mse_weight * error


def _batch(
    pictures: Sequence[Picture], corner: tuple[int, ...], size: int
) -> tuple[Tensor, Tensor]:
    """Return luma (N,1,size,size) and chroma (N,2,size/2,size/2) of a part of some pictures, 0..1."""
    top, left = corner
    planes: list[Tensor] = []
    for shift in (0, 1, 1):
        rows = slice(top >> shift, (top + size) >> shift)
        columns = slice(left >> shift, (left + size) >> shift)
        number = len(planes)
        part = np.stack([picture.planes[number][rows, columns] for picture in pictures])
        planes.append(torch.from_numpy(part).float() / 255)
    return planes[0][:, None], torch.stack(planes[1:], 1)


def _rgb(luma: Tensor, chroma: Tensor) -> Tensor:
    return planes_to_rgb(luma, chroma).clamp(0, 1)


def export(network: RestorationNetwork, path: Path) -> bytes:
    """Write the integer network as a model file (#net.file) and return its digest."""
    luma = Value(LUMA, 1, network.luma)
    builder = GraphBuilder(NETWORK, [luma])
    detail = network(builder, luma)
    return write_model_file(path, NETWORK, {NETWORK: builder.network({DETAIL: detail})}, {}, {})


def scores(
    model: RestorationModel, pairs: Sequence[RestorationPair], lpips: Sequence[LPIPS]
) -> NDArray[np.float64]:
    """Return the mean distances of pairs, (restoration_gain 0..3, network of `lpips`), restored by integers."""
    total = np.zeros((LARGEST_GAIN + 1, len(lpips)))
    whole = (0, 0)
    for pair in pairs:
        variants = each_gain(model, pair.decoded)
        with torch.no_grad():
            target = _rgb(*_batch([pair.original], whole, SIZE))
            ours = _rgb(*_batch(variants, whole, SIZE))
            for number, net in enumerate(lpips):
                total[:, number] += net(ours, target.expand_as(ours)).numpy()
    return total / len(pairs)
