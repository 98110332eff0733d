"""All samples of a picture in one kernel: prediction, residual, deblocking filter, margins; band by band.

What `reconstruct`, `deblock` and `extend_margins` do one after the other, each from Python. Threads
that reconstruct pictures would take the interpreter lock between them, and wait for one another.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from refcodec.avc.compilation import kernel
from refcodec.avc.deblocking import NO_DECISIONS, NOTHING, classify, filter_macroblocks
from refcodec.avc.frame_layout import (
    CB_OFFSET,
    LUMA_OFFSET,
    LUMA_STRIDE,
    SLOT_SIZE,
    TO_CR,
    WIDTH_MBS,
    layout_of,
)
from refcodec.avc.frame_store import FrameStore
from refcodec.avc.inter_prediction import SCRATCH, predict_macroblocks
from refcodec.avc.intra_prediction import LINES_SIZE
from refcodec.avc.margins import repeat_edges
from refcodec.avc.reconstruction import add_inter_residuals, check_modes, reconstruct_intra
from refcodec.avc.shared_bands import FREE, MADE, TAKEN, await_made, call_made, take
from refcodec.avc.side_information import LEVELS_PER_MB, SideInformation
from refcodec.avc.slice_table import SliceTable
from refcodec.avc.transform import level_scale4x4, level_scale8x8

Array = NDArray[Any]

THRESHOLDS: Final = 9

OWNER: Final = 0
"""The role of the thread that makes a picture."""
HELPER: Final = 1
"""The role of a thread that helps it with inter macroblocks."""

BAND_ROWS: Final = 8
"""Rows of macroblocks that go through all stages before the next ones: they stay in the cache of a core."""


class Scratch:
    """Arrays that the kernel works with; each picture in the works has its own."""

    __slots__ = ("arrays", "of_helper")

    def __init__(self, mbs: int) -> None:
        self.arrays = (
            np.empty(SCRATCH, np.uint8),
            np.empty(LINES_SIZE, np.uint8),
            np.empty(LEVELS_PER_MB, np.int32),
            np.empty(64, np.int64),
            np.empty(mbs, np.int32),
            np.empty(THRESHOLDS, np.int64),
        )
        self.of_helper = (*map(np.empty_like, self.arrays[:4]), *self.arrays[4:])
        """The same for a thread that helps, which uses the first four only."""


FlatArrays = tuple[Array, ...]


def flat(info: SideInformation) -> FlatArrays:
    """Return the arrays of side information as `picture_samples` takes them."""
    motion = info.motion
    mv = motion.mv.reshape(-1)
    return (
        info.slice_table,
        motion.mb_type,
        mv,
        mv.view(np.int32),
        mv.view(np.int64),
        motion.ref_idx.reshape(-1),
        motion.ref_picture.reshape(-1),
        info.intra_pred_mode.reshape(-1),
        info.intra16x16_pred_mode,
        info.intra_chroma_pred_mode,
        info.transform_size_8x8_flag,
        info.qp_y,
        info.total_coeff.reshape(-1),
        info.coded_dc,
        info.level_offset,
        info.levels,
    )


def flat_slices(slices: SliceTable) -> FlatArrays:
    """Return the arrays of a slice table as `picture_samples` takes them."""
    return (
        slices.parameters.reshape(-1),
        slices.ref_slot.reshape(-1),
        slices.weights.reshape(-1),
        slices.implicit_weights.reshape(-1),
    )


@lru_cache(maxsize=8)
def _level_scales(scaling4x4: bytes, scaling8x8: bytes) -> tuple[Array, Array]:
    """(#avc.8.5.9) LevelScale4x4 and LevelScale8x8, flat; streams have few scaling matrices."""
    weights4x4 = np.frombuffer(scaling4x4, np.uint8).reshape(-1, 6, 16)
    weights8x8 = np.frombuffer(scaling8x8, np.uint8).reshape(-1, 2, 64)
    return level_scale4x4(weights4x4).reshape(-1), level_scale8x8(weights8x8).reshape(-1)


class SampleWork:
    """(#avc.8.3) (#avc.8.4.2) (#avc.8.5) (#avc.8.7) The samples of a picture to be written to its slot: who does it,
    and who helps.

    `arrays` are those of the picture's side information, flat; its motion is derived. Its margins are written where it
    is a `reference`.
    """

    __slots__ = ("_arguments", "_failure", "_scratch", "_states", "helped")

    def __init__(
        self,
        arrays: FlatArrays,
        slices: SliceTable,
        scratch: Scratch,
        store: FrameStore,
        slot: int,
        reference: bool,
    ) -> None:
        mbs = store.geometry.mbs
        band = BAND_ROWS * store.geometry.width_mbs
        # Never used again: a thread that helps may look at them when the picture is complete.
        self._states = np.full(-(-mbs // band), FREE, np.int32)
        self._scratch = scratch
        self._arguments: tuple[Any, ...] = (
            store.samples,
            slot,
            layout_of(store),
            mbs,
            int(reference),
            *arrays,
            *flat_slices(slices),
            *_level_scales(slices.scaling4x4.tobytes(), slices.scaling8x8.tobytes()),
        )
        self._failure: BaseException | None = None
        self.helped = False
        """Whether a thread helps, or has helped."""

    def write(self) -> None:
        """Write the samples. Raises HYP-E-AVC-02 as `reconstruct_intra_macroblocks` does, and what kept a thread from
        helping."""
        status = self._run(OWNER, self._scratch.arrays)
        if self._failure is not None:
            raise self._failure
        check_modes(status)

    def help(self) -> None:
        """Predict inter macroblocks from the last band on, and add their residual, while another thread is at
        `write`; to be called by one thread."""
        try:
            self._run(HELPER, self._scratch.of_helper)
        except BaseException as error:
            # An interrupt, where kernels are plain Python: nobody may wait for a band now.
            self._failure = error
            self._states[self._states == TAKEN] = MADE
            raise

    def _run(self, role: int, scratch: FlatArrays) -> int:
        bands = role, self._states
        arguments: tuple[Any, ...] = (*bands, *self._arguments, *scratch, *NO_DECISIONS)
        return picture_samples(*arguments)


@kernel
def picture_samples(
    role: int, band_states: Array,
    samples: Array, slot: int, layout: Array, mbs: int, reference: int,
    slice_table: Array, mb_type: Array, mv: Array, mv32: Array, mv64: Array, ref_idx: Array,
    ref_picture: Array, intra_pred_mode: Array, intra16x16_pred_mode: Array,
    intra_chroma_pred_mode: Array, transform_size_8x8_flag: Array, qp_y: Array,
    total_coeff: Array, coded_dc: Array, level_offset: Array, levels: Array,
    parameters: Array, ref_slot: Array, weights: Array, implicit_weights: Array,
    scale4x4: Array, scale8x8: Array,
    scratch: Array, lines: Array, residual: Array, work: Array, states: Array, thresholds: Array,
    strength_record: Array, luma_record: Array, chroma_record: Array,
) -> int:  # fmt: skip
    """(#avc.8.3) (#avc.8.4.2) (#avc.8.5) (#avc.8.7) See `SampleWork`; return the status of
    `reconstruct_intra`. One kernel for both roles, since it takes long to compile."""
    width_mbs, stride = int(layout[WIDTH_MBS]), int(layout[LUMA_STRIDE])
    luma_at = slot * int(layout[SLOT_SIZE]) + int(layout[LUMA_OFFSET])
    cb_at = slot * int(layout[SLOT_SIZE]) + int(layout[CB_OFFSET])
    cr_at = cb_at + int(layout[TO_CR])
    status = -1
    band_mbs = width_mbs * BAND_ROWS
    bands = band_states.size
    for turn in range(bands):
        band = turn if role == OWNER else bands - 1 - turn
        first = band * band_mbs
        end = min(first + band_mbs, mbs)
        if take(band_states, band):
            predict_macroblocks(
                samples, slot, layout, scratch, first, end, slice_table, mb_type, mv, mv32, mv64, ref_idx,
                parameters, ref_slot, weights, implicit_weights,
            )  # fmt: skip
            add_inter_residuals(
                first, end, width_mbs, slice_table, parameters, mb_type, transform_size_8x8_flag, qp_y,
                total_coeff, coded_dc, level_offset, levels, scale4x4, scale8x8, samples, luma_at, cb_at,
                cr_at, stride, residual, work,
            )  # fmt: skip
            call_made(band_states, band)
        elif role == HELPER:
            break  # the owner has come so far
        if role == HELPER:
            continue
        await_made(band_states, band)
        found = reconstruct_intra(
            first, end, width_mbs, lines, slice_table, parameters, mb_type, intra_pred_mode,
            intra16x16_pred_mode, intra_chroma_pred_mode, transform_size_8x8_flag, qp_y, total_coeff,
            coded_dc, level_offset, levels, scale4x4, scale8x8, samples, luma_at, cb_at, cr_at, stride,
            residual, work,
        )  # fmt: skip
        classify(
            states, first, end, slice_table, mb_type, mv64, ref_picture, total_coeff,
            transform_size_8x8_flag,
        )  # fmt: skip
        if status < 0:
            status = found
        # a row behind: intra prediction of the next one needs this one's samples unfiltered
        filter_macroblocks(
            samples, slot, layout, states, thresholds, max(first - width_mbs, 0),
            mbs if end == mbs else end - width_mbs, slice_table, mv, mv32, ref_picture,
            transform_size_8x8_flag, qp_y, parameters, NOTHING, strength_record, luma_record,
            chroma_record,
        )  # fmt: skip
    if role == OWNER and reference != 0:
        repeat_edges(samples, slot, layout)
    return status
