"""Squared differences of unit feature vectors, with a derivative that is written out: the sum at the core of the
perceptual distances, which autograd would make of a dozen passes over the largest feature maps.

On a CPU kernels go over the feature vectors, once for the value and once for the derivative; elsewhere the same
formulas are torch operations, which are also what the kernels are tested against.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
import torch
from numba import njit, types
from numba.extending import overload
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from refcodec.intnet.prepared import work_off

_PART = 1 << 20
"""Features that one job of a thread goes over. Sums are added part by part, so threads do not change them."""


class Norm(NamedTuple):
    """The length of a feature vector whose squares sum to s: sqrt(max(s, least) + added) + after.

    It is constant in s where s < least. One of `least` and `added` is greater than 0.
    """

    least: float = 0.0
    added: float = 0.0
    after: float = 0.0


class Target(NamedTuple):
    """Feature vectors of an original: `rows` (h * w, C), float32 or bfloat16, and what makes unit vectors of them,
    `factors` (h * w,), float32."""

    rows: Tensor
    factors: Tensor


def target_of(x: Tensor, norm: Norm) -> Target:
    """Return what `unit_distance` compares with, of activations (1, C, h, w), float32 or bfloat16.

    The result may share memory with `x`. Raises ValueError for another shape or type.
    """
    rows = _rows(x)
    return Target(rows, _lengths(rows.float(), norm)[1])


def unit_distance(x: Tensor, target: Target, weights: Tensor, norm: Norm) -> Tensor:
    """Return the mean over positions of sum over c of weights[c] * (u[c] - t[c])^2, a float32 scalar.

    u are the feature vectors of `x` (1, C, h, w), each divided by its length, and t those of the target. `x` has the
    type of the target, float32 or bfloat16, in any memory format; `weights`: (C,) float32. Differentiable in `x`,
    once. Everything is computed in float32, on a CPU by the threads of torch. Raises ValueError for other shapes and
    types.
    """
    return _apply(x, target, weights, norm, x.device.type != "cpu")


def unit_distance_plain(x: Tensor, target: Target, weights: Tensor, norm: Norm) -> Tensor:
    """The same as `unit_distance`, in torch operations on any device."""
    return _apply(x, target, weights, norm, True)


def _apply(x: Tensor, target: Target, weights: Tensor, norm: Norm, plain: bool) -> Tensor:
    rows = target.rows
    count, channels = rows.shape
    if x.ndim != 4 or x.shape[1] != channels or x.shape[2] * x.shape[3] != count:
        raise ValueError(
            f"activations of shape {tuple(x.shape)} cannot be compared with {count} feature vectors of {channels}"
        )
    if x.dtype != rows.dtype:
        raise ValueError(f"activations are {x.dtype}, the target is {rows.dtype}")
    if weights.shape != (channels,) or weights.dtype != torch.float32:
        raise ValueError(f"weights must be {channels} float32 numbers")
    result: Tensor = _UnitDistance.apply(x, target, weights, norm, plain)  # type: ignore[no-untyped-call]
    return result


class _UnitDistance(torch.autograd.Function):
    """With v a feature vector, n its length, u = v / n and g = 2 w (u - t) the derivative at u, that at v is
    g / n - v (g . v) / (n^2 root), where root is the square root in n; without the second part where n is constant.

    Kept for it are two numbers a position: `factors`, 1 / n, and `slopes`, (g / 2 . v) / (n^2 root).
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, target: Target, weights: Tensor, norm: Norm, plain: bool
    ) -> Tensor:
        rows = _rows(x)
        function = _value_plain if plain else _value
        value, factors, slopes = function(rows, target, weights, norm)
        ctx.save_for_backward(rows, *target, weights, factors, slopes)
        ctx.shape, ctx.plain = x.shape, plain
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Any) -> Any:
        rows, other, others, weights, factors, slopes = ctx.saved_tensors
        function = _derivative_plain if ctx.plain else _derivative
        scale = gradients[0] * (2 / len(rows))
        found = function(rows, Target(other, others), weights, factors, slopes, scale)
        _, channels, height, width = ctx.shape
        return found.view(1, height, width, channels).permute(0, 3, 1, 2), None, None, None, None


def _rows(x: Tensor) -> Tensor:
    if x.ndim != 4 or x.shape[0] != 1:
        raise ValueError(f"activations must be of one picture, not of shape {tuple(x.shape)}")
    if x.dtype not in (torch.float32, torch.bfloat16):
        raise ValueError(f"activations must be float32 or bfloat16, not {x.dtype}")
    return x.detach().permute(0, 2, 3, 1).contiguous().view(-1, x.shape[1])


# ------------------------------------------------------------------------------ torch operations


def _lengths(v: Tensor, norm: Norm) -> tuple[Tensor, Tensor]:
    """Return the root in the length of each vector, 0 where the length is constant, and 1 / length."""
    squares = v.square().sum(1)
    root = (squares.clamp_min(norm.least) + norm.added).sqrt()
    return torch.where(squares >= norm.least, root, 0), 1 / (root + norm.after)


def _value_plain(
    rows: Tensor, target: Target, weights: Tensor, norm: Norm
) -> tuple[Tensor, Tensor, Tensor]:
    v = rows.float()
    roots, factors = _lengths(v, norm)
    difference = v * factors[:, None] - target.rows.float() * target.factors[:, None]
    weighted = difference * weights
    slopes = torch.where(roots > 0, (weighted * v).sum(1) * factors.square() / roots, 0)
    return (weighted * difference).sum(1).mean(), factors, slopes


