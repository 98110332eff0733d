"""Generation: from quantised latents to the planes of the generated picture.

Plain integers; models and tensors as in prompt decoding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spec.model.integer_network import Tensor, clamp
from spec.model.prompt_decoding import run

Plane = list[list[int]]


def dequantise(v: Tensor, gain: Sequence[int]) -> Tensor:
    """(#gen.dequantisation) Scale the quantised latents; `gain` is the row of the table for q."""
    return [
        [[clamp(-2047, 2047, (e * gain[c] + 32) >> 6) for e in row] for row in v[c]]
        for c in range(len(v))
    ]


def stage1(model: Mapping[str, Any], latents: Tensor, q: int) -> dict[str, Tensor]:
    """(#gen.stage1) Make `features` and `low_picture`."""
    return run(model["networks"]["stage1"], {"latents": latents}, q)


def stage2(model: Mapping[str, Any], low_picture: Tensor, features: Tensor, q: int) -> Tensor:
    """(#gen.stage2) Make the 24 channels `planes`."""
    inputs = {"low_picture": low_picture, "features": features}
    return run(model["networks"]["stage2"], inputs, q)["planes"]


def assemble(planes: Tensor) -> tuple[Plane, Plane, Plane]:
    """(#gen.assembly) Put the samples in their places: Y, Cb, Cr."""
    height, width = len(planes[0]), len(planes[0][0])
    y = [
        [planes[4 * (r % 4) + c % 4][r // 4][c // 4] for c in range(4 * width)]
        for r in range(4 * height)
    ]
    cb, cr = (
        [
            [planes[first + 2 * (r % 2) + c % 2][r // 2][c // 2] for c in range(2 * width)]
            for r in range(2 * height)
        ]
        for first in (16, 20)
    )
    return y, cb, cr


def generate(model: Mapping[str, Any], v: Tensor, q: int) -> tuple[Plane, Plane, Plane]:
    """(#gen.process) Make the generated picture of quantised latents."""
    latents = dequantise(v, model["tables"]["gain"][q])
    made = stage1(model, latents, q)
    planes = stage2(model, made["low_picture"], made["features"], q)
    return assemble(planes)
