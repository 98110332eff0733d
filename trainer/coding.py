"""One pass of the whole chain picture -> latents -> rate and picture, differentiable, for training."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from refcodec.twin.rate import laplace_bits
from refcodec.twin.rounding import round_through
from trainer.graph import TorchExecutor, Value
from trainer.networks import SCALE_INDEX_LIMIT, Generator

LARGEST_VALUE = 2047


@dataclass(frozen=True)
class Coded:
    """Result of `code`: rate in bits (N,), planes (N,24,h/4,w/4) in [0, 1], low picture (N,3,h/4,w/4) in [0, 1]."""

    bits: Tensor
    hyper_bits: Tensor
    planes: Tensor
    low_picture: Tensor
    values: Tensor


def planes_from(y: Tensor, c: Tensor) -> Tensor:
    """Stack luma (N,1,H,W) and chroma (N,2,H/2,W/2) to the 24 planes at 1/4 in the order of stage 2."""
    return torch.cat(
        [F.pixel_unshuffle(y, 4), F.pixel_unshuffle(c[:, :1], 2), F.pixel_unshuffle(c[:, 1:], 2)], 1
    )


def planes_to(planes: Tensor) -> tuple[Tensor, Tensor]:
    """Inverse of `planes_from`."""
    y = F.pixel_shuffle(planes[:, :16], 4)
    c = torch.cat([F.pixel_shuffle(planes[:, 16:20], 2), F.pixel_shuffle(planes[:, 20:], 2)], 1)
    return y, c


def code(model: Generator, planes: Tensor, q: Tensor, g: TorchExecutor, noise: bool) -> Coded:
    """Run the chain on sample planes (N,24,h,w) in [0, 1] at scale indices q (N,)."""
    n = planes.shape[0]
    q_real = (q.float() / 32).view(n, 1, 1, 1)
    gain = model.gain(q)
    latents = model.analysis((planes - 0.5) * 4, q_real).float()
    values = latents / gain
    return code_values(model, values, None, q, g, noise)


def code_values(
    model: Generator, values: Tensor, z: Tensor | None, q: Tensor, g: TorchExecutor, noise: bool
) -> Coded:
    """Code unrounded values (N,C,h,w), in quantised units; hyper-latents from `z` or the hyper analysis."""
    n, _, height, width = values.shape
    quantised = g.mode == "quantised"
    q_real = (q.float() / 32).view(n, 1, 1, 1)
    if z is None:
        z = model.hyper_analysis(values, q_real).float() * 8
    z = z.clamp(-31, 31)
    z_rounded = round_through(z)
    z_noisy = z + torch.rand_like(z) - 0.5 if noise else z_rounded
    z_index = model.hyper_scale.clamp(1, SCALE_INDEX_LIMIT).view(1, -1, 1, 1)
    if quantised:
        z_index = round_through(z_index)
    hyper_bits = laplace_bits(z_noisy, torch.zeros_like(z_noisy), z_index).sum((1, 2, 3))

    q_hyper = Value(q_real.expand(-1, 1, *z.shape[2:]), 1, model.q_range)
    q_latent = Value(q_real.expand(-1, 1, height, width), 1, model.q_range)
    h = model.hyper(g, Value(z_rounded / 8, z.shape[1], model.z_range), q_hyper)
    h = Value(h.data[:, :, :height, :width], h.channels, h.range)

    def statistics(head: Value) -> tuple[Tensor, Tensor]:
        mean, index = head.data.float().chunk(2, 1)
        return mean, (index * 8).clamp(0, SCALE_INDEX_LIMIT) + 0.01 * (
            index * 8 - (index * 8).detach()
        )

    def finish(mean: Tensor, index: Tensor) -> Tensor:
        rounded = round_through(values).clamp(-LARGEST_VALUE, LARGEST_VALUE)
        if quantised:
            rounded = torch.where(index < 0.5, round_through(mean), rounded)
        return rounded

    mask = model.first_pass(height, width)
    mean_a, index_a = statistics(model.context_a(g, h))
    first = finish(mean_a, index_a) * mask
    known = Value((first / 4).clamp(-31 / 4, 31 / 4), first.shape[1], model.value_range)
    mean_b, index_b = statistics(model.context_b(g, h, known))
    mean = torch.where(mask, mean_a, mean_b)
    index = torch.where(mask, index_a, index_b)
    rounded = torch.where(mask, first, finish(mean_b, index_b))
    noisy = values + torch.rand_like(values) - 0.5 if noise else rounded
    bits = laplace_bits(noisy, mean, index)
    if quantised:
        bits = bits * (index >= 0.5)
    total = bits.sum((1, 2, 3)) + hyper_bits

    decoded = (rounded * model.gain(q)).clamp(-2047 / 64, 2047 / 64)
    low, features = model.stage1(g, Value(decoded, decoded.shape[1], model.latent_range), q_latent)
    out = model.stage2(g, features, low)
    return Coded(
        total, hyper_bits, out.data.float() * (64 / 255), low.data.float() * (64 / 255), rounded
    )
