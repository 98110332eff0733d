"""x264 streams taken apart into slices, for tests of slice data parsing: headers are read with the
syntax tables, independently of the decoder's control."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from refcodec import syntax
from refcodec.avc import slice_table as st
from refcodec.avc.nal import nal_units, remove_emulation_prevention
from refcodec.avc.parameter_sets import avc_syntax
from refcodec.avc.slice_table import SliceTable
from refcodec.encoder.avc_job import deterministic_cpu

SLICE_TYPES = {0: st.P, 1: st.B, 2: st.I}


@dataclass(frozen=True)
class Slice:
    """rbsp: without the NAL unit header; parameters: the row of SliceTable.parameters, as far as
    parsing needs it."""

    rbsp: NDArray[np.uint8]
    bit_offset: int
    parameters: NDArray[np.int32]
    width_mbs: int
    mbs: int
    begins_picture: bool
    cabac: bool

    def table(self) -> SliceTable:
        """Return a slice table with this slice as its only row."""
        table = SliceTable.allocate(1)
        table.parameters[0] = self.parameters
        return table


def moving_pictures(
    width: int, height: int, count: int, seed: int = 0, noise: float = 6.0
) -> list[NDArray[np.uint8]]:
    """Return planar 4:2:0 pictures (3 * height / 2, width): smooth waves and edges that move, with
    some noise."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[0 : height * 3 // 2, 0:width]
    pictures = []
    for n in range(count):
        waves = 60 * np.sin((x + 3 * n) / 9.0) * np.cos((y - 2 * n) / 7.0)
        edges = 40 * (((x + 2 * n) // 13 + (y + n) // 11) % 2)
        values = 100 + waves + edges + generator.normal(0, noise, x.shape)
        pictures.append(np.clip(values, 0, 255).astype(np.uint8))
    return pictures


def encode(
    pictures: list[NDArray[np.uint8]], x264_params: str, preset: str = "medium", profile: str = ""
) -> bytes:
    """Return the Annex B stream that x264 makes of the pictures."""
    height, width = pictures[0].shape[0] * 2 // 3, pictures[0].shape[1]
    encoder: Any = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base = Fraction(1, 25)
    encoder.thread_count = 1
    if (cpu := deterministic_cpu()) is not None:
        x264_params = f"{x264_params}:asm={cpu}"
    encoder.options = {"preset": preset, "x264-params": x264_params}
    if profile:
        encoder.options = {**encoder.options, "profile": profile}
    packets = []
    for pts, picture in enumerate(pictures):
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts = pts
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    return b"".join(bytes(packet) for packet in packets)


def slices(stream: bytes) -> Iterator[Slice]:
    """Yield the slices of an Annex B stream in order."""
    tree = avc_syntax()
    sps: dict[int, Any] = {}
    pps: dict[int, Any] = {}
    for unit in nal_units(stream):
        kind = unit[0] & 31
        rbsp = remove_emulation_prevention(bytes(unit[1:]))
        if kind == 7:
            values: Any = syntax.read(tree, "seq_parameter_set_rbsp", rbsp)
            values = values["seq_parameter_set_data"]
            sps[values["seq_parameter_set_id"]] = values
        elif kind == 8:
            values = syntax.read(
                tree, "pic_parameter_set_rbsp", rbsp, params={"chroma_format_idc": 1}
            )
            pps[values["pic_parameter_set_id"]] = values
        elif kind in (1, 5):
            yield _slice(tree, bytes(unit[:1]), rbsp, sps, pps)


def _slice(
    tree: Any, header: bytes, rbsp: bytes, sps: dict[int, Any], pps: dict[int, Any]
) -> Slice:
    nal = syntax.read(tree, "nal_unit_header", header)
    start: Any = syntax.read(tree, "slice_header_start", rbsp)
    p = pps[start["pic_parameter_set_id"]]
    s = sps[p["seq_parameter_set_id"]]
    params = {"nal": nal, "sps": s, "pps": p}
    h: Any = syntax.read(tree, "slice_header", rbsp, params=params)
    row = np.zeros(st.FIELDS, np.int32)
    row[st.FIRST_MB] = h["first_mb_in_slice"]
    row[st.SLICE_TYPE] = SLICE_TYPES[h["slice_type"] % 5]
    row[st.NUM_REF_IDX_L0] = h.get("num_ref_idx_l0_active_minus1", -1) + 1
    row[st.NUM_REF_IDX_L1] = h.get("num_ref_idx_l1_active_minus1", -1) + 1
    row[st.CABAC_INIT_IDC] = h.get("cabac_init_idc", 3)
    row[st.SLICE_QP] = 26 + p["pic_init_qp_minus26"] + h["slice_qp_delta"]
    row[st.DIRECT_SPATIAL_MV_PRED] = h.get("direct_spatial_mv_pred_flag", 0)
    row[st.DIRECT_8X8_INFERENCE] = s["direct_8x8_inference_flag"]
    row[st.TRANSFORM_8X8_MODE] = p.get("transform_8x8_mode_flag", 0)
    row[st.CONSTRAINED_INTRA_PRED] = p["constrained_intra_pred_flag"]
    width = s["pic_width_in_mbs_minus1"] + 1
    height = s["pic_height_in_map_units_minus1"] + 1
    return Slice(
        np.frombuffer(rbsp, np.uint8),
        h.bit_length,
        row,
        width,
        width * height,
        h["first_mb_in_slice"] == 0,
        bool(p["entropy_coding_mode_flag"]),
    )
