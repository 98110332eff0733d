"""Small parts of LLVM code that vector kernels are made of."""

from __future__ import annotations

from llvmlite import ir

_I32 = ir.IntType(32)


def call(builder: ir.IRBuilder, name: str, result: ir.Type, arguments: list[ir.Value]) -> ir.Value:
    """Call the function `name` of LLVM, declared where it is not yet."""
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    module = builder.module
    function = module.globals.get(name) or ir.Function(module, kind, name)
    return builder.call(function, arguments)


def splat(builder: ir.IRBuilder, value: ir.Value, kind: ir.VectorType) -> ir.Value:
    """Return a vector whose elements all are `value`, an integer at least as wide."""
    undefined = ir.Constant(kind, ir.Undefined)
    if value.type != kind.element:
        value = builder.trunc(value, kind.element)
    single = builder.insert_element(undefined, value, ir.Constant(_I32, 0))
    mask = ir.Constant(ir.VectorType(_I32, kind.count), [0] * kind.count)
    return builder.shuffle_vector(single, undefined, mask)


def at(builder: ir.IRBuilder, address: ir.Value, kind: ir.Type, by: int = 0) -> ir.Value:
    """Return the pointer to a `kind` that lies `by` bytes behind an address, an int64."""
    if by:
        address = builder.add(address, ir.Constant(ir.IntType(64), by))
    return builder.inttoptr(address, kind.as_pointer())


def shuffle(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, order: list[int]) -> ir.Value:
    """Return the elements `order` of a and b, counted through both."""
    mask = ir.Constant(ir.VectorType(_I32, len(order)), order)
    return builder.shuffle_vector(a, b, mask)


def clamp(builder: ir.IRBuilder, value: ir.Value, low: ir.Value, high: ir.Value) -> ir.Value:
    """Return the nearest to each signed element of `value` within low..high, all vectors of one type."""
    value = builder.select(builder.icmp_signed("<", value, low), low, value)
    return builder.select(builder.icmp_signed(">", value, high), high, value)


def requantise(
    builder: ir.IRBuilder, value: ir.Value, scale: ir.Value, rounding: ir.Value, amount: ir.Value
) -> ir.Value:
    """(#net.requantise) Return what comes before clamping: (value * scale + rounding) >> amount, int32 each."""
    return builder.ashr(builder.add(builder.mul(value, scale), rounding), amount)


def _pack(builder: ir.IRBuilder, name: str, element: ir.Type, a: ir.Value, b: ir.Value) -> ir.Value:
    """Narrow a and b, which interleaves 128 bits of each."""
    wide = a.type.count * a.type.element.width == 512
    suffix = f"avx512.{name}.512" if wide else f"avx2.{name}"
    kind = ir.VectorType(element, 2 * a.type.count)
    return call(builder, f"llvm.x86.{suffix}", kind, [a, b])


def to_int16(builder: ir.IRBuilder, a: ir.Value, b: ir.Value) -> ir.Value:
    """Return the elements of a, then of b (vectors of int32, 256 or 512 bits), saturated to int16."""
    packed = _pack(builder, "packssdw", ir.IntType(16), a, b)
    quads = ir.VectorType(ir.IntType(64), a.type.count // 2)
    shares = a.type.count // 4
    order = [2 * share + part for part in range(2) for share in range(shares)]
    given = builder.bitcast(packed, quads)
    return builder.bitcast(shuffle(builder, given, given, order), packed.type)


def to_uint8(
    builder: ir.IRBuilder, vectors: list[ir.Value], low: ir.Value, span: ir.Value
) -> ir.Value:
    """Return four vectors of int32 (256 or 512 bits), one behind the other, as uint8: clamp(x, low, low + span) - low.

    `low` is a vector of int16 and `span`, at most 255, one of uint8, both as wide as those given; of fewer than four
    vectors the last is repeated.
    """
    a, b, c, d = (vectors + vectors[-1:] * 3)[:4]
    word = ir.IntType(16)
    halves = [_pack(builder, "packssdw", word, *pair) for pair in ((a, b), (c, d))]
    name = f"llvm.ssub.sat.v{halves[0].type.count}i16"
    above = [call(builder, name, half.type, [half, low]) for half in halves]
    packed = _pack(builder, "packuswb", ir.IntType(8), *above)
    packed = builder.select(builder.icmp_unsigned(">", packed, span), span, packed)
    shares = a.type.count // 4
    order = [4 * share + part for part in range(4) for share in range(shares)]
    given = builder.bitcast(packed, a.type)
    return builder.bitcast(shuffle(builder, given, given, order), packed.type)


def store_first(builder: ir.IRBuilder, vector: ir.Value, count: int, address: ir.Value) -> None:
    """Store the first `count` elements of a vector, in pieces whose sizes are powers of two."""
    done = 0
    while done < count:
        size = 1 << ((count - done).bit_length() - 1)
        piece = shuffle(builder, vector, vector, list(range(done, done + size)))
        place = at(builder, address, piece.type, done * vector.type.element.width // 8)
        builder.store(piece, place, align=1)
        done += size
