"""The H.264 decoders underneath by their names, each imported when it is wanted."""

from __future__ import annotations

from refcodec import errors
from refcodec.decoder.substrate import StreamBackend, Substrate

BACKENDS = ("libav", "numba")


def open_substrate(backend: str, width: int, height: int, threads: int) -> Substrate:
    """Return the decoder that `backend` names, for pictures of `width` x `height` samples.

    Raises HYP-E-DEC-05 for an unknown one.
    """
    if backend == "libav":
        from refcodec.decoder.libav_substrate import LibavSubstrate

        return LibavSubstrate(width, height, threads)
    if backend == "numba":
        from refcodec.decoder.numba_substrate import NumbaSubstrate

        return NumbaSubstrate(width, height, threads)
    raise unknown_backend(backend)


def open_stream(backend: str, threads: int) -> StreamBackend:
    """Return the decoder that `backend` names, for a stream that is no HYP file. Raises HYP-E-DEC-05 for an unknown
    one."""
    if backend == "libav":
        from refcodec.decoder.libav_stream import LibavStream

        return LibavStream()
    if backend == "numba":
        from refcodec.decoder.numba_stream import NumbaStream

        return NumbaStream(threads)
    raise unknown_backend(backend)


def unknown_backend(backend: str) -> errors.HypError:
    """Return HYP-E-DEC-05."""
    return errors.error(
        "HYP-E-DEC-05", element="backend", value=backend, allowed=", ".join(BACKENDS)
    )
