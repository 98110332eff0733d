"""Windows of recorded pictures: what is decoded of them alone is what the whole pictures have there."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from conformance.avc import matrix
from refcodec.avc.side_information import LAST_INTRA
from refcodec.twin.cropping import Window, crop_picture, crop_recording, needs_of
from refcodec.twin.recording import Recording, decode_again
from tests.property.test_twin_streams import MOVING, recordings

torch = pytest.importorskip("torch")

from refcodec.twin.planes import planes_of  # noqa: E402
from refcodec.twin.sequence import SequenceTwin  # noqa: E402

WIDE = dataclasses.replace(MOVING, width=256, height=160, pictures=6, seed=8)
STREAMS = {
    "B pictures": WIDE,
    "small transforms": dataclasses.replace(WIDE, transform_8x8=False, quantiser=20, seed=2),
    "intra refresh": dataclasses.replace(
        WIDE, intra_refresh=True, keyint=4, bframes=0, weightb=False, direct="none", ref=1, seed=5
    ),
}
WINDOW = Window(6, 4, 9, 6)


@pytest.fixture(scope="module", params=STREAMS)
def recording(request: pytest.FixtureRequest) -> Recording:
    return next(recordings(matrix.access_units(STREAMS[request.param])))


@pytest.mark.parametrize("place", [1, 4])
def test_windows_are_those_of_the_whole(recording: Recording, place: int) -> None:
    target = recording.output[place]
    whole = dict(decode_again(recording, recording.keyframe))[target]
    needs = needs_of(recording, [target], WINDOW)
    needed = needs.window
    assert needed.left <= WINDOW.left and needed.right >= WINDOW.right
    assert needed.top <= WINDOW.top and needed.bottom >= WINDOW.bottom
    part = crop_recording(recording, needs)
    assert (part.width, part.height) == (
        16 * (needed.right - needed.left),
        16 * (needed.bottom - needed.top),
    )
    inside = Window(
        WINDOW.left - needed.left, WINDOW.top - needed.top,
        WINDOW.right - needed.left, WINDOW.bottom - needed.top,
    )  # fmt: skip
    expected = crop_picture(whole, WINDOW)
    made = SequenceTwin(part, [target])(planes_of(part.keyframe.planes))[target]
    for plane, samples, size in zip(made, expected.planes, (16, 8, 8), strict=True):
        shown = plane[
            size * inside.top : size * inside.bottom, size * inside.left : size * inside.right
        ]
        np.testing.assert_array_equal(shown.numpy(), samples)


def test_derivatives_are_those_of_the_whole(recording: Recording) -> None:
    target = recording.output[1]
    needs = needs_of(recording, [target], WINDOW)
    needed = needs.window
    part = crop_recording(recording, needs)

    def gradient(source: Recording, left: int, top: int) -> torch.Tensor:
        rows = slice(16 * (WINDOW.top - top), 16 * (WINDOW.bottom - top))
        columns = slice(16 * (WINDOW.left - left), 16 * (WINDOW.right - left))
        twin = SequenceTwin(source, [target])
        _, found = twin.gradient(
            planes_of(source.keyframe.planes), lambda _, planes: planes.y[rows, columns].sum()
        )
        return found.y

    whole = gradient(recording, 0, 0)
    alone = gradient(part, needed.left, needed.top)
    cut = whole[16 * needed.top : 16 * needed.bottom, 16 * needed.left : 16 * needed.right]
    assert (
        float(whole.abs().sum()) > 0
        or (recording.pictures[0].details.info.motion.mb_type <= LAST_INTRA).any()
    )
    torch.testing.assert_close(alone, cut, rtol=1e-5, atol=1e-4)
    # nothing outside of what is needed has a derivative
    assert float(whole.abs().sum()) == pytest.approx(float(cut.abs().sum()), rel=1e-5)


def test_windows_spare_most_of_a_wide_picture() -> None:
    recording = next(recordings(matrix.access_units(WIDE)))
    needed = needs_of(recording, [recording.output[0]], Window(7, 4, 8, 5)).window
    assert needed.area < recording.geometry.width_mbs * recording.geometry.height_mbs / 2
