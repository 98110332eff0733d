"""The upscaler: equal to its plain counterpart, its table, and its geometry."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from refcodec.upscaling import Upscaler
from refcodec.upscaling.taps import tap_table
from spec import data
from spec.model import upscaling as plain
from spec.tables import upscaler_taps

Planes = tuple[np.ndarray, np.ndarray, np.ndarray]


def random_planes(seed: int, width: int, height: int, extreme: bool = False) -> Planes:
    rng = np.random.default_rng(seed)
    y, u, v = (
        rng.integers(0, 256, size, np.uint8)
        for size in ((height, width), (height // 2, width // 2), (height // 2, width // 2))
    )
    if extreme:
        y, u, v = ((plane >> 7) * 255 for plane in (y, u, v))
    return y, u, v


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    coded=st.tuples(st.integers(1, 35), st.integers(1, 35)),
    presented=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    extreme=st.booleans(),
)
@example(seed=0, coded=(1, 1), presented=(90, 1), extreme=True)
@example(seed=0, coded=(35, 35), presented=(1, 1), extreme=True)
@example(seed=0, coded=(20, 20), presented=(39, 41), extreme=True)
def test_equals_the_plain_counterpart(
    seed: int, coded: tuple[int, int], presented: tuple[int, int], extreme: bool
) -> None:
    width, height = 2 * coded[0], 2 * coded[1]
    planes = random_planes(seed, width, height, extreme)
    picture = Upscaler(width, height, *presented).upscale(planes)
    expected = plain.upscale(*(p.tolist() for p in planes), *presented, tap_table().tolist())
    assert [plane.tolist() for plane in picture.planes] == list(expected)


def test_threads_and_row_strides_change_nothing() -> None:
    planes = random_planes(3, 70, 44)
    upscaler = Upscaler(70, 44, 105, 67)
    alone = upscaler.upscale(planes)
    wide = tuple(
        np.pad(plane, ((0, 3), (0, 9)))[: plane.shape[0], : plane.shape[1]] for plane in planes
    )
    with ThreadPoolExecutor(2) as pool:
        assert upscaler.upscale(wide, pool).same_as(alone)  # type: ignore[arg-type]


def test_equal_sizes_change_nothing() -> None:
    planes = random_planes(4, 34, 18)
    picture = Upscaler(34, 18, 34, 18).upscale(planes)
    assert all(np.array_equal(a, b) for a, b in zip(picture.planes, planes, strict=True))
    taps = tap_table().tolist()
    assert (
        plain.upscale_plane(planes[0].tolist(), 34, 18, plain.CENTRED, taps) == planes[0].tolist()
    )


@pytest.mark.parametrize("value", [0, 16, 127, 255])
@pytest.mark.parametrize("presented", [(49, 33), (31, 15), (320, 16)])
def test_constant_pictures_stay_constant(value: int, presented: tuple[int, int]) -> None:
    planes = tuple(np.full(size, value, np.uint8) for size in ((16, 32), (8, 16), (8, 16)))
    picture = Upscaler(32, 16, *presented).upscale(planes)  # type: ignore[arg-type]
    assert all((plane == value).all() for plane in picture.planes)


def test_ramps_keep_their_place() -> None:
    """A ramp at the place of each sample stays that ramp: luma and vertical chroma centred,
    horizontal chroma on even luma columns."""
    x = np.arange(64)
    y = np.broadcast_to((2 * x + 20).astype(np.uint8), (32, 64)).copy()
    chroma = np.broadcast_to((4 * x[:32] + 20).astype(np.uint8), (16, 32)).copy()
    picture = Upscaler(64, 32, 96, 48).upscale((y, chroma, chroma))
    luma_place = (np.arange(96) + 0.5) * 2 / 3 - 0.5
    # presented chroma k lies on presented luma column 2k
    chroma_place = luma_place[::2] / 2
    inner = slice(6, -6)
    assert np.abs(picture.y[8, inner] - (2 * luma_place + 20)[inner]).max() < 0.75
    assert np.abs(picture.u[8, inner] - (4 * chroma_place + 20)[inner]).max() < 0.75


def test_agrees_with_another_lanczos_filter() -> None:
    rng = np.random.default_rng(5)
    small = Image.fromarray(rng.integers(0, 256, (12, 12), np.uint8))
    smooth = np.asarray(small.resize((48, 48), Image.Resampling.BICUBIC))
    chroma = np.zeros((24, 24), np.uint8)
    ours = Upscaler(48, 48, 72, 72).upscale((smooth.copy(), chroma, chroma)).y
    theirs = np.asarray(Image.fromarray(smooth).resize((72, 72), Image.Resampling.LANCZOS))
    inner = slice(8, -8)
    distance = np.abs(ours[inner, inner].astype(int) - theirs[inner, inner]).mean()
    displaced = np.abs(ours[inner, 9:-7].astype(int) - theirs[inner, inner]).mean()
    # Taps of 6 bits differ a little from exact ones; a displacement would differ by far more.
    assert distance < 1.5 < displaced / 4


def test_table_is_what_its_tool_makes() -> None:
    assert data("tables/upscaler_taps.csv").read_text() == upscaler_taps.text()


def test_table_has_unit_gain_symmetry_and_fits_16_bits() -> None:
    taps = tap_table().astype(int)
    assert (taps.sum(1) == 64).all()
    assert np.array_equal(taps[1:], taps[:0:-1, ::-1])
    assert (255 * np.abs(taps).sum(1) < 1 << 15).all()


@pytest.mark.parametrize("sizes", [(3, 4, 8, 8), (4, 3, 8, 8), (0, 4, 8, 8), (4, 4, 0, 8)])
def test_impossible_sizes(sizes: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="size"):
        Upscaler(*sizes)


def test_planes_of_another_size() -> None:
    with pytest.raises(ValueError, match="shape"):
        Upscaler(16, 16, 32, 32).upscale(random_planes(0, 18, 16))
