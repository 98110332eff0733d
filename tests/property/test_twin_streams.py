"""The whole twin against libavcodec, on streams that Hypothesis draws; and on keyframes they were not made for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pytest

from conformance.avc import matrix
from conformance.avc.content import Planes as Samples
from conformance.avc.streams import Stream
from refcodec.avc.access_units import NAL_IDR_SLICE, nal_unit_type
from refcodec.avc.nal import nal_units
from refcodec.picture import Picture
from tests.property.examples import examples

torch = pytest.importorskip("torch")

from refcodec.twin.planes import Mode, Planes, planes_of  # noqa: E402
from refcodec.twin.recording import Recording, decode_again, record_stream  # noqa: E402
from refcodec.twin.sequence import SequenceTwin  # noqa: E402

NAL_SPS, NAL_PPS = 7, 8


def recordings(access_units: Iterable[bytes]) -> Iterator[Recording]:
    """Record a stream, one group of pictures after the other."""
    units = [bytes(unit) for each in access_units for unit in nal_units(each)]
    starts = [
        k for k, unit in enumerate(units)
        if nal_unit_type(unit) == NAL_IDR_SLICE and unit[1] & 0x80
    ]  # fmt: skip
    for begin, end in zip(starts, [*starts[1:], len(units)], strict=True):
        sets = [u for u in units[:begin] if nal_unit_type(u) in (NAL_SPS, NAL_PPS)]
        yield record_stream([*sets, *units[begin:end]])


def twin_decoder(access_units: Iterable[bytes]) -> Iterator[Samples]:
    """Decode a stream by the twin in exact mode; yield the samples that are shown."""
    for recording in recordings(access_units):
        left, top, right, bottom = recording.crop
        found = SequenceTwin(recording)(planes_of(recording.keyframe.planes))
        for planes in found.values():
            height, width = planes.y.shape[-2:]
            y = planes.y[top : height - bottom, left : width - right]
            chroma = (
                plane[top // 2 : (height - bottom) // 2, left // 2 : (width - right) // 2]
                for plane in (planes.cb, planes.cr)
            )
            yield tuple(plane.numpy().astype(np.uint8) for plane in (y, *chroma))  # type: ignore[misc]


def test_slice_of_the_streams() -> None:
    outcome = matrix.run(examples(6), seed=5, decoder=twin_decoder)
    assert not outcome.failures, str(outcome.failures[0])
    assert outcome.pictures > outcome.streams


@pytest.mark.slow
def test_hundred_streams() -> None:
    outcome = matrix.run(100, seed=6, decoder=twin_decoder)
    assert not outcome.failures, str(outcome.failures[0])
    assert outcome.streams == 100


MOVING = Stream(
    width=64, height=48, pictures=7, content="objects", seed=3, partitions="all", cabac=True,
    transform_8x8=True, subme=7, me="hex", ref=3, bframes=2, weightb=True, direct="spatial",
    quantiser=30,
)  # fmt: skip


@pytest.fixture(scope="module")
def moving() -> Recording:
    return next(recordings(matrix.access_units(MOVING)))


def other_keyframe(recording: Recording, seed: int) -> Picture:
    rng = np.random.default_rng(seed)
    planes = recording.keyframe.planes
    changed = (np.clip(p + rng.integers(-9, 10, p.shape), 0, 255).astype(np.uint8) for p in planes)
    return Picture(*changed)


def test_other_keyframes_decode_as_the_integer_decoder_does(moving: Recording) -> None:
    keyframe = other_keyframe(moving, 1)
    expected = dict(decode_again(moving, keyframe))
    own = dict(decode_again(moving, moving.keyframe))
    found = SequenceTwin(moving)(planes_of(keyframe.planes))
    changed = 0
    for identity, picture in expected.items():
        for plane, samples in zip(found[identity], picture.planes, strict=True):
            np.testing.assert_array_equal(plane.numpy(), samples)
        changed += int(not np.array_equal(picture.y, own[identity].y))
    assert changed == len(expected) > 3


def test_targets_are_decoded_alone_and_as_in_the_whole(moving: Recording) -> None:
    keyframe = planes_of(other_keyframe(moving, 1).planes)
    whole = SequenceTwin(moving)(keyframe)
    chosen = [moving.output[1], moving.output[-1]]
    some = SequenceTwin(moving, chosen)
    assert set(some.live) < {each.identity for each in moving.pictures}
    found = some(keyframe)
    assert list(found) == chosen
    again = dict(some.pictures(keyframe, targets=chosen[:1]))
    assert list(again) == chosen[:1]
    for planes, identity in ((found[chosen[0]], chosen[0]), (again[chosen[0]], chosen[0])):
        for a, b in zip(planes, whole[identity], strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_unknown_targets_are_refused(moving: Recording) -> None:
    with pytest.raises(KeyError):
        SequenceTwin(moving, [10_000])


def test_smooth_gradients_of_a_group_are_the_derivative(moving: Recording) -> None:
    """All of it together: interpolation, residual, intra macroblocks and deblocking, picture after picture."""
    twin = SequenceTwin(moving, [moving.output[-1], moving.output[2]])
    keyframe = planes_of(moving.keyframe.planes, dtype=torch.float64)
    # what the filter decides stays as it is, so that a step changes nothing but samples
    decisions = twin.decide(keyframe)
    generator = torch.Generator().manual_seed(1)
    direction = keyframe.map(lambda p: torch.rand(p.shape, generator=generator).double() - 0.5)
    weights = {
        identity: planes.map(lambda p: torch.rand(p.shape, generator=generator).double())
        for identity, planes in twin(keyframe, Mode.SMOOTH, decisions).items()
    }

    def loss(identity: int, planes: Planes) -> torch.Tensor:
        pairs = zip(planes, weights[identity], strict=True)
        return sum(((p * w).mean() for p, w in pairs), start=torch.zeros((), dtype=torch.float64))

    def at(step: float) -> float:
        moved = Planes(*(k + step * d for k, d in zip(keyframe, direction, strict=True)))
        return float(sum(loss(i, p) for i, p in twin(moved, Mode.SMOOTH, decisions).items()))

    total, gradient = twin.gradient(keyframe, loss, Mode.SMOOTH, decisions)
    assert float(total) == pytest.approx(at(0), rel=1e-12)
    slope = sum(float((g * d).sum()) for g, d in zip(gradient, direction, strict=True))
    assert slope == pytest.approx((at(1e-3) - at(-1e-3)) / 2e-3, rel=1e-6)


def test_exact_gradients_are_those_of_smooth_mode(moving: Recording) -> None:
    """With the same decisions and nothing limited by the filter's thresholds in only one of the modes."""
    twin = SequenceTwin(moving, [moving.output[0], moving.output[1]])
    keyframe = planes_of(moving.keyframe.planes)
    decisions = twin.decide(keyframe)

    def loss(identity: int, planes: Planes) -> torch.Tensor:
        return planes.y.sum() + planes.cb.sum() - planes.cr.sum()

    _, exact = twin.gradient(keyframe, loss, Mode.EXACT, decisions)
    _, smooth = twin.gradient(keyframe, loss, Mode.SMOOTH, decisions)
    for a, b in zip(exact, smooth, strict=True):
        differing = float((a != b).float().mean())
        # the limits of the filter compare rounded samples in one mode and real ones in the other
        assert differing < 0.2
        assert float((a - b).abs().mean()) < 0.02 * float(b.abs().mean())


