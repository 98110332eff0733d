"""Fast reader: each structure becomes a list of closures over integers and one memoryview; what
`refcodec.syntax.generated` can read is read by it.

The plain counterpart is `refcodec.syntax.reader`; both come from the same tree, and a property test
holds that they agree in values and in errors.  There is no listener here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from refcodec import errors
from refcodec.syntax import faults, tree
from refcodec.syntax.bits import LONGEST_PREFIX, last_one_bit
from refcodec.syntax.expressions import (
    apply_binary,
    apply_function,
    apply_unary,
    format_descriptor,
    look_up,
)
from refcodec.syntax.generated import Generator, read_generated
from refcodec.syntax.interpreter import (
    ELEMENT_LIMIT,
    IDLE_LIMIT,
    WIDTHS,
    array_names,
    entry,
)
from refcodec.syntax.values import Structure


class _State:
    """Position and bounds of one read, and the path for errors."""

    __slots__ = ("count", "data", "end", "idle", "origin", "place", "position", "syntax")

    def __init__(self, syntax: tree.Syntax, data: memoryview, position: int, origin: int) -> None:
        self.syntax = syntax
        self.data = data
        self.position = position
        self.end = 8 * len(data)
        self.origin = origin
        self.count = 0
        self.idle = 0
        self.place: _Place | None = None

    def fault(self, rule: str, place: _Place, path: str = "", **facts: Any) -> errors.HypError:
        position = facts.pop("position", self.position)
        return faults.fault(
            self.syntax,
            rule,
            bit_offset=self.origin + position,
            element=place.path() + path,
            **facts,
        )


class _Place:
    """Where a structure stands: its values, names and start, and its path when an error asks."""

    __slots__ = ("index", "label", "parent", "scope", "start", "values")

    def __init__(
        self,
        label: str,
        parent: _Place | None,
        index: int | None,
        scope: dict[str, Any],
        start: int,
    ) -> None:
        self.label = label
        self.parent = parent
        self.index = index
        self.scope = scope
        self.start = start
        self.values = Structure()

    def path(self) -> str:
        head = "" if self.parent is None else self.parent.path() + "."
        return head + self.label + ("" if self.index is None else f"[{self.index}]")


_Expression: TypeAlias = Callable[[_State, _Place], int]
_Action: TypeAlias = Callable[[_State, _Place], None]
_Take: TypeAlias = Callable[[_State, _Place, int], Any]

# --------------------------------------------------------------------------- expressions


def _expression(expression: tree.Expression, constants: Mapping[str, int]) -> _Expression:
    """Return a closure that evaluates `expression`; `constants` are folded in."""
    match expression:
        case tree.Number():
            number = expression.value
            return lambda state, place: number
        case tree.Reference():
            if expression.name in constants:
                return _expression(tree.Number(constants[expression.name], ""), constants)
            return _reference(expression, constants)
        case tree.Unary():
            operand, operator = _expression(expression.operand, constants), expression.operator
            return lambda state, place: apply_unary(operator, operand(state, place))
        case tree.Binary():
            return _binary(expression, constants)
        case tree.Conditional():
            condition = _expression(expression.condition, constants)
            then, otherwise = (
                _expression(expression.then, constants),
                _expression(expression.otherwise, constants),
            )
            return lambda state, place: (
                then(state, place) if condition(state, place) else otherwise(state, place)
            )
        case tree.Call():
            return _call(expression, constants)


def _reference(reference: tree.Reference, constants: Mapping[str, int]) -> _Expression:
    name = reference.name
    subscripts = [_expression(subscript, constants) for subscript in reference.subscripts]

    def general(state: _State, place: _Place) -> int:
        numbers = [subscript(state, place) for subscript in subscripts]
        return look_up(place.scope, reference, numbers)

    if reference.member is not None or len(subscripts) > 1:
        return general
    if subscripts:
        subscript = subscripts[0]

        def entry_of(state: _State, place: _Place) -> int:
            index = subscript(state, place)
            array = place.scope.get(name)
            if type(array) is list and 0 <= index < len(array) and type(array[index]) is int:
                return array[index]
            return general(state, place)

        return entry_of

    def plain(state: _State, place: _Place) -> int:
        value = place.scope.get(name)
        return value if type(value) is int else general(state, place)

    return plain


def _binary(expression: tree.Binary, constants: Mapping[str, int]) -> _Expression:
    left = _expression(expression.left, constants)
    right = _expression(expression.right, constants)
    operator = expression.operator
    if operator == "&&":
        return lambda state, place: 1 if left(state, place) and right(state, place) else 0
    if operator == "||":
        return lambda state, place: 1 if left(state, place) or right(state, place) else 0
    if operator == "==":
        return lambda state, place: 1 if left(state, place) == right(state, place) else 0
    if operator == "<":
        return lambda state, place: 1 if left(state, place) < right(state, place) else 0
    return lambda state, place: apply_binary(operator, left(state, place), right(state, place))


def _call(call: tree.Call, constants: Mapping[str, int]) -> _Expression:
    match call.function:
        case "position":

            def position(state: _State, place: _Place) -> int:
                distance = state.position - place.start
                if distance % 8:
                    raise state.fault("expression_value", place, detail="position() in a byte")
                return distance // 8

            return position
        case "byte_aligned":
            return lambda state, place: 0 if state.position % 8 else 1
        case "bits_to_alignment":
            return lambda state, place: -state.position % 8
        case "more_data_in_file":
            return lambda state, place: 1 if state.position < state.end else 0
        case "more_rbsp_data":
            return lambda state, place: (
                1 if state.position < last_one_bit(state.data, state.end // 8) else 0
            )
    function = call.function
    arguments = [_expression(argument, constants) for argument in call.arguments]
    return lambda state, place: apply_function(
        function, [argument(state, place) for argument in arguments]
    )


# --------------------------------------------------------------------------- leaves


def _unsigned(state: _State, place: _Place, width: int) -> int:
    position = state.position
    stop = position + width
    if stop > state.end:
        raise state.fault("data_ends", place)
    state.position = stop
    if not width:
        return 0
    last = (stop + 7) >> 3
    value = int.from_bytes(state.data[position >> 3 : last], "big")
    return (value >> (8 * last - stop)) & ((1 << width) - 1)


def _signed(state: _State, place: _Place, width: int) -> int:
    value = _unsigned(state, place, width)
    return value - (1 << width) if value >> (width - 1) else value


def _leb128(state: _State, place: _Place, width: int) -> int:
    start = state.position
    data, value, shift = state.data, 0, 0
    if start & 7:
        raise state.fault("alignment", place)
    index, stop = start >> 3, state.end >> 3
    while True:
        if index >= stop:
            raise state.fault("data_ends", place)
        byte = data[index]
        index += 1
        value |= (byte & 127) << shift
        shift += 7
        if value >> width:
            detail = f"at most {width} bits"
            raise state.fault("leb128_length", place, allowed=detail)
        if byte < 128:
            if byte == 0 and shift > 7:
                raise state.fault("leb128_minimal", place)
            state.position = 8 * index
            return value
        if shift >= width:
            detail = f"at most {width} bits"
            raise state.fault("leb128_length", place, allowed=detail)


def _sleb128(state: _State, place: _Place, width: int) -> int:
    code = _leb128(state, place, width)
    return (code >> 1) ^ -(code & 1)


def _exp_golomb(state: _State, place: _Place, width: int) -> int:
    start = state.position
    bits = min(2 * LONGEST_PREFIX + 1, state.end - start)
    last = (start + bits + 7) >> 3
    window = int.from_bytes(state.data[start >> 3 : last], "big") >> (8 * last - start - bits)
    window &= (1 << bits) - 1
    zeros = bits - window.bit_length()
    if zeros > LONGEST_PREFIX:
        raise state.fault("exp_golomb_length", place)
    taken = 2 * zeros + 1
    if taken > bits:
        raise state.fault("data_ends", place)
    state.position = start + taken
    return (window >> (bits - taken)) - 1


def _signed_exp_golomb(state: _State, place: _Place, width: int) -> int:
    code = _exp_golomb(state, place, width)
    return (code + 1) >> 1 if code & 1 else -(code >> 1)


def _bytes(state: _State, place: _Place, width: int) -> memoryview:
    position = state.position
    if position & 7:
        raise state.fault("alignment", place)
    stop = position + 8 * width
    if stop > state.end:
        left = (state.end - position) // 8
        raise state.fault("length_inflated", place, value=width, allowed=(0, left))
    state.position = stop
    return state.data[position >> 3 : stop >> 3]


def _utf8(state: _State, place: _Place, width: int) -> str:
    start = state.position
    content = _bytes(state, place, width)
    try:
        return str(content, "utf-8")
    except UnicodeDecodeError as cause:
        state.position = start
        detail = str(cause.reason)
        raise state.fault("text_utf8", place, detail=detail) from None


_TAKE: dict[str, _Take] = {
    "u": _unsigned,
    "f": _unsigned,
    "b": _unsigned,
    "i": _signed,
    "leb128": _leb128,
    "sleb128": _sleb128,
    "ue": _exp_golomb,
    "se": _signed_exp_golomb,
    "bytes": _bytes,
    "utf8": _utf8,
}

# --------------------------------------------------------------------------- statements


def _element(element: tree.Element, constants: Mapping[str, int]) -> _Action:
    """Return a closure that reads one row."""
    name, kind, requirement = element.name, element.descriptor.kind, element.requirement
    take = _TAKE[kind]
    argument = element.descriptor.argument
    width_of = _expression(argument, constants) if argument is not None else None
    constant = argument.value if isinstance(argument, tree.Number) else None
    least, greatest = WIDTHS.get(kind, (0, None))
    fixed = None if element.fixed is None else _expression(element.fixed, constants)
    bounds = [
        (_expression(i.low, constants), _expression(i.high, constants)) for i in element.allowed
    ]
    subscripts = [_expression(subscript, constants) for subscript in element.subscripts]
    simple: tuple[int, int] | None = None
    if len(element.allowed) == 1:
        low, high = element.allowed[0].low, element.allowed[0].high
        if isinstance(low, tree.Number) and isinstance(high, tree.Number):
            simple = low.value, high.value

    def path_of(numbers: list[int]) -> str:
        return f".{name}" + "".join(f"[{number}]" for number in numbers)

    def read(state: _State, place: _Place, numbers: list[int]) -> Any:
        state.count += 1
        if state.count > ELEMENT_LIMIT:
            raise state.fault("element_count", place, path_of(numbers), allowed=ELEMENT_LIMIT)
        width = 0
        if constant is not None:
            width = constant
        elif width_of is not None:
            width = width_of(state, place)
        if width < least or (greatest is not None and width > greatest):
            detail = f"{format_descriptor(element.descriptor)} with {width}"
            raise state.fault("expression_value", place, path_of(numbers), detail=detail)
        start = state.position
        try:
            value = take(state, place, width)
        except errors.HypError as cause:
            # the path is made for errors alone
            cause.element = place.path() + path_of(numbers)
            raise
        if simple is not None:
            if not simple[0] <= value <= simple[1]:
                raise out_of_range(state, place, numbers, start, value)
        elif fixed is not None:
            wanted = fixed(state, place)
            if value != wanted:
                raise state.fault(
                    "fixed_pattern",
                    place,
                    path_of(numbers),
                    requirement=requirement,
                    position=start,
                    value=value,
                    allowed=wanted,
                )
        elif bounds and not any(
            low(state, place) <= value <= high(state, place) for low, high in bounds
        ):
            raise out_of_range(state, place, numbers, start, value)
        return value

    def out_of_range(
        state: _State, place: _Place, numbers: list[int], start: int, value: int
    ) -> errors.HypError:
        limits = [(low(state, place), high(state, place)) for low, high in bounds]
        return state.fault(
            "value_range",
            place,
            path_of(numbers),
            requirement=requirement,
            position=start,
            value=value,
            allowed=faults.allowed_text(limits),
        )

    if not subscripts:

        def one(state: _State, place: _Place) -> None:
            place.values[name] = place.scope[name] = read(state, place, [])

        return one

    def several(state: _State, place: _Place) -> None:
        numbers = [subscript(state, place) for subscript in subscripts]
        value = read(state, place, numbers)
        _store(state, place, name, numbers, value, place.values)

    return several


def _store(
    state: _State, place: _Place, name: str, numbers: list[int], value: Any, target: dict[str, Any]
) -> None:
    """Put an entry of an array in its place; entries come in order."""
    if not numbers:
        target[name] = place.scope[name] = value
        return
    array = place.scope.get(name)
    if type(array) is not list:
        array = target[name] = place.scope[name] = []
    if len(numbers) == 2:
        outer = numbers[0]
        if not 0 <= outer <= len(array) + IDLE_LIMIT:
            raise state.fault("array_order", place, f".{name}", value=outer)
        while len(array) <= outer:
            array.append([])
        array = array[outer]
    index = numbers[-1]
    if index == len(array):
        array.append(value)
    elif target is place.values.derived and 0 <= index < len(array):
        array[index] = value
    else:
        raise state.fault("array_order", place, f".{name}", value=index)


class _Compiler:
    """Makes closures of the structures of one syntax; nested ones are looked up when they run."""

    def __init__(self, syntax: tree.Syntax) -> None:
        self.syntax = syntax
        self.bodies: dict[str, _Action] = {}
        self.constants = {c.name: c.value for c in syntax.constants.values()}
        self.generator = Generator(syntax)

    def expression(self, expression: tree.Expression) -> _Expression:
        return _expression(expression, self.constants)

    def structure(self, name: str) -> _Action:
        """Return the closure of the body of structure `name`."""
        if name not in self.bodies:
            self.bodies[name] = self.body(self.syntax.structures[name].body, 0)
        return self.bodies[name]

    def body(self, body: tuple[tree.Statement, ...], loops: int) -> _Action:
        actions = [self.statement(statement, loops) for statement in body]
        if len(actions) == 1:
            return actions[0]

        def run(state: _State, place: _Place) -> None:
            for action in actions:
                action(state, place)

        return run

    def statement(self, statement: tree.Statement, loops: int) -> _Action:
        match statement:
            case tree.Element():
                return _element(statement, self.constants)
            case tree.Inference() | tree.Derivation():
                return self.assignment(statement)
            case tree.Invocation():
                return self.invocation(statement, loops)
            case tree.Selection():
                return self.selection(statement, loops)
            case tree.CountedLoop():
                return self.counted_loop(statement, loops)
            case tree.WhileLoop() | tree.DoLoop():
                return self.loop(statement, loops)
            case tree.Bounded():
                return self.bounded(statement, loops)
            case tree.Requirement():
                return self.requirement(statement)

    def assignment(self, statement: tree.Inference | tree.Derivation) -> _Action:
        name = statement.name
        value_of = self.expression(statement.expression)
        subscripts = [self.expression(subscript) for subscript in statement.subscripts]
        inferred = isinstance(statement, tree.Inference)

        def assign(state: _State, place: _Place) -> None:
            target: dict[str, Any] = place.values if inferred else place.values.derived
            # an inferred element finds its place first, as an element does
            if inferred:
                numbers = [subscript(state, place) for subscript in subscripts]
                value = value_of(state, place)
            else:
                value = value_of(state, place)
                numbers = [subscript(state, place) for subscript in subscripts]
            _store(state, place, name, numbers, value, target)

        return assign

    def invocation(self, call: tree.Invocation, loops: int) -> _Action:
        label, target = call.label, self.syntax.structures[call.structure]
        arguments = [(a, self.expression(a)) for a in call.arguments]
        names = [parameter.name for parameter in target.parameters]
        run = self.structure(target.name)

        def invoke(state: _State, place: _Place) -> None:
            scope: dict[str, Any] = {}
            for name, (argument, value_of) in zip(names, arguments, strict=True):
                scope[name] = _argument(state, place, argument, value_of)
            array: list[Any] | None = place.values[label] if loops else None  # type: ignore[assignment]
            inner = _Place(
                label, place, None if array is None else len(array), scope, state.position
            )
            state.count += 1
            if state.count > ELEMENT_LIMIT:
                raise state.fault("element_count", inner, allowed=ELEMENT_LIMIT)
            state.place = inner
            run(state, inner)
            state.place = place
            inner.values.bit_length = state.position - inner.start
            if array is None:
                place.values[label] = place.scope[label] = inner.values
            else:
                array.append(inner.values)

        return invoke

    def selection(self, selection: tree.Selection, loops: int) -> _Action:
        branches = [
            (self.expression(branch.condition), self.body(branch.body, loops))
            for branch in selection.branches
        ]
        rest = None if selection.otherwise is None else self.body(selection.otherwise, loops)

        def select(state: _State, place: _Place) -> None:
            for condition, body in branches:
                if condition(state, place):
                    body(state, place)
                    return
            if rest is not None:
                rest(state, place)

        return select

    def counted_loop(self, loop: tree.CountedLoop, loops: int) -> _Action:
        variable = loop.variable
        start, condition = self.expression(loop.start), self.expression(loop.condition)
        step, body = self.expression(loop.step), self.body(loop.body, loops + 1)
        arrays = array_names(loop)

        def run(state: _State, place: _Place) -> None:
            _open_arrays(place, arrays)
            scope = place.scope
            scope[variable] = start(state, place)
            while condition(state, place):
                before = state.position
                body(state, place)
                if state.position == before:
                    _idle(state, place)
                scope[variable] = step(state, place)

        return run

    def loop(self, loop: tree.WhileLoop | tree.DoLoop, loops: int) -> _Action:
        condition, body = self.expression(loop.condition), self.body(loop.body, loops + 1)
        arrays = array_names(loop)
        again_first = isinstance(loop, tree.WhileLoop)

        def run(state: _State, place: _Place) -> None:
            _open_arrays(place, arrays)
            again = condition(state, place) if again_first else 1
            while again:
                before = state.position
                body(state, place)
                if state.position == before:
                    _idle(state, place)
                again = condition(state, place)

        return run

    def bounded(self, bounded: tree.Bounded, loops: int) -> _Action:
        size_of, body = self.expression(bounded.size), self.body(bounded.body, loops)

        def run(state: _State, place: _Place) -> None:
            size = size_of(state, place)
            if size < 0:
                raise state.fault("expression_value", place, detail=f"size {size}")
            end = state.position + 8 * size
            before = state.end
            if end > before:
                left = (before - state.position) // 8
                raise state.fault("length_inflated", place, value=size, allowed=(0, left))
            state.end = end
            body(state, place)
            if state.position != end:
                left = end - state.position
                raise state.fault("structure_size", place, detail=f"{left} bits are left")
            state.end = before

        return run

    def requirement(self, requirement: tree.Requirement) -> _Action:
        met = self.expression(requirement.expression)

        def check(state: _State, place: _Place) -> None:
            if not met(state, place):
                raise state.fault(
                    "value_range",
                    place,
                    requirement=requirement.requirement,
                    allowed=faults.rule_text(requirement),
                )

        return check


def _argument(
    state: _State, place: _Place, argument: tree.Expression, value_of: _Expression
) -> object:
    """Return an argument's value: a number, or a structure's values handed on."""
    if isinstance(argument, tree.Reference) and not argument.subscripts:
        value = place.scope.get(argument.name)
        if argument.member is None and isinstance(value, Mapping):
            return value
    return value_of(state, place)


def _open_arrays(place: _Place, names: tuple[str, ...]) -> None:
    for name in names:
        if name not in place.values:
            place.values[name] = place.scope[name] = []


def _idle(state: _State, place: _Place) -> None:
    state.idle += 1
    if state.idle > IDLE_LIMIT:
        raise state.fault("loop_progress", place)


# --------------------------------------------------------------------------- entry

_COMPILERS: dict[int, tuple[tree.Syntax, _Compiler]] = {}


def _compiler(syntax: tree.Syntax) -> _Compiler:
    """Return the compiler of `syntax`, one for each tree as long as the process lives."""
    known = _COMPILERS.get(id(syntax))
    if known is None or known[0] is not syntax:
        known = _COMPILERS[id(syntax)] = (syntax, _Compiler(syntax))
    return known[1]


def read_fast(
    syntax: tree.Syntax,
    name: str,
    data: bytes | bytearray | memoryview,
    bit_offset: int = 0,
    params: Mapping[str, object] | None = None,
    *,
    origin: int = 0,
) -> Structure:
    """Read structure `name` with the fast reader; see `refcodec.syntax.read`."""
    structure, arguments = entry(syntax, name, params or {})
    view = memoryview(data).cast("B")
    compiler = _compiler(syntax)
    function = compiler.generator.function(name)
    if function is not None:
        values = read_generated(function, structure, view, bit_offset, arguments)
        if values is not None:
            return values
    state = _State(syntax, view, bit_offset, origin)
    names = (parameter.name for parameter in structure.parameters)
    parameters = zip(names, arguments, strict=True)
    place = _Place(name, None, None, dict(parameters), bit_offset)
    state.place = place
    try:
        compiler.structure(name)(state, place)
    except errors.CLASSES["HYP-E-SYN-09"] as cause:
        assert isinstance(cause, errors.HypError)
        if cause.bit_offset is not None:
            raise
        raise state.fault("expression_value", state.place, detail=cause.detail) from None
    place.values.bit_length = state.position - bit_offset
    return place.values
