"""Syntax tables as data: one tree that reads, writes, traces and describes a bitstream."""

from refcodec.syntax.interpreter import ElementEvent, Listener
from refcodec.syntax.parser import load, parse
from refcodec.syntax.reader import read_reference
from refcodec.syntax.reader import read_reference as read
from refcodec.syntax.rows import Row, rows
from refcodec.syntax.tracer import Trace, trace
from refcodec.syntax.values import Structure, Value
from refcodec.syntax.writer import write, written

__all__ = [
    "ElementEvent",
    "Listener",
    "Row",
    "Structure",
    "Trace",
    "Value",
    "load",
    "parse",
    "read",
    "read_reference",
    "rows",
    "trace",
    "write",
    "written",
]
