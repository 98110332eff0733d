"""Hypothesis strategies for valid syntax structures, derived from the tree of the syntax.

A structure is drawn by running it: each element chooses a value from its range, conditions and
loops follow from the values chosen so far, and sizes decide how many bytes follow.  So every drawn
structure is valid, and whatever the tree allows can be drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from hypothesis import assume, reject
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from refcodec.syntax import tree
from refcodec.syntax.interpreter import Frame, Observer
from refcodec.syntax.lint import value_limits
from refcodec.syntax.values import Structure, Value
from refcodec.syntax.writer import BitWriter

LARGEST_SIZE = 12
"""How far an element that steers a size or a loop goes beyond its least value."""

MOST_ELEMENTS = 3000
"""Drawn structures with more elements are given up."""

_Draw = Callable[[SearchStrategy[Any]], Any]


@dataclass(frozen=True)
class Drawn:
    """A valid structure: its values, as a reader would return them, and its parameters."""

    name: str
    values: Structure
    params: dict[str, object]


def structures(
    syntax: tree.Syntax,
    name: str,
    params: Mapping[str, SearchStrategy[Any]] | None = None,
    elements: Mapping[str, SearchStrategy[int]] | None = None,
    observer: Observer | None = None,
) -> SearchStrategy[Drawn]:
    """Return a strategy for structure `name` of `syntax`.

    `params` gives strategies for its parameters; those it leaves out are drawn from their
    structure, or from 0..3.  `elements` replaces the choice for the elements that it names.
    """

    @st.composite
    def drawn(draw: _Draw) -> Drawn:
        chosen: dict[str, object] = {}
        for parameter in syntax.structures[name].parameters:
            if params is not None and parameter.name in params:
                chosen[parameter.name] = draw(params[parameter.name])
            elif parameter.structure is not None:
                chosen[parameter.name] = draw(structures(syntax, parameter.structure)).values
            else:
                chosen[parameter.name] = draw(st.integers(0, 3))
        generator = _Generator(syntax, draw, elements or {}, observer)
        return Drawn(name, generator.run(name, chosen), chosen)

    return drawn()


class _Generator(BitWriter):
    """A writer whose values are drawn when they are needed."""

    def __init__(
        self,
        syntax: tree.Syntax,
        draw: _Draw,
        elements: Mapping[str, SearchStrategy[int]],
        observer: Observer | None,
    ) -> None:
        super().__init__(syntax, {}, observer=observer)
        self._draw = draw
        self._elements = elements
        self._steering = steering(syntax.name, syntax)

    def obtain(self, frame: Frame, element: tree.Element, path: str, width: int) -> Value:
        if self.count > MOST_ELEMENTS:
            reject()
        if element.fixed is not None:
            return self.evaluate(frame, element.fixed)
        if element.name in self._elements:
            value: int = self._draw(self._elements[element.name])
            return value
        kind = element.descriptor.kind
        if kind == "bytes":
            return memoryview(self._draw(st.binary(min_size=width, max_size=width)))
        if kind == "utf8":
            return self.text(width)
        limits = value_limits(kind, width)
        assert limits is not None
        intervals = [
            (self.evaluate(frame, interval.low), self.evaluate(frame, interval.high))
            for interval in element.allowed
        ] or [limits]
        low, high = self._draw(st.sampled_from(intervals))
        low, high = max(low, limits[0]), min(high, limits[1])
        if (frame.structure.name, element.name) in self._steering:
            # none and one are cases of their own for a size or a number of rounds
            few = min(high, low + 1)
            high = min(high, low + LARGEST_SIZE)
            if self._draw(st.booleans()):
                high = few
        drawn: int = self._draw(st.integers(low, high))
        return drawn

    def text(self, size: int) -> str:
        """Draw text that takes exactly `size` bytes in UTF-8."""
        text, left = "", size
        characters = st.characters(exclude_categories=["Cs"])
        for character in self._draw(st.text(characters, max_size=size)):
            taken = len(character.encode())
            if taken <= left:
                text += character
                left -= taken
        return text + "a" * left

    def statement(self, frame: Frame, statement: tree.Statement) -> None:
        if isinstance(statement, tree.Requirement):
            assume(self.evaluate(frame, statement.expression))
        elif isinstance(statement, tree.Bounded):
            self.bounded(frame, statement)
        else:
            super().statement(frame, statement)

    def bounded(self, frame: Frame, bounded: tree.Bounded) -> None:
        """Run a block of stated size, then give its size element the size that came out."""
        start = self.position
        self.body(frame, bounded.body)
        size, rest = divmod(self.position - start, 8)
        assume(rest == 0)
        if isinstance(bounded.size, tree.Reference):
            frame.values[bounded.size.name] = frame.scope[bounded.size.name] = size
        if self.observer is not None:
            self.observer.statement(bounded, 0)

    def presence(self, frame: Frame, function: str, body: tuple[tree.Statement, ...]) -> int:
        return 1 if self._draw(st.integers(0, 3)) else 0

    def noted_presence(self, frame: Frame, statement: tree.Inference) -> int:
        return self.presence(frame, "", ())

    def finish(self, frame: Frame) -> None:
        """Nothing was given, so nothing can be left."""


# --------------------------------------------------------------------------- sizes


def steering(key: str, syntax: tree.Syntax) -> frozenset[tuple[str, str]]:
    """Return (structure, name) of everything that steers a size or a number of loop rounds."""
    return _steering(_Held(key, syntax))


class _Held:
    """A syntax as a key of a cache: by identity, since trees hold dictionaries."""

    def __init__(self, name: str, syntax: tree.Syntax) -> None:
        self.name = name
        self.syntax = syntax

    def __hash__(self) -> int:
        return id(self.syntax)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held) and other.syntax is self.syntax


@cache
def _steering(held: _Held) -> frozenset[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    syntax = held.syntax

    def names(expression: tree.Expression) -> Iterator[str]:
        return (reference.name for reference in tree.references(expression))

    before = -1
    while len(found) != before:
        before = len(found)
        for structure in syntax.structures.values():
            for statement in tree.walk(structure.body):
                steers: list[tree.Expression] = []
                match statement:
                    case tree.Element() if statement.descriptor.kind in ("bytes", "utf8"):
                        if statement.descriptor.argument is not None:
                            steers.append(statement.descriptor.argument)
                    case tree.CountedLoop():
                        steers.append(statement.condition)
                    case tree.Invocation():
                        # what is handed to a steering parameter steers as well
                        parameters = syntax.structures[statement.structure].parameters
                        for parameter, argument in zip(
                            parameters, statement.arguments, strict=True
                        ):
                            if (statement.structure, parameter.name) in found:
                                steers.append(argument)
                    case _:
                        pass
                found.update((structure.name, n) for e in steers for n in names(e))
    return frozenset(found)
