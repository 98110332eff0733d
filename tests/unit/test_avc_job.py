"""What x264 is given: parameters of its own behind an ordinary keyframe, sharper pictures where that codes coarsely."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from refcodec.encoder.avc_job import AvcSettings, encode_packets, x264_parameters
from refcodec.encoder.resizing import CodedSize
from refcodec.encoder.sharpening import sharpened
from refcodec.media import ColourDescription
from refcodec.picture import Picture

PLAIN = AvcSettings(CodedSize(64, 48), Fraction(25), ColourDescription(1, 1, 1, False), "veryfast")
SHARP = replace(PLAIN, sharpening=19)


def picture(seed: int) -> Picture:
    random = np.random.default_rng(seed)
    coarse = random.integers(60, 200, (12, 16), np.uint8)
    chroma = np.full((24, 32), 128, np.uint8)
    return Picture(coarse.repeat(4, 0).repeat(4, 1), chroma, chroma)


PICTURES = [picture(seed) for seed in range(3)]


def stream(settings: AvcSettings, crf: float, generated: Picture | None = None) -> list[bytes]:
    return [bytes(packet) for packet in encode_packets(PICTURES, settings, crf, generated)]


def test_coarsely_coded_pictures_are_sharpened() -> None:
    sharper = [sharpened(each, 19) for each in PICTURES]
    asked = [bytes(packet) for packet in encode_packets(sharper, PLAIN, 40.0)]
    assert stream(SHARP, 40.0) == asked != stream(PLAIN, 40.0)


@pytest.mark.parametrize(("crf", "generated"), [(20.0, None), (40.0, picture(7))])
def test_finely_coded_ones_and_those_behind_a_generated_keyframe_are_not(
    crf: float, generated: Picture | None
) -> None:
    assert stream(SHARP, crf, generated) == stream(PLAIN, crf, generated)


def test_parameters_for_ordinary_keyframes_replace_those_of_all() -> None:
    here = replace(PLAIN, overrides=(("qcomp", "0.8"), ("ref", "1")), behind_coded=(("ref", "2"),))
    assert stream(here, 30.0) == stream(
        replace(here, overrides=(("qcomp", "0.8"), ("ref", "2"))), 30.0
    )
    ordinary, generated = (x264_parameters(here, 30.0, hidden) for hidden in (False, True))
    assert (ordinary["qcomp"], ordinary["ref"]) == ("0.8", "2")
    assert (generated["qcomp"], generated["ref"]) == ("0.8", "1")
