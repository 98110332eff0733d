"""Values of a syntax structure: an ordered dictionary by element name."""

from __future__ import annotations

from typing import TypeAlias

Value: TypeAlias = "int | str | bytes | memoryview | Structure | list[Value]"


class Structure(dict[str, "Value"]):
    """Element values of one syntax structure, in bitstream order.

    Elements and inferred elements are ints, text elements str, `bytes(n)` elements memoryviews of
    the data that was read; elements with a subscript and structures inside loops are lists; nested
    structures are Structure.  `derived` holds the derived variables, which are no elements;
    `bit_length` is the number of bits that the structure takes.
    """

    __slots__ = ("bit_length", "derived")

    def __init__(self) -> None:
        super().__init__()
        self.derived: dict[str, object] = {}
        self.bit_length = 0

    def number(self, name: str) -> int:
        """Return element or derived variable `name`, which must be one number.

        Raises KeyError when there is none and TypeError when it is something else.
        """
        value = self[name] if name in self else self.derived[name]
        if not isinstance(value, int):
            raise TypeError(f"{name} is no number")
        return value
