"""The syntax trees of the specification, parsed once and kept for later starts."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from refcodec import errors
from refcodec.syntax import tree, tree_cache
from spec import data

SOURCES = ("grammar.lark", "parser.py", "lint.py", "rows.py", "expressions.py", "tree.py")
"""Files beside this one that decide on what becomes of the text of a `.syn` file."""


@cache
def load(name: str) -> tree.Syntax:
    """Return the tree of `spec/syntax/<name>.syn` (`hyp` or `avc`), parsed once and checked.

    The tree of an earlier start is taken where nothing has changed since. Raises
    SyntaxDescriptionFault (HYP-E-SYN-30) when the file is no syntax description or breaks a lint
    rule.
    """
    content = data(f"syntax/{name}.syn").read_bytes()
    key = _key(content)
    syntax = tree_cache.kept(name, key)
    if syntax is None:
        syntax = parsed(name, content.decode("utf-8"))
        tree_cache.keep(name, key, syntax)
    return syntax


def parsed(name: str, text: str) -> tree.Syntax:
    """Return the tree of `text`, checked. Raises as `load` does."""
    from refcodec.syntax import lint
    from refcodec.syntax.parser import parse

    syntax = parse(text, name)
    for finding in lint.problems(syntax):
        raise errors.error(
            "HYP-E-SYN-30",
            element=f"{name}.syn",
            detail=f"line {finding.line}: {finding.text}",
        )
    return syntax


def _key(content: bytes) -> str:
    """Return a digest of the text and of everything that turns it into a tree."""
    digest = hashlib.sha256(content)
    folder = Path(__file__).parent
    for source in (*SOURCES, "tree_cache.py"):
        digest.update(hashlib.sha256((folder / source).read_bytes()).digest())
    return digest.hexdigest()
