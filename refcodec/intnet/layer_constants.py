"""The constants of layers as the vector kernels read them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refcodec.intnet import vector_depthwise, vector_depthwise8
from refcodec.intnet.graph import Network, Node
from refcodec.intnet.vector_kernels import InstructionSet


@dataclass(frozen=True)
class Packed:
    """Weights of a convolution that mixes channels, in `steps` steps.

    `weight` is laid out as the tiles read it; `constants` int32 (2, O) holds biases and multipliers, O filled up to
    whole vectors.
    """

    weight: NDArray[np.generic]
    constants: NDArray[np.int32]
    steps: int


@dataclass(frozen=True)
class LayerConstants:
    """What a convolution needs: `plain` weights int16 (O, I), (O, 3, 3, I) or int32 (9, C), and for vector kernels
    `packed` or, where it is depthwise with channels in multiples of 16, `vectors`.

    `least` is what activations are stored less, if they are uint8, and None if they are int16; `instructions` are
    those that the kernels for it use.
    """

    instructions: InstructionSet
    plain: NDArray[np.int16] | NDArray[np.int32]
    bias: NDArray[np.int32]
    multiplier: NDArray[np.int32]
    least: int | None = None
    packed: Packed | None = None
    vectors: NDArray[np.uint8] | None = None


def _int32(values: NDArray[np.generic] | None) -> NDArray[np.int32]:
    assert values is not None
    return np.ascontiguousarray(values, np.int32)


def pack_weights(weight: NDArray[np.int16], s: InstructionSet) -> NDArray[np.generic]:
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


def _pack(
    bias: NDArray[np.int32],
    multiplier: NDArray[np.int32],
    weight: NDArray[np.int16],
    least: int,
    s: InstructionSet,
) -> Packed:
    outputs, inputs = weight.shape
    constants = np.zeros((2, -(-outputs // s.lanes) * s.lanes), np.int32)
    # activations are stored less `least`: sum(w * (x - least)) + least * sum(w) is the same sum
    constants[0, :outputs] = bias + least * weight.sum(1, dtype=np.int32)
    constants[1, :outputs] = multiplier
    return Packed(pack_weights(weight, s), constants, -(-inputs // s.depth))


def prepare_layer(network: Network, node: Node, sets: tuple[InstructionSet, ...]) -> LayerConstants:
    """Prepare a convolution for the first of `sets` that holds the range of its input."""
    assert node.weight is not None
    weight = node.weight.astype(np.int16)
    bias, multiplier = _int32(node.bias), _int32(node.multiplier)
    lo, hi = network.declared(node.inputs[0])
    if node.op != "conv1x1":  # a kernel of 3x3 also reads the zeros around its input
        lo, hi = min(lo, 0), max(hi, 0)
    s = next(item for item in sets if item.bytes == 2 or hi - lo <= 255)
    least = lo if s.bytes == 1 else None
    if node.op == "depthwise3x3":
        plain = np.ascontiguousarray(weight.reshape(len(weight), 9).T.astype(np.int32))
        if len(weight) % vector_depthwise.CHANNELS:
            return LayerConstants(s, plain, bias, multiplier)
        if least is None:
            vectors = vector_depthwise.pack_constants(weight, bias, multiplier)
        else:
            vectors = vector_depthwise8.pack_constants(weight, bias, multiplier, least, s.lanes)
        return LayerConstants(s, plain, bias, multiplier, least, vectors=vectors)
    if node.op == "conv3x3":
        weight = weight.transpose(0, 2, 3, 1)
    weight = np.ascontiguousarray(weight)
    packed = _pack(bias, multiplier, weight.reshape(len(weight), -1), least or 0, s)
    return LayerConstants(s, weight, bias, multiplier, least, packed)