def _derivative_plain(
    rows: Tensor, target: Target, weights: Tensor, factors: Tensor, slopes: Tensor, scale: Tensor
) -> Tensor:
    v = rows.float()
    difference = v * factors[:, None] - target.rows.float() * target.factors[:, None]
    found = (difference * weights * factors[:, None] - v * slopes[:, None]) * scale
    return found.to(rows.dtype)


# ---------------------------------------------------------------------------------------- kernels


def _value(
    rows: Tensor, target: Target, weights: Tensor, norm: Norm
) -> tuple[Tensor, Tensor, Tensor]:
    factors, slopes = torch.empty(2, len(rows))
    numbers = np.array(norm, np.float32)
    arrays = [_array(each) for each in (rows, *target, weights, factors, slopes)]
    parts = _parts(rows)
    sums = np.empty(len(parts))

    def work(part: int) -> None:
        sums[part] = _compare(*arrays, numbers, *parts[part])

    work_off(list(range(len(parts))), work, torch.get_num_threads())
    return torch.tensor(sums.sum() / len(rows), dtype=torch.float32), factors, slopes


def _derivative(
    rows: Tensor, target: Target, weights: Tensor, factors: Tensor, slopes: Tensor, scale: Tensor
) -> Tensor:
    found = torch.empty_like(rows)
    arrays = [_array(each) for each in (rows, *target, weights, factors, slopes, found)]
    number = np.float32(scale)

    def work(part: tuple[int, int]) -> None:
        _differentiate(*arrays, number, *part)

    work_off(_parts(rows), work, torch.get_num_threads())
    return found


def _parts(rows: Tensor) -> list[tuple[int, int]]:
    count = -(-rows.numel() // _PART)
    ends = [len(rows) * k // count for k in range(count + 1)]
    return list(itertools.pairwise(ends))


def _array(x: Tensor) -> NDArray[Any]:
    """Return the numbers of a tensor; numpy has no bfloat16, so its bits."""
    return (x.view(torch.uint16) if x.dtype == torch.bfloat16 else x).numpy()


def _widened(value: Any) -> Any:
    """Return the float32 of a float32, or of the bits of a bfloat16."""
    return _of_bits(value) if isinstance(value, np.uint16) else value


def _narrowed(value: Any, like: Any) -> Any:
    """Return a float32 as it is, or the bits of the nearest bfloat16: what `like` is."""
    return _bits_of(value, like) if isinstance(like, np.uint16) else value


def _itself(value: Any) -> Any:
    return value


def _first(value: Any, like: Any) -> Any:  # Numba wants the parameters of `_narrowed`
    return value


def _of_bits(value: Any) -> Any:
    return np.uint32(np.uint32(value) << np.uint32(16)).view(np.float32)


def _bits_of(value: Any, like: Any) -> Any:
    bits = np.float32(value).view(np.uint32)
    # half of the last place that stays, or just less where that place is even
    half = np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return np.uint16((bits + half) >> np.uint32(16))


@overload(_widened)
def _compiled_widened(value: Any) -> Any:
    return _of_bits if value == types.uint16 else _itself


@overload(_narrowed)
def _compiled_narrowed(value: Any, like: Any) -> Any:
    return _bits_of if like == types.uint16 else _first


# Sums of channels may be taken in any order: in vectors.
_FAST = {"reassoc", "contract", "nsz"}
_kernel: Any = njit(nogil=True, cache=True, error_model="numpy", fastmath=_FAST)


@_kernel
def _compare(  # type: ignore[no-untyped-def]
    rows, target, target_factors, weights, factors, slopes, norm, first, end
) -> float:
    """Set factors and slopes of the vectors `first` to `end` - 1 and return the sum of their distances.

    rows, target: (n, C), float32 or bits of bfloat16; the others are float32: target_factors, factors, slopes (n,),
    weights (C,), norm (3,).
    """
    channels = np.uint64(rows.shape[1])  # a signed index could count from the end
    least, added, after = norm
    total = np.float64(0)
    for p in range(first, end):
        row, other, other_factor = rows[p], target[p], target_factors[p]
        squares = np.float32(0)
        for c in range(channels):
            v = _widened(row[c])
            squares += v * v
        root = np.sqrt(max(squares, least) + added)
        factor = np.float32(1) / (root + after)
        distance = product = np.float32(0)
        for c in range(channels):
            v = _widened(row[c])
            difference = v * factor - _widened(other[c]) * other_factor
            weighted = weights[c] * difference
            distance += weighted * difference
            product += weighted * v
        total += distance
        factors[p] = factor
        slopes[p] = product * factor * factor / root if squares >= least else np.float32(0)
    return total


@_kernel
def _differentiate(  # type: ignore[no-untyped-def]
    rows, target, target_factors, weights, factors, slopes, found, scale, first, end
) -> None:
    """Set the derivative `found`, of the type and shape of rows, at the vectors `first` to `end` - 1."""
    channels = np.uint64(rows.shape[1])
    for p in range(first, end):
        row, other, other_factor, out = rows[p], target[p], target_factors[p], found[p]
        factor, slope = factors[p], slopes[p] * scale
        scaled = factor * scale
        for c in range(channels):
            v = _widened(row[c])
            difference = v * factor - _widened(other[c]) * other_factor
            out[c] = _narrowed(scaled * weights[c] * difference - slope * v, out[c])
