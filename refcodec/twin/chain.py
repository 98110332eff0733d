"""The whole receiver as one differentiable function: from latents of a prompt to the pictures that are output."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import torch
from torch import Tensor

from refcodec.generator import GeneratorModel
from refcodec.generator.prompt import Latents
from refcodec.restoration import RestorationModel
from refcodec.twin.integer_network import Arithmetic
from refcodec.twin.keyframe import KeyframeTwin, Rendering
from refcodec.twin.planes import Mode, Planes
from refcodec.twin.recording import Recording
from refcodec.twin.restoration import RestorationTwin
from refcodec.twin.sequence import FilterCases, SequenceTwin
from refcodec.twin.upscaling import UpscalerTwin


class ChainTwin:
    """A keyframe interval with a generated keyframe, its syntax held constant, as a function of its latents.

    `keyframe` (KeyframeTwin) is the prompt's part, `sequence` (SequenceTwin) that of H.264, `upscaler` the next, and
    `restoration` the last, None where pictures are not restored.
    Pictures are known by their place in output order.
    """

    def __init__(
        self,
        model: GeneratorModel,
        q: int,
        latents: Latents,
        recording: Recording,
        presented: tuple[int, int],
        *,
        restoration: tuple[RestorationModel, int] | None = None,
        places: Collection[int] | None = None,
        device: torch.device | str = "cpu",
        arithmetic: Arithmetic = Arithmetic.EXACT,
        checkpoints: bool = False,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """`latents`: its hyper-latents are held constant; `presented`: width and height;
        `restoration`: the network and restoration_gain; `places`: the pictures that
        are wanted, None: all; the others as of KeyframeTwin. Smooth arithmetic makes all parts smooth."""
        self.keyframe = KeyframeTwin(
            model, q, latents.hyper, device=device, arithmetic=arithmetic,
            checkpoints=checkpoints, dtype=dtype,
        )  # fmt: skip
        self._mode = Mode.SMOOTH if arithmetic is Arithmetic.SMOOTH else Mode.EXACT
        output = recording.output
        wanted = range(len(output)) if places is None else places
        self._places = {output[place]: place for place in wanted}
        self.sequence = SequenceTwin(recording, list(self._places))
        left, top, right, bottom = recording.crop
        self._crop = left, top, recording.width - right, recording.height - bottom
        coded = self._crop[2] - left, self._crop[3] - top
        self.upscaler = UpscalerTwin(*coded, *presented, device=device)
        self.restoration = (
            None if restoration is None else RestorationTwin(*restoration, device, dtype)
        )

    def render(self, values: Tensor) -> Rendering:
        """Return rate and picture of latents (1,C,h,w), as KeyframeTwin.render does."""
        return self.keyframe.render(values)

    def pictures(
        self, keyframe: Planes, decisions: FilterCases | None = None
    ) -> Iterator[tuple[int, Planes]]:
        """Yield places and presented pictures, in decoding order, of a keyframe over the macroblock grid."""
        for identity, planes in self.sequence.pictures(keyframe, self._mode, decisions):
            picture = self.upscaler(self.shown(planes), self._mode)
            if self.restoration is not None:
                picture = self.restoration(picture, self._mode)
            yield self._places[identity], picture

    def __call__(
        self, values: Tensor, decisions: FilterCases | None = None
    ) -> tuple[Rendering, dict[int, Planes]]:
        """Return what `render` gives, and the presented pictures by place."""
        rendering = self.render(values)
        found = dict(self.pictures(rendering.planes, decisions))
        return rendering, {place: found[place] for place in sorted(found)}

    def shown(self, planes: Planes) -> Planes:
        """(#avc.7.4.2.1.1) Return what of the macroblock grid is shown."""
        return planes.window(*self._crop)
