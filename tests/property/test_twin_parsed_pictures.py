"""Intra prediction and deblocking of the twin in pictures of parsed streams, step by step against the
integer decoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from refcodec.avc import picture_decoding
from refcodec.avc.deblocking import deblock as integer_deblock
from refcodec.avc.frame_store import FrameStore
from refcodec.avc.margins import extend_margins
from refcodec.avc.nal import nal_units
from refcodec.avc.picture_decoding import PictureDecoding
from refcodec.avc.reconstruction import (
    reconstruct_inter_macroblocks,
    reconstruct_intra_macroblocks,
)
from refcodec.avc.side_information import I_4X4, I_8X8, I_16X16, LAST_INTRA, SideInformation
from refcodec.avc.slice_table import SliceTable
from refcodec.avc.stream_decoder import AvcDecoder, PictureDetails
from tests.unit.avc_slice_streams import encode, moving_pictures

torch = pytest.importorskip("torch")

from refcodec.twin.deblocking import deblock  # noqa: E402
from refcodec.twin.intra_prediction import predict_intra  # noqa: E402
from refcodec.twin.planes import Mode, Planes, planes_of  # noqa: E402


@dataclass
class Checks:
    """Does what the decoder does, and the same by the twin."""

    shapes: set[int]
    pictures: int = 0
    filtered: int = 0

    def reconstruct(
        self, info: SideInformation, slices: SliceTable, store: FrameStore, slot: int
    ) -> None:
        reconstruct_inter_macroblocks(info, slices, store, slot, 0, info.mbs)
        before = planes_of(store.planes(slot))
        reconstruct_intra_macroblocks(info, slices, store, slot)
        details = PictureDetails(info, slices, 0, ())
        made = predict_intra(before, details, Mode.EXACT)
        self._same(made, store, slot)
        intra = info.motion.mb_type[info.motion.mb_type <= LAST_INTRA]
        if len(intra) < info.mbs:
            self.shapes |= set(intra.tolist())
        self.pictures += 1

    def deblock(
        self, info: SideInformation, slices: SliceTable, store: FrameStore, slot: int
    ) -> None:
        before = planes_of(store.planes(slot))
        integer_deblock(info, slices, store, slot)
        made = deblock(before, PictureDetails(info, slices, 0, ()), None, Mode.EXACT)
        self._same(made, store, slot)
        self.filtered += int((made.y != before.y).sum())

    @staticmethod
    def _same(made: Planes, store: FrameStore, slot: int) -> None:
        for plane, expected in zip(made, store.planes(slot), strict=True):
            np.testing.assert_array_equal(plane.numpy(), expected)


@pytest.mark.parametrize(
    ("parameters", "shapes"),
    [
        ("qp=30:slices=3:8x8dct=1:partitions=all:bframes=2:ref=3", {I_8X8}),
        ("qp=22:cabac=0:8x8dct=0:partitions=all:weightp=2", {I_4X4}),
        ("qp=38:partitions=none:constrained-intra=1:deblock=3,3:bframes=1", {I_16X16}),
        (
            "qp=44:partitions=none:8x8dct=0:intra-refresh=1:keyint=6:chroma-qp-offset=-7:deblock=-2,5",
            {I_16X16},
        ),
    ],
)
def test_pictures_of_streams(
    parameters: str, shapes: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = moving_pictures(80, 64, 4, noise=9)
    # scenes that change, so that inter pictures have intra macroblocks
    source += [np.roll(each, 37, 1)[::-1].copy() for each in moving_pictures(80, 64, 4, 1)]
    stream = encode(source, f"{parameters}:scenecut=0:keyint=250" if "keyint" not in parameters
                    else parameters)  # fmt: skip
    checks = Checks(set())
    reconstruct = PictureDecoding.reconstruct

    def by_stages(decoding: PictureDecoding, shareable: Any = None) -> None:
        class ByStages:
            def __init__(
                self,
                arrays: Any,
                slices: SliceTable,
                scratch: Any,
                store: FrameStore,
                slot: int,
                reference: bool,
            ) -> None:
                self._place = decoding.info, slices, store, slot

            def write(self) -> None:
                checks.reconstruct(*self._place)
                checks.deblock(*self._place)
                extend_margins(*self._place[2:])

        monkeypatch.setattr(picture_decoding, "SampleWork", ByStages)
        reconstruct(decoding, shareable)

    monkeypatch.setattr(PictureDecoding, "reconstruct", by_stages)
    decoder: Any = AvcDecoder()
    shown = []
    for unit in nal_units(stream):
        shown += decoder.decode(bytes(unit), 0)
    shown += decoder.flush()
    assert not decoder.losses
    assert len(shown) == checks.pictures == len(source)
    assert shapes <= checks.shapes
    assert checks.filtered > 500
