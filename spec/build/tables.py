"""Tables that the document takes from data: syntax, pseudo-code, levels, errors, requirements, trace."""

from __future__ import annotations

import html
import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from spec.build.pseudo_code import PseudoCode
from spec.build.sources import Requirement
from spec.build.syntax_rows import Row, Structure

if TYPE_CHECKING:
    from spec.build.document import Assembler

_BACKTICKS = re.compile(r"`([^`]+)`")
_ANCHOR = re.compile(r"\(#([A-Za-z0-9_.\-]+)\)")
CLASS_MEANING = {
    "malformed": "does not parse",
    "nonconforming": "parses, breaks a rule",
    "unsupported": "may be refused",
    "resource": "above what the receiver grants",
    "usage": "wrong input to a tool, not a stream",
}
AREAS = {
    "FILE": "File",
    "UNIT": "Unit",
    "SEQ": "Sequence header",
    "KF": "Keyframe",
    "PIC": "Pictures and access units",
    "TRK": "Side tracks",
    "META": "Metadata",
    "IDX": "Index",
    "END": "End",
    "LVL": "Levels",
    "SYN": "Reading and writing of syntax",
    "AVC": "AVC substrate",
    "ENT": "Range decoding",
    "NET": "Integer networks",
    "GEN": "Generator",
    "INJ": "Injection",
    "UPS": "Upscaling",
    "RST": "Restoration",
    "DEC": "Decoder",
    "IN": "Input media",
    "OUT": "Output",
    "CLI": "Command line",
}


def area(identifier: str) -> str:
    """Return the area of a requirement or error id: `KF` of HYP-KF-001 and of HYP-E-KF-01."""
    return identifier.rsplit("-", 1)[0].removeprefix("HYP-").removeprefix("E-")


def _text(text: str) -> str:
    escaped = html.escape(text, quote=False)
    return _BACKTICKS.sub(r"<code>\1</code>", escaped)


def _cell(content: str, css: str = "") -> str:
    return f'<td class="{css}">{content}</td>' if css else f"<td>{content}</td>"


def _grid(caption: str, css: str, head: list[str], rows: list[str]) -> str:
    cells = "".join(f"<th>{name}</th>" for name in head)
    return (
        f'{caption}<table class="{css}"><thead><tr>{cells}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></figure>"
    )


def _figure(asm: Assembler, identifier: str, title: str) -> str:
    anchor = asm.table(identifier, title)
    return (
        f'<figure class="table" id="{identifier}"><figcaption><span class="no">{anchor.label}</span> '
        f"{_text(title)}</figcaption>"
    )


def _limits(asm: Assembler, row: Row) -> str:
    parts = [html.escape(row.limits, quote=False)] if row.limits else []
    if row.requirement:
        asm.document.cited[row.requirement].append(f"syn.{row.structure}")
        parts.append(asm.link(row.requirement, row.requirement, "req"))
    return " ".join(parts)


def _code_line(asm: Assembler, row: Row, grammar: str) -> str:
    indent = "&nbsp;" * (4 * row.indent)
    code = html.escape(row.code, quote=False)
    if row.element and grammar == "hyp":
        name = html.escape(row.element, quote=False)
        linked = asm.link(f"sem.{row.structure}.{row.element}", f"<b>{name}</b>", "el")
        code = linked + code[len(name) :]
    elif row.element:
        name = html.escape(row.element, quote=False)
        code = f"<b>{name}</b>" + code[len(name) :]
    elif row.invokes and row.invokes in asm.structures:
        name = html.escape(row.invokes, quote=False)
        linked = asm.link(f"syn.{row.invokes}", name)
        code = code.replace(name, linked, 1)
    return indent + code


def syntax(asm: Assembler, structure: Structure) -> str:
    """Render one syntax structure: code on the left, descriptor, then limits and requirement."""
    anchor = f"syn.{structure.name}"
    title = f"Syntax of {structure.name}()"
    if structure.grammar == "avc":
        clause = structure.anchor.removeprefix("avc.")
        title = f"{structure.title} (H.264, {clause})"
        asm.anchor(type(asm).id_anchor(structure.anchor, title, "table"))
    rows = [f"<tr><td>{html.escape(structure.head, quote=False)} {{</td><td></td><td></td></tr>"]
    seen: set[str] = set()
    for row in structure.rows:
        identifier = ""
        if row.element and row.element not in seen:
            seen.add(row.element)
            name = f"{anchor}.{row.element}"
            asm.anchor(type(asm).row_anchor(name, row.element, structure.name))
            identifier = f' id="{name}"'
        indented = Row(**{**row.__dict__, "indent": row.indent + 1})
        rows.append(
            f"<tr{identifier}>"
            + f'<td class="code" style="--in:{4 * indented.indent}">'
            + f"{_code_line(asm, indented, structure.grammar)}</td>"
            + _cell(html.escape(row.descriptor, quote=False), "descriptor")
            + _cell(_limits(asm, row), "limits")
            + "</tr>"
        )
    rows.append("<tr><td>}</td><td></td><td></td></tr>")
    head = ["Syntax", "Descriptor", "Value"]
    shown = _grid(_figure(asm, anchor, title), "syntax", head, rows)
    if structure.grammar == "avc":
        return f'<span id="{structure.anchor}"></span>{shown}'
    return shown


