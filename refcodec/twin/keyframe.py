"""The differentiable keyframe: latents to rate and to the generated picture, through the shipped integer networks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from refcodec.generator import GeneratorModel
from refcodec.generator.contract import LATENT_LIMIT, MEAN_LIMIT, QPLANE, SCALE_INDEX_LIMIT
from refcodec.generator.prompt import first_pass_mask
from refcodec.twin.integer_network import Arithmetic, NetworkTwin
from refcodec.twin.planes import Planes
from refcodec.twin.rate import laplace_bits, rate_slope
from refcodec.twin.rounding import round_through


@dataclass(frozen=True)
class Rendering:
    """`bits` scalar; `luma` (1,1,H,W) and `chroma` (1,2,H/2,W/2) code values 0..255 as whole float32;
    `values` (1,C,h,w): the latents that were decoded, whole."""

    bits: Tensor
    luma: Tensor
    chroma: Tensor
    values: Tensor

    @property
    def planes(self) -> Planes:
        """The picture as planes (H,W), (H/2,W/2), ready for SequenceTwin."""
        return Planes(self.luma[0, 0], self.chroma[0, 0], self.chroma[0, 1])


class KeyframeTwin:
    """Rate and picture of a keyframe as functions of real-valued latents, for one model and prompt_scale_index."""

    def __init__(
        self,
        model: GeneratorModel,
        q: int,
        hyper: NDArray[np.int16],
        *,
        device: torch.device | str = "cpu",
        arithmetic: Arithmetic = Arithmetic.EXACT,
        checkpoints: bool = False,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """`hyper`: the hyper-latents (Cz,hh,hw), held constant; `arithmetic`, `checkpoints`, `dtype` as of
        NetworkTwin. In smooth arithmetic latents are not rounded either."""
        self.model, self.q, self.device = model, q, torch.device(device)
        self._arithmetic, self._checkpoints, self._dtype = arithmetic, checkpoints, dtype
        self.networks = {
            name: NetworkTwin(network, device, dtype)
            for name, network in model.file.networks.items()
        }
        self.hyper = self._tensor(hyper)[None]
        self.gain = self._tensor(model.contract.gain[q]).view(1, -1, 1, 1)
        with torch.no_grad():
            self.features = self._run("hyper", hyper_latents=self.hyper)
            scale = self._tensor(model.contract.hyper_scale_index).view(1, -1, 1, 1)
            bits = laplace_bits(
                self.hyper, torch.zeros_like(self.hyper), scale.expand_as(self.hyper)
            )
            self.hyper_bits = float((bits * (scale > 0)).sum())

    def _tensor(self, array: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(array.astype(np.float32)).to(self.device, self._dtype)

    def _rounded(self, x: Tensor) -> Tensor:
        return x if self._arithmetic is Arithmetic.SMOOTH else round_through(x)

    def _run(self, name: str, **inputs: Tensor) -> Tensor:
        return self._outputs(name, **inputs)[self.networks[name].network.outputs[0]]

    def _outputs(self, name: str, **inputs: Tensor) -> dict[str, Tensor]:
        twin = self.networks[name]
        given = {}
        for item in twin.network.inputs:
            if item.name == QPLANE:
                size = next(iter(inputs.values())).shape[2:]
                given[QPLANE] = torch.full(
                    (1, 1, *size), float(self.q), dtype=self._dtype, device=self.device
                )
            elif item.name in inputs:
                given[item.name] = inputs[item.name].clamp(item.lo, item.hi)
        return twin(given, arithmetic=self._arithmetic, checkpoints=self._checkpoints)

    def _statistics(self, output: Tensor) -> tuple[Tensor, Tensor]:
        count = self.model.latent_channels
        mean = output[:, :count].clamp(-MEAN_LIMIT, MEAN_LIMIT) / 8
        return mean, output[:, count:].clamp(0, SCALE_INDEX_LIMIT)

    def render(self, values: Tensor) -> Rendering:
        """Round the latents `values` (1,C,h,w), in quantised units, decode them and return rate and picture.

        Where the scale index is 0 the value is its mean's integer part, as a decoder infers it. The rate's
        derivative with respect to a latent is `rate_slope` at the unrounded value, in smooth arithmetic the exact one.
        """
        rounded = self._rounded(values).clamp(-LATENT_LIMIT, LATENT_LIMIT)
        _, channels, height, width = rounded.shape
        features = self.features[:, :, :height, :width]
        mask = torch.from_numpy(first_pass_mask(channels, height, width))[None].to(self.device)
        mean_a, scale_a = self._statistics(self._run("context_a", hyper_features=features))
        first = torch.where(scale_a > 0, rounded, self._rounded(mean_a))
        known = first * mask
        out = self._run("context_b", hyper_features=features, first_pass_values=known)
        mean_b, scale_b = self._statistics(out)
        second = torch.where(scale_b > 0, rounded, self._rounded(mean_b))
        mean, scale = torch.where(mask, mean_a, mean_b), torch.where(mask, scale_a, scale_b)
        decoded = torch.where(mask, first, second)
        if self._arithmetic is Arithmetic.SMOOTH:
            bits = laplace_bits(decoded, mean, scale, exact_derivative=True)
        else:
            slope = rate_slope(values.detach(), mean.detach(), scale.detach())
            bits = laplace_bits(decoded.detach(), mean, scale) + slope * (values - values.detach())
        total = (bits * (scale > 0)).sum() + self.hyper_bits
        luma, chroma = self.picture(decoded)
        return Rendering(total, luma, chroma, decoded)

    def picture(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """(#gen.process) Return luma and chroma code values of whole latents (1,C,h,w)."""
        scaled = values * self.gain / 64
        latents = self._rounded(scaled).clamp(-LATENT_LIMIT, LATENT_LIMIT)
        made = self._outputs("stage1", latents=latents)
        planes = self._run("stage2", **made)
        luma = functional.pixel_shuffle(planes[:, :16], 4)
        cb = functional.pixel_shuffle(planes[:, 16:20], 2)
        return luma, torch.cat([cb, functional.pixel_shuffle(planes[:, 20:], 2)], 1)
