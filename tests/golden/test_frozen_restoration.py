"""The restoration network that ships and what it makes of a picture: streams name it, so it never changes silently.

A new network is a new file beside this one, which stays for the streams that were made with it.
"""

from __future__ import annotations

import numpy as np
import pytest

from refcodec.intnet.backends import available
from refcodec.picture import Picture
from refcodec.restoration import Restorer, find_restoration

DIGEST = "4514f145a1025a8122c55814ef6933dc36738d4d87b506738ee4b822e644805a"
RESTORED = {
    1: "c6cddcf75a15a9d555ea85b5b75cfc2c5d0323558040f5e183d3faf1fb6b3ecb",
    2: "57f3c1dd127649a34a8872726c89718dd0c790c3d2d1175b2c876b4d30d00148",
    3: "80aad35203ba214305cbd93b8756a1cfa2bf16d0f188d2cef69c719473e9328d",
}
"""SHA-256 of the restored picture, by restoration_gain."""
WIDTH, HEIGHT = 45, 30


def frozen_picture() -> Picture:
    """Return a picture by whole numbers alone: a ramp with blocks on it."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    luma = (4 * x + 2 * y + 60 * ((x // 7 + y // 5) % 3)) % 256
    chroma = np.full((HEIGHT // 2, WIDTH // 2 + 1), 128, np.uint8)
    return Picture(luma.astype(np.uint8), chroma, chroma)


def test_the_network_that_ships_is_the_frozen_one() -> None:
    assert find_restoration().digest.hex() == DIGEST


@pytest.mark.parametrize("backend", available())
@pytest.mark.parametrize("gain", RESTORED)
def test_the_frozen_picture_is_restored_as_ever(backend: str, gain: int) -> None:
    model = find_restoration(bytes.fromhex(DIGEST))
    assert Restorer(model, gain, backend).restore(frozen_picture()).sha256() == RESTORED[gain]
