"""The rules of the specification as text for a terminal."""

from __future__ import annotations

import difflib

from refcodec import errors, syntax


def describe(name: str) -> str:
    """Return the text of requirement, error or syntax structure `name`, e.g. "HYP-KF-001" or "keyframe".

    Raises HYP-E-CLI-03 with close names when the specification has none of that name.
    """
    key = name.strip()
    if key.upper() in errors.requirements():
        return _requirement(key.upper())
    if key.upper() in errors.CLASSES:
        return _error(key.upper())
    structures = {}
    for grammar in ("hyp", "avc"):
        structures.update(dict.fromkeys(syntax.load(grammar).structures, grammar))
    if key.rstrip("()") in structures:
        return _table(structures[key.rstrip("()")], key.rstrip("()"))
    known = [*errors.requirements(), *errors.CLASSES, *structures]
    near = difflib.get_close_matches(key, known, 5, 0.5)
    raise errors.error(
        "HYP-E-CLI-03",
        element="NAME",
        value=name,
        detail=f"Near it: {', '.join(near)}." if near else "The specification has no such name.",
    )


def _requirement(identifier: str) -> str:
    row = errors.requirements()[identifier]
    lines = [
        f"{identifier} (requirement on the {row['kind']})",
        row["text"],
        f"  clause {row['clause']}",
    ]
    if row.get("error"):
        lines.append(f"  error  {row['error']} {errors.CLASSES[row['error']].name}")
    lines += [f"  test   {test}" for test in row.get("tests", ())]
    return "\n".join(lines)


def _error(identifier: str) -> str:
    kind = errors.CLASSES[identifier]
    raised_by = [
        key for key, row in errors.requirements().items() if row.get("error") == identifier
    ]
    lines = [
        f"{identifier} {kind.name} ({kind.klass})",
        kind.text,
        f"  clause   {kind.clause}",
        f"  reaction {kind.reaction}",
    ]
    if raised_by:
        lines.append(f"  raised by {', '.join(raised_by)}")
    return "\n".join(lines)


def _table(grammar: str, name: str) -> str:
    tree = syntax.load(grammar)
    rows = syntax.rows(tree, name)
    cells = [
        (
            "  " * (row.indent + 1) + row.code,
            row.descriptor,
            f"= {row.fixed}" if row.fixed else row.range_text,
            row.requirement,
        )
        for row in rows
    ]
    widths = [max((len(cell[column]) for cell in cells), default=0) for column in range(3)]
    lines = [f"{name}({', '.join(p.name for p in tree.structures[name].parameters)})"]
    for cell in cells:
        line = "  ".join(text.ljust(width) for text, width in zip(cell, widths, strict=False))
        lines.append(f"{line}  {cell[3]}".rstrip())
    return "\n".join(lines)
