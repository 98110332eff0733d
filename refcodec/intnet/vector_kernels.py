"""Matrix products with the processor's integer dot-product instructions, through LLVM.

One *tile* is `ROWS` positions by up to `max_vectors` vectors of output channels; its accumulators stay in registers
over the whole sum, and requantisation follows before anything is stored, as one of

    INT16   int16
    UINT8   uint8, less the least value of the range, as the next product reads it
    ADDED   int16, after the addition of another tensor (#net.add)

The instruction sets:

    vnni8      vpdpbusd  unsigned 8-bit activations, 8-bit weights, four products a lane (AVX512-VNNI)
    vnni16     vpdpwssd  16-bit activations and weights, two products a lane (AVX512-VNNI)
    avxvnni8   as vnni8, 256 bits wide and with half the registers (AVX-VNNI, or AVX512-VNNI)
    avxvnni16  as vnni16, likewise
    avx2       vpmaddwd  as vnni16, 256 bits wide

The plain counterparts are `kernels.mix` and `kernels.convolve`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import config, njit, types
from numba.extending import intrinsic

from refcodec.intnet.emitting import (
    at,
    call,
    clamp,
    requantise,
    shuffle,
    splat,
    store_first,
    to_int16,
    to_uint8,
)

INT16, UINT8, ADDED = 0, 1, 2

_I8, _I16, _I32, _I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))


@dataclass(frozen=True)
class InstructionSet:
    """`lanes` int32 accumulators a vector, `depth` products a lane and instruction, bytes of one activation.

    `features` are alternatives: a processor with all of one has the instructions.
    """

    name: str
    features: tuple[tuple[str, ...], ...]
    lanes: int
    depth: int
    bytes: int
    rows: int
    max_vectors: int


_AVX512 = ("avx512f", "avx512bw", "avx512vl", "avx512vnni")
VNNI8 = InstructionSet("vnni8", (_AVX512,), 16, 4, 1, 6, 4)
VNNI16 = InstructionSet("vnni16", (_AVX512,), 16, 2, 2, 6, 4)
AVXVNNI8 = InstructionSet("avxvnni8", (("avx2", "avxvnni"), _AVX512), 8, 4, 1, 6, 2)
AVXVNNI16 = InstructionSet("avxvnni16", (("avx2", "avxvnni"), _AVX512), 8, 2, 2, 6, 2)
AVX2 = InstructionSet("avx2", (("avx2",),), 8, 2, 2, 4, 2)


@cache
def supported(instructions: InstructionSet) -> bool:
    """Return whether this processor, as Numba compiles for it, has the instructions."""
    if getattr(config, "CPU_NAME", None) or getattr(config, "CPU_FEATURES", None) is not None:
        return False  # the user made Numba compile for another processor
    host = llvmlite.binding.get_host_cpu_features()
    return any(
        all(host.get(feature, False) for feature in features) for features in instructions.features
    )


def _dot(
    builder: ir.IRBuilder, s: InstructionSet, total: ir.Value, x: ir.Value, w: ir.Value
) -> ir.Value:
    if s is not AVX2:
        operation = "vpdpbusd" if s.bytes == 1 else "vpdpwssd"
        name = f"llvm.x86.avx512.{operation}.{32 * s.lanes}"
        return call(builder, name, total.type, [total, x, w])
    pairs = ir.VectorType(_I16, 2 * s.lanes)
    product = call(
        builder,
        "llvm.x86.avx2.pmadd.wd",
        total.type,
        [builder.bitcast(x, pairs), builder.bitcast(w, pairs)],
    )
    return builder.add(total, product)


def _make_tile(s: InstructionSet) -> Any:
    """Return the intrinsic of one tile.

    tile(vectors, x, x_stride, run, jump, w, steps, constants, constants_stride, shift, lo, hi, out, out_stride,
    channels, form, other, sum_lo, sum_hi): `vectors` is 1..max_vectors, or 0 for one vector and twice as many
    positions, as the instructions of fewer sums would wait for each other. Addresses and byte counts are int64. After
    every `run` steps, `jump` bytes of x are passed over. `w` holds steps * vectors vectors of weights; `constants` the
    int32 biases and, constants_stride bytes further on, the multipliers; `channels` is how many outputs to store. For
    the form ADDED, the tensor to add lies `other` bytes from `out` and sums are clamped to sum_lo..sum_hi.
    Only the form INT16 can store fewer channels than the tile has.
    """

    def emit(
        builder: ir.IRBuilder, vectors: int, positions: int, arguments: list[ir.Value]
    ) -> None:
        (
            x,
            x_stride,
            run,
            jump,
            w,
            steps,
            constants,
            constants_stride,
            shift,
            lo,
            hi,
            out,
            out_stride,
            channels,
            form,
            other,
            sum_lo,
            sum_hi,
        ) = arguments
        lanes = s.lanes
        vector = ir.VectorType(_I32, lanes)
        width = 4 * lanes

        def offset(address: ir.Value, by: int) -> ir.Value:
            return builder.add(address, ir.Constant(_I64, by))

        rows = [x]
        for _row in range(positions - 1):
            rows.append(builder.add(rows[-1], x_stride))
        biases = [
            builder.load(at(builder, constants, vector, width * v), align=4) for v in range(vectors)
        ]

        before = builder.block
        loop = builder.append_basic_block("loop")
        done = builder.append_basic_block("done")
        builder.branch(loop)
        builder.position_at_end(loop)
        step, place, left = (builder.phi(_I64) for _ in range(3))
        step.add_incoming(ir.Constant(_I64, 0), before)
        place.add_incoming(ir.Constant(_I64, 0), before)
        left.add_incoming(run, before)
        totals = []
        for _row in range(positions):
            for v in range(vectors):
                total = builder.phi(vector)
                total.add_incoming(biases[v], before)
                totals.append(total)
        weights_at = builder.add(w, builder.mul(step, ir.Constant(_I64, width * vectors)))
        weights = [
            builder.load(at(builder, weights_at, vector, width * v), align=4)
            for v in range(vectors)
        ]
        sums = []
        for row in range(positions):
            given = builder.load(at(builder, builder.add(rows[row], place), _I32), align=1)
            broadcast = splat(builder, given, vector)
            for v in range(vectors):
                sums.append(_dot(builder, s, totals[row * vectors + v], broadcast, weights[v]))
        one = ir.Constant(_I64, 1)
        following = builder.add(step, one)
        step.add_incoming(following, loop)
        ends = builder.icmp_signed("==", left, one)
        passed = builder.select(ends, jump, ir.Constant(_I64, 0))
        place.add_incoming(builder.add(builder.add(place, ir.Constant(_I64, 4)), passed), loop)
        left.add_incoming(builder.select(ends, run, builder.sub(left, one)), loop)
        for total, value in zip(totals, sums, strict=True):
            total.add_incoming(value, loop)
        builder.cbranch(builder.icmp_signed("<", following, steps), loop, done)

        builder.position_at_end(done)
        rounding = builder.lshr(builder.shl(one, shift), one)
        rounding, amount = splat(builder, rounding, vector), splat(builder, shift, vector)
        scale_at = builder.add(constants, constants_stride)
        scales = [
            builder.load(at(builder, scale_at, vector, width * v), align=4) for v in range(vectors)
        ]
        results = [
            [
                requantise(builder, sums[row * vectors + v], scales[v], rounding, amount)
                for v in range(vectors)
            ]
            for row in range(positions)
        ]
        narrow = ir.VectorType(_I16, lanes)
        pair = ir.VectorType(_I16, 2 * lanes)
        quartet = ir.VectorType(_I8, 4 * lanes)

        def bounds(least: ir.Value, most: ir.Value) -> tuple[ir.Value, ir.Value]:
            return splat(builder, least, pair), splat(builder, most, pair)

        def store_uint8() -> None:
            least, _ = bounds(lo, hi)
            span = splat(builder, builder.sub(hi, lo), quartet)
            target = out
            for row in results:
                stored = to_uint8(builder, row, least, span)
                store_first(builder, stored, lanes * vectors, target)
                target = builder.add(target, out_stride)

        def store_int16(added: bool) -> None:
            range_of_own = bounds(lo, hi)
            range_of_sum = bounds(sum_lo, sum_hi)
            target = out
            for row in results:
                for v in range(0, vectors, 2):
                    taken = row[v : v + 2]
                    value = clamp(builder, to_int16(builder, taken[0], taken[-1]), *range_of_own)
                    place = offset(target, 2 * lanes * v)
                    if added:
                        kind = ir.VectorType(_I16, lanes * len(taken))
                        given = builder.load(at(builder, builder.add(place, other), kind), align=1)
                        order = [n % kind.count for n in range(2 * lanes)]
                        given = shuffle(builder, given, given, order)
                        name = f"llvm.sadd.sat.v{2 * lanes}i16"
                        value = call(builder, name, pair, [value, given])
                        value = clamp(builder, value, *range_of_sum)
                    store_first(builder, value, lanes * len(taken), place)
                target = builder.add(target, out_stride)

        full = builder.icmp_signed(">=", channels, ir.Constant(_I64, lanes * vectors))
        with builder.if_else(full) as (whole, partial):
            with whole:
                is_uint8 = builder.icmp_signed("==", form, ir.Constant(_I64, UINT8))
                with builder.if_else(is_uint8) as (as_uint8, as_int16):
                    with as_uint8:
                        store_uint8()
                    with as_int16:
                        is_added = builder.icmp_signed("==", form, ir.Constant(_I64, ADDED))
                        with builder.if_else(is_added) as (added, unchanged):
                            with added:
                                store_int16(True)
                            with unchanged:
                                store_int16(False)
            with partial:
                count = splat(builder, channels, vector)
                low, high = splat(builder, lo, vector), splat(builder, hi, vector)
                target = out
                numbers = ir.Constant(vector, list(range(lanes)))
                for values in results:
                    for v, value in enumerate(values):
                        number = builder.add(numbers, ir.Constant(vector, [lanes * v] * lanes))
                        mask = builder.icmp_signed("<", number, count)
                        place = at(builder, target, narrow, 2 * lanes * v)
                        stored = builder.trunc(clamp(builder, value, low, high), narrow)
                        name = f"llvm.masked.store.v{lanes}i16.p0"
                        given = [stored, place, ir.Constant(_I32, 2), mask]
                        call(builder, name, ir.VoidType(), given)
                    target = builder.add(target, out_stride)

    def generate(_: Any, builder: ir.IRBuilder, __: Any, arguments: Any) -> ir.Value:
        for kind in range(s.max_vectors + 1):
            chosen = builder.icmp_signed("==", arguments[0], ir.Constant(_I64, kind))
            with builder.if_then(chosen):
                positions = s.rows if kind else 2 * s.rows
                emit(builder, max(kind, 1), positions, list(arguments[1:]))
        return ir.Constant(_I64, 0)

    def tile(
        typing: Any, vectors: Any, x: Any, x_stride: Any, run: Any, jump: Any, w: Any, steps: Any,
        constants: Any, constants_stride: Any, shift: Any, lo: Any, hi: Any, out: Any, out_stride: Any,
        channels: Any, form: Any, other: Any, sum_lo: Any, sum_hi: Any,
    ) -> Any:  # fmt: skip
        return types.int64(*[types.int64] * 19), generate

    tile.__name__ = f"tile_{s.name}"
    return intrinsic(tile)


_vnni8, _vnni16, _avxvnni8, _avxvnni16, _avx2 = (
    _make_tile(s) for s in (VNNI8, VNNI16, AVXVNNI8, AVXVNNI16, AVX2)
)

_kernel = njit(nogil=True, cache=True, error_model="numpy")

# Arguments of the products: addresses of x, w, constants and out; strides in bytes; `lines` lines of `count`
# positions, at least ROWS, of which `line` bytes lie between the first of one line and of the next in x, none in out.
# What a position reads of x is contiguous (run = steps, jump = 0: a matrix, of one line), or, for a 3x3 convolution,
# lies in three rows of a padded tensor, each a run. The last tile of a line moves back to fit, so some positions are
# computed twice, with equal results. Positions are taken in blocks whose samples stay in the nearest cache while all
# weights pass by.

BLOCK = 96


@_kernel
def _chunk(vectors: int, limit: int) -> int:
    """Return how many of the vectors that are left to take at once: even shares, at most `limit`."""
    shares = (vectors + limit - 1) // limit
    return (vectors + shares - 1) // shares


@njit(nogil=True, error_model="numpy")  # cached with who calls it
def _product(
    tile: Any, lanes: int, rows: int, most: int,
    x: int, x_stride: int, count: int, lines: int, line: int, run: int, jump: int, w: int, steps: int,
    constants: int, constants_stride: int, shift: int, lo: int, hi: int, out: int, out_stride: int, outputs: int,
    form: int, other: int, sum_lo: int, sum_hi: int,
) -> None:  # fmt: skip
    """(#net.conv1x1) (#net.conv3x3) With a tile of `rows` positions and at most `most` vectors of `lanes` outputs."""
    vectors = (outputs + lanes - 1) // lanes
    size = 1 if form == UINT8 else 2
    for number in range(lines):
        given, stored = x + number * line, out + number * count * out_stride
        for start in range(0, count, BLOCK):
            stop = min(start + BLOCK, count)
            first = 0
            while first < vectors:
                taken = _chunk(vectors - first, most)
                place = 4 * lanes * first
                left = outputs - first * lanes
                tall = taken == 1 and count >= 2 * rows
                positions = 2 * rows if tall else rows
                for n in range(start, stop, positions):
                    row = min(n, count - positions)
                    tile(
                        0 if tall else taken, given + row * x_stride, x_stride, run, jump, w + steps * place, steps,
                        constants + place, constants_stride, shift, lo, hi,
                        stored + row * out_stride + first * lanes * size, out_stride, left, form, other, sum_lo, sum_hi,
                    )  # fmt: skip
                first += taken


# One function for each tile, as Numba caches those alone that name theirs. x is padded to whole steps: of 4 channels
# in uint8, of 2 in int16.


@_kernel
def product_vnni8(*arguments: int) -> None:
    """(#net.conv1x1) (#net.conv3x3) With vpdpbusd: x uint8."""
    _product(_vnni8, 16, 6, 4, *arguments)


@_kernel
def product_vnni16(*arguments: int) -> None:
    """(#net.conv1x1) (#net.conv3x3) With vpdpwssd: x int16."""
    _product(_vnni16, 16, 6, 4, *arguments)


@_kernel
def product_avxvnni8(*arguments: int) -> None:
    """(#net.conv1x1) (#net.conv3x3) With vpdpbusd of 256 bits: x uint8."""
    _product(_avxvnni8, 8, 6, 2, *arguments)


@_kernel
def product_avxvnni16(*arguments: int) -> None:
    """(#net.conv1x1) (#net.conv3x3) With vpdpwssd of 256 bits: x int16."""
    _product(_avxvnni16, 8, 6, 2, *arguments)


@_kernel
def product_avx2(*arguments: int) -> None:
    """(#net.conv1x1) (#net.conv3x3) With vpmaddwd: x int16."""
    _product(_avx2, 8, 4, 2, *arguments)


@_kernel
def pack_uint8(x: Any, lo: int, out: Any) -> None:
    """Store x int16 (N, C), less `lo`, in the first C columns of out uint8."""
    count, channels = x.shape
    for n in range(count):
        for c in range(channels):
            out[n, c] = np.uint8(x[n, c] - np.int16(lo))
