"""Generated reader: each structure of integers alone becomes one Python function, made of its tree.

It knows how to succeed and nothing else. Where a structure holds more than integers, where the data
break a rule, or end, or are longer than a header is, there is no result, and `refcodec.syntax.fast`
reads again: errors come from there alone. The bits to come are one integer, `rest`, of which `left`
bits are left: what stands in front is shifted out of it, and a negative shift is the end of the data.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from refcodec import errors
from refcodec.syntax import tree
from refcodec.syntax.bits import LONGEST_PREFIX
from refcodec.syntax.expressions import LIMIT, PURE_FUNCTIONS, apply_binary, apply_function
from refcodec.syntax.interpreter import array_names
from refcodec.syntax.values import Structure

WINDOW = 128
"""Bytes in which a structure has to end."""

MOST_ROUNDS = 100
"""Rounds of a loop, at most; with MOST_LOOPS, far below the limits of all reading."""

MOST_LOOPS = 2
"""Loops inside one another, at most."""

Function: TypeAlias = Callable[..., tuple[Structure, int, int]]

_UNSIGNED = frozenset({"u", "f", "b"})
_WIDTHS = {"u": (0, 64), "f": (0, 64), "i": (1, 64), "b": (8, 8)}
_COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">="})
_PLAIN = frozenset({"+", "-", "&", "|", "^"})
_ELEMENT_BITS, _VALUE_BITS = 64, LIMIT.bit_length() - 1


class UnsuitableError(Exception):
    """A structure that holds more than this reader reads."""


class NoResultError(Exception):
    """The data are not what this reader reads."""


_FAILURES = (
    NoResultError,
    errors.HypError,
    ArithmeticError,
    AttributeError,
    LookupError,
    NameError,
    TypeError,
    ValueError,
)
"""What happens where an element is absent or the data end."""


def _entry(array: list[int], index: int) -> int:
    if index < 0:
        raise NoResultError
    return array[index]


def _within(value: int) -> int:
    if not -LIMIT < value < LIMIT:
        raise NoResultError
    return value


_NAMES: dict[str, Any] = {
    "NoResultError": NoResultError,
    "Structure": Structure,
    "apply_binary": apply_binary,
    "apply_function": apply_function,
    "entry": _entry,
    "within": _within,
}


def _local(name: str) -> str:
    """Return the variable of the generated function for `name`."""
    if not name.isidentifier():
        raise UnsuitableError(name)
    return f"v_{name}"


class _Writer:
    """Writes the function of one structure."""

    def __init__(self, syntax: tree.Syntax, structure: tree.Structure) -> None:
        self.syntax = syntax
        self.structure = structure
        self.constants = {each.name: each.value for each in syntax.constants.values()}
        self.structures = {each.name: each.structure for each in structure.parameters}
        self.lines: list[str] = []
        self.calls: list[str] = []
        self.depth = 1
        self.loops = 0
        self.deepest = 0
        self.arrays: set[str] = set()
        self.bits: dict[str, int] = {each.name: _VALUE_BITS for each in structure.parameters}
        self.labels: dict[str, str] = {}
        for statement in tree.walk(structure.body):
            if isinstance(statement, tree.Element):
                self.bits.setdefault(statement.name, _ELEMENT_BITS)
            elif isinstance(statement, tree.Inference | tree.Derivation):
                self.bits[statement.name] = _VALUE_BITS
            elif isinstance(statement, tree.Invocation):
                self.labels[statement.label] = statement.structure
            elif isinstance(statement, tree.CountedLoop):
                self.bits[statement.variable] = _VALUE_BITS
            if isinstance(statement, tree.Element | tree.Inference) and statement.subscripts:
                self.arrays.add(statement.name)

    def line(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)

    def source(self) -> str:
        """Return the function."""
        self.line("values = Structure()")
        self.line("derived = values.derived")
        self.line("before = left")
        self.body(self.structure.body)
        self.line("values.bit_length = before - left")
        self.line("return values, rest, left")
        parameters = [_local(each.name) for each in self.structure.parameters]
        head = (
            f"def read_{_local(self.structure.name)}({', '.join(['rest', 'left', *parameters])}):"
        )
        return "\n".join((head, *self.lines, ""))

    # --------------------------------------------------------------------- statements

    def body(self, body: tuple[tree.Statement, ...]) -> None:
        for statement in body:
            self.statement(statement)

    def block(self, body: tuple[tree.Statement, ...]) -> None:
        self.depth += 1
        self.body(body)
        if not body:
            self.line("pass")
        self.depth -= 1

    def statement(self, statement: tree.Statement) -> None:
        match statement:
            case tree.Element():
                self.element(statement)
            case tree.Inference():
                self.line(f"value = {self.number(statement.expression)}")
                self.store(statement.name, statement.subscripts)
            case tree.Derivation() if not statement.subscripts:
                target = f"{_local(statement.name)} = derived[{statement.name!r}]"
                self.line(f"{target} = {self.number(statement.expression)}")
            case tree.Invocation():
                self.invocation(statement)
            case tree.Selection():
                self.selection(statement)
            case tree.CountedLoop() | tree.WhileLoop() | tree.DoLoop():
                self.loop(statement)
            case tree.Requirement():
                self.refuse_unless(self.truth(statement.expression))
            case _:
                raise UnsuitableError(type(statement).__name__)

    def refuse_unless(self, condition: str) -> None:
        self.line(f"if not ({condition}):")
        self.line("    raise NoResultError")

    def element(self, element: tree.Element) -> None:
        kind, argument = element.descriptor.kind, element.descriptor.argument
        if kind in _WIDTHS and argument is not None:
            low, high = _WIDTHS[kind]
            if isinstance(argument, tree.Number) and low <= argument.value <= high:
                width = str(int(argument.value))
            else:
                width = "width"
                self.line(f"width = {self.number(argument)}")
                self.refuse_unless(f"{low} <= width <= {high}")
            self.take(f"left -= {width}")
            if kind not in _UNSIGNED:
                self.line(f"value -= value >> ({width} - 1) << {width}")
        elif kind in ("ue", "se"):
            self.line("zeros = left - rest.bit_length()")
            self.refuse_unless(f"zeros <= {LONGEST_PREFIX}")
            self.take("left -= zeros + zeros + 1")
            self.line("value -= 1")
            if kind == "se":
                self.line("value = (value + 1) >> 1 if value & 1 else -(value >> 1)")
        else:
            raise UnsuitableError(kind)
        if element.fixed is not None:
            self.refuse_unless(f"value == {self.number(element.fixed)}")
        elif element.allowed:
            intervals = (
                f"{self.number(each.low)} <= value <= {self.number(each.high)}"
                for each in element.allowed
            )
            self.refuse_unless(" or ".join(intervals))
        self.store(element.name, element.subscripts)

    def take(self, step: str) -> None:
        self.line(step)
        self.line("value = rest >> left")
        self.line("rest ^= value << left")

    def store(self, name: str, subscripts: tuple[tree.Expression, ...]) -> None:
        """Put `value` where an element stands; entries of an array come in order."""
        if not subscripts:
            self.line(f"{_local(name)} = values[{name!r}] = value")
            return
        if len(subscripts) > 1 or not self.loops:
            raise UnsuitableError(name)
        self.refuse_unless(f"{self.number(subscripts[0])} == len({_local(name)})")
        self.line(f"{_local(name)}.append(value)")

    def invocation(self, call: tree.Invocation) -> None:
        target = self.syntax.structures[call.structure]
        arguments = ["rest", "left"]
        for parameter, argument in zip(target.parameters, call.arguments, strict=True):
            if parameter.structure is None:
                arguments.append(self.number(argument))
            elif (
                isinstance(argument, tree.Reference)
                and argument.member is None
                and not argument.subscripts
                and self.structures.get(argument.name) == parameter.structure
            ):
                arguments.append(_local(argument.name))
            else:
                raise UnsuitableError(parameter.name)
        self.calls.append(target.name)
        self.line(f"value, rest, left = read_{_local(target.name)}({', '.join(arguments)})")
        if self.loops:
            self.line(f"{_local(call.label)}.append(value)")
        else:
            self.line(f"{_local(call.label)} = values[{call.label!r}] = value")

    def selection(self, selection: tree.Selection) -> None:
        for number, branch in enumerate(selection.branches):
            self.line(f"{'elif' if number else 'if'} {self.truth(branch.condition)}:")
            self.block(branch.body)
        if selection.otherwise is not None:
            self.line("else:")
            self.block(selection.otherwise)

    def loop(self, loop: tree.CountedLoop | tree.WhileLoop | tree.DoLoop) -> None:
        for name in array_names(loop):
            self.line(f"if {name!r} not in values:")
            self.line(f"    {_local(name)} = values[{name!r}] = []")
        if isinstance(loop, tree.CountedLoop):
            self.line(f"{_local(loop.variable)} = {self.number(loop.start)}")
        first = "True" if isinstance(loop, tree.DoLoop) else self.truth(loop.condition)
        rounds = f"rounds_{self.loops}"
        self.line(f"{rounds} = 0")
        self.line(f"while {first}:")
        self.loops += 1
        self.deepest = max(self.deepest, self.loops)
        self.depth += 1
        self.line(f"{rounds} += 1")
        self.refuse_unless(f"{rounds} <= {MOST_ROUNDS}")
        self.body(loop.body)
        if isinstance(loop, tree.CountedLoop):
            self.line(f"{_local(loop.variable)} = {self.number(loop.step)}")
        elif isinstance(loop, tree.DoLoop):
            self.line(f"if not ({self.truth(loop.condition)}):")
            self.line("    break")
        self.depth -= 1
        self.loops -= 1

    # -------------------------------------------------------------------- expressions

    def truth(self, expression: tree.Expression) -> str:
        """Return what is true where `expression` is not 0."""
        match expression:
            case tree.Unary("!", operand):
                return f"(not {self.truth(operand)})"
            case tree.Binary("&&" | "||" as operator, left, right):
                word = "and" if operator == "&&" else "or"
                return f"({self.truth(left)} {word} {self.truth(right)})"
            case tree.Binary(operator, left, right) if operator in _COMPARISONS:
                return f"({self.number(left)} {operator} {self.number(right)})"
        return self.number(expression)

    def number(self, expression: tree.Expression) -> str:
        """Return the value of `expression`."""
        match expression:
            case tree.Number():
                return f"({int(expression.value)})"
            case tree.Reference():
                return self.reference(expression)
            case tree.Unary("-" | "~" | "+" as operator, operand):
                return f"({operator}{self.number(operand)})"
            case tree.Unary("!", _) | tree.Binary("&&" | "||", _, _):
                return f"(1 if {self.truth(expression)} else 0)"
            case tree.Binary(operator, left, right):
                return self.binary(expression, operator, self.number(left), self.number(right))
            case tree.Conditional():
                then, otherwise = self.number(expression.then), self.number(expression.otherwise)
                return f"({then} if {self.truth(expression.condition)} else {otherwise})"
            case tree.Call() if expression.function in PURE_FUNCTIONS:
                arguments = "".join(f"{self.number(each)}, " for each in expression.arguments)
                return f"apply_function({expression.function!r}, ({arguments}))"
        raise UnsuitableError(type(expression).__name__)

    def binary(self, expression: tree.Expression, operator: str, left: str, right: str) -> str:
        if operator in _COMPARISONS:
            return f"(1 if {self.truth(expression)} else 0)"
        if operator not in _PLAIN:
            return f"apply_binary({operator!r}, {left}, {right})"
        text = f"({left} {operator} {right})"
        return text if self.most_bits(expression) < _VALUE_BITS else f"within{text}"

    def most_bits(self, expression: tree.Expression) -> int:
        """Return a bound of the bits of the magnitude of `expression`."""
        match expression:
            case tree.Number():
                return int(expression.value).bit_length()
            case tree.Reference(name, None):
                return self.bits.get(name, _VALUE_BITS)
            case tree.Binary(operator, left, right) if operator in _PLAIN:
                return max(self.most_bits(left), self.most_bits(right)) + 1
        return _VALUE_BITS

    def reference(self, reference: tree.Reference) -> str:
        name = reference.name
        if name in self.constants:
            return f"({int(self.constants[name])})"
        local = _local(name)
        if reference.member is None:
            if name not in self.bits or self.structures.get(name) is not None:
                raise UnsuitableError(name)
            if not reference.subscripts and name not in self.arrays:
                return local
            if len(reference.subscripts) == 1 and name in self.arrays:
                return f"entry({local}, {self.number(reference.subscripts[0])})"
            raise UnsuitableError(name)
        named = self.structures.get(name) or self.labels.get(name)
        if named is None or reference.subscripts:
            raise UnsuitableError(name)
        if name in self.labels and self.in_loop(name):
            local += "[-1]"
        return local + self.member(self.syntax.structures[named], reference.member)

    def in_loop(self, label: str) -> bool:
        """Tell whether the structures under `label` are a list."""
        return any(
            label in array_names(statement)
            for statement in tree.walk(self.structure.body)
            if isinstance(statement, tree.CountedLoop | tree.WhileLoop | tree.DoLoop)
        )

    @staticmethod
    def member(structure: tree.Structure, name: str) -> str:
        """Return how member `name` of the values of `structure` is got, which is one number."""
        places = set()
        for statement in tree.walk(structure.body):
            if getattr(statement, "name", None) == name:
                if getattr(statement, "subscripts", ()):
                    raise UnsuitableError(name)
                if isinstance(statement, tree.Element):
                    kind = statement.descriptor.kind
                    if kind not in _WIDTHS and kind not in ("ue", "se"):
                        raise UnsuitableError(name)
                places.add(isinstance(statement, tree.Derivation))
            elif isinstance(statement, tree.Invocation) and statement.label == name:
                raise UnsuitableError(name)
        if len(places) != 1 or not name.isidentifier():
            raise UnsuitableError(name)
        return f".derived[{name!r}]" if places.pop() else f"[{name!r}]"


class Generator:
    """The functions of one syntax, made when they are asked for."""

    def __init__(self, syntax: tree.Syntax) -> None:
        self.syntax = syntax
        self.functions: dict[str, Function | None] = {}

    def function(self, name: str) -> Function | None:
        """Return the function of structure `name`, None where it is not suited."""
        if name not in self.functions:
            try:
                self.functions[name] = self._made(name)
            except UnsuitableError:
                self.functions[name] = None
        return self.functions[name]

    def _made(self, name: str) -> Function:
        sources: dict[str, str] = {}
        if self._gather(name, sources) > MOST_LOOPS:
            raise UnsuitableError(name)
        names = dict(_NAMES)
        exec(compile("\n".join(sources.values()), f"<{self.syntax.name}.syn>", "exec"), names)
        function: Function = names[f"read_{_local(name)}"]
        return function

    def _gather(self, name: str, sources: dict[str, str]) -> int:
        """Write the functions of `name` and of the structures in it; return how many loops there
        may be inside one another."""
        writer = _Writer(self.syntax, self.syntax.structures[name])
        sources[name] = writer.source()
        inner = (self._gather(called, sources) for called in dict.fromkeys(writer.calls))
        return writer.deepest + max(inner, default=0)


def read_generated(
    function: Function,
    structure: tree.Structure,
    data: memoryview,
    bit_offset: int,
    arguments: list[object],
) -> Structure | None:
    """Return the values of `structure` at bit `bit_offset` of `data`, None where there is no result."""
    for parameter, argument in zip(structure.parameters, arguments, strict=True):
        wanted = int if parameter.structure is None else Structure
        if not isinstance(argument, wanted):
            return None
    first = bit_offset >> 3
    window = data[first : first + WINDOW]
    left = 8 * len(window) - (bit_offset & 7)
    if left < 0:
        return None
    rest = int.from_bytes(window, "big") & ((1 << left) - 1)
    try:
        return function(rest, left, *arguments)[0]
    except _FAILURES:
        return None
