"""refcodec.avc on a stream that is no HYP file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from refcodec.avc.access_units import Buffer
from refcodec.avc.stream_decoder import AvcDecoder, OutputPicture
from refcodec.decoder.substrate import CodedPicture


class NumbaStream:
    """refcodec.avc."""

    def __init__(self, threads: int) -> None:
        self._decoder = AvcDecoder(threads=threads)
        self.losses = self._decoder.losses

    def decode(self, nal_units: Sequence[Buffer], number: int) -> Iterator[CodedPicture]:
        """Take access unit `number`; yield the pictures whose turn it is."""
        for nal_unit in nal_units:
            yield from _coded(self._decoder.decode(nal_unit, number))
        yield from _coded(self._decoder.end_access_unit())

    def flush(self) -> Iterator[CodedPicture]:
        """Yield the remaining pictures."""
        yield from _coded(self._decoder.flush())

    def close(self) -> None:
        """End the decoder's threads."""
        self._decoder.close()


def _coded(pictures: list[OutputPicture]) -> Iterator[CodedPicture]:
    for picture in pictures:
        yield CodedPicture(picture.number, picture.planes)
