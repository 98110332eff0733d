"""Syntax tables as data: one tree that reads, writes, traces and describes a bitstream."""

from refcodec.syntax.parser import load, parse
from refcodec.syntax.rows import Row, rows
from refcodec.syntax.values import Structure

__all__ = ["Row", "Structure", "load", "parse", "rows"]
