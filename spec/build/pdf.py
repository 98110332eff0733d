"""The printable document: the same body, set in pages with ReportLab and the fonts of Matplotlib."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import matplotlib
from reportlab.graphics.shapes import Drawing, Line, Polygon, PolyLine, Rect, String
from reportlab.lib import colors
from reportlab.lib.enums import TA_CENTER, TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import (
    BaseDocTemplate,
    CondPageBreak,
    Flowable,
    Frame,
    Indenter,
    KeepTogether,
    ListFlowable,
    ListItem,
    NextPageTemplate,
    PageBreak,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
    TableStyle,
    XPreformatted,
)
from reportlab.platypus.doctemplate import ActionFlowable
from reportlab.platypus.tableofcontents import TableOfContents

from spec.build.document import Document
from spec.build.markup import Element, parse
from spec.build.sources import Sources

INK = colors.HexColor("#1c1f24")
SOFT = colors.HexColor("#5d6570")
LINE = colors.HexColor("#c9ccc5")
TINT = colors.HexColor("#f3f4ef")
ACCENT = colors.HexColor("#2d6a4f")
LINK = "#0b57a4"
REQUIREMENT = "#7a3b00"
ERROR = "#a3142a"

MARGIN = 22 * mm
LONG_SYNTAX, LONG_TABLE = 26, 9
"""A table with more rows may be split between pages: one of syntax, one of another kind."""

WIDTH = A4[0] - 2 * MARGIN

_FAMILIES = {
    "Text": ("STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "STIXGeneralBolIta"),
    "Sans": ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique"),
    "Mono": (
        "DejaVuSansMono",
        "DejaVuSansMono-Bold",
        "DejaVuSansMono-Oblique",
        "DejaVuSansMono-BoldOblique",
    ),
}
_MONO_WIDTH = 0.602


def _register_fonts() -> None:
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    for family, files in _FAMILIES.items():
        names = [family, f"{family}-Bold", f"{family}-Italic", f"{family}-BoldItalic"]
        for name, file in zip(names, files, strict=True):
            pdfmetrics.registerFont(TTFont(name, str(folder / f"{file}.ttf")))
        pdfmetrics.registerFontFamily(family, *names)


def _style(name: str, **values: Any) -> ParagraphStyle:
    base: dict[str, Any] = {
        "fontName": "Text",
        "fontSize": 10.4,
        "leading": 14.2,
        "textColor": INK,
        "spaceAfter": 6,
        "allowWidows": 0,
        "allowOrphans": 0,
    }
    return ParagraphStyle(name, **(base | values))


def _styles() -> dict[str, ParagraphStyle]:
    heading = {"fontName": "Sans-Bold"}
    return {
        "p": _style("p"),
        "note": _style("note", fontSize=9.4, leading=12.8, textColor=SOFT, leftIndent=12),
        "sem": _style("sem", leftIndent=12, spaceBefore=4, spaceAfter=1, keepWithNext=1),
        "facts": _style(
            "facts", fontName="Sans", fontSize=7, leading=9.5, textColor=SOFT, leftIndent=12
        ),
        "h1": _style("h1", **heading, fontSize=17, leading=21, spaceAfter=10),
        "h2": _style("h2", **heading, fontSize=12.5, leading=16, spaceBefore=12, spaceAfter=5),
        "h3": _style("h3", **heading, fontSize=10.5, leading=14, spaceBefore=10, spaceAfter=4),
        "h4": _style("h4", **heading, fontSize=9.5, leading=13, spaceBefore=8, spaceAfter=3),
        "caption": _style(
            "caption", **heading, fontSize=8.4, leading=11, spaceBefore=8, spaceAfter=4
        ),
        "cell": _style("cell", fontSize=9, leading=11.4, spaceAfter=0),
        "number": _style("number", fontSize=8.6, leading=11.4, spaceAfter=0, alignment=TA_RIGHT),
        "head": _style("head", fontName="Sans-Bold", fontSize=7.6, leading=10, spaceAfter=0),
        "mono": _style("mono", fontName="Mono", fontSize=7.4, leading=9.8, spaceAfter=0),
        "small": _style("small", fontName="Sans", fontSize=7, leading=9.4, spaceAfter=0),
        "model": _style(
            "model",
            fontName="Mono",
            fontSize=7,
            leading=9.4,
            spaceBefore=6,
            spaceAfter=1,
            textColor=ACCENT,
            keepWithNext=1,
        ),
        "model-text": _style(
            "model-text", fontSize=9.6, leading=12.6, spaceAfter=2, keepWithNext=1
        ),
        "title": _style("title", fontName="Sans-Bold", fontSize=28, leading=34, spaceAfter=8),
        "subtitle": _style("subtitle", fontSize=15, leading=20, textColor=SOFT, spaceAfter=26),
        "status": _style("status", fontName="Sans-Bold", fontSize=9, textColor=ACCENT),
        "toc1": _style("toc1", fontName="Sans-Bold", fontSize=9.4, leading=13, spaceBefore=5),
        "toc2": _style("toc2", fontSize=9.8, leading=12.2, leftIndent=14, spaceAfter=0),
        "toc3": _style("toc3", fontSize=9, leading=11, leftIndent=30, spaceAfter=0),
    }


# -- inline markup ------------------------------------------------------------------------------


SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹ⁿ", "0123456789n")
"""Characters that the text font lacks or draws unevenly; they are set as raised figures."""

_RAISED = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹ⁿ]+")


def _raised(match: re.Match[str]) -> str:
    return f"<super>{match.group().translate(SUPERSCRIPTS)}</super>"


def _inline(node: Element | str, size: float) -> str:
    if isinstance(node, str):
        return _RAISED.sub(_raised, escape(node))
    inner = "".join(_inline(child, size) for child in node.children)
    anchor = f"<a name={quoteattr(node.id)}/>" if node.id else ""
    if node.tag == "a":
        href = node.attributes.get("href", "")
        colour = {"req": REQUIREMENT, "err": ERROR, "el": "#1c1f24"}.get(node.css, LINK)
        if node.css == "self":
            return ""
        if node.css in ("req", "err", "clause"):
            inner = f'<font face="Mono" size="{size * 0.72:.1f}">{inner}</font>'
        return f'{anchor}<a href={quoteattr(href)} color="{colour}">{inner}</a>'
    if node.tag == "code":
        return f'{anchor}<font face="Mono" size="{size * 0.84:.1f}">{inner}</font>'
    if node.tag in ("em", "i"):
        return f"{anchor}<i>{inner}</i>"
    if node.tag in ("strong", "b"):
        return f"{anchor}<b>{inner}</b>"
    if node.tag == "br":
        return "<br/>"
    if node.css == "no":
        return f'<font color="#2d6a4f">{inner}</font>'
    if node.css == "tests":
        return f'<font face="Mono" size="{size * 0.7:.1f}" color="#5d6570">{inner}</font>'
    return anchor + inner


def _markup(node: Element, size: float) -> str:
    # a no-break space at the beginning is the indentation of a syntax table
    return "".join(_inline(child, size) for child in node.children).strip(" \n")


# -- blocks -------------------------------------------------------------------------------------


class _Heading(Paragraph):
    """A heading that enters the table of contents and the outline of the file."""

    def __init__(self, markup: str, style: ParagraphStyle, level: int, text: str, anchor: str):
        super().__init__(markup, style)
        self.level, self.text, self.anchor = level, text, anchor


class _Chapter(ActionFlowable):
    """Tells the page header which chapter begins."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self.title = title

    def apply(self, doc: BaseDocTemplate) -> None:
        doc.chapter = self.title


