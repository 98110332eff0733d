"""The encoder's measure (`refcodec.encoder.perceptual_measure`) as torch functions, for fits and its training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file
from torch import Tensor
from torch.nn import functional

from refcodec.fitting.unit_distance import Norm, Target, target_of, unit_distance
from refcodec.intnet.installed import MODELS
from refcodec.metrics.analysis_features import NORM_FLOOR, SCALE_INDEX, WEIGHT, WEIGHTS
from refcodec.twin.planes import Planes

_NORM = Norm(added=NORM_FLOOR)


class FeatureNetwork:
    """The network of the measure over batches of pictures; `weights` by name, float32."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        self.weights = dict(weights)

    def features(self, planes: Planes) -> list[Tensor]:
        """Return weighted unit features (N, C, h, w) at 1/4, 1/8 and 1/16 of planes (N, H, W) and (N, H/2, W/2) of
        code values 0..255; sides are cut to multiples of 16."""
        return [self._weighted(x, n) for n, x in enumerate(self.activations(planes))]

    def activations(self, planes: Planes) -> list[Tensor]:
        """Return the features before they are made unit vectors and weighted; see `features`."""
        height, width = (side // 16 * 16 for side in planes.y.shape[-2:])
        y = planes.y[:, None, :height, :width]
        chroma = torch.stack([planes.cb, planes.cr], 1)[:, :, : height // 2, : width // 2]
        x = torch.cat([functional.pixel_unshuffle(y, 4), functional.pixel_unshuffle(chroma, 2)], 1)
        x = x.contiguous(memory_format=torch.channels_last)
        quarter = self._blocks("narrow", self._convolve("first", (x / 255 - 0.5) * 4))
        eighth = self._blocks("middle", self._halve("down1", quarter))
        sixteenth = self._blocks("wide", self._halve("down2", eighth))
        return [quarter, eighth, sixteenth]

    @staticmethod
    def between(a: list[Tensor], b: list[Tensor]) -> Tensor:
        """Return the distances (N,) of two results of `features`."""
        levels = [(x - y).square().sum(1).mean((1, 2)).float() for x, y in zip(a, b, strict=True)]
        return torch.stack(levels).sum(0)

    def _weighted(self, x: Tensor, level: int) -> Tensor:
        x = x.float()
        unit = x / (x.square().sum(1, keepdim=True) + NORM_FLOOR).sqrt()
        return unit * self.weights[WEIGHT.format(level=level)][:, None, None]

    def _convolve(self, name: str, x: Tensor) -> Tensor:
        weight, bias = (self.weights[f"analysis.{name}.{part}"] for part in ("weight", "bias"))
        depthwise = weight.shape[1] == 1 and weight.shape[2] == 3
        return functional.conv2d(
            x, weight, bias, padding=weight.shape[2] // 2, groups=x.shape[1] if depthwise else 1
        )

    def _halve(self, name: str, x: Tensor) -> Tensor:
        """Convolve steps of 2 x 2 positions, which the weights have as channels; a last one is for the scale index."""
        weight, bias = (self.weights[f"analysis.{name}.{part}"] for part in ("weight", "bias"))
        channels = x.shape[1]
        if weight.shape[1] > 4 * channels:
            bias = bias + weight[:, -1, 0, 0] * (SCALE_INDEX / 32)
        kernel = weight[:, : 4 * channels].reshape(-1, channels, 2, 2)
        return functional.conv2d(x, kernel, bias, stride=2)

    def _blocks(self, name: str, x: Tensor) -> Tensor:
        index = 0
        while f"analysis.{name}.{index}.expand.weight" in self.weights:
            prefix = f"{name}.{index}"
            y = self._convolve(f"{prefix}.expand", self._convolve(f"{prefix}.spatial", x))
            y = self._convolve(f"{prefix}.project", functional.relu(y, inplace=True))
            x = y.add_(x)
            index += 1
        return x


class FeatureDistance:
    """The measure as a distortion of fits."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        weights = {name: t.to(device) for name, t in read_weights(MODELS / WEIGHTS).items()}
        self._network = FeatureNetwork(weights)

    def prepare(self, original: Planes) -> list[Target]:
        """Return the features of an original."""
        with torch.no_grad():
            return [target_of(x, _NORM) for x in self._activations(original)]

    def distance(self, planes: Planes, prepared: list[Target], turn: int | None = None) -> Tensor:
        """Return the distance, on a scale like that of LPIPS."""
        levels = []
        for level, x in enumerate(self._activations(planes)):
            # differences are multiplied before they are squared
            weights = self._network.weights[WEIGHT.format(level=level)].square()
            levels.append(unit_distance(x, prepared[level], weights, _NORM))
        return torch.stack(levels).sum()

    def _activations(self, planes: Planes) -> list[Tensor]:
        return self._network.activations(planes.map(lambda plane: plane[None]))


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file of the measure, float32."""
    arrays: dict[str, NDArray[np.floating]] = load_file(path)
    return {name: torch.from_numpy(value.astype(np.float32)) for name, value in arrays.items()}
