"""What the decoder makes of one mutant."""

from __future__ import annotations

import hashlib
import traceback
from dataclasses import dataclass

from conformance.avc.mutation.mutators import Mutant
from refcodec.avc.stream_decoder import AvcDecoder

DECODED, TYPED_ERROR, EXCEPTION = "decoded", "typed error", "exception"
ACCEPTABLE = (DECODED, TYPED_ERROR)


@dataclass(frozen=True)
class Outcome:
    """`kind`: decoded, typed error or exception, or from outside crash or hang; `digest`: of all
    pictures and losses, by which two runs are compared; `detail`: the traceback of an exception,
    the ids of typed errors."""

    kind: str
    digest: str
    detail: str = ""


def outcome(made: Mutant, *, threads: int = 1) -> Outcome:
    """Decode a mutant."""
    digest = hashlib.sha256()
    decoder = AvcDecoder(threads=threads)
    try:
        for number, units in enumerate(made.units):
            for unit in units:
                _add(digest, decoder.decode(unit, number))
        _add(digest, decoder.flush())
    except Exception:
        return Outcome(EXCEPTION, "", traceback.format_exc())
    finally:
        decoder.close()
    for loss in decoder.losses:
        error = loss.error
        line = f"{loss.number} {loss.pictures} {error.id} {error.element} {error.bit_offset}"
        digest.update(line.encode())
    ids = " ".join(sorted({loss.error.id for loss in decoder.losses}))
    return Outcome(TYPED_ERROR if decoder.losses else DECODED, digest.hexdigest()[:16], ids)


def _add(digest, pictures) -> None:  # type: ignore[no-untyped-def]
    for picture in pictures:
        digest.update(f"{picture.number} {picture.planes[0].shape}".encode())
        for plane in picture.planes:
            digest.update(plane.tobytes())