class _Body:
    def __init__(self) -> None:
        self.styles = _styles()
        self.first_chapter = True

    def paragraph(self, node: Element, style: str) -> Paragraph:
        chosen = self.styles[style]
        anchor = f"<a name={quoteattr(node.id)}/>" if node.id else ""
        return Paragraph(anchor + _markup(node, chosen.fontSize), chosen)

    def blocks(self, node: Element) -> Iterator[Flowable]:
        for child in node.elements():
            yield from self.block(child)

    def block(self, node: Element) -> Iterator[Flowable]:
        if node.tag in ("h1", "h2", "h3", "h4"):
            yield from self.heading(node)
        elif node.tag == "p":
            style = {
                "note": "note",
                "example": "note",
                "facts": "facts",
                "model-name": "model",
                "model-text": "model-text",
            }
            yield self.paragraph(node, style.get(node.css, "p"))
        elif node.tag in ("ul", "ol"):
            yield self.list(node)
            yield Spacer(1, 5)
        elif node.tag == "pre":
            yield from self.code(node)
        elif node.tag == "figure":
            yield from self.figure(node)
        elif node.tag == "table":
            yield Indenter(8)
            yield self.table(node)
            yield Indenter(-8)
            yield Spacer(1, 4)
        elif node.css == "sem":
            yield from self.semantics(node)
        elif node.css == "model":
            yield CondPageBreak(36 * mm)
            yield from self.block(Element("span", {"id": node.id}))
            yield from self.blocks(node)
        elif node.tag == "span":
            yield Paragraph(_inline(node, 1), _style("anchor", fontSize=1, leading=1, spaceAfter=0))
        else:
            if node.id:
                marker = Element("span", {"id": node.id})
                yield from self.block(marker)
            yield from self.blocks(node)

    def heading(self, node: Element) -> Iterator[Flowable]:
        level = int(node.tag[1])
        text = " ".join(
            (c if isinstance(c, str) else "" if c.css == "self" else c.text()).strip()
            for c in node.children
        ).strip()
        if level == 1:
            yield _Chapter(text)
            yield PageBreak()
        else:
            yield CondPageBreak({2: 48 * mm, 3: 40 * mm}.get(level, 30 * mm))
        style = self.styles[node.tag]
        markup = f"<a name={quoteattr(node.id)}/>" + _markup(node, style.fontSize)
        yield _Heading(markup, style, level, text, node.id)

    def semantics(self, node: Element) -> Iterator[Flowable]:
        first = True
        for child in node.elements():
            if child.tag == "p" and first:
                body = Element("p", {"id": node.id}, child.children)
                yield self.paragraph(body, "sem")
                first = False
            elif child.tag == "p":
                yield self.paragraph(child, "facts")
            else:
                yield from self.block(child)

    def list(self, node: Element) -> ListFlowable:
        items = []
        for item in node.elements("li"):
            nested = [c for c in item.elements() if c.tag in ("ul", "ol", "p", "pre")]
            style = self.styles["cell"].clone("item", fontSize=10.4, leading=14, spaceAfter=2)
            if nested and nested[0].tag == "p":
                parts: list[Flowable] = list(self.blocks(item))
            else:
                own = Element("li", {}, [c for c in item.children if c not in nested])
                parts = [Paragraph(_markup(own, 10.4), style)]
                for inner in nested:
                    parts += list(self.block(inner))
            items.append(ListItem(parts, leftIndent=16))
        kind = "1" if node.tag == "ol" else "bullet"
        return ListFlowable(
            items,
            bulletType=kind,
            start=None if kind == "1" else "•",
            leftIndent=16,
            bulletFontName="Text",
            bulletFontSize=10,
            bulletColor=SOFT,
            bulletFormat="%s." if kind == "1" else None,
        )

    def code(self, node: Element) -> Iterator[Flowable]:
        lines = node.text().rstrip("\n").split("\n")
        longest = max(len(line) for line in lines)
        size = min(7.8, (WIDTH - 14) / (_MONO_WIDTH * max(longest, 1)))
        style = _style(
            "code",
            fontName="Mono",
            fontSize=size,
            leading=size * 1.32,
            backColor=TINT,
            borderPadding=(4, 6, 4, 6),
            leftIndent=6,
            rightIndent=6,
            spaceBefore=6,
            spaceAfter=11,
        )
        yield XPreformatted(escape("\n".join(lines)), style)

    def figure(self, node: Element) -> Iterator[Flowable]:
        caption = node.elements("figcaption")
        svg = node.elements("svg")
        if svg:
            yield Spacer(1, 6)
            yield _drawing(svg[0])
            style = self.styles["caption"].clone("drawing", alignment=TA_CENTER)
            style.keepWithNext = 0
            for item in caption:
                yield Paragraph(f"<a name={quoteattr(node.id)}/>" + _markup(item, 8.4), style)
            return
        parts: list[Flowable] = []
        for item in caption:
            body = Element("figcaption", {"id": node.id}, item.children)
            parts.append(self.paragraph(body, "caption"))
        for table in node.elements("table"):
            parts.append(self.table(table))
        syntax = any("syntax" in table.css for table in node.elements("table"))
        if len(node.all("tr")) <= (LONG_SYNTAX if syntax else LONG_TABLE):
            yield KeepTogether(parts)
        else:
            yield CondPageBreak(45 * mm)
            yield from parts
        yield Spacer(1, 8)

    def table(self, node: Element) -> Table:
        css = node.css.split()
        mono = "syntax" in css
        rows: list[list[Paragraph]] = []
        widths: list[list[tuple[float, float]]] = []
        spans: list[tuple[str, tuple[int, int], tuple[int, int]]] = []
        shaded: list[int] = []
        header = 0
        for row in node.all("tr"):
            cells: list[Paragraph] = []
            head = bool(row.elements("th"))
            if head and not row.text().strip():
                continue
            for number, cell in enumerate(row.elements("th", "td")):
                style = "head" if head else "mono" if mono else "cell"
                if not head and not mono and cell.css == "number":
                    style = "number"
                if not head and cell.css == "code":
                    style = "mono"
                if "values" in css:
                    style = "small"
                body = cell
                if number == 0 and row.id:
                    body = Element(cell.tag, {"id": row.id}, cell.children)
                cells.append(self.paragraph(body, style))
                while len(widths) <= number:
                    widths.append([])
                if not cell.attributes.get("colspan"):
                    widths[number].append(_widths(cell, self.styles[style]))
                else:
                    last = number + int(cell.attributes["colspan"]) - 1
                    spans.append(("SPAN", (number, len(rows)), (last, len(rows))))
                    shaded.append(len(rows))
                    cells += [self.paragraph(Element("td"), style)] * (last - number)
            header += head
            rows.append(cells)
        columns = max(len(row) for row in rows)
        for cells in rows:
            cells += [self.paragraph(Element("td"), "cell")] * (columns - len(cells))
        if "values" in css:  # the labels as wide as they are
            columns_at = [max(line for _, line in widths[0]) + 4, WIDTH / 2]
        else:
            columns_at = _column_widths(widths, WIDTH)
        table = Table(
            rows,
            colWidths=columns_at,
            repeatRows=header,
            hAlign="LEFT",
            spaceBefore=2,
        )
        commands: list[Any] = [
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LEFTPADDING", (0, 0), (-1, -1), 4),
            ("RIGHTPADDING", (0, 0), (-1, -1), 4),
            ("TOPPADDING", (0, 0), (-1, -1), 0.8 if mono else 2.2),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 1.2 if mono else 2.8),
            *spans,
            *(("BACKGROUND", (0, row), (-1, row), TINT) for row in shaded),
        ]
        if header:
            commands.append(("LINEBELOW", (0, header - 1), (-1, header - 1), 1, INK))
        if mono:
            commands.append(("ROWBACKGROUNDS", (0, header), (-1, -1), (colors.white, TINT)))
        else:
            commands.append(("LINEBELOW", (0, header), (-1, -1), 0.3, LINE))
        table.setStyle(TableStyle(commands))
        return table


