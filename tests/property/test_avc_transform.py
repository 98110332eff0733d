"""The kernels of scaling and transforms say what their plain counterparts say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import config

from refcodec.avc import transform, vector_transform
from refcodec.avc.plain import transform as plain
from tests.property.examples import examples

QP = st.integers(0, 51)

# vectors exist in compiled code only
MODULES = [transform] if getattr(config, "DISABLE_JIT", False) else [transform, vector_transform]
KERNELS: Any = st.sampled_from(MODULES)
SEEDS = st.integers(0, 2**32 - 1)
LIMITS = st.sampled_from([1, 2, 40, 2063, 32767])


def _levels(seed: int, limit: int, count: int, size: int) -> Any:
    """Return `size` levels, up to `count` of them not zero, some at the limits of 16 bits."""
    random = np.random.default_rng(seed)
    levels = np.zeros(size, np.int16)
    places = random.permutation(size)[:count]
    levels[places] = random.integers(-limit - 1, limit + 1, len(places))
    if seed % 3 == 0:
        levels[places[::2]] = random.choice([-32768, 32767], len(places[::2]))
    return levels


def _weights(seed: int, size: int) -> Any:
    random = np.random.default_rng(seed)
    if seed % 4 == 0:
        return np.full(size, 16, np.uint8)
    if seed % 4 == 1:
        return np.full(size, 255, np.uint8)
    return random.integers(1, 256, size).astype(np.uint8)


def test_norm_adjust_is_that_of_the_equations() -> None:
    """Equal at every place."""
    for m in range(6):
        assert transform.NORM_ADJUST4X4[m].tolist() == [
            plain.norm_adjust4x4(m, i, j) for i in range(4) for j in range(4)
        ]
        assert transform.NORM_ADJUST8X8[m].tolist() == [
            plain.norm_adjust8x8(m, i, j) for i in range(8) for j in range(8)
        ]


def test_chroma_quantisers_are_those_of_the_table() -> None:
    """Equal for every luma quantiser and offset."""
    for qp in range(52):
        for offset in range(-12, 13):
            assert transform.chroma_qp(qp, offset) == plain.chroma_qp(qp, offset)


def test_level_scale_has_lists_and_quantisers_in_their_places() -> None:
    """Each entry is weightScale times normAdjust."""
    random = np.random.default_rng(1)
    weights4x4 = random.integers(1, 256, (3, 6, 16)).astype(np.uint8)
    weights8x8 = random.integers(1, 256, (3, 2, 64)).astype(np.uint8)
    scale4x4 = transform.level_scale4x4(weights4x4)
    scale8x8 = transform.level_scale8x8(weights8x8)
    assert scale4x4.shape == (3, 6, 6, 16)
    assert scale8x8.shape == (3, 2, 6, 64)
    assert scale4x4.dtype == scale8x8.dtype == np.int32
    for s, k, m, p in np.ndindex(3, 6, 6, 16):
        expected = int(weights4x4[s, k, p]) * plain.norm_adjust4x4(m, p // 4, p % 4)
        assert scale4x4[s, k, m, p] == expected
    for s, k, m, p in np.ndindex(3, 2, 6, 64):
        expected = int(weights8x8[s, k, p]) * plain.norm_adjust8x8(m, p // 8, p % 8)
        assert scale8x8[s, k, m, p] == expected


@settings(deadline=None, max_examples=examples(300))
@given(KERNELS, SEEDS, LIMITS, st.sampled_from([1, 2, 5, 16]), QP, st.booleans())
def test_4x4_blocks(
    kernels: Any, seed: int, limit: int, count: int, qp: int, other_dc: bool
) -> None:
    """With c_00 of the block, and with a DC that comes from elsewhere."""
    levels = _levels(seed, limit, count, 16)
    weights = _weights(seed, 16)
    scale = transform.level_scale4x4(weights.reshape(1, 1, 16)).reshape(-1)
    d = plain.scale4x4(levels.reshape(4, 4), weights.reshape(4, 4), qp)
    if other_dc:
        d[0, 0] = seed % 65537 - 32768
    expected = plain.inverse_transform(d)
    residual = np.full(120, 77, np.int32)
    ac = bool(levels[1:].any())
    kernels.inverse_transform4x4(
        levels, 0, scale, 16 * (qp % 6), qp // 6, int(d[0, 0]), ac, residual, 5, 24
    )
    written = residual[5 : 5 + 96].reshape(4, 24)
    assert written[:, :4].tolist() == expected.tolist()
    assert (written[:, 4:] == 77).all()
    assert (residual[:5] == 77).all()
    assert (residual[101:] == 77).all()


@settings(deadline=None, max_examples=examples(300))
@given(KERNELS, SEEDS, LIMITS, st.sampled_from([1, 2, 4, 12, 64]), QP, st.booleans())
def test_8x8_blocks(
    kernels: Any, seed: int, limit: int, count: int, qp: int, dc_only: bool
) -> None:
    """Counted as under CAVLC, and as under CABAC, which counts four times."""
    levels = _levels(seed, limit, count, 64)
    if dc_only:
        levels[0] |= 1
        levels[1:] = 0
    weights = _weights(seed, 64)
    scale = transform.level_scale8x8(weights.reshape(1, 1, 64)).reshape(-1)
    expected = plain.inverse_transform(
        plain.scale8x8(levels.reshape(8, 8), weights.reshape(8, 8), qp)
    )
    used = np.count_nonzero(levels)
    for counted in (used, 4 * min(used, 16)):
        residual = np.full(220, 77, np.int32)
        kernels.inverse_transform8x8(
            levels, 0, scale, 64 * (qp % 6), qp // 6, counted, residual, 9, 24,
            np.empty(64, np.int64),
        )  # fmt: skip
        written = residual[9 : 9 + 192].reshape(8, 24)
        assert written[:, :8].tolist() == expected.tolist()
        assert (written[:, 8:] == 77).all()


@pytest.mark.parametrize("kernels", MODULES)
@pytest.mark.parametrize("sign", [-32768, 32767])
def test_the_largest_residual_does_not_wrap(kernels: Any, sign: int) -> None:
    """All levels, weights and quantisers at their limits, with the signs that add up."""
    for size, kernel_scale in ((4, transform.level_scale4x4), (8, transform.level_scale8x8)):
        weights = np.full(size * size, 255, np.uint8)
        scale = kernel_scale(weights.reshape(1, 1, -1)).reshape(-1)
        levels = np.full(size * size, sign, np.int16)
        residual = np.zeros(64, np.int32)
        for qp in range(46, 52):
            if size == 4:
                d = plain.scale4x4(levels.reshape(4, 4), weights.reshape(4, 4), qp)
                kernels.inverse_transform4x4(
                    levels, 0, scale, 16 * (qp % 6), qp // 6, int(d[0, 0]), True, residual, 0, 4
                )
            else:
                d = plain.scale8x8(levels.reshape(8, 8), weights.reshape(8, 8), qp)
                work = np.empty(64, np.int64)
                kernels.inverse_transform8x8(
                    levels, 0, scale, 64 * (qp % 6), qp // 6, 64, residual, 0, 8, work
                )
            expected = plain.inverse_transform(d)
            assert residual[: size * size].tolist() == expected.reshape(-1).tolist()


@settings(deadline=None, max_examples=examples(200))
@given(SEEDS, LIMITS, QP)
def test_intra16x16_dc(seed: int, limit: int, qp: int) -> None:
    """The sixteen DC levels, spread over the macroblock."""
    levels = np.zeros(384, np.int16)
    levels[0:256:16] = _levels(seed, limit, 16, 16)
    weight = int(_weights(seed, 1)[0])
    expected = plain.intra16x16_dc(levels[0:256:16].reshape(4, 4), weight, qp)
    work = np.zeros(16, np.int64)
    scale = weight * plain.norm_adjust4x4(qp % 6, 0, 0)
    transform.intra16x16_dc(levels, 0, scale, qp // 6, work)
    assert work.tolist() == expected.reshape(-1).tolist()


@settings(deadline=None, max_examples=examples(200))
@given(SEEDS, LIMITS, st.integers(0, 39))
def test_chroma_dc(seed: int, limit: int, qp_c: int) -> None:
    """The four DC levels of a component."""
    levels = np.zeros(64, np.int16)
    levels[::16] = _levels(seed, limit, 4, 4)
    weight = int(_weights(seed, 1)[0])
    expected = plain.chroma_dc(levels[::16].reshape(2, 2), weight, qp_c)
    work = np.zeros(4, np.int64)
    scale = weight * plain.norm_adjust4x4(qp_c % 6, 0, 0)
    transform.chroma_dc(levels, 0, scale, qp_c // 6, work)
    assert work.tolist() == expected.reshape(-1).tolist()


@settings(deadline=None, max_examples=examples(100))
@given(KERNELS, SEEDS, st.sampled_from([4, 8]), st.sampled_from([3, 300, 2**30]))
def test_residual_is_added_and_clipped(kernels: Any, seed: int, size: int, limit: int) -> None:
    """Samples outside of the block stay as they are."""
    random = np.random.default_rng(seed)
    picture = random.integers(0, 256, (24, 40)).astype(np.uint8)
    residual = random.integers(-limit, limit, (size, 20)).astype(np.int32)
    expected = picture.astype(np.int64)
    expected[3 : 3 + size, 5 : 5 + size] += residual[:, :size]
    samples = picture.reshape(-1).copy()
    add = kernels.add_residual4x4 if size == 4 else kernels.add_residual8x8
    add(samples, 3 * 40 + 5, 40, residual.reshape(-1), 0, 20)
    assert samples.reshape(24, 40).tolist() == np.clip(expected, 0, 255).tolist()
