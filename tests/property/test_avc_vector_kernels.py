"""The functions on vectors of samples give what those on single samples do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import config

from refcodec.avc import block_kernels, edge_kernels, vector_blocks, vector_edges

pytestmark = pytest.mark.skipif(
    bool(getattr(config, "DISABLE_JIT", False)), reason="vectors exist in compiled code only"
)

STRIDE = 96
ROWS = 90
AT = 40 * STRIDE + 40
BIT_EXACT = settings(max_examples=200, deadline=None)
WEIGHTS = st.integers(-128, 127)


@st.composite
def sample_arrays(draw: st.DrawFn) -> np.ndarray:
    """Flat rows of samples: extremes, noise, or steps small enough to be filtered."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    size = STRIDE * ROWS
    kind = draw(st.sampled_from([0, 2, 5, 20, 255]))
    if kind == 0:
        return (rng.integers(0, 2, size) * 255).astype(np.uint8)
    middle = draw(st.integers(0, 255))
    return np.clip(middle + rng.integers(-kind, kind + 1, size), 0, 255).astype(np.uint8)


@given(
    sample_arrays(), st.sampled_from([4, 8, 16]), st.sampled_from([4, 8, 16]),
    st.integers(0, 3), st.integers(0, 3), st.integers(0, 1), st.integers(-300, 300),
)  # fmt: skip
@BIT_EXACT
def test_luma_blocks(
    samples: np.ndarray, width: int, height: int, x: int, y: int, average: int, apart: int
) -> None:
    expected = samples.copy()
    found = samples.copy()
    source = AT + apart
    for kernels, out in ((block_kernels, expected), (vector_blocks, found)):
        kernels.luma_block(
            out, 4 * STRIDE, STRIDE, samples, source, STRIDE, width, height, x, y, average
        )
    np.testing.assert_array_equal(found, expected)


@given(
    sample_arrays(), st.sampled_from([2, 4, 8]), st.sampled_from([2, 4, 8]),
    st.integers(0, 7), st.integers(0, 7), st.integers(0, 1),
)  # fmt: skip
@BIT_EXACT
def test_chroma_blocks(
    samples: np.ndarray, width: int, height: int, x: int, y: int, average: int
) -> None:
    expected = samples.copy()
    found = samples.copy()
    for kernels, out in ((block_kernels, expected), (vector_blocks, found)):
        kernels.chroma_block(
            out, 4 * STRIDE, STRIDE, 45, samples, AT, STRIDE, 20 * STRIDE,
            width, height, x, y, average,
        )  # fmt: skip
    np.testing.assert_array_equal(found, expected)


@given(
    sample_arrays(), st.sampled_from([2, 4, 8, 16]), st.sampled_from([2, 4, 8, 16]),
    st.integers(0, 7), st.integers(-128, 128), st.integers(-128, 128), WEIGHTS,
)  # fmt: skip
@BIT_EXACT
def test_weights(
    samples: np.ndarray, width: int, height: int, denominator: int, weight0: int, weight1: int,
    offset: int,
) -> None:  # fmt: skip
    expected = samples.copy()
    found = samples.copy()
    for kernels, out in ((block_kernels, expected), (vector_blocks, found)):
        kernels.weight_block(out, 4 * STRIDE, STRIDE, width, height, denominator, weight0, offset)
        kernels.weight_blocks(
            out, AT, STRIDE, samples, 8 * STRIDE, 16, width, height,
            denominator, weight0, weight1, offset,
        )  # fmt: skip
    np.testing.assert_array_equal(found, expected)


@given(
    sample_arrays(), st.integers(1, 10), st.integers(1, 8), st.integers(-40, 40),
    st.integers(0, 7), st.integers(-64, 128), st.integers(-64, 128), st.integers(-128, 127),
)  # fmt: skip
@BIT_EXACT
def test_areas(
    samples: np.ndarray, eighths: int, height: int, apart: int, denominator: int, weight0: int,
    weight1: int, offset: int,
) -> None:  # fmt: skip
    expected = samples.copy()
    found = samples.copy()
    size = (2 * STRIDE, 8 * eighths, height)
    for kernels, out in ((block_kernels, expected), (vector_blocks, found)):
        kernels.copy_area(out, 4 * STRIDE, AT + apart, *size)
        kernels.mean_area(out, 21 * STRIDE, AT + apart, 60 * STRIDE, *size)
        kernels.weight_area(
            out, 4 * STRIDE + 1, AT + apart, 61 * STRIDE, *size,
            denominator, weight0, weight1, offset,
        )  # fmt: skip
    np.testing.assert_array_equal(found, expected)


@st.composite
def edges(draw: st.DrawFn) -> tuple[int, ...]:
    """alpha, beta, the strengths and t'C0 by bS of an edge: bS 4 for all of it or for none."""
    strengths = 0x04040404
    if draw(st.integers(0, 2)):
        strengths = sum(draw(st.integers(0, 3)) << (8 * k) for k in range(4))
    limits = [sum(draw(st.integers(0, 25)) << (8 * k) for k in range(4)) for _ in range(2)]
    return draw(st.integers(1, 255)), draw(st.integers(1, 18)), strengths, *limits


@given(sample_arrays(), edges(), st.booleans(), st.integers(0, 255), st.integers(0, 18))
@settings(max_examples=400, deadline=None)
def test_edges(
    samples: np.ndarray, edge: tuple[int, ...], vertical: bool, alpha_cr: int, beta_cr: int
) -> None:
    alpha, beta, strengths, limits, limits_cr = edge
    across, along = (1, STRIDE) if vertical else (STRIDE, 1)
    expected = samples.copy()
    found = samples.copy()
    record = np.zeros(16, np.uint8)
    for kernels, out in ((edge_kernels, expected), (vector_edges, found)):
        kernels.luma_edge(out, AT, across, along, alpha, beta, strengths, limits, record, -1)
        kernels.chroma_edges(
            out, AT + 8, 17 * STRIDE, across, along, alpha, beta, limits, alpha_cr, beta_cr,
            limits_cr, strengths, record, -1, 0,
        )  # fmt: skip
    np.testing.assert_array_equal(found, expected)