def values(asm: Assembler, element: str) -> str:
    """Render the named values of an element, or nothing when it has none."""
    rows = asm.syntaxes.enumerations.get(element)
    if not rows:
        return ""
    cells = "".join(
        f"<tr><td>{html.escape(label)}</td><td>{html.escape(meaning)}</td></tr>"
        for label, meaning in rows
    )
    return f'<table class="values"><tbody>{cells}</tbody></table>'


@cache
def python(source: str) -> str:
    """Return Python source as HTML spans of syntax classes, without a wrapping element."""
    return str(highlight(source, PythonLexer(stripnl=False), HtmlFormatter(nowrap=True))).rstrip(
        "\n"
    )


def model(asm: Assembler, code: PseudoCode) -> str:
    """Render one definition of spec/model with the prose of its docstring above it."""
    identifier = f"model.{code.name}"
    asm.anchor(type(asm).model_anchor(identifier, code.name))
    head = f"<p class='model-name'><code>{html.escape(code.name)}</code>"
    if code.clause:
        head += " " + asm.link(code.clause, f"#{code.clause}", "self")
    prose = ""
    if code.prose:
        paragraphs = re.split(r"\n\s*\n", code.prose)
        for paragraph in paragraphs:
            body = _text(" ".join(paragraph.split()))
            body = _ANCHOR.sub(lambda m: "(" + asm.link(m.group(1), f"#{m.group(1)}") + ")", body)
            prose += f"<p class='model-text'>{asm.identifiers(body)}</p>"
    return (
        f'<div class="model" id="{identifier}">{head}</p>{prose}'
        f'<pre class="python"><code>{python(code.source)}</code></pre></div>'
    )


def _number(value: object) -> str:
    return f"{value:,}".replace(",", " ") if isinstance(value, int) else str(value)


def levels(asm: Assembler) -> str:
    """Render spec/tables/levels.toml: one row a limit, one column a level."""
    data = asm.sources.levels
    table = data.get("level", {})
    rows = []
    for key, meaning in data.get("meaning", {}).items():
        values = [_number(table[level].get(key, "")) for level in sorted(table)]
        unit = data.get("units", {}).get(key, "")
        rows.append(
            f'<tr id="level.{key}">'
            + _cell(f"<code>{key}</code><br>{_text(meaning)}" + (f" ({unit})" if unit else ""))
            + "".join(_cell(value, "number") for value in values)
            + "</tr>"
        )
        asm.anchor(type(asm).row_anchor(f"level.{key}", key, "levels"))
    head = ["Limit", *(f"Level {level}" for level in sorted(table))]
    return _grid(_figure(asm, "tab.levels", "Limits of the levels"), "grid levels", head, rows)


def _clause_link(asm: Assembler, clause: str) -> str:
    anchor = clause.removeprefix("#")
    if not anchor:
        return ""
    return asm.link(anchor, html.escape(clause), "clause")


def errors(asm: Assembler) -> str:
    """Render spec/errors.toml, one table an area."""
    by_error: dict[str, list[Requirement]] = {}
    for requirement in asm.sources.requirements.values():
        by_error.setdefault(requirement.error, []).append(requirement)
    out = []
    groups: dict[str, list[str]] = {}
    for entry in asm.sources.errors.values():
        asm.anchor(type(asm).id_anchor(entry.id, entry.text, "error"))
        broken = " ".join(asm.link(r.id, r.id, "req") for r in by_error.get(entry.id, []))
        groups.setdefault(area(entry.id), []).append(
            f'<tr id="{entry.id}">'
            + _cell(f"<b>{entry.id}</b><br>{html.escape(entry.name)}<br><i>{entry.klass}</i>")
            + _cell(_text(entry.text) + "<br>" + _clause_link(asm, entry.clause))
            + _cell(_text(entry.reaction))
            + _cell(broken)
            + "</tr>"
        )
    for key in [*AREAS, *(k for k in groups if k not in AREAS)]:
        if key in groups:
            caption = _figure(asm, f"tab.errors.{key}", f"Errors: {AREAS.get(key, key)}")
            head = ["Error", "What is wrong", "Reaction of a decoder", "Requirements"]
            out.append(_grid(caption, "grid errors", head, groups[key]))
    return "".join(out)


