"""From chapters and data to one numbered, cross-linked document body in HTML.

The body uses a small closed set of tags, so that the page (`page`) and the PDF (`pdf`) are two
renderings of the same text. Everything that is numbered is numbered here, once.
"""

from __future__ import annotations

import html
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from markdown_it import MarkdownIt
from markdown_it.token import Token

from spec.build import tables
from spec.build.pseudo_code import PseudoCode, load_model
from spec.build.sources import Chapter, Finding, Sources
from spec.build.syntax_rows import Syntaxes, load_syntaxes

DIRECTIVE = re.compile(r"^\{\{\s*(\w+)\s*(.*?)\s*\}\}$")
_HEADING_ID = re.compile(r"\s*\{#([A-Za-z0-9_.\-]+)\}\s*$")
_LEADING_ID = re.compile(r"^\{#([A-Za-z0-9_.\-]+)\}\s*")
_CAPTION = re.compile(r"^Table: (.*?)\s*\{#([A-Za-z0-9_.\-]+)\}$", re.S)
_ID = re.compile(r"\[(HYP-(?:E-)?[A-Z]+-[0-9]+)\]")
_SHALL = re.compile(r"\bshall\b", re.I)
_SENTENCE = re.compile(r"(?<=[.:;?!\]])\s+(?=[A-Z`*(\[])")


@dataclass(frozen=True)
class Anchor:
    """A place that can be cited: label such as `7.3` or `Table 4`, and its title."""

    id: str
    label: str
    title: str
    kind: str


@dataclass
class Document:
    """The finished body and all that the lints and the citation need to know about it."""

    body: str = ""
    contents: list[tuple[int, Anchor]] = field(default_factory=list)
    anchors: dict[str, Anchor] = field(default_factory=dict)
    links: list[tuple[str, str]] = field(default_factory=list)
    cited: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    semantics: list[tuple[str, str, str]] = field(default_factory=list)
    shown_structures: list[str] = field(default_factory=list)
    shown_model: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    syntaxes: Syntaxes = field(default_factory=Syntaxes)
    model: dict[str, PseudoCode] = field(default_factory=dict)


def sentences_with_shall(text: str) -> list[tuple[str, bool]]:
    """Return each sentence of `text` with the word "shall", and whether a requirement id ends it."""
    found: list[tuple[str, bool]] = []
    parts = _SENTENCE.split(" ".join(text.split()))
    for number, part in enumerate(parts):
        if not _SHALL.search(re.sub(r"`[^`]*`", "", part)):
            continue
        following = parts[number + 1] if number + 1 < len(parts) else ""
        has_id = bool(_ID.search(part)) or bool(_ID.match(following))
        found.append((part, has_id))
    return found


def _letters(number: int) -> str:
    return chr(ord("A") + number - 1)


