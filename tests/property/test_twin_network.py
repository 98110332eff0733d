"""The differentiable IntNet: values equal the integer reference, gradients follow the stated rule."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from refcodec.intnet import evaluate_numpy
from refcodec.intnet.graph import Network, NetworkInput, Node
from refcodec.intnet.random_graph import random_network

torch = pytest.importorskip("torch")

from refcodec.twin.integer_network import Arithmetic, NetworkTwin, evaluate  # noqa: E402


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


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_smooth_gradients_are_the_derivative(seed: int) -> None:
    network = random_network(seed, nodes=10)
    item = network.inputs[0]
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand((1, item.channels, 8, 8), generator=generator, dtype=torch.float64)
    x = (item.lo + (item.hi - item.lo) * x).requires_grad_()
    twin = NetworkTwin(network, dtype=torch.float64)

    direction = torch.rand(x.shape, generator=generator, dtype=torch.float64) - 0.5

    def function(values: torch.Tensor) -> torch.Tensor:
        out = twin({item.name: values}, arithmetic=Arithmetic.SMOOTH)
        return torch.stack([each.mean() for each in out.values()]).sum()

    at = function(x)
    value = float(at.detach())
    with torch.no_grad():
        ahead, behind = (function(x + step * direction) for step in (1e-7, -1e-7))
    forward, backward = (float(ahead) - value) / 1e-7, (value - float(behind)) / 1e-7
    # between the two an end of a range or a place of a table was met: no derivative
    assume(abs(forward - backward) <= 1e-4 * abs(forward) + 1e-5)
    (gradient,) = torch.autograd.grad(at, x, allow_unused=True)
    slope = 0.0 if gradient is None else float((gradient * direction).sum())
    assert slope == pytest.approx((forward + backward) / 2, rel=1e-3, abs=1e-4)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_checkpoints_change_nothing(seed: int) -> None:
    network = random_network(seed, nodes=25)
    item = network.inputs[0]
    rng = np.random.default_rng(seed)
    values = rng.integers(item.lo, item.hi + 1, (1, item.channels, 8, 8)).astype(np.float32)
    found = []
    for checkpoints in (False, True):
        x = torch.from_numpy(values).requires_grad_()
        out = NetworkTwin(network)({item.name: x}, checkpoints=checkpoints)
        total = torch.stack([each.square().mean() for each in out.values()]).sum()
        (gradient,) = torch.autograd.grad(total, x, allow_unused=True)
        found.append((out, x.new_zeros(()) if gradient is None else gradient))
    for name, each in found[0][0].items():
        torch.testing.assert_close(each, found[1][0][name], rtol=0, atol=0)
    torch.testing.assert_close(found[0][1], found[1][1], rtol=0, atol=0)


def test_fast_arithmetic_is_nearly_exact() -> None:
    twin = NetworkTwin(one_convolution(9, 2047))
    x = torch.from_numpy(np.random.default_rng(1).integers(-100, 101, (1, 2, 64, 64))).float()
    exact = twin({"x": x})["y"]
    fast = twin({"x": x}, arithmetic=Arithmetic.FAST)["y"]
    assert float((exact - fast).abs().max()) <= 1
    assert float((exact != fast).float().mean()) < 1e-3
