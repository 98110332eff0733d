"""Sample arithmetic of inter prediction, sixteen samples at a time: the functions of
block_kernels.py by the same names, with the same arguments.

All lanes are computed whatever the width of the block, and only as many written; that reads at most
some 20 samples behind a block, which the margins allow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from refcodec.avc.compilation import inlined, kernel
from refcodec.vectors import Code, Value, address_of, vector_function

LANES = 16
LUMA_WIDTHS = [16, 8, 4]
CHROMA_WIDTHS = [8, 4, 2]
ALL_WIDTHS = [16, 8, 4, 2]


def _tap(rows: list[Value]) -> Value:
    """(#avc.8.4.2.2.1) The six-tap filter, before rounding; 16-bit lanes hold it for samples."""
    outer, next_, inner = rows[0] + rows[5], rows[1] + rows[4], rows[2] + rows[3]
    return outer + ((inner << 2) - next_) * 5


def _half(tap: Value) -> Value:
    return ((tap + 16) >> 5).samples()


def _centre(rows: list[Value]) -> Value:
    """(#avc.8.4.2.2.1) j of six rows of b1, in lanes of 16 bits.

    With a, b, c the sums of the outer, next and inner rows, j1 = a - 5 * b + 20 * c, and floor(j1 /
    16) is ((a - b >> 2) - b + c >> 2) + c, as floors of quotients by 4 can be taken one after the
    other. Only the sum with the first c can leave 16 bits; it saturates at a value that Clip1 maps
    to 255 just the same.
    """
    a, b, c = rows[0] + rows[5], rows[1] + rows[4], rows[2] + rows[3]
    sixteenth = ((((a - b) >> 2) - b).saturated_sum(c) >> 2) + c
    return ((sixteenth + 32) >> 6).samples()


def _row(code: Code, address: Value) -> Value:
    return code.load(address, LANES).widen(16)


def _tap_along_row(code: Code, address: Value) -> Value:
    return _tap([_row(code, address + k) for k in range(-2, 4)])


def _all(condition: Value) -> Value:
    return condition.spread(LANES)


class _Output:
    """Where the rows of a block go, and whether to take the mean with what is there."""

    def __init__(self, code: Code, width: Value, average: Value) -> None:
        self.code = code
        self.width = width
        self.average = _all(average.differs(0))

    def write(self, samples: Value, address: Value) -> None:
        before = self.code.load(address, LANES)
        mean = self.average.choose(samples.mean(before), samples)
        self.code.store_first(mean, address, self.width, LUMA_WIDTHS)


@vector_function
def _copy(
    code: Code, out: Value, stride: Value, source: Value, source_stride: Value,
    width: Value, height: Value,
) -> None:  # fmt: skip
    def body(state: list[Value]) -> list[Value]:
        at, row = state
        code.store_first(code.load(row, LANES), at, width, LUMA_WIDTHS)
        return [at + stride, row + source_stride]

    code.loop(height, [out, source], body)


@vector_function
def _mean(
    code: Code, out: Value, stride: Value, first: Value, first_stride: Value, second: Value,
    second_stride: Value, width: Value, height: Value,
) -> None:  # fmt: skip
    def body(state: list[Value]) -> list[Value]:
        at, a, b = state
        mean = code.load(a, LANES).mean(code.load(b, LANES))
        code.store_first(mean, at, width, LUMA_WIDTHS)
        return [at + stride, a + first_stride, b + second_stride]

    code.loop(height, [out, first, second], body)


@vector_function
def _along_rows(
    code: Code, out: Value, stride: Value, source: Value, source_stride: Value,
    width: Value, height: Value, x_frac: Value, average: Value,
) -> None:  # fmt: skip
    """(#avc.8.4.2.2.1) a, b, c."""
    output = _Output(code, width, average)
    quarter = _all(x_frac.differs(2))
    to_full = x_frac >> 1

    def body(state: list[Value]) -> list[Value]:
        at, row = state
        half = _half(_tap_along_row(code, row))
        full = code.load(row + to_full, LANES)
        output.write(quarter.choose(half.mean(full), half), at)
        return [at + stride, row + source_stride]

    code.loop(height, [out, source], body)


@vector_function
def _along_columns(
    code: Code, out: Value, stride: Value, source: Value, source_stride: Value,
    width: Value, height: Value, y_frac: Value, average: Value,
) -> None:  # fmt: skip
    """(#avc.8.4.2.2.1) d, h, n."""
    output = _Output(code, width, average)
    quarter = _all(y_frac.differs(2))
    upper = _all(y_frac.equals(1))
    first = [_row(code, source + source_stride * k) for k in range(-2, 3)]

    def body(state: list[Value]) -> list[Value]:
        at, row, *rows = state
        rows.append(_row(code, row))
        half = _half(_tap(rows))
        full = upper.choose(rows[2], rows[3]).narrow(8)
        output.write(quarter.choose(half.mean(full), half), at)
        return [at + stride, row + source_stride, *rows[1:]]

    code.loop(height, [out, source + source_stride * 3, *first], body)


@vector_function
def _diagonal(
    code: Code, out: Value, stride: Value, source: Value, source_stride: Value,
    width: Value, height: Value, x_frac: Value, y_frac: Value, average: Value,
) -> None:  # fmt: skip
    """(#avc.8.4.2.2.1) e, g, p, r."""
    output = _Output(code, width, average)
    column = source + (x_frac >> 1)
    first = [_row(code, column + source_stride * k) for k in range(-2, 3)]
    below = (y_frac >> 1) * source_stride

    def body(state: list[Value]) -> list[Value]:
        at, row, last, *rows = state
        rows.append(_row(code, last))
        vertical = _half(_tap(rows))
        horizontal = _half(_tap_along_row(code, row))
        output.write(vertical.mean(horizontal), at)
        return [at + stride, row + source_stride, last + source_stride, *rows[1:]]

    code.loop(height, [out, source + below, column + source_stride * 3, *first], body)


@vector_function
def _centre_and_rows(
    code: Code, out: Value, stride: Value, source: Value, source_stride: Value,
    width: Value, height: Value, y_frac: Value, average: Value,
) -> None:  # fmt: skip
    """(#avc.8.4.2.2.1) f, j, q."""
    output = _Output(code, width, average)
    quarter = _all(y_frac.differs(2))
    upper = _all(y_frac.equals(1))
    first = [_tap_along_row(code, source + source_stride * k) for k in range(-2, 3)]

    def body(state: list[Value]) -> list[Value]:
        at, row, *rows = state
        rows.append(_tap_along_row(code, row))
        centre = _centre(rows)
        near = _half(upper.choose(rows[2], rows[3]))
        output.write(quarter.choose(centre.mean(near), centre), at)
        return [at + stride, row + source_stride, *rows[1:]]

    code.loop(height, [out, source + source_stride * 3, *first], body)


@vector_function
def _centre_and_columns(
    code: Code, out: Value, stride: Value, source: Value, source_stride: Value,
    width: Value, height: Value, x_frac: Value, average: Value,
) -> None:  # fmt: skip
    """(#avc.8.4.2.2.1) i, k."""
    output = _Output(code, width, average)
    to_column = x_frac >> 1
    first = [_tap_along_row(code, source + source_stride * k) for k in range(-2, 3)]
    columns = [_row(code, source + to_column + source_stride * k) for k in range(-2, 3)]

    def body(state: list[Value]) -> list[Value]:
        at, row = state[:2]
        rows = [*state[2:7], _tap_along_row(code, row)]
        near = [*state[7:], _row(code, row + to_column)]
        output.write(_centre(rows).mean(_half(_tap(near))), at)
        return [at + stride, row + source_stride, *rows[1:], *near[1:]]

    code.loop(height, [out, source + source_stride * 3, *first, *columns], body)


@inlined
def luma_block(
    out: Any, at: int, stride: int, samples: Any, source: int, source_stride: int,
    width: int, height: int, x_frac: int, y_frac: int, average: int,
) -> None:  # fmt: skip
    """(#avc.8.4.2.2.1) Predict a block of luma samples from the full-sample position `source`."""
    a = address_of(out) + at
    b = address_of(samples) + source
    if y_frac == 0:
        if x_frac != 0:
            _along_rows(a, stride, b, source_stride, width, height, x_frac, average)
        elif average != 0:
            _mean(a, stride, b, source_stride, a, stride, width, height)
        else:
            _copy(a, stride, b, source_stride, width, height)
    elif x_frac == 0:
        _along_columns(a, stride, b, source_stride, width, height, y_frac, average)
    elif x_frac == 2:
        _centre_and_rows(a, stride, b, source_stride, width, height, y_frac, average)
    elif y_frac == 2:
        _centre_and_columns(a, stride, b, source_stride, width, height, x_frac, average)
    else:
        _diagonal(a, stride, b, source_stride, width, height, x_frac, y_frac, average)


def _put_area(
    code: Code, out: Value, sources: list[Value], stride: Value, width: Value, height: Value,
    combine: Callable[..., Value], most: int,
) -> None:  # fmt: skip
    """Combine areas of samples, at most `most` at a time; the last vector of a row moves back to
    fit."""

    def put(lanes: int) -> None:
        last = width - lanes
        vectors = (width + (lanes - 1)) >> (lanes.bit_length() - 1)

        def row(state: list[Value]) -> list[Value]:
            at, *rows = state

            def piece(position: list[Value]) -> list[Value]:
                x = position[0].minimum(last)
                code.store(combine(*(code.load(source + x, lanes) for source in rows)), at + x)
                return [position[0] + lanes]

            code.loop(vectors, [width ^ width], piece)
            return [address + stride for address in state]

        code.loop(height, [out, *sources], row)

    def choose(sizes: list[int]) -> None:
        if len(sizes) == 1:
            put(sizes[0])
            return
        with code.builder.if_else((width >= sizes[0]).value) as (fits, less):
            with fits:
                put(sizes[0])
            with less:
                choose(sizes[1:])

    choose([lanes for lanes in (64, 16, 8) if lanes <= most])


@vector_function
def _copy_area(
    code: Code, out: Value, source: Value, stride: Value, width: Value, height: Value
) -> None:
    _put_area(code, out, [source], stride, width, height, lambda a: a, 64)


@vector_function
def _mean_area(
    code: Code, out: Value, first: Value, second: Value, stride: Value, width: Value, height: Value
) -> None:
    _put_area(code, out, [first, second], stride, width, height, Value.mean, 64)


class _Weights:
    """(#avc.8.4.2.3.2) The weighted sum of samples from both lists, in lanes of so many bits."""

    def __init__(
        self, code: Code, bits: int, log2_denominator: Value, weight0: Value, weight1: Value,
        offset: Value,
    ) -> None:  # fmt: skip
        one = Value(code, code.constant(log2_denominator.type, 1))
        values = (weight0, weight1, one << log2_denominator, log2_denominator + 1, offset)
        self._bits = bits
        self._values = [value.narrow(bits) for value in values]

    def __call__(self, first: Value, second: Value) -> Value:
        lanes = first.type.count
        weight0, weight1, rounding, amount, offset = (v.spread(lanes) for v in self._values)
        total = first.widen(self._bits) * weight0 + second.widen(self._bits) * weight1
        return (((total + rounding) >> amount) + offset).samples()


@vector_function
def _weight_area16(
    code: Code, out: Value, first: Value, second: Value, stride: Value, width: Value,
    height: Value, log2_denominator: Value, weight0: Value, weight1: Value, offset: Value,
) -> None:  # fmt: skip
    weights = _Weights(code, 16, log2_denominator, weight0, weight1, offset)
    _put_area(code, out, [first, second], stride, width, height, weights, 16)


@vector_function
def _weight_area32(
    code: Code, out: Value, first: Value, second: Value, stride: Value, width: Value,
    height: Value, log2_denominator: Value, weight0: Value, weight1: Value, offset: Value,
) -> None:  # fmt: skip
    weights = _Weights(code, 32, log2_denominator, weight0, weight1, offset)
    _put_area(code, out, [first, second], stride, width, height, weights, 16)


@kernel
def copy_area(
    samples: Any, at: int, source: int, stride: int, width: int, height: int
) -> None:  # fmt: skip
    """(#avc.8.4.2.2) Predict an area whose vector is one of full samples."""
    a = address_of(samples)
    _copy_area(a + at, a + source, stride, width, height)


@kernel
def mean_area(
    samples: Any, at: int, first: int, second: int, stride: int, width: int, height: int
) -> None:  # fmt: skip
    """(#avc.8.4.2.3.1) The same from both lists."""
    a = address_of(samples)
    _mean_area(a + at, a + first, a + second, stride, width, height)


@kernel
def weight_area(
    samples: Any, at: int, first: int, second: int, stride: int, width: int, height: int,
    log2_denominator: int, weight0: int, weight1: int, offset: int,
) -> None:  # fmt: skip
    """(#avc.8.4.2.3.2) The same with weights."""
    a = address_of(samples)
    # 255 * 128 with the rounding, at most 128, must fit 16 bits, as must the sum with the offset
    if min(weight0, weight1) >= 0 and weight0 + weight1 <= 128 and log2_denominator <= 6:
        _weight_area16(
            a + at, a + first, a + second, stride, width, height,
            log2_denominator, weight0, weight1, offset,
        )  # fmt: skip
    else:
        _weight_area32(
            a + at, a + first, a + second, stride, width, height,
            log2_denominator, weight0, weight1, offset,
        )  # fmt: skip


_LOW, _HIGH = list(range(8)), list(range(8, 16))


def _both(code: Code, address: Value, to_cr: Value) -> Value:
    """Eight samples of Cb and, behind them, eight of Cr."""
    return code.load(address, 8).shuffle([*_LOW, *_HIGH], code.load(address + to_cr, 8))


def _store_both(code: Code, samples: Value, at: Value, to_cr: Value, width: Value) -> None:
    cb, cr = samples.shuffle(_LOW), samples.shuffle(_HIGH)
    builder = code.builder
    with builder.if_else(width.equals(8).value, likely=True) as (whole, part):
        with whole:
            code.store(cb, at)
            code.store(cr, at + to_cr)
        with part:
            code.store_first(cb, at, width, CHROMA_WIDTHS[1:])
            code.store_first(cr, at + to_cr, width, CHROMA_WIDTHS[1:])


@vector_function
def _copy_both(
    code: Code, out: Value, stride: Value, out_to_cr: Value, source: Value, source_stride: Value,
    to_cr: Value, width: Value, height: Value, average: Value,
) -> None:  # fmt: skip
    averaged = _all(average.differs(0))

    def body(state: list[Value]) -> list[Value]:
        at, row = state
        samples = _both(code, row, to_cr)
        mean = samples.mean(_both(code, at, out_to_cr))
        _store_both(code, averaged.choose(mean, samples), at, out_to_cr, width)
        return [at + stride, row + source_stride]

    code.loop(height, [out, source], body)


@vector_function
def _bilinear_both(
    code: Code, out: Value, stride: Value, out_to_cr: Value, source: Value, source_stride: Value,
    to_cr: Value, width: Value, height: Value, x_frac: Value, y_frac: Value, average: Value,
) -> None:  # fmt: skip
    """(#avc.8.4.2.2.2) The mean weighted by eighths, first along rows, then between them; both
    are whole until the last shift, so their order is free."""
    averaged = _all(average.differs(0))
    right, below = (frac.narrow(16).spread(LANES) for frac in (x_frac, y_frac))

    def along(row: Value) -> Value:
        a, b = (_both(code, row + k, to_cr).widen(16) for k in range(2))
        return (a << 3) + (b - a) * right

    def body(state: list[Value]) -> list[Value]:
        at, row, upper = state
        lower = along(row)
        samples = (((upper << 3) + (lower - upper) * below + 32) >> 6).narrow(8)
        mean = samples.mean(_both(code, at, out_to_cr))
        _store_both(code, averaged.choose(mean, samples), at, out_to_cr, width)
        return [at + stride, row + source_stride, lower]

    code.loop(height, [out, source + source_stride, along(source)], body)


@inlined
def chroma_block(
    out: Any, at: int, stride: int, out_to_cr: int, samples: Any, source: int, source_stride: int,
    to_cr: int, width: int, height: int, x_frac: int, y_frac: int, average: int,
) -> None:  # fmt: skip
    """(#avc.8.4.2.2.2) Predict a block of Cb and the one of Cr."""
    a = address_of(out) + at
    b = address_of(samples) + source
    if x_frac | y_frac == 0:
        _copy_both(a, stride, out_to_cr, b, source_stride, to_cr, width, height, average)
    else:
        _bilinear_both(
            a, stride, out_to_cr, b, source_stride, to_cr, width, height, x_frac, y_frac, average
        )  # fmt: skip


@vector_function
def _weight(
    code: Code, out: Value, stride: Value, width: Value, height: Value,
    log2_denominator: Value, weight: Value, offset: Value,
) -> None:  # fmt: skip
    amount, factor, addend = (
        value.narrow(16).spread(LANES) for value in (log2_denominator, weight, offset)
    )
    one = Value(code, code.constant(log2_denominator.type, 1))
    rounding = ((one << log2_denominator) >> 1).narrow(16).spread(LANES)

    def body(state: list[Value]) -> list[Value]:
        (at,) = state
        value = ((_row(code, at) * factor + rounding) >> amount) + addend
        code.store_first(value.samples(), at, width, ALL_WIDTHS)
        return [at + stride]

    code.loop(height, [out], body)


@kernel
def weight_block(
    samples: Any, at: int, stride: int, width: int, height: int,
    log2_denominator: int, weight: int, offset: int,
) -> None:  # fmt: skip
    """(#avc.8.4.2.3.2) Weight a block that was predicted from one list, in place. 255 * 128 and the
    offset fit 16 bits."""
    _weight(address_of(samples) + at, stride, width, height, log2_denominator, weight, offset)


@vector_function
def _weight_both(
    code: Code, out: Value, stride: Value, second: Value, second_stride: Value,
    width: Value, height: Value, log2_denominator: Value, weight0: Value, weight1: Value,
    offset: Value,
) -> None:  # fmt: skip
    weights = _Weights(code, 32, log2_denominator, weight0, weight1, offset)

    def body(state: list[Value]) -> list[Value]:
        at, other = state
        samples = weights(code.load(at, LANES), code.load(other, LANES))
        code.store_first(samples, at, width, ALL_WIDTHS)
        return [at + stride, other + second_stride]

    code.loop(height, [out, second], body)


@kernel
def weight_blocks(
    samples: Any, at: int, stride: int, other: Any, second: int, second_stride: int,
    width: int, height: int, log2_denominator: int, weight0: int, weight1: int, offset: int,
) -> None:  # fmt: skip
    """(#avc.8.4.2.3.2) Weight the predictions from both lists."""
    _weight_both(
        address_of(samples) + at, stride, address_of(other) + second, second_stride,
        width, height, log2_denominator, weight0, weight1, offset,
    )  # fmt: skip
