"""The syntax trees as rows for the document, from `refcodec.syntax`."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from refcodec import errors
from refcodec.syntax import parse, tree
from refcodec.syntax import rows as table_rows
from refcodec.syntax.rows import Row as TableRow
from refcodec.syntax.rows import heading
from spec.build.sources import Finding

GRAMMARS = ("hyp", "avc")


@dataclass(frozen=True)
class Row:
    """One line of a syntax table; empty strings where a column does not apply."""

    structure: str
    kind: str
    indent: int
    code: str
    element: str
    descriptor: str
    limits: str
    requirement: str
    invokes: str


@dataclass(frozen=True)
class Structure:
    """One syntax structure: its first line, its rows and the grammar file that it stands in."""

    grammar: str
    name: str
    head: str
    title: str
    anchor: str
    rows: tuple[Row, ...]

    @property
    def elements(self) -> list[str]:
        """Names of the coded elements, each once, in order."""
        return list(dict.fromkeys(row.element for row in self.rows if row.element))


@dataclass(frozen=True)
class Constant:
    """A named constant or a named value of an element."""

    name: str
    value: str
    meaning: str


def _row(structure: str, row: TableRow) -> Row:
    limits = f"= {row.fixed}" if row.fixed else row.range_text
    return Row(
        structure,
        row.kind,
        row.indent,
        row.code,
        row.element if row.kind == "element" else "",
        row.descriptor,
        limits,
        row.requirement,
        row.structure,
    )


@dataclass
class Syntaxes:
    """What the .syn files hold; `structures` by name, constants and enumerations of hyp.syn only.

    `general` are the requirements that hyp.syn names for all elements at once.
    """

    structures: dict[str, Structure] = field(default_factory=dict)
    constants: list[Constant] = field(default_factory=list)
    enumerations: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    general: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)


@cache
def _parsed(text: str, grammar: str) -> tree.Syntax:
    return parse(text, grammar)


def load_syntaxes(spec_dir: Path) -> Syntaxes:
    """Read the .syn files below `spec_dir`; what cannot be read becomes a finding."""
    result = Syntaxes()
    for grammar in GRAMMARS:
        path = spec_dir / "syntax" / f"{grammar}.syn"
        if not path.is_file():
            continue
        try:
            syntax = _parsed(path.read_text(encoding="utf-8"), grammar)
        except errors.HypError as exc:
            result.findings.append(Finding("syntax-unreadable", path.name, str(exc)))
            continue
        for name, structure in syntax.structures.items():
            view = tuple(_row(name, row) for row in table_rows(syntax, name))
            anchor = structure.anchor.removeprefix("#")
            result.structures[name] = Structure(
                grammar, name, heading(structure), structure.title or "", anchor, view
            )
        if grammar == "hyp":
            result.general |= set(getattr(syntax, "general", {}).values())
            for constant in syntax.constants.values():
                meaning = constant.text or _meaning(syntax, constant.name)
                result.constants.append(Constant(constant.name, str(constant.value), meaning))
            for name, enumeration in syntax.enumerations.items():
                result.enumerations[name] = [
                    (_label(syntax, r.label), r.meaning) for r in enumeration.rows
                ]
    return result


def _label(syntax: tree.Syntax, label: str) -> str:
    """Return the label of a named value with its number, "1 KEYFRAME_CODED" for a constant."""
    constant = syntax.constants.get(label)
    return label if constant is None else f"{constant.value} {label}"


def _meaning(syntax: tree.Syntax, constant: str) -> str:
    """Return "value of unit_type: keyframe" for a constant that an enumeration uses."""
    for name, enumeration in syntax.enumerations.items():
        for row in enumeration.rows:
            if row.label == constant:
                return f"value of `{name}`: {row.meaning}"
    return ""
