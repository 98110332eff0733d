"""Slice data under CAVLC: x264's streams to the exact end of every slice, elements that x264 never
writes by hand, errors, and damaged data compiled and as plain Python."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from refcodec import errors
from refcodec.avc import slice_table as st
from refcodec.avc.bit_reading import stop_bit_position
from refcodec.avc.bit_writer import BitWriter
from refcodec.avc.cavlc_slice_data import parse_slice_data
from refcodec.avc.side_information import (
    B_DIRECT_16X16,
    B_SKIP,
    I_4X4,
    I_8X8,
    I_16X16,
    I_PCM,
    INTER_8X8,
    INTER_8X16,
    INTER_16X8,
    NOT_DECODED,
    P_SKIP,
    SUB_4X4,
    SUB_4X8,
    SUB_8X4,
    SUB_8X8,
    SUB_DIRECT,
    SideInformation,
)
from refcodec.avc.slice_table import SliceTable
from tests.unit.avc_slice_streams import Slice, encode, moving_pictures, slices

STREAMS = {
    "baseline": ("cabac=0:bframes=0:8x8dct=0:keyint=4:crf=24:slices=2", "baseline"),
    "main": ("cabac=0:bframes=3:8x8dct=0:crf=18:direct=spatial:weightp=2", "main"),
    "high": ("cabac=0:bframes=3:b-pyramid=normal:ref=5:partitions=all:crf=14:direct=auto", ""),
    "fine": ("cabac=0:qp=1:partitions=all:slices=3:chroma-qp-offset=-12", ""),
    "finest": ("cabac=0:qp=1:8x8dct=0:ipratio=1:trellis=0", "main"),
    "coarse": ("cabac=0:qp=48:bframes=2:weightb=1", ""),
}


def tables_of(stream: bytes) -> Iterator[tuple[Slice, SliceTable, int]]:
    """Yield each slice with a table of its picture and its index there."""
    index = 0
    for part in slices(stream):
        index = 0 if part.begins_picture else index + 1
        table = SliceTable.allocate(index + 1)
        table.parameters[index] = part.parameters
        yield part, table, index


@pytest.mark.parametrize("name", STREAMS)
def test_streams_parse_to_the_end_of_every_slice(name: str) -> None:
    parameters, profile = STREAMS[name]
    stream = encode(moving_pictures(112, 80, 8, seed=3), parameters, "slower", profile)
    info: SideInformation | None = None
    seen = np.zeros(11, int)
    for part, table, index in tables_of(stream):
        assert not part.cabac
        if info is None:
            info = SideInformation.allocate(part.mbs)
        if part.begins_picture:
            info.clear()
        parse_slice_data(part.rbsp, part.bit_offset, index, table, info, part.width_mbs)
        first, end = table.parameters[index, [st.FIRST_MB, st.END_MB]]
        assert (info.slice_table[first:end] == index).all()
        assert end == part.mbs or info.slice_table[end] == NOT_DECODED
        if end == part.mbs:
            assert (info.slice_table >= 0).all()
            check(info)
            seen += np.bincount(info.motion.mb_type, minlength=11)
    assert info is not None
    assert seen.sum() == 8 * info.mbs


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
            row = levels[info.level_offset[mb] // 384]
            count = int(info.total_coeff[mb].sum())
            dc = np.count_nonzero(row.reshape(24, 16)[:, 0][16 if kind != I_16X16 else 0 :])
            assert np.count_nonzero(row) >= count
            assert np.count_nonzero(row) - count <= dc
        intra = kind <= I_PCM
        assert (info.pred_flags[mb] == 0).all() or not intra
        used = (info.pred_flags[mb][None, :] >> np.array([[0], [1]])) & 1
        assert ((info.motion.ref_idx[mb] >= 0) == used.astype(bool)).all()


# Slices by hand: what x264 does not write


def slice_of(writer: BitWriter, kind: int, **fields: int) -> tuple[Any, SliceTable]:
    """Return the RBSP and the table of a slice that has nothing but slice data."""
    writer.trailing_bits()
    table = SliceTable.allocate(1)
    row = table.parameters[0]
    row[st.SLICE_TYPE], row[st.SLICE_QP] = kind, 30
    row[st.NUM_REF_IDX_L0], row[st.NUM_REF_IDX_L1] = kind != st.I, kind == st.B
    for name, value in fields.items():
        row[getattr(st, name)] = value
    return np.frombuffer(writer.to_bytes(), np.uint8), table


def parsed(writer: BitWriter, kind: int, mbs: int = 2, **fields: int) -> SideInformation:
    rbsp, table = slice_of(writer, kind, **fields)
    info = SideInformation.allocate(mbs)
    parse_slice_data(rbsp, 0, 0, table, info, 2)
    assert table.parameters[0, st.END_MB] == mbs
    return info


def test_p_8x8ref0_has_no_ref_idx() -> None:
    writer = BitWriter()
    writer.ue(1)  # mb_skip_run
    writer.ue(4)  # P_8x8ref0
    for sub_type in (0, 1, 2, 3):
        writer.ue(sub_type)
    vectors = [(n, -n) for n in range(1, 10)]
    for x, y in vectors:
        writer.se(x)
        writer.se(y)
    writer.ue(0)  # coded_block_pattern 0
    info = parsed(writer, st.P, NUM_REF_IDX_L0=3)
    assert info.motion.mb_type.tolist() == [P_SKIP, INTER_8X8]
    assert info.sub_mb_type[1].tolist() == [SUB_8X8, SUB_8X4, SUB_4X8, SUB_4X4]
    assert info.motion.ref_idx[1].tolist() == [[0] * 4, [-1] * 4]
    x = info.mvd[1, 0, :, 0].reshape(4, 4).tolist()
    assert x == [[1, 1, 2, 2], [1, 1, 3, 3], [4, 5, 6, 7], [4, 5, 8, 9]]
    assert (info.mvd[1, 0, :, 1] == -info.mvd[1, 0, :, 0]).all()
    assert not info.mvd[1, 1].any()
    assert info.qp_y.tolist() == [30, 30]


def test_b_partitions_take_all_ref_idx_before_all_mvd() -> None:
    writer = BitWriter()
    writer.ue(0)
    writer.ue(12)  # B_L0_Bi_16x8
    writer.u(1, 0)  # te(v): ref_idx_l0 1 of the first, 0 of the second partition
    writer.u(1, 1)
    writer.ue(2)  # ref_idx_l1 of the second
    for value in (5, 6, 7, 8, -9, -10):
        writer.se(value)
    writer.ue(0)
    writer.ue(0)
    writer.ue(0)  # B_Direct_16x16
    writer.ue(0)
    info = parsed(writer, st.B, NUM_REF_IDX_L0=2, NUM_REF_IDX_L1=3)
    assert info.motion.mb_type.tolist() == [INTER_16X8, B_DIRECT_16X16]
    assert info.pred_flags.tolist() == [[1, 1, 3, 3], [0] * 4]
    assert info.motion.ref_idx[0].tolist() == [[1, 1, 0, 0], [-1, -1, 2, 2]]
    assert info.sub_mb_type.tolist() == [[SUB_8X8] * 4, [SUB_DIRECT] * 4]
    assert info.mvd[0, 0].tolist() == [[5, 6]] * 8 + [[7, 8]] * 8
    assert info.mvd[0, 1].tolist() == [[0, 0]] * 8 + [[-9, -10]] * 8


def test_b_8x16_and_b_8x8_with_direct() -> None:
    writer = BitWriter()
    writer.ue(0)
    writer.ue(9)  # B_L0_L1_8x16
    for value in (3, 4, -5, -6):
        writer.se(value)
    writer.ue(0)
    writer.ue(0)
    writer.ue(22)  # B_8x8
    for sub_type in (0, 9, 0, 2):  # direct, Bi_4x8, direct, L1_8x8
        writer.ue(sub_type)
    for value in (1, 2, 3, 4, 11, 12, 13, 14, 15, 16):
        writer.se(value)
    writer.ue(0)
    info = parsed(writer, st.B)
    assert info.motion.mb_type.tolist() == [INTER_8X16, INTER_8X8]
    assert info.motion.ref_idx[0].tolist() == [[0, -1, 0, -1], [-1, 0, -1, 0]]
    assert info.mvd[0, 0, :, 0].reshape(4, 4).tolist() == [[3, 3, 0, 0]] * 4
    assert info.mvd[0, 1, :, 1].reshape(4, 4).tolist() == [[0, 0, -6, -6]] * 4
    assert info.pred_flags[1].tolist() == [0, 3, 0, 2]
    assert info.motion.ref_idx[1].tolist() == [[-1, 0, -1, -1], [-1, 0, -1, 0]]
    assert info.mvd[1, 0, :, 0].reshape(4, 4).tolist() == [[0, 0, 1, 3]] * 2 + [[0] * 4] * 2
    assert (
        info.mvd[1, 1, :, 0].reshape(4, 4).tolist() == [[0, 0, 11, 13]] * 2 + [[0, 0, 15, 15]] * 2
    )


def test_pcm_samples_and_quantiser_after_them() -> None:
    writer = BitWriter()
    writer.ue(25)
    writer.align_with_zeros()
    for n in range(384):
        writer.u(8, n % 251)
    writer.ue(1)  # I_16x16_0_0_0
    writer.ue(2)  # intra_chroma_pred_mode
    writer.se(-3)  # mb_qp_delta
    writer.u(6, 0b000011)  # coeff_token with nC 16 to the left: no level
    info = parsed(writer, st.I)
    assert info.motion.mb_type.tolist() == [I_PCM, I_16X16]
    assert info.levels[:384].tolist() == [n % 251 for n in range(384)]
    assert info.qp_y.tolist() == [0, 27]
    assert info.total_coeff.tolist() == [[16] * 24, [0] * 24]
    assert info.coded_dc.tolist() == [7, 0]
    assert info.level_offset.tolist() == [0, -1]
    assert info.intra_chroma_pred_mode.tolist() == [0, 2]
    assert info.levels_used[0] == 384


def test_intra_modes_and_the_flag_of_the_transform() -> None:
    writer = BitWriter()
    for flag, blocks in ((0, 16), (1, 4)):
        writer.ue(0)  # I_NxN
        writer.u(1, flag)
        for n in range(blocks):
            writer.u(1, n % 2)
            if n % 2 == 0:
                writer.u(3, n // 2)
        writer.ue(0)
        writer.ue(3)  # coded_block_pattern 0
    info = parsed(writer, st.I, TRANSFORM_8X8_MODE=1)
    assert info.motion.mb_type.tolist() == [I_4X4, I_8X8]
    assert info.transform_size_8x8_flag.tolist() == [0, 1]
    modes = [[0, -1, 2, -1], [1, -1, 3, -1], [4, -1, 6, -1], [5, -1, 7, -1]]
    # luma4x4BlkIdx 0, 2, 8, 10 begin the rows of blocks; only even indices have a mode
    assert info.rem_intra_pred_mode[0].reshape(4, 4).tolist() == modes
    assert info.rem_intra_pred_mode[1].tolist() == [0, -1, 1, -1] + [-1] * 12


def test_inter_macroblock_with_small_parts_has_no_8x8_transform() -> None:
    for inference, sub_types, coded in ((0, [0] * 4, 0), (1, [0] * 4, 1), (1, [4, 0, 0, 0], 0)):
        writer = BitWriter()
        writer.ue(0)
        writer.ue(22)
        for sub_type in sub_types:
            writer.ue(sub_type)
        for _ in range(4 * (sub_types[0] == 4)):
            writer.se(0)
        writer.ue(2)  # coded_block_pattern 1
        if coded:
            writer.u(1, 1)
        writer.se(0)
        for _ in range(4):
            writer.u(1, 1)  # no level
        writer.ue(1)
        info = parsed(writer, st.B, TRANSFORM_8X8_MODE=1, DIRECT_8X8_INFERENCE=inference)
        assert info.motion.mb_type.tolist() == [INTER_8X8, B_SKIP]
        assert info.transform_size_8x8_flag[0] == coded
        assert info.level_offset[0] == -1  # a coded block pattern, but no level
        assert info.levels_used[0] == 0


def test_quantiser_wraps() -> None:
    writer = BitWriter()
    for delta in (25, -26):
        writer.ue(1)
        writer.ue(0)
        writer.se(delta)
        writer.u(1, 1)
    info = parsed(writer, st.I, SLICE_QP=40)
    assert info.qp_y.tolist() == [13, 39]


# Errors

INVALID = {
    "mb_skip_run": (st.P, lambda w: w.ue(3)),
    "mb_type": (st.I, lambda w: w.ue(26)),
    "pcm_alignment_zero_bit": (
        st.I,
        lambda w: (w.ue(25), w.u(1, 1), w.u(32, 0), [w.u(32, 0) for _ in range(99)]),
    ),
    "sub_mb_type": (st.P, lambda w: (w.ue(0), w.ue(3), w.ue(4))),
    "intra_chroma_pred_mode": (st.I, lambda w: (w.ue(1), w.ue(4))),
    "ref_idx_l0": (st.P, lambda w: (w.ue(0), w.ue(0), w.ue(4))),
    "ref_idx_l1": (st.B, lambda w: (w.ue(0), w.ue(2), w.ue(6))),
    "mvd_l0": (st.P, lambda w: (w.ue(0), w.ue(1), w.ue(0), w.ue(0), w.se(32768))),
    "mvd_l1": (st.B, lambda w: (w.ue(0), w.ue(2), w.ue(0), w.se(0), w.se(-32769))),
    "coded_block_pattern": (
        st.P,
        lambda w: (w.ue(0), w.ue(0), w.ue(0), w.se(0), w.se(0), w.ue(48)),
    ),
    "mb_qp_delta": (st.I, lambda w: (w.ue(1), w.ue(0), w.se(26))),
    "coeff_token": (st.I, lambda w: (w.ue(1), w.ue(0), w.se(0), w.u(16, 1))),
    "level_prefix": (st.I, lambda w: (w.ue(1), w.ue(0), w.se(0), w.u(6, 5), w.u(22, 1))),
    "total_zeros": (st.I, lambda w: (w.ue(1), w.ue(0), w.se(0), w.u(3, 2), w.u(9, 0))),
    "run_before": (st.I, lambda w: (w.ue(1), w.ue(0), w.se(0), w.u(5, 4), w.u(4, 3), w.u(10, 1))),
}


@pytest.mark.parametrize("element", INVALID)
def test_values_that_are_not_allowed_name_their_element(element: str) -> None:
    kind, write = INVALID[element]
    writer = BitWriter()
    write(writer)
    writer.u(32, 2**32 - 1)  # the error is in the middle of the data
    rbsp, table = slice_of(writer, kind, NUM_REF_IDX_L0=4, NUM_REF_IDX_L1=4)
    info = SideInformation.allocate(2)
    with pytest.raises(errors.CLASSES["HYP-E-AVC-02"]) as raised:
        parse_slice_data(rbsp, 0, 0, table, info, 2)
    assert raised.value.element == element
    assert raised.value.bit_offset is not None
    assert raised.value.bit_offset < stop_bit_position(rbsp)
    assert (info.slice_table == NOT_DECODED).all()
    assert table.parameters[0, st.END_MB] == 0
    assert info.levels_used[0] == 0


@pytest.mark.parametrize(
    ("kind", "write", "error", "element"),
    [
        # rbsp_stop_one_bit would be part of the code
        (st.I, lambda w: w.u(7, 0), "HYP-E-AVC-03", "mb_type"),
        (st.I, lambda w: (w.ue(25), w.u(32, 0)), "HYP-E-AVC-03", "pcm_sample"),
        (
            st.P,
            lambda w: (w.ue(0), w.ue(3), [w.ue(0) for _ in range(4)], w.ue(4), w.u(32, 0)),
            "HYP-E-AVC-02",
            "ref_idx_l0",
        ),
        (
            st.P,
            lambda w: (w.ue(0), w.ue(4), [w.ue(0) for _ in range(4)], w.se(40000), w.u(32, 0)),
            "HYP-E-AVC-02",
            "mvd_l0",
        ),
    ],
)
def test_errors_inside_of_macroblocks(kind: int, write: Any, error: str, element: str) -> None:
    writer = BitWriter()
    write(writer)
    rbsp, table = slice_of(writer, kind, NUM_REF_IDX_L0=4)
    with pytest.raises(errors.CLASSES[error]) as raised:
        parse_slice_data(rbsp, 0, 0, table, SideInformation.allocate(2), 2)
    assert raised.value.element == element


def test_data_that_end_early_or_go_on() -> None:
    writer = BitWriter()
    writer.ue(1)
    writer.ue(0)
    writer.se(0)
    writer.u(1, 1)
    rbsp, table = slice_of(writer, st.I)  # one macroblock of two
    info = SideInformation.allocate(2)
    parse_slice_data(rbsp, 0, 0, table, info, 2)
    assert table.parameters[0, st.END_MB] == 1
    with pytest.raises(errors.CLASSES["HYP-E-AVC-05"]):
        parse_slice_data(rbsp, 0, 0, table, info, 2)
    with pytest.raises(errors.CLASSES["HYP-E-AVC-03"]):
        parse_slice_data(rbsp, stop_bit_position(rbsp), 0, table, SideInformation.allocate(2), 2)
    for cut in range(3, 9):
        short = np.array([int(rbsp[0]) & (0xFF << cut) & 0xFF | 1 << (cut - 1)], np.uint8)
        with pytest.raises((errors.CLASSES["HYP-E-AVC-02"], errors.CLASSES["HYP-E-AVC-03"])):
            parse_slice_data(short, 0, 0, table, SideInformation.allocate(2), 2)
    table.parameters[0, st.FIRST_MB] = 2
    with pytest.raises(errors.CLASSES["HYP-E-AVC-04"]):
        parse_slice_data(rbsp, 0, 0, table, info, 2)
    with pytest.raises(errors.CLASSES["HYP-E-AVC-03"]):
        parse_slice_data(np.zeros(0, np.uint8), 0, 0, table, info, 2)


# Damaged data: the same outcome compiled and as plain Python

_OUTCOMES = """
import json, sys
from tests.unit.test_avc_cavlc_slice_data import outcomes
print(json.dumps(outcomes(int(sys.argv[1]))))
"""


def outcomes(count: int) -> list[str]:
    """Return what becomes of `count` slices, most of them damaged: the error and a digest of the
    side information."""
    generator = np.random.default_rng(11)
    parts = []
    for name in ("baseline", "high", "fine"):
        parameters, profile = STREAMS[name]
        pictures = moving_pictures(48, 32, 6, seed=5)
        parts += list(slices(encode(pictures, parameters, "slower", profile)))
    results = []
    for number in range(count):
        part = parts[number % len(parts)]
        rbsp = part.rbsp.copy()
        if number >= len(parts):
            for _ in range(int(generator.integers(1, 4))):
                place = int(generator.integers(part.bit_offset // 8, rbsp.size))
                rbsp[place] = generator.integers(0, 256)
            if number % 5 == 0:
                rbsp = rbsp[: int(generator.integers(part.bit_offset // 8, rbsp.size))]
        results.append(_outcome(part, rbsp))
    return results


def _outcome(part: Slice, rbsp: Any) -> str:
    info = SideInformation.allocate(part.mbs)
    table = part.table()
    text = "decoded"
    try:
        parse_slice_data(rbsp, part.bit_offset, 0, table, info, part.width_mbs)
    except errors.HypError as problem:
        assert problem.id in ("HYP-E-AVC-02", "HYP-E-AVC-03", "HYP-E-AVC-04")
        text = f"{problem.id} {problem.element} {problem.value} {problem.bit_offset}"
    digest = hashlib.sha256(table.parameters.tobytes())
    for name in sorted(vars(info)):
        value = getattr(info, name)
        if isinstance(value, np.ndarray):
            digest.update(value.tobytes())
    digest.update(info.motion.mb_type.tobytes() + info.motion.ref_idx.tobytes())
    return f"{text} {digest.hexdigest()[:16]}"


@pytest.fixture(scope="module")
def compiled_outcomes() -> list[str]:
    return outcomes(400)


def test_damaged_slices_end_in_typed_errors(compiled_outcomes: list[str]) -> None:
    kinds = {outcome.split()[0] for outcome in compiled_outcomes}
    assert {"decoded", "HYP-E-AVC-02", "HYP-E-AVC-03"} <= kinds


def test_plain_python_does_the_same(compiled_outcomes: list[str]) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", _OUTCOMES, str(len(compiled_outcomes))],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(finished.stdout) == compiled_outcomes
