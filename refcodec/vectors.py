"""Vectors of samples in kernels: a notation for LLVM's vector instructions, and functions made of it.

Numba has no vector type, so the functions that work on many samples at once are written here as
generators of LLVM code. They use LLVM's own vector operations only, none of a processor's, so they
run wherever Numba does; a processor without vector registers gets scalar code from LLVM.

A generator is called with a `Code` and the arguments of the function as `Scalar`s, addresses among
them; `vector_function` makes of it a function that kernels can call.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Final

from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic

NO_VECTORS: Final = bool(getattr(config, "DISABLE_JIT", False) or getattr(config, "BOUNDSCHECK", 0))
"""Whether functions on single samples stand in the places of those on vectors: as plain Python
(NUMBA_DISABLE_JIT=1), and where every access to an array element is to be checked
(NUMBA_BOUNDSCHECK=1), which those on vectors make by address."""

_I1, _I8, _I32, _I64 = ir.IntType(1), ir.IntType(8), ir.IntType(32), ir.IntType(64)


class Value:
    """A number or a vector of numbers; operands that are Python integers become constants of all
    lanes. `>>` is arithmetic; comparisons are signed and give vectors of one bit."""

    def __init__(self, code: Code, value: ir.Value) -> None:
        self.code = code
        self.value = value

    @property
    def type(self) -> Any:
        """The LLVM type."""
        return self.value.type

    def _other(self, other: Value | int) -> ir.Value:
        return other.value if isinstance(other, Value) else self.code.constant(self.type, other)

    def _make(self, value: ir.Value) -> Value:
        return Value(self.code, value)

    def __add__(self, other: Value | int) -> Value:
        return self._make(self.code.builder.add(self.value, self._other(other)))

    def __sub__(self, other: Value | int) -> Value:
        return self._make(self.code.builder.sub(self.value, self._other(other)))

    def __mul__(self, other: Value | int) -> Value:
        return self._make(self.code.builder.mul(self.value, self._other(other)))

    def __lshift__(self, other: Value | int) -> Value:
        return self._make(self.code.builder.shl(self.value, self._other(other)))

    def __rshift__(self, other: Value | int) -> Value:
        return self._make(self.code.builder.ashr(self.value, self._other(other)))

    def __and__(self, other: Value | int) -> Value:
        return self._make(self.code.builder.and_(self.value, self._other(other)))

    def __or__(self, other: Value | int) -> Value:
        return self._make(self.code.builder.or_(self.value, self._other(other)))

    def __xor__(self, other: Value | int) -> Value:
        return self._make(self.code.builder.xor(self.value, self._other(other)))

    def __lt__(self, other: Value | int) -> Value:
        return self._make(self.code.builder.icmp_signed("<", self.value, self._other(other)))

    def __gt__(self, other: Value | int) -> Value:
        return self._make(self.code.builder.icmp_signed(">", self.value, self._other(other)))

    def __ge__(self, other: Value | int) -> Value:
        return self._make(self.code.builder.icmp_signed(">=", self.value, self._other(other)))

    def equals(self, other: Value | int) -> Value:
        """Compare for equality."""
        return self._make(self.code.builder.icmp_signed("==", self.value, self._other(other)))

    def differs(self, other: Value | int) -> Value:
        """Compare for inequality."""
        return self._make(self.code.builder.icmp_signed("!=", self.value, self._other(other)))

    def _call(self, name: str, *others: Value | int) -> Value:
        arguments = [self.value, *(self._other(other) for other in others)]
        return self._make(self.code.call(name, self.type, arguments))

    def minimum(self, other: Value | int) -> Value:
        """The lesser of two, signed."""
        return self._call("smin", other)

    def maximum(self, other: Value | int) -> Value:
        """The greater of two, signed."""
        return self._call("smax", other)

    def saturated_sum(self, other: Value | int) -> Value:
        """The sum, clipped to the signed range of the type."""
        return self._call("sadd.sat", other)

    def clip(self, low: Value | int, high: Value | int) -> Value:
        """Clip3."""
        return self.maximum(low).minimum(high)

    def distance(self, other: Value) -> Value:
        """The absolute difference."""
        difference = self - other
        return difference.maximum(other - self)

    def choose(self, yes: Value, no: Value) -> Value:
        """`yes` where this, a vector of bits, is 1, `no` elsewhere."""
        return self._make(self.code.builder.select(self.value, yes.value, no.value))

    def widen(self, bits: int) -> Value:
        """Unsigned numbers in lanes of more bits."""
        return self._make(self.code.builder.zext(self.value, self.code.lanes_like(self.type, bits)))

    def widen_signed(self, bits: int) -> Value:
        """Signed numbers in lanes of more bits."""
        return self._make(self.code.builder.sext(self.value, self.code.lanes_like(self.type, bits)))

    def narrow(self, bits: int) -> Value:
        """The low bits of each lane."""
        return self._make(
            self.code.builder.trunc(self.value, self.code.lanes_like(self.type, bits))
        )

    def samples(self) -> Value:
        """Clip1 and the samples."""
        return self.clip(0, 255).narrow(8)

    def mean(self, other: Value) -> Value:
        """The rounded mean of two vectors of samples."""
        total = self.widen(16) + other.widen(16) + 1
        return self._make(
            self.code.builder.lshr(total.value, self.code.constant(total.type, 1))
        ).narrow(8)

    def spread(self, lanes: int) -> Value:
        """A vector of `lanes` times this number."""
        builder = self.code.builder
        kind = ir.VectorType(self.type, lanes)
        undefined = ir.Constant(kind, ir.Undefined)
        single = builder.insert_element(undefined, self.value, ir.Constant(_I32, 0))
        mask = ir.Constant(ir.VectorType(_I32, lanes), [0] * lanes)
        return self._make(builder.shuffle_vector(single, undefined, mask))

    def shuffle(self, order: Sequence[int], other: Value | None = None) -> Value:
        """The lanes of this vector, and of `other` counted on, in another order."""
        builder = self.code.builder
        second = ir.Constant(self.type, ir.Undefined) if other is None else other.value
        mask = ir.Constant(ir.VectorType(_I32, len(order)), list(order))
        return self._make(builder.shuffle_vector(self.value, second, mask))

    def cast(self, kind: Any) -> Value:
        """The same bits as another type of the same size."""
        return self._make(self.code.builder.bitcast(self.value, kind))

    def sum(self) -> Value:
        """The sum of all lanes, one number of their type."""
        return self._make(self.code.call("vector.reduce.add", self.type, [self.value], single=True))

    def any(self) -> Value:
        """One bit: whether any lane of a vector of bits is 1."""
        bits = ir.IntType(self.type.count)
        return self.cast(bits).differs(0)


class Code:
    """Where the code of a function is being put."""

    def __init__(self, builder: ir.IRBuilder) -> None:
        self.builder = builder

    def constant(self, kind: Any, value: int) -> ir.Value:
        """A constant of a type, in every lane of a vector."""
        if isinstance(kind, ir.VectorType):
            return ir.Constant(kind, [value] * kind.count)
        return ir.Constant(kind, value)

    def lanes_like(self, kind: Any, bits: int) -> Any:
        """The type with the lanes of another one and so many bits each."""
        if isinstance(kind, ir.VectorType):
            return ir.VectorType(ir.IntType(bits), kind.count)
        return ir.IntType(bits)

    def call(
        self, operation: str, kind: Any, arguments: list[ir.Value], *, single: bool = False
    ) -> ir.Value:
        """Call one of LLVM's operations that have a version for every `kind` of lanes; the result is of that kind,
        or a `single` lane."""
        if isinstance(kind, ir.VectorType):
            suffix = f"v{kind.count}i{kind.element.width}"
        else:
            suffix = f"i{kind.width}"
        result = kind.element if single else kind
        name = f"llvm.{operation}.{suffix}"
        taking = ir.FunctionType(result, [argument.type for argument in arguments])
        module = self.builder.module
        function = module.globals.get(name) or ir.Function(module, taking, name)
        return self.builder.call(function, arguments)

    def load(self, address: Value, lanes: int, bits: int = 8) -> Value:
        """Read a vector from an address that need not be aligned."""
        kind = ir.VectorType(ir.IntType(bits), lanes)
        place = self.builder.inttoptr(address.value, kind.as_pointer())
        return Value(self, self.builder.load(place, align=1))

    def store(self, value: Value, address: Value) -> None:
        """Write a vector to an address that need not be aligned."""
        place = self.builder.inttoptr(address.value, value.type.as_pointer())
        self.builder.store(value.value, place, align=1)

    def store_first(self, value: Value, address: Value, width: Value, widths: list[int]) -> None:
        """Write the first `width` lanes, a number out of `widths`, which begin with the most."""
        lanes = widths[0]
        part = value if lanes == value.type.count else value.shuffle(range(lanes))
        if len(widths) == 1:
            self.store(part, address)
            return
        likely = lanes == 16
        with self.builder.if_else(width.equals(lanes).value, likely=likely or None) as (yes, no):
            with yes:
                self.store(part, address)
            with no:
                self.store_first(value, address, width, widths[1:])

    def loop(
        self, count: Value, state: Sequence[Value], body: Callable[[list[Value]], Sequence[Value]]
    ) -> list[Value]:
        """Run `body` `count` times, at least once; it gets the state and returns the next one."""
        builder = self.builder
        before = builder.block
        inside = builder.append_basic_block("rows")
        after = builder.append_basic_block("done")
        builder.branch(inside)
        builder.position_at_end(inside)
        left = builder.phi(_I64)
        left.add_incoming(count.value, before)
        phis = []
        for value in state:
            phi = builder.phi(value.type)
            phi.add_incoming(value.value, before)
            phis.append(phi)
        following = body([Value(self, phi) for phi in phis])
        remaining = builder.sub(left, ir.Constant(_I64, 1))
        left.add_incoming(remaining, builder.block)
        for phi, value in zip(phis, following, strict=True):
            phi.add_incoming(value.value, builder.block)
        builder.cbranch(builder.icmp_signed(">", remaining, ir.Constant(_I64, 0)), inside, after)
        builder.position_at_end(after)
        return list(following)


def vector_function(generate: Callable[..., Value | None]) -> Any:
    """Return a function for kernels, of as many int64 arguments as the generator takes behind its
    `Code`; it returns the generator's int64, or 0."""
    count = generate.__code__.co_argcount - 1

    def codegen(_context: Any, builder: ir.IRBuilder, _signature: Any, arguments: Any) -> ir.Value:
        code = Code(builder)
        found = generate(code, *(Value(code, argument) for argument in arguments))
        return ir.Constant(_I64, 0) if found is None else found.value

    def typing(_typing: Any, *_arguments: Any) -> Any:
        return types.int64(*[types.int64] * count), codegen

    typing.__name__ = generate.__name__
    typing.__doc__ = generate.__doc__
    # Numba takes the parameters from here
    parameters = inspect.signature(generate).parameters.values()
    typing.__signature__ = inspect.Signature(list(parameters))  # type: ignore[attr-defined]
    return intrinsic(typing)


