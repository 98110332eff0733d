"""libavcodec on a stream that is no HYP file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import av

from refcodec import errors
from refcodec.avc.access_units import (
    NAL_IDR_SLICE,
    NAL_PICTURE_PARAMETER_SET,
    NAL_SEQUENCE_PARAMETER_SET,
    Buffer,
    nal_unit_type,
    to_annex_b,
)
from refcodec.avc.loss import Loss
from refcodec.decoder.libav_substrate import PIXEL_FORMATS, frame_planes, open_context, packet_of
from refcodec.decoder.substrate import CodedPicture

PARAMETER_SETS = (NAL_SEQUENCE_PARAMETER_SET, NAL_PICTURE_PARAMETER_SET)


class LibavStream:
    """libavcodec on one thread, since with several it does not tell which access unit is damaged."""

    def __init__(self) -> None:
        self.losses: list[Loss] = []
        self._context = open_context(1)
        self._sets: dict[bytes, None] = {}
        self._skipping = False

    def decode(self, nal_units: Sequence[Buffer], number: int) -> Iterator[CodedPicture]:
        """Take access unit `number`; yield the pictures whose turn it is."""
        units = list(nal_units)
        kinds = [nal_unit_type(unit) for unit in units]
        before = list(self._sets) if self._skipping else []
        for unit, kind in zip(units, kinds, strict=True):
            if kind in PARAMETER_SETS:
                self._sets[bytes(unit)] = None
        if self._skipping:
            if NAL_IDR_SLICE not in kinds:
                self.losses[-1].pictures += 1
                return
            self._skipping = False
        packet = packet_of(to_annex_b([*before, *units]), number)
        try:
            yield from _checked(self._context.decode(packet))
        except (av.error.FFmpegError, errors.HypError) as cause:
            yield from self._lose(number, cause)

    def _lose(self, number: int, cause: Exception) -> Iterator[CodedPicture]:
        """Give the pictures before the damage, and begin anew behind it."""
        context, self._context = self._context, open_context(1)
        self._skipping = True
        self.losses.append(Loss(number, 1, _loss_error(number, cause)))
        try:
            frames = context.decode(None)
        except av.error.FFmpegError:
            return
        yield from _checked(frame for frame in frames if frame.pts != number)

    def flush(self) -> Iterator[CodedPicture]:
        """Yield the remaining pictures."""
        try:
            yield from _checked(self._context.decode(None))
        except (av.error.FFmpegError, errors.HypError) as cause:
            self.losses.append(Loss(-1, 1, _loss_error(-1, cause)))

    def close(self) -> None:
        """Nothing has to be freed."""


def _loss_error(number: int, cause: Exception) -> errors.HypError:
    if isinstance(cause, errors.HypError):
        return cause
    reason = getattr(cause, "strerror", None)
    return errors.error(
        "HYP-E-DEC-01", element="access unit", value=number, detail=f"libavcodec: {reason}."
    )


def _checked(frames: Any) -> Iterator[CodedPicture]:
    for frame in frames:
        number = frame.pts
        if frame.is_corrupt:
            raise errors.error("HYP-E-DEC-02", element="access unit", value=number)
        if frame.format.name not in PIXEL_FORMATS:
            raise errors.error(
                "HYP-E-DEC-04",
                element="access unit",
                value=frame.format.name,
                allowed="yuv420p",
            )
        yield CodedPicture(number, frame_planes(frame))
