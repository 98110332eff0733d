"""The following pictures' part of a fit: their distortion as a function of the keyframe, and its derivative."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import torch
from torch import Tensor

from refcodec.fitting.case import FitCase
from refcodec.fitting.distortion import Distortion
from refcodec.fitting.settings import FitSettings
from refcodec.picture import Picture
from refcodec.twin.planes import Planes, planes_of
from refcodec.twin.recording import Recording, decode_again, record_interval
from refcodec.twin.sequence import SequenceTwin


def spread(count: int, wanted: int, generator: np.random.Generator) -> list[int]:
    """Return up to `wanted` of `count` places, one drawn from each part of equal length."""
    ends = np.linspace(0, count, min(wanted, count) + 1).astype(int)
    return [int(generator.integers(a, b)) for a, b in itertools.pairwise(ends)]


def target_weights(places: list[int], rate: float, decay: float) -> dict[int, float]:
    """Return weights that sum to 1, `decay` times smaller a second later."""
    weights = {place: decay ** (place / rate) for place in places}
    total = sum(weights.values())
    return {place: weight / total for place, weight in weights.items()}


class Following:
    """Distortion of some following pictures, decoded on a keyframe with the syntax of the case.

    `keyframe` arguments: planes of whole numbers over the macroblock grid, on the device of the fit.
    """

    def __init__(
        self, case: FitCase, keyframe: Picture, distortion: Distortion, settings: FitSettings
    ) -> None:
        """`keyframe`: the picture on which the interval was coded."""
        assert case.coded is not None
        self.recording: Recording = record_interval(
            case.coded.parameter_sets, case.coded.access_units, keyframe
        )
        self._distortion = distortion
        self._random = np.random.default_rng(settings.seed)
        output = self.recording.output
        known = [place for place in sorted(case.originals) if place < len(output)]
        chosen = spread(len(known), settings.targets, self._random)
        places = [known[each] for each in chosen]
        self.weights = target_weights(places, case.rate, settings.decay)
        self._place = {output[place]: place for place in places}
        self._twin = SequenceTwin(self.recording, list(self._place))
        self._prepared: dict[int, Any] = {
            place: distortion.prepare(planes_of(case.originals[place].planes, settings.device))
            for place in places
        }

    def gradient(
        self, keyframe: Planes, count: int, turn: int | None = None
    ) -> tuple[float, Planes]:
        """Return an estimate of the weighted distortion and its derivative with respect to the keyframe, from
        `count` pictures drawn at random, one of each part of the interval. turn: as `Distortion` has it, of the first
        one; the others follow."""
        every = list(self._place)
        drawn = [every[k] for k in spread(len(every), count, self._random)]
        share = sum(self.weights[self._place[each]] for each in drawn)

        def loss(identity: int, planes: Planes) -> Tensor:
            own = None if turn is None else turn + drawn.index(identity)
            return self._loss(identity, planes, own) / share

        total, found = self._twin.gradient(keyframe, loss, targets=drawn)
        return float(total), found

    def exact(self, keyframe: Picture, device: torch.device | str) -> float:
        """Return the weighted distortion of the pictures that the integer decoder makes."""
        wanted = self._twin.needed
        total = 0.0
        with torch.no_grad():
            for identity, picture in decode_again(self.recording, keyframe, wanted):
                if identity in self._place:
                    total += float(self._loss(identity, planes_of(picture.planes, device)))
        return total

    def _loss(self, identity: int, planes: Planes, turn: int | None = None) -> Tensor:
        place = self._place[identity]
        distance = self._distortion.distance(planes, self._prepared[place], turn)
        return self.weights[place] * distance
