"""Depthwise 3x3 convolutions with vpdpbusd (AVX512-VNNI, AVX-VNNI): activations uint8, two rows at a time.

One vector holds, for each of its channels, four samples above each other. The first three make the upper row of
results, the last three the lower one: the same samples are multiplied by two vectors of weights, each with a zero.
A column is laid out once and serves three output positions. Results are int16, or uint8 less the least value of the
range, as the next product reads them. The plain counterpart is `kernels.depthwise`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from refcodec.intnet.emitting import (
    at,
    call,
    clamp,
    requantise,
    shuffle,
    splat,
    to_int16,
    to_uint8,
)
from refcodec.intnet.vector_kernels import AVXVNNI8, VNNI8, InstructionSet

_I8, _I16, _I32, _I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))

# typed as what it is called as: without the typing context that Numba passes itself
_intrinsic: Callable[[Any], Callable[..., Any]] = intrinsic

_VECTORS = 8
"""Of constants for each chunk of channels: weights of three columns for both rows, biases, multipliers."""


def pack_constants(
    weight: NDArray[np.int16],
    bias: NDArray[np.int32],
    multiplier: NDArray[np.int32],
    least: int,
    lanes: int,
) -> NDArray[np.uint8]:
    """Lay out weights (C, 3, 3), biases and multipliers (C) as `depthwise_...` reads them; C is a multiple of `lanes`.

    Activations are stored less `least`: sum(w * (x - least)) + least * sum(w) is the same sum.
    """
    bias = bias + least * weight.sum((1, 2), dtype=np.int32)
    parts: list[NDArray[np.generic]] = []
    for first in range(0, len(weight), lanes):
        channels = slice(first, first + lanes)
        for column in range(3):
            for row in range(2):
                taps = np.zeros((lanes, 4), np.int8)
                taps[:, row : row + 3] = weight[channels, :, column]
                parts.append(taps.reshape(-1))
        parts += [bias[channels].astype(np.int32), multiplier[channels].astype(np.int32)]
    return np.concatenate([np.ascontiguousarray(part).view(np.uint8) for part in parts])


def _make_rows(s: InstructionSet) -> Any:
    """Return the intrinsic that filters `s.lanes` channels of `count` positions in two rows.

    All arguments are int64. `top` is the address of the tap up and left; `below` has the bytes from a row to the next
    and `last` those from the third row to the fourth; `lower` is the address of the second row of results. A row alone
    has `last` 0 and both results at one place: the upper one is stored last.
    """
    lanes = s.lanes
    totals_type, words, bytes_type = (
        ir.VectorType(kind, 32 * lanes // kind.width) for kind in (_I32, _I16, _I8)
    )
    order = [lanes * row + channel for channel in range(lanes) for row in range(4)]

    def generate(_: Any, builder: ir.IRBuilder, __: Any, arguments: Any) -> ir.Value:
        (
            top,
            below,
            last,
            step,
            constants,
            shift,
            lo,
            hi,
            upper,
            lower,
            out_step,
            count,
            as_uint8,
        ) = arguments
        narrow = ir.VectorType(_I8, lanes)

        def load(address: ir.Value, by: int, kind: ir.Type) -> ir.Value:
            return builder.load(at(builder, address, kind, by), align=1)

        size = 4 * lanes
        taps = [load(constants, size * i, totals_type) for i in range(6)]
        bias, scale = (load(constants, size * i, totals_type) for i in (6, 7))
        one = ir.Constant(_I64, 1)
        rounding = splat(builder, builder.lshr(builder.shl(one, shift), one), totals_type)
        amount = splat(builder, shift, totals_type)
        least, most = (splat(builder, value, words) for value in (lo, hi))
        span = splat(builder, builder.sub(hi, lo), bytes_type)

        def column(address: ir.Value) -> ir.Value:
            second = builder.add(address, below)
            third = builder.add(second, below)
            rows = [
                load(place, 0, narrow)
                for place in (address, second, third, builder.add(third, last))
            ]
            count = list(range(2 * lanes))
            upper = shuffle(builder, rows[0], rows[1], count)
            lower = shuffle(builder, rows[2], rows[3], count)
            return builder.bitcast(shuffle(builder, upper, lower, order), totals_type)

        def store_both(values: ir.Value) -> None:
            for row, place in ((1, target_below), (0, target)):
                part = list(range(lanes * row, lanes * (row + 1)))
                stored = shuffle(builder, values, values, part)
                builder.store(stored, at(builder, place, stored.type), align=1)

        left = column(top)
        centre = column(builder.add(top, step))
        ahead = builder.add(top, builder.add(step, step))
        before = builder.block
        loop = builder.append_basic_block("loop")
        done = builder.append_basic_block("done")
        builder.branch(loop)
        builder.position_at_end(loop)
        index, source, target, target_below = (builder.phi(_I64) for _i in range(4))
        columns = [builder.phi(totals_type) for _i in range(2)]
        columns.append(column(source))
        results = []
        for row in range(2):
            total = bias
            for i, samples in enumerate(columns):
                name = f"llvm.x86.avx512.vpdpbusd.{32 * lanes}"
                total = call(builder, name, totals_type, [total, samples, taps[2 * i + row]])
            results.append(requantise(builder, total, scale, rounding, amount))
        is_uint8 = builder.icmp_signed("!=", as_uint8, ir.Constant(_I64, 0))
        with builder.if_else(is_uint8) as (narrowest, narrower):
            with narrowest:
                store_both(to_uint8(builder, results, least, span))
            with narrower:
                store_both(clamp(builder, to_int16(builder, *results), least, most))
        end = builder.block
        following = builder.add(index, one)
        for phi, first, next_value in (
            (index, ir.Constant(_I64, 0), following),
            (source, ahead, builder.add(source, step)),
            (target, upper, builder.add(target, out_step)),
            (target_below, lower, builder.add(target_below, out_step)),
            (columns[0], left, columns[1]),
            (columns[1], centre, columns[2]),
        ):
            phi.add_incoming(first, before)
            phi.add_incoming(next_value, end)
        builder.cbranch(builder.icmp_signed("<", following, count), loop, done)
        builder.position_at_end(done)
        return ir.Constant(_I64, 0)

    def rows(
        typing: Any, top: Any, below: Any, last: Any, step: Any, constants: Any, shift: Any, lo: Any, hi: Any,
        upper: Any, lower: Any, out_step: Any, count: Any, as_uint8: Any,
    ) -> Any:  # fmt: skip
        return types.int64(*[types.int64] * 13), generate

    rows.__name__ = f"rows_{s.name}"
    return _intrinsic(rows)


_rows_vnni, _rows_avxvnni = _make_rows(VNNI8), _make_rows(AVXVNNI8)


@njit(nogil=True, error_model="numpy")  # cached with who calls it
def _depthwise(
    filter_rows: Any, lanes: int, padded: int, constants: int, shift: int, lo: int, hi: int, out: int,
    rows: int, width: int, channels: int, as_uint8: int,
) -> None:  # fmt: skip
    """(#net.depthwise3x3) Addresses of padded uint8 (rows + 2, W + 2, C), constants and out (rows, W, C).

    `out` is int16, or where as_uint8 is 1 uint8 and holds the result less `lo`.
    """
    line, step = (width + 2) * channels, channels * (1 if as_uint8 else 2)
    for row in range(0, rows, 2):
        alone = row + 1 == rows
        for chunk in range(channels // lanes):
            upper = out + row * width * step + chunk * lanes * (step // channels)
            filter_rows(
                padded + row * line + chunk * lanes, line, 0 if alone else line, channels,
                constants + chunk * _VECTORS * 4 * lanes, shift, lo, hi,
                upper, upper if alone else upper + width * step, step, width, as_uint8,
            )  # fmt: skip


_kernel = njit(nogil=True, cache=True, error_model="numpy")


@_kernel
def depthwise_vnni(*arguments: int) -> None:
    """(#net.depthwise3x3) 16 channels at a time."""
    _depthwise(_rows_vnni, 16, *arguments)


@_kernel
def depthwise_avxvnni(*arguments: int) -> None:
    """(#net.depthwise3x3) Eight channels at a time."""
    _depthwise(_rows_avxvnni, 8, *arguments)
