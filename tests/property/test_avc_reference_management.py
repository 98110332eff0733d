"""Order counts, reference lists, marking, gaps and output: against libavcodec, on streams that show
their lists."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest

from refcodec.avc.access_units import to_annex_b
from refcodec.avc.stream_decoder import AvcDecoder, OutputPicture
from refcodec.decoder.libav_substrate import frame_planes, open_context, packet_of
from tests.property.avc_reference_streams import Stream
from tests.property.examples import examples

SEEDS = 60


def by_libav(units: list[list[bytes]]) -> list[tuple[int, list[Any]]]:
    context = open_context(1)
    frames = []
    for number, unit in enumerate(units):
        frames += context.decode(packet_of(to_annex_b(unit), number))
    frames += context.decode(None)
    return [(frame.pts, [plane.copy() for plane in frame_planes(frame)]) for frame in frames]


def by_refcodec(
    units: list[list[bytes]], threads: int = 1
) -> tuple[list[OutputPicture], list[Any]]:
    decoder = AvcDecoder(threads=threads)
    pictures: list[OutputPicture] = []
    for number, unit in enumerate(units):
        for nal_unit in unit:
            pictures += decoder.decode(nal_unit, number)
        pictures += decoder.end_access_unit()
    pictures += decoder.flush()
    decoder.close()
    return pictures, decoder.losses


@pytest.mark.parametrize("seed", range(examples(SEEDS)))
def test_lists_marking_and_output_are_those_of_libavcodec(seed: int) -> None:
    units = Stream(Random(seed)).make(groups=24)
    expected = by_libav(units)
    pictures, losses = by_refcodec(units)
    assert not losses
    assert len(expected) == len(units)
    assert [picture.number for picture in pictures] == [number for number, _ in expected]
    for picture, (number, planes) in zip(pictures, expected, strict=True):
        for ours, theirs in zip(picture.planes, planes, strict=True):
            assert np.array_equal(ours, theirs), f"access unit {number}"


@pytest.mark.parametrize("seed", range(SEEDS, SEEDS + examples(6)))
def test_threads_change_nothing(seed: int) -> None:
    units = Stream(Random(seed)).make(groups=24)
    alone, _ = by_refcodec(units)
    together, losses = by_refcodec(units, threads=3)
    assert not losses
    assert [picture.number for picture in together] == [picture.number for picture in alone]
    for one, other in zip(alone, together, strict=True):
        for ours, theirs in zip(one.planes, other.planes, strict=True):
            assert np.array_equal(ours, theirs)
