"""Motion worked out by hand from H.264 8.4.1, one rule at a time."""

from __future__ import annotations

import numpy as np
import pytest

from refcodec import errors
from refcodec.avc import side_information as kinds
from refcodec.avc import slice_table as columns
from refcodec.avc.motion_vectors import derive_motion
from refcodec.avc.side_information import MotionField, SideInformation
from refcodec.avc.slice_table import SliceTable
from refcodec.avc.weights import UNSCALED

WIDTH = 3
MBS = 6
CENTRE = 4
"""The macroblock with all of A (3), B (1), C (2) and D (0)."""


class Picture:
    """Three by two macroblocks, intra at first, in one slice."""

    def __init__(self, slice_type: int) -> None:
        self.info = SideInformation.allocate(MBS)
        self.slices = SliceTable.allocate(1)
        self.colocated = MotionField.allocate(MBS)
        self.info.slice_table[:] = 0
        self.info.motion.mb_type[:] = kinds.I_16X16
        self.row = self.slices.parameters[0]
        self.row[columns.END_MB] = MBS
        self.row[columns.SLICE_TYPE] = slice_type
        self.row[columns.NUM_REF_IDX_L0] = self.row[columns.NUM_REF_IDX_L1] = 3
        self.row[columns.DIRECT_SPATIAL_MV_PRED] = 1
        self.slices.ref_picture[0, :, :3] = [[10, 11, 12], [20, 21, 22]]
        self.slices.dist_scale_factor[0] = UNSCALED

    def inter(
        self, mb: int, mvd: tuple[int, int], reference: int = 0, picture_list: int = 0
    ) -> None:
        """A 16x16 macroblock of one list."""
        self.info.motion.mb_type[mb] = kinds.INTER_16X16
        self.info.pred_flags[mb] = 1 << picture_list
        self.info.motion.ref_idx[mb, picture_list] = reference
        self.info.mvd[mb, picture_list] = mvd

    def parted(self, mb: int, shape: int, references: list[int]) -> None:
        """A partitioned macroblock of list 0 with differences of zero."""
        self.info.motion.mb_type[mb] = shape
        self.info.pred_flags[mb] = 1
        self.info.motion.ref_idx[mb, 0] = references

    def skip(self, mb: int) -> None:
        is_p = self.row[columns.SLICE_TYPE] == columns.P
        self.info.motion.mb_type[mb] = kinds.P_SKIP if is_p else kinds.B_SKIP
        if is_p:
            self.info.pred_flags[mb] = 1
            self.info.motion.ref_idx[mb, 0] = 0
        else:
            self.info.sub_mb_type[mb] = kinds.SUB_DIRECT

    def derive(self) -> np.ndarray:
        derive_motion(0, self.slices, self.info, self.colocated, WIDTH)
        return self.info.motion.mv

    def vectors(self, mb: int, picture_list: int = 0) -> list[tuple[int, int]]:
        """The distinct vectors of a macroblock in block order."""
        return list(
            dict.fromkeys((int(x), int(y)) for x, y in self.info.motion.mv[mb, picture_list])
        )


def test_a_macroblock_with_one_neighbour_of_its_reference_takes_its_vector() -> None:
    picture = Picture(columns.P)
    picture.inter(1, (8, -4), reference=1)
    picture.inter(2, (100, 100), reference=2)
    picture.inter(CENTRE, (1, 1), reference=1)
    picture.derive()
    # Macroblock 1 has no neighbours but an intra one, 2 has A = 1 alone: its vector is 108, 96
    assert picture.vectors(2) == [(108, 96)]
    assert picture.vectors(CENTRE) == [(9, -3)]
    assert (picture.info.motion.ref_picture[CENTRE] == [[11] * 4, [-1] * 4]).all()


def test_the_median_is_taken_of_each_component() -> None:
    picture = Picture(columns.P)
    picture.inter(1, (8, -4))
    picture.inter(2, (-8 + 2, 4 + 40))  # A = 1 alone: (2, 40)
    picture.inter(3, (6, 1), reference=2)
    picture.inter(CENTRE, (0, 0))
    picture.derive()
    assert picture.vectors(2) == [(2, 40)]
    (a,), (b,), (c,) = picture.vectors(3), picture.vectors(1), picture.vectors(2)
    assert picture.vectors(CENTRE) == [
        (sorted((a[0], b[0], c[0]))[1], sorted((a[1], b[1], c[1]))[1])
    ]


