"""Integer evaluation with the processor's dot-product instructions; the fastest where it can run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from refcodec.intnet import kernels, vector_depthwise
from refcodec.intnet.graph import Node
from refcodec.intnet.strips import (
    Addition,
    Filter,
    Local,
    MakeConvolution,
    MakeProduct,
    Prepared,
    Product,
    Toolkit,
    Workspace,
    gathered,
    plain_filter,
)
from refcodec.intnet.vector_kernels import (
    ADDED,
    AVX2,
    AVXVNNI8,
    AVXVNNI16,
    INT16,
    PRODUCTS,
    UINT8,
    VNNI8,
    VNNI16,
    InstructionSet,
    pack_uint8,
    supported,
)

SETS: dict[str, tuple[InstructionSet, ...]] = {
    "vnni": (VNNI8, VNNI16),
    "avxvnni": (AVXVNNI8, AVXVNNI16),
    "avx2": (AVX2,),
}
"""Instruction sets of each backend; the first whose activations hold the input's range is taken."""


def can_run(name: str) -> bool:
    """Return whether this processor has what the backend `name` needs."""
    return all(supported(item) for item in SETS[name])


def _pack_weights(weight: NDArray[np.int16], s: InstructionSet) -> NDArray[np.generic]:
    """Lay out weights (O, I) as the tiles read them: by chunk of vectors, then step, vector, lane, depth."""
    outputs, inputs = weight.shape
    vectors, steps = -(-outputs // s.lanes), -(-inputs // s.depth)
    padded = np.zeros((vectors * s.lanes, steps * s.depth), np.int16)
    padded[:outputs, :inputs] = weight
    blocks = padded.reshape(vectors, s.lanes, steps, s.depth).transpose(0, 2, 1, 3)
    parts = []
    first = 0
    while first < vectors:
        shares = -(-(vectors - first) // s.max_vectors)
        taken = -(-(vectors - first) // shares)
        parts.append(blocks[first : first + taken].transpose(1, 0, 2, 3).reshape(-1))
        first += taken
    return np.concatenate(parts).astype(np.int8 if s.bytes == 1 else np.int16)


@dataclass(frozen=True)
class _Packed:
    """A convolution prepared for `instructions`: weights (O, I) as the tiles read them, biases and multipliers.

    `least` is what activations are stored less, if they are uint8.
    """

    instructions: InstructionSet
    weight: NDArray[np.generic]
    constants: NDArray[np.int32]
    steps: int
    node: Node
    least: int

    @property
    def arguments(self) -> tuple[int, ...]:
        """The arguments of a product from `w` to `hi`."""
        node, constants = self.node, self.constants
        given = (self.weight.ctypes.data, self.steps, constants.ctypes.data, constants.strides[0])
        return (*given, node.shift, node.lo, node.hi)


def _pack(
    node: Node,
    weight: NDArray[np.int16],
    declared: tuple[int, int],
    sets: tuple[InstructionSet, ...],
) -> _Packed:
    """Prepare a convolution for the widest of `sets` that holds its input."""
    assert node.bias is not None and node.multiplier is not None
    lo, hi = declared
    s = next(item for item in sets if item.bytes == 2 or hi - lo <= 255)
    outputs, inputs = weight.shape
    least = lo if s.bytes == 1 else 0
    constants = np.zeros((2, -(-outputs // s.lanes) * s.lanes), np.int32)
    # activations are stored less lo: sum(w * (x - lo)) + lo * sum(w) is the same sum
    constants[0, :outputs] = node.bias + least * weight.sum(1, dtype=np.int32)
    constants[1, :outputs] = node.multiplier
    return _Packed(s, _pack_weights(weight, s), constants, -(-inputs // s.depth), node, least)


def _make_product(sets: tuple[InstructionSet, ...]) -> MakeProduct:
    def make_product(node: Node, weight: NDArray[np.int16], declared: tuple[int, int]) -> Product:
        packed = _pack(node, weight, declared, sets)
        s, steps = packed.instructions, packed.steps
        outputs, inputs = weight.shape
        run, arguments = PRODUCTS[s.name], packed.arguments
        fallback = np.ascontiguousarray(weight)

        def product(
            x: Local,
            out: Local,
            workspace: Workspace,
            addition: Addition | None,
            _: object = packed,  # what the addresses are of
        ) -> None:
            count = len(x)
            if count < s.rows:
                kernels.mix(
                    x, fallback, node.bias, node.multiplier, node.shift, node.lo, node.hi, out
                )
                return
            given: NDArray[np.generic] = x
            if s.bytes == 1 and x.dtype != np.uint8:
                given = workspace.take("uint8 input", (count, steps * s.depth), np.uint8)
                pack_uint8(x, packed.least, given)
            elif inputs != steps * s.depth:
                given = workspace.take("int16 input", (count, steps * s.depth))
                given[:, :inputs] = x
            form, other, sum_lo, sum_hi = INT16 if out.dtype == np.int16 else UINT8, 0, 0, 0
            if addition is not None:
                form, other = ADDED, addition.other.ctypes.data - out.ctypes.data
                sum_lo, sum_hi = addition.lo, addition.hi
            run(
                given.ctypes.data,
                given.strides[0],
                count,
                1,
                0,
                steps,
                0,
                *arguments,
                out.ctypes.data,
                out.strides[0],
                outputs,
                form,
                other,
                sum_lo,
                sum_hi,
            )

        return product

    return make_product


def _make_convolution(sets: tuple[InstructionSet, ...]) -> MakeConvolution:
    def make_convolution(
        node: Node, weight: NDArray[np.int16], declared: tuple[int, int]
    ) -> Filter:
        """Prepare a 3x3 convolution that reads three runs of a padded tensor for each position."""
        outputs, inputs = len(weight), weight.shape[3]
        packed = _pack(node, weight.reshape(outputs, -1), declared, sets)
        s, steps = packed.instructions, packed.steps
        if 3 * inputs % s.depth:  # a step would reach from one row into the next
            return gathered(_make_product(sets))(node, weight, declared)
        product, arguments = PRODUCTS[s.name], packed.arguments
        bias = np.ascontiguousarray(packed.constants[0, :outputs])
        run = steps // 3

        def convolve_rows(padded: Local, out: Local, _: Workspace, __: object = packed) -> None:
            lines, width = out.shape[:2]
            if width < s.rows:
                scale = (node.multiplier, node.shift, node.lo, node.hi)
                kernels.convolve(padded, weight, bias, *scale, out)
                return
            line, position = padded.strides[:2]
            product(
                padded.ctypes.data,
                position,
                width,
                lines,
                line,
                run,
                line - run * s.depth * s.bytes,
                *arguments,
                out.ctypes.data,
                out.strides[1],
                outputs,
                INT16,
                0,
                0,
                0,
            )

        return Filter(convolve_rows, packed.least if s.bytes == 1 else None)

    return make_convolution


def _make_filter(node: Node, weight: NDArray[np.int16]) -> Filter:
    """Prepare a depthwise convolution; one whose channels do not fill vectors is left to the plain kernel."""
    assert node.bias is not None and node.multiplier is not None
    channels = len(weight)
    if channels % vector_depthwise.CHANNELS:
        return plain_filter(node, weight)
    constants = vector_depthwise.pack_constants(
        weight, node.bias.astype(np.int32), node.multiplier.astype(np.int32)
    )

    def filter_rows(padded: Local, out: Local, _: Workspace) -> None:
        rows, width = out.shape[:2]
        vector_depthwise.depthwise(
            padded.ctypes.data,
            constants.ctypes.data,
            node.shift,
            node.lo,
            node.hi,
            out.ctypes.data,
            rows,
            width,
            channels,
            int(out.dtype == np.uint8),
        )

    return Filter(filter_rows)


@cache
def prepared(name: str) -> Prepared:
    """Return the store of networks prepared for the backend `name`."""
    sets = SETS[name]
    return Prepared(
        Toolkit(
            _make_product(sets),
            _make_filter,
            _make_convolution(sets),
            packs=sets[0].bytes == 1,
            adds=True,
            positions=max(s.rows for s in sets),
        )
    )
