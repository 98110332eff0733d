"""The kernels of intra prediction say what their plain counterparts say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refcodec.avc import intra_prediction as kernels
from refcodec.avc.plain import intra_prediction as plain
from refcodec.avc.side_information import INTER_16X16, LAST_INTRA, NOT_DECODED
from tests.property.examples import examples

STRIDE = 56
OFFSET = 3 * STRIDE + 7

Neighbours = dict[tuple[int, int], int]


def _samples(seed: int) -> Any:
    random = np.random.default_rng(seed)
    kind = seed % 4
    if kind == 0:
        return random.choice([0, 255], 24 * STRIDE).astype(np.uint8)
    if kind == 1:
        return random.choice([0, 1, 2], 24 * STRIDE).astype(np.uint8)
    return random.integers(0, 256, 24 * STRIDE).astype(np.uint8)


def _neighbours(samples: Any, n: int, available: int) -> Neighbours:
    places = []
    if available & kernels.LEFT:
        places += [(-1, y) for y in range(n)]
    if available & kernels.TOP:
        places += [(x, -1) for x in range(n)]
    if available & kernels.TOP_RIGHT:
        places += [(x, -1) for x in range(n, 2 * n)]
    if available & kernels.TOP_LEFT:
        places += [(-1, -1)]
    return {(x, y): int(samples[OFFSET + y * STRIDE + x]) for x, y in places}


def _compare(
    samples: Any,
    n: int,
    available: int,
    needed: int,
    by_equations: Callable[[Neighbours], list[list[int]]],
    by_kernel: Callable[[Any], None],
) -> None:
    """Predict by both; a sample is missing exactly when the table of needs says so, and then the
    kernel's prediction does not depend on what stands in memory."""
    p = _neighbours(samples, n, available)
    before = samples.copy()
    by_kernel(samples)
    result = samples.reshape(24, STRIDE)[3 : 3 + n, 7 : 7 + n].copy()
    if needed & ~available:
        with pytest.raises(KeyError):
            by_equations(p)
    else:
        assert result.tolist() == by_equations(p)
    # other samples stay
    samples.reshape(24, STRIDE)[3 : 3 + n, 7 : 7 + n] = before.reshape(24, STRIDE)[
        3 : 3 + n, 7 : 7 + n
    ]
    assert (samples == before).all()
    # what is not available has no influence
    garbled = 255 - before
    for (x, y), sample in p.items():
        garbled[OFFSET + y * STRIDE + x] = sample
    by_kernel(garbled)
    assert garbled.reshape(24, STRIDE)[3 : 3 + n, 7 : 7 + n].tolist() == result.tolist()


@pytest.mark.parametrize("mode", range(9))
@settings(deadline=None, max_examples=examples(60))
@given(seed=st.integers(0, 2**32 - 1), available=st.integers(0, 15))
def test_blocks_of_4x4_and_8x8(mode: int, seed: int, available: int) -> None:
    """Every mode, with every combination of neighbours."""
    needed = int(kernels.NEEDED[mode])
    lines = np.zeros(kernels.LINES_SIZE, np.uint8)
    for n, equations, kernel in (
        (4, plain.predict_intra4x4, kernels.predict_intra4x4),
        (8, plain.predict_intra8x8, kernels.predict_intra8x8),
    ):
        _compare(
            _samples(seed),
            n,
            available,
            needed,
            lambda p, equations=equations: equations(mode, p),
            lambda s, kernel=kernel: kernel(mode, s, OFFSET, STRIDE, available, lines),
        )


@pytest.mark.parametrize("mode", range(4))
@settings(deadline=None, max_examples=examples(60))
@given(seed=st.integers(0, 2**32 - 1), available=st.integers(0, 15))
def test_whole_macroblocks(mode: int, seed: int, available: int) -> None:
    """Every mode of luma and of chroma, with every combination of neighbours."""
    for n, needed, equations, kernel in (
        (16, kernels.NEEDED_16X16, plain.predict_intra16x16, kernels.predict_intra16x16),
        (8, kernels.NEEDED_CHROMA, plain.predict_chroma, kernels.predict_chroma),
    ):
        _compare(
            _samples(seed),
            n,
            available,
            int(needed[mode]),
            lambda p, equations=equations: equations(mode, p),
            lambda s, kernel=kernel: kernel(mode, s, OFFSET, STRIDE, available),
        )


@settings(deadline=None, max_examples=examples(100))
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.booleans())
def test_macroblock_neighbours(seed: int, width_mbs: int, constrained: bool) -> None:
    """Neighbours of another slice do not count, nor inter ones with constrained_intra_pred."""
    random = np.random.default_rng(seed)
    mbs = 3 * width_mbs
    cuts = np.sort(random.integers(0, mbs + 1, 2))
    slice_table = np.searchsorted(cuts, np.arange(mbs), side="right").astype(np.int32)
    slice_table[random.random(mbs) < 0.1] = NOT_DECODED
    mb_type = random.integers(0, INTER_16X16 + 1, mbs).astype(np.uint8)
    for mb in range(mbs):
        if slice_table[mb] == NOT_DECODED:
            continue
        expected = 0
        for bit, dx, dy in (
            (kernels.LEFT, -1, 0),
            (kernels.TOP, 0, -1),
            (kernels.TOP_RIGHT, 1, -1),
            (kernels.TOP_LEFT, -1, -1),
        ):
            x, y = mb % width_mbs + dx, mb // width_mbs + dy
            if 0 <= x < width_mbs and y >= 0:
                other = y * width_mbs + x
                same = slice_table[other] == slice_table[mb]
                if same and not (constrained and mb_type[other] > LAST_INTRA):
                    expected |= bit
        found = kernels.macroblock_availability(
            mb, width_mbs, int(constrained), slice_table, mb_type
        )
        assert found == expected
