"""How to cite a place of the document."""

from __future__ import annotations

from spec.build.document import Anchor, Document
from spec.build.sources import Sources


def resolve(document: Document, identifier: str) -> Anchor:
    """Return the anchor that `identifier` names.

    It may be an anchor (`dec.injection`, with or without #), an element (`keyframe.prompt_data`, or
    `prompt_data` where only one structure has it), a requirement id or an error id.
    Raises KeyError, with suggestions, when nothing or more than one thing has that name.
    """
    name = identifier.strip().lstrip("#")
    for candidate in (name, f"sem.{name}", f"syn.{name}", name.upper()):
        if candidate in document.anchors:
            return document.anchors[candidate]
    elements = [a for a in document.anchors.values() if a.kind == "element" and a.label == name]
    if len(elements) == 1:
        return elements[0]
    near = [a.id for a in elements] or [a for a in document.anchors if name.lower() in a.lower()]
    hint = f"; did you mean {', '.join(near[:6])}?" if near else ""
    raise KeyError(f"the document has no anchor {identifier!r}{hint}")


def _where(anchor: Anchor) -> str:
    if anchor.kind == "clause":
        word = "" if anchor.label.startswith("Annex") else "clause "
        return f'{word}{anchor.label}, "{anchor.title}"'
    if anchor.kind in ("requirement", "error"):
        return f'{anchor.kind} {anchor.id}: "{anchor.title}"'
    if anchor.kind in ("table", "figure"):
        return f'{anchor.label}, "{anchor.title}"'
    return anchor.title


def citation(sources: Sources, document: Document, identifier: str) -> str:
    """Return a text citation and a BibTeX entry for the place that `identifier` names."""
    anchor = resolve(document, identifier)
    info = sources.info
    where = _where(anchor)
    key = f"{info['key']}-{info['version']}-{anchor.id}".replace("_", "-")
    text = (
        f"{info['authors']}, {info['title']}: {info['subtitle']}, version {info['version']}, "
        f"{info['date']}, {where}, anchor #{anchor.id}."
    )
    note = where.replace('"', "''").replace("_", r"\_").replace("#", r"\#")
    entry_anchor = anchor.id.replace("_", r"\_")
    bibtex = "\n".join(
        (
            f"@techreport{{{key},",
            f"  title       = {{{info['title']}: {info['subtitle']}}},",
            f"  author      = {{{{{info['authors']}}}}},",
            "  institution = {HybridPrompt},",
            "  type        = {Specification},",
            f"  number      = {{version {info['version']}}},",
            f"  year        = {{{info['year']}}},",
            f"  month       = {info['month']},",
            f"  note        = {{{note}, anchor \\#{entry_anchor}}},",
            "}",
        )
    )
    return f"{text}\n\n{bibtex}\n"