def test_vectors_wrap_at_16_bits() -> None:
    picture = Picture(columns.P)
    picture.inter(0, (32767, -32768))
    picture.inter(1, (1, -1))
    picture.derive()
    assert picture.vectors(1) == [(-32768, 32767)]


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((4, 4), (8, 8), (4, 4)),  # median of (4, 4), (8, 8) and C, which is intra: (0, 0)
        ((0, 0), (8, 8), (0, 0)),
        ((4, 4), (0, 0), (0, 0)),
    ],
)
def test_p_skip_stays_where_a_neighbour_does(
    a: tuple[int, int], b: tuple[int, int], expected: tuple[int, int]
) -> None:
    picture = Picture(columns.P)
    picture.inter(1, b)
    picture.inter(3, (0, 0))
    picture.info.mvd[3, 0] = a
    picture.skip(CENTRE)
    picture.derive()
    # Of macroblock 3, B is intra and C is macroblock 1, the only one of reference 0
    picture.info.mvd[3, 0] = (a[0] - b[0], a[1] - b[1])
    picture.derive()
    assert picture.vectors(3) == [a]
    assert picture.vectors(CENTRE) == [expected]


def test_partitions_prefer_the_neighbour_of_their_direction() -> None:
    picture = Picture(columns.P)
    picture.inter(1, (16, 0))
    picture.inter(2, (-16, 32))  # (0, 32)
    picture.inter(3, (-16, 64))  # C is macroblock 1: (0, 64)
    picture.parted(CENTRE, kinds.INTER_16X8, [0, 0, 0, 0])
    picture.derive()
    assert picture.vectors(CENTRE) == [(16, 0), (0, 64)]
    picture.parted(CENTRE, kinds.INTER_8X16, [0, 0, 0, 0])
    picture.derive()
    assert picture.vectors(CENTRE) == [(0, 64), (0, 32)]


def test_later_sub_macroblocks_are_not_neighbours() -> None:
    picture = Picture(columns.P)
    picture.parted(0, kinds.INTER_8X8, [0, 0, 0, 0])
    picture.info.motion.mb_type[1:] = kinds.I_PCM
    picture.info.sub_mb_type[0] = kinds.SUB_4X4
    mvd = picture.info.mvd[0, 0].reshape(4, 4, 2)
    mvd[0, 0] = (4, 0)
    mvd[1, 0] = (16, 0)
    picture.derive()
    grid = picture.info.motion.mv[0, 0].reshape(4, 4, 2)
    assert grid[0, :2, 0].tolist() == [4, 4]
    # Third 4x4 block: A is outside, B = C = 4: 4 + 16; the fourth: A 20, B 4, D 4 in the place of
    # C, which lies in the second sub-macroblock: 4. Were C available at 0, it would be 4 too.
    assert grid[1, :2, 0].tolist() == [20, 4]
    mvd[0, 2] = (-30, 0)
    picture.derive()
    grid = picture.info.motion.mv[0, 0].reshape(4, 4, 2)
    assert grid[0, 2, 0] == 4 - 30
    assert grid[1, 1, 0] == 4


@pytest.mark.parametrize(
    ("colocated", "reference", "long_term", "still"),
    [
        ((1, -1), 0, 0, True),
        ((2, 0), 0, 0, False),
        ((0, -2), 0, 0, False),
        ((-2, 0), 0, 0, False),
        ((0, 2), 0, 0, False),
        ((0, 0), 1, 0, False),
        ((0, 0), -1, 0, False),
        ((0, 0), 0, 1, False),
    ],
)
@pytest.mark.parametrize("picture_list", [0, 1])
def test_spatial_direct_stands_still_where_the_colocated_block_does(
    colocated: tuple[int, int], reference: int, long_term: int, still: bool, picture_list: int
) -> None:
    picture = Picture(columns.B)
    picture.inter(1, (8, 8))
    picture.skip(CENTRE)
    picture.row[columns.COLOCATED_LONG_TERM] = long_term
    picture.colocated.ref_idx[CENTRE, picture_list, 3] = reference
    picture.colocated.mv[CENTRE, picture_list, 15] = colocated
    picture.row[columns.DIRECT_8X8_INFERENCE] = 1
    picture.derive()
    grid = picture.info.motion.mv[CENTRE, 0].reshape(4, 4, 2)
    assert (grid[:2] == 8).all()
    assert (grid[2:, 2:] == (0 if still else 8)).all()
    assert (picture.info.motion.ref_idx[CENTRE] == [[0] * 4, [-1] * 4]).all()
    assert (picture.info.pred_flags[CENTRE] == 1).all()


