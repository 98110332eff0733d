"""Distances of unit feature vectors, and the RGB behind them: kernels, torch operations and definitions agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refcodec.metrics.lpips_layers import EPSILON, NETS, Net
from refcodec.metrics.lpips_weights import file_name
from tests.property.examples import examples
from tests.unit.test_metrics import random_weights

torch = pytest.importorskip("torch")

from refcodec.fitting import unit_distance as module  # noqa: E402
from refcodec.fitting.distortion import LpipsDistance  # noqa: E402
from refcodec.fitting.feature_distance import FeatureDistance, FeatureNetwork  # noqa: E402
from refcodec.fitting.scaled_rgb import scaled_rgb, scaled_rgb_plain  # noqa: E402
from refcodec.fitting.unit_distance import (  # noqa: E402
    Norm,
    target_of,
    unit_distance,
    unit_distance_plain,
)
from refcodec.metrics.analysis_features import NORM_FLOOR  # noqa: E402
from refcodec.metrics.lpips_torch import MINIMUM_SQUARED_NORM, LpipsModule  # noqa: E402
from refcodec.metrics.mixed_precision import mixed_precision  # noqa: E402
from refcodec.twin.planes import Planes  # noqa: E402

NORMS = (Norm(least=MINIMUM_SQUARED_NORM, after=EPSILON), Norm(added=NORM_FLOOR))
ROUNDING = {torch.float32: 0.0, torch.bfloat16: 2.0**-8}
"""Of a derivative that is kept in a type, beyond that of sums in float32."""


def length(v: torch.Tensor, norm: Norm) -> torch.Tensor:
    squares = v.square().sum(1, keepdim=True).clamp_min(norm.least)
    return (squares + norm.added).sqrt() + norm.after


@given(
    st.tuples(st.integers(1, 70), st.integers(1, 9), st.integers(1, 9)),
    st.sampled_from(NORMS),
    st.sampled_from(list(ROUNDING)),
    st.sampled_from([torch.channels_last, torch.contiguous_format]),
    st.sampled_from([1.0, 1e-4, 1e-8]),
    st.integers(0, 2**32),
)
@settings(max_examples=examples(80), deadline=None)
def test_kernels_and_torch_operations_are_the_definition(
    shape: tuple[int, int, int],
    norm: Norm,
    dtype: torch.dtype,
    layout: torch.memory_format,
    size: float,
    seed: int,
) -> None:
    generator = torch.Generator().manual_seed(seed)

    def activations() -> torch.Tensor:
        x = torch.randn(1, *shape, generator=generator).relu() * size
        x *= torch.rand(1, 1, *shape[1:], generator=generator) > 0.2  # some vectors are zero
        return x.to(dtype)

    x, other = activations().contiguous(memory_format=layout).requires_grad_(), activations()
    weights = torch.rand(shape[0], generator=generator)
    target = target_of(other, norm)

    exact = x.detach().double().requires_grad_()
    unit = other.double() / length(other.double(), norm)
    squares = (exact / length(exact, norm) - unit).square() * weights[:, None, None]
    expected = squares.sum(1).mean()
    (slope,) = torch.autograd.grad(3 * expected, exact)
    value = float(expected.detach())
    lengths = length(exact.detach(), norm)
    parts = (exact.detach() / lengths + unit) * weights[:, None, None]
    terms = 6 / lengths / lengths.numel() * parts.amax(1, keepdim=True)
    tolerance = terms * 2.0**-18 + slope.abs() * ROUNDING[dtype]

    for function in (unit_distance, unit_distance_plain):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "_PART", 256)  # more than one part
            found = function(x, target, weights, norm)
            (gradient,) = torch.autograd.grad(3 * found, x)
        assert found.dtype == torch.float32 and gradient.dtype == dtype
        assert abs(float(found.detach()) - value) <= 2e-6 * value + 1e-6 * value**0.5 + 1e-12
        assert ((gradient - slope).abs() <= tolerance).all()


def test_distances_of_equal_activations_are_nothing() -> None:
    x = torch.rand(1, 5, 4, 3, requires_grad=True)
    for norm in NORMS:
        target = target_of(x.detach(), norm)
        found = unit_distance(x, target, torch.ones(5), norm)
        (gradient,) = torch.autograd.grad(found, x)
        assert float(found.detach()) < 1e-12 and float(gradient.abs().max()) < 1e-6


def test_threads_do_not_change_a_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PART", 1000)
    x, other = torch.rand(2, 1, 30, 40, 50).bfloat16()
    target = target_of(other, NORMS[0])
    found = []
    before = torch.get_num_threads()
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        leaf = x.clone().requires_grad_()
        value = unit_distance(leaf, target, torch.rand(30, generator=torch.Generator()), NORMS[0])
        found.append((value.detach(), *torch.autograd.grad(value, leaf)))
    torch.set_num_threads(before)
    assert all(torch.equal(a, b) for one in found[1:] for a, b in zip(one, found[0], strict=True))


def test_what_cannot_be_compared_is_refused() -> None:
    x = torch.rand(1, 3, 4, 5)
    target = target_of(x, NORMS[0])
    with pytest.raises(ValueError, match="one picture"):
        target_of(torch.rand(2, 3, 4, 5), NORMS[0])
    with pytest.raises(ValueError, match="float32 or bfloat16"):
        target_of(x.double(), NORMS[0])
    with pytest.raises(ValueError, match="cannot be compared"):
        unit_distance(torch.rand(1, 3, 4, 6), target, torch.ones(3), NORMS[0])
    with pytest.raises(ValueError, match="the target is"):
        unit_distance(x.bfloat16(), target, torch.ones(3), NORMS[0])
    with pytest.raises(ValueError, match="3 float32 numbers"):
        unit_distance(x, target, torch.ones(4), NORMS[0])


def random_planes(height: int, width: int, seed: int) -> Planes:
    generator = torch.Generator().manual_seed(seed)
    y, cb, cr = (torch.rand(height // k, width // k, generator=generator) for k in (1, 2, 2))
    # so that some colours are clamped
    return Planes(y * 300 - 20, 60 + 130 * cb, 60 + 130 * cr)


EVEN = st.integers(1, 45).map(lambda half: 2 * half)


@given(EVEN, EVEN, st.integers(0, 2**32))
@settings(max_examples=examples(30), deadline=None)
def test_rgb_by_kernels_is_that_by_torch_operations(height: int, width: int, seed: int) -> None:
    planes = random_planes(height, width, seed)
    generator = torch.Generator().manual_seed(seed)
    slope, offset = 1 + torch.rand(3, generator=generator), torch.randn(3, generator=generator)
    weights = torch.randn(1, 3, height, width, generator=generator)
    results = []
    for function in (scaled_rgb, scaled_rgb_plain):
        leaves = planes.map(lambda plane: plane.clone().requires_grad_())
        rgb = function(leaves, slope, offset)
        assert rgb.is_contiguous(memory_format=torch.channels_last)
        results.append((rgb.detach(), *torch.autograd.grad((rgb * weights).sum(), list(leaves))))
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=5e-6)


def test_colours_at_the_limits_can_leave_them() -> None:
    """Black is not clamped: its derivative is not 0."""
    black = Planes(torch.full((4, 4), 16.0), *(torch.full((2, 2), 128.0) for _ in range(2)))
    black.y.requires_grad_()
    rgb = scaled_rgb(black, torch.ones(3), torch.zeros(3))
    assert (rgb == 0).all()
    (gradient,) = torch.autograd.grad(rgb.sum(), black.y)
    torch.testing.assert_close(gradient, torch.full((4, 4), 3 / 219))
    with pytest.raises(ValueError, match="not one picture"):
        scaled_rgb(Planes(black.y, black.cb, black.cr[:1]), torch.ones(3), torch.zeros(3))


@pytest.mark.parametrize("net", NETS)
def test_lpips_of_a_fit_is_lpips(net: Net, tmp_path: Path) -> None:
    file = tmp_path / file_name(net)
    weights = random_weights(net, 1)
    np.savez(file, **weights)
    plain = LpipsModule(net, weights)
    distance = LpipsDistance(file)
    a, b = (random_planes(64, 96, seed) for seed in (1, 2))
    leaves = b.map(lambda plane: plane.requires_grad_())

    def reference(planes: Planes) -> list[torch.Tensor]:
        rgb = scaled_rgb_plain(planes, torch.ones(3), torch.zeros(3))
        with mixed_precision("cpu"):
            return plain.features(rgb)

    found = distance.distance(leaves, distance.prepare(a))
    expected = plain.compare(reference(leaves), reference(a)).sum()
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-3)
    pairs = zip(
        torch.autograd.grad(found, list(leaves)),
        torch.autograd.grad(expected, list(leaves)),
        strict=True,
    )
    # a rounding of RGB to bfloat16 that falls to the other side moves derivatives by percents
    assert all(float((x - y).norm() / y.norm()) < 0.1 for x, y in pairs)


def test_the_measure_of_a_fit_is_the_measure() -> None:
    distance = FeatureDistance()
    network: FeatureNetwork = distance._network
    a, b = (random_planes(48, 80, seed) for seed in (3, 4))
    leaves = b.map(lambda plane: plane.requires_grad_())
    found = distance.distance(leaves, distance.prepare(a))
    features = [network.features(planes.map(lambda plane: plane[None])) for planes in (leaves, a)]
    expected = network.between(*features).sum()
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    pairs = zip(
        torch.autograd.grad(found, list(leaves)),
        torch.autograd.grad(expected, list(leaves)),
        strict=True,
    )
    assert all(float((x - y).norm() / y.norm()) < 1e-4 for x, y in pairs)
