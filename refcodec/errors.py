"""The errors of the bitstream: one exception class for each id of spec/errors.toml.

Every way in which a file, a unit, a network or an input can be wrong has an id there. The classes
are created when this module is imported, so the table is the only place that lists them:

    raise errors.error("HYP-E-UNIT-03", bit_offset=8 * end, element="unit_crc", value=read)

    except errors.CLASSES["HYP-E-UNIT-03"]: ...
    except errors.UnitCrcMismatch: ...
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from typing import Any

from spec import data

CATEGORIES: tuple[str, ...] = ("malformed", "nonconforming", "unsupported", "resource", "usage")
"""The values of `class` in spec/errors.toml."""


class HypError(Exception):
    """Base of all errors that a stream or an input can cause.

    Class attributes come from spec/errors.toml: `id` ("HYP-E-UNIT-03"), `name` ("UnitCrcMismatch"),
    `klass` (one of CATEGORIES), `clause` ("#unit.crc"), `text` (one sentence on what is wrong) and
    `reaction` (what a decoder does then).

    Instance attributes: `bit_offset` (absolute in the file, or None where there is no place),
    `element` (syntax element or input property), `value` (what was read), `allowed` (what may stand
    there), `detail` (one sentence more), `source` (name of the file, or None; set by whoever opened
    it), `requirement` (id of the requirement that is broken, or None).
    """

    id: str = ""
    name: str = ""
    klass: str = ""
    clause: str = ""
    text: str = ""
    reaction: str = ""

    def __init__(
        self,
        *,
        bit_offset: int | None = None,
        element: str | None = None,
        value: object = None,
        allowed: object = None,
        detail: str | None = None,
        source: str | None = None,
        requirement: str | None = None,
    ) -> None:
        super().__init__()
        self.bit_offset = bit_offset
        self.element = element
        self.value = value
        self.allowed = allowed
        self.detail = detail
        self.source = source
        self.requirement = requirement

    def __str__(self) -> str:
        """One line: id, place, text, and what was read against what is allowed."""
        parts = [self.id]
        if self.bit_offset is not None:
            parts.append(f" at byte {self.bit_offset // 8}")
        parts.append(f": {self.text}")
        facts = []
        if self.element is not None:
            read = "" if self.value is None else f" = {_shown(self.value)}"
            facts.append(f"{self.element}{read}")
        elif self.value is not None:
            facts.append(f"read {_shown(self.value)}")
        if self.allowed is not None:
            facts.append(f"allowed: {_shown(self.allowed)}")
        if facts:
            parts.append(f" ({'; '.join(facts)})")
        if self.detail:
            parts.append(f" {self.detail}")
        return "".join(parts)

    def __repr__(self) -> str:
        return f"<{self.name} {self}>"

    def __reduce__(self) -> tuple[Any, ...]:
        # Worker processes send errors to their parent, which finds the class again by its id.
        return _rebuilt, (self.id, self._facts())

    def _facts(self) -> dict[str, Any]:
        return {
            "bit_offset": self.bit_offset,
            "element": self.element,
            "value": _plain(self.value),
            "allowed": _plain(self.allowed),
            "detail": self.detail,
            "source": self.source,
            "requirement": self.requirement,
        }

    def as_dict(self) -> dict[str, Any]:
        """Return the error as plain values (for JSON): the class attributes and the facts."""
        row = {"id": self.id, "name": self.name, "class": self.klass, "clause": self.clause}
        facts = {
            key: value if isinstance(value, int | float | str | None) else _shown(value)
            for key, value in self._facts().items()
        }
        return {**row, "text": self.text, **facts}

    def explain(self) -> str:
        """Return several lines: what is wrong, what was read and what is allowed, the clause, the
        decoder's reaction, and the trace command that shows the bits."""
        rows: list[tuple[str, str]] = []
        if self.source is not None:
            rows.append(("file", self.source))
        if self.bit_offset is not None:
            byte, bit = divmod(self.bit_offset, 8)
            rows.append(("place", f"byte {byte} (0x{byte:x}), bit {bit}"))
        if self.element is not None:
            rows.append(("element", self.element))
        if self.value is not None:
            rows.append(("read", _shown(self.value)))
        if self.allowed is not None:
            rows.append(("allowed", _shown(self.allowed)))
        if self.detail:
            rows.append(("detail", self.detail))
        if self.requirement is not None:
            rows.append(("requirement", self.requirement))
        rows.append(("clause", self.clause))
        rows.append(("reaction", self.reaction))
        lines = [f"{self.id} {self.name} ({self.klass})", self.text]
        lines += [f"  {label:<11} {content}" for label, content in rows]
        if self.bit_offset is not None:
            lines.append(
                f"See the bits: hyp trace {self.source or 'FILE'} --at {self.bit_offset // 8}"
            )
        else:
            lines.append(f"Read the clause: hyp spec cite {self.id}")
        return "\n".join(lines)


