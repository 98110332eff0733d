"""The derivation of motion agrees with its plain counterpart, compiled and as plain Python, on any side information."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refcodec import errors
from refcodec.avc import motion_vectors
from refcodec.avc import side_information as kinds
from refcodec.avc import slice_table as columns
from refcodec.avc.motion_vectors import derive_motion
from refcodec.avc.plain.motion_vectors import MotionDerivation
from refcodec.avc.side_information import MotionField, SideInformation
from refcodec.avc.slice_table import SliceTable
from refcodec.avc.weights import UNSCALED
from tests.property.examples import examples


@dataclass
class Case:
    """A parsed picture, its slices and the colocated picture."""

    slices: SliceTable
    info: SideInformation
    colocated: MotionField
    width_mbs: int
    slice_count: int


def random_vectors(rng: np.random.Generator, shape: tuple[int, ...], spread: int) -> np.ndarray:
    """Vectors of which many are zero or alike, and some are as long as 16 bits allow."""
    vectors = rng.integers(-spread, spread + 1, (*shape, 2))
    vectors[rng.random(shape) < 0.4] = 0
    if spread > 100:
        vectors[rng.random(shape) < 0.2] = 32767
    return vectors.astype(np.int16)


def random_colocated(
    rng: np.random.Generator, mbs: int, references: int, spread: int
) -> MotionField:
    field = MotionField.allocate(mbs)
    field.ref_idx[:] = rng.integers(-1, references, field.ref_idx.shape)
    field.ref_idx[rng.random(mbs) < 0.1] = -1  # intra
    alike = rng.random(mbs) < 0.5
    field.ref_idx[alike] = field.ref_idx[alike, :, :1]
    field.ref_picture[:] = np.where(
        field.ref_idx < 0, -1, rng.integers(100, 100 + references, field.ref_idx.shape)
    )
    field.mv[:] = random_vectors(rng, (mbs, 2, 16), spread)
    field.ref_picture[alike] = field.ref_picture[alike, :, :1]
    alike &= rng.random(mbs) < 0.8
    field.mv[alike] = field.mv[alike, :, :1]
    by_block = np.repeat(np.repeat(field.ref_idx.reshape(mbs, 2, 2, 2), 2, 2), 2, 3)
    field.mv[by_block.reshape(mbs, 2, 16) < 0] = 0
    return field


def parse_macroblock(
    rng: np.random.Generator,
    case: Case,
    index: int,
    mb: int,
    spread: int,
    calm: float,
) -> None:
    """Write what parsing writes of one random macroblock."""
    info = case.info
    parameters = case.slices.parameters[index]
    slice_type = parameters[columns.SLICE_TYPE]
    info.slice_table[mb] = index
    info.sub_mb_type[mb] = kinds.SUB_8X8
    info.pred_flags[mb] = 0
    info.mvd[mb] = 0
    info.motion.ref_idx[mb] = -1
    intra = [kinds.I_4X4, kinds.I_8X8, kinds.I_16X16, kinds.I_PCM]
    partitioned = [kinds.INTER_16X16, kinds.INTER_16X8, kinds.INTER_8X16, kinds.INTER_8X8]
    skipped = kinds.P_SKIP if slice_type == columns.P else kinds.B_SKIP
    if slice_type == columns.I or rng.random() < 0.1:
        shape = rng.choice(intra)
    elif rng.random() < calm:
        shape = skipped
    else:
        direct = [] if slice_type == columns.P else [kinds.B_DIRECT_16X16]
        shape = rng.choice(partitioned + direct)
    info.motion.mb_type[mb] = shape
    if shape in (kinds.B_SKIP, kinds.B_DIRECT_16X16):
        info.sub_mb_type[mb] = kinds.SUB_DIRECT
    elif shape == kinds.P_SKIP:
        info.pred_flags[mb] = 1
        info.motion.ref_idx[mb, 0] = 0
    elif shape > kinds.LAST_INTRA:
        _parse_partitions(rng, case, index, mb, int(shape), spread)


def _parse_partitions(
    rng: np.random.Generator, case: Case, index: int, mb: int, shape: int, spread: int
) -> None:
    info = case.info
    parameters = case.slices.parameters[index]
    is_b = parameters[columns.SLICE_TYPE] == columns.B
    partition_of_q = {
        kinds.INTER_16X16: [0, 0, 0, 0],
        kinds.INTER_16X8: [0, 0, 1, 1],
        kinds.INTER_8X16: [0, 1, 0, 1],
        kinds.INTER_8X8: [0, 1, 2, 3],
    }[shape]
    flags = rng.integers(1, 4, 4) if is_b else np.ones(4, np.int64)
    if shape == kinds.INTER_8X8:
        info.sub_mb_type[mb] = rng.integers(0, 5 if is_b else 4, 4)
        flags[info.sub_mb_type[mb] == kinds.SUB_DIRECT] = 0
    info.pred_flags[mb] = flags[partition_of_q]
    counts = parameters[[columns.NUM_REF_IDX_L0, columns.NUM_REF_IDX_L1]]
    for picture_list in range(2):
        references = rng.integers(0, max(1, counts[picture_list]), 4)[partition_of_q]
        used = info.pred_flags[mb] >> picture_list & 1
        info.motion.ref_idx[mb, picture_list] = np.where(used, references, -1)
        for q in range(4):
            if used[q]:
                _parse_differences(rng, info, mb, picture_list, q, partition_of_q, spread)


def _parse_differences(
    rng: np.random.Generator,
    info: SideInformation,
    mb: int,
    picture_list: int,
    q: int,
    partition_of_q: list[int],
    spread: int,
) -> None:
    grid = info.mvd[mb, picture_list].reshape(4, 4, 2)
    width, height = {
        kinds.SUB_8X8: (2, 2),
        kinds.SUB_8X4: (2, 1),
        kinds.SUB_4X8: (1, 2),
        kinds.SUB_4X4: (1, 1),
    }[int(info.sub_mb_type[mb, q])]
    first = partition_of_q.index(partition_of_q[q])
    for y in range(0, 2, height):
        for x in range(0, 2, width):
            column, row = 2 * (q % 2) + x, 2 * (q // 2) + y
            if first != q:  # the same partition as an earlier 8x8 block
                value = grid[2 * (first // 2), 2 * (first % 2)]
            else:
                value = random_vectors(rng, (1,), spread)[0]
            grid[row : row + height, column : column + width] = value


@st.composite
def cases(draw: st.DrawFn) -> Case:
    width_mbs = draw(st.integers(1, 6))
    mbs = width_mbs * draw(st.integers(1, 5))
    cuts = draw(st.sets(st.integers(1, max(1, mbs - 1)), max_size=3))
    starts = sorted({0, *(cut for cut in cuts if cut < mbs)})
    spread = draw(st.sampled_from([1, 2, 9, 3000, 32767]))
    calm = draw(st.sampled_from([0.0, 0.5, 0.9]))
    colocated_spread = draw(st.sampled_from([2, 2, 9, 32767]))
    references = draw(st.integers(1, 4))
    direct = draw(st.booleans()), draw(st.booleans())
    slice_types = [draw(st.sampled_from([columns.B, columns.P, columns.I])) for _ in starts]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    slices = SliceTable.allocate(len(starts))
    info = SideInformation.allocate(mbs)
    # What an earlier picture left behind must not show through
    for array in (info.motion.mv, info.motion.ref_picture, info.pred_flags, info.mvd):
        array[:] = 7
    case = Case(
        slices,
        info,
        random_colocated(rng, mbs, references, colocated_spread),
        width_mbs,
        len(starts),
    )
    for index, (first, end, kind) in enumerate(
        zip(starts, [*starts[1:], mbs], slice_types, strict=True)
    ):
        row = slices.parameters[index]
        row[columns.FIRST_MB] = first
        row[columns.END_MB] = end
        row[columns.SLICE_TYPE] = kind
        if kind != columns.I:
            row[columns.NUM_REF_IDX_L0] = references
        if kind == columns.B:
            row[columns.NUM_REF_IDX_L1] = rng.integers(1, 4)
        row[columns.DIRECT_SPATIAL_MV_PRED] = direct[0]
        row[columns.DIRECT_8X8_INFERENCE] = direct[1]
        row[columns.COLOCATED_LONG_TERM] = rng.random() < 0.1
        slices.ref_picture[index, 0, :references] = 100 + rng.permutation(references)
        slices.ref_picture[index, 1, :4] = 100 + rng.integers(0, 9, 4)
        slices.dist_scale_factor[index] = rng.choice(
            [UNSCALED, -1024, 1023, 128, 256, -37, 0], columns.LIST_SIZE
        )
        for mb in range(first, end):
            parse_macroblock(rng, case, index, mb, spread, calm)
    return case


def assert_agrees(case: Case) -> None:
    expected = []
    for index in range(case.slice_count):
        plain = MotionDerivation(index, case.slices, case.info, case.colocated, case.width_mbs)
        plain.run()
        expected.append(plain)
    for index in range(case.slice_count):
        derive_motion(index, case.slices, case.info, case.colocated, case.width_mbs)
    motion = case.info.motion
    for index, plain in enumerate(expected):
        mine = case.info.slice_table == index
        for name, found in (
            ("mv", motion.mv),
            ("ref_idx", motion.ref_idx),
            ("ref_picture", motion.ref_picture),
            ("pred_flags", case.info.pred_flags),
        ):
            np.testing.assert_array_equal(found[mine], getattr(plain, name)[mine], err_msg=name)


@given(cases())
@settings(max_examples=examples(300), deadline=None)
def test_derivation_agrees_with_the_plain_counterpart(case: Case) -> None:
    assert_agrees(case)


@given(cases())
@settings(max_examples=examples(40), deadline=None)
def test_kernel_means_the_same_as_plain_python(case: Case) -> None:
    compiled = motion_vectors._derive_motion
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(motion_vectors, "_derive_motion", getattr(compiled, "py_func", compiled))
        assert_agrees(case)


@given(cases(), st.data())
@settings(max_examples=examples(60), deadline=None)
def test_missing_references_are_reported_or_not_used(case: Case, data: st.DataObject) -> None:
    """A list entry without a picture is an error exactly when a macroblock refers to it."""
    index = data.draw(st.integers(0, case.slice_count - 1))
    if case.slices.parameters[index, columns.SLICE_TYPE] == columns.I:
        return
    picture_list = data.draw(st.integers(0, 1))
    missing = data.draw(st.integers(0, 3))
    case.slices.ref_picture[index, picture_list, missing] = -1
    plain = MotionDerivation(index, case.slices, case.info, case.colocated, case.width_mbs)
    mine = case.info.slice_table == index
    try:
        plain.run()
        broken = bool(np.any((plain.ref_idx[mine] >= 0) & (plain.ref_picture[mine] < 0)))
    except ValueError:  # RefPicList0 lacks the picture of a colocated block
        broken = True
    if not broken:
        derive_motion(index, case.slices, case.info, case.colocated, case.width_mbs)
        return
    with pytest.raises(errors.CLASSES["HYP-E-AVC-06"]):
        derive_motion(index, case.slices, case.info, case.colocated, case.width_mbs)
