"""Random but valid generator models of profile core, the same from a seed on every machine.

They make no pleasant pictures; they exercise every network of the profile, quickly when small.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from refcodec.intnet.graph import Array, Network
from refcodec.intnet.model_file import write_model_file
from refcodec.intnet.random_graph import Builder, Rng

STREAM = (-2047, 2047)


@dataclass(frozen=True)
class Widths:
    """Channels and residual blocks of the networks; the defaults are small, SHIPPED is the size of real models."""

    latent: int = 8
    hyper: int = 4
    hyper_width: int = 12
    context: int = 12
    wide: int = 24
    middle: int = 16
    narrow: int = 12
    wide_blocks: int = 1
    middle_blocks: int = 1
    stage1_blocks: int = 1
    stage2_blocks: int = 1


SHIPPED = Widths(96, 32, 96, 128, 192, 128, 48, 4, 2, 1, 2)


def _hyper(rng: Rng, w: Widths) -> Network:
    b = Builder("hyper", rng)
    z = b.requantise(b.input("hyper_latents", w.hyper, -31, 31), -128, 127)
    q = b.requantise(b.input("qplane", 1, 0, 63), -128, 127)
    x = b.conv("conv1x1", b.concat([z, q]), w.hyper_width, *STREAM)
    x = b.shuffle("pixel_shuffle", b.head(b.block(x), 4 * w.hyper_width, *STREAM), 2)
    x = b.shuffle("pixel_shuffle", b.head(b.block(x), 4 * w.context, *STREAM), 2)
    return b.build([x])


def _distribution(b: Builder, x: str, channels: int) -> str:
    """Add the head of a context network, whose scale indices lie around 10 so that much is coded."""
    out = b.head(x, 2 * channels, -1016, 1016)
    node = b.nodes[-1]
    assert node.weight is not None
    spread = 1400 * node.weight.shape[1] ** 0.5
    scale = np.arange(2 * channels) >= channels
    bias = np.where(scale, int(1.2 * spread), 0).astype(np.int32)
    multiplier = np.where(scale, int(8 / spread * 2**16), int(40 / spread * 2**16)).astype(np.int32)
    b.nodes[-1] = replace(node, bias=bias, multiplier=np.maximum(multiplier, 1), shift=16)
    return out


def _context_a(rng: Rng, w: Widths) -> Network:
    b = Builder("context_a", rng)
    x = b.input("hyper_features", w.context, *STREAM)
    return b.build([_distribution(b, b.block(x), w.latent)])


def _context_b(rng: Rng, w: Widths) -> Network:
    b = Builder("context_b", rng)
    features = b.input("hyper_features", w.context, *STREAM)
    values = b.input("first_pass_values", w.latent, -31, 31)
    x = b.add(
        b.head(features, w.context, *STREAM), b.conv("conv1x1", values, w.context, *STREAM), *STREAM
    )
    return b.build([_distribution(b, b.block(b.block(x)), w.latent)])


def _stage1(rng: Rng, w: Widths) -> Network:
    b = Builder("stage1", rng)
    latents = b.input("latents", w.latent, *STREAM)
    q = b.requantise(b.input("qplane", 1, 0, 63), *STREAM)
    x = b.conv("conv1x1", b.concat([latents, q]), w.wide, *STREAM)
    for _ in range(w.wide_blocks):
        x = b.block(x)
    x = b.shuffle("pixel_shuffle", b.head(x, 4 * w.middle, *STREAM), 2)
    for _ in range(w.middle_blocks):
        x = b.block(x)
    shuffled = "features" if w.stage1_blocks == 0 else None
    x = b.shuffle("pixel_shuffle", b.head(x, 4 * w.narrow, *STREAM), 2, name=shuffled)
    for _ in range(w.stage1_blocks):
        x = b.block(x)
    if shuffled is None:
        x = b.requantise(x, *STREAM, name="features")
    b.head(x, 3, 0, 4095, name="low_picture")
    return b.build(["features", "low_picture"])


def _stage2(rng: Rng, w: Widths) -> Network:
    b = Builder("stage2", rng)
    x = b.input("features", w.narrow, *STREAM)
    low = b.input("low_picture", 3, 0, 4095)
    for _ in range(w.stage2_blocks):
        x = b.block(x)
    detail = b.head(x, 24, -511, 511)
    base = b.gather(low, [0] * 16 + [1] * 4 + [2] * 4)
    total = b.add(base, detail, -8191, 8191)
    b.requantise(total, 0, 255, name="planes")
    # 1/16 units to samples: a steeper scale would saturate and hide differences
    multiplier = rng.integers(240, 257, 24).astype(np.int32)
    b.nodes[-1] = replace(b.nodes[-1], multiplier=multiplier, shift=12)
    return b.build(["planes"])


def random_networks(seed: int, widths: Widths = Widths()) -> dict[str, Network]:
    """Return the five networks of a random model."""
    rng = np.random.default_rng(seed)
    makers = {
        "hyper": _hyper,
        "context_a": _context_a,
        "context_b": _context_b,
        "stage1": _stage1,
        "stage2": _stage2,
    }
    return {name: make(rng, widths) for name, make in makers.items()}


def write_random_model(
    path: str | os.PathLike[str], seed: int, widths: Widths | Sequence[int] = Widths()
) -> bytes:
    """Write the random model of `seed` and return its digest (32 bytes).

    `widths` is a `Widths`, or its first fields in order.
    """
    sizes = widths if isinstance(widths, Widths) else Widths(*widths)
    networks = random_networks(seed, sizes)
    rng = np.random.default_rng([seed, 1])
    steps = 24 * np.exp2(np.arange(64) / 16)[:, None] * rng.uniform(0.75, 1.25, sizes.latent)
    tables: dict[str, Array] = {
        "gain": np.round(steps).astype(np.int32),
        "hyper_scale_index": rng.integers(12, 24, sizes.hyper).astype(np.int16),
    }
    parameters = {"latent_channels": sizes.latent, "hyper_channels": sizes.hyper, "scale_count": 64}
    return write_model_file(path, "core", networks, parameters, tables)