def _plain(value: object) -> object:
    """Copy buffers, so that an error never keeps a payload alive and can be pickled."""
    if isinstance(value, memoryview | bytearray):
        return bytes(value[:64])
    if isinstance(value, bytes):
        return value[:64]
    return value


def _shown(value: object) -> str:
    """Show one value: numbers from 4096 on in hexadecimal too, bytes so, ranges as lo..hi."""
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, int):
        return f"{value} (0x{value:x})" if value >= 4096 else str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        head = bytes(value[:32]).hex()
        return f"0x{head}{'...' if len(value) > 32 else ''}"
    if isinstance(value, range) and value.step == 1:
        return f"{value.start}..{value.stop - 1}"
    if (
        isinstance(value, tuple)
        and len(value) == 2
        and all(isinstance(bound, int) for bound in value)
    ):
        return f"{value[0]}..{value[1]}"
    shown = str(value)
    return shown if len(shown) <= 200 else shown[:197] + "..."


def _rebuilt(error_id: str, facts: dict[str, Any]) -> HypError:
    return CLASSES[error_id](**facts)


def _load() -> dict[str, type[HypError]]:
    with data("errors.toml").open("rb") as file:
        table: Mapping[str, Mapping[str, str]] = tomllib.load(file)
    classes: dict[str, type[HypError]] = {}
    names: set[str] = set()
    for error_id, row in table.items():
        name, klass = row["name"], row["class"]
        if klass not in CATEGORIES:
            raise ValueError(f"spec/errors.toml: {error_id} has the unknown class {klass!r}")
        if not name.isidentifier() or name in names:
            raise ValueError(
                f"spec/errors.toml: {error_id} has the unusable or repeated name {name!r}"
            )
        names.add(name)
        classes[error_id] = type(
            name,
            (HypError,),
            {
                "__doc__": f"{error_id} ({row['clause']}): {row['text']}",
                "__module__": __name__,
                "id": error_id,
                "name": name,
                "klass": klass,
                "clause": row["clause"],
                "text": row["text"],
                "reaction": row["reaction"],
            },
        )
    return classes


CLASSES: dict[str, type[HypError]] = _load()
"""Exception class of every id, in the order of spec/errors.toml."""

NAMES: dict[str, type[HypError]] = {klass.name: klass for klass in CLASSES.values()}
"""Exception class of every name."""


def __getattr__(name: str) -> type[HypError]:
    """Offer each class under its name: `errors.UnitCrcMismatch`."""
    try:
        return NAMES[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None


def error(
    error_id: str,
    *,
    bit_offset: int | None = None,
    element: str | None = None,
    value: object = None,
    allowed: object = None,
    detail: str | None = None,
    source: str | None = None,
    requirement: str | None = None,
) -> HypError:
    """Return (not raise) an instance of the class of `error_id`.

    `bit_offset` is absolute in the file. `allowed` may be a range, a (lo, hi) pair, a value or a
    text. `requirement` is the id of the broken requirement where one is known.
    Raises KeyError for an id that spec/errors.toml does not list.
    """
    return CLASSES[error_id](
        bit_offset=bit_offset,
        element=element,
        value=value,
        allowed=allowed,
        detail=detail,
        source=source,
        requirement=requirement,
    )


@cache
def requirements() -> dict[str, dict[str, Any]]:
    """Return spec/requirements.toml: requirement id -> row (text, kind, clause, error, tests)."""
    with data("requirements.toml").open("rb") as file:
        return tomllib.load(file)


def for_requirement(
    requirement: str,
    *,
    bit_offset: int | None = None,
    element: str | None = None,
    value: object = None,
    allowed: object = None,
    detail: str | None = None,
    source: str | None = None,
) -> HypError:
    """Return an instance of the error that spec/requirements.toml names for `requirement`.

    Raises KeyError when the requirement or its error is not listed.
    """
    return error(
        requirements()[requirement]["error"],
        bit_offset=bit_offset,
        element=element,
        value=value,
        allowed=allowed,
        detail=detail,
        source=source,
        requirement=requirement,
    )
