"""The backends on a stream that is no HYP file: access units in, pictures in output order out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from refcodec.avc.access_units import Buffer
from refcodec.avc.loss import Loss
from refcodec.decoder.substrate import CodedPicture, unknown_backend


class StreamBackend(Protocol):
    """Decodes one stream. After an error it goes on with the next IDR picture; `losses` tell."""

    losses: list[Loss]

    def decode(self, nal_units: Sequence[Buffer], number: int) -> Iterator[CodedPicture]:
        """Take access unit `number`; yield the pictures whose turn it is."""
        ...

    def flush(self) -> Iterator[CodedPicture]:
        """Yield the remaining pictures."""
        ...

    def close(self) -> None:
        """Free what the decoder holds."""
        ...


def open_stream(backend: str, threads: int) -> StreamBackend:
    """Return the decoder that `backend` names. Raises HYP-E-DEC-05 for an unknown one."""
    if backend == "libav":
        from refcodec.decoder.libav_stream import LibavStream

        return LibavStream()
    if backend == "numba":
        from refcodec.decoder.numba_stream import NumbaStream

        return NumbaStream(threads)
    raise unknown_backend(backend)
