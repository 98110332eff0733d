"""What can be drawn of a picture's side information: types, partitions, vectors, heat maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from refcodec.avc import side_information as si
from refcodec.avc.side_information import SideInformation

Array = NDArray[Any]

TYPE_NAMES: Final = {
    si.I_4X4: "I_4x4",
    si.I_8X8: "I_8x8",
    si.I_16X16: "I_16x16",
    si.I_PCM: "I_PCM",
    si.INTER_16X16: "16x16",
    si.INTER_16X8: "16x8",
    si.INTER_8X16: "8x16",
    si.INTER_8X8: "8x8",
    si.P_SKIP: "P_Skip",
    si.B_SKIP: "B_Skip",
    si.B_DIRECT_16X16: "B_Direct_16x16",
}
"""Name of each macroblock type, by the number that the side information has for it."""

HEAT_MAPS: Final = ("quantiser", "levels", "coefficients", "bits")
"""The names of `PictureLayers.heat`."""


@dataclass(frozen=True)
class PictureLayers:
    """The layers of one picture, in luma samples of the macroblock grid, before cropping.

    mb_type: uint8 (rows, columns) of macroblocks; heat: by name a float map (rows, columns):
    `quantiser` QP_Y, `levels` the sum of the absolute transform coefficient levels, `coefficients`
    how many are not zero, `bits` what the macroblock takes in slice data (for CABAC by the position
    of the arithmetic decoder; NaN where no slice is). lines: int32 (n, 4), edges of partitions
    inside macroblocks, x0, y0, x1, y1; slice_lines: the same for edges between slices. vectors:
    int32 (n, 6): list, reference index, middle x and y in half samples of the area, mv x and mv y in
    quarter samples.
    """

    mb_type: Array
    heat: dict[str, Array]
    lines: Array
    slice_lines: Array
    vectors: Array

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the macroblock grid in luma samples."""
        rows, columns = self.mb_type.shape
        return 16 * columns, 16 * rows

    def type_counts(self) -> dict[str, int]:
        """Return how many macroblocks each type has, commonest first."""
        numbers, counts = np.unique(self.mb_type, return_counts=True)
        order = np.argsort(-counts, kind="stable")
        return {TYPE_NAMES[int(numbers[n])]: int(counts[n]) for n in order}


