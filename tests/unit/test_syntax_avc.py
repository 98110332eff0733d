"""The H.264 tables read what x264 writes, and say of it what libavcodec says."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest

from refcodec import syntax
from refcodec.avc import nal

AVC = syntax.load("avc")
SLICE_HEADER_BYTES = 256
FRAMES = 12

STREAMS: dict[str, dict[str, Any]] = {
    "high": {"size": (176, 144), "options": {"preset": "slow", "x264-params": "bframes=3"}},
    "cropped": {"size": (146, 82), "options": {"x264-params": "slices=2:aud=1"}},
    "baseline": {"size": (64, 48), "options": {"profile": "baseline"}},
    "weighted": {"size": (96, 96), "options": {"x264-params": "weightp=2:weightb=1:bframes=2"}},
    "interlaced": {"size": (96, 96), "options": {"x264-params": "tff=1"}},
    "scaling lists": {"size": (64, 64), "options": {"x264-params": "cqm=jvt"}},
    "hrd": {
        "size": (64, 64),
        "options": {
            "x264-params": "nal-hrd=vbr:vbv-maxrate=200:vbv-bufsize=400:colorprim=bt709:"
            "transfer=bt709:colormatrix=bt709:sar=7/5:chromaloc=1:pic-struct=1"
        },
    },
    "4:4:4": {"size": (64, 64), "format": "yuv444p", "options": {}},
}


def encoded(size: tuple[int, int], options: dict[str, str], format: str = "yuv420p") -> bytes:
    """Encode a fading, moving picture with x264."""
    width, height = size
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, format
    encoder.time_base, encoder.framerate = Fraction(1, 25), Fraction(25)
    encoder.options = {"threads": "1"} | options
    stream = b""
    y, x = np.mgrid[:height, :width]
    for number in range(FRAMES):
        picture = (x * 3 + y * 2 + 5 * number) % 256 * (FRAMES - number / 2) / FRAMES
        rgb = np.repeat(picture.astype(np.uint8)[:, :, None], 3, axis=2)
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=format)
        frame.pts = number
        stream += b"".join(bytes(packet) for packet in encoder.encode(frame))
    return stream + b"".join(bytes(packet) for packet in encoder.encode(None))


def reread(name: str, rbsp: bytes, params: dict[str, object] | None = None) -> Any:
    """Read with both readers, write again, and hold all against each other."""
    values = syntax.read(AVC, name, rbsp, 0, params)
    assert syntax.read_reference(AVC, name, rbsp, 0, params) == values
    written = syntax.write(AVC, name, values, params)
    whole, rest = divmod(values.bit_length, 8)
    assert written[:whole] == rbsp[:whole]
    if rest:
        assert written[whole] >> (8 - rest) == rbsp[whole] >> (8 - rest)
    return values


@pytest.mark.parametrize("name", STREAMS)
def test_streams_of_x264_are_read_to_the_last_bit(name: str) -> None:
    size = STREAMS[name]["size"]
    format = STREAMS[name].get("format", "yuv420p")
    stream = encoded(size, STREAMS[name]["options"], format)
    sps: dict[int, Any] = {}
    pps: dict[int, Any] = {}
    pictures = 0
    kinds = set()
    for unit in nal.nal_units(stream):
        header = reread("nal_unit_header", bytes(unit[:1]))
        kind = header["nal_unit_type"]
        kinds.add(kind)
        rbsp = nal.remove_emulation_prevention(unit[1:])
        if kind == 7:
            values = reread("seq_parameter_set_rbsp", rbsp)
            assert values.bit_length == 8 * len(rbsp)
            data = values["seq_parameter_set_data"]
            sps[data["seq_parameter_set_id"]] = data
        elif kind == 8:
            chroma = {"chroma_format_idc": next(iter(sps.values()))["chroma_format_idc"]}
            values = reread("pic_parameter_set_rbsp", rbsp, chroma)
            assert values.bit_length == 8 * len(rbsp)
            pps[values["pic_parameter_set_id"]] = values
        elif kind in (1, 5):
            rbsp = rbsp[:SLICE_HEADER_BYTES]
            start = reread("slice_header_start", rbsp)
            own = pps[start["pic_parameter_set_id"]]
            params = {"nal": header, "sps": sps[own["seq_parameter_set_id"]], "pps": own}
            slice_header = reread("slice_header", rbsp, params)
            pictures += start["first_mb_in_slice"] == 0
            kinds.add(f"slice {slice_header['slice_type'] % 5}")
            kinds.update(key for key in slice_header if key == "pred_weight_table")
        elif kind == 6:
            values = reread("sei_rbsp", rbsp)
            assert values.bit_length == 8 * len(rbsp)
        elif kind == 9:
            assert reread("access_unit_delimiter_rbsp", rbsp).bit_length == 8 * len(rbsp)

    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    frames = [f for packet in decoder.parse(stream) for f in decoder.decode(packet)]
    frames += [f for packet in decoder.parse(None) for f in decoder.decode(packet)]
    frames += decoder.decode(None)
    data = sps[0]
    assert pictures == len(frames) == FRAMES
    assert (data.derived["CroppedWidth"], data.derived["CroppedHeight"]) == size
    assert (frames[0].width, frames[0].height) == size
    assert syntax.Structure.number(data, "profile_idc") in profiles(decoder.profile)
    seen = {"high": "slice 1", "weighted": "pred_weight_table", "cropped": 9}
    assert seen.get(name, 5) in kinds
    if name == "interlaced":
        assert data["frame_mbs_only_flag"] == 0
    if name == "hrd":
        vui = data["vui_parameters"]
        assert vui["nal_hrd_parameters"]["cpb_cnt_minus1"] == 0
        assert (vui["sar_width"], vui["sar_height"]) == (7, 5)
        assert (decoder.sample_aspect_ratio, vui["colour_primaries"]) == (Fraction(7, 5), 1)
        assert AVC.meaning("chroma_format_idc", data["chroma_format_idc"]) == "4:2:0"
    if name == "scaling lists":
        assert own["pic_scaling_matrix_present_flag"] or data["seq_scaling_matrix_present_flag"]


def profiles(name: str | None) -> set[int]:
    """Return the profile_idc of what libavcodec calls a profile."""
    names = {
        "Baseline": 66,
        "Constrained Baseline": 66,
        "Main": 77,
        "High": 100,
        "High 4:4:4 Predictive": 244,
    }
    return {names[name or ""]}
