"""The typed tree of a `.syn` file; everything that knows the syntax is driven by it.

The parser builds it, and reader, writer, tracer, tables, strategies, mutators, lints and the
version difference only read it.  All nodes are immutable and compare by value; `line` is the
line in the `.syn` file and takes no part in comparison.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

# --------------------------------------------------------------------------- expressions


@dataclass(frozen=True, slots=True)
class Number:
    """A literal; `text` keeps the base it was written in."""

    value: int
    text: str = field(compare=False)


@dataclass(frozen=True, slots=True)
class Reference:
    """A name, `structure.member`, or either with subscripts."""

    name: str
    member: str | None = None
    subscripts: tuple[Expression, ...] = ()


@dataclass(frozen=True, slots=True)
class Unary:
    operator: str
    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary:
    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Conditional:
    condition: Expression
    then: Expression
    otherwise: Expression


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    arguments: tuple[Expression, ...] = ()


Expression: TypeAlias = Number | Reference | Unary | Binary | Conditional | Call

# --------------------------------------------------------------------------- statements


@dataclass(frozen=True, slots=True)
class Descriptor:
    """How an element is coded: `kind` and its width or size (None for `ue(v)` and `se(v)`)."""

    kind: str
    argument: Expression | None = None


@dataclass(frozen=True, slots=True)
class Interval:
    """Closed interval of allowed values; a single value has `low` equal to `high`."""

    low: Expression
    high: Expression


@dataclass(frozen=True, slots=True)
class Element:
    """One coded element, that is one row with a descriptor."""

    name: str
    subscripts: tuple[Expression, ...]
    descriptor: Descriptor
    fixed: Expression | None
    allowed: tuple[Interval, ...]
    requirement: str | None
    anchor: str
    line: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class Inference:
    """`infer name = expression`: the value of an element that is not in the bitstream."""

    name: str
    subscripts: tuple[Expression, ...]
    expression: Expression
    line: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class Derivation:
    """`Name = expression`: a derived variable; it is no element and is never written."""

    name: str
    subscripts: tuple[Expression, ...]
    expression: Expression
    line: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class Invocation:
    """`structure(arguments)`: another syntax structure stands here, under the name `label`."""

    structure: str
    arguments: tuple[Expression, ...]
    label: str
    line: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class Branch:
    condition: Expression
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """`if` / `else if` / `else`; `otherwise` is None when there is no `else`."""

    branches: tuple[Branch, ...]
    otherwise: tuple[Statement, ...] | None
    line: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class CountedLoop:
    variable: str
    start: Expression
    condition: Expression
    step: Expression
    body: tuple[Statement, ...]
    line: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class WhileLoop:
    condition: Expression
    body: tuple[Statement, ...]
    line: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class DoLoop:
    body: tuple[Statement, ...]
    condition: Expression
    line: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class Bounded:
    """`within (size)`: the body takes exactly `size` bytes."""

    size: Expression
    body: tuple[Statement, ...]
    line: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class Requirement:
    """`require expression ID`: a rule between elements; the expression is non-zero when met."""

    expression: Expression
    requirement: str
    line: int = field(compare=False)


Statement: TypeAlias = (
    Element
    | Inference
    | Derivation
    | Invocation
    | Selection
    | CountedLoop
    | WhileLoop
    | DoLoop
    | Bounded
    | Requirement
)

# --------------------------------------------------------------------------- the file

GENERAL_RULES: dict[str, str] = {
    "value_range": "HYP-E-SYN-01",
    "data_ends": "HYP-E-SYN-02",
    "leb128_minimal": "HYP-E-SYN-03",
    "leb128_length": "HYP-E-SYN-04",
    "fixed_pattern": "HYP-E-SYN-05",
    "text_utf8": "HYP-E-SYN-06",
    "alignment": "HYP-E-SYN-07",
    "exp_golomb_length": "HYP-E-SYN-08",
    "expression_value": "HYP-E-SYN-09",
    "structure_size": "HYP-E-SYN-10",
    "length_inflated": "HYP-E-SYN-11",
    "loop_progress": "HYP-E-SYN-12",
    "element_count": "HYP-E-SYN-13",
    "array_order": "HYP-E-SYN-14",
}
"""Rules that hold for every element, with the error of a breach where no requirement names one.

A `.syn` file ties a rule to a requirement with `general <rule> <requirement>`.
"""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter; `structure` names the syntax structure whose values it holds, if any."""

    name: str
    structure: str | None = None


