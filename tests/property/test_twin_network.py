"""The differentiable IntNet: values equal the integer reference, gradients follow the stated rule."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refcodec.intnet import evaluate_numpy
from refcodec.intnet.graph import Network, NetworkInput, Node
from refcodec.intnet.random_graph import random_network

torch = pytest.importorskip("torch")

from refcodec.twin.integer_network import evaluate  # noqa: E402


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), extreme=st.booleans())
def test_values_equal_the_integer_reference(seed: int, extreme: bool) -> None:
    network = random_network(seed, nodes=10, extreme=extreme)
    item = network.inputs[0]
    rng = np.random.default_rng(seed)
    x = rng.integers(item.lo, item.hi + 1, (item.channels, 8, 12)).astype(np.int16)
    expected = evaluate_numpy.evaluate(network, {item.name: x})
    got = evaluate(network, {item.name: torch.from_numpy(x.astype(np.float32))[None]})
    for name, value in expected.items():
        np.testing.assert_array_equal(got[name][0].numpy(), value, err_msg=name)


def one_convolution(shift: int, hi: int) -> Network:
    node = Node(
        "conv1x1", ("x",), "y", -hi, hi,
        weight=np.array([[3, -2], [1, 5]], np.int8),
        bias=np.array([7, -9], np.int32),
        multiplier=np.array([5, 11], np.int32),
        shift=shift,
    )  # fmt: skip
    return Network("one", (NetworkInput("x", 2, -100, 100),), (node,), ("y",), {"x": 2, "y": 2})


def test_gradient_is_multiplier_over_two_to_the_shift() -> None:
    x = torch.tensor([[[[4.0]], [[-6.0]]]], requires_grad=True)
    y = evaluate(one_convolution(3, 2047), {"x": x})["y"]
    (gradient,) = torch.autograd.grad(y.sum(), x)
    expected = [3 * 5 / 8 + 1 * 11 / 8, -2 * 5 / 8 + 5 * 11 / 8]
    assert gradient.flatten().tolist() == pytest.approx(expected)


def test_gradient_is_zero_where_the_output_saturates() -> None:
    x = torch.tensor([[[[90.0]], [[-90.0]]]], requires_grad=True)
    y = evaluate(one_convolution(0, 100), {"x": x})["y"]
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert y.detach().abs().max() == 100
    assert gradient.abs().max() == 0
