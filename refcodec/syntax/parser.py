"""From the text of a `.syn` file to its typed tree."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from lark import Lark, Token, Transformer, UnexpectedInput, v_args
from lark.exceptions import VisitError
from lark.indenter import Indenter
from lark.tree import Meta

from refcodec import errors
from refcodec.syntax import expressions, tree

_OPERATORS_WITH_TEXT = frozenset({"ue", "se"})


class _Blocks(Indenter):
    NL_type = "_NL"
    OPEN_PAREN_types: ClassVar[list[str]] = []
    CLOSE_PAREN_types: ClassVar[list[str]] = []
    INDENT_type = "_INDENT"
    DEDENT_type = "_DEDENT"
    tab_len = 8


@cache
def _grammar() -> Lark:
    text = (Path(__file__).parent / "grammar.lark").read_text(encoding="utf-8")
    return Lark(
        text, parser="lalr", postlex=_Blocks(), propagate_positions=True, maybe_placeholders=True
    )


class _Builder(Transformer[Token, tree.Syntax]):
    """Turns lark's parse tree into the typed tree, bottom up."""

    def __init__(self, name: str) -> None:
        super().__init__(visit_tokens=False)
        self._name = name

    # expressions

    def number(self, items: list[Token]) -> tree.Number:
        return tree.Number(int(items[0], 0), str(items[0]))

    def reference(self, items: list[Any]) -> tree.Reference:
        names = [str(item) for item in items if isinstance(item, Token)]
        subscripts = tuple(item[1] for item in items if not isinstance(item, Token))
        return tree.Reference(names[0], names[1] if len(names) > 1 else None, subscripts)

    def unary(self, items: list[Any]) -> tree.Expression:
        return tree.Unary(str(items[0]), items[1])

    def binary(self, items: list[Any]) -> tree.Expression:
        return tree.Binary(str(items[1]), items[0], items[2])

    def conditional(self, items: list[Any]) -> tree.Expression:
        return tree.Conditional(items[0], items[1], items[2])

    def arguments(self, items: list[Any]) -> tuple[tree.Expression, ...]:
        return tuple(items)

    def call(self, items: list[Any]) -> tree.Call:
        return tree.Call(str(items[0]), items[1] or ())

    # statements

    def subscript(self, items: list[Any]) -> tuple[str, tree.Expression]:
        return ("subscript", items[0])

    def body(self, items: list[Any]) -> tuple[tree.Statement, ...]:
        return tuple(items)

    def interval(self, items: list[Any]) -> tree.Interval:
        return tree.Interval(items[0], items[0] if items[1] is None else items[1])

    def allowed(self, items: list[Any]) -> tuple[tree.Interval, ...]:
        return tuple(items)

    def fixed(self, items: list[Any]) -> tuple[str, tree.Expression]:
        return ("fixed", items[0])

    @v_args(meta=True)
    def element(self, meta: Meta, items: list[Any]) -> tree.Element:
        name, *middle, value, requirement, anchor = items
        subscripts = tuple(item[1] for item in middle[:-2])
        kind, argument = str(middle[-2]), middle[-1]
        if kind in _OPERATORS_WITH_TEXT:
            argument = None
        fixed = value[1] if value is not None and value[0] == "fixed" else None
        allowed = value if value is not None and fixed is None else ()
        return tree.Element(
            str(name),
            subscripts,
            tree.Descriptor(kind, argument),
            fixed,
            allowed,
            None if requirement is None else str(requirement),
            "" if anchor is None else str(anchor),
            meta.line,
        )

    @v_args(meta=True)
    def inference(self, meta: Meta, items: list[Any]) -> tree.Inference:
        name, *subscripts, value = items
        return tree.Inference(str(name), tuple(s[1] for s in subscripts), value, meta.line)

    @v_args(meta=True)
    def derivation(self, meta: Meta, items: list[Any]) -> tree.Derivation:
        name, *subscripts, value = items
        return tree.Derivation(str(name), tuple(s[1] for s in subscripts), value, meta.line)

    @v_args(meta=True)
    def invocation(self, meta: Meta, items: list[Any]) -> tree.Invocation:
        name, arguments, label, _ = items
        return tree.Invocation(str(name), arguments or (), str(label or name), meta.line)

    @v_args(meta=True)
    def requirement(self, meta: Meta, items: list[Any]) -> tree.Requirement:
        return tree.Requirement(items[0], str(items[1]), meta.line)

    def else_if(self, items: list[Any]) -> tree.Branch:
        return tree.Branch(items[0], items[1])

    def otherwise(self, items: list[Any]) -> tuple[tree.Statement, ...]:
        body: tuple[tree.Statement, ...] = items[0]
        return body

    @v_args(meta=True)
    def selection(self, meta: Meta, items: list[Any]) -> tree.Selection:
        condition, body, *more, otherwise = items
        return tree.Selection((tree.Branch(condition, body), *more), otherwise, meta.line)

    def step_up(self, items: list[Any]) -> tuple[str, tree.Expression]:
        return str(items[0]), tree.Binary("+", tree.Reference(str(items[0])), tree.Number(1, "1"))

    def step_down(self, items: list[Any]) -> tuple[str, tree.Expression]:
        return str(items[0]), tree.Binary("-", tree.Reference(str(items[0])), tree.Number(1, "1"))

    def step_to(self, items: list[Any]) -> tuple[str, tree.Expression]:
        return str(items[0]), items[1]

    @v_args(meta=True)
    def counted_loop(self, meta: Meta, items: list[Any]) -> tree.CountedLoop:
        variable, start, condition, (stepped, step), body = items
        if stepped != variable:
            raise _error(self._name, meta.line, f"the loop over {variable} steps {stepped}")
        return tree.CountedLoop(str(variable), start, condition, step, body, meta.line)

    @v_args(meta=True)
    def while_loop(self, meta: Meta, items: list[Any]) -> tree.WhileLoop:
        return tree.WhileLoop(items[0], items[1], meta.line)

    @v_args(meta=True)
    def do_loop(self, meta: Meta, items: list[Any]) -> tree.DoLoop:
        return tree.DoLoop(items[0], items[1], meta.line)

    @v_args(meta=True)
    def bounded(self, meta: Meta, items: list[Any]) -> tree.Bounded:
        return tree.Bounded(items[0], items[1], meta.line)

    # the file

    def parameter(self, items: list[Any]) -> tree.Parameter:
        return tree.Parameter(str(items[0]), None if items[1] is None else str(items[1]))

    def parameters(self, items: list[Any]) -> tuple[tree.Parameter, ...]:
        return tuple(items)

    @v_args(meta=True)
    def structure(self, meta: Meta, items: list[Any]) -> tree.Structure:
        name, parameters, title, anchor, body = items
        anchor = f"#syn.{name}" if anchor is None else str(anchor)
        return tree.Structure(
            str(name),
            parameters or (),
            None if title is None else title[1:-1],
            anchor,
            tuple(_with_anchor(statement, anchor) for statement in body),
            meta.line,
        )

    @v_args(meta=True)
    def constant(self, meta: Meta, items: list[Any]) -> tuple[str, Token, Any, str | None, int]:
        name, value, text = items
        return ("constant", name, value, None if text is None else text[1:-1], meta.line)

    @v_args(meta=True)
    def general(self, meta: Meta, items: list[Any]) -> tuple[str, Token, str, int]:
        return ("general", items[0], str(items[1]), meta.line)

    def enum_row(self, items: list[Any]) -> tuple[tree.Interval, str]:
        return items[0], items[1][1:-1]

    @v_args(meta=True)
    def enumeration(self, meta: Meta, items: list[Any]) -> tuple[str, Token, list[Any], int]:
        return ("enum", items[0], items[1:], meta.line)

    def start(self, items: list[Any]) -> tree.Syntax:
        constants: dict[str, tree.Constant] = {}
        enumerations: dict[str, tree.Enumeration] = {}
        structures: dict[str, tree.Structure] = {}
        general: dict[str, str] = {}

        def constant_value(expression: tree.Expression, line: int) -> int:
            names = {name: constant.value for name, constant in constants.items()}
            for reference in tree.references(expression):
                if reference.name not in names or reference.member or reference.subscripts:
                    raise _error(self._name, line, f"{reference.name} is no constant")
            return expressions.evaluate(expression, names)

        for item in items:
            if isinstance(item, tree.Structure):
                if item.name in structures:
                    raise _error(self._name, item.line, f"{item.name} is declared twice")
                structures[item.name] = item
            elif isinstance(item, tuple) and item[0] == "constant":
                _, name, expression, text, line = item
                if name in constants:
                    raise _error(self._name, line, f"{name} is declared twice")
                value = constant_value(expression, line)
                constants[str(name)] = tree.Constant(str(name), value, text, line)
            elif isinstance(item, tuple) and item[0] == "general":
                _, name, requirement, line = item
                if name not in tree.GENERAL_RULES or name in general:
                    raise _error(self._name, line, f"{name} is no general rule, or stands twice")
                general[str(name)] = requirement
            elif isinstance(item, tuple):
                _, name, rows, line = item
                if name in enumerations:
                    raise _error(self._name, line, f"enum {name} is declared twice")
                enumerations[str(name)] = tree.Enumeration(
                    str(name),
                    tuple(
                        tree.EnumRow(
                            constant_value(interval.low, line),
                            constant_value(interval.high, line),
                            expressions.format_interval(interval),
                            meaning,
                        )
                        for interval, meaning in rows
                    ),
                    line,
                )
        return tree.Syntax(self._name, constants, enumerations, structures, general)