def requirements(asm: Assembler) -> str:
    """Render spec/requirements.toml, one table an area, with links to every place that states it."""
    out = []
    groups: dict[str, list[str]] = {}
    for entry in asm.sources.requirements.values():
        asm.anchor(type(asm).id_anchor(entry.id, entry.text, "requirement"))
        tests = "".join(f"<br><code>{html.escape(test)}</code>" for test in entry.tests)
        error = asm.link(entry.error, entry.error, "err") if entry.error else ""
        groups.setdefault(area(entry.id), []).append(
            f'<tr id="{entry.id}">'
            + _cell(f"<b>{entry.id}</b><br><i>{entry.kind}</i>")
            + _cell(_text(entry.text) + f'<span class="tests">{tests}</span>')
            + _cell(_clause_link(asm, entry.clause))
            + _cell(error)
            + "</tr>"
        )
    for key in [*AREAS, *(k for k in groups if k not in AREAS)]:
        if key in groups:
            caption = _figure(
                asm, f"tab.requirements.{key}", f"Requirements: {AREAS.get(key, key)}"
            )
            head = ["Requirement", "Text and tests", "Clause", "Error"]
            out.append(_grid(caption, "grid requirements", head, groups[key]))
    return "".join(out)


def constants(asm: Assembler) -> str:
    """Render the named constants and the values of elements that the syntax files define."""
    rows = [
        "<tr>"
        + _cell(f"<code>{c.name}</code>")
        + _cell(c.value)
        + _cell(_text(c.meaning))
        + "</tr>"
        for c in asm.syntaxes.constants
    ]
    caption = _figure(asm, "tab.constants", "Constants of the syntax")
    return _grid(caption, "grid", ["Name", "Value", "Meaning"], rows)


def trace(asm: Assembler) -> str:
    """Render the example stream as the tracer reads it: bytes, element, value and meaning."""
    from spec.build.example import example_lines

    lines = example_lines(asm.sources.spec_dir)
    rows = []
    for line in lines:
        if line.heading:
            text = f"<b>{html.escape(line.heading)}</b>"
            rows.append(f'<tr class="unit"><td>{line.offset}</td><td colspan="4">{text}</td></tr>')
            continue
        name = html.escape(line.element)
        if line.anchor.startswith("sem."):
            name = asm.link(line.anchor, name, "el")
        rows.append(
            "<tr>"
            + _cell(line.offset, "number")
            + _cell(html.escape(line.bits), "code")
            + _cell(f"<code>{name}</code>")
            + _cell(html.escape(line.value))
            + _cell(_text(line.meaning))
            + "</tr>"
        )
    caption = _figure(asm, "tab.example", "Complete decode of the example file")
    head = ["Byte", "Bytes or bits", "Element", "Value", "Meaning"]
    return _grid(caption, "grid trace", head, rows)


def prompt(asm: Assembler) -> str:
    """Render the decode of the prompt of the example, latent by latent."""
    from spec.build.example import walk_prompt

    walk = walk_prompt(asm.sources.spec_dir)
    rows = [
        "<tr>"
        + _cell(f"<code>{step.element}</code>")
        + "".join(
            _cell(str(value), "number")
            for value in (step.mean, step.scale_index, step.value, f"{step.range:08X}")
        )
        + _cell(f"{step.code:08X}", "number")
        + _cell(str(step.position), "number")
        + "</tr>"
        for step in walk.steps
    ]
    caption = _figure(asm, "tab.example.prompt", "Decode of the prompt of the example file")
    names = [
        "Latent",
        "Mean",
        "Scale index",
        "Value",
        "range after",
        "code after",
        "position after",
    ]
    shown = _grid(caption, "grid", names, rows)
    return (
        f"{shown}<p>Dequantised with <code>gain[20][c]</code> = 96, the latents are "
        f"<code>{walk.latents}</code>. The SHA-256 of the generated picture, which the first two "
        f"access units repeat, is</p><pre><code>{walk.sha256()}</code></pre>"
    )


def example_model(asm: Assembler) -> str:
    """Render the description of the model of the example, as it stands in the model file."""
    from spec.build.example import MODEL

    data = (asm.sources.spec_dir / MODEL).read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    description = json.loads(header["__metadata__"]["intnet"])
    lines = []
    for name, network in description["networks"].items():
        lines.append(f"{name}: inputs {', '.join(_tensor(i) for i in network['inputs'])}")
        for node in network["nodes"]:
            extra = "".join(f", {k} {node[k]}" for k in ("shift", "factor", "index") if k in node)
            sources = ", ".join(node["in"])
            span = f"{node['lo']}..{node['hi']}"
            lines.append(f"    {node['out']} = {node['op']}({sources}{extra}) in {span}")
    text = html.escape("\n".join(lines), quote=False)
    return f"<pre><code>{text}</code></pre>"


def _tensor(row: dict[str, Any]) -> str:
    return f"{row['name']} ({row['channels']} channels, {row['lo']}..{row['hi']})"
