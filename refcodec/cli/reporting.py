"""How the command line says that something went wrong, and its exit codes."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from refcodec.errors import HypError

OK, REJECTED, USAGE, UNSUPPORTED = 0, 1, 2, 3

EXIT_CODES = {
    "malformed": REJECTED,
    "nonconforming": REJECTED,
    "resource": REJECTED,
    "usage": USAGE,
    "unsupported": UNSUPPORTED,
}
"""Exit code of each error class of spec/errors.toml."""


def error_text(error: HypError) -> str:
    """Return the message for `error`: its id and reason, where, what to do."""
    lines = [f"error {error.id}: {error.text}"]
    where = []
    if error.source is not None:
        where.append(error.source)
    if error.bit_offset is not None:
        where.append(f"byte {error.bit_offset // 8}, bit {error.bit_offset % 8}")
    if error.element is not None:
        where.append(error.element if error.value is None else f"{error.element} = {error.value}")
    elif error.value is not None:
        where.append(str(error.value))
    if where:
        lines.append(f"  where: {'; '.join(where)}")
    if error.allowed is not None:
        allowed = error.allowed
        if isinstance(allowed, tuple) and len(allowed) == 2:
            allowed = f"{allowed[0]}..{allowed[1]}"
        elif isinstance(allowed, range):
            allowed = f"{allowed.start}..{allowed.stop - 1}"
        lines.append(f"  allowed: {allowed}")
    if error.detail:
        lines.append(f"  detail: {error.detail}")
    lines.append(f"  what to do: {advice(error)}")
    return "\n".join(lines)


def advice(error: HypError) -> str:
    """Return what the reader of `error` can do next."""
    if error.klass == "usage":
        return error.reaction
    cite = f"hyp spec cite {error.id}"
    if error.bit_offset is not None:
        source = error.source or "FILE"
        return f"see the bits with `hyp trace {source} --at {error.bit_offset // 8}`, the rule with `{cite}`"
    return f"read the rule with `{cite}`"


def print_error(error: HypError) -> int:
    """Print `error` on standard error and return the exit code of its class."""
    print(error_text(error), file=sys.stderr)
    return EXIT_CODES[error.klass]


def print_json(value: object) -> None:
    """Print `value` as indented JSON on standard output."""
    print(json.dumps(value, indent=2, default=str, ensure_ascii=False))
