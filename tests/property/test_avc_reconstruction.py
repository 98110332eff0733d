"""Pictures of random side information come out as the plain reconstruction says."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refcodec import errors
from refcodec.avc import intra_prediction, reconstruction
from refcodec.avc import slice_table as st_columns
from refcodec.avc.frame_store import FrameStore, Geometry
from refcodec.avc.plain import reconstruction as plain
from refcodec.avc.side_information import (
    I_4X4,
    I_8X8,
    I_16X16,
    I_PCM,
    INTER_16X16,
    LAST_INTRA,
    NOT_DECODED,
    SideInformation,
)
from refcodec.avc.slice_table import SliceTable
from tests.property.examples import examples

REFERENCE, CURRENT = 0, 2


def _possible(needed: Any, available: int) -> list[int]:
    return [mode for mode in range(len(needed)) if not int(needed[mode]) & ~available]


class _Picture:
    """Side information, slices and a frame store with random content; inter macroblocks have
    vectors of zero, so that their prediction is the reference picture."""

    def __init__(self, seed: int, *, valid: bool = True) -> None:
        random = np.random.default_rng(seed)
        self.random = random
        geometry = Geometry(int(random.integers(1, 5)), int(random.integers(1, 5)))
        self.store = FrameStore(geometry, 3)
        self.store.samples[:] = random.integers(0, 256, len(self.store.samples))
        self.geometry = geometry
        self.slices = self._slices()
        self.info = info = SideInformation.allocate(geometry.mbs)
        info.intra_pred_mode.fill(2)
        cuts = np.sort(random.integers(0, geometry.mbs + 1, 2))
        info.slice_table[:] = np.searchsorted(cuts, np.arange(geometry.mbs), side="right")
        if seed % 5 == 0:
            info.slice_table[random.random(geometry.mbs) < 0.2] = NOT_DECODED
        info.motion.mb_type[:] = random.choice(
            [I_4X4, I_8X8, I_16X16, I_PCM, INTER_16X16],
            geometry.mbs,
            p=[0.3, 0.25, 0.2, 0.05, 0.2],
        )
        for mb in range(geometry.mbs):
            if info.slice_table[mb] != NOT_DECODED:
                self._modes(mb, valid)
                self._levels(mb)

    def _slices(self) -> SliceTable:
        random = self.random
        slices = SliceTable.allocate(3, 2)
        slices.scaling4x4[1] = random.integers(1, 256, (6, 16))
        slices.scaling8x8[1] = random.integers(1, 256, (2, 64))
        parameters = slices.parameters
        parameters[:, st_columns.CONSTRAINED_INTRA_PRED] = random.integers(0, 2, 3)
        parameters[:, st_columns.CHROMA_QP_INDEX_OFFSET] = random.integers(-12, 13, 3)
        parameters[:, st_columns.SECOND_CHROMA_QP_INDEX_OFFSET] = random.integers(-12, 13, 3)
        parameters[:, st_columns.SCALING] = random.integers(0, 2, 3)
        parameters[:, st_columns.NUM_REF_IDX_L0] = 1
        slices.ref_slot[:, 0, 0] = REFERENCE
        slices.ref_picture[:, 0, 0] = 0
        return slices

    def _modes(self, mb: int, valid: bool) -> None:
        random, info = self.random, self.info
        shape = info.motion.mb_type[mb]
        if shape > LAST_INTRA:
            info.pred_flags[mb] = 1
            info.motion.ref_idx[mb, 0] = 0
            info.motion.ref_picture[mb, 0] = 0
            info.transform_size_8x8_flag[mb] = random.integers(0, 2)
            return
        info.transform_size_8x8_flag[mb] = shape == I_8X8
        constrained = self.slices.parameters[
            info.slice_table[mb], st_columns.CONSTRAINED_INTRA_PRED
        ]
        available = intra_prediction.macroblock_availability(
            mb, self.geometry.width_mbs, int(constrained), info.slice_table, info.motion.mb_type
        )

        def choose(needed: Any, neighbours: int) -> int:
            return int(random.choice(_possible(needed, neighbours if valid else 15)))

        info.intra16x16_pred_mode[mb] = choose(intra_prediction.NEEDED_16X16, available)
        info.intra_chroma_pred_mode[mb] = choose(intra_prediction.NEEDED_CHROMA, available)
        blocks, table = (
            (4, intra_prediction.AVAILABILITY8X8)
            if shape == I_8X8
            else (16, intra_prediction.AVAILABILITY4X4)
        )
        for block in range(blocks):
            neighbours = int(table[blocks * available + block])
            info.intra_pred_mode[mb, block] = choose(intra_prediction.NEEDED, neighbours)

    def _levels(self, mb: int) -> None:
        random, info = self.random, self.info
        shape = info.motion.mb_type[mb]
        info.qp_y[mb] = random.integers(0, 52)
        info.total_coeff[mb] = 0
        if random.random() < 0.2 and shape != I_PCM:
            return
        begin = int(info.levels_used[0])
        info.levels_used[0] += 384
        info.level_offset[mb] = begin
        levels = info.levels[begin : begin + 384]
        if shape == I_PCM:
            levels[:] = random.integers(0, 256, 384)
            info.total_coeff[mb] = 16
            info.coded_dc[mb] = 7
            return
        limit = int(random.choice([2, 30, 2063]))
        levels[:] = random.integers(-limit, limit + 1, 384)
        levels[random.random(384) > random.choice([0.02, 0.1, 0.5, 1.0])] = 0
        for block in range(24):
            kind = random.random()
            block_levels = levels[16 * block : 16 * block + 16]
            if kind < 0.3:
                block_levels[:] = 0
            elif kind < 0.5:
                block_levels[1:] = 0
        if info.transform_size_8x8_flag[mb]:
            cabac = random.integers(0, 2)
            for block in range(4):
                used = np.count_nonzero(levels[64 * block : 64 * block + 64])
                first = 8 * (block // 2) + 2 * (block % 2)
                counts = info.total_coeff[mb, [first, first + 1, first + 4, first + 5]]
                counts[:] = min(used, 16) if cabac else used // 4
                if not cabac:
                    counts[: used % 4] += 1
                info.total_coeff[mb, [first, first + 1, first + 4, first + 5]] = counts
        else:
            for block in range(16):
                block_levels = levels[16 * block : 16 * block + 16]
                counted = block_levels[1:] if shape == I_16X16 else block_levels
                info.total_coeff[mb, block] = np.count_nonzero(counted)
            info.coded_dc[mb] = shape == I_16X16 and levels[0:256:16].any()
        for component in range(2):
            chroma = levels[256 + 64 * component : 320 + 64 * component].reshape(4, 16)
            first = 16 + 4 * component
            info.total_coeff[mb, first : first + 4] = np.count_nonzero(chroma[:, 1:], axis=1)
            if chroma[:, 0].any():
                info.coded_dc[mb] |= 2 << component

    def planes_before(self) -> tuple[Any, Any, Any]:
        """What the current slot holds, with the reference picture in inter macroblocks."""
        info, width_mbs = self.info, self.geometry.width_mbs
        planes = []
        for current, reference in zip(
            self.store.planes(CURRENT), self.store.planes(REFERENCE), strict=True
        ):
            plane = current.astype(np.int64)
            size = plane.shape[1] // width_mbs
            for mb in range(info.mbs):
                if info.slice_table[mb] >= 0 and info.motion.mb_type[mb] > LAST_INTRA:
                    row, column = mb // width_mbs * size, mb % width_mbs * size
                    part = np.s_[row : row + size, column : column + size]
                    plane[part] = reference[part]
            planes.append(plane)
        return planes[0], planes[1], planes[2]

    def expected(self) -> tuple[Any, Any, Any]:
        planes = self.planes_before()
        plain.reconstruct(self.info, self.slices, self.geometry.width_mbs, planes)
        return planes

    def agrees(self, planes: tuple[Any, Any, Any]) -> bool:
        return all(
            np.array_equal(ours, theirs)
            for ours, theirs in zip(self.store.planes(CURRENT), planes, strict=True)
        )


@settings(deadline=None, max_examples=examples(60))
@given(st.integers(0, 2**32 - 1))
def test_pictures_come_out_as_the_plain_reconstruction_says(seed: int) -> None:
    """All macroblock types, several slices with parameters of their own, some not decoded."""
    picture = _Picture(seed)
    planes = picture.expected()
    before = picture.store.samples.copy()
    reconstruction.reconstruct(picture.info, picture.slices, picture.store, CURRENT)
    assert picture.agrees(planes)
    for plane in picture.store.planes(CURRENT):
        plane[:] = 0
    again = picture.store.samples.copy()
    picture.store.samples[:] = before
    for plane in picture.store.planes(CURRENT):
        plane[:] = 0
    assert np.array_equal(again, picture.store.samples), "samples outside the picture changed"


@settings(deadline=None, max_examples=examples(40))
@given(st.integers(0, 2**32 - 1))
def test_residual_samples(seed: int) -> None:
    """Those of ranges of macroblocks are those of the plain transforms."""
    picture = _Picture(seed)
    info, slices = picture.info, picture.slices
    first = seed % info.mbs
    residual = reconstruction.residual_samples(info, slices, first, info.mbs)
    assert residual.shape == (info.mbs - first, 384)
    for mb in range(first, info.mbs):
        if info.slice_table[mb] < 0 or info.motion.mb_type[mb] == I_PCM:
            expected = np.zeros(384, np.int64)
        else:
            parts = [plain.luma_residual(info, slices, mb)]
            parts += [plain.chroma_residual(info, slices, mb, k) for k in range(2)]
            expected = np.concatenate([part.reshape(-1) for part in parts])
        assert residual[mb - first].tolist() == expected.tolist()


def test_two_threads_share_the_inter_macroblocks() -> None:
    """Two ranges at a time give the same picture."""
    for seed in range(examples(12)):
        picture = _Picture(seed)
        planes = picture.expected()
        arguments = (picture.info, picture.slices, picture.store, CURRENT)
        half = picture.geometry.height_mbs // 2 * picture.geometry.width_mbs
        threads = [
            threading.Thread(
                target=reconstruction.reconstruct_inter_macroblocks, args=(*arguments, *part)
            )
            for part in ((0, half), (half, picture.info.mbs))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        reconstruction.reconstruct_intra_macroblocks(*arguments)
        assert picture.agrees(planes)


def test_modes_without_their_neighbours_are_refused() -> None:
    """Whatever the modes: a typed error exactly when the plain reconstruction lacks a sample, and
    the picture does not depend on what stood in memory before."""
    refused = 0
    for seed in range(1, 60):
        picture = _Picture(seed, valid=False)
        try:
            planes = picture.expected()
        except KeyError:
            refused += 1
            with pytest.raises(errors.CLASSES["HYP-E-AVC-02"]) as caught:
                reconstruction.reconstruct(picture.info, picture.slices, picture.store, CURRENT)
            assert caught.value.element in (
                "rem_intra4x4_pred_mode",
                "rem_intra8x8_pred_mode",
                "mb_type",
                "intra_chroma_pred_mode",
            )
            first = [plane.copy() for plane in picture.store.planes(CURRENT)]
            size = picture.geometry.slot_size
            picture.store.samples[CURRENT * size :] ^= 255
            with pytest.raises(errors.CLASSES["HYP-E-AVC-02"]):
                reconstruction.reconstruct(picture.info, picture.slices, picture.store, CURRENT)
            if (picture.info.slice_table >= 0).all():
                assert picture.agrees((first[0], first[1], first[2]))
        else:
            reconstruction.reconstruct(picture.info, picture.slices, picture.store, CURRENT)
            assert picture.agrees(planes)
    assert refused > 20
