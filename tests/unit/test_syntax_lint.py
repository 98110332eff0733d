"""Faults of a syntax description are found, each by its rule, and versions are compared."""

from __future__ import annotations

import pytest

from refcodec import errors, syntax
from refcodec.syntax import lint

GOOD = """
constant TWO = 2

enum kind
  TWO   "second kind"

syntax top(size)    #syn.top
  kind       u(8)  0..TWO   HYP-UNIT-001
  if (kind == TWO && size > 0)
    inner(size) as only
"""

INNER = """
syntax inner(length)    #syn.inner
  content    bytes(length)
"""


def rules(text: str, ids: set[str] | None = None) -> set[str]:
    return {finding.rule for finding in lint.lint(syntax.parse(text), ids)}


def test_a_sound_description_has_no_findings() -> None:
    assert lint.lint(syntax.parse(GOOD + INNER), {"HYP-UNIT-001"}) == []


@pytest.mark.parametrize("name", ["hyp", "avc"])
def test_shipped_descriptions_are_sound(name: str) -> None:
    tree = syntax.load(name)
    assert lint.lint(tree, set(errors.requirements())) == []


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("syntax s()\n  a u(b)\n", "undefined-name"),
        ("syntax s()\n  if (later)\n    a u(1)\n  later u(1)\n", "undefined-name"),
        ("syntax s()\n  other()\n", "undefined-name"),
        ("syntax s(p: other)\n  a u(p.x)\n", "undefined-name"),
        ("syntax s()\n  a u(8)\n  b u(a.x)\n", "undefined-name"),
        ("syntax s()\n  a u(8)\n  infer b = roll(a)\n", "undefined-name"),
        ("syntax s()\n  a u(8)\n  a u(8)\n", "duplicate-name"),
        ("syntax s()\n  t()\n  t()\nsyntax t()\n  a u(1)\n", "duplicate-name"),
        ("syntax s()\n  for (i = 0; i < 2; i++)\n    a u(8)\n", "repeated-element"),
        ("syntax s()\n  t(1)\nsyntax t()\n  a u(1)\n", "argument-count"),
        ("syntax s()\n  t(1)\nsyntax t(x: s)\n  a u(1)\n", "argument-kind"),
        ("syntax s()\n  s()\n", "recursion"),
        ("syntax s()\n  a u(65)\n", "descriptor-width"),
        ("syntax s()\n  a f(8)\n", "fixed-value"),
        ("syntax s()\n  Name u(8)\n", "name-form"),
        ("syntax s()\n  name = 1\n", "name-form"),
        ("syntax s()\n  a bytes(3) 0..1\n", "descriptor-range"),
        ("syntax s(unused)\n  a u(8)\n", "unused-name"),
        ("constant LOST = 1\nsyntax s()\n  a u(8)\n", "unused-name"),
        ('enum lost\n  0 "zero"\nsyntax s()\n  a u(8)\n', "unused-name"),
        ("syntax s()\n  a u(16)\n  b bytes(a)\n", "range-missing"),
        ("syntax s()\n  a u(8) 3..2\n", "range-empty"),
        ("syntax s()\n  a u(2) 0..4\n", "range-too-wide"),
        ("syntax s()  #syn.a\n  a u(8)\nsyntax t()  #syn.a\n  b u(8)\n", "duplicate-anchor"),
        ("syntax s()\n  a u(8) 1..2 HYP-X-001\n  b u(8) 1..2 HYP-X-001\n", "duplicate-requirement"),
        ("syntax s()\n  a u(8) 1..2 HYP-X-001\n", "unknown-requirement"),
    ],
)
def test_each_fault_is_found_by_its_rule(text: str, rule: str) -> None:
    assert rule in rules(text, set())


@pytest.mark.parametrize(
    "text",
    [
        "syntax s()\n",
        "syntax s()\n  a u(8\n",
        "syntax s()\n  a u(8)\n    b u(8)\n",
        "syntax s()\n  a u(8)\nsyntax s()\n  b u(8)\n",
        "constant A = B\n",
        "constant A = 1\nconstant A = 2\n",
        "general no_such_rule HYP-UNIT-001\n",
        "syntax s()\n  for (i = 0; i < 2; j++)\n    a[i] u(8)\n",
        "nonsense\n",
    ],
)
def test_text_that_is_no_description_is_refused(text: str) -> None:
    with pytest.raises(errors.CLASSES["HYP-E-SYN-30"]) as caught:
        syntax.parse(text)
    assert "line" in str(caught.value)


def test_rows_show_every_statement_as_it_is_written() -> None:
    text = """
syntax s(n)
  a                u(8)  1..2, 4   HYP-UNIT-001
  b                f(3) = 0b101
  for (i = 0; i < n; i++)
    c[i]           ue(v)
  while (more_data_in_file())
    t(n, a + 1) as part
  if (!(a == 1) && (n & 3) == 2)
    infer d = a ? n : -n * (1 + 2)
  else if (n > 1)
    Derived = (1 + 2) * 3 % 4
  else
    infer d = 0
  within (n)
    rest           bytes(n)
  require a != 2 HYP-UNIT-002
syntax t(x, y)
  z u(x + y)
"""
    tree = syntax.parse(text)
    shown = [row.code for row in syntax.rows(tree, "s")]
    assert shown == [
        "a",
        "b",
        "for (i = 0; i < n; i++)",
        "c[i]",
        "while (more_data_in_file())",
        "t(n, a + 1) as part",
        "if (!(a == 1) && (n & 3) == 2)",
        "infer d = a ? n : -n * (1 + 2)",
        "else if (n > 1)",
        "Derived = (1 + 2) * 3 % 4",
        "else",
        "infer d = 0",
        "within (n)",
        "rest",
        "require a != 2",
    ]
    first = syntax.rows(tree, "s")[0]
    assert (first.descriptor, first.range_text, first.requirement, first.anchor) == (
        "u(8)",
        "1..2, 4",
        "HYP-UNIT-001",
        "#syn.s.a",
    )
    assert syntax.rows(tree, "s")[1].fixed == "0b101"
    assert [row.indent for row in syntax.rows(tree, "s")][:4] == [0, 0, 0, 1]


def test_difference_between_versions_names_what_changed() -> None:
    old = syntax.parse(GOOD + INNER)
    new = syntax.parse(
        GOOD.replace("0..TWO", "1..TWO").replace("= 2", "= 3")
        + INNER
        + "syntax added()\n  x u(1)\n"
    )
    changes = {(change.kind, change.place) for change in lint.diff(old, new)}
    assert changes == {
        ("changed", "constant TWO"),
        ("changed", "enum kind"),
        ("changed", "top.kind"),
        ("added", "syntax added"),
    }
    assert lint.diff(old, old) == []
    # an element that moves under a condition is a change too
    moved = syntax.parse("syntax s()\n  a u(1)\n  if (a)\n    b u(1)\n")
    flat = syntax.parse("syntax s()\n  a u(1)\n  b u(1)\n")
    assert [c.place for c in lint.diff(flat, moved)] == ["s.b"]
