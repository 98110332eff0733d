"""The twin's deblocking filter: values of the integer decoder, gradients of the equations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refcodec.avc.deblocking import ALPHA, BETA, TC0, deblock_and_record
from refcodec.avc.plain.deblocking import filtered_line
from refcodec.avc.stream_decoder import PictureDetails
from tests.property.avc_pictures import CURRENT, Case, random_case

torch = pytest.importorskip("torch")

from refcodec.twin.deblocking import FilterPlan, deblock, decide  # noqa: E402
from refcodec.twin.filter_kernels import _filter_edge  # noqa: E402
from refcodec.twin.filter_weights import (  # noqa: E402
    CASES,
    CLOSE,
    DECISIONS,
    DELTA_CLIPPED,
    FILTERED,
    P_CLIPPED,
    P_SMOOTH,
    Q_CLIPPED,
    Q_SMOOTH,
    STRONG,
    TAPS,
    line_matrix,
    line_weights,
)
from refcodec.twin.planes import Mode, Planes, planes_of  # noqa: E402

ROUGHNESS = [1, 3, 8, 20, 256]


def picture(
    seed: int, width_mbs: int, height_mbs: int, slices: int, roughness: int
) -> tuple[Case, PictureDetails, Planes]:
    """Return a random picture, its details and its samples before deblocking."""
    case = random_case(seed, width_mbs, height_mbs, slices, roughness)
    return (
        case,
        PictureDetails(case.info, case.slices, slices, ()),
        planes_of(case.store.planes(CURRENT)),
    )


@given(
    st.integers(0, 2**32), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3),
    st.sampled_from(ROUGHNESS),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_exact_samples_and_decisions_are_those_of_the_integer_decoder(
    seed: int, width_mbs: int, height_mbs: int, slices: int, roughness: int
) -> None:
    case, details, samples = picture(seed, width_mbs, height_mbs, slices, roughness)
    recorded = deblock_and_record(case.info, case.slices, case.store, CURRENT)
    expected = planes_of(case.store.planes(CURRENT))
    decisions = decide(samples, details)
    np.testing.assert_array_equal(
        decisions.luma[0] & (FILTERED | P_SMOOTH | Q_SMOOTH), recorded.luma
    )
    np.testing.assert_array_equal(decisions.chroma[0], recorded.chroma)
    for made in (None, decisions):
        got = deblock(samples, details, made, Mode.EXACT)
        for plane, other in zip(got, expected, strict=True):
            assert torch.equal(plane, other)


def one_line(
    line: np.ndarray, luma: bool, strength: int, index_a: int, index_b: int, exact: int
) -> tuple[np.ndarray, int]:
    """Filter one line by the kernel; return the line and its case."""
    lines = 16 if luma else 8
    plane = np.tile(line.astype(np.float64), lines)
    record = np.zeros(lines, np.uint8)
    tc0 = sum(int(TC0[(bs - 1) * 52 + index_a]) << (8 * bs) for bs in range(1, 4))
    _filter_edge(
        plane, len(line) // 2, 1, len(line), lines, int(ALPHA[index_a]), int(BETA[index_b]), tc0,
        np.full(4, strength, np.uint8), 0, 0, exact, record, 0,
    )  # fmt: skip
    assert (record == record[0]).all()
    return plane[: len(line)], int(record[0])


def test_lines_are_filtered_as_the_equations_say_in_every_case() -> None:
    random = np.random.default_rng(5)
    seen: set[int] = set()
    for _ in range(6000):
        luma, strength = bool(random.integers(4)), int(random.integers(1, 5))
        index_a, index_b = random.integers(16, 52, 2).tolist()
        reach = 4 if luma else 2
        steps = random.integers(-int(random.choice([1, 3, 9])), 10, 2 * reach)
        line = np.clip(random.integers(0, 200) + np.cumsum(steps), 0, 255)
        p, q = line[:reach][::-1].tolist(), line[reach:].tolist()
        new_p, new_q = filtered_line(p, q, luma, strength, index_a, index_b)
        expected = [*new_p[::-1], *new_q]
        exact, case = one_line(line, luma, strength, index_a, index_b, 1)
        assert exact.tolist() == expected
        smooth, same = one_line(line, luma, strength, index_a, index_b, 0)
        assert same == case
        first = 4 - reach
        matrix = line_matrix(case)[first : TAPS - first, first : TAPS - first]
        if not case & (DELTA_CLIPPED | P_CLIPPED | Q_CLIPPED):
            np.testing.assert_allclose(matrix @ line, smooth)
            assert abs(smooth - exact).max() <= 1
        # what is clipped does not follow its samples, what is not does
        change = random.normal(0, 1e-7, len(line))
        moved, still = one_line(line + change, luma, strength, index_a, index_b, 0)
        if still == case:
            np.testing.assert_allclose(moved - smooth, matrix @ change, atol=1e-11)
            seen.add(case)
    clipped = {c & (P_CLIPPED | Q_CLIPPED | DELTA_CLIPPED) for c in seen}
    assert len(clipped) == 8
    strong = {c & (CLOSE | P_SMOOTH | Q_SMOOTH) for c in seen if c & STRONG}
    assert strong == {a | b for a in (0, CLOSE) for b in (0, P_SMOOTH, Q_SMOOTH, 6)}


def test_a_flat_line_stays_flat_in_every_case() -> None:
    weights = line_weights().reshape(CASES, TAPS, TAPS)
    np.testing.assert_array_equal(weights.sum(2), 1)
    np.testing.assert_array_equal(weights[0], np.eye(TAPS))


@pytest.mark.parametrize("seed", [0, 2, 6, 7, 10, 11, 12, 13])
def test_smooth_gradients_are_those_of_finite_differences(seed: int) -> None:
    _, details, samples = picture(seed, 2, 2, 1, 3 if seed % 2 else 8)
    decisions = decide(samples, details)
    assert decisions.luma.any() and decisions.chroma.any()
    random = torch.Generator().manual_seed(seed)
    inputs = [
        (plane + torch.rand(plane.shape, generator=random, dtype=torch.float64) / 64)
        .detach()
        .requires_grad_()
        for plane in samples
    ]

    def smooth(*planes: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(deblock(Planes(*planes), details, decisions, Mode.SMOOTH))

    assert torch.autograd.gradcheck(smooth, inputs, fast_mode=True, eps=1e-7, atol=1e-4)


@given(st.integers(0, 2**32), st.sampled_from(ROUGHNESS))
@settings(max_examples=30, deadline=None)
def test_exact_gradient_is_the_smooth_one_at_the_same_samples(seed: int, roughness: int) -> None:
    """On edges eight samples apart, so that no line is filtered twice and its samples are the same
    in both modes."""
    case, details, samples = picture(seed, 3, 2, 1, roughness)
    random = np.random.default_rng(seed)
    case.info.slice_table[:] = 0
    strengths = np.zeros((case.mbs, 2, 4, 4), np.uint8)
    strengths[:, 0, 0::2] = random.integers(0, 5, (case.mbs, 2, 4))
    strengths[::3, 0, 0] = 0  # the left edge of the picture
    plan = FilterPlan(details, 3, strengths)
    found = []
    for mode in Mode:
        host = tuple(plane.numpy()[None].copy() for plane in samples)
        cases = plan.filter(host, None, mode)
        gradients = tuple(
            np.random.default_rng(k).normal(size=plane.shape) for k, plane in enumerate(host)
        )
        plan.transpose(gradients, cases)
        found.append((cases, gradients))
    for first, second in zip(*(each[1] for each in found), strict=True):
        np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(found[0][0].luma, found[1][0].luma)
    np.testing.assert_array_equal(found[0][0].chroma, found[1][0].chroma)


def test_decisions_hold_for_other_samples() -> None:
    _, details, samples = picture(7, 2, 2, 1, 3)
    decisions = decide(samples, details)
    other = samples.map(lambda plane: (plane * 31 + 7) % 256)
    plan = FilterPlan.of(details, 2)
    cases = plan.filter(tuple(p.numpy()[None].copy() for p in other), decisions, Mode.SMOOTH)
    np.testing.assert_array_equal(cases.luma & DECISIONS, decisions.luma)
    assert decisions.luma.any()


def test_pictures_of_a_batch_are_independent() -> None:
    _, details, first = picture(7, 2, 2, 1, 8)
    second = first.map(lambda plane: 255 - plane)
    batch = Planes(*(torch.stack(pair)[None] for pair in zip(first, second, strict=True)))
    leaf = batch.map(lambda plane: plane.requires_grad_())
    together = deblock(leaf, details, None, Mode.EXACT)
    for number, one in enumerate((first, second)):
        alone = deblock(one, details, None, Mode.EXACT)
        for plane, other in zip(together, alone, strict=True):
            assert torch.equal(plane[0, number], other)
    (gradient,) = torch.autograd.grad(together.y[0, 1].square().sum(), leaf.y)
    assert gradient[0, 0].abs().max() == 0 and gradient[0, 1].abs().max() > 0