def rotated(registers: Sequence[Value], times: int) -> list[Value]:
    """Registers of equal vectors, their lanes interleaved in halves, which rotates the bits of (register, lane) left by
    one each time: so rows become columns, and columns rows. Both counts are powers of two."""
    lanes, half = registers[0].type.count, len(registers) // 2
    low = [n for k in range(lanes // 2) for n in (k, k + lanes)]
    high = [n + lanes // 2 for n in low]
    result = list(registers)
    for _ in range(times):
        result = [
            result[k].shuffle(order, result[k + half]) for k in range(half) for order in (low, high)
        ]
    return result


def transposed(rows: Sequence[Value]) -> list[Value]:
    """The columns of a square: as many vectors as each has lanes."""
    return rotated(rows, len(rows).bit_length() - 1)


SIDE = 8
"""Of the squares of `transpose_square`."""


@vector_function
def transpose_square(
    code: Code, source: Value, source_step: Value, target: Value, target_step: Value
) -> None:
    """Write SIDE x SIDE numbers of 16 bits transposed; addresses, and bytes from row to row."""
    rows = []
    for _ in range(SIDE):
        rows.append(code.load(source, SIDE, 16))
        source = source + source_step
    for column in transposed(rows):
        code.store(column, target)
        target = target + target_step


def _address_of(_typing: Any, array: Any) -> Any:
    """Return the address of the first element of an array."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.ptrtoint(data, _I64)

    return types.int64(array), codegen


address_of: Any = intrinsic(_address_of)
