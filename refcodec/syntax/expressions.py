"""Expressions of the syntax tables: integers only, total, and never handed to `eval`.

Every operator either has an integer value or raises ExpressionWithoutValue (HYP-E-SYN-09): division
or remainder by zero, shifts outside 0..127, magnitudes of 2**127 and more, elements that are not
there.  Comparisons and `!`, `&&`, `||` give 0 or 1.  `/` truncates towards zero; `%` wants a
dividend >= 0 and a divisor > 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from refcodec import errors
from refcodec.syntax import tree
from refcodec.syntax.values import Structure

LIMIT = 1 << 127
MAXIMUM_SHIFT = 127

PURE_FUNCTIONS: dict[str, int] = {"min": 2, "max": 2, "abs": 1, "ceil_log2": 1}
"""Functions of numbers alone, with their number of arguments."""

PLACE_FUNCTIONS: dict[str, int] = {"position": 0, "byte_aligned": 0, "bits_to_alignment": 0}
"""Functions of the place in the bitstream; position() is in bytes from the structure's start."""

PRESENCE_FUNCTIONS: dict[str, int] = {"more_data_in_file": 0, "more_rbsp_data": 0}
"""Functions that ask what follows; a writer answers them from the values that it was given."""

FUNCTIONS: dict[str, int] = PURE_FUNCTIONS | PLACE_FUNCTIONS | PRESENCE_FUNCTIONS


def without_value(detail: str) -> errors.HypError:
    """Return the error of an expression that has no value."""
    return errors.error("HYP-E-SYN-09", detail=detail)


def apply_unary(operator: str, operand: int) -> int:
    """Return `operator operand`."""
    if operator == "-":
        return -operand
    if operator == "!":
        return 0 if operand else 1
    if operator == "~":
        return ~operand
    return operand


def apply_binary(operator: str, left: int, right: int) -> int:
    """Return `left operator right`; `&&` and `||` want both operands here."""
    match operator:
        case "+":
            value = left + right
        case "-":
            value = left - right
        case "*":
            value = left * right
        case "/":
            if right == 0:
                raise without_value(f"{left} / 0")
            value = abs(left) // abs(right)
            value = value if (left < 0) == (right < 0) else -value
        case "%":
            if left < 0 or right <= 0:
                raise without_value(f"{left} % {right}")
            value = left % right
        case "<<" | ">>":
            if not 0 <= right <= MAXIMUM_SHIFT:
                raise without_value(f"shift by {right}")
            value = left << right if operator == "<<" else left >> right
        case "&":
            value = left & right
        case "|":
            value = left | right
        case "^":
            value = left ^ right
        case "==":
            return 1 if left == right else 0
        case "!=":
            return 1 if left != right else 0
        case "<":
            return 1 if left < right else 0
        case "<=":
            return 1 if left <= right else 0
        case ">":
            return 1 if left > right else 0
        case ">=":
            return 1 if left >= right else 0
        case "&&":
            return 1 if left and right else 0
        case _:
            return 1 if left or right else 0
    if not -LIMIT < value < LIMIT:
        raise without_value(f"{left} {operator} {right} does not fit in 128 bits")
    return value


def apply_function(function: str, arguments: Sequence[int]) -> int:
    """Return the value of one of PURE_FUNCTIONS."""
    match function:
        case "min":
            return min(arguments)
        case "max":
            return max(arguments)
        case "abs":
            return abs(arguments[0])
        case _:
            if arguments[0] < 1:
                raise without_value(f"ceil_log2({arguments[0]})")
            return (arguments[0] - 1).bit_length()


def look_up(values: Mapping[str, object], reference: tree.Reference, subscripts: list[int]) -> int:
    """Return the integer that `reference` names in `values`, its subscripts being evaluated."""
    try:
        value = values[reference.name]
    except KeyError:
        raise without_value(f"{reference.name} is not present") from None
    if reference.member is not None:
        value = member(value, reference)
    for subscript in subscripts:
        if not isinstance(value, list) or not 0 <= subscript < len(value):
            raise without_value(f"{format_expression(reference)}: there is no entry {subscript}")
        value = value[subscript]
    if not isinstance(value, int):
        raise without_value(f"{format_expression(reference)} is no number")
    return value


