"""Random pictures for tests of the sample kernels: side information that a stream could give."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from refcodec.avc import slice_table as st
from refcodec.avc.frame_store import FrameStore, Geometry
from refcodec.avc.side_information import (
    B_DIRECT_16X16,
    B_SKIP,
    I_PCM,
    INTER_8X8,
    INTER_8X16,
    INTER_16X8,
    INTER_16X16,
    LAST_INTRA,
    P_SKIP,
    SideInformation,
)
from refcodec.avc.slice_table import SliceTable

REFERENCES = 3
CURRENT = REFERENCES
"""The slot of the picture being decoded, behind those of its references."""


@dataclass
class Case:
    """One picture before inter prediction or before deblocking."""

    info: SideInformation
    slices: SliceTable
    store: FrameStore

    @property
    def mbs(self) -> int:
        return self.info.mbs


def random_samples(rng: np.random.Generator, store: FrameStore, slot: int, roughness: int) -> None:
    """Fill a slot: smooth steps of at most `roughness`, or at 256 independent or extreme samples."""
    for plane in store.planes(slot):
        shape = plane.shape
        if roughness >= 256:
            extreme = rng.integers(0, 2, shape) * 255
            plane[:] = extreme if rng.integers(2) else rng.integers(0, 256, shape)
        else:
            coarse = rng.integers(0, 256) + rng.integers(-roughness, roughness + 1, shape)
            blocks = rng.integers(-roughness, roughness + 1, (shape[0] // 4, shape[1] // 4))
            plane[:] = np.clip(coarse // 2 + np.kron(blocks, np.ones((4, 4), int)) + 64, 0, 255)


STILL = 0
"""In place of the reach of vectors: they are of full samples, most of them zero."""


def _vector(rng: np.random.Generator, reach: int) -> np.ndarray:
    if reach == STILL:
        return rng.integers(-3, 4, 2) * rng.choice([0, 0, 0, 0, 8, 8, 800])
    if rng.integers(4) == 0:
        return rng.integers(-4000, 4000, 2)
    if rng.integers(4) == 0:
        return rng.integers(-2, 3, 2) * 4
    if rng.integers(3) == 0:
        return rng.integers(-24, 25, 2) * 8
    return rng.integers(-reach, reach + 1, 2)


def _random_motion(
    rng: np.random.Generator, case: Case, mb: int, bipredictive: bool, still: bool
) -> None:
    info, motion = case.info, case.info.motion
    index = int(info.slice_table[mb])
    mb_type = int(motion.mb_type[mb])
    motion.mv[mb] = 0
    motion.ref_idx[mb] = -1
    motion.ref_picture[mb] = -1
    parts = {INTER_16X8: [(0, 1), (2, 3)], INTER_8X16: [(0, 2), (1, 3)]}.get(mb_type)
    if parts is None:
        split = mb_type in (INTER_8X8, B_SKIP, B_DIRECT_16X16) and rng.integers(3) > 0
        parts = [(0,), (1,), (2,), (3,)] if split else [(0, 1, 2, 3)]
    reach = STILL if still else int(rng.choice([3, 20, 200]))
    same = rng.integers(3) == 0
    vectors = [_vector(rng, reach) for _ in range(2)]
    refs = rng.integers(0, 4, 2)
    for part in parts:
        lists = int(rng.integers(1, 4)) if bipredictive else 1
        if not same:
            refs = rng.integers(0, 4, 2)
        for k in range(2):
            if not lists >> k & 1:
                continue
            if not same:
                vectors[k] = _vector(rng, reach)
            shape = int(rng.integers(4)) if mb_type == INTER_8X8 else 0
            for q in part:
                motion.ref_idx[mb, k, q] = refs[k]
                motion.ref_picture[mb, k, q] = case.slices.ref_picture[index, k, refs[k]]
                first = 8 * (q // 2) + 2 * (q % 2)
                subs = [[0, 1, 4, 5]], [[0, 1], [4, 5]], [[0, 4], [1, 5]], [[0], [1], [4], [5]]
                for sub in subs[shape]:
                    vector = vectors[k]
                    if len(sub) < 4 and not same:
                        vector = _vector(rng, reach)
                    for block in sub:
                        motion.mv[mb, k, first + block] = vector
    for q in range(4):
        info.pred_flags[mb, q] = sum(1 << k for k in range(2) if motion.ref_idx[mb, k, q] >= 0)


def random_case(seed: int, width_mbs: int, height_mbs: int, slices: int, roughness: int) -> Case:
    """Return a picture of up to `slices` slices, its references filled in with their margins."""
    from refcodec.avc.margins import extend_margins

    rng = np.random.default_rng(seed)
    store = FrameStore(Geometry(width_mbs, height_mbs), REFERENCES + 1)
    store.samples[:] = rng.integers(0, 256, store.samples.size)
    for slot in range(REFERENCES + 1):
        random_samples(rng, store, slot, roughness)
        if slot != CURRENT:
            extend_margins(store, slot)
    mbs = width_mbs * height_mbs
    table = SliceTable.allocate(slices)
    case = Case(SideInformation.allocate(mbs), table, store)
    info, motion = case.info, case.info.motion
    bounds = np.sort(rng.integers(0, mbs + 1, slices - 1))
    info.slice_table[:] = np.searchsorted(bounds, np.arange(mbs), side="right")
    still = bool(rng.integers(2))
    low_qp = int(rng.choice([0, 15, 30, 51]))
    for index in range(slices):
        parameters = table.parameters[index]
        parameters[st.SLICE_TYPE] = rng.integers(0, 2)
        parameters[st.DISABLE_DEBLOCKING_FILTER_IDC] = rng.choice([0, 0, 0, 1, 2])
        parameters[st.FILTER_OFFSET_A : st.FILTER_OFFSET_B + 1] = 2 * rng.integers(-6, 7, 2)
        parameters[st.CHROMA_QP_INDEX_OFFSET] = rng.integers(-12, 13)
        parameters[st.SECOND_CHROMA_QP_INDEX_OFFSET] = rng.integers(-12, 13)
        method = int(rng.choice([st.UNWEIGHTED, st.UNWEIGHTED, st.EXPLICIT, st.IMPLICIT]))
        parameters[st.WEIGHTED_PREDICTION] = method
        parameters[st.LUMA_LOG2_WEIGHT_DENOM] = rng.integers(0, 8)
        parameters[st.CHROMA_LOG2_WEIGHT_DENOM] = rng.integers(0, 8)
        slots = rng.integers(0, REFERENCES, (2, 4))
        table.ref_slot[index, :, :4] = slots
        table.ref_picture[index, :, :4] = 1000 + slots
        # the sum of two stays within -128 to 127 (7.4.3.2)
        table.weights[index, ..., 0] = rng.integers(-64, 64, (2, st.LIST_SIZE, 3))
        table.weights[index, ..., 1] = rng.integers(-128, 128, (2, st.LIST_SIZE, 3))
        for component in range(3):  # weights inferred where a flag is 0
            denominator = parameters[st.CHROMA_LOG2_WEIGHT_DENOM if component else
                                     st.LUMA_LOG2_WEIGHT_DENOM]  # fmt: skip
            inferred = rng.random((2, st.LIST_SIZE)) < (0.8 if still else 0.5)
            table.weights[index, inferred, component] = (1 << denominator, 0)
            alone = rng.random((2, st.LIST_SIZE)) < 0.1  # an offset without a weight
            table.weights[index, alone, component, 0] = 1 << denominator
        table.implicit_weights[index] = rng.choice(
            [32, 32, -64, 128, 17, 40], (st.LIST_SIZE, st.LIST_SIZE)
        )
    for mb in range(mbs):
        bipredictive = table.parameters[info.slice_table[mb], st.SLICE_TYPE] == st.B
        kinds = [INTER_16X16, INTER_16X8, INTER_8X16, INTER_8X8, INTER_8X8]
        kinds += [B_SKIP, B_DIRECT_16X16] if bipredictive else [P_SKIP]
        mb_type = int(rng.choice(kinds))
        if rng.integers(6) == 0:
            mb_type = int(rng.integers(0, LAST_INTRA + 1))
        motion.mb_type[mb] = mb_type
        info.qp_y[mb] = 0 if mb_type == I_PCM else rng.integers(min(low_qp, 50), 52)
        info.transform_size_8x8_flag[mb] = rng.integers(2)
        coded = rng.integers(2) and mb_type not in (P_SKIP, B_SKIP)
        info.total_coeff[mb] = rng.integers(0, 17, 24) * (rng.integers(3, size=24) == 0) * coded
        if mb_type <= LAST_INTRA:
            motion.mv[mb], motion.ref_idx[mb], motion.ref_picture[mb] = 0, -1, -1
            continue
        copied = rng.integers(3) if not still else rng.integers(2)
        same_slice = mb > 0 and info.slice_table[mb] == info.slice_table[mb - 1]
        if copied == 0 and same_slice and motion.mb_type[mb - 1] > LAST_INTRA:
            motion.mb_type[mb] = motion.mb_type[mb - 1]
            for field in (motion.mv, motion.ref_idx, motion.ref_picture, info.pred_flags):
                field[mb] = field[mb - 1]
            if rng.integers(2) and not still:
                motion.mv[mb] += (motion.mv[mb] != 0) * rng.integers(-1, 2)
        else:
            _random_motion(rng, case, mb, bool(bipredictive), still)
        if motion.mb_type[mb] in (P_SKIP, B_SKIP):
            info.total_coeff[mb] = 0
            info.transform_size_8x8_flag[mb] = 0
    if rng.integers(3) == 0:
        info.slice_table[rng.integers(0, mbs)] = -1
    return case
