"""Errors of reading and writing: which id a breach has."""

from __future__ import annotations

from refcodec import errors
from refcodec.syntax import tree
from refcodec.syntax.expressions import format_expression


def fault(
    syntax: tree.Syntax,
    rule: str,
    *,
    requirement: str | None = None,
    bit_offset: int | None = None,
    element: str | None = None,
    value: object = None,
    allowed: object = None,
    detail: str | None = None,
) -> errors.HypError:
    """Return the error of a breach of `rule` (one of tree.GENERAL_RULES).

    The id is that of `requirement`, else that of the requirement which the syntax ties to the rule,
    else the general one of the rule.
    """
    named = requirement or syntax.general.get(rule)
    if named is not None:
        row = errors.requirements().get(named)
        error_id = (row or {}).get("error") or tree.GENERAL_RULES[rule]
        detail = f"{detail}; {named}" if detail else named
    else:
        error_id = tree.GENERAL_RULES[rule]
    return errors.error(
        error_id,
        bit_offset=bit_offset,
        element=element,
        value=value,
        allowed=allowed,
        detail=detail,
    )


def error_id(syntax: tree.Syntax, rule: str, requirement: str | None = None) -> str:
    """Return the id that `fault` would give."""
    return fault(syntax, rule, requirement=requirement).id


def allowed_text(bounds: list[tuple[int, int]]) -> object:
    """Return what an error shows for allowed intervals."""
    if len(bounds) == 1:
        return bounds[0]
    return ", ".join(str(low) if low == high else f"{low}..{high}" for low, high in bounds)


def rule_text(requirement: tree.Requirement) -> str:
    """Return what an error shows for a rule between elements."""
    return format_expression(requirement.expression)