def _with_anchor(statement: tree.Statement, anchor: str) -> tree.Statement:
    """Give the elements of `statement` without an anchor one below that of their structure."""

    def several(body: tuple[tree.Statement, ...]) -> tuple[tree.Statement, ...]:
        return tuple(_with_anchor(inner, anchor) for inner in body)

    match statement:
        case tree.Element():
            return (
                statement
                if statement.anchor
                else replace(statement, anchor=f"{anchor}.{statement.name}")
            )
        case tree.Selection():
            return replace(
                statement,
                branches=tuple(
                    tree.Branch(branch.condition, several(branch.body))
                    for branch in statement.branches
                ),
                otherwise=None if statement.otherwise is None else several(statement.otherwise),
            )
        case tree.CountedLoop() | tree.WhileLoop() | tree.DoLoop() | tree.Bounded():
            return replace(statement, body=several(statement.body))
    return statement


def _error(name: str, line: int, detail: str) -> errors.HypError:
    return errors.error("HYP-E-SYN-30", element=f"{name}.syn", detail=f"line {line}: {detail}")


def parse(text: str, name: str = "text") -> tree.Syntax:
    """Parse the text of a `.syn` file into its tree.

    Raises SyntaxDescriptionFault (HYP-E-SYN-30), with the line, when the text is no syntax
    description; names are checked by `refcodec.syntax.lint`.
    """
    if not text.endswith("\n"):
        text += "\n"
    try:
        return _Builder(name).transform(_grammar().parse(text))
    except UnexpectedInput as cause:
        line = getattr(cause, "line", 0)
        raise _error(name, line, "unexpected text: " + cause.get_context(text).strip()) from None
    except VisitError as cause:
        if isinstance(cause.orig_exc, errors.HypError):
            raise cause.orig_exc from None
        raise
