"""Expressions have the value that the document gives them, or a typed error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refcodec import errors, syntax
from refcodec.syntax import tree
from refcodec.syntax.expressions import evaluate, format_expression


def expression(text: str) -> tree.Expression:
    parsed = syntax.parse(f"syntax s(a, b)\n  infer x = {text}\n").structures["s"].body[0]
    assert isinstance(parsed, tree.Inference)
    return parsed.expression


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("7 - 2 - 1", 4),
        ("-7 / 2", -3),
        ("7 / -2", -3),
        ("-7 / -2", 3),
        ("7 % 4", 3),
        ("1 << 4 | 3", 19),
        ("-5 >> 1", -3),
        ("~0 & 6", 6),
        ("6 ^ 3", 5),
        ("3 > 2 && 2 >= 2", 1),
        ("!5", 0),
        ("0 && 1 / 0", 0),
        ("1 || 1 / 0", 1),
        ("0 ? 1 / 0 : 8", 8),
        ("min(3, -4) + max(3, 4) + abs(-2)", 2),
        ("ceil_log2(1)", 0),
        ("ceil_log2(9)", 4),
        ("0x1F + 0b11", 34),
        ("a * b", 35),
    ],
)
def test_value(text: str, value: int) -> None:
    assert evaluate(expression(text), {"a": 5, "b": 7}) == value


@pytest.mark.parametrize(
    "text",
    ["1 / 0", "1 % 0", "-1 % 3", "1 << 128", "1 << -1", "1 >> 200", "(1 << 100) * (1 << 100)",
     "ceil_log2(0)", "c", "a.b", "a[0]", "list[3]", "list[-1]", "position()"],
)  # fmt: skip
def test_without_value_is_a_typed_error(text: str) -> None:
    node = syntax.parse(f"syntax s()\n  infer x = {text}\n").structures["s"].body[0]
    assert isinstance(node, tree.Inference)
    with pytest.raises(errors.CLASSES["HYP-E-SYN-09"]):
        evaluate(node.expression, {"a": 5, "list": [1, 2, 3]})


LEAVES = st.one_of(
    st.integers(0, 300).map(lambda value: tree.Number(value, str(value))),
    st.sampled_from(["a", "b"]).map(tree.Reference),
)


def larger(inner: st.SearchStrategy[tree.Expression]) -> st.SearchStrategy[tree.Expression]:
    operators = ["||", "&&", "|", "^", "&", "==", "!=", "<", "<=", ">", ">=", "<<", ">>",
                 "+", "-", "*", "/", "%"]  # fmt: skip
    return st.one_of(
        st.builds(tree.Binary, st.sampled_from(operators), inner, inner),
        st.builds(tree.Unary, st.sampled_from("-!~"), inner),
        st.builds(tree.Conditional, inner, inner, inner),
        st.builds(lambda x, y: tree.Call("min", (x, y)), inner, inner),
    )


@given(st.recursive(LEAVES, larger, max_leaves=12))
def test_text_of_an_expression_parses_to_the_same_expression(node: tree.Expression) -> None:
    assert expression(format_expression(node)) == node
