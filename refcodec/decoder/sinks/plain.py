"""Uncompressed output as a stream of bytes: Y4M, and planes one after the other."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import BinaryIO

from refcodec.container import SequenceHeader
from refcodec.picture import Picture


def y4m_header(header: SequenceHeader, width: int, height: int, rate: Fraction) -> bytes:
    """Return the first line of a Y4M stream: square samples, progressive, 4:2:0 with chroma
    co-sited with the left luma column (420mpeg2), the range as XCOLORRANGE."""
    extent = "FULL" if header.full_range_flag else "LIMITED"
    return (
        f"YUV4MPEG2 W{width} H{height} F{rate.numerator}:{rate.denominator} Ip A1:1 "
        f"C420mpeg2 XYSCSS=420MPEG2 XCOLORRANGE={extent}\n"
    ).encode()


def write_y4m(stream: BinaryIO) -> Callable[[Picture], None]:
    """Return a function that appends one picture to a Y4M stream."""

    def append(picture: Picture) -> None:
        stream.write(b"FRAME\n")
        for plane in picture.planes:
            stream.write(plane.data)

    return append


def write_raw(stream: BinaryIO) -> Callable[[Picture], None]:
    """Return a function that appends y || u || v of one picture to a stream."""

    def append(picture: Picture) -> None:
        for plane in picture.planes:
            stream.write(plane.data)

    return append
