"""Intra macroblocks of the twin: values of the integer decoder, gradients of the equations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refcodec.avc.plain import intra_prediction as plain
from refcodec.avc.reconstruction import reconstruct
from refcodec.avc.side_information import LAST_INTRA, NOT_DECODED
from refcodec.avc.stream_decoder import PictureDetails
from tests.property.test_avc_reconstruction import CURRENT
from tests.property.test_avc_reconstruction import _Picture as RandomPicture

torch = pytest.importorskip("torch")

from refcodec.twin.intra_prediction import predict_intra  # noqa: E402
from refcodec.twin.intra_weights import (  # noqa: E402
    KIND_PLACES,
    SIZES,
    columns,
    neighbours,
    prediction_matrix,
    prediction_weights,
)
from refcodec.twin.planes import Mode, Planes, planes_of  # noqa: E402

PLAIN = (
    plain.predict_intra4x4,
    plain.predict_intra8x8,
    plain.predict_intra16x16,
    plain.predict_chroma,
)


def picture(seed: int) -> tuple[PictureDetails, Planes, Planes]:
    """Return a random picture's details, its samples before deblocking, and the same with noise in
    its intra macroblocks."""
    made = RandomPicture(seed)
    reconstruct(made.info, made.slices, made.store, CURRENT)
    samples = planes_of(made.store.planes(CURRENT))
    intra = (made.info.motion.mb_type <= LAST_INTRA) & (made.info.slice_table != NOT_DECODED)
    noise = np.random.default_rng(seed)
    width_mbs = made.geometry.width_mbs

    def spoiled(plane: torch.Tensor) -> torch.Tensor:
        size = plane.shape[1] // width_mbs
        mask = np.kron(intra.reshape(-1, width_mbs), np.ones((size, size), bool))
        return torch.where(
            torch.from_numpy(mask),
            torch.from_numpy(noise.integers(0, 256, plane.shape).astype(np.float32)),
            plane,
        )

    return PictureDetails(made.info, made.slices, 3, ()), samples, samples.map(spoiled)


@given(st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_exact_samples_are_those_of_the_integer_decoder(seed: int) -> None:
    details, expected, given_samples = picture(seed)
    got = predict_intra(given_samples, details, Mode.EXACT)
    for plane, other in zip(got, expected, strict=True):
        assert torch.equal(plane, other)


@pytest.mark.parametrize("kind", range(4))
def test_matrices_are_the_equations_without_rounding(kind: int) -> None:
    n = SIZES[kind]
    random = np.random.default_rng(kind)
    weights = prediction_weights()
    size = n * n * columns(n)
    seen = 0
    for mode in range(4 if kind > 1 else 9):
        for availability in range(16):
            # smooth neighbours, so that planes do not leave 0..255
            line = np.ones(columns(n))
            line[:-1] = 128 + random.integers(-9, 10, columns(n) - 1)
            places = neighbours(n, availability)
            p = {place: int(line[column]) for place, column in places.items()}
            matrix = prediction_matrix(kind, mode, availability)
            at = int(KIND_PLACES[kind]) + (16 * mode + availability) * size
            stored = weights[at : at + size].reshape(n * n, columns(n))
            try:
                expected = np.array(PLAIN[kind](mode, p)).reshape(-1)
            except KeyError:
                assert matrix is None and not stored.any()
                continue
            assert matrix is not None
            np.testing.assert_array_equal(stored, matrix)
            np.testing.assert_allclose(matrix.sum(1) - matrix[:, -1] * (1 - 1 / 128), 1)
            assert abs(matrix @ line - expected).max() <= 1
            seen += 1
    assert seen > 20


@pytest.mark.parametrize("seed", [1, 2, 3, 6, 11, 13])
def test_smooth_gradients_are_those_of_finite_differences(seed: int) -> None:
    details, _, samples = picture(seed)
    inputs = [plane.double().requires_grad_() for plane in samples]

    def smooth(*planes: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(predict_intra(Planes(*planes), details, Mode.SMOOTH))

    assert torch.autograd.gradcheck(smooth, inputs, fast_mode=True)


@given(st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_backward_is_the_transpose_of_forward_in_both_modes(seed: int) -> None:
    details, _, samples = picture(seed)
    random = torch.Generator().manual_seed(seed)
    zero = samples.map(lambda plane: torch.zeros_like(plane, dtype=torch.float64))
    change = zero.map(lambda plane: torch.randn(plane.shape, generator=random, dtype=plane.dtype))
    weights = zero.map(lambda plane: torch.randn(plane.shape, generator=random, dtype=plane.dtype))
    base = predict_intra(zero, details, Mode.SMOOTH)
    moved = predict_intra(change, details, Mode.SMOOTH)
    forward = sum(float(((b - a) * w).sum()) for a, b, w in zip(base, moved, weights, strict=True))
    for mode, at in ((Mode.SMOOTH, zero), (Mode.EXACT, samples.map(torch.Tensor.double))):
        leaves = [plane.clone().requires_grad_() for plane in at]
        made = predict_intra(Planes(*leaves), details, mode)
        if made.y is leaves[0]:
            continue  # no intra macroblock
        back = torch.autograd.grad(list(made), leaves, list(weights))
        backward = sum(float((g * c).sum()) for g, c in zip(back, change, strict=True))
        assert backward == pytest.approx(forward, rel=1e-9, abs=1e-6)


def test_pictures_of_a_batch_are_independent() -> None:
    details, _, first = picture(3)
    second = first.map(lambda plane: (plane * 7 + 13) % 256)
    batch = Planes(*(torch.stack(pair)[None] for pair in zip(first, second, strict=True)))
    leaf = batch.map(lambda plane: plane.requires_grad_())
    for mode in Mode:
        together = predict_intra(leaf, details, mode)
        for number, one in enumerate((first, second)):
            alone = predict_intra(one, details, mode)
            for plane, other in zip(together, alone, strict=True):
                assert torch.equal(plane[0, number], other)
    (gradient,) = torch.autograd.grad(together.y[0, 1].sum(), leaf.y)
    assert gradient[0, 0].abs().max() == 0 and gradient[0, 1].abs().max() > 0
