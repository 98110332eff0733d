"""Hashes of decoded pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from refcodec.decoder.decoding import DecodedPicture


def picture_hashes(pictures: Iterable[DecodedPicture]) -> Iterator[str]:
    """(#dec.output) Yield for each picture, in output order, the SHA-256 of y || u || v in
    hexadecimal."""
    for decoded in pictures:
        yield decoded.picture.sha256()
