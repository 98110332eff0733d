"""Depthwise 3x3 convolutions with vpmaddwd (AVX2), 16 channels at a time.

For each column of the kernel, the samples of the upper two rows are interleaved, and those of the lower
row with zeros; one instruction then multiplies and adds two taps. The interleaved columns serve three output
positions each. The interleaving swaps channels within a vector, and packing to 16 bits swaps them back.
Results are int16, or uint8 less the least value of the range, as the next product reads them.
The plain counterpart is `kernels.depthwise`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from refcodec.intnet.emitting import call, clamp, requantise, splat

_I8, _I16, _I32, _I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
_SAMPLES, _TOTALS, _BYTES = ir.VectorType(_I16, 16), ir.VectorType(_I32, 8), ir.VectorType(_I8, 16)

# typed as what it is called as: without the typing context that Numba passes itself
_intrinsic: Callable[[Any], Callable[..., Any]] = intrinsic

CHANNELS = 16
CHUNK_BYTES = 512
"""Constants of 16 channels: 12 vectors of tap pairs, 2 of biases, 2 of multipliers."""

_LOW = np.array([0, 1, 2, 3, 8, 9, 10, 11])
_HIGH = _LOW + 4
_INTERLEAVE = [[int(n) for c in half for n in (c, c + 16)] for half in (_LOW, _HIGH)]


def pack_constants(
    weight: NDArray[np.int16], bias: NDArray[np.int32], multiplier: NDArray[np.int32]
) -> NDArray[np.uint8]:
    """Lay out weights int16 (C, 3, 3), biases and multipliers (C) as `depthwise` reads them; C is a multiple of 16."""
    parts: list[NDArray[np.generic]] = []
    for first in range(0, len(weight), CHANNELS):
        w = weight[first : first + CHANNELS]
        zero = np.zeros(CHANNELS, np.int16)
        for dx in range(3):
            for upper, lower in ((w[:, 0, dx], w[:, 1, dx]), (w[:, 2, dx], zero)):
                for half in (_LOW, _HIGH):
                    parts.append(np.stack([upper[half], lower[half]], axis=1).reshape(-1))
        for values in (bias, multiplier):
            for half in (_LOW, _HIGH):
                parts.append(values[first : first + CHANNELS][half].astype(np.int32))
    return np.concatenate([np.ascontiguousarray(part).view(np.uint8) for part in parts])


@_intrinsic
def _row(
    typing: Any, top: Any, row_stride: Any, position_stride: Any, constants: Any, shift: Any, lo: Any, hi: Any,
    out: Any, out_stride: Any, count: Any, as_uint8: Any,
) -> Any:  # fmt: skip
    """Filter 16 channels of `count` positions; addresses and byte counts as int64. `top` is the tap up and left."""

    def generate(_: Any, builder: ir.IRBuilder, __: Any, arguments: Any) -> ir.Value:
        top, row_stride, position_stride, constants, shift, lo, hi, out, out_stride, count = (
            arguments[:-1]
        )

        def load(address: ir.Value, by: int, kind: ir.Type) -> ir.Value:
            place = builder.inttoptr(builder.add(address, ir.Constant(_I64, by)), kind.as_pointer())
            return builder.load(place, align=2)

        taps = [load(constants, 32 * i, _SAMPLES) for i in range(12)]
        biases = [load(constants, 384 + 32 * i, _TOTALS) for i in range(2)]
        scales = [load(constants, 448 + 32 * i, _TOTALS) for i in range(2)]
        one = ir.Constant(_I64, 1)
        rounding = splat(builder, builder.lshr(builder.shl(one, shift), one), _TOTALS)
        amount, low, high = (splat(builder, value, _TOTALS) for value in (shift, lo, hi))
        zero = ir.Constant(_SAMPLES, [0] * 16)
        masks = [ir.Constant(ir.VectorType(_I32, 16), mask) for mask in _INTERLEAVE]

        def column(address: ir.Value) -> list[ir.Value]:
            middle = builder.add(address, row_stride)
            rows = [
                load(a, 0, _SAMPLES) for a in (address, middle, builder.add(middle, row_stride))
            ]
            pairs = ((rows[0], rows[1]), (rows[2], zero))
            return [builder.shuffle_vector(a, b, mask) for a, b in pairs for mask in masks]

        left = column(top)
        centre = column(builder.add(top, position_stride))
        ahead = builder.add(top, builder.add(position_stride, position_stride))
        before = builder.block
        loop = builder.append_basic_block("loop")
        done = builder.append_basic_block("done")
        builder.branch(loop)
        builder.position_at_end(loop)
        index, source, target = (builder.phi(_I64) for _i in range(3))
        columns = [[builder.phi(_SAMPLES) for _i in range(4)] for _j in range(2)]
        columns.append(column(source))
        totals = list(biases)
        for dx, interleaved in enumerate(columns):
            for i, samples in enumerate(interleaved):
                product = call(
                    builder, "llvm.x86.avx2.pmadd.wd", _TOTALS, [samples, taps[4 * dx + i]]
                )
                totals[i % 2] = builder.add(totals[i % 2], product)
        for half in range(2):
            value = requantise(builder, totals[half], scales[half], rounding, amount)
            totals[half] = clamp(builder, value, low, high)
        packed = call(builder, "llvm.x86.avx2.packssdw", _SAMPLES, totals)
        narrow = builder.icmp_signed("!=", arguments[-1], ir.Constant(_I64, 0))
        with builder.if_else(narrow) as (to_uint8, to_int16):
            with to_uint8:
                above = builder.trunc(builder.sub(packed, splat(builder, lo, _SAMPLES)), _BYTES)
                builder.store(above, builder.inttoptr(target, _BYTES.as_pointer()), align=1)
            with to_int16:
                builder.store(packed, builder.inttoptr(target, _SAMPLES.as_pointer()), align=2)
        last = builder.block
        following = builder.add(index, one)
        for phi, first, next_value in (
            (index, ir.Constant(_I64, 0), following),
            (source, ahead, builder.add(source, position_stride)),
            (target, out, builder.add(target, out_stride)),
        ):
            phi.add_incoming(first, before)
            phi.add_incoming(next_value, last)
        for phis, firsts, nexts in (
            (columns[0], left, columns[1]),
            (columns[1], centre, columns[2]),
        ):
            for phi, first, next_value in zip(phis, firsts, nexts, strict=True):
                phi.add_incoming(first, before)
                phi.add_incoming(next_value, last)
        builder.cbranch(builder.icmp_signed("<", following, count), loop, done)
        builder.position_at_end(done)
        return ir.Constant(_I64, 0)

    return types.int64(*[types.int64] * 11), generate


@njit(nogil=True, cache=True, error_model="numpy")
def depthwise(
    padded: int,
    constants: int,
    shift: int,
    lo: int,
    hi: int,
    out: int,
    rows: int,
    width: int,
    channels: int,
    as_uint8: int,
) -> None:
    """(#net.depthwise3x3) Addresses of padded int16 (rows + 2, W + 2, C), constants and out (rows, W, C).

    `out` is int16, or where as_uint8 is 1 uint8 and holds the result less `lo`.
    """
    position = 2 * channels
    size = 1 if as_uint8 else 2
    stride = (width + 2) * position
    for row in range(rows):
        for chunk in range(channels // 16):
            _row(
                padded + row * stride + chunk * 32,
                stride,
                position,
                constants + chunk * 512,
                shift,
                lo,
                hi,
                out + (row * width * channels + chunk * 16) * size,
                channels * size,
                width,
                as_uint8,
            )
