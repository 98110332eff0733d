"""What a fit minimises besides the rate: differences of pictures, as torch functions.

A distortion is anything that has the two methods of `Distortion`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from refcodec.fitting.feature_distance import FeatureDistance
from refcodec.fitting.scaled_rgb import scaled_rgb
from refcodec.fitting.settings import FitSettings
from refcodec.fitting.unit_distance import Norm, Target, target_of, unit_distance
from refcodec.metrics.lpips_layers import EPSILON
from refcodec.metrics.lpips_torch import MINIMUM_SQUARED_NORM, LpipsModule
from refcodec.metrics.lpips_weights import load_weights, net_of
from refcodec.metrics.mixed_precision import mixed_precision
from refcodec.twin.planes import Planes

CHROMA_WEIGHT = 0.5

_NORM = Norm(least=MINIMUM_SQUARED_NORM, after=EPSILON)


class Distortion(Protocol):
    """Distances of decoded pictures to originals; planes (H, W), (H/2, W/2) of code values 0..255."""

    def prepare(self, original: Planes) -> Any:
        """Return what of an original is compared, computed once."""

    def distance(self, planes: Planes, prepared: Any, turn: int | None = None) -> Tensor:
        """Return the distance (scalar) of a picture to an original, differentiable in `planes`. With a `turn`, a number
        that counts, it may be an estimate that takes less time; the mean over turns is the distance."""


class SquaredError:
    """Mean squared error of luma and, with a weight, of chroma, of samples in 0..1."""

    def __init__(self, weight: float = 1.0) -> None:
        self.weight = weight

    def prepare(self, original: Planes) -> Planes:
        """Keep the planes."""
        return original

    def distance(self, planes: Planes, prepared: Planes, turn: int | None = None) -> Tensor:
        """Return weight * (MSE of luma + CHROMA_WEIGHT * sum of the MSE of Cb and Cr / 2)."""
        y, cb, cr = ((a - b).square().mean() for a, b in zip(planes, prepared, strict=True))
        return (y + CHROMA_WEIGHT * (cb + cr) / 2) * (self.weight / 255**2)


class LpipsDistance:
    """LPIPS on RGB by the common test conditions, with bfloat16 convolutions where the device has them."""

    def __init__(self, weights: Path, device: torch.device | str = "cpu") -> None:
        tensors = load_weights(weights)
        self._module = LpipsModule(net_of(tensors), tensors).to(device)
        self._slope, self._offset = (
            self._module.get_buffer(name).flatten() for name in ("slope", "offset")
        )
        self._device = torch.device(device)

    def _activations(self, planes: Planes) -> list[Tensor]:
        rgb = scaled_rgb(planes, self._slope, self._offset)
        with mixed_precision(self._device):
            return list(self._module.activations(rgb))

    def prepare(self, original: Planes) -> list[Target]:
        """Return the features of an original."""
        with torch.no_grad():
            return [target_of(x, _NORM) for x in self._activations(original)]

    def distance(self, planes: Planes, prepared: list[Target], turn: int | None = None) -> Tensor:
        """Return LPIPS."""
        pairs = zip(self._activations(planes), prepared, strict=True)
        levels = [
            unit_distance(x, target, self._module.layer_weight(layer), _NORM)
            for layer, (x, target) in enumerate(pairs)
        ]
        return torch.stack(levels).sum()


class _Several:
    """Distortions of the same picture."""

    def __init__(self, *parts: Distortion) -> None:
        self.parts = parts

    def prepare(self, original: Planes) -> list[Any]:
        """Return what each part keeps."""
        return [part.prepare(original) for part in self.parts]


class Judges(_Several):
    """The mean of some distances; with a turn that of one of them, which costs less."""

    def distance(self, planes: Planes, prepared: list[Any], turn: int | None = None) -> Tensor:
        """Return the mean, or the distance by the one whose turn it is."""
        pairs = list(zip(self.parts, prepared, strict=True))
        if turn is not None:
            pairs = [pairs[turn % len(pairs)]]
        return torch.stack([judge.distance(planes, kept) for judge, kept in pairs]).mean()


class Mixture(_Several):
    """The sum of distortions."""

    def distance(self, planes: Planes, prepared: list[Any], turn: int | None = None) -> Tensor:
        """Return the sum of the distances."""
        pairs = zip(self.parts, prepared, strict=True)
        return torch.stack([part.distance(planes, kept, turn) for part, kept in pairs]).sum()


def distortion_of(settings: FitSettings) -> Distortion:
    """Return the distortion that settings ask for: a perceptual distance and squared error."""
    error = SquaredError(settings.mse_weight)
    if not settings.lpips:
        return Mixture(FeatureDistance(settings.device), error)
    return Mixture(
        Judges(*(LpipsDistance(file, settings.device) for file in settings.lpips)), error
    )
