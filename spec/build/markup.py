"""The body of the document as a tree of elements, for renderers that are not a browser."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"br", "rect", "line", "polygon", "polyline"}


@dataclass
class Element:
    """An element with its attributes and its children, which are elements and texts."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Element | str] = field(default_factory=list)

    @property
    def css(self) -> str:
        return self.attributes.get("class", "")

    @property
    def id(self) -> str:
        return self.attributes.get("id", "")

    def elements(self, *tags: str) -> list[Element]:
        """Return the child elements, of these tags when any are given."""
        found = [child for child in self.children if isinstance(child, Element)]
        return [child for child in found if child.tag in tags] if tags else found

    def all(self, tag: str) -> list[Element]:
        """Return all descendants of a tag in document order."""
        found: list[Element] = []
        for child in self.elements():
            if child.tag == tag:
                found.append(child)
            found += child.all(tag)
        return found

    def text(self) -> str:
        """Return the text of the element without markup."""
        return "".join(c if isinstance(c, str) else c.text() for c in self.children)


class _TreeBuilder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("body")
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].children.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open[-1].children.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if tag in _VOID:
            return
        if self._open[-1].tag != tag:
            raise ValueError(f"</{tag}> closes <{self._open[-1].tag}>")
        self._open.pop()

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data)


def parse(body: str) -> Element:
    """Return the tree of a document body. Raises ValueError when elements are not nested."""
    builder = _TreeBuilder()
    builder.feed(body)
    builder.close()
    if len(builder._open) != 1:
        raise ValueError(f"<{builder._open[-1].tag}> is not closed")
    return builder.root
