"""Views of the H.264 parameter sets: what decoding and injection need, checked against the
subset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from refcodec import errors, syntax
from refcodec.avc.access_units import (
    NAL_PICTURE_PARAMETER_SET,
    NAL_SEQUENCE_PARAMETER_SET,
    Buffer,
    nal_unit_type,
)
from refcodec.avc.nal import remove_emulation_prevention

PROFILE_HIGH = 100


@dataclass(frozen=True)
class SequenceParameterSet:
    """(#avc.7.3.2.1.1) What of a sequence parameter set decoding depends on: sizes in macroblocks,
    cropping in luma samples, field widths in bits."""

    seq_parameter_set_id: int
    level_idc: int
    log2_max_frame_num: int
    pic_order_cnt_type: int
    log2_max_pic_order_cnt_lsb: int
    max_num_ref_frames: int
    pic_width_in_mbs: int
    pic_height_in_mbs: int
    crop_right: int
    crop_bottom: int

    @property
    def width(self) -> int:
        """(#avc.7.3.2.1.1) CroppedWidth, luma samples."""
        return 16 * self.pic_width_in_mbs - self.crop_right

    @property
    def height(self) -> int:
        """(#avc.7.3.2.1.1) CroppedHeight, luma rows."""
        return 16 * self.pic_height_in_mbs - self.crop_bottom


@dataclass(frozen=True)
class PictureParameterSet:
    """(#avc.7.3.2.2) Ids and entropy coding mode of a picture parameter set."""

    pic_parameter_set_id: int
    seq_parameter_set_id: int
    entropy_coding_mode_flag: int


@dataclass(frozen=True)
class ParameterSets:
    """The parameter sets of a sequence header: parsed, and as the NAL units that they were."""

    sps: SequenceParameterSet
    pps_list: tuple[PictureParameterSet, ...]
    nal_units: tuple[bytes, ...]


@cache
def avc_syntax() -> Any:
    """Return the tree of spec/syntax/avc.syn."""
    return syntax.load("avc")


def parse_sequence_parameter_set(nal_unit: Buffer) -> SequenceParameterSet:
    """(#avc.7.3.2.1) Parse a sequence parameter set NAL unit and check that it is in the subset.

    Raises HYP-E-SEQ-17 outside the subset, and the errors of the syntax where it does not parse.
    """
    rbsp = remove_emulation_prevention(bytes(nal_unit[1:]))
    structure = syntax.read(avc_syntax(), "seq_parameter_set_rbsp", rbsp)
    values: Any = structure["seq_parameter_set_data"]
    subset = {
        "profile_idc": PROFILE_HIGH,
        "chroma_format_idc": 1,
        "bit_depth_luma_minus8": 0,
        "bit_depth_chroma_minus8": 0,
        "qpprime_y_zero_transform_bypass_flag": 0,
        "frame_mbs_only_flag": 1,
        "frame_crop_left_offset": 0,
        "frame_crop_top_offset": 0,
    }
    for element, allowed in subset.items():
        if values[element] != allowed:
            raise _outside(element, values[element], allowed)
    # Type 1 would put delta_pic_order_cnt into the slice header of the injected picture.
    if values["pic_order_cnt_type"] == 1:
        raise _outside("pic_order_cnt_type", 1, "0 or 2")
    sps = SequenceParameterSet(
        seq_parameter_set_id=values["seq_parameter_set_id"],
        level_idc=values["level_idc"],
        log2_max_frame_num=values["log2_max_frame_num_minus4"] + 4,
        pic_order_cnt_type=values["pic_order_cnt_type"],
        log2_max_pic_order_cnt_lsb=values.get("log2_max_pic_order_cnt_lsb_minus4", -4) + 4,
        max_num_ref_frames=values["max_num_ref_frames"],
        pic_width_in_mbs=values["pic_width_in_mbs_minus1"] + 1,
        pic_height_in_mbs=values["pic_height_in_map_units_minus1"] + 1,
        crop_right=2 * values["frame_crop_right_offset"],
        crop_bottom=2 * values["frame_crop_bottom_offset"],
    )
    if sps.width <= 0 or sps.height <= 0:
        raise _outside("frame_crop_right_offset", f"{sps.width}x{sps.height}", "a picture")
    return sps


def parse_picture_parameter_set(nal_unit: Buffer) -> PictureParameterSet:
    """(#avc.7.3.2.2) Parse a picture parameter set NAL unit of a 4:2:0 sequence.

    Raises the errors of the syntax where it does not parse.
    """
    rbsp = remove_emulation_prevention(bytes(nal_unit[1:]))
    values: Any = syntax.read(
        avc_syntax(), "pic_parameter_set_rbsp", rbsp, params={"chroma_format_idc": 1}
    )
    return PictureParameterSet(
        values["pic_parameter_set_id"],
        values["seq_parameter_set_id"],
        values["entropy_coding_mode_flag"],
    )


def parse_parameter_sets(nal_units: Sequence[Buffer]) -> ParameterSets:
    """(#sem.sequence_header.parameter_set) Parse the parameter sets of a sequence header: one
    sequence parameter set, then picture parameter sets that refer to it, each with an id of its
    own.

    Raises HYP-E-SEQ-14 when they are others or do not parse, HYP-E-SEQ-17 outside the subset.
    """
    kinds = [nal_unit_type(nal_unit) for nal_unit in nal_units]
    if (
        len(kinds) < 2
        or kinds[0] != NAL_SEQUENCE_PARAMETER_SET
        or any(kind != NAL_PICTURE_PARAMETER_SET for kind in kinds[1:])
    ):
        raise errors.error(
            "HYP-E-SEQ-14", element="nal_unit_type", value=str(kinds), allowed="7, then 8 only"
        )
    try:
        sps = parse_sequence_parameter_set(nal_units[0])
        pps_list = tuple(map(parse_picture_parameter_set, nal_units[1:]))
    except errors.HypError as cause:
        if cause.id.startswith("HYP-E-SEQ"):
            raise
        raise errors.error(
            "HYP-E-SEQ-14", element=cause.element, value=cause.value, detail=str(cause)
        ) from cause
    ids = [pps.pic_parameter_set_id for pps in pps_list]
    if len(set(ids)) < len(ids):
        raise errors.error("HYP-E-SEQ-14", element="pic_parameter_set_id", value=str(ids))
    for pps in pps_list:
        if pps.seq_parameter_set_id != sps.seq_parameter_set_id:
            raise errors.error(
                "HYP-E-SEQ-14",
                element="seq_parameter_set_id",
                value=pps.seq_parameter_set_id,
                allowed=sps.seq_parameter_set_id,
            )
    return ParameterSets(sps, pps_list, tuple(map(bytes, nal_units)))


def _outside(element: str, value: object, allowed: object) -> errors.HypError:
    return errors.error("HYP-E-SEQ-17", element=element, value=value, allowed=allowed)