def member(value: object, reference: tree.Reference) -> object:
    """Return member `reference.member` of a structure's values, or of the latest of several."""
    if isinstance(value, list) and value:
        value = value[-1]
    found: object = None
    if isinstance(value, Mapping) and reference.member is not None:
        found = value.get(reference.member)
        if found is None and isinstance(value, Structure):
            found = value.derived.get(reference.member)
    if found is None:
        raise without_value(f"{reference.name}.{reference.member} is not present")
    return found


def evaluate(
    expression: tree.Expression,
    values: Mapping[str, object],
    functions: Mapping[str, Callable[[], int]] | None = None,
) -> int:
    """Return the value of `expression`.

    `values` holds numbers, lists of them, and structures by name; `functions` the functions of the
    bitstream.  Raises ExpressionWithoutValue (HYP-E-SYN-09).
    """
    match expression:
        case tree.Number():
            return expression.value
        case tree.Reference():
            subscripts = [evaluate(s, values, functions) for s in expression.subscripts]
            return look_up(values, expression, subscripts)
        case tree.Unary():
            return apply_unary(expression.operator, evaluate(expression.operand, values, functions))
        case tree.Binary():
            left = evaluate(expression.left, values, functions)
            # the right operand may be undefined where the left one already decides
            if expression.operator == "&&" and not left:
                return 0
            if expression.operator == "||" and left:
                return 1
            right = evaluate(expression.right, values, functions)
            return apply_binary(expression.operator, left, right)
        case tree.Conditional():
            chosen = evaluate(expression.condition, values, functions)
            branch = expression.then if chosen else expression.otherwise
            return evaluate(branch, values, functions)
        case tree.Call():
            if functions is not None and expression.function in functions:
                return functions[expression.function]()
            if expression.function not in PURE_FUNCTIONS:
                raise without_value(f"{expression.function}() has no value here")
            arguments = [evaluate(a, values, functions) for a in expression.arguments]
            return apply_function(expression.function, arguments)


# --------------------------------------------------------------------------- as text

_PRECEDENCE: dict[str, int] = {
    "||": 1, "&&": 2, "|": 3, "^": 4, "&": 5, "==": 6, "!=": 6, "<": 7, "<=": 7, ">": 7, ">=": 7,
    "<<": 8, ">>": 8, "+": 9, "-": 9, "*": 10, "/": 10, "%": 10,
}  # fmt: skip
_UNARY_PRECEDENCE = 11


def format_expression(expression: tree.Expression, precedence: int = 0) -> str:
    """Return `expression` as it stands in a `.syn` file, with no needless parentheses."""
    match expression:
        case tree.Number():
            return expression.text
        case tree.Reference():
            name = expression.name + (f".{expression.member}" if expression.member else "")
            return name + format_subscripts(expression.subscripts)
        case tree.Unary():
            text = expression.operator + format_expression(expression.operand, _UNARY_PRECEDENCE)
            return f"({text})" if precedence > _UNARY_PRECEDENCE else text
        case tree.Binary():
            own = _PRECEDENCE[expression.operator]
            left = format_expression(expression.left, own)
            right = format_expression(expression.right, own + 1)
            text = f"{left} {expression.operator} {right}"
            return f"({text})" if precedence > own else text
        case tree.Conditional():
            condition = format_expression(expression.condition, 1)
            then, otherwise = map(format_expression, (expression.then, expression.otherwise))
            text = f"{condition} ? {then} : {otherwise}"
            return f"({text})" if precedence > 0 else text
        case tree.Call():
            return (
                f"{expression.function}({', '.join(map(format_expression, expression.arguments))})"
            )


def format_subscripts(subscripts: tuple[tree.Expression, ...]) -> str:
    """Return `[i][j]` for the subscripts i and j."""
    return "".join(f"[{format_expression(subscript)}]" for subscript in subscripts)


def format_interval(interval: tree.Interval) -> str:
    """Return `low..high`, or the one value."""
    if interval.low == interval.high:
        return format_expression(interval.low)
    return f"{format_expression(interval.low)}..{format_expression(interval.high)}"


def format_allowed(allowed: tuple[tree.Interval, ...]) -> str:
    """Return the allowed intervals, separated by commas."""
    return ", ".join(map(format_interval, allowed))


def format_descriptor(descriptor: tree.Descriptor) -> str:
    """Return `u(8)`, `ue(v)` and so on."""
    argument = "v" if descriptor.argument is None else format_expression(descriptor.argument)
    return f"{descriptor.kind}({argument})"
