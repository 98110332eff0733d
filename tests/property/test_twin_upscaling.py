"""The upscaler's twin: samples of the integer upscaler, gradients of its own values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refcodec.upscaling import Upscaler
from tests.property.examples import examples

torch = pytest.importorskip("torch")

from refcodec.twin.planes import Mode, Planes, planes_of  # noqa: E402
from refcodec.twin.upscaling import UpscalerTwin  # noqa: E402

EVEN = st.integers(1, 24).map(lambda half: 2 * half)


@given(EVEN, EVEN, st.integers(1, 90), st.integers(1, 90), st.integers(0, 2**32), st.booleans())
@settings(max_examples=examples(40), deadline=None)
def test_values_are_those_of_the_integer_upscaler(
    width: int, height: int, shown_width: int, shown_height: int, seed: int, extreme: bool
) -> None:
    rng = np.random.default_rng(seed)
    sizes = ((height, width), (height // 2, width // 2), (height // 2, width // 2))
    # extremes reach the largest sums and the clipping
    values = (0, 255) if extreme else np.arange(256)
    planes = tuple(rng.choice(values, size).astype(np.uint8) for size in sizes)
    expected = Upscaler(width, height, shown_width, shown_height).upscale(planes)
    found = UpscalerTwin(width, height, shown_width, shown_height)(planes_of(planes))
    for plane, samples in zip(found, expected.planes, strict=True):
        np.testing.assert_array_equal(plane.numpy(), samples)


@pytest.mark.parametrize("shown", [(20, 14), (9, 7)])
def test_smooth_gradients_are_the_derivative_and_exact_ones_the_same(
    shown: tuple[int, int],
) -> None:
    generator = torch.Generator().manual_seed(1)
    twin = UpscalerTwin(8, 6, *shown)
    sizes = ((6, 8), (3, 4), (3, 4))
    leaves = [
        torch.randint(0, 256, size, generator=generator).double().requires_grad_() for size in sizes
    ]

    def smooth(*planes: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(twin(Planes(*planes), Mode.SMOOTH))

    assert torch.autograd.gradcheck(smooth, leaves, eps=1.0, atol=1e-7)
    exact = twin(Planes(*leaves), Mode.EXACT)
    weights = [torch.rand(plane.shape, generator=generator).double() for plane in exact]
    pairs = zip(
        torch.autograd.grad(list(exact), leaves, weights),
        torch.autograd.grad(list(smooth(*leaves)), leaves, weights),
        strict=True,
    )
    for a, b in pairs:
        torch.testing.assert_close(a, b)