def random_loss(keyframe: Planes, recording: Recording) -> Callable[[int, Planes], torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    weights = {
        identity: keyframe.map(lambda p: torch.rand(p.shape[-2:], generator=generator) - 0.5)
        for identity in (recording.identity, *recording.output)
    }

    def loss(identity: int, planes: Planes) -> torch.Tensor:
        pairs = zip(planes, weights[identity], strict=True)
        return torch.stack([(p * w).sum() for p, w in pairs]).sum()

    return loss


def same_gradients(recording: Recording, targets: list[int] | None = None) -> None:
    """The kernels on the host and torch's backward pass, which a batch of one takes."""
    twin = SequenceTwin(recording, targets)
    keyframe = planes_of(recording.keyframe.planes)
    loss = random_loss(keyframe, recording)
    total, found = twin.gradient(keyframe, loss)
    expected_total, expected = twin.gradient(keyframe.map(lambda plane: plane[None]), loss)
    torch.testing.assert_close(total, expected_total)
    for made, plane in zip(found, expected, strict=True):
        torch.testing.assert_close(made, plane[0], rtol=1e-5, atol=1e-4)


def test_gradients_of_the_host_are_those_of_torch(moving: Recording) -> None:
    same_gradients(moving)
    same_gradients(moving, [moving.output[-1]])
    same_gradients(moving, [moving.identity, moving.output[1], moving.output[-2]])


def test_gradients_need_no_grad_mode(moving: Recording) -> None:
    """Either way makes the graphs that it needs by itself."""
    with torch.no_grad():
        same_gradients(moving, [moving.output[1]])


def gradient_checker(access_units: Iterable[bytes]) -> Iterator[Samples]:
    """Decode a stream by the twin, and compare the two ways back on the way."""
    units = list(access_units)
    for recording in recordings(units):
        same_gradients(recording)
    yield from twin_decoder(units)


def test_gradients_of_a_slice_of_the_streams() -> None:
    outcome = matrix.run(examples(6), seed=8, decoder=gradient_checker)
    assert not outcome.failures, str(outcome.failures[0])