def _runs(node: Element, font: str, size: float) -> Iterator[tuple[str, str, float]]:
    """Yield (text, font, size) of the pieces of a cell; a line break is the text of one newline."""
    for child in node.children:
        if isinstance(child, str):
            yield child, font, size
        elif child.tag == "br":
            yield "\n", font, size
        elif child.css == "tests":
            continue  # long names, which may break anywhere
        elif child.tag == "code" or child.css in ("req", "err", "clause"):
            small = 0.84 if child.tag == "code" else 0.72
            yield from _runs(child, "Mono", size * small)
        elif child.tag == "b":
            yield from _runs(child, f"{font.removesuffix('-Bold')}-Bold", size)
        elif child.css != "self":
            yield from _runs(child, font, size)


def _widths(cell: Element, style: ParagraphStyle) -> tuple[float, float]:
    """Return the width of the longest word and of the longest line of a cell, padding included."""
    word = line = widest_word = widest_line = 0.0
    for text, font, size in _runs(cell, style.fontName, style.fontSize):
        for part in re.split(r"([ \n])", text):
            width = pdfmetrics.stringWidth(part, font, size)
            if part == "\n":
                word = line = 0.0
            elif part == " ":
                word, line = 0.0, line + width
            else:
                word, line = word + width, line + width
            widest_word, widest_line = max(widest_word, word), max(widest_line, line)
    return widest_word + 9, widest_line + 9


