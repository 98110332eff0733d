"""32-bit arithmetic for kernels.

Numba widens every sum and product of int32 to int64, which halves the lanes of a vector and turns cheap
multiplications into slow ones. These functions stay in 32 bits; the bounds of #net.bounds make that exact.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

# typed as what it is called as: without the typing context that Numba passes itself
_intrinsic: Callable[[Any], Callable[..., Any]] = intrinsic

_SIGNATURE = types.int32(types.int32, types.int32)


@_intrinsic
def add32(typing: Any, a: Any, b: Any) -> Any:
    """Return a + b."""

    def generate(_: Any, builder: ir.IRBuilder, __: Any, arguments: Any) -> ir.Value:
        return builder.add(*arguments)

    return _SIGNATURE, generate


@_intrinsic
def mul32(typing: Any, a: Any, b: Any) -> Any:
    """Return a * b."""

    def generate(_: Any, builder: ir.IRBuilder, __: Any, arguments: Any) -> ir.Value:
        return builder.mul(*arguments)

    return _SIGNATURE, generate


@_intrinsic
def shift32(typing: Any, a: Any, b: Any) -> Any:
    """Return a >> b, rounded towards minus infinity; b is 0..31."""

    def generate(_: Any, builder: ir.IRBuilder, __: Any, arguments: Any) -> ir.Value:
        return builder.ashr(*arguments)

    return _SIGNATURE, generate


@_intrinsic
def clamp32(typing: Any, x: Any, lo: Any, hi: Any) -> Any:
    """Return the nearest integer to x in lo..hi, as int16."""

    def generate(_: Any, builder: ir.IRBuilder, __: Any, arguments: Any) -> ir.Value:
        value, low, high = arguments
        value = builder.select(builder.icmp_signed("<", value, low), low, value)
        value = builder.select(builder.icmp_signed(">", value, high), high, value)
        return builder.trunc(value, ir.IntType(16))

    return types.int16(types.int32, types.int32, types.int32), generate
