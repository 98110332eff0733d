"""Tracer: what each bit of a structure is."""

from __future__ import annotations

from collections.abc import Mapping

from refcodec import errors
from refcodec.syntax import tree
from refcodec.syntax.interpreter import ElementEvent
from refcodec.syntax.reader import read_reference


class Trace(list[ElementEvent]):
    """The events of one structure in bitstream order; `error` is what ended it, or None."""

    error: errors.HypError | None = None


def trace(
    syntax: tree.Syntax,
    name: str,
    data: bytes | bytearray | memoryview,
    bit_offset: int = 0,
    params: Mapping[str, object] | None = None,
    *,
    origin: int = 0,
) -> Trace:
    """Return every element of structure `name`; a broken structure is traced up to its error.

    `origin` is added to the bit offsets, for data that is part of a file.  Raises StructureUnknown
    (HYP-E-SYN-23).
    """
    events = Trace()
    try:
        read_reference(syntax, name, data, bit_offset, params, events.append, origin=origin)
    except errors.CLASSES["HYP-E-SYN-23"]:
        raise
    except errors.HypError as cause:
        events.error = cause
    return events
