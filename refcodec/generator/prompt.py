"""(#parse.prompt) Prompts: byte strings that hold quantised latents and hyper-latents.

Decoder and encoder walk through the same `_Passes`, so that they cannot disagree on distributions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refcodec.entropy.range_coder import ALL, RangeDecoder, RangeEncoder, count_bits
from refcodec.generator.contract import (
    HYPER_FACTOR,
    MEAN_LIMIT,
    QPLANE,
    SCALE_COUNT,
)
from refcodec.generator.model import GeneratorModel
from refcodec.intnet.backends import evaluator
from refcodec.intnet.layout import channels_first
from refcodec.processors import default_threads

Int16 = NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class Latents:
    """What a prompt holds: `values` int16 (C, LatentHeight, LatentWidth), `hyper` int16 (Cz, HyperHeight,
    HyperWidth), both within -2047..2047, quantised."""

    values: Int16
    hyper: Int16


def hyper_size(latent_width: int, latent_height: int) -> tuple[int, int]:
    """(#parse.prompt) Return (HyperWidth, HyperHeight)."""
    return -(-latent_width // HYPER_FACTOR), -(-latent_height // HYPER_FACTOR)


class _Passes:
    """The three coded passes and the distributions of each, from networks over what is known so far."""

    def __init__(
        self,
        model: GeneratorModel,
        q: int,
        latent_width: int,
        latent_height: int,
        backend: str,
        threads: int | None,
    ) -> None:
        if not 0 <= q < SCALE_COUNT:
            raise ValueError(f"prompt_scale_index lies within 0..{SCALE_COUNT - 1}")
        model.check_size(latent_width, latent_height)
        self.model = model
        self.q = q
        self.size = latent_height, latent_width
        hyper_width, hyper_height = hyper_size(latent_width, latent_height)
        self.hyper_shape = model.hyper_channels, hyper_height, hyper_width
        self.shape = model.latent_channels, latent_height, latent_width
        self._evaluate = evaluator(backend)
        self._threads = threads or default_threads()

    def _run(self, name: str, inputs: dict[str, Int16]) -> Int16:
        network = self.model.file.networks[name]
        given = {}
        for item in network.inputs:
            if item.name == QPLANE:
                size = next(iter(inputs.values())).shape[1:]
                given[QPLANE] = np.full((1, *size), self.q, np.int16)
            elif item.name in inputs:
                given[item.name] = inputs[item.name]
        return self._evaluate(network, given, self._threads)[network.outputs[0]]

    def _clamp(self, network: str, tensor: str, values: Int16) -> Int16:
        lo, hi = self.model.file.networks[network].declared(tensor)
        return np.clip(values, lo, hi)

    def hyper_distribution(self) -> tuple[Int16, Int16]:
        """(#parse.hyper_latents) Means and scale indices of the hyper-latents."""
        channels, height, width = self.hyper_shape
        mean, scale = np.zeros((2, channels, height, width), np.int16)
        scale[...] = self.model.contract.hyper_scale_index[:, None, None]
        return mean, scale

    def hyper_features(self, hyper: Int16) -> Int16:
        """(#parse.hyper_features) The network `hyper` over the hyper-latents, cut to the latent grid."""
        clamped = self._clamp("hyper", "hyper_latents", hyper)
        features = self._run("hyper", {"hyper_latents": clamped})
        return features[:, : self.size[0], : self.size[1]]

    def _split(self, output: Int16) -> tuple[Int16, Int16]:
        # in the order in which the range coder reads them, which clamps on the way
        output = channels_first(output)
        return output[: self.model.latent_channels], output[self.model.latent_channels :]

    def first_distribution(self, features: Int16) -> tuple[Int16, Int16]:
        """(#parse.first_pass) Means and scale indices of the first pass, to be clamped."""
        return self._split(self._run("context_a", {"hyper_features": features}))

    def second_distribution(self, features: Int16, values: Int16) -> tuple[Int16, Int16]:
        """(#parse.second_pass) Means and scale indices of the second pass, to be clamped, from the first's values."""
        known = self._clamp("context_b", "first_pass_values", values)
        return self._split(
            self._run("context_b", {"hyper_features": features, "first_pass_values": known})
        )

    def distributions(self, latents: Latents) -> Iterator[tuple[Int16, Int16, int, Int16]]:
        """Yield (mean, scale, parity, values) of the three passes for known latents."""
        if latents.hyper.shape != self.hyper_shape or latents.values.shape != self.shape:
            raise ValueError(f"latents have shapes {self.shape} and {self.hyper_shape}")
        hyper = np.ascontiguousarray(latents.hyper, np.int16)
        values = np.ascontiguousarray(latents.values, np.int16)
        yield *self.hyper_distribution(), ALL, hyper
        features = self.hyper_features(hyper)
        yield *self.first_distribution(features), 0, values
        known = np.where(first_pass_mask(*self.shape), values, np.int16(0))
        yield *self.second_distribution(features, known), 1, values


def first_pass_mask(channels: int, height: int, width: int) -> NDArray[np.bool_]:
    """(#parse.first_pass) Return the elements (C,H,W) decoded first: y + x + g even, g = 1 from channel C / 2 on."""
    group = (2 * np.arange(channels) >= channels).astype(np.int64)[:, None, None]
    y, x = np.arange(height)[:, None], np.arange(width)
    mask: NDArray[np.bool_] = (y + x + group) % 2 == 0
    return mask


def decode_prompt(
    model: GeneratorModel,
    data: bytes | memoryview,
    q: int,
    latent_width: int,
    latent_height: int,
    *,
    backend: str = "auto",
    threads: int | None = None,
) -> Latents:
    """(#parse.prompt) Decode prompt_data to quantised latents.

    `q` is prompt_scale_index 0..63, the sizes are those of the latent grid. Raises HYP-E-GEN-03 and
    HYP-E-ENT-01 to -05; the work is bounded by the sizes, whatever the bytes are.
    """
    passes = _Passes(model, q, latent_width, latent_height, backend, threads)
    decoder = RangeDecoder(data)
    hyper = np.zeros(passes.hyper_shape, np.int16)
    decoder.decode(*passes.hyper_distribution(), ALL, hyper)
    features = passes.hyper_features(hyper)
    values = np.zeros(passes.shape, np.int16)
    decoder.decode(*passes.first_distribution(features), 0, values)
    decoder.decode(*passes.second_distribution(features, values), 1, values)
    decoder.finish()
    return Latents(values, hyper)


def encode_prompt(
    model: GeneratorModel,
    q: int,
    hyper: Int16,
    values: Int16,
    *,
    backend: str = "auto",
    threads: int | None = None,
) -> bytes:
    """Return the prompt_data of quantised latents `values` (C,h,w) and hyper-latents `hyper` (Cz,hh,hw), int16.

    Where a scale index is 0 nothing is coded: there the values must be the integer part of their mean,
    as `settle` makes them. Raises ValueError for latents that cannot be coded.
    """
    passes = _Passes(model, q, values.shape[2], values.shape[1], backend, threads)
    encoder = RangeEncoder()
    for mean, scale, parity, elements in passes.distributions(Latents(values, hyper)):
        encoder.encode(mean, scale, parity, elements)
    return encoder.finish()


def settle(
    model: GeneratorModel,
    q: int,
    hyper: Int16,
    values: Int16,
    *,
    backend: str = "auto",
    threads: int | None = None,
) -> Latents:
    """Return the nearest latents that can be coded: where nothing is coded, a value becomes its mean's integer part.

    In the order of decoding, as the second pass's distributions depend on the first pass's values.
    """
    passes = _Passes(model, q, values.shape[2], values.shape[1], backend, threads)
    hyper = _settled(*passes.hyper_distribution(), hyper)
    features = passes.hyper_features(hyper)
    mask = first_pass_mask(*passes.shape)
    first = _settled(*passes.first_distribution(features), values)
    known = np.where(mask, first, np.int16(0))
    second = _settled(*passes.second_distribution(features, known), values)
    return Latents(np.where(mask, first, second), hyper)


def _settled(mean: Int16, scale: Int16, values: Int16) -> Int16:
    base = (np.clip(mean, -MEAN_LIMIT, MEAN_LIMIT) + 4) >> 3
    return np.where(scale > 0, values, base).astype(np.int16)


def estimate_bits(
    model: GeneratorModel,
    q: int,
    hyper: Int16,
    values: Int16,
    *,
    backend: str = "auto",
    threads: int | None = None,
) -> float:
    """Return the ideal length in bits of the prompt of these latents.

    The prompt itself is at most 0.3 % and 17 bits longer.

    Values that cannot be coded because their scale index is 0 count as 0 bits, as if settled.
    """
    passes = _Passes(model, q, values.shape[2], values.shape[1], backend, threads)
    return sum(count_bits(*row) for row in passes.distributions(Latents(values, hyper)))
