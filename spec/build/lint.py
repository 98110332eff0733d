"""Rules that the sources of the document keep; a build with a finding fails."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from spec.build.document import Document, assemble
from spec.build.sources import CLASSES, KINDS, Finding, Sources
from spec.build.syntax_rows import Structure, Syntaxes
from spec.build.tables import AREAS, area

_DOCSTRING_CLAUSE = re.compile(r'"""\(#([A-Za-z0-9_.\-]+)\)')
_REQUIREMENT_ID = re.compile(r"HYP-[A-Z]+-[0-9]{3}")
_ERROR_ID = re.compile(r"HYP-E-[A-Z]+-[0-9]{2}")


def _links(document: Document) -> Iterator[Finding]:
    for anchor, place in document.links:
        if anchor not in document.anchors:
            yield Finding("broken-link", place, f"no anchor #{anchor}")


def _semantics(document: Document, structures: dict[str, Structure]) -> Iterator[Finding]:
    counted = Counter((syntax, element) for syntax, element, _ in document.semantics)
    places = {(syntax, element): place for syntax, element, place in document.semantics}
    expected: list[tuple[str, str]] = []
    for structure in structures.values():
        shown = document.shown_structures.count(structure.name)
        if shown != 1:
            message = f"{structure.name}() is shown {shown} times, not once"
            yield Finding("syntax-not-shown-once", f"{structure.grammar}.syn", message)
        if structure.grammar != "hyp":
            continue
        for element in structure.elements:
            expected.append((structure.name, element))
            times = counted[(structure.name, element)]
            name = f"{structure.name}.{element}"
            if times == 0:
                yield Finding("element-without-semantics", "hyp.syn", f"{name} has no paragraph")
            elif times > 1:
                message = f"{name} has {times} paragraphs"
                yield Finding(
                    "element-with-two-semantics", places[structure.name, element], message
                )
    for syntax, element in counted:
        if (syntax, element) not in expected:
            message = f"{syntax}.{element} is no element of the syntax"
            yield Finding("semantics-unknown-element", places[syntax, element], message)
    for structure in structures.values():
        known = [e for s, e, _ in document.semantics if s == structure.name]
        wanted = [e for e in structure.elements if e in known]
        if (
            structure.grammar == "hyp"
            and list(dict.fromkeys(known)) != wanted
            and set(known) == set(wanted)
        ):
            message = f"the paragraphs of {structure.name}() are not in the order of its table"
            yield Finding("semantics-out-of-order", "semantics", message)


def _requirements(sources: Sources, document: Document, syntaxes: Syntaxes) -> Iterator[Finding]:
    rows = [row for structure in syntaxes.structures.values() for row in structure.rows]
    in_rows = {row.requirement for row in rows if row.requirement} | syntaxes.general
    for identifier, places in document.cited.items():
        known = sources.errors if identifier.startswith("HYP-E-") else sources.requirements
        if identifier not in known:
            yield Finding(
                "unknown-id", ", ".join(dict.fromkeys(places)), f"{identifier} is unknown"
            )
    for identifier in sorted(in_rows - set(sources.requirements)):
        yield Finding("unknown-id", "syntax", f"{identifier} is not in requirements.toml")
    for entry in sources.requirements.values():
        place = f"requirements.toml {entry.id}"
        if not _REQUIREMENT_ID.fullmatch(entry.id) or area(entry.id) not in AREAS:
            yield Finding("id-form", place, "an id is HYP-AREA-nnn with a known area")
        if not document.cited.get(entry.id):
            yield Finding("unused-id", place, "no clause and no syntax row states it")
        if entry.kind not in KINDS:
            yield Finding("requirement-kind", place, f"kind {entry.kind!r} is none of {KINDS}")
        if "shall" not in entry.text:
            yield Finding("requirement-text", place, 'the text does not say "shall"')
        if entry.error and entry.error not in sources.errors:
            yield Finding("unknown-id", place, f"error {entry.error} is not in errors.toml")
        if entry.kind == "bitstream" and not entry.error:
            yield Finding("requirement-error", place, "a bitstream requirement has an error id")
        root = sources.spec_dir.parent
        for test in entry.tests if (root / "tests").is_dir() else ():
            file, _, name = test.partition("::")
            if not (root / file).is_file():
                yield Finding("unknown-test", place, f"no test file {file}")
            elif f"def {name}(" not in (root / file).read_text(encoding="utf-8"):
                yield Finding("unknown-test", place, f"{file} has no test {name}")


def _errors(sources: Sources) -> Iterator[Finding]:
    names = Counter(entry.name for entry in sources.errors.values())
    for entry in sources.errors.values():
        place = f"errors.toml {entry.id}"
        if not _ERROR_ID.fullmatch(entry.id) or area(entry.id) not in AREAS:
            yield Finding("id-form", place, "an id is HYP-E-AREA-nn with a known area")
        if entry.klass not in CLASSES:
            yield Finding("error-class", place, f"class {entry.klass!r} is none of {CLASSES}")
        if names[entry.name] > 1:
            yield Finding("error-name", place, f"the name {entry.name} is used twice")
        for field in ("name", "clause", "text", "reaction"):
            if not getattr(entry, field):
                yield Finding("error-field", place, f"{field} is empty")


def _model(document: Document) -> Iterator[Finding]:
    for code in document.model.values():
        if code.clause and code.clause not in document.anchors:
            place = f"spec/model {code.name}"
            yield Finding("broken-link", place, f"its docstring cites #{code.clause}")
        if (
            code.public
            and code.source.startswith(("def ", "class "))
            and (code.name not in document.shown_model)
        ):
            yield Finding("model-not-shown", f"spec/model {code.name}", "no clause shows it")


_AVC_CLAUSE = re.compile(r"avc\.(?:[5-9]|[A-E])(?:\.\d+)*")
"""A clause of H.264 itself; the document has those only that HYP's own clauses need."""


def _code(sources: Sources, document: Document) -> Iterator[Finding]:
    root = sources.spec_dir.parent
    for package in ("refcodec", "conformance", "hybridprompt"):
        for path in sorted(Path(root / package).rglob("*.py")):
            for anchor in _DOCSTRING_CLAUSE.findall(path.read_text(encoding="utf-8")):
                if anchor not in document.anchors and not _AVC_CLAUSE.fullmatch(anchor):
                    place = path.relative_to(root).as_posix()
                    yield Finding("broken-link", place, f"a docstring cites #{anchor}")


def findings(sources: Sources, document: Document | None = None) -> list[Finding]:
    """Return everything that is wrong with `sources`, in the order of the rules."""
    document = document or assemble(sources)
    syntaxes = document.syntaxes
    return [
        *document.findings,
        *_links(document),
        *_semantics(document, syntaxes.structures),
        *_requirements(sources, document, syntaxes),
        *_errors(sources),
        *_model(document),
        *_code(sources, document),
    ]
