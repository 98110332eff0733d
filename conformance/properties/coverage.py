"""Which rows, branches and loop counts of a syntax some set of structures has reached."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from refcodec.syntax import tree
from refcodec.syntax.expressions import format_expression
from refcodec.syntax.rows import loop_head


class Coverage:
    """Collects the statements that ran; hand it to a reader or a strategy as `observer`."""

    def __init__(self, syntax: tree.Syntax) -> None:
        self.syntax = syntax
        self.ran: Counter[tuple[int, int]] = Counter()

    def statement(self, statement: tree.Statement, outcome: int) -> None:
        """Note that `statement` ran; of loop rounds only none, one and several are told apart."""
        self.ran[statement.line, min(outcome, 2) if _is_loop(statement) else outcome] += 1

    def points(self, structures: Iterable[str]) -> Iterator[tuple[tuple[int, int], str]]:
        """Yield every point to reach in `structures`: its key and its text."""
        for name in structures:
            for statement in tree.walk(self.syntax.structures[name].body):
                for outcome, text in outcomes(statement):
                    yield (statement.line, outcome), f"{name}: {text}"

    def missing(self, structures: Iterable[str]) -> list[str]:
        """Return the texts of the points of `structures` that were not reached."""
        return [text for key, text in self.points(structures) if not self.ran[key]]


def outcomes(statement: tree.Statement) -> Iterator[tuple[int, str]]:
    """Yield what can come out of one statement: its number and its text."""
    match statement:
        case tree.Element():
            yield 0, statement.name
        case tree.Inference() | tree.Derivation():
            yield 0, f"{statement.name} = {format_expression(statement.expression)}"
        case tree.Invocation():
            yield 0, f"{statement.structure}()"
        case tree.Selection():
            for number, branch in enumerate(statement.branches):
                yield number, f"if ({format_expression(branch.condition)})"
            first = format_expression(statement.branches[0].condition)
            yield len(statement.branches), f"no branch of if ({first})"
        case tree.CountedLoop():
            head = loop_head(statement)
            yield from _rounds(head, 0 if _may_be_empty(statement) else 1)
        case tree.WhileLoop():
            yield from _rounds(f"while ({format_expression(statement.condition)})", 0)
        case tree.DoLoop():
            yield from _rounds(f"do while ({format_expression(statement.condition)})", 1)
        case tree.Bounded() | tree.Requirement():
            yield 0, type(statement).__name__.lower()


def _rounds(head: str, least: int) -> Iterator[tuple[int, str]]:
    for number, text in enumerate(("no round", "one round", "several rounds")):
        if number >= least:
            yield number, f"{head}, {text}"


def _may_be_empty(loop: tree.CountedLoop) -> bool:
    """A loop that runs up to and including its bound has a first round."""
    return not (isinstance(loop.condition, tree.Binary) and loop.condition.operator == "<=")


def _is_loop(statement: tree.Statement) -> bool:
    return isinstance(statement, (tree.CountedLoop, tree.WhileLoop, tree.DoLoop))
