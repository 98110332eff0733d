"""Mutations of whole files: which damage is done, and what the damage may cost.

Every mutant follows from a seed and a number. Mutants whose damage a checksum covers are `covered`:
each picture that a decoder delivers of them must be one of the intact file's. The others have
checksums made anew, so that the damage reaches the parsers and the decoders behind them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from conformance.mutation.rules import mutations
from refcodec import syntax
from refcodec.container import Unit, open_reader
from refcodec.container.crc import crc8, crc32c
from refcodec.container.structures import STRUCTURE_NAMES, UnitType, hyp_syntax
from refcodec.container.units import (
    MAX_PAYLOAD_SIZE,
    SIGNATURE,
    UNIT_SYNC,
    build_unit,
    leb128,
)
from refcodec.errors import HypError


@dataclass(frozen=True)
class Mutant:
    """A damaged file: its bytes, the kind of damage, a line on what was done, and whether checksums
    cover the damage."""

    data: bytes
    kind: str
    description: str
    covered: bool


class Base:
    """A valid file whose mutants are made."""

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        self.data = data
        self.units: list[Unit] = list(open_reader(data))

    def with_unit(self, number: int, unit: bytes) -> bytes:
        """Return the file with unit `number` replaced."""
        old = self.units[number]
        return self.data[: old.offset] + unit + self.data[old.end :]

    def joined(self, units: Sequence[bytes]) -> bytes:
        """Return a file of the signature and `units`."""
        return SIGNATURE + b"".join(units)

    @cached_property
    def aimed(self) -> list[tuple[int, bytes, str]]:
        """Every mutation aimed at one rule of one element: unit, its new payload, description."""
        found = []
        for number, unit in enumerate(self.units):
            if not unit.known:
                continue
            for mutation in mutations(
                hyp_syntax(), STRUCTURE_NAMES[unit.unit_type], unit.payload, _params(unit)
            ):
                text = f"unit {number}: {mutation.path} {mutation.kind}, {mutation.error}"
                found.append((number, mutation.data, text))
        return found

    @cached_property
    def elements(self) -> list[tuple[int, str, int]]:
        """Every number in every unit: unit, element, how many of it there are."""
        found = []
        for number, unit in enumerate(self.units):
            if unit.known:
                for name, value in _values(unit).items():
                    if isinstance(value, int):
                        found.append((number, name, 1))
                    elif isinstance(value, list):
                        found.append((number, name, len(value)))
        return found


def _params(unit: Unit) -> dict[str, int]:
    return {"payload_size": unit.payload_size} if unit.unit_type == UnitType.KEYFRAME else {}


def _values(unit: Unit) -> dict[str, Any]:
    name = STRUCTURE_NAMES[unit.unit_type]
    return dict(syntax.read(hyp_syntax(), name, unit.payload, params=_params(unit)))


# ------------------------------------------------------------------------------ one kind each

Mutator = Callable[[Base, random.Random, int], tuple[bytes, str]]


def aimed(base: Base, chance: random.Random, number: int) -> tuple[bytes, str]:
    """One rule of one element broken, checksums made anew: one after the other."""
    unit, payload, text = base.aimed[number % len(base.aimed)]
    return base.with_unit(unit, build_unit(base.units[unit].unit_type, payload)), text


def aimed_covered(base: Base, chance: random.Random, number: int) -> tuple[bytes, str]:
    """The same, checksum and size as they were."""
    unit, payload, text = base.aimed[number % len(base.aimed)]
    old = base.units[unit]
    data = old.data[: old.header_size] + payload + old.data[-4:]
    return base.with_unit(unit, data), text


def other_value(base: Base, chance: random.Random, number: int) -> tuple[bytes, str]:
    """One number of one unit has another value that its range allows, or that its code can carry."""
    unit, name, count = base.elements[number % len(base.elements)]
    old = base.units[unit]
    values = _values(old)
    place = chance.randrange(count) if count else 0
    value = chance.choice(
        (0, 1, 2, 127, 128, 255, 65535, 65536, (1 << 32) - 1, (1 << 62) + 1, chance.getrandbits(20))
    )
    target = values[name]
    if isinstance(target, list):
        if not target or not isinstance(target[place], int):
            return flipped_payload(base, chance, number)
        values[name] = [*target[:place], value, *target[place + 1 :]]
    else:
        values[name] = value
    structure = STRUCTURE_NAMES[old.unit_type]
    for params in (_params(old), {**_params(old), "payload_size": old.payload_size + 1}):
        try:
            payload = syntax.write(hyp_syntax(), structure, values, params=params)
        except (HypError, ValueError, TypeError):
            continue
        new = build_unit(old.unit_type, payload)
        return base.with_unit(unit, new), f"unit {unit}: {name}[{place}] = {value}"
    return flipped_payload(base, chance, number)


def flipped_payload(base: Base, chance: random.Random, number: int) -> tuple[bytes, str]:
    """Bits of one payload flipped, checksum made anew."""
    unit = number % len(base.units)
    old = base.units[unit]
    payload = bytearray(old.payload)
    if not payload:
        return flipped(base, chance, number)
    count = chance.choice((1, 1, 1, 2, 8))
    for _ in range(count):
        # Elements stand at the beginning of a payload, data behind them.
        reach = min(len(payload), chance.choice((4, 16, 64, len(payload))))
        payload[chance.randrange(reach)] ^= 1 << chance.randrange(8)
    new = build_unit(old.unit_type, bytes(payload))
    return base.with_unit(unit, new), f"unit {unit}: {count} bits of its payload flipped"


def resized_payload(base: Base, chance: random.Random, number: int) -> tuple[bytes, str]:
    """A payload shorter or longer, size and checksum made anew."""
    unit = number % len(base.units)
    old = base.units[unit]
    payload = bytes(old.payload)
    if payload and chance.random() < 0.6:
        payload = payload[: chance.randrange(len(payload))]
    else:
        payload += chance.randbytes(chance.randint(1, 40))
    new = build_unit(old.unit_type, payload)
    return base.with_unit(unit, new), f"unit {unit}: {old.payload_size} -> {len(payload)} bytes"


def other_type(base: Base, chance: random.Random, number: int) -> tuple[bytes, str]:
    """A payload under another type, checksums made anew."""
    unit = number % len(base.units)
    kind = chance.randrange(10)
    old = base.units[unit]
    head = UNIT_SYNC + bytes([kind]) + leb128(old.payload_size)
    body = head + bytes([crc8(head)]) + bytes(old.payload)
    new = body + crc32c(body).to_bytes(4, "big")
    return base.with_unit(unit, new), f"unit {unit}: type {old.unit_type} -> {kind}"


def inflated(base: Base, chance: random.Random, number: int) -> tuple[bytes, str]:
    """payload_size too large, header check made anew: up to far beyond the file."""
    unit = number % len(base.units)
    old = base.units[unit]
    size = chance.choice(
        (
            old.payload_size + 1,
            old.payload_size + chance.randint(2, 2000),
            MAX_PAYLOAD_SIZE,
            MAX_PAYLOAD_SIZE + 1,
            (1 << 32) - 1,
            1 << 34,
        )
    )
    head = UNIT_SYNC + bytes([old.unit_type]) + leb128(size)
    new = head + bytes([crc8(head)]) + old.data[old.header_size :]
    return base.with_unit(unit, new), f"unit {unit}: payload_size {old.payload_size} -> {size}"


def damaged_frame(base: Base, chance: random.Random, number: int) -> tuple[bytes, str]:
    """Bits of the header or of the checksum of a unit flipped."""
    unit = number % len(base.units)
    old = base.units[unit]
    data = bytearray(old.data)
    places = [*range(old.header_size), *range(len(data) - 4, len(data))]
    place = chance.choice(places)
    data[place] ^= 1 << chance.randrange(8)
    return base.with_unit(unit, bytes(data)), f"unit {unit}: byte {place} of its frame"


def truncated(base: Base, chance: random.Random, number: int) -> tuple[bytes, str]:
    """The file cut: between units, in a header, in a payload, in a checksum, anywhere."""
    old = base.units[number % len(base.units)]
    cut = chance.choice(
        (
            old.offset,
            old.offset + chance.randint(1, old.header_size),
            chance.randint(old.payload_offset, old.end - 4),
            old.end - chance.randint(1, 3),
            chance.randrange(len(base.data)),
        )
    )
    return base.data[:cut], f"cut at byte {cut}"


def flipped(base: Base, chance: random.Random, number: int) -> tuple[bytes, str]:
    """Bits anywhere flipped."""
    data = bytearray(base.data)
    count = chance.choice((1, 1, 2, 5, 40))
    for _ in range(count):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(data), f"{count} bits flipped"


def overwritten(base: Base, chance: random.Random, number: int) -> tuple[bytes, str]:
    """A run of bytes overwritten by zeros, by noise, or by what looks like the start of units."""
    start = chance.randrange(len(base.data))
    size = chance.randint(1, 400)
    filling = chance.choice((bytes(size), chance.randbytes(size), _lure(chance, size)))
    end = start + size
    data = base.data[:start] + filling[: max(len(base.data) - start, 0)] + base.data[end:]
    return data, f"bytes {start} to {end} overwritten"


def inserted(base: Base, chance: random.Random, number: int) -> tuple[bytes, str]:
    """Noise between two units, or in one."""
    unit = base.units[number % len(base.units)]
    place = unit.offset if chance.random() < 0.7 else chance.randrange(len(base.data))
    size = chance.choice((1, 2, 9, 100, 5000))
    filling = chance.choice((bytes(size), chance.randbytes(size), _lure(chance, size)))
    return base.data[:place] + filling + base.data[place:], f"{size} bytes inserted at {place}"


def _lure(chance: random.Random, size: int) -> bytes:
    """Return valid unit headers without units."""
    found = b""
    while len(found) < size:
        head = UNIT_SYNC + bytes([chance.randint(1, 9)])
        head += leb128(chance.choice((0, 5, 60, 3000, MAX_PAYLOAD_SIZE)))
        found += head + bytes([crc8(head)])
    return found[:size]


def removed(base: Base, chance: random.Random, number: int) -> tuple[bytes, str]:
    """Units left out."""
    count = chance.choice((1, 1, 2, 3))
    gone = {chance.randrange(len(base.units)) for _ in range(count)} | {number % len(base.units)}
    kept = [unit.data for place, unit in enumerate(base.units) if place not in gone]
    return base.joined(kept), f"units {sorted(gone)} left out"


def repeated(base: Base, chance: random.Random, number: int) -> tuple[bytes, str]:
    """A unit a second time, directly or elsewhere."""
    units = [unit.data for unit in base.units]
    unit = number % len(units)
    place = unit + 1 if chance.random() < 0.5 else chance.randrange(len(units) + 1)
    units.insert(place, units[unit])
    return base.joined(units), f"unit {unit} again at {place}"


def reordered(base: Base, chance: random.Random, number: int) -> tuple[bytes, str]:
    """Units swapped, moved, or all shuffled."""
    units = [unit.data for unit in base.units]
    first, second = number % len(units), chance.randrange(len(units))
    if chance.random() < 0.1:
        chance.shuffle(units)
        return base.joined(units), "all units shuffled"
    if chance.random() < 0.5:
        units[first], units[second] = units[second], units[first]
        return base.joined(units), f"units {first} and {second} swapped"
    units.insert(second, units.pop(first))
    return base.joined(units), f"unit {first} moved to {second}"


KINDS: dict[str, tuple[Mutator, bool]] = {
    "element, one rule broken": (aimed, False),
    "element, other value": (other_value, False),
    "payload, bits flipped": (flipped_payload, False),
    "payload, resized": (resized_payload, False),
    "unit, other type": (other_type, False),
    "element, checksum kept": (aimed_covered, True),
    "unit, inflated size": (inflated, True),
    "unit, damaged frame": (damaged_frame, True),
    "file, truncated": (truncated, True),
    "file, bits flipped": (flipped, True),
    "file, overwritten": (overwritten, True),
    "file, bytes inserted": (inserted, True),
    "units left out": (removed, True),
    "unit repeated": (repeated, True),
    "units reordered": (reordered, True),
}
"""Mutator of each kind, and whether checksums cover what it does."""


def mutant(bases: Sequence[Base], seed: int, number: int) -> tuple[Base, Mutant]:
    """Return mutant `number` (0 or more) of `seed`, and the file that it was made of."""
    chance = random.Random(f"{seed}/{number}")
    rest, kind_number = divmod(number, len(KINDS))
    rest, base_number = divmod(rest, len(bases))
    kind, (mutator, covered) = list(KINDS.items())[kind_number]
    base = bases[base_number]
    # Every seed begins elsewhere, and goes through all units and elements from there.
    data, description = mutator(base, chance, rest + 7919 * seed)
    return base, Mutant(data, kind, f"{base.name}: {description}", covered)
