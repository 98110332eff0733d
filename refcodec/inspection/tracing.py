"""Every element of a file, down to the H.264 headers: where it is, what it says, which clause defines it."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

from refcodec import errors, syntax
from refcodec.container.scanner import Damage, Scanner
from refcodec.container.source import ByteSource
from refcodec.container.structures import hyp_syntax, type_name
from refcodec.container.units import SIGNATURE, Unit

SLICE_HEADER_BYTES = 4096
"""Bytes of a slice NAL unit that are looked at: no slice header is longer."""

NEIGHBOURS = 4
"""Elements shown before and after the ones that a byte offset selects."""

_NAL_RBSP = {
    6: "sei_rbsp",
    7: "seq_parameter_set_rbsp",
    8: "pic_parameter_set_rbsp",
    9: "access_unit_delimiter_rbsp",
}
_SLICE_TYPES = (1, 5)


@dataclass(frozen=True, slots=True)
class TracedElement:
    """One element of a file.

    `bit_offset` is absolute in the file and `bit_length` in bits, 0 for an inferred element. `path` is
    like "unit.keyframe.segment_number", `descriptor` like "u(8)". `meaning` names enumerated values.
    `unit` counts the units of the file from 0, -1 for the signature; `segment` is the segment_number of
    the unit, None where it has none. `selected` tells what was asked for from what is shown around it.
    """

    bit_offset: int
    bit_length: int
    path: str
    value: object
    descriptor: str
    meaning: str | None
    clause: str
    requirement: str | None
    unit: int
    unit_type: str
    segment: int | None
    selected: bool = True

    @property
    def name(self) -> str:
        """The element's own name: the last part of the path without subscripts."""
        return self.path.rsplit(".", 1)[-1].split("[", 1)[0]

    @property
    def number(self) -> str | None:
        """The value as digits: hexadecimal where the bits are a pattern and not a number, which fixed
        words and check values are; None when it is no integer."""
        if not isinstance(self.value, int):
            return None
        fixed = self.descriptor.startswith("f(") and self.bit_length >= 16
        if fixed or self.name in ("header_check", "unit_crc"):
            return f"0x{self.value:0{self.bit_length // 4}X}"
        return str(self.value)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON: byte strings become {"size", "head"} with the head in hexadecimal."""
        value = self.value
        if isinstance(value, bytes | memoryview):
            value = {"size": len(value), "head": bytes(value[:16]).hex()}
        return {
            "byte": self.bit_offset // 8,
            "bit": self.bit_offset % 8,
            "bits": self.bit_length,
            "element": self.path,
            "descriptor": self.descriptor,
            "value": value,
            "meaning": self.meaning,
            "clause": self.clause,
            "requirement": self.requirement,
            "unit": self.unit,
            "unit_type": self.unit_type,
            "segment": self.segment,
        }


@dataclass(frozen=True, slots=True)
class TracedFault:
    """A place where the trace stopped making sense, and why."""

    bit_offset: int
    unit: int
    unit_type: str
    error: errors.HypError

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "byte": self.bit_offset // 8,
            "bit": self.bit_offset % 8,
            "unit": self.unit,
            "unit_type": self.unit_type,
            "error": self.error.as_dict(),
        }


Traced = TracedElement | TracedFault


@dataclass(frozen=True, slots=True)
class Selection:
    """What to show; None selects everything.

    unit: ordinal of the unit in the file, from 0. unit_type: name such as "keyframe". segment: number.
    element: a name or a path with the wildcards * and ?. at: byte offset in the file; the elements that
    hold it are selected and a few around them shown. avc: whether to look into H.264 NAL units.
    """

    unit: int | None = None
    unit_type: str | None = None
    segment: int | None = None
    element: str | None = None
    at: int | None = None
    avc: bool = True

    def wants_unit(self, ordinal: int, unit: Unit) -> bool:
        """Return whether any element of `unit` can be selected, as far as its header tells."""
        if self.unit is not None and ordinal != self.unit:
            return False
        if self.unit_type is not None and unit.type_name != self.unit_type:
            return False
        return self.at is None or unit.offset <= self.at < unit.end

    def wants_element(self, element: TracedElement) -> bool:
        """Return whether `element` passes the filters on segment and element."""
        if self.segment is not None and element.segment != self.segment:
            return False
        pattern = self.element
        return (
            pattern is None
            or fnmatchcase(element.name, pattern)
            or fnmatchcase(element.path, pattern)
        )

    def covers(self, element: TracedElement) -> bool:
        """Return whether `element` holds a bit of the byte `at`."""
        if self.at is None:
            return True
        begin, end = element.bit_offset, element.bit_offset + element.bit_length
        return begin < 8 * self.at + 8 and end > 8 * self.at


@dataclass(slots=True)
class _ParameterSets:
    """Parameter sets seen so far, by id: what slice headers are read with."""

    sps: dict[int, Any] = field(default_factory=dict)
    pps: dict[int, Any] = field(default_factory=dict)


def trace(source: ByteSource, selection: Selection | None = None) -> Iterator[Traced]:
    """Yield the elements of a file in order, and a fault for everything that is damaged.

    Holds one unit at a time. A file that does not begin with the signature yields a fault and then
    whatever units can be found.
    """
    chosen = selection or Selection()
    sets = _ParameterSets()
    yield from _signature(source, chosen)
    position = len(SIGNATURE) if head(source) == SIGNATURE else 0
    ordinal = 0
    for event in Scanner(source, position):
        if isinstance(event, Damage):
            if chosen.unit is None and (chosen.at is None or event.start <= chosen.at < event.end):
                name = "damage" if event.unit_type is None else type_name(event.unit_type)
                yield TracedFault(8 * event.start, ordinal, name, event.error)
            continue
        if chosen.wants_unit(ordinal, event):
            yield from _selected(_unit(event, ordinal, sets, chosen.avc), chosen)
        elif event.type_name == "sequence_header":
            # Slice headers further on need its parameter sets even when it is not shown itself.
            deque(_unit(event, ordinal, sets, True), maxlen=0)
        ordinal += 1


def head(source: ByteSource) -> bytes:
    """(#file.signature) Return the bytes where the signature should stand."""
    return source.piece(0, source.ensure(len(SIGNATURE)))


def _signature(source: ByteSource, chosen: Selection) -> Iterator[Traced]:
    if chosen.unit is not None or chosen.unit_type is not None:
        return
    found = head(source)
    if found != SIGNATURE:
        error = errors.error(
            "HYP-E-FILE-01", bit_offset=0, element="signature", value=found, allowed=SIGNATURE
        )
        yield TracedFault(0, -1, "file", error)
        return
    rows: list[TracedElement] = []
    _read(hyp_syntax(), "file", found, {}, 0, rows, -1, "file", None)
    yield from _selected(rows, chosen)


def _selected(elements: Iterable[Traced], chosen: Selection) -> Iterator[Traced]:
    """Apply the filters; around the elements at a byte offset, keep their neighbours unselected."""
    passed = (row for row in elements if isinstance(row, TracedFault) or chosen.wants_element(row))
    if chosen.at is None:
        yield from passed
        return
    rows = list(passed)
    hits = [
        n for n, row in enumerate(rows) if isinstance(row, TracedElement) and chosen.covers(row)
    ]
    for number, row in enumerate(rows):
        if isinstance(row, TracedFault) or number in hits:
            yield row
        elif any(abs(number - hit) <= NEIGHBOURS for hit in hits):
            yield replace(row, selected=False)


def _unit(unit: Unit, ordinal: int, sets: _ParameterSets, avc: bool) -> Iterator[Traced]:
    rows: list[TracedElement] = []
    _, error = _read(
        hyp_syntax(), "unit", unit.data, {}, 8 * unit.offset, rows, ordinal, unit.type_name, None
    )
    segment = next((row.value for row in rows if row.name == "segment_number"), None)
    number = segment if isinstance(segment, int) else None
    for row in rows:
        if number is not None:
            row = replace(row, segment=number)
        yield row
        if (
            avc
            and row.name in ("parameter_set", "nal_unit_bytes")
            and isinstance(row.value, memoryview)
        ):
            yield from _nal_unit(row, sets)
    if error is not None:
        place = error.bit_offset if error.bit_offset is not None else 8 * unit.offset
        yield TracedFault(place, ordinal, unit.type_name, error)


def _nal_unit(holder: TracedElement, sets: _ParameterSets) -> Iterator[Traced]:
    """Yield the elements of the NAL unit that `holder` holds: header, parameter sets, slice header, SEI."""
    assert isinstance(holder.value, memoryview)
    nal_unit = holder.value
    if not len(nal_unit):
        return
    tree = syntax.load("avc")
    prefix = f"{holder.path}."
    about = (holder.unit, holder.unit_type, holder.segment)
    rows: list[TracedElement] = []
    header, error = _read(
        tree, "nal_unit_header", nal_unit[:1], {}, holder.bit_offset, rows, *about, prefix
    )
    kind = header["nal_unit_type"] if header is not None else 0
    if error is None and (kind in _NAL_RBSP or kind in _SLICE_TYPES):
        shown = nal_unit[1 : 1 + SLICE_HEADER_BYTES] if kind in _SLICE_TYPES else nal_unit[1:]
        rbsp, removed = without_emulation_prevention(shown)
        inside: list[TracedElement] = []
        if kind in _SLICE_TYPES:
            error = _slice_header(tree, header, rbsp, sets, inside, about, prefix)
        else:
            params = _chroma_format(sets) if kind == 8 else {}
            values, error = _read(tree, _NAL_RBSP[kind], rbsp, params, 0, inside, *about, prefix)
            if error is None and kind == 7:
                sps = values["seq_parameter_set_data"]
                sets.sps[sps["seq_parameter_set_id"]] = sps
            elif error is None and kind == 8:
                sets.pps[values["pic_parameter_set_id"]] = values
        rows += _placed(inside, removed, holder.bit_offset + 8)
        if error is not None:
            inner = error.bit_offset or 0
            error.bit_offset = holder.bit_offset + 8 + _file_bits(inner, removed)
    yield from rows
    if error is not None:
        yield TracedFault(
            error.bit_offset or holder.bit_offset, holder.unit, holder.unit_type, error
        )


def _chroma_format(sets: _ParameterSets) -> dict[str, int]:
    sps: dict[str, int] = next(iter(sets.sps.values()), {})
    return {"chroma_format_idc": sps.get("chroma_format_idc", 1)}


def _slice_header(
    tree: Any,
    header: Any,
    rbsp: bytes,
    sets: _ParameterSets,
    rows: list[TracedElement],
    about: tuple[int, str, int | None],
    prefix: str,
) -> errors.HypError | None:
    start, error = _read(tree, "slice_header_start", rbsp, {}, 0, [], *about, prefix)
    if error is not None:
        return error
    pps = sets.pps.get(start["pic_parameter_set_id"])
    if pps is None or pps["seq_parameter_set_id"] not in sets.sps:
        # Without its parameter sets nothing more of a slice can be read.
        return _read(tree, "slice_header_start", rbsp, {}, 0, rows, *about, prefix)[1]
    params = {"nal": header, "sps": sets.sps[pps["seq_parameter_set_id"]], "pps": pps}
    return _read(tree, "slice_header", rbsp, params, 0, rows, *about, prefix)[1]


def without_emulation_prevention(data: memoryview) -> tuple[bytes, list[int]]:
    """(#avc.7.3.1) Return `data` without emulation prevention bytes, and where in the result each was left out."""
    parts: list[bytes] = []
    removed: list[int] = []
    content = bytes(data)
    start = length = 0
    while True:
        found = content.find(b"\0\0\3", start)
        if found < 0:
            break
        parts.append(content[start : found + 2])
        length += found + 2 - start
        removed.append(length)
        start = found + 3
    parts.append(content[start:])
    return b"".join(parts), removed


def _file_bits(bit: int, removed: list[int]) -> int:
    """Return the bit offset before removal of the bit at `bit` after it."""
    return bit + 8 * bisect_right(removed, bit // 8)


def _placed(rows: list[TracedElement], removed: list[int], base: int) -> list[TracedElement]:
    placed = []
    for row in rows:
        begin = _file_bits(row.bit_offset, removed)
        end = _file_bits(row.bit_offset + max(1, row.bit_length) - 1, removed) + 1
        length = end - begin if row.bit_length else 0
        placed.append(replace(row, bit_offset=base + begin, bit_length=length))
    return placed


def _read(
    tree: Any,
    structure: str,
    data: bytes | memoryview,
    params: dict[str, Any],
    origin: int,
    rows: list[TracedElement],
    unit: int,
    unit_type: str,
    segment: int | None,
    prefix: str = "",
) -> tuple[Any, errors.HypError | None]:
    """Read one structure, appending its elements to `rows`; return its values, None with the error."""

    def note(event: syntax.ElementEvent) -> None:
        rows.append(
            TracedElement(
                event.bit_offset,
                event.bit_length,
                prefix + event.path,
                event.value,
                event.descriptor,
                event.meaning,
                event.clause,
                event.requirement,
                unit,
                unit_type,
                segment,
            )
        )

    try:
        return syntax.read(tree, structure, data, 0, params, note, origin=origin), None
    except errors.HypError as error:
        return None, error
