"""Sharpening of the pictures that x264 is given: the kernel against a plain counterpart, and what it leaves alone."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from refcodec.encoder import sharpening
from refcodec.picture import Picture
from tests.property.examples import examples

TAPS = (1, 4, 6, 4, 1)


def plain(plane: NDArray[np.uint8], strength: int) -> NDArray[np.uint8]:
    """The same with NumPy's own convolution."""
    wide = np.pad(plane.astype(np.int64), 2, mode="edge")
    for axis in (0, 1):
        wide = np.apply_along_axis(np.convolve, axis, wide, TAPS, "valid")
    change = np.floor((256 * plane.astype(np.int64) - wide) * strength / 8192 + 0.5)
    return np.clip(plane + change, 0, 255).astype(np.uint8)


@settings(max_examples=examples(40), deadline=None)
@given(st.integers(0, 99), st.integers(1, 9), st.integers(1, 9), st.integers(0, sharpening.ONE))
def test_the_kernel_is_a_plain_convolution(
    seed: int, height: int, width: int, strength: int
) -> None:
    plane = np.random.default_rng(seed).integers(0, 256, (height, width)).astype(np.uint8)
    expected = plain(plane, strength)
    for kernel in (
        sharpening.sharper,
        getattr(sharpening.sharper, "py_func", sharpening.sharper),
    ):
        np.testing.assert_array_equal(kernel(plane, strength), expected)


def test_flat_pictures_and_chroma_stay() -> None:
    picture = Picture(
        np.full((4, 6), 77, np.uint8), *(np.full((2, 3), k, np.uint8) for k in (3, 200))
    )
    assert sharpening.sharpened(picture, sharpening.ONE).same_as(picture)


def test_a_step_becomes_steeper() -> None:
    step = np.repeat(np.array([[60, 60, 60, 60, 180, 180, 180, 180]], np.uint8), 4, 0)
    sharper = sharpening.sharper(step, 16)
    assert sharper[0, 3] < 60 and sharper[0, 4] > 180
    assert sharper[0, 0] == 60 and sharper[0, 7] == 180


@given(st.integers(0, sharpening.ONE), st.floats(0, 51), st.floats(0, 51))
def test_strength_grows_with_the_rate_factor(strength: int, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert (
        0
        <= sharpening.strength_at(strength, low)
        <= sharpening.strength_at(strength, high)
        <= strength
    )
    assert sharpening.strength_at(strength, sharpening.NOTHING_LOST) == 0
    assert sharpening.strength_at(strength, sharpening.MUCH_LOST) == strength
