"""The specification builds without a finding, and what it builds is whole."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from spec import SPEC_DIR
from spec.build import build, cite, lint
from spec.build.document import Document, assemble
from spec.build.markup import Element, parse
from spec.build.page import render_page
from spec.build.sources import Sources, load_sources
from spec.build.syntax_rows import load_syntaxes


@pytest.fixture(scope="module")
def sources() -> Sources:
    return load_sources(SPEC_DIR)


@pytest.fixture(scope="module")
def document(sources: Sources) -> Document:
    return assemble(sources)


@pytest.fixture(scope="module")
def page(sources: Sources, document: Document) -> str:
    return render_page(sources, document)


def test_sources_have_no_findings() -> None:
    assert [str(finding) for finding in lint()] == []


def test_every_anchor_is_unique_in_the_page(page: str) -> None:
    counted = Counter(re.findall(r'\sid="([^"]+)"', page))
    assert [name for name, times in counted.items() if times > 1] == []
    assert len(counted) > 800


def test_every_link_of_the_page_resolves(page: str) -> None:
    anchors = set(re.findall(r'\sid="([^"]+)"', page))
    targets = set(re.findall(r'href="#([^"]+)"', page))
    assert targets - anchors == set()
    assert len(targets) > 500


def test_no_link_is_left_without_text(document: Document) -> None:
    def links(node: Element) -> list[Element]:
        return node.all("a")

    assert [a.attributes["href"] for a in links(parse(document.body)) if not a.text()] == []


def test_page_needs_nothing_else(page: str) -> None:
    loaded = re.findall(r'(?:src|href)="((?!#)[^"]*)"', page)
    assert loaded == []
    assert "@import" not in page and "url(" not in page


def test_every_requirement_and_error_is_in_the_page(sources: Sources, page: str) -> None:
    missing = [key for key in (*sources.requirements, *sources.errors) if f'id="{key}"' not in page]
    assert missing == []


def test_syntax_rows_link_to_their_semantics_and_back(document: Document) -> None:
    body = document.body
    for structure in load_syntaxes(SPEC_DIR).structures.values():
        if structure.grammar != "hyp":
            continue
        for element in structure.elements:
            row = f'<tr id="syn.{structure.name}.{element}">'
            assert row in body
            start = body.index(row)
            assert (
                f'href="#sem.{structure.name}.{element}"'
                in body[start : body.index("</tr>", start)]
            )
            start = body.index(f'<div class="sem" id="sem.{structure.name}.{element}">')
            assert (
                f'href="#syn.{structure.name}.{element}"'
                in body[start : body.index("</div>", start)]
            )


def test_clause_numbers_follow_the_order(document: Document) -> None:
    numbers = [a.label for level, a in document.contents if level == 1]
    chapters = [n for n in numbers if not n.startswith("Annex")]
    annexes = [n for n in numbers if n.startswith("Annex")]
    assert chapters == [str(n + 1) for n in range(len(chapters))]
    assert annexes == [f"Annex {chr(65 + n)}" for n in range(len(annexes))]
    assert numbers == chapters + annexes


def test_build_writes_page_and_pdf(tmp_path: Path, page: str) -> None:
    written = build(tmp_path / "out")
    assert [path.suffix for path in written] == [".html", ".pdf"]
    assert written[0].read_text(encoding="utf-8") == page
    pdf = written[1].read_bytes()
    assert pdf.startswith(b"%PDF-") and pdf.rstrip().endswith(b"%%EOF")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [p.name for p in written]


def test_pdf_is_reproducible(sources: Sources) -> None:
    from spec.build.pdf import render_pdf

    chapters = [c for c in sources.chapters if c.name[:2] in ("03", "07")]
    part = replace(sources, chapters=chapters, findings=[])
    body = re.sub(r'<a href="#[^"]*"', "<span", assemble(part).body)
    body = re.sub(r'<a class="\w+" href="#[^"]*"', "<span", body).replace("</a>", "</span>")
    pages = [render_pdf(part, Document(body=body)) for _ in range(2)]
    assert pages[0] == pages[1]


def test_fonts_of_the_pdf_have_every_character(document: Document) -> None:
    from reportlab.pdfbase import pdfmetrics

    from spec.build import pdf

    pdf._register_fonts()

    def characters(node: Element, mono: bool) -> set[tuple[str, bool]]:
        found: set[tuple[str, bool]] = set()
        for child in node.children:
            if isinstance(child, str):
                child = child if mono else child.translate(pdf.SUPERSCRIPTS)
                found |= {(character, mono) for character in child if character not in "\n\u00a0"}
            elif child.tag != "svg":
                found |= characters(child, mono or child.tag in ("code", "pre"))
        return found

    faces = {
        flag: pdfmetrics.getFont(name).face for flag, name in ((True, "Mono"), (False, "Text"))
    }
    missing = {
        character
        for character, mono in characters(parse(document.body), False)
        if ord(character) not in faces[mono].charToGlyph
    }
    assert missing == set()


def test_cite_gives_anchor_version_and_bibtex() -> None:
    text = cite("dec.injection")
    assert "version 0.1" in text and "#dec.injection" in text and '"Injection"' in text
    assert "@techreport{hyp-spec-0.1-dec.injection," in text


@pytest.mark.parametrize(
    ("name", "anchor"),
    [
        ("#net.bounds", "#net.bounds"),
        ("keyframe.prompt_data", "#sem.keyframe.prompt_data"),
        ("prompt_data", "#sem.keyframe.prompt_data"),
        ("HYP-KF-001", "#HYP-KF-001"),
        ("HYP-E-UNIT-03", "#HYP-E-UNIT-03"),
        ("hyp-kf-001", "#HYP-KF-001"),
    ],
)
def test_cite_finds_every_kind_of_place(name: str, anchor: str) -> None:
    assert f"anchor {anchor}." in cite(name)


def test_cite_refuses_what_is_not_there_or_ambiguous() -> None:
    with pytest.raises(KeyError, match=r"sem\.keyframe\.segment_number"):
        cite("segment_number")
    with pytest.raises(KeyError, match="no anchor"):
        cite("no.such.clause")
