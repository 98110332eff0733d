"""Plain counterpart of the derivation of motion (8.4.1): by luma locations in the picture.

A partition is decoded when its place in `decoded` holds the slice's index: that is the whole rule
of availability, of slices (6.4.9) as of later partitions (6.4.11.7).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from refcodec.avc import side_information as kinds
from refcodec.avc import slice_table as columns
from refcodec.avc.side_information import MotionField, SideInformation
from refcodec.avc.slice_table import SliceTable

Vector = tuple[int, int]

# (width, height) of the partitions in luma samples
_PARTITIONS = {
    kinds.INTER_16X16: (16, 16),
    kinds.INTER_16X8: (16, 8),
    kinds.INTER_8X16: (8, 16),
}
_SUB_PARTITIONS = {
    kinds.SUB_8X8: (8, 8),
    kinds.SUB_8X4: (8, 4),
    kinds.SUB_4X8: (4, 8),
    kinds.SUB_4X4: (4, 4),
}


class Neighbour(NamedTuple):
    """refIdxLXN and mvLXN of a neighbouring partition."""

    available: bool
    reference: int
    vector: Vector


_ABSENT = Neighbour(False, -1, (0, 0))


def _median(a: int, b: int, c: int) -> int:
    return sorted((a, b, c))[1]


def _tiles(width: int, height: int, of_width: int, of_height: int) -> list[Vector]:
    """Upper left corners of the partitions of an area, in decoding order."""
    return [(x, y) for y in range(0, of_height, height) for x in range(0, of_width, width)]


class MotionDerivation:
    """Derives the motion of one slice; `mv`, `ref_idx` and `ref_picture` are laid out as in
    MotionField, with int64 entries; `pred_flags` as in SideInformation."""

    def __init__(
        self,
        index: int,
        slices: SliceTable,
        info: SideInformation,
        colocated: MotionField,
        width_mbs: int,
    ) -> None:
        self.index = index
        self.slices = slices
        self.parameters = [int(value) for value in slices.parameters[index]]
        self.info = info
        self.colocated = colocated
        self.width = width_mbs
        rows = info.mbs // width_mbs
        self.decoded: NDArray[np.int64] = np.full((4 * rows, 4 * width_mbs), -1, np.int64)
        self.mv: NDArray[Any] = info.motion.mv.astype(np.int64)
        self.ref_idx: NDArray[Any] = info.motion.ref_idx.astype(np.int64)
        self.ref_picture: NDArray[Any] = info.motion.ref_picture.astype(np.int64)
        self.pred_flags: NDArray[Any] = info.pred_flags.copy()

    def run(self) -> None:
        """Derive all macroblocks of the slice."""
        for mb in range(self.parameters[columns.FIRST_MB], self.parameters[columns.END_MB]):
            self._macroblock(mb)
            for picture_list in range(2):
                for q in range(4):
                    reference = int(self.ref_idx[mb, picture_list, q])
                    self.ref_picture[mb, picture_list, q] = (
                        -1
                        if reference < 0
                        else self.slices.ref_picture[self.index, picture_list, reference]
                    )

    def _macroblock(self, mb: int) -> None:
        shape = int(self.info.motion.mb_type[mb])
        left, top = 16 * (mb % self.width), 16 * (mb // self.width)
        self.mv[mb] = 0
        if shape <= kinds.LAST_INTRA:
            self._finish(left, top, 16, 16)
        elif shape == kinds.P_SKIP:
            self._place(left, top, 16, 16, 0, self._skip_vector(left, top))
            self._finish(left, top, 16, 16)
        elif shape in _PARTITIONS:
            width, height = _PARTITIONS[shape]
            for part, (x, y) in enumerate(_tiles(width, height, 16, 16)):
                self._partition(left + x, top + y, width, height, shape, part)
        else:
            # The neighbours of direct blocks are those of the macroblock, before all of it
            spatial = self._spatial_direct(left, top)
            for q, (x, y) in enumerate(_tiles(8, 8, 16, 16)):
                sub_shape = int(self.info.sub_mb_type[mb, q])
                if sub_shape == kinds.SUB_DIRECT:
                    self._direct(mb, q, left + x, top + y, spatial)
                    self._finish(left + x, top + y, 8, 8)
                else:
                    width, height = _SUB_PARTITIONS[sub_shape]
                    for sub_x, sub_y in _tiles(width, height, 8, 8):
                        self._partition(left + x + sub_x, top + y + sub_y, width, height, shape, 0)

    # ------------------------------------------------------------------------------ places

    def _finish(self, x: int, y: int, width: int, height: int) -> None:
        self.decoded[y // 4 : (y + height) // 4, x // 4 : (x + width) // 4] = self.index

    def _where(self, x: int, y: int) -> tuple[int, int, int]:
        """Macroblock address, 4x4 block and 8x8 block at a luma location."""
        mb = self.width * (y // 16) + x // 16
        return mb, 4 * (y % 16 // 4) + x % 16 // 4, 2 * (y % 16 // 8) + x % 16 // 8

    def _place(
        self, x: int, y: int, width: int, height: int, picture_list: int, vector: Vector
    ) -> None:
        for offset_x, offset_y in _tiles(4, 4, width, height):
            mb, block, _ = self._where(x + offset_x, y + offset_y)
            for component in range(2):
                wrapped = (vector[component] + 2**15) % 2**16 - 2**15
                self.mv[mb, picture_list, block, component] = wrapped

    def _neighbour(self, picture_list: int, x: int, y: int) -> Neighbour:
        """(#avc.8.4.1.3.2) The partition that covers the luma location (x, y)."""
        if not (0 <= x < 16 * self.width and y >= 0):
            return _ABSENT
        if self.decoded[y // 4, x // 4] != self.index:
            return _ABSENT
        mb, block, q = self._where(x, y)
        reference = int(self.ref_idx[mb, picture_list, q])
        if reference < 0:
            return Neighbour(True, -1, (0, 0))
        vector = self.mv[mb, picture_list, block]
        return Neighbour(True, reference, (int(vector[0]), int(vector[1])))

    def _neighbours(
        self, picture_list: int, x: int, y: int, width: int
    ) -> tuple[Neighbour, Neighbour, Neighbour]:
        a = self._neighbour(picture_list, x - 1, y)
        b = self._neighbour(picture_list, x, y - 1)
        c = self._neighbour(picture_list, x + width, y - 1)
        if not c.available:
            c = self._neighbour(picture_list, x - 1, y - 1)
        return a, b, c

    # -------------------------------------------------------------------------- prediction

    def _median_prediction(
        self, reference: int, a: Neighbour, b: Neighbour, c: Neighbour
    ) -> Vector:
        """(#avc.8.4.1.3.1)"""
        if not b.available and not c.available and a.available:
            b = c = a
        same = [n for n in (a, b, c) if n.reference == reference]
        if len(same) == 1:
            return same[0].vector
        x, y = (_median(a.vector[i], b.vector[i], c.vector[i]) for i in range(2))
        return x, y

    def _partition(self, x: int, y: int, width: int, height: int, shape: int, part: int) -> None:
        """(#avc.8.4.1.3)"""
        mb, block, q = self._where(x, y)
        for picture_list in range(2):
            if not self.pred_flags[mb, q] & (1 << picture_list):
                continue
            reference = int(self.ref_idx[mb, picture_list, q])
            a, b, c = self._neighbours(picture_list, x, y, width)
            preferred = {
                (kinds.INTER_16X8, 0): b,
                (kinds.INTER_16X8, 1): a,
                (kinds.INTER_8X16, 0): a,
                (kinds.INTER_8X16, 1): c,
            }.get((shape, part))
            if preferred is not None and preferred.reference == reference:
                prediction = preferred.vector
            else:
                prediction = self._median_prediction(reference, a, b, c)
            mvd = self.info.mvd[mb, picture_list, block]
            vector = (prediction[0] + int(mvd[0]), prediction[1] + int(mvd[1]))
            self._place(x, y, width, height, picture_list, vector)
        self._finish(x, y, width, height)

    def _skip_vector(self, x: int, y: int) -> Vector:
        """(#avc.8.4.1.1)"""
        a, b, c = self._neighbours(0, x, y, 16)
        if not a.available or not b.available:
            return 0, 0
        if (a.reference, a.vector) == (0, (0, 0)) or (b.reference, b.vector) == (0, (0, 0)):
            return 0, 0
        return self._median_prediction(0, a, b, c)

    # ------------------------------------------------------------------------------ direct

    def _spatial_direct(self, x: int, y: int) -> list[tuple[int, Vector]]:
        """(#avc.8.4.1.2.2) Reference index and vector of each list, before colZeroFlag."""
        result: list[tuple[int, Vector]] = []
        for picture_list in range(2):
            neighbours = self._neighbours(picture_list, x, y, 16)
            used = [n.reference for n in neighbours if n.reference >= 0]
            if used:
                reference = min(used)
                result.append((reference, self._median_prediction(reference, *neighbours)))
            else:
                result.append((-1, (0, 0)))
        if all(reference < 0 for reference, _ in result):
            return [(0, (0, 0)), (0, (0, 0))]
        return result

    def _colocated(self, x: int, y: int) -> tuple[Vector, int, int]:
        """(#avc.8.4.1.2.1) mvCol, refIdxCol and the picture it refers to, for the 4x4 block at a
        luma location."""
        if self.parameters[columns.DIRECT_8X8_INFERENCE]:
            x = x // 16 * 16 + x % 16 // 8 * 15
            y = y // 16 * 16 + y % 16 // 8 * 15
        mb, block, q = self._where(x, y)
        for picture_list in range(2):
            reference = int(self.colocated.ref_idx[mb, picture_list, q])
            if reference >= 0:
                vector = self.colocated.mv[mb, picture_list, block]
                picture = int(self.colocated.ref_picture[mb, picture_list, q])
                return (int(vector[0]), int(vector[1])), reference, picture
        return (0, 0), -1, -1

    def _direct(self, mb: int, q: int, x: int, y: int, spatial: list[tuple[int, Vector]]) -> None:
        """(#avc.8.4.1.2) One 8x8 block, 4x4 by 4x4."""
        self.pred_flags[mb, q] = 0
        for offset_x, offset_y in _tiles(4, 4, 8, 8):
            at = (x + offset_x, y + offset_y)
            motion = (
                self._spatial_block(at, spatial)
                if self.parameters[columns.DIRECT_SPATIAL_MV_PRED]
                else self._temporal_block(at)
            )
            for picture_list, (reference, vector) in enumerate(motion):
                self.ref_idx[mb, picture_list, q] = reference
                if reference >= 0:
                    self.pred_flags[mb, q] |= 1 << picture_list
                self._place(*at, 4, 4, picture_list, vector)

    def _spatial_block(
        self, at: Vector, spatial: list[tuple[int, Vector]]
    ) -> list[tuple[int, Vector]]:
        """(#avc.8.4.1.2.2)"""
        vector, reference, _ = self._colocated(*at)
        zero = (
            not self.parameters[columns.COLOCATED_LONG_TERM]
            and reference == 0
            and max(abs(vector[0]), abs(vector[1])) <= 1
        )
        return [(r, (0, 0) if r < 0 or (r == 0 and zero) else v) for r, v in spatial]

    def _temporal_block(self, at: Vector) -> list[tuple[int, Vector]]:
        """(#avc.8.4.1.2.3)"""
        vector, reference, picture = self._colocated(*at)
        reference_0 = 0
        if reference >= 0:
            active = self.parameters[columns.NUM_REF_IDX_L0]
            pictures = [int(i) for i in self.slices.ref_picture[self.index, 0, :active]]
            reference_0 = pictures.index(picture)
        scale = int(self.slices.dist_scale_factor[self.index, reference_0])
        if not -1024 <= scale <= 1023:
            return [(reference_0, vector), (0, (0, 0))]
        scaled = ((scale * vector[0] + 128) // 256, (scale * vector[1] + 128) // 256)
        return [
            (reference_0, scaled),
            (0, (scaled[0] - vector[0], scaled[1] - vector[1])),
        ]
