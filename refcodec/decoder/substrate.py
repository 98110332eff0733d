"""What stands for the H.264 decoder underneath: the interfaces of the backends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from refcodec import errors
from refcodec.avc.access_units import Buffer
from refcodec.avc.loss import Loss
from refcodec.avc.parameter_sets import ParameterSets
from refcodec.decoder.preparation import PreparedSegment
from refcodec.picture import Plane


@dataclass(frozen=True, slots=True)
class CodedPicture:
    """A picture as it leaves the H.264 decoder, cropped.

    `access_unit` is its number in the segment, from 0. `planes` (y, u, v) are views of the
    decoder's memory, uint8, rows contiguous, with gaps between rows.
    """

    access_unit: int
    planes: tuple[Plane, Plane, Plane]


class Substrate(Protocol):
    """(#dec.substrate) Decodes one segment after the other."""

    def decode(self, segment: PreparedSegment, sets: ParameterSets) -> Iterator[CodedPicture]:
        """Yield the pictures of a segment in output order, without the injected one. `sets` are the
        parameter sets of the sequence header.

        Raises a typed error after the pictures before the damage; the following segment can be
        decoded all the same.
        """
        ...

    def close(self) -> None:
        """Free what the decoder holds."""
        ...


class StreamBackend(Protocol):
    """Decodes one stream that is no HYP file. After an error it goes on with the next IDR picture; `losses` tell."""

    losses: list[Loss]

    def decode(self, nal_units: Sequence[Buffer], number: int) -> Iterator[CodedPicture]:
        """Take access unit `number`; yield the pictures whose turn it is, in output order."""
        ...

    def flush(self) -> Iterator[CodedPicture]:
        """Yield the remaining pictures."""
        ...

    def close(self) -> None:
        """Free what the decoder holds."""
        ...


def check_size(number: int, planes: tuple[Plane, Plane, Plane], size: tuple[int, int]) -> None:
    """Raise HYP-E-DEC-04 when the picture of access unit `number` is not of `size`."""
    height, width = planes[0].shape
    if (width, height) != size:
        raise errors.error(
            "HYP-E-DEC-04",
            element="access unit",
            value=f"{width}x{height}",
            allowed=f"{size[0]}x{size[1]}",
            detail=f"It is access unit {number}.",
        )
