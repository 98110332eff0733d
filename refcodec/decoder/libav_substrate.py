"""The H.264 decoder underneath: libavcodec, fed with one segment after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import av
import numpy as np

from refcodec import errors
from refcodec.avc.parameter_sets import ParameterSets
from refcodec.decoder.preparation import PreparedSegment
from refcodec.decoder.substrate import CodedPicture
from refcodec.picture import Plane

PIXEL_FORMATS = ("yuv420p", "yuvj420p")
"""8-bit 4:2:0, of limited and of full range."""


def open_context(threads: int) -> Any:
    """Return an H.264 decoder of libavcodec that guesses and conceals nothing."""
    context: Any = av.CodecContext.create("h264", "r")
    context.thread_count = threads
    context.thread_type = "AUTO"
    # strict: output by the size of the picture buffer, never by guessing from the stream;
    # explode: an error ends the access unit, nothing is concealed.
    context.options = {"strict": "1", "err_detect": "explode"}
    return context


class LibavSubstrate:
    """(#dec.substrate) Decodes segments by libavcodec.

    Pictures are told apart by a number given to each packet, which libavcodec hands on from a
    packet to its picture; so the injected picture is left out by identity.
    """

    def __init__(self, width: int, height: int, threads: int) -> None:
        """`width` x `height` is the coded size; `threads` 0 lets libavcodec choose."""
        self._size = (width, height)
        self._threads = threads
        self._context = open_context(threads)

    def close(self) -> None:
        """Nothing has to be freed."""

    def decode(self, segment: PreparedSegment, sets: ParameterSets) -> Iterator[CodedPicture]:
        """Yield the pictures of one segment in output order, without the injected one.

        Raises HYP-E-DEC-01 to -04 after the pictures before the damage; the following segment can
        be decoded all the same.
        """
        units = segment.byte_stream(sets)
        hidden = int(segment.generated is not None)
        given: set[int] = set()
        try:
            yield from self._checked(self._frames(self._context, units), hidden, given)
        except av.error.FFmpegError:
            # With several threads the damaged access unit is not known: decode again with one.
            self._context = open_context(self._threads)
            yield from self._before_damage(units, hidden, given)
        except errors.HypError:
            self._context = open_context(self._threads)
            raise
        missing = len(units) - hidden - len(given)
        if missing:
            raise errors.error("HYP-E-DEC-03", element="access units", value=missing)

    @staticmethod
    def _frames(context: Any, units: Sequence[bytes]) -> Iterator[Any]:
        for number, data in enumerate(units):
            packet = packet_of(data, number)
            yield from context.decode(packet)
        yield from context.decode(None)
        context.flush_buffers()

    def _checked(
        self, frames: Iterator[Any], hidden: int, given: set[int]
    ) -> Iterator[CodedPicture]:
        for frame in frames:
            number = -1 if frame.pts is None else frame.pts - hidden
            if number < 0 and hidden and frame.pts == 0:
                continue
            if number in given:
                raise errors.error(
                    "HYP-E-DEC-01",
                    element="access unit",
                    value=number,
                    detail="It has two pictures.",
                )
            yield self._picture(frame, number)
            given.add(number)

    def _picture(self, frame: Any, number: int) -> CodedPicture:
        if frame.is_corrupt:
            raise errors.error("HYP-E-DEC-02", element="access unit", value=number)
        shape = (frame.width, frame.height)
        if frame.format.name not in PIXEL_FORMATS or shape != self._size:
            raise errors.error(
                "HYP-E-DEC-04",
                element="access unit",
                value=f"{shape[0]}x{shape[1]} {frame.format.name}",
                allowed=f"{self._size[0]}x{self._size[1]} yuv420p",
            )
        return CodedPicture(number, frame_planes(frame))

    def _before_damage(
        self, units: Sequence[bytes], hidden: int, given: set[int]
    ) -> Iterator[CodedPicture]:
        """Yield the pictures not yet given of the access units before the first damaged one, then
        raise HYP-E-DEC-01 for that one."""
        context = open_context(1)
        frames = []
        damaged = len(units)
        cause: av.error.FFmpegError | None = None
        for number, data in enumerate(units):
            packet = packet_of(data, number)
            try:
                frames += context.decode(packet)
            except av.error.FFmpegError as error:
                damaged, cause = number, error
                break
        try:
            frames += context.decode(None)
        except av.error.FFmpegError as error:
            cause = cause or error
        fresh = (
            frame
            for frame in frames
            if frame.pts is not None
            and hidden <= frame.pts < damaged
            and frame.pts - hidden not in given
        )
        yield from self._checked(fresh, hidden, given)
        raise errors.error(
            "HYP-E-DEC-01",
            element="access unit",
            value=damaged - hidden,
            detail=None if cause is None else f"libavcodec: {cause.strerror}.",
        ) from cause


def frame_planes(frame: Any) -> tuple[Plane, Plane, Plane]:
    """Return the planes of a 4:2:0 frame as views."""
    y, u, v = (
        np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
        for plane in frame.planes
    )
    return y, u, v


def packet_of(data: bytes, number: int) -> Any:
    """Return a packet with a copy of `data`.

    A packet that kept `data` itself would be freed by libavcodec's threads with the interpreter
    lock, which who closes the decoder holds while it waits for those threads.
    """
    packet = av.Packet(len(data))
    packet.update(data)
    packet.pts = packet.dts = number
    return packet
