"""The vector kernels agree with the plain ones at every width, with and without the instructions' special cases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refcodec.intnet import evaluate_numpy
from refcodec.intnet.backends import available, evaluator, resolve
from refcodec.intnet.graph import Network
from refcodec.intnet.random_graph import Builder

VECTOR = [name for name in ("avx2", "vnni") if name in available()]
RANGES = [(-128, 127), (0, 255), (-2047, 2047), (-32768, 32767), (-300, -60), (32512, 32767)]


@st.composite
def layers(draw: st.DrawFn) -> Network:
    """One convolution: widths around the lanes of a vector, inputs of 8 and of 16 bits, sums up to the bound."""
    builder = Builder("layer", np.random.default_rng(draw(st.integers(0, 2**32))))
    op = draw(st.sampled_from(["conv1x1", "conv3x3", "depthwise3x3"]))
    channels = draw(st.sampled_from([1, 2, 3, 4, 15, 16, 17, 32, 48, 64, 80]))
    x = builder.input("x", channels, *draw(st.sampled_from(RANGES)))
    outputs = draw(st.sampled_from([1, 7, 8, 9, 15, 16, 17, 33, 48, 64, 65, 80, 128]))
    lo, hi = draw(st.sampled_from(RANGES))
    return builder.build([builder.conv(op, x, outputs, lo, hi, extreme=draw(st.booleans()))])


@pytest.mark.parametrize("backend", VECTOR)
@given(layers(), st.integers(0, 2**32), st.integers(1, 7), st.integers(1, 9), st.booleans())
@settings(max_examples=150, deadline=None)
def test_products_and_filters_agree_with_the_reference(
    backend: str, network: Network, seed: int, height: int, width: int, ends: bool
) -> None:
    rng = np.random.default_rng(seed)
    item = network.inputs[0]
    shape = (item.channels, height, width)
    x = rng.choice([item.lo, item.hi], shape) if ends else rng.integers(item.lo, item.hi + 1, shape)
    given_x = {"x": x.astype(np.int16)}
    (expected,) = evaluate_numpy.evaluate(network, given_x).values()
    (found,) = evaluator(backend)(network, given_x, 1).values()
    np.testing.assert_array_equal(found, expected)


def test_auto_is_the_fastest_that_runs_without_torch() -> None:
    assert (
        resolve("auto") == [name for name in ("float32", "avx2", "vnni") if name in available()][-1]
    )


def test_unknown_backends_are_refused() -> None:
    with pytest.raises(ValueError, match="no backend"):
        evaluator("abacus")