def picture_layers(info: SideInformation, width_mbs: int) -> PictureLayers:
    """Return the layers of a picture that is `width_mbs` macroblocks wide."""
    shape = (info.mbs // width_mbs, width_mbs)
    heat = {
        "quantiser": info.qp_y.astype(np.float64).reshape(shape),
        **{name: heat.reshape(shape) for name, heat in _level_maps(info).items()},
        "bits": _bits(info).reshape(shape),
    }
    return PictureLayers(
        info.motion.mb_type.reshape(shape).copy(),
        heat,
        _partition_lines(info, width_mbs),
        _slice_lines(info, width_mbs),
        _vectors(info, width_mbs),
    )


def _level_maps(info: SideInformation) -> dict[str, Array]:
    sums, counts = np.zeros(info.mbs), np.zeros(info.mbs)
    for mb in np.flatnonzero((info.level_offset >= 0) & (info.motion.mb_type != si.I_PCM)):
        begin = int(info.level_offset[mb])
        levels = info.levels[begin : begin + si.LEVELS_PER_MB].astype(np.int64)
        sums[mb], counts[mb] = np.abs(levels).sum(), np.count_nonzero(levels)
    return {"levels": sums, "coefficients": counts}


def _bits(info: SideInformation) -> Array:
    """Return bits by macroblock: where it ends less where the one before it in the slice ends."""
    found = np.full(info.mbs, np.nan)
    for index in np.unique(info.slice_table[info.slice_table >= 0]):
        members = np.flatnonzero(info.slice_table == index)
        found[members] = np.diff(info.end_bit[members].astype(np.int64), prepend=0)
    return found


# ------------------------------------------------------------------------------- partitions

_ACROSS: Final = {si.INTER_16X8, si.INTER_8X8, si.I_8X8, si.I_4X4}
_DOWN: Final = {si.INTER_8X16, si.INTER_8X8, si.I_8X8, si.I_4X4}


def _partition_lines(info: SideInformation, width_mbs: int) -> Array:
    mb_type, sub = info.motion.mb_type, info.sub_mb_type
    pieces = []

    def add(members: Array, x0: int, y0: int, x1: int, y1: int) -> None:
        x, y = 16 * (members % width_mbs), 16 * (members // width_mbs)
        pieces.append(np.stack([x + x0, y + y0, x + x1, y + y1], axis=1))

    add(np.flatnonzero(np.isin(mb_type, list(_ACROSS))), 0, 8, 16, 8)
    add(np.flatnonzero(np.isin(mb_type, list(_DOWN))), 8, 0, 8, 16)
    for place in (4, 12):
        small = np.flatnonzero(mb_type == si.I_4X4)
        add(small, 0, place, 16, place)
        add(small, place, 0, place, 16)
    for q in range(4):
        x, y = 8 * (q % 2), 8 * (q // 2)
        shaped = mb_type == si.INTER_8X8
        flat = shaped & np.isin(sub[:, q], (si.SUB_8X4, si.SUB_4X4))
        tall = shaped & np.isin(sub[:, q], (si.SUB_4X8, si.SUB_4X4))
        add(np.flatnonzero(flat), x, y + 4, x + 8, y + 4)
        add(np.flatnonzero(tall), x + 4, y, x + 4, y + 8)
    return np.concatenate(pieces).astype(np.int32)


def _slice_lines(info: SideInformation, width_mbs: int) -> Array:
    table = info.slice_table.reshape(-1, width_mbs)
    lines = []
    for y, x in np.argwhere(table[1:] != table[:-1]):
        lines.append((16 * x, 16 * y + 16, 16 * x + 16, 16 * y + 16))
    for y, x in np.argwhere(table[:, 1:] != table[:, :-1]):
        lines.append((16 * x + 16, 16 * y, 16 * x + 16, 16 * y + 16))
    return np.array(lines, np.int32).reshape(-1, 4)


# ---------------------------------------------------------------------------------- vectors


def _vectors(info: SideInformation, width_mbs: int) -> Array:
    """Return one vector for each largest of 16x16, 8x8 or 4x4 samples that has one motion."""
    inter = info.motion.mb_type > si.LAST_INTRA
    columns = np.arange(info.mbs) % width_mbs
    rows = np.arange(info.mbs) // width_mbs
    blocks = np.array([[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]])
    pieces = []
    for which in range(2):
        mv = info.motion.mv[:, which].astype(np.int32)
        ref = info.motion.ref_idx[:, which].astype(np.int32)
        used = ((info.pred_flags >> which) & 1).astype(bool) & inter[:, None]

        def add(
            members: Array, ref_idx: Array, vector: Array, x: int, y: int, size: int, which: int
        ) -> None:
            middle_x = 32 * columns[members] + 2 * x + size
            middle_y = 32 * rows[members] + 2 * y + size
            number = np.full(members.size, which)
            row = np.stack(
                [number, ref_idx, middle_x, middle_y, vector[:, 0], vector[:, 1]], axis=1
            )
            pieces.append(row)

        whole = used.all(axis=1) & (ref == ref[:, :1]).all(axis=1)
        whole &= (mv == mv[:, :1]).all(axis=(1, 2))
        members = np.flatnonzero(whole)
        add(members, ref[members, 0], mv[members, 0], 0, 0, 16, which)
        for q in range(4):
            quarter = mv[:, blocks[q]]
            same = (quarter == quarter[:, :1]).all(axis=(1, 2))
            left, top = 8 * (q % 2), 8 * (q // 2)
            members = np.flatnonzero(used[:, q] & ~whole & same)
            add(members, ref[members, q], quarter[members, 0], left, top, 8, which)
            members = np.flatnonzero(used[:, q] & ~whole & ~same)
            for n in range(4):
                x, y = left + 4 * (n % 2), top + 4 * (n // 2)
                add(members, ref[members, q], quarter[members, n], x, y, 4, which)
    return np.concatenate(pieces).astype(np.int32)
