"""Block motion and the texture that is carried along it: kernels against plain counterparts, and what they find."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from refcodec.encoder import bands
from refcodec.encoder import block_motion as motion
from refcodec.encoder import carried_texture as texture
from refcodec.encoder.bands import in_bands
from refcodec.encoder.window_difference import plain_window_difference
from refcodec.picture import Picture
from tests.property.examples import examples

MARGIN = 48


def noise(seed: int, height: int, width: int, smooth: int = 0) -> NDArray[np.uint8]:
    values = np.random.default_rng(seed).integers(0, 256, (height, width)).astype(np.float64)
    for _ in range(smooth):
        for axis in (0, 1):
            values = (np.roll(values, 1, axis) + 2 * values + np.roll(values, -1, axis)) / 4
    low, high = values.min(), values.max()
    return ((values - low) * 255 / (high - low)).astype(np.uint8)


def plain_difference(
    current: NDArray[np.uint8], reference: NDArray[np.uint8], row: int, column: int,
    down: int, right: int,
) -> int:  # fmt: skip
    """The same in exact bilinear interpolation of padded planes, rounded."""
    total = 0
    for y, x in itertools.product(range(-4, 12, 2), range(-4, 12)):
        top, fy = divmod(4 * (MARGIN + 8 * row + y) + down, 4)
        left, fx = divmod(4 * (MARGIN + 8 * column + x) + right, 4)
        value = sum(
            (fy if i else 4 - fy) * (fx if j else 4 - fx) * int(reference[top + i, left + j])
            for i, j in itertools.product((0, 1), (0, 1))
        )
        here = int(current[MARGIN + 8 * row + y, MARGIN + 8 * column + x])
        total += abs(here - (value + 8) // 16)
    return total


@settings(max_examples=examples(40), deadline=None)
@given(
    st.integers(0, 99), st.integers(0, 2), st.integers(0, 3), st.integers(-60, 60),
    st.integers(-60, 60),
)  # fmt: skip
def test_differences_are_those_of_a_plain_sum(
    seed: int, row: int, column: int, down: int, right: int
) -> None:
    a, b = (np.pad(noise(seed + k, 24, 32), MARGIN, mode="edge") for k in (0, 1))
    expected = plain_difference(a, b, row, column, down, right)
    assert motion.difference(a, b, row, column, down, right) == expected
    top, left = MARGIN - 4 + 8 * row, MARGIN - 4 + 8 * column
    assert plain_window_difference(
        a, b, top, left, top + (down >> 2), left + (right >> 2), down & 3, right & 3
    ) == expected  # fmt: skip


def test_differences_of_black_and_white_do_not_overflow() -> None:
    black, white = np.zeros((112, 112), np.uint8), np.full((112, 112), 255, np.uint8)
    for down, right in ((0, 0), (1, 3)):
        for a, b in ((black, white), (white, black)):
            assert motion.difference(a, b, 0, 0, down, right) == 8 * 16 * 255


def test_windows_stay_inside() -> None:
    plane = np.pad(noise(0, 24, 32), MARGIN, mode="edge")
    for down, right in ((-5000, 0), (5000, 0), (0, -5000), (0, 5000), (32767, -32768)):
        assert motion.difference(plane, plane, 1, 1, down, right) == 1 << 30


@pytest.mark.parametrize(("down", "right"), [(0, 0), (3, -2), (-7, 9), (8, 5)])
def test_a_moving_picture_is_followed(down: int, right: int) -> None:
    """Moved again in each picture, so that the whole way is longer than any search."""
    big = noise(1, 300, 300, smooth=30)
    pictures = [
        big[80 + k * down : 208 + k * down, 80 + k * right : 208 + k * right] for k in range(4)
    ]
    *_, last = motion.block_motion(pictures)
    assert last.shape == (16, 16, 2)
    found = last[6:10, 6:10].reshape(-1, 2)
    np.testing.assert_array_equal(found, np.broadcast_to([12 * down, 12 * right], found.shape))


def plain_vector(vectors: NDArray[np.int16], y: int, x: int) -> tuple[int, int]:
    rows, columns = vectors.shape[:2]
    own = vectors[y // 8, x // 8].astype(int)
    mixed, total = np.zeros(2), 0.0
    for r, c in itertools.product(range(-1, rows + 1), range(-1, columns + 1)):
        weight = max(0.0, 1 - abs(y - 8 * r - 3.5) / 8) * max(0.0, 1 - abs(x - 8 * c - 3.5) / 8)
        other = vectors[min(max(r, 0), rows - 1), min(max(c, 0), columns - 1)].astype(int)
        if np.abs(other - own).sum() < 6:
            mixed += weight * other
            total += weight
    down, right = np.floor(4 * mixed / total + 0.5 + 1e-9)
    return int(down), int(right)


def plain_sample(plane: NDArray[np.int16], y: int, x: int, down: int, right: int) -> int:
    height, width = plane.shape
    total = 0
    for i, j in itertools.product(range(4), range(4)):
        r = min(max(y + (down >> 4) + i - 1, 0), height - 1)
        c = min(max(x + (right >> 4) + j - 1, 0), width - 1)
        total += (
            int(texture.TAPS[down & 15, i]) * int(texture.TAPS[right & 15, j]) * int(plane[r, c])
        )
    return (total + (1 << 13)) >> 14


@settings(max_examples=examples(25), deadline=None)
@given(st.integers(0, 999), st.sampled_from([3, 12, 400]))
def test_kernels_are_their_plain_counterparts(seed: int, largest: int) -> None:
    random = np.random.default_rng(seed)
    vectors = random.integers(-largest, largest + 1, (2, 3, 2)).astype(np.int16)
    plane = random.integers(-255, 256, (16, 24)).astype(np.int16)
    places = texture.dense(vectors)
    moved = texture.sampled(plane, places)
    for y, x in itertools.product(range(16), range(24)):
        assert tuple(places[y, x]) == plain_vector(vectors, y, x)
        assert moved[y, x] == plain_sample(plane, y, x, *map(int, places[y, x]))


@given(st.integers(1, 40), st.integers(1, 9))
def test_bands_are_all_rows_once(rows: int, threads: int) -> None:
    seen = np.zeros(rows, int)

    def kernel(first: int, end: int, count: NDArray[np.int_]) -> None:
        assert first < end
        count[first:end] += 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bands, "default_threads", lambda: threads)
        in_bands(rows, kernel, seen)
    assert (seen == 1).all()


def test_taps_keep_what_is_constant_and_what_is_in_place() -> None:
    assert (texture.TAPS.sum(1) == 128).all()
    np.testing.assert_array_equal(texture.TAPS[0], [0, 128, 0, 0])
    np.testing.assert_array_equal(texture.TAPS[8], texture.TAPS[8][::-1])


@settings(max_examples=examples(25), deadline=None)
@given(st.integers(0, 999))
def test_likeness_is_a_mean_over_a_window(seed: int) -> None:
    random = np.random.default_rng(seed)
    plane = random.integers(0, 256, (16, 24)).astype(np.uint8)
    predicted = np.clip(plane + random.integers(-12, 13, plane.shape), -30, 280).astype(np.int16)
    alike = texture.likeness(plane, predicted)
    difference = np.pad(np.abs(plane.astype(int) - predicted), 4, mode="edge")
    for y, x in itertools.product(range(16), range(24)):
        mean = difference[y : y + 9, x : x + 9].mean()
        assert abs(alike[y, x] - 256 * min(max((8 - mean) / 5, 0), 1)) <= 1


def picture(luma: NDArray[np.uint8]) -> Picture:
    luma = np.ascontiguousarray(luma)
    half = np.ascontiguousarray(luma[::2, ::2])
    return Picture(luma, half // 2 + 50, 200 - half // 2)


def test_texture_moves_with_what_carries_it_and_ends_where_something_else_is_seen() -> None:
    big = noise(2, 160, 200, smooth=6)
    change = np.random.default_rng(3).integers(-9, 10, (160, 200))
    textured = np.clip(big + change, 0, 255).astype(np.uint8)
    views = [(slice(40 + 2 * k, 104 + 2 * k), slice(60 - 4 * k, 140 - 4 * k)) for k in range(3)]
    pictures = [picture(big[view]) for view in views]
    other = big[views[2]].copy()
    other[24:56, 32:64] = 255 - other[24:56, 32:64]
    pictures[2] = picture(other)
    asked = list(
        texture.carried(
            pictures, picture(textured[views[0]]), motion.block_motion(p.y for p in pictures)
        )
    )
    np.testing.assert_array_equal(asked[0].y, textured[views[0]])
    np.testing.assert_array_equal(asked[1].y[16:40, 24:48], textured[views[1]][16:40, 24:48])
    np.testing.assert_array_equal(asked[2].y[32:48, 40:56], other[32:48, 40:56])


def test_without_a_deviation_nothing_changes() -> None:
    pictures = [picture(noise(k, 32, 48, smooth=2)) for k in range(3)]
    asked = texture.carried(pictures, pictures[0], motion.block_motion(p.y for p in pictures))
    for before, after in zip(pictures, asked, strict=True):
        for a, b in zip(before.planes, after.planes, strict=True):
            np.testing.assert_array_equal(a, b)
