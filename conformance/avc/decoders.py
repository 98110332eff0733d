"""The two decoders that are compared: each turns access units into pictures in output order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import av
import numpy as np

from conformance.avc.content import Planes
from refcodec.avc.nal import nal_units
from refcodec.avc.side_information import I_PCM
from refcodec.avc.stream_decoder import AvcDecoder, OutputPicture

Decoder = Callable[[Iterable[bytes]], Iterator[Planes]]


def libavcodec(access_units: Iterable[bytes]) -> Iterator[Planes]:
    """Decode by libavcodec, one thread; output order is that of the picture buffer (strict)."""
    context: Any = av.CodecContext.create("h264", "r")
    context.thread_count = 1
    context.thread_type = "NONE"
    # unaligned: cropping at the left is exact
    context.options = {"strict": "1", "err_detect": "explode", "flags": "+unaligned"}
    for number, data in enumerate(access_units):
        packet = av.Packet(data)
        packet.pts = packet.dts = number
        for frame in context.decode(packet):
            yield frame_planes(frame)
    for frame in context.decode(None):
        yield frame_planes(frame)


def frame_planes(frame: Any) -> Planes:
    """Return copies of the planes of a 4:2:0 frame of libav."""
    sizes = [
        (frame.height, frame.width),
        *[((frame.height + 1) // 2, (frame.width + 1) // 2)] * 2,
    ]
    planes = []
    for plane, (rows, columns) in zip(frame.planes, sizes, strict=True):
        samples = np.frombuffer(plane, np.uint8)
        samples = samples[: rows * plane.line_size].reshape(rows, plane.line_size)
        planes.append(samples[:, :columns].copy())
    y, u, v = planes
    return y, u, v


def has_pcm(access_units: Iterable[bytes]) -> bool:
    """Return whether a stream has I_PCM macroblocks, by refcodec.avc, as far as it decodes."""
    decoder = AvcDecoder(details=True)
    pictures: list[OutputPicture] = []
    for number, data in enumerate(access_units):
        for unit in nal_units(data):
            pictures += decoder.decode(unit, number)
    pictures += decoder.flush()
    return any(
        (picture.details.info.motion.mb_type == I_PCM).any()
        for picture in pictures
        if picture.details is not None
    )


def reference_decoder(access_units: Iterable[bytes], *, threads: int = 1) -> Iterator[Planes]:
    """Decode by refcodec.avc. Raises the first error that costs a picture."""
    decoder = AvcDecoder(threads=threads)
    try:
        for number, data in enumerate(access_units):
            for unit in nal_units(data):
                yield from _copies(decoder.decode(unit, number))
            _raise_loss(decoder)
        yield from _copies(decoder.flush())
        _raise_loss(decoder)
    finally:
        decoder.close()


def _copies(pictures: Iterable[OutputPicture]) -> Iterator[Planes]:
    for picture in pictures:
        y, u, v = (plane.copy() for plane in picture.planes)
        yield y, u, v


def _raise_loss(decoder: AvcDecoder) -> None:
    if decoder.losses:
        raise decoder.losses[0].error
