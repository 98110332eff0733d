"""All evaluators of integer networks give the same bits, at the bounds and for any number of threads."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.generators.plain_model import plain_network
from refcodec.intnet import evaluate_numpy
from refcodec.intnet.backends import available, evaluator
from refcodec.intnet.bounds import ACCUMULATOR_LIMIT, check_bounds
from refcodec.intnet.graph import Network
from refcodec.intnet.random_graph import random_network
from spec.model import integer_network

FAST = [name for name in available() if name != "numpy"]


def random_input(network: Network, seed: int, height: int, width: int, ends: bool) -> np.ndarray:
    """Values over the whole declared range, or only its two ends, which drive sums to their bounds."""
    rng = np.random.default_rng(seed)
    item = network.inputs[0]
    shape = (item.channels, 4 * height, 4 * width)
    if ends:
        return rng.choice([item.lo, item.hi], shape).astype(np.int16)
    return rng.integers(item.lo, item.hi + 1, shape).astype(np.int16)


networks = st.builds(
    random_network, st.integers(0, 2**32), st.integers(1, 16), extreme=st.booleans()
)


def test_torch_is_among_the_evaluators_where_it_is_installed() -> None:
    assert ("torch" in FAST) == (importlib.util.find_spec("torch") is not None)


@pytest.mark.parametrize("backend", FAST)
@given(networks, st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 5), st.booleans())
@settings(max_examples=60, deadline=None)
def test_evaluators_agree(
    backend: str, network: Network, seed: int, height: int, width: int, ends: bool
) -> None:
    x = random_input(network, seed, height, width, ends)
    expected = evaluate_numpy.evaluate(network, {"x": x})
    for threads in (1, 2):
        found = evaluator(backend)(network, {"x": x}, threads)
        assert set(found) == set(expected)
        for name, tensor in expected.items():
            assert found[name].dtype == np.int16
            np.testing.assert_array_equal(found[name], tensor)


@given(networks, st.integers(0, 2**32), st.booleans())
@settings(max_examples=15, deadline=None)
def test_the_specification_agrees_with_the_reference(
    network: Network, seed: int, ends: bool
) -> None:
    x = random_input(network, seed, 1, 1, ends)
    expected = evaluate_numpy.evaluate(network, {"x": x})
    found = integer_network.evaluate(plain_network(network), {"x": x.tolist()})
    for name, tensor in expected.items():
        assert found[name] == tensor.tolist()


@given(networks, st.integers(0, 2**32), st.booleans())
@settings(max_examples=60, deadline=None)
def test_values_stay_within_the_ranges_that_were_proved(
    network: Network, seed: int, ends: bool
) -> None:
    ranges = check_bounds(network).ranges
    x = random_input(network, seed, 2, 2, ends)
    every = Network(
        network.name,
        network.inputs,
        network.nodes,
        tuple(node.output for node in network.nodes),
        network.channels,
    )
    for name, tensor in evaluate_numpy.evaluate(every, {"x": x}).items():
        lo, hi = ranges[name]
        assert (tensor >= lo[:, None, None]).all() and (tensor <= hi[:, None, None]).all()


@pytest.mark.parametrize("seed", range(6))
def test_extreme_networks_reach_the_accumulator_bound(seed: int) -> None:
    network = random_network(seed, 10, extreme=True)
    worst = max(bounds.accumulator for bounds in check_bounds(network).nodes.values())
    assert worst == ACCUMULATOR_LIMIT - 1


@pytest.mark.parametrize("backend", FAST)
def test_large_tensors_are_cut_into_strips_without_seams(backend: str) -> None:
    network = random_network(11, 14)
    x = random_input(network, 5, 24, 40, False)
    expected = evaluate_numpy.evaluate(network, {"x": x})
    for threads in (1, 2, 3):
        for name, tensor in evaluator(backend)(network, {"x": x}, threads).items():
            np.testing.assert_array_equal(tensor, expected[name])
