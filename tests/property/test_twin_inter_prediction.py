"""Inter prediction with gradients: values of the integer decoder, gradients of what it computes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refcodec.avc.inter_prediction import predict_inter
from refcodec.avc.side_information import LAST_INTRA
from refcodec.avc.stream_decoder import PictureDetails
from tests.property.avc_pictures import CURRENT, REFERENCES, Case, random_case
from tests.property.examples import examples

torch = pytest.importorskip("torch")

from refcodec.twin.host_sequence import inter_factors, return_inter_picture  # noqa: E402
from refcodec.twin.inter_prediction import predict  # noqa: E402
from refcodec.twin.interpolation import interpolation_grids  # noqa: E402
from refcodec.twin.planes import (  # noqa: E402
    Mode,
    Planes,
    clip,
    planes_of,
    round_half_up,
    shift_right,
)

CASES = st.builds(
    random_case,
    st.integers(0, 2**32),
    st.integers(1, 5),
    st.integers(1, 3),
    st.integers(1, 3),
    st.sampled_from([2, 40, 256]),
)


def details_of(case: Case) -> PictureDetails:
    return PictureDetails(case.info, case.slices, len(case.slices.parameters), ())


def predicts(case: Case) -> bool:
    inter = (case.info.motion.mb_type > LAST_INTRA) & (case.info.slice_table >= 0)
    return bool(inter.any())


def references_of(case: Case, dtype: torch.dtype = torch.float32) -> dict[int, Planes]:
    return {1000 + k: planes_of(case.store.planes(k), dtype=dtype) for k in range(REFERENCES)}


def leaves(references: dict[int, Planes]) -> list[torch.Tensor]:
    return [plane.requires_grad_() for planes in references.values() for plane in planes]


def gradients(case: Case, mode: Mode, seed: int = 0) -> list[torch.Tensor]:
    references = references_of(case)
    inputs = leaves(references)
    out = predict(references, details_of(case), mode)
    generator = torch.Generator().manual_seed(seed)
    directions = [torch.randint(-8, 9, plane.shape, generator=generator).float() for plane in out]
    found = torch.autograd.grad(out, inputs, directions, allow_unused=True)
    return [torch.zeros_like(x) if g is None else g for x, g in zip(inputs, found, strict=True)]


@given(CASES)
@settings(max_examples=examples(60), deadline=None)
def test_values_are_those_of_the_integer_decoder(case: Case) -> None:
    for plane in case.store.planes(CURRENT):
        plane[...] = 0
    if not predicts(case):
        with pytest.raises(ValueError):
            predict(references_of(case), details_of(case), Mode.EXACT)
        return
    found = predict(references_of(case), details_of(case), Mode.EXACT)
    predict_inter(case.info, case.slices, case.store, CURRENT, 0, case.mbs)
    for plane, expected in zip(found, case.store.planes(CURRENT), strict=True):
        np.testing.assert_array_equal(plane.numpy(), expected)


@given(CASES)
@settings(max_examples=examples(15), deadline=None)
def test_smooth_gradients_are_the_derivative(case: Case) -> None:
    if not predicts(case):
        return
    references = references_of(case, torch.float64)

    def function(*planes: torch.Tensor) -> tuple[torch.Tensor, ...]:
        given = {k: Planes(*planes[3 * n : 3 * n + 3]) for n, k in enumerate(references)}
        return tuple(predict(given, details_of(case), Mode.SMOOTH))

    # the function is affine, so that a large step costs nothing and keeps the digits
    assert torch.autograd.gradcheck(
        function, leaves(references), eps=1.0, atol=1e-7, rtol=1e-9, fast_mode=True
    )


def test_smooth_gradients_entry_by_entry() -> None:
    """One picture with every entry of its Jacobian, fractions in both directions."""
    generator = torch.Generator().manual_seed(4)
    y = torch.rand((1, 5, 6), generator=generator, dtype=torch.float64) * 255
    c = torch.rand((1, 2, 3), generator=generator, dtype=torch.float64) * 255

    def function(y: torch.Tensor) -> torch.Tensor:
        return interpolation_grids(Planes(y, c, c), Mode.SMOOTH).luma

    assert torch.autograd.gradcheck(function, (y.requires_grad_(),), eps=1.0, atol=1e-7)


@given(CASES)
@settings(max_examples=examples(15), deadline=None)
def test_exact_gradients_are_those_of_smooth_mode(case: Case) -> None:
    """Rounding and clipping have the derivative 1, so nothing is left that could differ."""
    if not predicts(case):
        return
    pairs = zip(gradients(case, Mode.EXACT), gradients(case, Mode.SMOOTH), strict=True)
    for exact, smooth in pairs:
        torch.testing.assert_close(exact, smooth, rtol=0, atol=0)


@given(CASES)
@settings(max_examples=examples(15), deadline=None)
def test_smooth_values_are_near_without_clipping(case: Case) -> None:
    """The modes differ by rounding alone where no sample comes near the ends of its range."""
    if not predicts(case) or case.slices.parameters[:, 16].any():
        return
    references = {
        k: planes.map(lambda plane: torch.floor(96 + plane / 4))
        for k, planes in references_of(case).items()
    }
    exact = predict(references, details_of(case), Mode.EXACT)
    smooth = predict(references, details_of(case), Mode.SMOOTH)
    for a, b in zip(exact, smooth, strict=True):
        # half samples, their mean, and the mean of two lists round by a half at most each
        assert float((a - b).abs().max()) <= 1.5


@given(CASES, st.integers(1, 3))
@settings(max_examples=examples(10), deadline=None)
def test_batches_are_pictures_by_themselves(case: Case, count: int) -> None:
    if not predicts(case):
        return
    generator = torch.Generator().manual_seed(count)
    one = references_of(case)
    batch = {
        k: planes.map(
            lambda plane: torch.randint(0, 256, (count, *plane.shape), generator=generator).float()
        )
        for k, planes in one.items()
    }
    inputs = leaves(batch)
    together = predict(batch, details_of(case), Mode.EXACT)
    weights = [torch.rand(plane.shape, generator=generator) for plane in together]
    found = torch.autograd.grad(together, inputs, weights, allow_unused=True)
    for number in range(count):
        alone = {k: Planes(*(plane[number].detach() for plane in batch[k])) for k in batch}
        single = leaves(alone)
        planes = predict(alone, details_of(case), Mode.EXACT)
        for a, b in zip(together, planes, strict=True):
            torch.testing.assert_close(a[number], b, rtol=0, atol=0)
        expected = torch.autograd.grad(
            planes, single, [w[number] for w in weights], allow_unused=True
        )
        for g, e in zip(found, expected, strict=True):
            if g is None or e is None:
                assert g is None and e is None
            else:
                torch.testing.assert_close(g[number], e, rtol=0, atol=0)


@given(st.integers(0, 12), st.lists(st.integers(-(2**20), 2**20), min_size=1, max_size=50))
def test_shifts_round_as_integers_do(n: int, values: list[int]) -> None:
    x = torch.tensor(values, dtype=torch.float32, requires_grad=True)
    out = shift_right(x, n, Mode.EXACT)
    expected = [(value + (1 << n >> 1)) >> n for value in values]
    assert out.tolist() == expected
    (gradient,) = torch.autograd.grad(out.sum(), x)
    assert gradient.tolist() == [0.5**n] * len(values)
    assert shift_right(x, n, Mode.SMOOTH).tolist() == [value / 2**n for value in values]


def test_rounding_and_clipping_pass_the_gradient() -> None:
    x = torch.tensor([-3.0, -0.5, 0.5, 254.5, 300.0], requires_grad=True)
    out = clip(round_half_up(x, Mode.EXACT), Mode.EXACT)
    assert out.tolist() == [0, 0, 1, 255, 255]
    (gradient,) = torch.autograd.grad(out.sum(), x)
    assert gradient.tolist() == [1] * 5
    assert clip(round_half_up(x, Mode.SMOOTH), Mode.SMOOTH) is x


def kernel_gradients(case: Case, seed: int = 0) -> list[np.ndarray]:
    """The adjoint of the same directions as `gradients` takes, by the kernel."""
    planes = [np.ascontiguousarray(plane) for plane in case.store.planes(CURRENT)]
    generator = torch.Generator().manual_seed(seed)
    directions = tuple(
        torch.randint(-8, 9, plane.shape, generator=generator).float().numpy() for plane in planes
    )
    found = tuple(np.zeros((REFERENCES, *plane.shape), np.float32) for plane in planes)
    slots = np.full(1000 + REFERENCES, -1, np.int32)
    slots[1000:] = np.arange(REFERENCES)[::-1]
    details = details_of(case)
    return_inter_picture(
        details, directions, planes[0].shape[1] // 16, slots, found, inter_factors(details)
    )
    return [plane[slots[1000 + k]] for k in range(REFERENCES) for plane in found]


@given(CASES)
@settings(max_examples=examples(60), deadline=None)
def test_the_kernel_of_the_adjoint_gives_the_same_gradients(case: Case) -> None:
    if not predicts(case):
        assert not any(plane.any() for plane in kernel_gradients(case))
        return
    for made, expected in zip(kernel_gradients(case), gradients(case, Mode.EXACT), strict=True):
        np.testing.assert_allclose(made, expected.numpy(), rtol=1e-5, atol=1e-3)
