"""Prompt decoding: from prompt_data to the quantised latents.

Plain integers. A model is a dictionary with the members of the model file: networks, parameters and
tables, stored tensors replaced by nested lists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from spec.model.integer_network import Tensor, clamp, evaluate
from spec.model.range_decoding import RangeDecoder, check_end, decode_latent

Cdf = Sequence[Sequence[Sequence[int]]]


def constant_plane(value: int, like: Tensor) -> Tensor:
    """(#parse.prompt) One channel of the size of another tensor whose elements all are `value`."""
    return [[[value for _ in row] for row in like[0]]]


def run(network: Mapping[str, Any], inputs: Mapping[str, Tensor], q: int) -> dict[str, Tensor]:
    """(#parse.prompt) Evaluate a network; `qplane` is made where the network has that input."""
    given = {}
    for row in network["inputs"]:
        if row["name"] == "qplane":
            given["qplane"] = constant_plane(q, next(iter(inputs.values())))
        elif row["name"] in inputs:
            given[row["name"]] = inputs[row["name"]]
    return evaluate(network, given)


def clamped_to_input(network: Mapping[str, Any], name: str, x: Tensor) -> Tensor:
    """(#parse.hyper_features) Clamp each element to the declared range of an input of a network."""
    for row in network["inputs"]:
        if row["name"] == name:
            return [
                [[clamp(row["lo"], row["hi"], e) for e in line] for line in channel]
                for channel in x
            ]
    raise KeyError(name)


def decode_elements(
    decoder: RangeDecoder,
    cdf: Cdf,
    escape_order: Sequence[int],
    values: list[list[list[int]]],
    mean: Tensor,
    scale_index: Tensor,
    selected: Callable[[int, int, int], bool],
) -> None:
    """(#parse.prompt) Decode the selected elements of `values` in channel-major raster order."""
    for c in range(len(values)):
        for y in range(len(values[c])):
            for x in range(len(values[c][y])):
                if selected(c, y, x):
                    values[c][y][x] = decode_latent(
                        decoder, cdf, escape_order, mean[c][y][x], scale_index[c][y][x]
                    )


def in_first_pass(channels: int, c: int, y: int, x: int) -> bool:
    """(#parse.first_pass) Whether an element belongs to the first pass."""
    g = 0 if 2 * c < channels else 1
    return (y + x + g) % 2 == 0


def means_and_scales(channels: int, output: Tensor) -> tuple[Tensor, Tensor]:
    """(#parse.first_pass) Split the output of a context network."""
    mean = [[[clamp(-1016, 1016, e) for e in row] for row in output[c]] for c in range(channels)]
    scale = [
        [[clamp(0, 39, e) for e in row] for row in output[channels + c]] for c in range(channels)
    ]
    return mean, scale


def zeros(channels: int, height: int, width: int) -> list[list[list[int]]]:
    """(#parse.prompt) A tensor of zeros."""
    return [[[0] * width for _ in range(height)] for _ in range(channels)]


def decode_prompt(
    model: Mapping[str, Any],
    cdf: Cdf,
    escape_order: Sequence[int],
    prompt_data: bytes,
    q: int,
    latent_width: int,
    latent_height: int,
) -> list[list[list[int]]]:
    """(#parse.prompt) Decode prompt_data to the array v of quantised latents."""
    networks = model["networks"]
    channels = model["parameters"]["latent_channels"]
    hyper_channels = model["parameters"]["hyper_channels"]
    hyper_width, hyper_height = (latent_width + 3) // 4, (latent_height + 3) // 4
    decoder = RangeDecoder(prompt_data)

    z = zeros(hyper_channels, hyper_height, hyper_width)
    index = model["tables"]["hyper_scale_index"]
    scale = [[[index[c]] * hyper_width for _ in range(hyper_height)] for c in range(hyper_channels)]
    mean: Tensor = zeros(hyper_channels, hyper_height, hyper_width)
    decode_elements(decoder, cdf, escape_order, z, mean, scale, lambda c, y, x: True)

    known = clamped_to_input(networks["hyper"], "hyper_latents", z)
    output = run(networks["hyper"], {"hyper_latents": known}, q)
    (h,) = output.values()
    h = [[row[:latent_width] for row in channel[:latent_height]] for channel in h]

    v = zeros(channels, latent_height, latent_width)
    (output_a,) = run(networks["context_a"], {"hyper_features": h}, q).values()
    mean, scale_a = means_and_scales(channels, output_a)
    decode_elements(
        decoder,
        cdf,
        escape_order,
        v,
        mean,
        scale_a,
        lambda c, y, x: in_first_pass(channels, c, y, x),
    )

    known = clamped_to_input(networks["context_b"], "first_pass_values", v)
    inputs = {"hyper_features": h, "first_pass_values": known}
    (output_b,) = run(networks["context_b"], inputs, q).values()
    mean, scale_b = means_and_scales(channels, output_b)
    decode_elements(
        decoder,
        cdf,
        escape_order,
        v,
        mean,
        scale_b,
        lambda c, y, x: not in_first_pass(channels, c, y, x),
    )
    check_end(decoder)
    return v
