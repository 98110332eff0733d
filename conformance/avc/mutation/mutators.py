"""Mutations of H.264 streams. Every mutant follows from a seed and a number."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from conformance.avc.matrix import access_units
from conformance.avc.streams import Stream
from refcodec import syntax
from refcodec.avc.access_units import (
    NAL_IDR_SLICE,
    NAL_PICTURE_PARAMETER_SET,
    NAL_SEQUENCE_PARAMETER_SET,
    NAL_SLICE,
    nal_unit_type,
    to_annex_b,
)
from refcodec.avc.nal import add_emulation_prevention, nal_units, remove_emulation_prevention
from refcodec.avc.parameter_sets import avc_syntax
from refcodec.errors import HypError

Units = list[bytes]

_SMALL = Stream(
    width=48, height=32, pictures=6, content="objects", seed=7, partitions="all", subme=6, ref=3
)
_WITH_B: dict[str, Any] = {"bframes": 2, "b_pyramid": "normal", "weightb": True}

BASES: dict[str, Stream] = {
    "cavlc": _SMALL,
    "cavlc, B": replace(_SMALL, **_WITH_B, direct="temporal", slices=2),
    "cabac": replace(_SMALL, cabac=True, weightp=2, content="fade"),
    "cabac, B": replace(_SMALL, cabac=True, **_WITH_B, direct="spatial"),
    "high": replace(_SMALL, cabac=True, transform_8x8=True, matrices="jvt", keyint=4),
    "high, B, slices": replace(
        _SMALL, cabac=True, transform_8x8=True, **_WITH_B, direct="auto", slice_max_mbs=2
    ),
    "cavlc, high": replace(_SMALL, transform_8x8=True, constrained_intra=True, crop=(2, 0, 4, 2)),
    "I_PCM": replace(_SMALL, content="noise", quantiser=1, pictures=2, cabac=True),
    "other headers": replace(_SMALL, cabac=True, pictures=10, rewriting=3),
    "other headers, B": replace(
        _SMALL, cabac=True, **_WITH_B, direct="spatial", pictures=10, rewriting=11
    ),
}
"""The intact streams."""


@dataclass(frozen=True)
class Mutant:
    """A damaged stream: the NAL units of each access unit, the kind of damage and what it was."""

    units: tuple[tuple[bytes, ...], ...]
    kind: str
    description: str


@cache
def base_units(name: str) -> tuple[tuple[bytes, ...], ...]:
    """Return the NAL units of each access unit of an intact stream."""
    return tuple(
        tuple(bytes(unit) for unit in nal_units(data)) for data in access_units(BASES[name])
    )


def _flat(name: str) -> Units:
    return [unit for units in base_units(name) for unit in units]


def _is_slice(unit: bytes) -> bool:
    return nal_unit_type(unit) in (NAL_SLICE, NAL_IDR_SLICE)


def _pick(chance: random.Random, units: Units, wanted: Callable[[bytes], bool] = bool) -> int:
    return chance.choice([n for n, unit in enumerate(units) if wanted(unit)])


# ------------------------------------------------------------------------- one kind each

Mutator = Callable[[Units, random.Random], str]


def flipped_bits(units: Units, chance: random.Random) -> str:
    """One to eight bits anywhere."""
    count = chance.choice((1, 1, 1, 2, 4, 8))
    for _ in range(count):
        number = _pick(chance, units)
        units[number] = _flip(units[number], chance, 0)
    return f"{count} bits flipped"


def flipped_slice_bit(units: Units, chance: random.Random) -> str:
    """A bit of a slice, not of its NAL unit header."""
    number = _pick(chance, units, _is_slice)
    units[number] = _flip(units[number], chance, 1)
    return f"a bit of slice NAL unit {number} flipped"


def _flip(unit: bytes, chance: random.Random, first: int) -> bytes:
    data = bytearray(unit)
    if len(data) > first:
        place = chance.randrange(8 * first, 8 * len(data))
        data[place >> 3] ^= 128 >> (place & 7)
    return bytes(data)


def overwritten_bytes(units: Units, chance: random.Random) -> str:
    """A run of bytes of a slice made random, zero or all ones."""
    number = _pick(chance, units, _is_slice)
    data = bytearray(units[number])
    begin = chance.randrange(1, len(data))
    end = min(len(data), begin + chance.choice((1, 2, 4, 16, 64)))
    filler = chance.choice((None, 0, 255))
    for place in range(begin, end):
        data[place] = chance.randrange(256) if filler is None else filler
    units[number] = bytes(data)
    return f"bytes {begin} to {end - 1} of NAL unit {number} overwritten"


def truncated_unit(units: Units, chance: random.Random) -> str:
    """A NAL unit cut short."""
    number = _pick(chance, units)
    size = chance.randrange(1, max(2, len(units[number])))
    units[number] = units[number][:size]
    return f"NAL unit {number} cut to {size} bytes"


def lengthened_unit(units: Units, chance: random.Random) -> str:
    """Bytes after the end of a NAL unit."""
    number = _pick(chance, units)
    extra = chance.randbytes(chance.choice((1, 2, 9)))
    units[number] += chance.choice((extra, b"\0\0\3", b"\0\0\3\0\0\3", b"\xff" * 5))
    return f"NAL unit {number} lengthened"


def truncated_stream(units: Units, chance: random.Random) -> str:
    """The stream ends early."""
    number = _pick(chance, units)
    del units[number + 1 :]
    units[number] = units[number][: chance.randrange(1, len(units[number]) + 1)]
    return f"the stream ends in NAL unit {number}"


def emulation_prevention(units: Units, chance: random.Random) -> str:
    """Emulation prevention bytes, or start codes, put in or taken out."""
    number = _pick(chance, units)
    unit = units[number]
    if b"\0\0\3" in unit and chance.random() < 0.5:
        units[number] = unit.replace(b"\0\0\3", b"\0\0", 1)
        return f"emulation prevention taken out of NAL unit {number}"
    place = chance.randrange(1, len(unit) + 1)
    piece = chance.choice((b"\0\0\3", b"\0\0", b"\0\0\3\0\0\3\0\0\3", b"\3"))
    units[number] = unit[:place] + piece + unit[place:]
    return f"{piece.hex()} put into NAL unit {number}"


def spliced_slice(units: Units, chance: random.Random) -> str:
    """A slice of another stream in place of one of this."""
    other = chance.choice(list(BASES))
    number = _pick(chance, units, _is_slice)
    foreign = _flat(other)
    units[number] = foreign[_pick(chance, foreign, _is_slice)]
    return f"slice NAL unit {number} taken from {other}"


def spliced_data(units: Units, chance: random.Random) -> str:
    """The beginning of one slice with the end of another."""
    slices = [n for n, unit in enumerate(units) if _is_slice(unit)]
    number, donor = chance.choice(slices), chance.choice(slices)
    cut = chance.randrange(1, len(units[number]) + 1)
    units[number] = units[number][:cut] + units[donor][chance.randrange(1, len(units[donor])) :]
    return f"slice NAL unit {number} goes on with the data of {donor}"


def moved_units(units: Units, chance: random.Random) -> str:
    """NAL units left out, repeated or swapped."""
    number = _pick(chance, units)
    kind = chance.randrange(3)
    if kind == 0 and len(units) > 1:
        del units[number]
        return f"NAL unit {number} left out"
    if kind == 1:
        units.insert(_pick(chance, units), units[number])
        return f"NAL unit {number} repeated"
    other = _pick(chance, units)
    units[number], units[other] = units[other], units[number]
    return f"NAL units {number} and {other} swapped"


def foreign_parameter_set(units: Units, chance: random.Random) -> str:
    """A parameter set of another stream, somewhere."""
    other = chance.choice(list(BASES))
    sets = [unit for unit in _flat(other) if nal_unit_type(unit) in (7, 8)]
    place = chance.randrange(len(units) + 1)
    units.insert(place, chance.choice(sets))
    return f"a parameter set of {other} before NAL unit {place}"


def parameter_set_field(units: Units, chance: random.Random) -> str:
    """One element of a parameter set with another value."""
    number = _pick(chance, units, lambda unit: nal_unit_type(unit) in (7, 8))
    unit = units[number]
    kind = nal_unit_type(unit)
    name = "seq_parameter_set_rbsp" if kind == 7 else "pic_parameter_set_rbsp"
    params = {} if kind == 7 else {"chroma_format_idc": 1}
    values: Any = syntax.read(avc_syntax(), name, remove_emulation_prevention(unit[1:]), 0, params)
    for _ in range(20):
        changed, text = _other_value(values, chance)
        try:
            data = syntax.write(avc_syntax(), name, changed, params)
        except (HypError, ValueError, TypeError, OverflowError):
            continue
        units[number] = unit[:1] + add_emulation_prevention(data)
        return f"NAL unit {number}: {text}"
    units[number] = _flip(unit, chance, 1)
    return f"a bit of NAL unit {number} flipped"


def slice_header_field(units: Units, chance: random.Random) -> str:
    """One element of a slice header with another value, the slice data as they were."""
    number = _pick(chance, units, _is_slice)
    unit = units[number]
    sets: dict[int, Any] = {}
    for other in units[:number]:
        kind = nal_unit_type(other)
        rbsp = remove_emulation_prevention(other[1:])
        if kind == NAL_SEQUENCE_PARAMETER_SET:
            sets[kind] = syntax.read(avc_syntax(), "seq_parameter_set_rbsp", rbsp)
        elif kind == NAL_PICTURE_PARAMETER_SET:
            params = {"chroma_format_idc": 1}
            sets[kind] = syntax.read(avc_syntax(), "pic_parameter_set_rbsp", rbsp, 0, params)
    nal = syntax.read(avc_syntax(), "nal_unit_header", unit[:1])
    context = {"nal": nal, "sps": sets[7]["seq_parameter_set_data"], "pps": sets[8]}
    rbsp = remove_emulation_prevention(unit[1:])
    header: Any = syntax.read(avc_syntax(), "slice_header", rbsp, 0, context)
    rest = _bits(rbsp)[header.bit_length :]
    for _ in range(20):
        changed, text = _other_value(header, chance)
        try:
            data, written = syntax.written(avc_syntax(), "slice_header", changed, context)
        except (HypError, ValueError, TypeError, OverflowError):
            continue
        if sets[8]["entropy_coding_mode_flag"]:
            head = _bits(data)[: written.bit_length]
            bits = head + "1" * (-len(head) % 8) + rest[-header.bit_length % 8 :]
        else:
            bits = _bits(data)[: written.bit_length] + rest
        bits += "0" * (-len(bits) % 8)
        content = int(bits, 2).to_bytes(len(bits) // 8, "big")
        units[number] = unit[:1] + add_emulation_prevention(content)
        return f"NAL unit {number}: {text}"
    units[number] = _flip(unit, chance, 1)
    return f"a bit of NAL unit {number} flipped"


def _bits(data: bytes) -> str:
    return format(int.from_bytes(data, "big"), f"0{8 * len(data)}b")


def _other_value(values: Mapping[str, Any], chance: random.Random) -> tuple[dict[str, Any], str]:
    """Return the values with one number changed, wherever it stands, and which."""
    places: list[tuple[str | int, ...]] = []

    def visit(value: Any, path: tuple[str | int, ...]) -> None:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                visit(inner, (*path, key))
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                visit(inner, (*path, index))
        elif isinstance(value, int):
            places.append(path)

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: plain(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [plain(inner) for inner in value]
        return value

    visit(values, ())
    changed = plain(values)
    path = chance.choice(places)
    holder = changed
    for key in path[:-1]:
        holder = holder[key]
    old = holder[path[-1]]
    choices = (
        old + 1,
        old - 1,
        0,
        1,
        2,
        3,
        7,
        15,
        31,
        32,
        255,
        -1,
        -12,
        old ^ 1,
        chance.randrange(1 << 16),
    )
    holder[path[-1]] = new = chance.choice(choices)
    return changed, f"{'.'.join(map(str, path))} = {new}, was {old}"


KINDS: dict[str, Mutator] = {
    function.__name__: function
    for function in (
        flipped_bits,
        flipped_slice_bit,
        overwritten_bytes,
        truncated_unit,
        lengthened_unit,
        truncated_stream,
        emulation_prevention,
        spliced_slice,
        spliced_data,
        moved_units,
        foreign_parameter_set,
        parameter_set_field,
        slice_header_field,
    )
}


def mutant(seed: int, number: int) -> Mutant:
    """Return mutant `number` of `seed`: one or a few mutations of one of the BASES."""
    chance = random.Random(f"{seed}.{number}")
    name = list(BASES)[number % len(BASES)]
    kind = chance.choice(list(KINDS))
    units = _flat(name)
    texts = [KINDS[kind](units, chance)]
    while units and chance.random() < 0.2:
        texts.append(flipped_bits(units, chance))
    return Mutant(_grouped(units), kind, f"{name}: {'; '.join(texts)}")


def _grouped(units: Sequence[bytes]) -> tuple[tuple[bytes, ...], ...]:
    """Give each slice an access unit number of its own, with what precedes it; a decoder that
    detects access units itself is told the same as one that gets them from a container."""
    groups: list[tuple[bytes, ...]] = []
    current: list[bytes] = []
    for unit in units:
        # What a container would give: parameter sets and a first slice begin an access unit.
        if any(map(_is_slice, current)) and not (
            _is_slice(unit) and len(unit) > 1 and unit[1] < 128
        ):
            groups.append(tuple(current))
            current = []
        current.append(unit)
    if current:
        groups.append(tuple(current))
    return tuple(groups)


def byte_stream(made: Mutant) -> bytes:
    """Return a mutant as a byte stream (Annex B), to be kept in a file."""
    return b"".join(to_annex_b(units) for units in made.units)
