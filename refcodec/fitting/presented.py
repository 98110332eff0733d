"""Distances of pictures as they are presented: what the upscaler and restoration do to a picture counts."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from refcodec.fitting.case import Presentation
from refcodec.fitting.distortion import Distortion, distortion_of
from refcodec.fitting.settings import FitSettings
from refcodec.restoration import find_restoration
from refcodec.twin.planes import Planes
from refcodec.twin.restoration import RestorationTwin
from refcodec.twin.upscaling import UpscalerTwin


def compared_distortion(settings: FitSettings, presentation: Presentation | None) -> Distortion:
    """Return the distortion of `settings`: of pictures as they are presented, or, without a presentation, of pictures
    in their coded size. Raises HYP-E-SEQ-19 where there is no such restoration network."""
    distortion = distortion_of(settings)
    if presentation is None:
        return distortion
    return PresentedDistortion(distortion, presentation, settings.device)


class PresentedDistortion:
    """(#dec.upscaling, #dec.restoration) A distortion of decoded pictures, upscaled and restored, to originals of the
    presented size. Pictures may be parts, upper left, of the planes given; sizes are even.
    """

    def __init__(
        self,
        distortion: Distortion,
        presentation: Presentation,
        device: torch.device | str = "cpu",
    ) -> None:
        self._distortion = distortion
        self._coded, self._presented = presentation.coded, presentation.presented
        self._upscaler = UpscalerTwin(*self._coded, *self._presented, device=device)
        self._restorer: RestorationTwin | None = None
        if presentation.restoration is not None:
            gain, digest = presentation.restoration.gain, presentation.restoration.digest
            self._restorer = RestorationTwin(find_restoration(digest), gain, device)

    def prepare(self, original: Planes) -> Any:
        """Return what is compared of an original of at least the presented size."""
        return self._distortion.prepare(original.window(0, 0, *self._presented))

    def distance(self, planes: Planes, prepared: Any, turn: int | None = None) -> Tensor:
        """Return the distance of a decoded picture of at least the coded size."""
        shown = self._upscaler(planes.window(0, 0, *self._coded))
        if self._restorer is not None:
            shown = self._restorer(shown)
        return self._distortion.distance(shown, prepared, turn)
