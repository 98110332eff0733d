"""Rows of the syntax tables, ready to be shown: the view of the tree that a document needs.

Nothing outside this package has to know the grammar: each row says how far it is indented, its
text, and, for an element, descriptor, allowed values, requirement and anchor.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from refcodec.syntax import tree
from refcodec.syntax.expressions import (
    format_allowed,
    format_descriptor,
    format_expression,
    format_subscripts,
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a syntax table.

    `kind` is element, infer, derive, structure (a nested one), if, else if, else, for, while, do,
    within or require.  `element` is the element's name for kinds element and infer, `structure` the
    name of the nested structure; `fixed` the value an element must have; other fields are empty
    where they do not apply.  `indent` counts levels, 0 for the structure's own statements.
    """

    kind: str
    indent: int
    code: str
    element: str = ""
    descriptor: str = ""
    range_text: str = ""
    fixed: str = ""
    requirement: str = ""
    anchor: str = ""
    structure: str = ""
    line: int = 0


def heading(structure: tree.Structure) -> str:
    """Return the first line of a table: `keyframe(payload_size)`."""
    names = (
        parameter.name + (f": {parameter.structure}" if parameter.structure else "")
        for parameter in structure.parameters
    )
    return f"{structure.name}({', '.join(names)})"


def rows(syntax: tree.Syntax, name: str) -> list[Row]:
    """Return the rows of the table of structure `name`, without its heading, in order.

    Raises KeyError when `syntax` has no such structure.
    """
    return list(_rows(syntax.structures[name].body, 0))


def _rows(body: tuple[tree.Statement, ...], indent: int) -> Iterator[Row]:
    for statement in body:
        yield from _statement_rows(statement, indent)


def _statement_rows(statement: tree.Statement, indent: int) -> Iterator[Row]:
    line = statement.line
    match statement:
        case tree.Element():
            yield Row(
                "element",
                indent,
                statement.name + format_subscripts(statement.subscripts),
                element=statement.name,
                descriptor=format_descriptor(statement.descriptor),
                range_text=format_allowed(statement.allowed),
                fixed="" if statement.fixed is None else format_expression(statement.fixed),
                requirement=statement.requirement or "",
                anchor=statement.anchor,
                line=line,
            )
        case tree.Inference() | tree.Derivation():
            inferred = isinstance(statement, tree.Inference)
            target = statement.name + format_subscripts(statement.subscripts)
            code = f"{target} = {format_expression(statement.expression)}"
            yield Row(
                "infer" if inferred else "derive",
                indent,
                f"infer {code}" if inferred else code,
                element=statement.name if inferred else "",
                line=line,
            )
        case tree.Invocation():
            arguments = ", ".join(map(format_expression, statement.arguments))
            label = "" if statement.label == statement.structure else f" as {statement.label}"
            code = f"{statement.structure}({arguments}){label}"
            yield Row("structure", indent, code, structure=statement.structure, line=line)
        case tree.Selection():
            for number, branch in enumerate(statement.branches):
                kind = "else if" if number else "if"
                code = f"{kind} ({format_expression(branch.condition)})"
                yield Row(kind, indent, code, line=line)
                yield from _rows(branch.body, indent + 1)
            if statement.otherwise is not None:
                yield Row("else", indent, "else", line=line)
                yield from _rows(statement.otherwise, indent + 1)
        case tree.CountedLoop():
            yield Row("for", indent, loop_head(statement), line=line)
            yield from _rows(statement.body, indent + 1)
        case tree.WhileLoop():
            code = f"while ({format_expression(statement.condition)})"
            yield Row("while", indent, code, line=line)
            yield from _rows(statement.body, indent + 1)
        case tree.DoLoop():
            yield Row("do", indent, "do", line=line)
            yield from _rows(statement.body, indent + 1)
            code = f"while ({format_expression(statement.condition)})"
            yield Row("while", indent, code, line=line)
        case tree.Bounded():
            code = f"within ({format_expression(statement.size)})"
            yield Row("within", indent, code, line=line)
            yield from _rows(statement.body, indent + 1)
        case tree.Requirement():
            code = f"require {format_expression(statement.expression)}"
            yield Row("require", indent, code, requirement=statement.requirement, line=line)


def loop_head(loop: tree.CountedLoop) -> str:
    """Return `for (i = 0; i < count; i++)`."""
    one = tree.Number(1, "1")
    variable = tree.Reference(loop.variable)
    if loop.step == tree.Binary("+", variable, one):
        step = f"{loop.variable}++"
    elif loop.step == tree.Binary("-", variable, one):
        step = f"{loop.variable}--"
    else:
        step = f"{loop.variable} = {format_expression(loop.step)}"
    start, condition = format_expression(loop.start), format_expression(loop.condition)
    return f"for ({loop.variable} = {start}; {condition}; {step})"
