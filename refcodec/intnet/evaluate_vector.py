"""Integer evaluation with the processor's dot-product instructions; the fastest where it can run."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from refcodec.intnet import kernels, vector_depthwise
from refcodec.intnet.graph import Node
from refcodec.intnet.strips import (
    Addition,
    Filter,
    Local,
    MakeProduct,
    Prepared,
    Product,
    Tensor,
    Toolkit,
    Workspace,
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


def _make_product(sets: tuple[InstructionSet, ...]) -> MakeProduct:
    def make_product(node: Node, weight: NDArray[np.int16], declared: tuple[int, int]) -> Product:
        """Prepare a convolution for the widest of `sets` that holds its input."""
        assert node.bias is not None and node.multiplier is not None
        lo, hi = declared
        s = next(item for item in sets if item.bytes == 2 or hi - lo <= 255)
        outputs, inputs = weight.shape
        steps = -(-inputs // s.depth)
        packed = _pack_weights(weight, s)
        constants = np.zeros((2, -(-outputs // s.lanes) * s.lanes), np.int32)
        constants[0, :outputs] = node.bias
        constants[1, :outputs] = node.multiplier
        if s.bytes == 1:
            # activations are stored less lo: sum(w * (x - lo)) + lo * sum(w) is the same sum
            constants[0, :outputs] += lo * weight.sum(1, dtype=np.int32)
        run = PRODUCTS[s.name]
        arguments = (
            packed.ctypes.data,
            steps,
            constants.ctypes.data,
            constants.strides[0],
            node.shift,
            node.lo,
            node.hi,
        )
        fallback = np.ascontiguousarray(weight)

        def product(
            x: Local,
            out: Local,
            workspace: Workspace,
            addition: Addition | None,
            _: object = (packed, constants),
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
                pack_uint8(x, lo, given)
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


def _make_filter(node: Node, weight: NDArray[np.int16]) -> Filter:
    """Prepare a depthwise convolution; one whose channels do not fill vectors is left to the plain kernel."""
    assert node.bias is not None and node.multiplier is not None
    channels = len(weight)
    if channels % vector_depthwise.CHANNELS:
        return plain_filter(node, weight)
    constants = vector_depthwise.pack_constants(
        weight, node.bias.astype(np.int32), node.multiplier.astype(np.int32)
    )

    def filter_rows(padded: Tensor, out: Local) -> None:
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

    return filter_rows


@cache
def prepared(name: str) -> Prepared:
    """Return the store of networks prepared for the backend `name`."""
    sets = SETS[name]
    return Prepared(
        Toolkit(
            _make_product(sets),
            _make_filter,
            packs=sets[0].bytes == 1,
            adds=True,
            positions=max(s.rows for s in sets),
        )
    )
