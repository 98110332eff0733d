"""Slice data under CABAC: the tables, x264's streams to the exact end of every slice, the same side
information as under CAVLC, errors, and damaged data compiled and as plain Python.

A wrong context, table entry or binarisation leaves the decoding engine out of step, and then a
slice does not end at its rbsp_stop_one_bit.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest

from refcodec import errors
from refcodec.avc import cabac_tables, cavlc_slice_data
from refcodec.avc import slice_table as st
from refcodec.avc.cabac_engine import initialise_contexts, new_state
from refcodec.avc.cabac_slice_data import parse_slice_data
from refcodec.avc.side_information import (
    I_16X16,
    I_PCM,
    INTER_16X16,
    NOT_DECODED,
    SUB_4X4,
    SideInformation,
)
from refcodec.avc.slice_table import SliceTable
from tests.unit.avc_slice_streams import Slice, encode, moving_pictures, slices

ALL_PARTITIONS = "partitions=all:me=umh:subme=9:keyint=6"
STREAMS = {
    "main": ("bframes=3:8x8dct=0:crf=18:direct=spatial:weightp=2:slices=2", "main"),
    "high": (f"bframes=3:b-pyramid=normal:ref=6:{ALL_PARTITIONS}:crf=14:direct=auto", ""),
    "temporal": (f"bframes=4:ref=4:{ALL_PARTITIONS}:qp=20:direct=temporal:b-bias=50", ""),
    "fine": ("qp=1:partitions=all:slices=3:chroma-qp-offset=-12", ""),
    "pcm": ("qp=2:8x8dct=0:no-psy=1:bframes=1", "main"),
    "still": (f"qp=26:bframes=1:b-adapt=0:ref=4:{ALL_PARTITIONS}", ""),
    "coarse": ("qp=48:bframes=2:weightb=1:ref=3", ""),
    "varying": (f"bitrate=300:aq-mode=3:aq-strength=2.5:bframes=2:{ALL_PARTITIONS}", ""),
    "refresh": ("intra-refresh=1:keyint=5:constrained-intra=1:crf=20:bframes=0:slices=4", ""),
}
PICTURES = 8
FIELDS = (
    "slice_table",
    "sub_mb_type",
    "pred_flags",
    "mvd",
    "rem_intra_pred_mode",
    "intra16x16_pred_mode",
    "intra_chroma_pred_mode",
    "coded_block_pattern",
    "transform_size_8x8_flag",
    "qp_y",
    "total_coeff",
    "coded_dc",
)


def stream_of(name: str) -> bytes:
    parameters, profile = STREAMS[name]
    noise = {"fine": 60.0, "still": 0.0, "pcm": 1000.0}.get(name, 6.0)
    pictures = moving_pictures(112, 80, PICTURES, seed=5, noise=noise)
    if name == "still":
        pictures = [pictures[n // 3] for n in range(PICTURES)]
    return encode(pictures, f"cabac=1:{parameters}", "slower", profile)


def tables_of(stream: bytes) -> Iterator[tuple[Slice, SliceTable, int]]:
    """Yield each slice with a table of its picture and its index there."""
    index = 0
    for part in slices(stream):
        index = 0 if part.begins_picture else index + 1
        table = SliceTable.allocate(index + 1)
        table.parameters[index] = part.parameters
        yield part, table, index


def parsed(stream: bytes, parse: Any = parse_slice_data) -> Iterator[SideInformation]:
    """Yield the side information of each picture: always the same object."""
    info: SideInformation | None = None
    for part, table, index in tables_of(stream):
        if info is None:
            info = SideInformation.allocate(part.mbs)
        if part.begins_picture:
            info.clear()
        parse(part.rbsp, part.bit_offset, index, table, info, part.width_mbs)
        first, end = table.parameters[index, [st.FIRST_MB, st.END_MB]]
        assert (info.slice_table[first:end] == index).all()
        assert end == part.mbs or info.slice_table[end] == NOT_DECODED
        if end == part.mbs:
            assert (info.slice_table >= 0).all()
            yield info


@dataclass
class Seen:
    """What a stream has: macroblocks by mb_type, 8x8 blocks by sub_mb_type, and extremes."""

    types: Any
    sub_types: Any
    transforms_8x8: int = 0
    level: int = 0
    vector: int = 0
    index: int = 0


@cache
def seen_in(name: str) -> Seen:
    """Parse and check a stream."""
    seen = Seen(np.zeros(11, int), np.zeros(5, int))
    for info in parsed(stream_of(name)):
        check(info)
        seen.types += np.bincount(info.motion.mb_type, minlength=11)
        seen.sub_types += np.bincount(info.sub_mb_type.reshape(-1), minlength=5)
        seen.transforms_8x8 += int(info.transform_size_8x8_flag.sum())
        used = info.levels[: info.levels_used[0]]
        seen.level = max(seen.level, int(np.abs(used).max(initial=0)))
        seen.vector = max(seen.vector, int(np.abs(info.mvd).max()))
        seen.index = max(seen.index, int(info.motion.ref_idx.max()))
    return seen


@pytest.mark.parametrize("name", STREAMS)
def test_streams_parse_to_the_end_of_every_slice(name: str) -> None:
    assert seen_in(name).types.sum() == PICTURES * 7 * 5


def test_streams_reach_all_types_and_escapes() -> None:
    streams = [seen_in(name) for name in STREAMS]
    assert sum(seen.types for seen in streams).all()
    assert sum(seen.sub_types for seen in streams).all()
    assert sum(seen.transforms_8x8 for seen in streams) > 0
    # suffixes of coeff_abs_level_minus1 and mvd, all contexts of ref_idx
    assert max(seen.level for seen in streams) > 500
    assert max(seen.vector for seen in streams) > 100
    assert max(seen.index for seen in streams) > 2


def check(info: SideInformation) -> None:
    """Fail unless the side information of a picture is coherent."""
    levels = info.levels[: info.levels_used[0]].reshape(-1, 384)
    rows = info.level_offset[info.level_offset >= 0] // 384
    assert sorted(rows) == list(range(len(levels)))
    for mb in range(info.mbs):
        kind = int(info.motion.mb_type[mb])
        has_levels = info.level_offset[mb] >= 0
        assert has_levels == bool(info.total_coeff[mb].any() or info.coded_dc[mb])
        if kind != I_PCM and has_levels:
            check_counts(info, mb, levels[info.level_offset[mb] // 384])
        intra = kind <= I_PCM
        assert (info.pred_flags[mb] == 0).all() or not intra
        used = (info.pred_flags[mb][None, :] >> np.array([[0], [1]])) & 1
        assert ((info.motion.ref_idx[mb] >= 0) == used.astype(bool)).all()
        vectors = info.mvd[mb].reshape(2, 4, 4, 2).any(axis=3)
        for q in range(4):
            y, x = 2 * (q >> 1), 2 * (q & 1)
            assert (used[:, q].astype(bool) | ~vectors[:, y : y + 2, x : x + 2].any((1, 2))).all()


def check_counts(info: SideInformation, mb: int, row: Any) -> None:
    """Hold total_coeff and coded_dc against the levels of a macroblock."""
    counts = info.total_coeff[mb]
    dc = row.reshape(24, 16)[:, 0] != 0
    if info.transform_size_8x8_flag[mb]:
        found = np.minimum(16, np.count_nonzero(row[:256].reshape(4, 64), axis=1))
        assert (counts[[0, 2, 8, 10]] == found).all()
        for block in range(16):
            assert counts[block] == found[2 * (block >> 3) + (block & 3) // 2]
    else:
        found = np.count_nonzero(row[:256].reshape(16, 16), axis=1)
        if info.motion.mb_type[mb] == I_16X16:
            found -= dc[:16]
            assert (info.coded_dc[mb] & 1) == dc[:16].any()
        assert (counts[:16] == found).all()
    chroma = np.count_nonzero(row[256:].reshape(8, 16), axis=1) - dc[16:]
    assert (counts[16:] == chroma).all()
    assert ((info.coded_dc[mb] >> 1) & 1) == dc[16:20].any()
    assert (info.coded_dc[mb] >> 2) == dc[20:].any()


@pytest.mark.parametrize(
    "parameters",
    [
        "bframes=0:8x8dct=0:ref=3:partitions=all",
        "bframes=2:b-adapt=0:8x8dct=1:ref=2:slices=2:partitions=all",
    ],
)
def test_cabac_and_cavlc_say_the_same(parameters: str) -> None:
    """Without rate-distortion decisions x264 writes the same elements with either entropy coder."""
    common = f"{parameters}:qp=22:trellis=0:subme=1:me=dia:no-psy=1:aq-mode=0:weightp=0:scenecut=0"
    pictures = moving_pictures(112, 80, 6, seed=9)
    streams = [encode(pictures, f"cabac={cabac}:{common}") for cabac in (0, 1)]
    compared = 0
    for cavlc, cabac in zip(
        parsed(streams[0], cavlc_slice_data.parse_slice_data), parsed(streams[1]), strict=True
    ):
        for name in FIELDS:
            left, right = getattr(cavlc, name), getattr(cabac, name)
            if name == "total_coeff":
                same = cabac.transform_size_8x8_flag == 0
                left, right = left[same], right[same]
            np.testing.assert_array_equal(left, right, err_msg=name)
        for name in ("mb_type", "ref_idx"):
            np.testing.assert_array_equal(
                getattr(cavlc.motion, name), getattr(cabac.motion, name), err_msg=name
            )
        for mb in range(cabac.mbs):
            np.testing.assert_array_equal(levels_of(cavlc, mb), levels_of(cabac, mb))
        compared += 1
    assert compared == 6


def levels_of(info: SideInformation, mb: int) -> Any:
    at = int(info.level_offset[mb])
    return info.levels[at : at + 384] if at >= 0 else np.zeros(384, np.int16)


ENDS = {
    0: [20, -15, 20, -15, 20, -15, 20, -15],
    10: [7, 51, 7, 51, 7, 51, 7, 51],
    11: [0, 0, 23, 33, 22, 25, 29, 16],
    59: [0, 0, 1, 58, 0, 61, 1, 60],
    60: [0, 41, 0, 41, 0, 41, 0, 41],
    69: [3, 62, 3, 62, 3, 62, 3, 62],
    70: [0, 11, 0, 45, 13, 15, 7, 34],
    104: [-22, 125, -8, 88, -9, 88, -13, 98],
    105: [-7, 93, -2, 85, -13, 103, -4, 86],
    165: [12, 72, 9, 69, 0, 89, -22, 127],
    166: [24, 0, 11, 28, 4, 45, 4, 39],
    226: [2, 97, -9, 108, -10, 116, -24, 127],
    227: [-3, 71, -6, 76, -23, 112, -24, 115],
    275: [-14, 97, -8, 85, -4, 78, -10, 87],
    399: [31, 21, 12, 40, 25, 32, 21, 33],
    401: [25, 50, 14, 59, 21, 54, 17, 61],
    402: [-17, 120, -4, 79, -5, 85, -3, 78],
    435: [-9, 92, -8, 76, -7, 82, -10, 79],
}
"""m and n of I slices and of cabac_init_idc 0 to 2 at the ends of Tables 9-12 to 9-33."""
USED = np.r_[0:276, 399:436]
SUMS = [197271, 2873246, 162073, 2906542, 331582, 2696316, 23629, 3140096]
"""Of each column, each entry times its number, as in two other implementations of the standard."""


def test_tables_have_the_entries_of_the_standard() -> None:
    table = cabac_tables.CONTEXT_INITIALISATION.reshape(4, cabac_tables.CONTEXTS, 2)
    columns = np.concatenate([table[3], table[0], table[1], table[2]], axis=1).astype(int)
    for context, entries in ENDS.items():
        assert columns[context].tolist() == entries
    assert ((USED + 1) @ columns[USED]).tolist() == SUMS
    assert not columns[276:399].any()
    ranges = cabac_tables.RANGE_LPS.reshape(129, 4)[1:]
    assert (ranges[0::2] == ranges[1::2]).all()
    assert (np.arange(1, 65) @ ranges[::2]).tolist() == [47040, 57570, 67927, 78548]
    assert ranges[[0, 126]].tolist() == [[128, 176, 208, 240], [2, 2, 2, 2]]
    # a less probable symbol of probability 1/2 changes which symbol is the more probable one
    assert cabac_tables.TRANSITION[[0, 1, 128, 129, 124, 126]].tolist() == [2, 3, 1, 0, 124, 126]


def first_slice(name: str = "main", kind: int = st.I) -> Slice:
    return next(part for part in slices(stream_of(name)) if part.parameters[st.SLICE_TYPE] == kind)


def fail(part: Slice, rbsp: Any, info: SideInformation | None = None) -> errors.HypError:
    """Parse a slice that is wrong and return the error."""
    table = part.table()
    info = info or SideInformation.allocate(part.mbs)
    with pytest.raises(errors.HypError) as caught:
        parse_slice_data(rbsp, part.bit_offset, 0, table, info, part.width_mbs)
    end = table.parameters[0, st.END_MB]
    assert (info.slice_table[part.parameters[st.FIRST_MB] : end] == 0).all()
    return caught.value


def test_ends_of_the_data_are_exact() -> None:
    part = first_slice()
    begin = (part.bit_offset + 7) // 8
    for size in (begin, begin + 1, begin + 40, len(part.rbsp) - 1):
        assert fail(part, part.rbsp[:size]).id in ("HYP-E-AVC-03", "HYP-E-AVC-04")
    assert fail(part, part.rbsp[:begin]).id == "HYP-E-AVC-03"
    assert fail(part, part.rbsp[: begin + 40]).id == "HYP-E-AVC-03"
    for more in ([0x80], [0, 0, 3, 1]):
        error = fail(part, np.append(part.rbsp, np.array(more, np.uint8)))
        assert error.id == "HYP-E-AVC-04"
    # cabac_zero_words
    info = SideInformation.allocate(part.mbs)
    rbsp = np.append(part.rbsp, np.zeros(4, np.uint8))
    parse_slice_data(rbsp, part.bit_offset, 0, part.table(), info, part.width_mbs)


def test_macroblocks_come_once_and_in_the_picture() -> None:
    part = first_slice()
    info = SideInformation.allocate(part.mbs)
    parse_slice_data(part.rbsp, part.bit_offset, 0, part.table(), info, part.width_mbs)
    before = info.mvd.copy(), info.levels.copy()
    error = fail(part, part.rbsp, info)
    assert error.id == "HYP-E-AVC-05"
    assert str(part.parameters[st.FIRST_MB]) in (error.detail or "")
    assert (before[0] == info.mvd).all() and (before[1] == info.levels).all()
    small = SideInformation.allocate(3)
    assert fail(part, part.rbsp, small).id == "HYP-E-AVC-05"
    for first in (-1, part.mbs):
        part.parameters[st.FIRST_MB] = first
        assert fail(part, part.rbsp).id == "HYP-E-AVC-05"


def test_alignment_bits_are_ones() -> None:
    part = next(part for part in slices(stream_of("main")) if part.bit_offset % 8)
    rbsp = part.rbsp.copy()
    rbsp[part.bit_offset // 8] &= 0xFE
    error = fail(part, rbsp)
    assert (error.id, error.element) == ("HYP-E-AVC-02", "cabac_alignment_one_bit")


# Slices of one macroblock by hand, for values that x264 does not write


class Encoder:
    """(#avc.9.3.4.2) The arithmetic encoder, as the standard has it."""

    def __init__(self, cabac_init_idc: int, slice_qp: int) -> None:
        self.states = new_state(b"\x80", np.zeros(st.FIELDS, np.int32))
        initialise_contexts(self.states, cabac_init_idc, slice_qp)
        self.before: list[int] = []
        """Bits before those of the engine since it was initialised the last time."""
        self._initialise()

    def _initialise(self) -> None:
        self.low, self.range, self.outstanding = 0, 510, 0
        self.bits: list[int] = []

    def _put(self, bit: int) -> None:
        self.bits += [bit] + [1 - bit] * self.outstanding
        self.outstanding = 0

    def _renormalise(self) -> None:
        while self.range < 256:
            self._shift_out()
            self.range <<= 1
            self.low <<= 1

    def _shift_out(self) -> None:
        if self.low >= 512:
            self._put(1)
            self.low -= 512
        elif self.low >= 256:
            self.low -= 256
            self.outstanding += 1
        else:
            self._put(0)

    def decisions(self, *bins: tuple[int, int]) -> Encoder:
        """Encode pairs of ctxIdx and bin."""
        for context, symbol in bins:
            state = int(self.states[context])
            lps = int(cabac_tables.RANGE_LPS[4 * state + (self.range >> 6)])
            self.range -= lps
            if symbol != state & 1:
                self.low += self.range
                self.range = lps
            self.states[context] = cabac_tables.TRANSITION[state + 128 * (symbol != state & 1)]
            self._renormalise()
        return self

    def bypass(self, bins: str) -> Encoder:
        for symbol in bins:
            self.low = 2 * self.low + self.range * int(symbol)
            if self.low >= 1024:
                self._put(1)
                self.low -= 1024
            elif self.low < 512:
                self._put(0)
            else:
                self.low -= 512
                self.outstanding += 1
        return self

    def terminate(self, symbol: int) -> Encoder:
        self.range -= 2
        if symbol:
            self.low += self.range
            self.range = 2
        self._renormalise()
        if symbol:
            self._put((self.low >> 9) & 1)
            self.bits += [(self.low >> 8) & 1, 1]
        return self

    def put(self) -> list[int]:
        """Return all bits; the first bit that an engine puts out is not among them."""
        return self.before + self.bits[1:]

    def pcm(self, samples: Any) -> int:
        """Write the samples of I_PCM after alignment; return the byte that they begin with."""
        bits = self.put()
        bits += [0] * (-len(bits) % 8)
        self.before = bits + np.unpackbits(samples).tolist()
        self._initialise()
        return len(bits) // 8

    def slice(self, kind: int, cabac_init_idc: int, slice_qp: int) -> Slice:
        """Return the slice of one macroblock."""
        parameters = np.zeros(st.FIELDS, np.int32)
        parameters[[st.SLICE_TYPE, st.CABAC_INIT_IDC, st.SLICE_QP]] = kind, cabac_init_idc, slice_qp
        parameters[[st.NUM_REF_IDX_L0, st.NUM_REF_IDX_L1]] = kind != st.I, kind == st.B
        return Slice(np.packbits(np.array(self.put())), 0, parameters, 1, 1, True, True)


def exp_golomb(value: int, order: int) -> str:
    """(#avc.9.3.2.3) Return the suffix of UEGk of what is beyond the prefix."""
    bins = ""
    while value >= 1 << order:
        bins += "1"
        value -= 1 << order
        order += 1
    return bins + "0" + (f"{value:0{order}b}" if order else "")


def intra_16x16(code: int) -> Encoder:
    """Begin an I slice of QP 30: I_16x16_0_0_0, chroma DC prediction, mb_qp_delta with a mapped
    value."""
    encoder = Encoder(3, 30).decisions((3, 1)).terminate(0)
    encoder.decisions((6, 0), (7, 0), (9, 0), (10, 0), (64, 0))
    contexts = [60, 62, *[63] * code][: code + 1]
    return encoder.decisions(*((context, int(n < code)) for n, context in enumerate(contexts)))


def one_macroblock(part: Slice) -> SideInformation:
    info = SideInformation.allocate(1)
    parse_slice_data(part.rbsp, 0, 0, part.table(), info, 1)
    return info


@pytest.mark.parametrize("code", [0, 1, 2, 51, 52])
def test_mb_qp_delta_has_its_whole_range_and_wraps(code: int) -> None:
    delta = (code + 1) // 2 if code % 2 else -(code // 2)
    encoder = intra_16x16(code).decisions((88, 0)).terminate(1)
    info = one_macroblock(encoder.slice(st.I, 3, 30))
    assert info.motion.mb_type[0] == I_16X16
    assert info.qp_y[0] == (30 + delta) % 52
    assert info.level_offset[0] == -1


def test_mb_qp_delta_out_of_range() -> None:
    part = intra_16x16(53).decisions((88, 0)).terminate(1).slice(st.I, 3, 30)
    error = fail(part, part.rbsp)
    assert (error.id, error.element) == ("HYP-E-AVC-02", "mb_qp_delta")


def write_level(encoder: Encoder, context: int, level: int) -> Encoder:
    """Write the only level of a block; its contexts begin with `context`."""
    beyond = abs(level) - 1
    ones = min(beyond, 14)
    bins = [(context + 1, 1)] * min(ones, 1) + [(context + 5, 1)] * max(ones - 1, 0)
    if ones < 14:
        bins.append((context + 5 if ones else context + 1, 0))
    encoder.decisions(*bins)
    if ones == 14:
        encoder.bypass(exp_golomb(beyond - 14, 0))
    return encoder.bypass("1" if level < 0 else "0")


def with_level(level: int) -> Slice:
    """Return a slice whose only level, the first of Intra16x16DCLevel, is `level`."""
    encoder = intra_16x16(0).decisions((88, 1), (105, 1), (166, 1))
    return write_level(encoder, 227, level).terminate(1).slice(st.I, 3, 30)


@pytest.mark.parametrize("level", [1, -1, 2, 14, -15, 16, -17, 3000, -32767])
def test_levels_of_all_sizes(level: int) -> None:
    info = one_macroblock(with_level(level))
    assert info.levels[:2].tolist() == [level, 0]
    assert (info.coded_dc[0], info.total_coeff.any()) == (1, False)


@pytest.mark.parametrize("level", [32768, -70000])
def test_levels_beyond_16_bits(level: int) -> None:
    part = with_level(level)
    error = fail(part, part.rbsp)
    assert (error.id, error.element) == ("HYP-E-AVC-02", "coeff_abs_level_minus1")


# bins of mb_type after the first, and those of the first block of a kind after mb_qp_delta
BLOCKS = {
    "luma AC": (((6, 1), (7, 0)), ((88, 0), (92, 1), (120, 1), (181, 1)), 237),
    "chroma DC": (((6, 0), (7, 1), (8, 0)), ((88, 0), (100, 1), (149, 1), (210, 1)), 257),
    "chroma AC": (
        ((6, 0), (7, 1), (8, 1)),
        ((88, 0), (100, 0), (100, 0), (104, 1), (152, 1), (213, 1)),
        266,
    ),
}


@pytest.mark.parametrize("kind", BLOCKS)
def test_levels_beyond_16_bits_are_noticed_in_every_block(kind: str) -> None:
    """The value that the error names also tells that the contexts are right."""
    type_bins, block_bins, context = BLOCKS[kind]
    encoder = Encoder(3, 30).decisions((3, 1)).terminate(0)
    encoder.decisions(*type_bins, (9, 0), (10, 0), (64, 0), (60, 0), *block_bins)
    part = write_level(encoder, context, 40000).terminate(1).slice(st.I, 3, 30)
    error = fail(part, part.rbsp)
    assert (error.id, error.element) == ("HYP-E-AVC-02", "coeff_abs_level_minus1")
    assert error.value == 39999


@pytest.mark.parametrize("level", [3, 40000])
def test_levels_of_8x8_blocks(level: int) -> None:
    encoder = Encoder(3, 30).decisions((3, 0), (399, 1), *[(68, 1)] * 4, (64, 0))
    # coded_block_pattern 1
    encoder.decisions((73, 1), (73, 0), (73, 0), (76, 0), (77, 0), (60, 0), (402, 1), (417, 1))
    part = write_level(encoder, 426, level).terminate(1).slice(st.I, 3, 30)
    part.parameters[st.TRANSFORM_8X8_MODE] = 1
    if level == 3:
        info = one_macroblock(part)
        assert info.levels[:2].tolist() == [3, 0]
        assert info.total_coeff[0].nonzero()[0].tolist() == [0, 1, 4, 5]
    else:
        assert fail(part, part.rbsp).value == 39999


def test_samples_of_i_pcm_begin_at_any_byte() -> None:
    """The engine begins anew after them, from each place in a word."""
    samples = np.arange(384).astype(np.uint8)
    places = set()
    for code in range(53):
        encoder = intra_16x16(code).decisions((88, 0)).terminate(0).decisions((4, 1)).terminate(1)
        begin = encoder.pcm(samples)
        places.add(begin % 4)
        part = encoder.terminate(1).slice(st.I, 3, 30)
        info = SideInformation.allocate(2)
        parse_slice_data(part.rbsp, 0, 0, part.table(), info, 1)
        assert info.motion.mb_type.tolist() == [I_16X16, I_PCM]
        assert (info.levels[:384] == samples).all()
        for kept in (383, 384):
            cut = np.append(part.rbsp[: begin + kept], np.uint8(0x80))
            with pytest.raises(errors.CLASSES["HYP-E-AVC-03"]):
                parse_slice_data(cut, 0, 0, part.table(), SideInformation.allocate(2), 1)
    assert places == {0, 1, 2, 3}


def test_the_last_bit_is_a_one() -> None:
    excess = 0
    for code in range(53):
        encoder = intra_16x16(code).decisions((88, 0)).terminate(1)
        if len(encoder.put()) % 8:
            encoder.bits[-1:] = [0, 1]
            part = encoder.slice(st.I, 3, 30)
            assert fail(part, part.rbsp).id == "HYP-E-AVC-04"
            excess += 1
    assert excess > 20


def test_the_smallest_parts_of_b_macroblocks() -> None:
    """B_L1_4x4, B_Bi_4x4 twice and B_L0_4x4, which x264 does not write."""
    encoder = Encoder(0, 20).decisions((24, 0), (27, 1), (30, 1), (31, 1), *[(32, 1)] * 3)
    for bins in ((1, 0), (1, 1), (1, 1), (0, 1, 1)):
        encoder.decisions((36, 1), (37, 1), (38, 1), *((39, each) for each in bins))
    zero = ((40, 0), (47, 0))
    encoder.decisions(*zero * (12 + 11), (40, 1), (43, 0)).bypass("1").decisions((47, 0))
    encoder.decisions((73, 0), (74, 0), (75, 0), (76, 0), (77, 0))
    info = one_macroblock(encoder.terminate(1).slice(st.B, 0, 20))
    assert info.pred_flags[0].tolist() == [2, 3, 3, 1]
    assert info.sub_mb_type[0].tolist() == [SUB_4X4] * 4
    assert np.argwhere(info.mvd[0]).tolist() == [[1, 13, 0]]
    assert info.mvd[0, 1, 13, 0] == -1


def with_vector(x: int, y: int) -> Slice:
    """Return a P slice of one P_L0_16x16 with this mvd_l0."""
    encoder = Encoder(1, 20).decisions((11, 0), (14, 0), (15, 0), (16, 0))
    for context, value in ((40, x), (47, y)):
        ones = min(abs(value), 9)
        contexts = [context + n for n in (0, 3, 4, 5, 6, 6, 6, 6, 6)]
        encoder.decisions(*((each, 1) for each in contexts[:ones]))
        if ones < 9:
            encoder.decisions((contexts[ones], 0))
        else:
            encoder.bypass(exp_golomb(abs(value) - 9, 3))
        if value:
            encoder.bypass("1" if value < 0 else "0")
    # coded_block_pattern 0: no neighbours, so its own bits alone choose contexts
    encoder.decisions((73, 0), (74, 0), (75, 0), (76, 0), (77, 0))
    return encoder.terminate(1).slice(st.P, 1, 20)


@pytest.mark.parametrize(
    "vector", [(0, 0), (1, -1), (8, -9), (-10, 16), (17, -300), (8191, -16384), (-32767, 32767)]
)
def test_vector_differences_of_all_sizes(vector: tuple[int, int]) -> None:
    info = one_macroblock(with_vector(*vector))
    assert info.motion.mb_type[0] == INTER_16X16
    assert (info.mvd[0, 0] == vector).all()
    assert not info.mvd[0, 1].any()


@pytest.mark.parametrize("vector", [(32768, 0), (0, -32768), (200000, 1)])
def test_vector_differences_beyond_16_bits(vector: tuple[int, int]) -> None:
    part = with_vector(*vector)
    error = fail(part, part.rbsp)
    assert (error.id, error.element) == ("HYP-E-AVC-02", "mvd_l0")


# Damaged data: the same outcome compiled and as plain Python


def damaged(count: int) -> Iterator[tuple[Slice, Any]]:
    """Yield slices with some bytes changed, and with nothing but random bytes."""
    generator = np.random.default_rng(21)
    parts = [part for name in ("high", "coarse", "pcm", "fine") for part in slices(stream_of(name))]
    for number in range(count):
        part = parts[generator.integers(len(parts))]
        rbsp = part.rbsp.copy()
        begin = (part.bit_offset + 7) // 8
        if number % 2:
            rbsp[begin:] = generator.integers(0, 256, rbsp.size - begin)
            part.parameters[st.SLICE_QP] = generator.integers(0, 52)
            part.parameters[st.TRANSFORM_8X8_MODE] = generator.integers(2)
            part.parameters[st.DIRECT_8X8_INFERENCE] = generator.integers(2)
        else:
            at = generator.integers(begin, rbsp.size, generator.integers(1, 4))
            rbsp[at] = generator.integers(0, 256, at.size)
        yield part, rbsp


def outcome(part: Slice, rbsp: Any) -> str:
    """Return what parsing comes to: the error or "parsed", and a hash of the whole macroblocks."""
    info = SideInformation.allocate(part.mbs)
    table = part.table()
    result = "parsed"
    try:
        parse_slice_data(rbsp, part.bit_offset, 0, table, info, part.width_mbs)
    except errors.HypError as error:
        result = f"{error.id} {error.element} {error.value} {error.bit_offset} {error.detail}"
    digest = hashlib.sha256()
    whole = slice(int(table.parameters[0, st.FIRST_MB]), int(table.parameters[0, st.END_MB]))
    for name in FIELDS:
        digest.update(getattr(info, name)[whole].tobytes())
    digest.update(info.motion.mb_type[whole].tobytes() + info.motion.ref_idx[whole].tobytes())
    digest.update(info.levels[: int(info.levels_used[0])].tobytes())
    return f"{result} {digest.hexdigest()}"


def outcomes(count: int) -> list[str]:
    return [outcome(part, rbsp) for part, rbsp in damaged(count)]


@cache
def compiled_outcomes() -> list[str]:
    return outcomes(400)


def test_damaged_slices_parse_or_raise_a_typed_error() -> None:
    found = {" ".join(result.split(" ")[:2]) for result in compiled_outcomes()}
    kinds = {name.split(" ")[0] for name in found}
    assert kinds == {f"HYP-E-AVC-{n:02}" for n in (2, 3, 4, 5)} | {"parsed"}
    for element in ("ref_idx_l0", "ref_idx_l1"):
        assert any(element in name for name in found), found


def test_plain_python_parses_the_same() -> None:
    count = 24
    plain = subprocess.run(
        [sys.executable, "-m", "tests.unit.test_avc_cabac_slice_data", str(count)],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(plain.stdout) == compiled_outcomes()[:count]


if __name__ == "__main__":
    print(json.dumps(outcomes(int(sys.argv[1]))))