@dataclass(frozen=True, slots=True)
class Structure:
    """One syntax structure, that is one table of the document."""

    name: str
    parameters: tuple[Parameter, ...]
    title: str | None
    anchor: str
    body: tuple[Statement, ...]
    line: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class Constant:
    name: str
    value: int
    text: str | None
    line: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class EnumRow:
    low: int
    high: int
    label: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Enumeration:
    """Names of the values of every element called `name`."""

    name: str
    rows: tuple[EnumRow, ...]
    line: int = field(compare=False)

    def meaning(self, value: int) -> str | None:
        """Return what `value` means, or None when no row covers it."""
        for row in self.rows:
            if row.low <= value <= row.high:
                return row.meaning
        return None


@dataclass(frozen=True)
class Syntax:
    """A parsed `.syn` file: constants, enumerations and structures by name, in file order.

    `general` gives the requirement behind each general rule of reading (GENERAL_RULES), where the
    standard states one.
    """

    name: str
    constants: dict[str, Constant]
    enumerations: dict[str, Enumeration]
    structures: dict[str, Structure]
    general: dict[str, str]

    def __repr__(self) -> str:
        return f"<syntax {self.name}: {', '.join(self.structures)}>"

    def meaning(self, element: str, value: object) -> str | None:
        """Return the enumerated meaning of `value` of `element`, or None."""
        enumeration = self.enumerations.get(element)
        if enumeration is None or not isinstance(value, int):
            return None
        return enumeration.meaning(value)


# --------------------------------------------------------------------------- walking


def blocks(statement: Statement) -> tuple[tuple[Statement, ...], ...]:
    """Return the bodies inside `statement`, in order."""
    if isinstance(statement, Selection):
        bodies = tuple(branch.body for branch in statement.branches)
        return bodies if statement.otherwise is None else (*bodies, statement.otherwise)
    if isinstance(statement, (CountedLoop, WhileLoop, DoLoop, Bounded)):
        return (statement.body,)
    return ()


def walk(body: tuple[Statement, ...]) -> Iterator[Statement]:
    """Yield every statement of `body`, outer ones first, in file order."""
    for statement in body:
        yield statement
        for block in blocks(statement):
            yield from walk(block)


def expressions(statement: Statement) -> Iterator[Expression]:
    """Yield the expressions that stand in `statement` itself, not in its bodies."""
    match statement:
        case Element():
            yield from statement.subscripts
            if statement.descriptor.argument is not None:
                yield statement.descriptor.argument
            if statement.fixed is not None:
                yield statement.fixed
            for interval in statement.allowed:
                yield interval.low
                yield interval.high
        case Inference() | Derivation():
            yield from statement.subscripts
            yield statement.expression
        case Invocation():
            yield from statement.arguments
        case Selection():
            for branch in statement.branches:
                yield branch.condition
        case CountedLoop():
            yield statement.start
            yield statement.condition
            yield statement.step
        case WhileLoop() | DoLoop():
            yield statement.condition
        case Bounded():
            yield statement.size
        case Requirement():
            yield statement.expression


def operands(expression: Expression) -> tuple[Expression, ...]:
    """Return the direct sub-expressions of `expression`."""
    match expression:
        case Number():
            return ()
        case Reference():
            return expression.subscripts
        case Unary():
            return (expression.operand,)
        case Binary():
            return (expression.left, expression.right)
        case Conditional():
            return (expression.condition, expression.then, expression.otherwise)
        case Call():
            return expression.arguments


def parts(expression: Expression) -> Iterator[Expression]:
    """Yield `expression` and everything inside it."""
    yield expression
    for operand in operands(expression):
        yield from parts(operand)


def references(expression: Expression) -> Iterator[Reference]:
    """Yield every reference inside `expression`."""
    return (part for part in parts(expression) if isinstance(part, Reference))


def calls(expression: Expression) -> Iterator[Call]:
    """Yield every function call inside `expression`."""
    return (part for part in parts(expression) if isinstance(part, Call))


def value_names(body: tuple[Statement, ...]) -> tuple[str, ...]:
    """Return the keys that `body` gives to a value dictionary: elements, inferences, structures."""
    names: dict[str, None] = {}
    for statement in walk(body):
        if isinstance(statement, (Element, Inference)):
            names[statement.name] = None
        elif isinstance(statement, Invocation):
            names[statement.label] = None
    return tuple(names)
