"""The steps of programs: what `walk` calls for each line, with the arguments that `programs` writes there.

A step gets the addresses of its line `a` and of the addresses `at` of all places, and which rows the strip has. It
names its arguments in order, makes arrays of them and calls a kernel. Tensors are int16 where nothing else is said;
uint8 holds values less the least of their range.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import carray, njit, types  # type: ignore[attr-defined]
from numba.extending import intrinsic

from refcodec.intnet import kernels, vector_depthwise, vector_depthwise8, vector_kernels
from refcodec.intnet.walk import COLUMNS, Step

MOST_PLACES = 1 << 16
"""Of a program; says how far numbers of places may go, and takes no memory."""

# typed as what it is called as: without the typing context that Numba passes itself
_intrinsic: Callable[[Any], Callable[..., Any]] = intrinsic


def _pointer(kind: Any) -> Any:
    result = types.CPointer(kind)  # type: ignore[no-untyped-call]

    @_intrinsic
    def pointer(typing: Any, address: Any) -> Any:
        def generate(context: Any, builder: ir.IRBuilder, __: Any, arguments: Any) -> ir.Value:
            return builder.inttoptr(arguments[0], context.get_value_type(result))

        return result(types.int64), generate

    return pointer


_uint8, _int16, _int32, _int64, _uint64 = (
    _pointer(kind) for kind in (types.uint8, types.int16, types.int32, types.int64, types.uint64)
)


@njit(nogil=True, cache=True, error_model="numpy")
def _arguments(a: int, at: int) -> Any:
    """Return the line of a step, its first place (what it reads) and its second (what it writes)."""
    line, places = carray(_int64(a), COLUMNS), carray(_int64(at), MOST_PLACES)
    return line, places[line[1]], places[line[2]]


# Each begins with the arguments from the third on, in the order in which `programs` writes them.


def copy_padded(a: int, at: int, first: int, rows: int) -> None:
    """Copy rows of the whole tensor x (height, width, channels) with a border."""
    line, x, out = _arguments(a, at)
    height, width, channels, least = line[3], line[4], line[5], line[6]
    source = carray(_int16(x), (height, width, channels))
    padded = carray(_int16(out), (rows + 2, width + 2, channels))
    kernels.copy_padded(source, first, least, padded)


def copy_padded_uint8(a: int, at: int, first: int, rows: int) -> None:
    """As `copy_padded`, to uint8."""
    line, x, out = _arguments(a, at)
    height, width, channels, least = line[3], line[4], line[5], line[6]
    source = carray(_int16(x), (height, width, channels))
    padded = carray(_uint8(out), (rows + 2, width + 2, channels))
    kernels.copy_padded(source, first, least, padded)


def requantise_padded(a: int, at: int, first: int, rows: int) -> None:
    """Requantise rows of the whole tensor x (height, width, channels) with a border."""
    line, x, out = _arguments(a, at)
    height, width, channels, least = line[3], line[4], line[5], line[6]
    multiplier, shift, lo, hi = carray(_int32(line[7]), channels), line[8], line[9], line[10]
    source = carray(_int16(x), (height, width, channels))
    padded = carray(_int16(out), (rows + 2, width + 2, channels))
    kernels.requantise_padded(source, first, multiplier, shift, lo, hi, least, padded)


def requantise_padded_uint8(a: int, at: int, first: int, rows: int) -> None:
    """As `requantise_padded`, to uint8."""
    line, x, out = _arguments(a, at)
    height, width, channels, least = line[3], line[4], line[5], line[6]
    multiplier, shift, lo, hi = carray(_int32(line[7]), channels), line[8], line[9], line[10]
    source = carray(_int16(x), (height, width, channels))
    padded = carray(_uint8(out), (rows + 2, width + 2, channels))
    kernels.requantise_padded(source, first, multiplier, shift, lo, hi, least, padded)


def depthwise(a: int, at: int, first: int, rows: int) -> None:
    """Filter a padded tensor; see `vector_depthwise`."""
    line, x, out = _arguments(a, at)
    constants, shift, lo, hi = line[3], line[4], line[5], line[6]
    width, channels, as_uint8 = line[7], line[8], line[9]
    vector_depthwise.depthwise(x, constants, shift, lo, hi, out, rows, width, channels, as_uint8)


def depthwise_vnni8(a: int, at: int, first: int, rows: int) -> None:
    """Filter a padded tensor of uint8; see `vector_depthwise8`."""
    line, x, out = _arguments(a, at)
    constants, shift, lo, hi = line[3], line[4], line[5], line[6]
    width, channels, as_uint8 = line[7], line[8], line[9]
    vector_depthwise8.depthwise_vnni(
        x, constants, shift, lo, hi, out, rows, width, channels, as_uint8
    )


def depthwise_avxvnni8(a: int, at: int, first: int, rows: int) -> None:
    """As `depthwise_vnni8`, with 256 bits."""
    line, x, out = _arguments(a, at)
    constants, shift, lo, hi = line[3], line[4], line[5], line[6]
    width, channels, as_uint8 = line[7], line[8], line[9]
    vector_depthwise8.depthwise_avxvnni(
        x, constants, shift, lo, hi, out, rows, width, channels, as_uint8
    )


@njit(nogil=True, cache=True, error_model="numpy")
def _product_arguments(a: int, at: int) -> Any:
    line, x, out = _arguments(a, at)
    # at the end: the place of what is added or -1, given as the distance from `out`
    other = line[19]
    distance = carray(_int64(at), MOST_PLACES)[other] - out if other >= 0 else 0
    return (
        x, line[3], line[4], line[5], line[6], line[7], line[8], line[9], line[10], line[11], line[12],
        line[13], line[14], line[15], out, line[16], line[17], line[18], distance, line[20], line[21],
    )  # fmt: skip


def product_vnni8(a: int, at: int, first: int, rows: int) -> None:
    """A product; see `vector_kernels`, also on the arguments."""
    vector_kernels.product_vnni8(*_product_arguments(a, at))


def product_vnni16(a: int, at: int, first: int, rows: int) -> None:
    """As `product_vnni8`, of int16."""
    vector_kernels.product_vnni16(*_product_arguments(a, at))


def product_avxvnni8(a: int, at: int, first: int, rows: int) -> None:
    """As `product_vnni8`, with 256 bits."""
    vector_kernels.product_avxvnni8(*_product_arguments(a, at))


def product_avxvnni16(a: int, at: int, first: int, rows: int) -> None:
    """As `product_avxvnni8`, of int16."""
    vector_kernels.product_avxvnni16(*_product_arguments(a, at))


def product_avx2(a: int, at: int, first: int, rows: int) -> None:
    """As `product_avxvnni16`, without the instructions of VNNI."""
    vector_kernels.product_avx2(*_product_arguments(a, at))


PRODUCTS: dict[str, Step] = {
    "vnni8": product_vnni8,
    "vnni16": product_vnni16,
    "avxvnni8": product_avxvnni8,
    "avxvnni16": product_avxvnni16,
    "avx2": product_avx2,
}
"""By the name of the instruction set."""

DEPTHWISE: dict[str, Step] = {"vnni8": depthwise_vnni8, "avxvnni8": depthwise_avxvnni8}
"""Those of uint8, by the name of the instruction set."""


# Plain kernels, where channels do not fill vectors or positions a tile. The arguments are the addresses of weights,
# biases and multipliers, shift, lo, hi, width, input and output channels.


def plain_depthwise(a: int, at: int, first: int, rows: int) -> None:
    """Filter a padded tensor."""
    line, x, out = _arguments(a, at)
    weight, shift, lo, hi = line[3], line[6], line[7], line[8]
    width, channels = line[9], line[11]
    bias, multiplier = carray(_int32(line[4]), channels), carray(_int32(line[5]), channels)
    padded = carray(_int16(x), (rows + 2) * (width + 2) * channels)
    taps = carray(_int32(weight), 9 * channels)
    result = carray(_int16(out), (rows, width, channels))
    kernels.depthwise(padded, taps, bias, multiplier, shift, lo, hi, result)


def plain_product(a: int, at: int, first: int, rows: int) -> None:
    """A convolution of 1x1."""
    line, x, out = _arguments(a, at)
    shift, lo, hi, width, inputs, outputs = line[6], line[7], line[8], line[9], line[10], line[11]
    bias, multiplier = carray(_int32(line[4]), outputs), carray(_int32(line[5]), outputs)
    given = carray(_int16(x), (rows * width, inputs))
    weight = carray(_int16(line[3]), (outputs, inputs))
    result = carray(_int16(out), (rows * width, outputs))
    kernels.mix(given, weight, bias, multiplier, shift, lo, hi, result)


def plain_convolution(a: int, at: int, first: int, rows: int) -> None:
    """A convolution of 3x3 of a padded tensor."""
    line, x, out = _arguments(a, at)
    shift, lo, hi, width, inputs, outputs = line[6], line[7], line[8], line[9], line[10], line[11]
    bias, multiplier = carray(_int32(line[4]), outputs), carray(_int32(line[5]), outputs)
    padded = carray(_int16(x), (rows + 2, width + 2, inputs))
    weight = carray(_int16(line[3]), (outputs, 3, 3, inputs))
    result = carray(_int16(out), (rows, width, outputs))
    kernels.convolve(padded, weight, bias, multiplier, shift, lo, hi, result)


def plain_convolution_uint8(a: int, at: int, first: int, rows: int) -> None:
    """As `plain_convolution`, of uint8."""
    line, x, out = _arguments(a, at)
    shift, lo, hi, width, inputs, outputs = line[6], line[7], line[8], line[9], line[10], line[11]
    bias, multiplier = carray(_int32(line[4]), outputs), carray(_int32(line[5]), outputs)
    padded = carray(_uint8(x), (rows + 2, width + 2, inputs))
    weight = carray(_int16(line[3]), (outputs, 3, 3, inputs))
    result = carray(_int16(out), (rows, width, outputs))
    kernels.convolve(padded, weight, bias, multiplier, shift, lo, hi, result)


def neighbourhoods(a: int, at: int, first: int, rows: int) -> None:
    """Lay out the neighbourhoods of a padded tensor."""
    line, x, out = _arguments(a, at)
    width, channels = line[3], line[4]
    padded = carray(_int16(x), (rows + 2, width + 2, channels))
    kernels.neighbourhoods(padded, carray(_int16(out), (rows * width, 9 * channels)))


# Of these, the first two arguments are how many positions there are and the channels that are read.


def requantise(a: int, at: int, first: int, rows: int) -> None:
    """A requantisation."""
    line, x, out = _arguments(a, at)
    count, channels, shift, lo, hi = line[3], line[4], line[6], line[7], line[8]
    given, result = carray(_int16(x), (count, channels)), carray(_int16(out), (count, channels))
    kernels.requantise(given, carray(_int32(line[5]), channels), shift, lo, hi, result)


def requantise_uint8(a: int, at: int, first: int, rows: int) -> None:
    """A requantisation to uint8."""
    line, x, out = _arguments(a, at)
    count, channels, shift, lo, hi = line[3], line[4], line[6], line[7], line[8]
    given, result = carray(_int16(x), (count, channels)), carray(_uint8(out), (count, channels))
    kernels.requantise_uint8(given, carray(_int32(line[5]), channels), shift, lo, hi, result)


def add(a: int, at: int, first: int, rows: int) -> None:
    """An addition; the third argument is another place."""
    line, x, out = _arguments(a, at)
    count, channels, other, lo, hi = line[3], line[4], line[5], line[6], line[7]
    shape = (count, channels)
    given, result = carray(_int16(x), shape), carray(_int16(out), shape)
    second = carray(_int16(carray(_int64(at), MOST_PLACES)[other]), shape)
    kernels.add(given, second, lo, hi, result)


def lookup(a: int, at: int, first: int, rows: int) -> None:
    """A table of line[6] entries."""
    line, x, out = _arguments(a, at)
    count, channels, lo = line[3], line[4], line[7]
    given, result = carray(_int16(x), (count, channels)), carray(_int16(out), (count, channels))
    kernels.lookup(given, carray(_int16(line[5]), line[6]), lo, result)


def gather(a: int, at: int, first: int, rows: int) -> None:
    """Choose line[6] channels."""
    line, x, out = _arguments(a, at)
    count, channels, outputs = line[3], line[4], line[6]
    given, result = carray(_int16(x), (count, channels)), carray(_int16(out), (count, outputs))
    kernels.gather(given, carray(_uint64(line[5]), outputs), result)


def pack(a: int, at: int, first: int, rows: int) -> None:
    """Store as uint8, in rows of line[6] channels."""
    line, x, out = _arguments(a, at)
    count, channels, least, wide = line[3], line[4], line[5], line[6]
    given = carray(_int16(x), (count, channels))
    vector_kernels.pack_uint8(given, least, carray(_uint8(out), (count, wide)))


def copy_columns(a: int, at: int, first: int, rows: int) -> None:
    """Copy into rows of line[6] channels, from channel line[5] on."""
    line, x, out = _arguments(a, at)
    count, channels, start, wide = line[3], line[4], line[5], line[6]
    given = carray(_int16(x), (count, channels))
    kernels.copy_columns(given, carray(_int16(out), (count, wide)), start)


# Of shuffles, the arguments are the width of the deep side, the channels of the large one, and the factor. A run is
# the samples of one channel in a row, as many as the factor, as one integer.


def pixel_shuffle(a: int, at: int, first: int, rows: int) -> None:
    """A pixel shuffle."""
    line, x, out = _arguments(a, at)
    width, channels, r = line[3], line[4], line[5]
    deep = carray(_int16(x), (rows, width, channels * r * r))
    kernels.pixel_shuffle(deep, r, carray(_int16(out), (rows * r, width * r, channels)))


def pixel_shuffle_grouped(a: int, at: int, first: int, rows: int) -> None:
    """A pixel shuffle of channels in another order; see `kernels`."""
    line, x, out = _arguments(a, at)
    width, channels, r = line[3], line[4], line[5]
    deep = carray(_int16(x), (rows, width, channels * r * r))
    kernels.pixel_shuffle_grouped(deep, r, carray(_int16(out), (rows * r, width * r, channels)))


def space_to_depth(a: int, at: int, first: int, rows: int) -> None:
    """The opposite of a pixel shuffle."""
    line, x, out = _arguments(a, at)
    width, channels, r = line[3], line[4], line[5]
    large = carray(_int16(x), (rows * r, width * r, channels))
    kernels.space_to_depth(large, r, carray(_int16(out), (rows, width, channels * r * r)))


def runs_from_depth_2(a: int, at: int, first: int, rows: int) -> None:
    """A pixel shuffle of one channel by 2."""
    line, x, out = _arguments(a, at)
    width, r = line[3], line[5]
    deep = carray(_int32(x), (rows, width, r))
    kernels.runs_from_depth(deep, carray(_int32(out), (rows * r, width)))


def runs_from_depth_4(a: int, at: int, first: int, rows: int) -> None:
    """A pixel shuffle of one channel by 4."""
    line, x, out = _arguments(a, at)
    width, r = line[3], line[5]
    deep = carray(_int64(x), (rows, width, r))
    kernels.runs_from_depth(deep, carray(_int64(out), (rows * r, width)))


def runs_to_depth_2(a: int, at: int, first: int, rows: int) -> None:
    """The opposite of `runs_from_depth_2`."""
    line, x, out = _arguments(a, at)
    width, r = line[3], line[5]
    large = carray(_int32(x), (rows * r, width))
    kernels.runs_to_depth(large, carray(_int32(out), (rows, width, r)))


def runs_to_depth_4(a: int, at: int, first: int, rows: int) -> None:
    """The opposite of `runs_from_depth_4`."""
    line, x, out = _arguments(a, at)
    width, r = line[3], line[5]
    large = carray(_int64(x), (rows * r, width))
    kernels.runs_to_depth(large, carray(_int64(out), (rows, width, r)))


FROM_DEPTH: dict[int, Step] = {2: runs_from_depth_2, 4: runs_from_depth_4}
TO_DEPTH: dict[int, Step] = {2: runs_to_depth_2, 4: runs_to_depth_4}
"""By factor."""
