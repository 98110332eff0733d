"""Walks through programs: the compiled steps of a group of nodes, over one strip of rows after another.

A program is a table of int64, one line a step: the address of a function, then its arguments. Arguments that name a
tensor are numbers of *places*, each of which has an address for every strip. Between steps and between strips nothing
returns to Python, whose calls would take longer than what a small strip has to compute, and small strips stay in the
cache. The functions are in `steps`; only those that some program uses are compiled.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba import cfunc, njit, types
from numba.extending import intrinsic

Step = Callable[[Any, Any, Any, Any], None]
"""step(a, at, first, rows): addresses of the line of the program and of the table of places, int64 each, and which
rows the strip has."""

COLUMNS = 24
"""Of a program: the function and its arguments, at most 23."""

# typed as what it is called as: without the typing context that Numba passes itself
_intrinsic: Callable[[Any], Callable[..., Any]] = intrinsic


@cache
def _compiled(step: Step) -> Any:
    signature = types.void(types.int64, types.int64, types.int64, types.int64)
    return cfunc(signature, cache=True, error_model="numpy")(step)


def address_of(step: Step) -> int:
    """Return the address of a step's machine code, compiled at the first time."""
    address: int = _compiled(step).address
    return address


@_intrinsic
def _call(typing: Any, function: Any, a: Any, at: Any, first: Any, rows: Any) -> Any:
    def generate(_: Any, builder: ir.IRBuilder, __: Any, arguments: Any) -> ir.Value:
        number = ir.IntType(64)
        kind = ir.FunctionType(ir.VoidType(), [number] * 4)
        builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), arguments[1:])
        return ir.Constant(number, 0)

    return types.int64(*[types.int64] * 5), generate


@njit(nogil=True, cache=True, error_model="numpy")
def walk(steps: Any, bases: Any, pitches: Any, begin: int, end: int, rows: int) -> None:
    """Do `steps` for the strips of `rows` rows from `begin` to `end`; place p is at bases[p] + row * pitches[p]."""
    at = np.empty(len(bases), np.int64)
    for first in range(begin, end, rows):
        for place in range(len(bases)):
            at[place] = bases[place] + first * pitches[place]
        for number in range(len(steps)):
            line = steps.ctypes.data + 8 * COLUMNS * number
            _call(steps[number, 0], line, at.ctypes.data, first, rows)