def _column_widths(widths: list[list[tuple[float, float]]], available: float) -> list[float]:
    """Give every column the width of its lines where there is room, else at least that of its words."""
    wanted = [max((line for _, line in column), default=20.0) for column in widths]
    least = [max((word for word, _ in column), default=20.0) for column in widths]
    least = [min(word, available * 0.42) for word in least]
    if sum(wanted) <= available:
        extra = available - sum(wanted)
        if max(wanted) > 0.35 * available:
            return [w + (extra if w == max(wanted) else 0) for w in wanted]
        return [w + extra * w / sum(wanted) for w in wanted]
    if sum(least) >= available:
        return [w * available / sum(least) for w in least]
    spare = available - sum(least)
    needs = [(w - m) ** 0.5 for w, m in zip(wanted, least, strict=True)]
    shares = [m + spare * n / sum(needs) for m, n in zip(least, needs, strict=True)]
    over = sum(max(0.0, s - w) for s, w in zip(shares, wanted, strict=True))
    tight = [s < w for s, w in zip(shares, wanted, strict=True)]
    return [
        s + over / sum(tight) if small else w
        for s, w, small in zip(shares, wanted, tight, strict=True)
    ]


def _drawing(svg: Element) -> Drawing:
    """Turn an SVG of rectangles, lines, polygons and texts into a drawing of the page's width."""
    width, height = (float(n) for n in svg.attributes["viewbox"].split()[2:])
    scale = min(1.0, WIDTH / width)
    drawing = Drawing(width * scale, height * scale)
    drawing.hAlign = "CENTER"

    def number(node: Element, name: str, default: float = 0) -> float:
        return float(node.attributes.get(name, default))

    def points(node: Element) -> list[float]:
        pairs = [pair.split(",") for pair in node.attributes["points"].split()]
        return [v for x, y in pairs for v in (float(x) * scale, (height - float(y)) * scale)]

    for node in svg.elements():
        stroke = number(node, "stroke-width", 1) * scale
        if node.tag == "rect":
            box = [number(node, name) for name in ("x", "y", "width", "height")]
            x, y, w, h = (value * scale for value in box)
            shape = Rect(x, height * scale - y - h, w, h, rx=number(node, "rx") * scale)
            shape.fillColor, shape.strokeColor, shape.strokeWidth = None, INK, stroke
            drawing.add(shape)
        elif node.tag == "line":
            ends = [number(node, name) for name in ("x1", "y1", "x2", "y2")]
            x1, y1, x2, y2 = (value * scale for value in ends)
            top = height * scale
            drawing.add(Line(x1, top - y1, x2, top - y2, strokeColor=INK, strokeWidth=stroke))
        elif node.tag == "polygon":
            drawing.add(Polygon(points(node), fillColor=INK, strokeColor=None))
        elif node.tag == "polyline":
            drawing.add(PolyLine(points(node), strokeColor=INK, strokeWidth=stroke))
        elif node.tag == "text":
            anchor = node.attributes.get("text-anchor", "start")
            text = String(
                number(node, "x") * scale, (height - number(node, "y")) * scale, node.text()
            )
            text.fontName, text.fontSize = "Sans", number(node, "font-size", 13) * scale * 0.92
            text.textAnchor, text.fillColor = anchor, INK
            drawing.add(text)
    return drawing


