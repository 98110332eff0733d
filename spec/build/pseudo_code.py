"""The executable pseudo-code of spec/model as text: functions by name, with their clause and prose."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path

_CLAUSE = re.compile(r"\(#([A-Za-z0-9_.\-]+)\)")


@dataclass(frozen=True)
class PseudoCode:
    """One function, class or constant of the model. `prose` is its docstring without the clause."""

    name: str
    source: str
    clause: str | None
    prose: str
    line: int

    @property
    def public(self) -> bool:
        return not self.name.rsplit(".", 1)[1].startswith("_")


def _definition(module: str, node: ast.stmt, lines: list[str]) -> PseudoCode | None:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        doc = ast.get_docstring(node) or ""
        first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
        body = lines[first - 1 : node.end_lineno]
        has_doc = bool(doc) and isinstance(node.body[0], ast.Expr)
        if has_doc and len(node.body) > 1:
            start, end = node.body[0].lineno - first, (node.body[0].end_lineno or 0) - first
            body = body[:start] + body[end + 1 :]
            while start < len(body) and not body[start].strip():
                del body[start]
        found = _CLAUSE.search(doc)
        prose = _CLAUSE.sub("", doc, count=1).strip() if found else doc.strip()
        clause = found.group(1) if found else None
        return PseudoCode(f"{module}.{node.name}", "\n".join(body), clause, prose, first)
    if isinstance(node, ast.Assign | ast.AnnAssign):
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        if isinstance(target, ast.Name):
            text = "\n".join(lines[node.lineno - 1 : node.end_lineno])
            return PseudoCode(f"{module}.{target.id}", text, None, "", node.lineno)
    return None


def load_model(model_dir: Path) -> dict[str, PseudoCode]:
    """Return every top-level definition of spec/model by `module.name`, in source order."""
    found: dict[str, PseudoCode] = {}
    for path in sorted(model_dir.glob("*.py")):
        text = path.read_text(encoding="utf-8")
        lines = text.split("\n")
        for node in ast.parse(text).body:
            item = _definition(path.stem, node, lines)
            if item is not None:
                found[item.name] = item
    return found
