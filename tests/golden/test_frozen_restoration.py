"""The restoration networks that ship and what they make of a picture: streams name them, so none changes silently.

A new network is a new file beside this one, which stays for the streams that were made with it.
"""

from __future__ import annotations

import numpy as np
import pytest

from refcodec.intnet.backends import available
from refcodec.picture import Picture
from refcodec.restoration import Restorer, find_restoration, shipped_restoration

FROZEN: dict[str, tuple[str, tuple[str, str, str]]] = {
    "restoration": (
        "4514f145a1025a8122c55814ef6933dc36738d4d87b506738ee4b822e644805a",
        (
            "c6cddcf75a15a9d555ea85b5b75cfc2c5d0323558040f5e183d3faf1fb6b3ecb",
            "57f3c1dd127649a34a8872726c89718dd0c790c3d2d1175b2c876b4d30d00148",
            "80aad35203ba214305cbd93b8756a1cfa2bf16d0f188d2cef69c719473e9328d",
        ),
    ),
    "restoration_third": (
        "069c6a06fe884a73f186f2a71e3b93960ab106dfb37c866a874897bad207eefb",
        (
            "2cef2459dcad3703b3e4f096e7d772098207b8d25b088d80bdfd3f5373c19f26",
            "8fc2b6beb6d04ec3250fb69fb2b23e7e1add8175b1d4f8a72e5923a1842ebf33",
            "36d3da98fe96c1b2db272573e0901218ec63b5f8869eecc6ca798b20c275a1de",
        ),
    ),
    "restoration_half": (
        "e8ab6ca2cdbaa55a34fcc7ea8df9e7dfba5594f97959f56a11a567b0cfed30e4",
        (
            "6ec80fc7d62e3d59869d9c19bf27df3418847ffb32d70336f2272f1f85b76c2b",
            "c47dcefef1088f782b81da2203f565a8459c2b41869b309cd59cbf7213c4f7a8",
            "e4a5000b405b104fdc39c9adbeeff8de0ae6bfad44e1bce06c2d641b6e43d60a",
        ),
    ),
    "restoration_two_thirds": (
        "e93100beee9c31b355be397c45ae01d7171c833251ef727fd5b167967e6c7b99",
        (
            "08bd2c90f21ffd743743bc46097434b4eaf71cefc4fadfb824f554085020c340",
            "7ffa466c5beb9075fd15540dd07348c994c9e16970c33e6fedc6d526c746730b",
            "3c6b9812075a1bbd4be377bcdcf4267d4c118913912b4343b1a0e161705d158a",
        ),
    ),
    "restoration_whole": (
        "158c09088358a6b7435fc78ee888be78ce57d753f72b4ee47db5d5d1d0f8c4ca",
        (
            "f0e69f5e1a4175e9550fb4a9bf5dad01668c4fe1dcb8f1ddb90929f9f2d1e954",
            "637016eccf0b042162a8038b5069d7c25b77c7a61bc02ce501264d925c8beeb3",
            "159bef65d1fd76c33ca104fd5db131718bad6d68294635470f0f724e29a6f9e5",
        ),
    ),
}
"""By name: the digest, and SHA-256 of the picture restored with gains 1 to 3."""
WIDTH, HEIGHT = 45, 30


def frozen_picture() -> Picture:
    """Return a picture by whole numbers alone: a ramp with blocks on it."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    luma = (4 * x + 2 * y + 60 * ((x // 7 + y // 5) % 3)) % 256
    chroma = np.full((HEIGHT // 2, WIDTH // 2 + 1), 128, np.uint8)
    return Picture(luma.astype(np.uint8), chroma, chroma)


@pytest.mark.parametrize("name", FROZEN)
def test_the_networks_that_ship_are_the_frozen_ones(name: str) -> None:
    assert shipped_restoration(name).digest.hex() == FROZEN[name][0]


@pytest.mark.parametrize("backend", available())
@pytest.mark.parametrize("name", FROZEN)
def test_the_frozen_picture_is_restored_as_ever(backend: str, name: str) -> None:
    digest, restored = FROZEN[name]
    model = find_restoration(bytes.fromhex(digest))
    picture = frozen_picture()
    for gain, expected in enumerate(restored, 1):
        assert Restorer(model, gain, backend).restore(picture).sha256() == expected