# -- pages --------------------------------------------------------------------------------------


class _Template(BaseDocTemplate):
    chapter = ""

    def __init__(self, stream: io.BytesIO, sources: Sources) -> None:
        info = sources.info
        super().__init__(
            stream,
            pagesize=A4,
            title=f"{info['title']}, version {info['version']}",
            author=info["authors"],
            subject=info["subtitle"],
            creator="hyp spec build",
            invariant=1,
        )
        self.info = info
        frame = Frame(MARGIN, 20 * mm, WIDTH, A4[1] - 42 * mm, 0, 0, 0, 0, id="body")
        self.addPageTemplates(
            [
                PageTemplate("cover", [frame]),
                PageTemplate("page", [frame], onPage=self.decorate),
            ]
        )

    def decorate(self, canvas: Any, _: Any) -> None:
        canvas.saveState()
        canvas.setFont("Sans", 7)
        canvas.setFillColor(SOFT)
        top, bottom = A4[1] - 14 * mm, 12 * mm
        canvas.drawString(MARGIN, top, f"{self.info['title']} · version {self.info['version']}")
        canvas.drawRightString(A4[0] - MARGIN, top, self.chapter)
        canvas.drawRightString(A4[0] - MARGIN, bottom, str(canvas.getPageNumber()))
        canvas.drawString(MARGIN, bottom, str(self.info["date"]))
        canvas.setStrokeColor(LINE)
        canvas.setLineWidth(0.4)
        canvas.line(MARGIN, top - 4, A4[0] - MARGIN, top - 4)
        canvas.restoreState()

    def beforeDocument(self) -> None:  # noqa: N802 (a name of ReportLab)
        self.chapter = ""
        self._last_level = -1

    def afterFlowable(self, flowable: Flowable) -> None:  # noqa: N802
        if not isinstance(flowable, _Heading):
            return
        level = min(flowable.level - 1, self._last_level + 1)
        self._last_level = level
        self.canv.addOutlineEntry(flowable.text, flowable.anchor, level, level > 0)
        if flowable.level <= 3:
            entry = (flowable.level - 1, escape(flowable.text), self.page, flowable.anchor)
            self.notify("TOCEntry", entry)