class _Assembler:
    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self.document = Document()
        self.syntaxes = self.document.syntaxes = load_syntaxes(sources.spec_dir)
        self.structures = self.syntaxes.structures
        self.document.findings += sources.findings + self.syntaxes.findings
        self.model = self.document.model = load_model(sources.spec_dir / "model")
        self.markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
        self.counters = [0, 0, 0, 0]
        self.annex = False
        self.table_number = 0
        self.figure_number = 0
        self.clause = ""
        self.place = ""
        self.caption: Anchor | None = None
        self.elements: dict[str, set[str]] = defaultdict(set)
        for structure in self.structures.values():
            for row in structure.rows:
                if row.element and structure.grammar == "hyp":
                    self.elements[row.element].add(structure.name)

    # -- anchors, numbers ---------------------------------------------------------------------

    def find(self, rule: str, message: str, place: str | None = None) -> None:
        self.document.findings.append(Finding(rule, place or self.place, message))

    def anchor(self, anchor: Anchor) -> Anchor:
        if anchor.id in self.document.anchors:
            self.find("duplicate-anchor", f"#{anchor.id} is defined twice")
        self.document.anchors[anchor.id] = anchor
        return anchor

    @staticmethod
    def row_anchor(identifier: str, name: str, structure: str) -> Anchor:
        return Anchor(identifier, name, f"{name} in the table of {structure}", "row")

    @staticmethod
    def model_anchor(identifier: str, name: str) -> Anchor:
        return Anchor(identifier, name, f"pseudo-code {name}", "model")

    @staticmethod
    def id_anchor(identifier: str, text: str, kind: str) -> Anchor:
        return Anchor(identifier, identifier, text, kind)

    def next_clause(self, level: int) -> str:
        if level == 1 and self.annex and not self.in_annexes:
            self.counters = [0, 0, 0, 0]
            self.in_annexes = True
        self.counters[level - 1] += 1
        for deeper in range(level, 4):
            self.counters[deeper] = 0
        first = _letters(self.counters[0]) if self.annex else str(self.counters[0])
        return ".".join([first, *(str(n) for n in self.counters[1:level])])

    in_annexes = False

    def table(self, identifier: str, title: str) -> Anchor:
        self.table_number += 1
        return self.anchor(Anchor(identifier, f"Table {self.table_number}", title, "table"))

    def figure(self, identifier: str, title: str) -> Anchor:
        self.figure_number += 1
        return self.anchor(Anchor(identifier, f"Figure {self.figure_number}", title, "figure"))

    # -- inline -------------------------------------------------------------------------------

    def link(self, anchor: str, text: str, css: str = "") -> str:
        self.document.links.append((anchor, self.place))
        attribute = f' class="{css}"' if css else ""
        return f'<a{attribute} href="#{html.escape(anchor)}">{text}</a>'

    def identifiers(self, text: str) -> str:
        def replace(match: re.Match[str]) -> str:
            identifier = match.group(1)
            self.document.cited[identifier].append(self.clause)
            css = "err" if identifier.startswith("HYP-E-") else "req"
            return self.link(identifier, identifier, css)

        return _ID.sub(replace, text)

    def inline(self, token: Token) -> str:
        out: list[str] = []
        for child in token.children or []:
            if child.type == "text":
                out.append(self.identifiers(html.escape(child.content, quote=False)))
            elif child.type == "code_inline":
                out.append(self.code(child.content))
            elif child.type in ("softbreak", "hardbreak"):
                out.append("<br>" if child.type == "hardbreak" else " ")
            elif child.type == "link_open":
                target = str(child.attrGet("href") or "")
                if target.startswith("#"):
                    self.document.links.append((target[1:], self.place))
                elif not target.startswith(("http://", "https://")):
                    self.find("broken-link", f"the link target {target!r} is not an anchor")
                out.append(f'<a href="{html.escape(target)}">')
            elif child.type == "link_close":
                out.append("</a>")
            elif child.type in ("em_open", "strong_open", "em_close", "strong_close"):
                slash = "/" if child.type.endswith("close") else ""
                out.append(f"<{slash}{'em' if child.type.startswith('em') else 'strong'}>")
            else:
                self.find("unknown-markup", f"inline {child.type} is not used in this document")
        return "".join(out)

    def code(self, content: str) -> str:
        text = f"<code>{html.escape(content, quote=False)}</code>"
        owners = self.elements.get(content, set())
        if len(owners) == 1:
            return self.link(f"sem.{next(iter(owners))}.{content}", text, "el")
        return text

    # -- blocks -------------------------------------------------------------------------------

    def check_shall(self, token: Token) -> None:
        for sentence, has_id in sentences_with_shall(token.content):
            if not has_id:
                self.find("shall-without-id", f"no requirement id after: {sentence}")

    def heading(self, level: int, token: Token) -> str:
        match = _HEADING_ID.search(token.content)
        if match is None:
            self.find("heading-without-anchor", f"heading {token.content!r} has no {{#anchor}}")
            identifier = f"unnamed-{len(self.document.anchors)}"
            title = token.content
        else:
            identifier, title = match.group(1), token.content[: match.start()]
        number = self.next_clause(level)
        label = f"Annex {number}" if self.annex and level == 1 else number
        anchor = self.anchor(Anchor(identifier, label, title, "clause"))
        self.clause = identifier
        self.document.contents.append((level, anchor))
        return (
            f'<h{level} id="{identifier}"><span class="no">{label}</span> '
            f'{html.escape(title)} <a class="self" href="#{identifier}">#{identifier}</a></h{level}>'
        )

    def semantics(self, identifier: str, body: str) -> str:
        parts = identifier.split(".")
        if len(parts) != 3:
            self.find("semantics-unknown-element", f"#{identifier} is not #sem.syntax.element")
            return f'<p id="{html.escape(identifier)}">{body}</p>'
        _, syntax, element = parts
        self.document.semantics.append((syntax, element, self.place))
        self.anchor(Anchor(identifier, element, f"{element} in {syntax}()", "element"))
        facts = [self.link(f"syn.{syntax}.{element}", f"syntax of {syntax}()")]
        structure = self.structures.get(syntax)
        for row in structure.rows if structure else ():
            if row.element == element:
                facts += [html.escape(fact) for fact in (row.descriptor, row.limits) if fact]
                if row.requirement:
                    facts.append(self.link(row.requirement, row.requirement, "req"))
                    requirement = self.sources.requirements.get(row.requirement)
                    if requirement and requirement.error:
                        facts.append(self.link(requirement.error, requirement.error, "err"))
        return (
            f'<div class="sem" id="{identifier}"><p>{body}</p>'
            f'<p class="facts">{" · ".join(facts)}</p>{tables.values(self, element)}</div>'
        )

    def paragraph(self, token: Token, tight: bool) -> str:
        match = _CAPTION.match(token.content)
        if match:
            self.caption = self.table(match.group(2), match.group(1))
            return ""
        identifier = None
        leading = _LEADING_ID.match(token.content)
        if leading:
            identifier = leading.group(1)
            children = token.children or []
            children[0].content = _LEADING_ID.sub("", children[0].content)
        self.check_shall(token)
        body = self.inline(token)
        if identifier and identifier.startswith("sem."):
            return self.semantics(identifier, body)
        attribute = ""
        if identifier:
            words = " ".join(re.sub(r"[`*]|\[|\]\([^)]*\)|\{[^}]*\}", "", token.content).split())
            self.anchor(
                Anchor(identifier, self.document.anchors[self.clause].label, words[:60], "term")
            )
            attribute = f' id="{identifier}"'
        for word, css in (("NOTE: ", "note"), ("EXAMPLE: ", "example")):
            if body.startswith(word):
                rest = body[len(word) :]
                return f'<p class="{css}"{attribute}><b>{word[:-2]}</b> {rest}</p>'
        return body if tight else f"<p{attribute}>{body}</p>"

    def cell(self, token: Token) -> str:
        self.check_shall(token)
        leading = _LEADING_ID.match(token.content)
        if leading is None:
            return self.inline(token)
        (token.children or [])[0].content = _LEADING_ID.sub("", (token.children or [])[0].content)
        title = _LEADING_ID.sub("", token.content)
        anchor = self.anchor(Anchor(leading.group(1), title, f"the term {title}", "term"))
        return f'<span id="{anchor.id}">{self.inline(token)}</span>'

    def blocks(self, tokens: Sequence[Token]) -> str:
        out: list[str] = []
        index = 0
        while index < len(tokens):
            token = tokens[index]
            if token.type == "heading_open":
                out.append(self.heading(int(token.tag[1]), tokens[index + 1]))
                index += 2
            elif token.type == "paragraph_open":
                out.append(self.paragraph(tokens[index + 1], token.hidden))
                index += 2
            elif token.type == "inline":
                out.append(self.cell(token))
            elif token.type == "fence" or token.type == "code_block":
                out.append(f"<pre><code>{html.escape(token.content, quote=False)}</code></pre>")
            elif token.type == "table_open":
                if self.caption is None:
                    self.find("table-without-caption", "a table has no `Table: … {#anchor}` line")
                out.append(self.open_table())
            elif token.type == "table_close":
                out.append("</table></figure>")
            elif token.type.endswith(("_open", "_close")):
                slash = "/" if token.type.endswith("_close") else ""
                out.append(f"<{slash}{token.tag}>")
            elif token.type != "hr":
                self.find("unknown-markup", f"block {token.type} is not used in this document")
            index += 1
        return "".join(out)

    def open_table(self, css: str = "grid") -> str:
        anchor, self.caption = self.caption, None
        caption = ""
        attribute = ""
        if anchor:
            attribute = f' id="{anchor.id}"'
            caption = (
                f'<figcaption><span class="no">{anchor.label}</span> '
                f"{html.escape(anchor.title)}</figcaption>"
            )
        return f'<figure class="table"{attribute}>{caption}<table class="{css}">'

    # -- directives ---------------------------------------------------------------------------

    def directive(self, name: str, argument: str) -> str:
        handlers: dict[str, Callable[[str], str]] = {
            "syntax": self.show_syntax,
            "model": self.show_model,
            "figure": self.show_figure,
            "levels": lambda _: tables.levels(self),
            "errors": lambda _: tables.errors(self),
            "requirements": lambda _: tables.requirements(self),
            "constants": lambda _: tables.constants(self),
            "trace": lambda _: tables.trace(self),
            "prompt": lambda _: tables.prompt(self),
            "example_model": lambda _: tables.example_model(self),
        }
        if name not in handlers:
            self.find("unknown-directive", f"{{{{{name}}}}} is not a directive")
            return ""
        return handlers[name](argument)

    def show_syntax(self, argument: str) -> str:
        structure = self.structures.get(argument)
        if structure is None:
            self.find("unknown-syntax", f"no syntax structure is named {argument!r}")
            return ""
        self.document.shown_structures.append(argument)
        return tables.syntax(self, structure)

    def show_model(self, argument: str) -> str:
        code = self.model.get(argument)
        if code is None:
            self.find("unknown-model", f"spec/model has no {argument!r}")
            return ""
        self.document.shown_model.add(argument)
        return tables.model(self, code)

    def show_figure(self, argument: str) -> str:
        name, identifier, title = (part.strip() for part in argument.split("|"))
        path = self.sources.spec_dir / "chapters" / name
        if not path.is_file():
            self.find("unknown-figure", f"no figure file {name!r}")
            return ""
        anchor = self.figure(identifier, title)
        return (
            f'<figure class="drawing" id="{identifier}">{path.read_text(encoding="utf-8")}'
            f'<figcaption><span class="no">{anchor.label}</span> {html.escape(title)}'
            f"</figcaption></figure>"
        )

    def chapter(self, chapter: Chapter) -> str:
        self.annex = chapter.annex
        out: list[str] = []
        block: list[str] = []
        fenced = False
        self.place = chapter.name

        def flush() -> None:
            if any(line.strip() for line in block):
                out.append(self.blocks(self.markdown.parse("\n".join(block))))
            block.clear()

        for line in chapter.text.split("\n"):
            if line.startswith("```"):
                fenced = not fenced
            match = None if fenced else DIRECTIVE.match(line.strip())
            if match:
                flush()
                self.place = f"{chapter.name}#{self.clause}"
                out.append(self.directive(match.group(1), match.group(2)))
            else:
                if line.startswith("#") and not fenced:
                    flush()
                block.append(line)
                if line.startswith("#") and not fenced:
                    flush()
                    self.place = f"{chapter.name}#{self.clause}"
        flush()
        return (
            f'<section class="{"annex" if chapter.annex else "chapter"}">{"".join(out)}</section>'
        )

    def run(self) -> Document:
        body = "".join(self.chapter(chapter) for chapter in self.sources.chapters)
        anchors = self.document.anchors

        def name_link(match: re.Match[str]) -> str:
            target = anchors.get(match.group(1))
            if target is None:
                return match.group(0)
            text = target.label if target.kind != "clause" else f"{target.label} {target.title}"
            return f'<a href="#{target.id}">{html.escape(text)}</a>'

        self.document.body = re.sub(r'<a href="#([^"]+)"></a>', name_link, body)
        return self.document


Assembler = _Assembler


def assemble(sources: Sources) -> Document:
    """Number, link and render all chapters of `sources` into one document body."""
    return _Assembler(sources).run()


__all__ = ["Anchor", "Assembler", "Document", "assemble", "sentences_with_shall"]
