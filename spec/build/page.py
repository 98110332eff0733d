"""The HTML document: one file with its style, its script and its search index inside."""

from __future__ import annotations

import html
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, select_autoescape
from markupsafe import Markup
from pygments.formatters import HtmlFormatter

from spec.build.document import Document
from spec.build.sources import Sources

_TEMPLATES = Path(__file__).parent / "templates"


def _contents(document: Document) -> str:
    out: list[str] = []
    depth = 0
    for level, anchor in document.contents:
        if level > 3:
            continue
        while depth < level:
            out.append("<ul>")
            depth += 1
        while depth > level:
            out.append("</ul>")
            depth -= 1
        out.append(
            f'<li><a href="#{anchor.id}"><span class="no">{anchor.label}</span> '
            f"{html.escape(anchor.title)}</a></li>"
        )
    out.append("</ul>" * depth)
    return "".join(out)


def _highlighting() -> str:
    light = HtmlFormatter(style="tango").get_style_defs("pre.python")
    dark = HtmlFormatter(style="github-dark").get_style_defs("pre.python")
    keep = [line for line in light.split("\n") if line.startswith("pre.python .")]
    kept = [line for line in dark.split("\n") if line.startswith("pre.python .")]
    return (
        "\n".join(keep)
        + "\n@media screen{\n"
        + "\n".join(":root[data-theme=dark] " + line for line in kept)
        + "\n}"
    )


def render_page(sources: Sources, document: Document) -> str:
    """Return the whole HTML document; it needs no network and no other file."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=select_autoescape(["html", "j2"])
    )
    style = (_TEMPLATES / "page.css").read_text(encoding="utf-8")
    script = (_TEMPLATES / "page.js").read_text(encoding="utf-8")
    return environment.get_template("page.html.j2").render(
        info=sources.info,
        contents=Markup(_contents(document)),
        body=Markup(document.body),
        style=Markup(style + _highlighting()),
        script=Markup(script),
    )
