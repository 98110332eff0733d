"""Transforms of whole blocks and the addition of residual with vectors: the functions of
transform.py by the same names, with the same arguments."""

from __future__ import annotations

from typing import Any

from refcodec.avc import transform
from refcodec.avc.compilation import inlined, kernel, load
from refcodec.vectors import Code, Value, address_of, vector_function

_four_point: Any = getattr(transform.four_point, "py_func", transform.four_point)
_eight_point: Any = getattr(transform.eight_point, "py_func", transform.eight_point)


def _scaled(
    code: Code, levels: Value, scale: Value, exponent: Value, lanes: int, bits: int
) -> Value:
    """(#avc.8.5.12.1) (#avc.8.5.13.1) Return d of as many levels as there are lanes, in 32 bits."""
    shift = exponent.narrow(32)
    limit = Value(code, code.constant(shift.type, transform.COEFFICIENT_LIMIT << bits)) >> shift
    product = code.load(levels, lanes, 16).widen_signed(32) * code.load(scale, lanes, 32)
    product = product.clip((limit * -1).spread(lanes), limit.spread(lanes))
    return ((product << shift.spread(lanes)) + (1 << (bits - 1))) >> bits


def _transposed(rows: list[Value]) -> list[Value]:
    """Return the columns of a square matrix: rows of the upper and the lower half are interleaved
    as often as the index has bits."""
    lanes = len(rows)
    half = lanes // 2
    low = [k // 2 + lanes * (k % 2) for k in range(lanes)]
    for _ in range(lanes.bit_length() - 1):
        rows = [
            rows[k // 2].shuffle([half * (k % 2) + lane for lane in low], rows[k // 2 + half])
            for k in range(lanes)
        ]
    return rows


def _store_rows(code: Code, rows: list[Value], residual: Value, stride: Value) -> None:
    for k, row in enumerate(rows):
        code.store(row >> 6, residual + stride * (4 * k))


@vector_function
def _transform4x4(
    code: Code,
    levels: Value,
    scale: Value,
    exponent: Value,
    dc: Value,
    residual: Value,
    stride: Value,
) -> None:
    d = _scaled(code, levels, scale, exponent, 16, 4)
    d = d.shuffle([16, *range(1, 16)], dc.narrow(32).spread(16))
    columns = [d.shuffle([j, 4 + j, 8 + j, 12 + j]) for j in range(4)]
    f = _transposed(list(_four_point(*columns)))
    _store_rows(code, list(_four_point(f[0] + 32, *f[1:])), residual, stride)


@vector_function
def _transform8x8(
    code: Code, levels: Value, scale: Value, exponent: Value, residual: Value, stride: Value
) -> None:
    d = [_scaled(code, levels + 16 * i, scale + 32 * i, exponent, 8, 6) for i in range(8)]
    g = _transposed(list(_eight_point(*_transposed(d))))
    _store_rows(code, list(_eight_point(g[0] + 32, *g[1:])), residual, stride)


def _fill(code: Code, value: Value, residual: Value, stride: Value, size: int) -> None:
    row = (value.narrow(32) << 6).spread(size)
    _store_rows(code, [row] * size, residual, stride)


@vector_function
def _fill4x4(code: Code, value: Value, residual: Value, stride: Value) -> None:
    _fill(code, value, residual, stride, 4)


@vector_function
def _fill8x8(code: Code, value: Value, residual: Value, stride: Value) -> None:
    _fill(code, value, residual, stride, 8)


def _add(
    code: Code, samples: Value, stride: Value, residual: Value, residual_stride: Value, size: int
) -> None:
    for y in range(size):
        row = samples + stride * y
        r = code.load(residual + residual_stride * (4 * y), size, 32)
        code.store((code.load(row, size).widen(32) + r).samples(), row)


@vector_function
def _add4x4(
    code: Code, samples: Value, stride: Value, residual: Value, residual_stride: Value
) -> None:
    _add(code, samples, stride, residual, residual_stride, 4)


@vector_function
def _add8x8(
    code: Code, samples: Value, stride: Value, residual: Value, residual_stride: Value
) -> None:
    _add(code, samples, stride, residual, residual_stride, 8)


@kernel
def inverse_transform4x4(
    levels: Any,
    at: int,
    scale: Any,
    scale_at: int,
    exponent: int,
    dc: int,
    ac: bool,
    residual: Any,
    residual_at: int,
    stride: int,
) -> None:
    """(#avc.8.5.12) Write the residual of a 4x4 block."""
    out = address_of(residual) + 4 * residual_at
    if ac:
        _transform4x4(
            address_of(levels) + 2 * at, address_of(scale) + 4 * scale_at, exponent, dc, out, stride
        )
    else:
        _fill4x4((dc + 32) >> 6, out, stride)


@kernel
def inverse_transform8x8(
    levels: Any,
    at: int,
    scale: Any,
    scale_at: int,
    exponent: int,
    count: int,
    residual: Any,
    residual_at: int,
    stride: int,
    work: Any,
) -> None:
    """(#avc.8.5.13) Write the residual of an 8x8 block."""
    out = address_of(residual) + 4 * residual_at
    if transform.only_dc8x8(levels, at, count):
        dc = transform.scaled8x8(load(levels, at), load(scale, scale_at), exponent)
        _fill8x8((dc + 32) >> 6, out, stride)
    else:
        _transform8x8(
            address_of(levels) + 2 * at, address_of(scale) + 4 * scale_at, exponent, out, stride
        )


@inlined
def add_residual4x4(
    samples: Any, offset: int, stride: int, residual: Any, at: int, residual_stride: int
) -> None:
    """(#avc.8.5.14) Add the residual of a 4x4 block."""
    _add4x4(address_of(samples) + offset, stride, address_of(residual) + 4 * at, residual_stride)


@inlined
def add_residual8x8(
    samples: Any, offset: int, stride: int, residual: Any, at: int, residual_stride: int
) -> None:
    """(#avc.8.5.14) Add the residual of an 8x8 block."""
    _add8x8(address_of(samples) + offset, stride, address_of(residual) + 4 * at, residual_stride)
