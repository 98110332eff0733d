"""Runs a syntax structure statement by statement; reader, writer and generators are its leaves.

The idea: a syntax table is a program whose only actions are "the next element".  If what an
element *does* is left open, one program reads (take bits, give a value), writes (take a value,
give bits) and generates (choose a value, give bits), and the three cannot disagree about
conditions, loops, ranges or the order of elements.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from refcodec import errors
from refcodec.syntax import faults, tree
from refcodec.syntax.expressions import PRESENCE_FUNCTIONS, evaluate, format_descriptor
from refcodec.syntax.values import Structure, Value

ELEMENT_LIMIT = 1 << 22
"""Most elements in one read: bounds the memory that a small file can ask for."""

IDLE_LIMIT = 1 << 16
"""Most loop rounds in one read that read nothing."""


class ElementEvent(NamedTuple):
    """One element, as a listener sees it.

    `path` is like `pictures.access_unit[3].nal_unit_size[0]`, `descriptor` like `u(8)` or `infer`;
    `bit_offset` is absolute, `bit_length` in bits (0 for an inferred element); `meaning` is the
    name of an enumerated value; `clause` the anchor of the element's semantics; `requirement` the
    id of its row.
    """

    path: str
    descriptor: str
    bit_offset: int
    bit_length: int
    value: Value
    meaning: str | None
    clause: str
    requirement: str | None


Listener = Callable[[ElementEvent], None]


class Observer(Protocol):
    """Sees which statements run (for coverage): `outcome` is a branch or a number of rounds."""

    def statement(self, statement: tree.Statement, outcome: int) -> None:
        """Note that `statement` ran."""


@dataclass(slots=True)
class Frame:
    """One structure being run: its values so far, what its expressions see, and where it began.

    `given` holds what a writer still has to place; a reader leaves it empty.  `decided` is the block
    that the condition being evaluated decides on.
    """

    structure: tree.Structure
    path: str
    start: int
    values: Structure = field(default_factory=Structure)
    scope: dict[str, object] = field(default_factory=dict)
    given: dict[str, object] = field(default_factory=dict)
    loops: int = 0
    decided: tuple[tree.Statement, ...] = ()
    functions: dict[str, Callable[[], int]] | None = None


def semantics_anchor(anchor: str) -> str:
    """Return the anchor of the semantics of a row: `#syn.…` becomes `#sem.…`, others stay."""
    return "#sem." + anchor[5:] if anchor.startswith("#syn.") else anchor


def initial_scope(
    syntax: tree.Syntax, structure: tree.Structure, arguments: Sequence[object]
) -> dict[str, object]:
    """Return the names that a structure's expressions see before its first statement."""
    scope: dict[str, object] = {c.name: c.value for c in syntax.constants.values()}
    for parameter, argument in zip(structure.parameters, arguments, strict=True):
        scope[parameter.name] = argument
    return scope


def entry(
    syntax: tree.Syntax, name: str, parameters: Mapping[str, object]
) -> tuple[tree.Structure, list[object]]:
    """Return structure `name` and its arguments in order, taken from `parameters` by name.

    Raises StructureUnknown (HYP-E-SYN-23) when the syntax has no such structure or the parameters
    are not exactly its own.
    """
    structure = syntax.structures.get(name)
    if structure is None:
        raise errors.error("HYP-E-SYN-23", element=name)
    names = [parameter.name for parameter in structure.parameters]
    if set(names) != set(parameters):
        raise errors.error(
            "HYP-E-SYN-23",
            element=name,
            value=", ".join(parameters) or "no parameters",
            allowed=", ".join(names) or "no parameters",
        )
    return structure, [parameters[parameter] for parameter in names]


