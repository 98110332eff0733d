"""Syntax trees in the user's cache folder: parsing takes a tenth of a second, reading them a tenth of
that.

A kept tree is JSON, so reading it runs no code, whatever the file holds. A file counts only when it
is the user's own, nobody else may write it, and its digests are right; anything else means that there
is none. Whatever cannot be written is not kept.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from refcodec.syntax import tree
from refcodec.user_cache import user_cache

FOLDER = "syntax"

MOST_BYTES = 1 << 22
"""Bytes of a kept tree, at most."""

_NODES: dict[str, type] = {
    each.__name__: each
    for each in vars(tree).values()
    if isinstance(each, type) and dataclasses.is_dataclass(each) and each is not tree.Syntax
}


def kept(name: str, key: str) -> tree.Syntax | None:
    """Return the tree that was kept under `name` with the same `key`, or None."""
    try:
        content = _own(user_cache(FOLDER) / f"{name}.json")
        digest, found, body = content.split(b"\n", 2)
        if found != key.encode() or digest != _digest(found, body):
            return None
        return _syntax(name, json.loads(body))
    except (OSError, RuntimeError, ValueError, TypeError, LookupError, AttributeError):
        return None


def keep(name: str, key: str, syntax: tree.Syntax) -> None:
    """Keep `syntax`, instead of what is kept under `name`, if that is possible."""
    body = json.dumps(_plain_syntax(syntax), separators=(",", ":")).encode()
    content = b"\n".join((_digest(key.encode(), body), key.encode(), body))
    with suppress(OSError, RuntimeError):
        folder = user_cache(FOLDER)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f"{name}.", dir=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.replace(temporary, folder / f"{name}.json")
        except OSError:
            os.unlink(temporary)
            raise


def _digest(key: bytes, body: bytes) -> bytes:
    return hashlib.sha256(key + b"\n" + body).hexdigest().encode()


def _own(path: Path) -> bytes:
    """Return what the file holds. Raises PermissionError when others may have written it."""
    with path.open("rb") as file:
        facts = os.fstat(file.fileno())
        others = stat.S_IWGRP | stat.S_IWOTH
        if hasattr(os, "geteuid") and (facts.st_uid != os.geteuid() or facts.st_mode & others):
            raise PermissionError(path)
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError("too long")
    return content


# ------------------------------------------------------------------------------------- JSON


def _plain_syntax(syntax: tree.Syntax) -> list[Any]:
    tables = (syntax.constants, syntax.enumerations, syntax.structures)
    return [*([_plain(each) for each in table.values()] for table in tables), syntax.general]


def _syntax(name: str, plain: list[Any]) -> tree.Syntax:
    *tables, general = plain
    nodes = (map(_node, table) for table in tables)
    constants, enumerations, structures = ({each.name: each for each in table} for table in nodes)
    if not all(isinstance(each, str) for each in (*general.keys(), *general.values())):
        raise TypeError("no table of general rules")
    return tree.Syntax(name, constants, enumerations, structures, general)


def _plain(value: Any) -> Any:
    """Return a node as [class, fields], a tuple as [None, entries], other values as they are."""
    if isinstance(value, tuple):
        return [None, *map(_plain, value)]
    if dataclasses.is_dataclass(value):
        fields = (getattr(value, field.name) for field in dataclasses.fields(value))
        return [type(value).__name__, *map(_plain, fields)]
    return value


def _node(plain: Any) -> Any:
    if type(plain) is not list:
        return plain
    fields = map(_node, plain[1:])
    return tuple(fields) if plain[0] is None else _NODES[plain[0]](*fields)
