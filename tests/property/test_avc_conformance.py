"""A slice of the stream matrix; all of it runs by `python -m conformance.avc`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

import av
import numpy as np
import pytest

from conformance.avc import matrix, shared_clips
from conformance.avc.alterations import drop_unreferenced, is_unreferenced
from conformance.avc.comparison import first_difference
from conformance.avc.content import KINDS, Planes, render
from conformance.avc.decoders import libavcodec
from conformance.avc.rewriting import rewritten
from conformance.avc.streams import Stream, slice_count

SMALL = Stream(width=64, height=48, pictures=9, content="objects", seed=5, partitions="all")
CABAC = dataclasses.replace(SMALL, cabac=True, subme=7, me="hex", ref=4, mixed_refs=True)
HIGH = dataclasses.replace(CABAC, transform_8x8=True, trellis=2, psy=(1.0, 0.5))
WITH_B = {"bframes": 3, "b_pyramid": "normal", "weightb": True, "b_adapt": 1}

CHOSEN = {
    "cavlc": dataclasses.replace(SMALL, subme=6, ref=3),
    "cavlc, B, temporal": dataclasses.replace(SMALL, subme=6, **WITH_B, direct="temporal"),
    "cabac, B, spatial": dataclasses.replace(CABAC, **WITH_B, direct="spatial"),
    "high, B, temporal": dataclasses.replace(HIGH, **WITH_B, direct="temporal"),
    "high, slices": dataclasses.replace(HIGH, slices=3, deblock=(-2, 3)),
    "weights": dataclasses.replace(HIGH, content="fade", weightp=2, pictures=14),
    "matrices": dataclasses.replace(HIGH, matrices="jvt", chroma_qp_offset=-5),
    "constrained, refresh": dataclasses.replace(
        HIGH, constrained_intra=True, intra_refresh=True, keyint=5, ref=1
    ),
    "I_PCM": dataclasses.replace(SMALL, content="noise", quantiser=1, pictures=2),
    "cropped": dataclasses.replace(HIGH, width=50, height=38, crop=(6, 2, 4, 10)),
    "dropped pictures": dataclasses.replace(HIGH, bframes=3, drop_unreferenced=2),
    "other headers": dataclasses.replace(HIGH, pictures=24, rewriting=4),
    "other headers, B": dataclasses.replace(
        HIGH, **WITH_B, direct="spatial", pictures=24, rewriting=11
    ),
}


@pytest.mark.parametrize("name", CHOSEN)
def test_stream_is_decoded_exactly(name: str) -> None:
    pictures, failure = matrix.check(CHOSEN[name])
    assert failure is None, str(failure)
    assert pictures > 1


def test_slice_of_the_matrix() -> None:
    outcome = matrix.run(12, seed=20)
    assert not outcome.failures, str(outcome.failures[0])
    assert outcome.streams == 12


@pytest.mark.slow
def test_matrix() -> None:
    outcome = matrix.run(400, seed=1)
    assert not outcome.failures, str(outcome.failures[0])
    assert outcome.streams == 400


@pytest.mark.slow
@pytest.mark.parametrize("clip", shared_clips.clips(), ids=lambda path: path.name)
def test_shared_clip(clip) -> None:  # type: ignore[no-untyped-def]
    pictures, difference = shared_clips.compare(clip, pictures=60)
    assert difference is None, str(difference)
    assert pictures


# ------------------------------------------------------------------ the harness itself


def _planes(seed: int) -> list[Planes]:
    return list(render("texture", seed, 48, 32, 3))


def test_difference_names_the_place() -> None:
    expected, found = _planes(1), _planes(1)
    assert first_difference(expected, found, width=48) is None
    found[1][1][9, 17] ^= 1  # Cb of macroblock column 2, row 1
    found[1][0][31, 47] ^= 1
    place = first_difference(expected, found, width=48)
    assert place is not None
    assert (place.picture, place.macroblock, place.component, place.samples) == (1, 5, "Y", 2)
    shifted = first_difference(expected, found, width=64, crop=(16, 0))
    assert shifted is not None and shifted.macroblock == 7
    missing = first_difference(expected, found[:1], width=48)
    assert missing is not None and missing.macroblock is None and "missing" in str(missing)


def test_matrix_finds_and_reduces_a_fault() -> None:
    def faulty(access_units):  # type: ignore[no-untyped-def]
        for number, planes in enumerate(libavcodec(access_units)):
            if number == 1:
                planes[0][0, 0] ^= 1
            yield planes

    outcome = matrix.run(10, seed=3, decoder=faulty)
    assert len(outcome.failures) == 1
    stream = outcome.failures[0].stream
    # two pictures of one macroblock are what it takes, and nothing else
    assert str(stream) == "Stream(pictures=2)"
    assert "picture 1, macroblock 0, Y" in str(outcome.failures[0])


@pytest.mark.parametrize("kind", KINDS)
def test_content_follows_from_its_description(kind: str) -> None:
    first, again = (list(render(kind, 3, 34, 18, 4)) for _ in range(2))
    assert len(first) == 4
    for a, b in zip(first, again, strict=True):
        assert [p.shape for p in a] == [(18, 34), (9, 17), (9, 17)]
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_parameters_reach_the_stream() -> None:
    assert slice_count(dataclasses.replace(SMALL, slices=3).access_units()[0]) == 3
    coded = dataclasses.replace(HIGH, bframes=3, pictures=12).access_units()
    left = drop_unreferenced(coded, 1)
    assert any(map(is_unreferenced, coded)) and not any(map(is_unreferenced, left))
    assert len(list(libavcodec(left))) == len(left) < len(coded)


@contextmanager
def warnings_of_libav() -> Iterator[list[tuple[int, str, str]]]:
    """Give the list of warnings and errors while this lasts. Not longer: PyAV's messages take the interpreter lock, and
    a thread of libavcodec that has one while its decoder is freed waits for ever."""
    av.logging.set_level(av.logging.WARNING)
    try:
        with av.logging.Capture() as messages:
            yield messages
    finally:
        av.logging.set_level(None)


def test_rewritten_streams_are_valid() -> None:
    coded = dataclasses.replace(CABAC, pictures=30).access_units()
    plain = list(libavcodec(coded))
    others = 0
    for seed in range(1, 12):
        with warnings_of_libav() as messages:
            pictures = list(libavcodec(units := rewritten(coded, seed)))
        assert len(pictures) == len(units)
        assert not messages
        others += len(pictures) != len(plain) or any(
            not np.array_equal(a[0], b[0]) for a, b in zip(plain, pictures, strict=True)
        )
    assert others > 3