class Interpreter(ABC):
    """Base of reader, writer and generator: everything but the leaves."""

    def __init__(
        self,
        syntax: tree.Syntax,
        *,
        listener: Listener | None = None,
        observer: Observer | None = None,
        origin: int = 0,
    ) -> None:
        self.syntax = syntax
        self.listener = listener
        self.observer = observer
        self.origin = origin
        self.count = 0
        self.idle = 0

    # ------------------------------------------------------------------ leaves

    @property
    @abstractmethod
    def position(self) -> int:
        """Position in bits from the start of the data."""

    @abstractmethod
    def obtain(self, frame: Frame, element: tree.Element, path: str, width: int) -> Value:
        """Return the value of the next element: read it, or take it from what was given."""

    @abstractmethod
    def commit(self, element: tree.Element, path: str, width: int, value: Value) -> None:
        """Finish an element whose value is allowed: a writer puts its bits here."""

    @abstractmethod
    def presence(self, frame: Frame, function: str, body: tuple[tree.Statement, ...]) -> int:
        """Return more_data_in_file() or more_rbsp_data(), which decides on running `body`."""

    def noted_presence(self, frame: Frame, statement: tree.Inference) -> int:
        """Return the value of `infer name = more_rbsp_data()` (a writer takes the given one)."""
        function = presence_function(statement)
        assert function is not None
        return self.presence(frame, function, ())

    @abstractmethod
    def enter(self, frame: Frame, path: str, size: int) -> object:
        """Begin a block of exactly `size` bytes; what it returns goes to `leave`."""

    @abstractmethod
    def leave(self, frame: Frame, path: str, size: int, state: object) -> None:
        """End the block."""

    def inferred(  # noqa: B027  (a reader has nothing to do)
        self, frame: Frame, statement: tree.Inference, path: str, value: int
    ) -> None:
        """Note the value of an inferred element (a writer compares it with the given one)."""

    def descend(  # noqa: B027
        self, frame: Frame, call: tree.Invocation, inner: Frame
    ) -> None:
        """Begin nested structure `inner` (a writer hands on its values)."""

    def finish(self, frame: Frame) -> None:  # noqa: B027
        """End a structure (a writer checks that no value is left)."""

    # ------------------------------------------------------------------ structures

    def run(self, name: str, parameters: Mapping[str, object]) -> Structure:
        """Run structure `name` and return its values."""
        structure, arguments = entry(self.syntax, name, parameters)
        frame = Frame(structure, name, self.position)
        frame.scope = initial_scope(self.syntax, structure, arguments)
        self.begin(frame)
        return self.structure(frame)

    def begin(self, frame: Frame) -> None:  # noqa: B027
        """Prepare the outermost structure (a writer hands over its values)."""

    def structure(self, frame: Frame) -> Structure:
        """Run the body of `frame` and return its values."""
        self.body(frame, frame.structure.body)
        self.finish(frame)
        frame.values.bit_length = self.position - frame.start
        return frame.values

    def body(self, frame: Frame, body: tuple[tree.Statement, ...]) -> None:
        for statement in body:
            self.statement(frame, statement)

    def statement(self, frame: Frame, statement: tree.Statement) -> None:
        outcome = 0
        match statement:
            case tree.Element():
                self.element(frame, statement)
            case tree.Inference():
                path, subscripts = self.place(frame, statement.name, statement.subscripts)
                if presence_function(statement) is not None:
                    value = self.noted_presence(frame, statement)
                else:
                    value = self.evaluate(frame, statement.expression)
                self.inferred(frame, statement, path, value)
                self.store(frame, statement.name, subscripts, value, frame.values)
                self.tell_inference(frame, statement.name, path, value)
            case tree.Derivation():
                value = self.evaluate(frame, statement.expression)
                _, subscripts = self.place(frame, statement.name, statement.subscripts)
                self.store(frame, statement.name, subscripts, value, frame.values.derived)
            case tree.Invocation():
                self.invocation(frame, statement)
            case tree.Selection():
                outcome = self.selection(frame, statement)
            case tree.CountedLoop():
                self.open_arrays(frame, statement)
                frame.scope[statement.variable] = self.evaluate(frame, statement.start)
                while self.evaluate(frame, statement.condition):
                    self.round(frame, statement.body)
                    outcome += 1
                    frame.scope[statement.variable] = self.evaluate(frame, statement.step)
            case tree.WhileLoop():
                self.open_arrays(frame, statement)
                while self.evaluate(frame, statement.condition, statement.body):
                    self.round(frame, statement.body)
                    outcome += 1
            case tree.DoLoop():
                self.open_arrays(frame, statement)
                again = 1
                while again:
                    self.round(frame, statement.body)
                    outcome += 1
                    again = self.evaluate(frame, statement.condition, statement.body)
            case tree.Bounded():
                size = self.evaluate(frame, statement.size)
                if size < 0:
                    raise self.fault("expression_value", frame.path, detail=f"size {size}")
                state = self.enter(frame, frame.path, size)
                self.body(frame, statement.body)
                self.leave(frame, frame.path, size, state)
            case tree.Requirement():
                if not self.evaluate(frame, statement.expression):
                    raise self.fault(
                        "value_range",
                        frame.path,
                        requirement=statement.requirement,
                        allowed=faults.rule_text(statement),
                    )
        if self.observer is not None:
            self.observer.statement(statement, outcome)

    def selection(self, frame: Frame, selection: tree.Selection) -> int:
        for number, branch in enumerate(selection.branches):
            if self.evaluate(frame, branch.condition, branch.body):
                self.body(frame, branch.body)
                return number
        if selection.otherwise is not None:
            self.body(frame, selection.otherwise)
        return len(selection.branches)

    def round(self, frame: Frame, body: tuple[tree.Statement, ...]) -> None:
        """Run a loop body once; rounds that read nothing are counted."""
        before = self.position
        frame.loops += 1
        self.body(frame, body)
        frame.loops -= 1
        if self.position == before:
            self.idle += 1
            if self.idle > IDLE_LIMIT:
                raise self.fault("loop_progress", frame.path)

    def open_arrays(self, frame: Frame, loop: tree.Statement) -> None:
        """Give every array of `loop` an empty list, so that a loop of no rounds leaves one."""
        for name in array_names(loop):
            if name not in frame.values:
                frame.values[name] = frame.scope[name] = []

    def invocation(self, frame: Frame, call: tree.Invocation) -> None:
        arguments = [self.argument(frame, argument) for argument in call.arguments]
        path = f"{frame.path}.{call.label}"
        array = frame.values[call.label] if frame.loops else None
        if isinstance(array, list):
            path += f"[{len(array)}]"
        self.charge(path)
        target = self.syntax.structures[call.structure]
        inner = Frame(target, path, self.position)
        inner.scope = initial_scope(self.syntax, target, arguments)
        self.descend(frame, call, inner)
        values = self.structure(inner)
        if isinstance(array, list):
            array.append(values)
            frame.scope[call.label] = array
        else:
            frame.values[call.label] = frame.scope[call.label] = values

    def argument(self, frame: Frame, argument: tree.Expression) -> object:
        """Return an argument's value: a number, or a structure's values handed on."""
        if isinstance(argument, tree.Reference) and not argument.subscripts:
            value = frame.scope.get(argument.name)
            if argument.member is None and isinstance(value, Mapping):
                return value
        return self.evaluate(frame, argument)

    # ------------------------------------------------------------------ elements

    def element(self, frame: Frame, element: tree.Element) -> None:
        path, subscripts = self.place(frame, element.name, element.subscripts)
        self.charge(path)
        argument = element.descriptor.argument
        width = 0 if argument is None else self.evaluate(frame, argument)
        low, high = WIDTHS.get(element.descriptor.kind, (0, None))
        if width < low or (high is not None and width > high):
            detail = f"{format_descriptor(element.descriptor)} with {width}"
            raise self.fault("expression_value", path, detail=detail)
        start = self.position
        value = self.obtain(frame, element, path, width)
        self.check(frame, element, path, start, value)
        self.commit(element, path, width, value)
        self.store(frame, element.name, subscripts, value, frame.values)
        if self.listener is not None:
            self.listener(
                ElementEvent(
                    path,
                    element.descriptor.kind + ("(v)" if argument is None else f"({width})"),
                    self.origin + start,
                    self.position - start,
                    value,
                    self.syntax.meaning(element.name, value),
                    semantics_anchor(element.anchor),
                    element.requirement,
                )
            )

    def check(
        self, frame: Frame, element: tree.Element, path: str, start: int, value: Value
    ) -> None:
        """Compare `value` with the fixed value or the range of its row."""
        if element.fixed is not None:
            fixed = self.evaluate(frame, element.fixed)
            if value != fixed:
                raise self.fault(
                    "fixed_pattern",
                    path,
                    requirement=element.requirement,
                    position=start,
                    value=value,
                    allowed=fixed,
                )
        elif element.allowed:
            bounds = [
                (self.evaluate(frame, interval.low), self.evaluate(frame, interval.high))
                for interval in element.allowed
            ]
            assert isinstance(value, int)
            if not any(low <= value <= high for low, high in bounds):
                raise self.fault(
                    "value_range",
                    path,
                    requirement=element.requirement,
                    position=start,
                    value=value,
                    allowed=faults.allowed_text(bounds),
                )

    def place(
        self, frame: Frame, name: str, subscripts: tuple[tree.Expression, ...]
    ) -> tuple[str, list[int]]:
        """Return the path of an element and its subscripts as numbers."""
        numbers = [self.evaluate(frame, subscript) for subscript in subscripts]
        return f"{frame.path}.{name}" + "".join(f"[{number}]" for number in numbers), numbers

    def store(
        self,
        frame: Frame,
        name: str,
        subscripts: list[int],
        value: Value,
        target: dict[str, Value] | dict[str, object],
    ) -> None:
        """Put a value under its name; entries of an array come in order."""
        if not subscripts:
            target[name] = frame.scope[name] = value
            return
        array = frame.scope.get(name)
        if not isinstance(array, list):
            array = target[name] = frame.scope[name] = []
        if len(subscripts) == 2:
            outer = subscripts[0]
            if not 0 <= outer <= len(array) + IDLE_LIMIT:
                raise self.fault("array_order", f"{frame.path}.{name}", value=outer)
            while len(array) <= outer:
                array.append([])
            array = array[outer]
        index = subscripts[-1]
        if index == len(array):
            array.append(value)
        elif target is frame.values.derived and 0 <= index < len(array):
            array[index] = value
        else:
            raise self.fault("array_order", f"{frame.path}.{name}", value=index)

    def tell_inference(self, frame: Frame, name: str, path: str, value: int) -> None:
        if self.listener is not None:
            anchor = f"{frame.structure.anchor}.{name}"
            self.listener(
                ElementEvent(
                    path,
                    "infer",
                    self.origin + self.position,
                    0,
                    value,
                    self.syntax.meaning(name, value),
                    semantics_anchor(anchor),
                    None,
                )
            )

    # ------------------------------------------------------------------ expressions and errors

    def evaluate(
        self,
        frame: Frame,
        expression: tree.Expression,
        body: tuple[tree.Statement, ...] = (),
    ) -> int:
        """Return the value of `expression`; `body` is what it decides on, if anything."""
        if isinstance(expression, tree.Number):
            return expression.value
        if frame.functions is None:
            frame.functions = self.functions(frame)
        frame.decided = body
        try:
            return evaluate(expression, frame.scope, frame.functions)
        except errors.CLASSES["HYP-E-SYN-09"] as cause:
            assert isinstance(cause, errors.HypError)
            if cause.bit_offset is not None:
                raise
            raise self.fault("expression_value", frame.path, detail=cause.detail) from None

    def functions(self, frame: Frame) -> dict[str, Callable[[], int]]:
        """Return the functions of the bitstream as the expressions of `frame` see them."""

        def position() -> int:
            distance = self.position - frame.start
            if distance % 8:
                raise self.fault("expression_value", frame.path, detail="position() in a byte")
            return distance // 8

        return {
            "position": position,
            "byte_aligned": lambda: 0 if self.position % 8 else 1,
            "bits_to_alignment": lambda: -self.position % 8,
            "more_data_in_file": lambda: self.presence(frame, "more_data_in_file", frame.decided),
            "more_rbsp_data": lambda: self.presence(frame, "more_rbsp_data", frame.decided),
        }

    def charge(self, path: str) -> None:
        """Count an element against ELEMENT_LIMIT."""
        self.count += 1
        if self.count > ELEMENT_LIMIT:
            raise self.fault("element_count", path, allowed=ELEMENT_LIMIT)

    def fault(
        self,
        rule: str,
        path: str,
        *,
        requirement: str | None = None,
        position: int | None = None,
        value: object = None,
        allowed: object = None,
        detail: str | None = None,
    ) -> errors.HypError:
        """Return the error of a breach of `rule` at `path`, here or at bit `position`."""
        return faults.fault(
            self.syntax,
            rule,
            requirement=requirement,
            bit_offset=self.origin + (self.position if position is None else position),
            element=path,
            value=value,
            allowed=allowed,
            detail=detail,
        )


WIDTHS: dict[str, tuple[int, int | None]] = {
    "u": (0, 64),
    "f": (0, 64),
    "i": (1, 64),
    "b": (8, 8),
    "leb128": (1, 64),
    "sleb128": (1, 64),
    "bytes": (0, None),
    "utf8": (0, None),
}
"""Least and greatest argument of each descriptor; u(0) and f(0) take no bits and are 0."""


def presence_function(statement: tree.Inference) -> str | None:
    """Return the function of `infer name = more_rbsp_data()` and the like, else None."""
    expression = statement.expression
    if isinstance(expression, tree.Call) and expression.function in PRESENCE_FUNCTIONS:
        return expression.function
    return None


def array_names(loop: tree.Statement) -> tuple[str, ...]:
    """Return the names that become lists in `loop`: indexed elements and nested structures."""
    names: dict[str, None] = {}
    for block in tree.blocks(loop):
        for statement in tree.walk(block):
            if isinstance(statement, (tree.Element, tree.Inference)) and statement.subscripts:
                names[statement.name] = None
            elif isinstance(statement, tree.Invocation):
                names[statement.label] = None
    return tuple(names)
