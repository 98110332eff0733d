"""Syntax tables as data: one tree that reads, writes, traces and describes a bitstream."""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from refcodec.syntax.fast import read_fast
from refcodec.syntax.interpreter import ElementEvent, Listener
from refcodec.syntax.loading import load
from refcodec.syntax.rows import Row, rows
from refcodec.syntax.tree import Syntax
from refcodec.syntax.values import Structure, Value

if TYPE_CHECKING:
    from refcodec.syntax.parser import parse
    from refcodec.syntax.reader import read_reference
    from refcodec.syntax.tracer import Trace, trace
    from refcodec.syntax.writer import write, written

__all__ = [
    "ElementEvent",
    "Listener",
    "Row",
    "Structure",
    "Syntax",
    "Trace",
    "Value",
    "load",
    "parse",
    "read",
    "read_fast",
    "read_reference",
    "rows",
    "trace",
    "write",
    "written",
]

_LATER = {
    "Trace": "tracer",
    "parse": "parser",
    "read_reference": "reader",
    "trace": "tracer",
    "write": "writer",
    "written": "writer",
}
"""Where names are that decoding does not need."""


def __getattr__(name: str) -> Any:
    """Import a name of _LATER when it is asked for."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)


def read(
    syntax: Syntax,
    name: str,
    data: bytes | bytearray | memoryview,
    bit_offset: int = 0,
    params: Mapping[str, object] | None = None,
    listener: Listener | None = None,
    *,
    origin: int = 0,
) -> Structure:
    """Read structure `name` of `syntax` from `data`, beginning at bit `bit_offset`.

    `params` gives the structure's parameters by name.  `listener` is called with an ElementEvent
    after each element.  `origin` is added to the bit offsets of events and errors, for data that is
    part of a file.  Data after the structure is left alone: compare `bit_length` of the result.

    Raises the error of the requirement that an element breaks, the general error of a rule of
    reading (HYP-E-SYN-01 to -14), or StructureUnknown (HYP-E-SYN-23).  Nothing is allocated for a
    length before the data is known to have it.
    """
    if listener is None:
        return read_fast(syntax, name, data, bit_offset, params, origin=origin)
    from refcodec.syntax.reader import read_reference

    return read_reference(syntax, name, data, bit_offset, params, listener, origin=origin)
