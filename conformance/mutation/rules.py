"""Mutations aimed at one rule each: what a reader must report is known beforehand.

From one valid structure, every element that the bytes contain gets the damage that its row makes
possible: a value just outside its range, another fixed pattern, the data cut inside it, a leb128
value in more bytes or with more bits than allowed, bytes that are no UTF-8, a length beyond the
data.  The expected error follows from the row, never from what a reader answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from refcodec.syntax import tree
from refcodec.syntax.bits import LONGEST_PREFIX, last_one_bit
from refcodec.syntax.faults import error_id
from refcodec.syntax.interpreter import Frame
from refcodec.syntax.lint import value_limits
from refcodec.syntax.reader import BitReader
from refcodec.syntax.values import Structure, Value
from refcodec.syntax.writer import BitWriter


@dataclass(frozen=True)
class Mutation:
    """Damaged data and what a reader has to say of it.

    `kind` says what was done, `path` which element was hit, `rule` which general rule is broken
    (see tree.GENERAL_RULES), `requirement` the requirement behind it, if one is numbered, and
    `error` the id of the error to be reported.
    """

    data: bytes
    kind: str
    path: str
    rule: str
    requirement: str | None
    error: str


@dataclass(frozen=True)
class _Visit:
    """One element of the valid structure: bits start..stop of the data, inside a block to `end`."""

    path: str
    element: tree.Element
    frame: str
    width: int
    start: int
    stop: int
    end: int
    value: Value
    bounds: tuple[tuple[int, int], ...]


class _Recorder(BitReader):
    """A reader that notes each element with its evaluated range."""

    def __init__(
        self, syntax: tree.Syntax, data: bytes | bytearray | memoryview, bit_offset: int
    ) -> None:
        super().__init__(syntax, data, bit_offset)
        self.visits: list[_Visit] = []
        self.blocks: list[str] = []
        self._width = 0

    def obtain(self, frame: Frame, element: tree.Element, path: str, width: int) -> Value:
        self._width = width
        return super().obtain(frame, element, path, width)

    def check(
        self, frame: Frame, element: tree.Element, path: str, start: int, value: Value
    ) -> None:
        super().check(frame, element, path, start, value)
        bounds = tuple(
            (self.evaluate(frame, interval.low), self.evaluate(frame, interval.high))
            for interval in element.allowed
        )
        self.visits.append(
            _Visit(
                path,
                element,
                frame.path,
                self._width,
                start,
                self.position,
                self.end,
                value,
                bounds,
            )
        )

    def statement(self, frame: Frame, statement: tree.Statement) -> None:
        if isinstance(statement, tree.Bounded) and isinstance(statement.size, tree.Reference):
            self.blocks.append(f"{frame.path}.{statement.size.name}")
        super().statement(frame, statement)


def mutations(
    syntax: tree.Syntax,
    name: str,
    data: bytes | bytearray | memoryview,
    params: Mapping[str, object] | None = None,
    bit_offset: int = 0,
) -> Iterator[Mutation]:
    """Yield every aimed mutation of the valid structure `name` in `data`, in bitstream order.

    Raises the error of the structure when it is not valid.
    """
    recorder = _Recorder(syntax, data, bit_offset)
    recorder.run(name, params or {})
    content = bytes(data)
    last_one = last_one_bit(memoryview(content), len(content))
    asks_for_more = _functions(syntax, name)
    for number, visit in enumerate(recorder.visits):
        aimed = _Aimed(syntax, content, visit)
        yield from aimed.out_of_range()
        if "more_rbsp_data" not in asks_for_more or visit.stop <= last_one:
            # bits from the last 1 on decide what more_rbsp_data() says, elements before them
            yield from aimed.other_pattern()
        yield from aimed.variable_length()
        yield from aimed.not_utf8()
        if "more_rbsp_data" not in asks_for_more:
            yield from aimed.truncated("more_data_in_file" in asks_for_more)
        following = recorder.visits[number + 1 : number + 2]
        yield from aimed.inflated(following, visit.path in recorder.blocks)


def _functions(syntax: tree.Syntax, name: str) -> set[str]:
    """Return the functions that structure `name` and those inside it call."""
    found: set[str] = set()
    for statement in tree.walk(syntax.structures[name].body):
        for expression in tree.expressions(statement):
            found.update(call.function for call in tree.calls(expression))
        if isinstance(statement, tree.Invocation):
            found |= _functions(syntax, statement.structure)
    return found


class _Aimed:
    """The mutations of one element."""

    def __init__(self, syntax: tree.Syntax, data: bytes, visit: _Visit) -> None:
        self.syntax = syntax
        self.data = data
        self.visit = visit
        self.kind = visit.element.descriptor.kind
        self.whole = 8 * len(data)

    def mutation(self, data: bytes, kind: str, rule: str, requirement: str | None) -> Mutation:
        named = requirement or self.syntax.general.get(rule)
        found = error_id(self.syntax, rule, requirement)
        return Mutation(data, kind, self.visit.path, rule, named, found)

    def replaced(self, bits: int, width: int) -> bytes | None:
        """Return the data with the element's bits replaced, or None where they leave its block."""
        visit = self.visit
        if visit.end != self.whole and visit.start + width > visit.end:
            return None
        return replace_bits(self.data, visit.start, visit.stop, bits, width)

    def out_of_range(self) -> Iterator[Mutation]:
        """The values next to the range that the descriptor can carry."""
        visit = self.visit
        limits = value_limits(self.kind, visit.width)
        if limits is None or visit.element.fixed is not None:
            return
        candidates = {b[0] - 1: "below" for b in visit.bounds}
        candidates |= {b[1] + 1: "above" for b in visit.bounds}
        for value, side in candidates.items():
            inside = any(low <= value <= high for low, high in visit.bounds)
            if inside or not limits[0] <= value <= limits[1]:
                continue
            data = self.replaced(*encode(self.syntax, self.kind, visit.width, value))
            if data is not None:
                requirement = visit.element.requirement
                yield self.mutation(data, f"{side} its range: {value}", "value_range", requirement)

    def other_pattern(self) -> Iterator[Mutation]:
        """The first and the last bit of a fixed pattern, flipped."""
        visit = self.visit
        if visit.element.fixed is None or not visit.width:
            return
        for bit in sorted({visit.start, visit.stop - 1}):
            data = bytearray(self.data)
            data[bit // 8] ^= 128 >> bit % 8
            kind = f"bit {bit - visit.start} of its pattern flipped"
            yield self.mutation(bytes(data), kind, "fixed_pattern", visit.element.requirement)

    def variable_length(self) -> Iterator[Mutation]:
        """Codes longer than they need to be, or than they may be."""
        visit = self.visit
        if self.kind in ("leb128", "sleb128"):
            taken = (visit.stop - visit.start) // 8
            if 7 * taken < visit.width:
                bits = take_bits(self.data, visit.start, visit.stop) | 128
                data = self.replaced(bits << 8, 8 * taken + 8)
                if data is not None:
                    yield self.mutation(data, "one byte too many", "leb128_minimal", None)
            data = self.replaced(*encode(self.syntax, "leb128", 64, 1 << visit.width))
            if data is not None:
                yield self.mutation(data, "one bit too many", "leb128_length", None)
        elif self.kind in ("ue", "se"):
            data = self.replaced(1, LONGEST_PREFIX + 2 + LONGEST_PREFIX + 1)
            if data is not None:
                # zeros up to the one bit at the end: more of them than a code may have
                yield self.mutation(data, "too many leading zeros", "exp_golomb_length", None)

    def not_utf8(self) -> Iterator[Mutation]:
        """A byte that no UTF-8 text contains."""
        visit = self.visit
        if self.kind == "utf8" and visit.width:
            data = bytearray(self.data)
            data[visit.start // 8] = 0xFF
            yield self.mutation(bytes(data), "byte FF in text", "text_utf8", None)

    def truncated(self, may_end: bool) -> Iterator[Mutation]:
        """The data cut before the last byte of the element."""
        visit = self.visit
        size = (visit.stop - 1) // 8
        if visit.start == visit.stop or (may_end and 8 * size <= visit.start):
            return
        sized = self.kind in ("bytes", "utf8") or visit.end != self.whole
        rule = "length_inflated" if sized else "data_ends"
        yield self.mutation(self.data[:size], "cut inside it", rule, None)

    def inflated(self, following: list[_Visit], opens_block: bool) -> Iterator[Mutation]:
        """A size as large as its range allows, with no such data."""
        visit = self.visit
        limits = value_limits(self.kind, visit.width)
        if limits is None or visit.element.fixed is not None:
            return
        steers = opens_block
        for sized in following:
            argument = sized.element.descriptor.argument
            steers |= (
                sized.element.descriptor.kind in ("bytes", "utf8")
                and isinstance(argument, tree.Reference)
                and sized.frame == visit.frame
                and argument.name == visit.element.name
            )
        largest = min(max((high for _, high in visit.bounds), default=limits[1]), limits[1])
        if not steers or largest <= len(self.data):
            return
        data = self.replaced(*encode(self.syntax, self.kind, visit.width, largest))
        if data is not None:
            yield self.mutation(data, f"inflated to {largest}", "length_inflated", None)


# --------------------------------------------------------------------------- bits


def encode(syntax: tree.Syntax, kind: str, width: int, value: int) -> tuple[int, int]:
    """Return the bits of `value` under a descriptor, and how many they are."""
    writer = BitWriter(syntax, Structure())
    writer.number(kind, width, value)
    size = writer.position
    return int.from_bytes(writer.sink.finished(), "big") >> -size % 8, size


def take_bits(data: bytes, start: int, stop: int) -> int:
    """Return bits start..stop-1 of `data` as a number."""
    last = (stop + 7) // 8
    value = int.from_bytes(data[start // 8 : last], "big") >> (8 * last - stop)
    return value & ((1 << (stop - start)) - 1)


def replace_bits(data: bytes, start: int, stop: int, bits: int, width: int) -> bytes:
    """Return `data` with bits start..stop-1 replaced by `width` others, zero bits at the end."""
    tail_width = 8 * len(data) - stop
    value = int.from_bytes(data, "big")
    tail = value & ((1 << tail_width) - 1)
    head = value >> (8 * len(data) - start)
    total = start + width + tail_width
    joined = (((head << width) | bits) << tail_width) | tail
    return (joined << -total % 8).to_bytes((total + 7) // 8, "big")
