"""Distances of pictures as they are presented: what the upscaler does to a picture counts."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from refcodec.fitting.case import Size
from refcodec.fitting.distortion import Distortion, distortion_of
from refcodec.fitting.settings import FitSettings
from refcodec.twin.planes import Planes
from refcodec.twin.upscaling import UpscalerTwin


def compared_distortion(settings: FitSettings, sizes: tuple[Size, Size] | None) -> Distortion:
    """Return the distortion of `settings`, of pictures as they are presented where `sizes`, coded and presented, are
    given, else of pictures in their coded size."""
    distortion = distortion_of(settings)
    if sizes is None:
        return distortion
    return PresentedDistortion(distortion, *sizes, settings.device)


class PresentedDistortion:
    """(#dec.upscaling) A distortion of decoded pictures, upscaled, to originals of the presented size. Restoration,
    which is chosen when everything is coded, has no part in it.

    coded, presented: width and height, even, of pictures that may be parts, upper left, of the planes given
    """

    def __init__(
        self,
        distortion: Distortion,
        coded: Size,
        presented: Size,
        device: torch.device | str = "cpu",
    ) -> None:
        self._distortion = distortion
        self._coded, self._presented = coded, presented
        self._upscaler = UpscalerTwin(*coded, *presented, device=device)

    def prepare(self, original: Planes) -> Any:
        """Return what is compared of an original of at least the presented size."""
        return self._distortion.prepare(original.window(0, 0, *self._presented))

    def distance(self, planes: Planes, prepared: Any, turn: int | None = None) -> Tensor:
        """Return the distance of a decoded picture of at least the coded size."""
        shown = self._upscaler(planes.window(0, 0, *self._coded))
        return self._distortion.distance(shown, prepared, turn)
