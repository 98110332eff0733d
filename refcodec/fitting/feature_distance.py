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

from refcodec.intnet.installed import MODELS
from refcodec.metrics.analysis_features import NORM_FLOOR, SCALE_INDEX, WEIGHT, WEIGHTS
from refcodec.twin.planes import Planes


class FeatureNetwork:
    """The network of the measure over batches of pictures; `weights` by name, float32."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        self.weights = dict(weights)

    def features(self, planes: Planes) -> list[Tensor]:
        """Return weighted unit features (N, C, h, w) at 1/4, 1/8 and 1/16 of planes (N, H, W) and (N, H/2, W/2) of
        code values 0..255; sides are cut to multiples of 16."""
        height, width = (side // 16 * 16 for side in planes.y.shape[-2:])
        y = planes.y[:, None, :height, :width]
        chroma = torch.stack([planes.cb, planes.cr], 1)[:, :, : height // 2, : width // 2]
        x = torch.cat([functional.pixel_unshuffle(y, 4), functional.pixel_unshuffle(chroma, 2)], 1)
        quarter = self._blocks("narrow", self._convolve("first", (x / 255 - 0.5) * 4))
        eighth = functional.pixel_unshuffle(quarter, 2)
        eighth = self._blocks("middle", self._convolve("down1", eighth))
        x = functional.pixel_unshuffle(eighth, 2)
        q = torch.full_like(x[:, :1], SCALE_INDEX / 32)
        sixteenth = self._blocks("wide", self._convolve("down2", torch.cat([x, q], 1)))
        return [self._weighted(x, n) for n, x in enumerate((quarter, eighth, sixteenth))]

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

    def _blocks(self, name: str, x: Tensor) -> Tensor:
        index = 0
        while f"analysis.{name}.{index}.expand.weight" in self.weights:
            prefix = f"{name}.{index}"
            y = self._convolve(f"{prefix}.expand", self._convolve(f"{prefix}.spatial", x))
            x = x + self._convolve(f"{prefix}.project", functional.relu(y))
            index += 1
        return x


class FeatureDistance:
    """The measure as a distortion of fits."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        weights = {name: t.to(device) for name, t in read_weights(MODELS / WEIGHTS).items()}
        self._network = FeatureNetwork(weights)

    def prepare(self, original: Planes) -> list[Tensor]:
        """Return the features of an original."""
        with torch.no_grad():
            return self._features(original)

    def distance(self, planes: Planes, prepared: list[Tensor]) -> Tensor:
        """Return the distance, on a scale like that of LPIPS."""
        return self._network.between(self._features(planes), prepared).sum()

    def _features(self, planes: Planes) -> list[Tensor]:
        return self._network.features(Planes(*(plane[None] for plane in planes)))


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file of the measure, float32."""
    arrays: dict[str, NDArray[np.floating]] = load_file(path)
    return {name: torch.from_numpy(value.astype(np.float32)) for name, value in arrays.items()}