def test_spatial_direct_stands_still_as_a_whole() -> None:
    for picture_list in range(2):
        picture = Picture(columns.B)
        picture.inter(1, (8, 8), picture_list=picture_list)
        picture.skip(CENTRE)
        picture.colocated.ref_idx[CENTRE, 0] = 0
        picture.derive()
        assert not picture.info.motion.mv[CENTRE].any()
        assert (picture.info.pred_flags[CENTRE] == 1 << picture_list).all()


def test_without_inference_each_block_has_its_colocated_one() -> None:
    picture = Picture(columns.B)
    picture.inter(1, (8, 8))
    picture.skip(CENTRE)
    picture.colocated.ref_idx[CENTRE, 0] = 0
    picture.colocated.mv[CENTRE, 0] = 50
    picture.colocated.mv[CENTRE, 0, 9] = 1
    picture.derive()
    expected = np.full((16, 2), 8)
    expected[9] = 0
    assert (picture.info.motion.mv[CENTRE, 0] == expected).all()


def test_direct_without_references_around_takes_the_first_of_both_lists() -> None:
    picture = Picture(columns.B)
    picture.skip(0)
    picture.derive()
    assert (picture.info.motion.ref_idx[0] == 0).all()
    assert (picture.info.motion.ref_picture[0] == [[10] * 4, [20] * 4]).all()
    assert (picture.info.pred_flags[0] == 3).all()
    assert picture.vectors(0) == picture.vectors(0, 1) == [(0, 0)]


def test_temporal_direct_scales_the_colocated_vector() -> None:
    picture = Picture(columns.B)
    picture.row[columns.DIRECT_SPATIAL_MV_PRED] = 0
    picture.row[columns.DIRECT_8X8_INFERENCE] = 1
    picture.slices.dist_scale_factor[0, 1] = 128  # half way
    picture.skip(CENTRE)
    colocated = picture.colocated
    colocated.ref_idx[CENTRE, 1, 0] = 2  # list 1, since list 0 is not used there
    colocated.ref_picture[CENTRE, 1, 0] = 11
    colocated.mv[CENTRE, 1, 0] = (7, -7)
    colocated.ref_idx[CENTRE, 0, 1] = 0
    colocated.ref_picture[CENTRE, 0, 1] = 12  # its factor says: as it is
    colocated.mv[CENTRE, 0, 3] = (5, 6)
    picture.derive()
    motion = picture.info.motion
    assert motion.ref_idx[CENTRE].tolist() == [[1, 2, 0, 0], [0, 0, 0, 0]]
    assert motion.ref_picture[CENTRE].tolist() == [[11, 12, 10, 10], [20] * 4]
    # (128 * 7 + 128) >> 8 = 4, (128 * -7 + 128) >> 8 = -3
    assert motion.mv[CENTRE, :, 0].tolist() == [[4, -3], [-3, 4]]
    assert motion.mv[CENTRE, :, 2].tolist() == [[5, 6], [0, 0]]
    assert not motion.mv[CENTRE, :, 8:].any()


def test_a_colocated_reference_that_list_0_lacks_is_an_error() -> None:
    picture = Picture(columns.B)
    picture.row[columns.DIRECT_SPATIAL_MV_PRED] = 0
    picture.skip(CENTRE)
    picture.colocated.ref_idx[CENTRE, 0] = 0
    picture.colocated.ref_picture[CENTRE, 0] = 99
    with pytest.raises(errors.CLASSES["HYP-E-AVC-06"], match="macroblock 4"):
        picture.derive()


def test_a_b_slice_needs_a_colocated_picture() -> None:
    picture = Picture(columns.B)
    with pytest.raises(errors.CLASSES["HYP-E-AVC-06"], match="colocated"):
        derive_motion(0, picture.slices, picture.info, None, WIDTH)


@pytest.mark.parametrize("slice_type", [columns.P, columns.I])
def test_other_slices_do_not_and_intra_macroblocks_have_no_motion(slice_type: int) -> None:
    picture = Picture(slice_type)
    picture.info.motion.mv[:] = 5
    picture.info.motion.ref_picture[:] = 5
    derive_motion(0, picture.slices, picture.info, None, WIDTH)
    assert not picture.info.motion.mv.any()
    assert (picture.info.motion.ref_picture == -1).all()


@pytest.mark.parametrize("reference", [3, 32, 127])
def test_a_reference_beyond_the_list_is_an_error(reference: int) -> None:
    picture = Picture(columns.P)
    picture.inter(CENTRE, (0, 0), reference=reference)
    with pytest.raises(errors.CLASSES["HYP-E-AVC-06"]):
        picture.derive()