def render_pdf(sources: Sources, document: Document) -> bytes:
    """Return the PDF document. The same sources give the same bytes."""
    _register_fonts()
    body = _Body()
    styles = body.styles
    info = sources.info
    contents = TableOfContents()
    contents.levelStyles = [styles["toc1"], styles["toc2"], styles["toc3"]]
    contents.dotsMinLevel = 0
    facts = "<br/>".join(
        f'<font color="#5d6570">{name}</font>&nbsp;&nbsp;{escape(str(value))}'
        for name, value in (
            ("Version", info["version"]),
            ("Date", info["date"]),
            ("Authors", info["authors"]),
            ("Licence", info["licence"]),
        )
    )
    story: list[Flowable] = [
        Spacer(1, 60 * mm),
        Paragraph(escape(info["status"]).upper(), styles["status"]),
        Paragraph(f'<a name="top"/>{escape(info["title"])}', styles["title"]),
        Paragraph(escape(info["subtitle"]), styles["subtitle"]),
        Paragraph(facts, _style("cover", fontName="Sans", fontSize=9, leading=15)),
        NextPageTemplate("page"),
        _Chapter("Contents"),
        PageBreak(),
        Paragraph("Contents", styles["h1"]),
        contents,
        *body.blocks(parse(document.body)),
    ]
    stream = io.BytesIO()
    _Template(stream, sources).multiBuild(story)
    return stream.getvalue()
