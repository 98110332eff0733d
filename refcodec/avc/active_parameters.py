"""The parameter sets as decoding uses them: every value of their syntax, what follows from it, and
whether this decoder knows how to decode it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from refcodec import errors, syntax
from refcodec.avc.access_units import Buffer
from refcodec.avc.frame_store import Geometry
from refcodec.avc.nal import remove_emulation_prevention
from refcodec.avc.parameter_sets import avc_syntax
from refcodec.avc.scaling_matrices import ScalingMatrices, scaling_matrices
from refcodec.syntax import Structure

MAX_DPB_MBS = {
    9: 396,
    10: 396,
    11: 900,
    12: 2376,
    13: 2376,
    20: 2376,
    21: 4752,
    22: 8100,
    30: 8100,
    31: 18000,
    32: 20480,
    40: 32768,
    41: 32768,
    42: 34816,
    50: 110400,
    51: 184320,
    52: 184320,
    60: 696320,
    61: 696320,
    62: 696320,
}
"""(#avc.A.3.1) MaxDpbMbs of Table A-1 by level_idc, level 1b as 9."""

MOST_FRAMES = 16
"""Frames that any level has at most in the decoded picture buffer."""

INTRA_PROFILES = (44, 86, 100, 110, 122, 244)
"""Profiles in which constraint_set3_flag stands for a profile of intra pictures only (A.2)."""

UNSUPPORTED_SEQUENCES: tuple[tuple[str, int, str], ...] = (
    ("chroma_format_idc", 1, "Chroma formats other than 4:2:0 are not decoded."),
    ("bit_depth_luma_minus8", 0, "Luma of more than 8 bits is not decoded."),
    ("bit_depth_chroma_minus8", 0, "Chroma of more than 8 bits is not decoded."),
    ("qpprime_y_zero_transform_bypass_flag", 0, "Lossless transform bypass is not decoded."),
    ("frame_mbs_only_flag", 1, "Interlaced coding (field pictures, MBAFF) is not decoded."),
)


def unsupported(element: str, value: object, allowed: object, detail: str) -> errors.HypError:
    """Return HYP-E-AVC-01 for a feature that is refused; `detail` names it."""
    return errors.error(
        "HYP-E-AVC-01", element=element, value=value, allowed=allowed, detail=detail
    )


@dataclass(frozen=True)
class SequenceParameters:
    """(#avc.7.4.2.1) A sequence parameter set; `values` are those of seq_parameter_set_data."""

    values: Structure

    def __getitem__(self, element: str) -> Any:
        return self.values[element]

    @cached_property
    def geometry(self) -> Geometry:
        """Size in macroblocks."""
        return Geometry(
            self["pic_width_in_mbs_minus1"] + 1, self["pic_height_in_map_units_minus1"] + 1
        )

    @cached_property
    def crop(self) -> tuple[int, int, int, int]:
        """(#avc.7.4.2.1.1) Left, top, right and bottom luma samples that are not output."""
        return (
            2 * self["frame_crop_left_offset"],
            2 * self["frame_crop_top_offset"],
            2 * self["frame_crop_right_offset"],
            2 * self["frame_crop_bottom_offset"],
        )

    @cached_property
    def max_frame_num(self) -> int:
        """(#avc.7.4.2.1.1) MaxFrameNum."""
        return 1 << (self["log2_max_frame_num_minus4"] + 4)

    @cached_property
    def max_num_ref_frames(self) -> int:
        """Reference frames that sliding window marking keeps."""
        number: int = self["max_num_ref_frames"]
        return number

    @cached_property
    def _restriction(self) -> Structure | None:
        vui: Any = self.values.get("vui_parameters")
        return vui if vui and vui["bitstream_restriction_flag"] else None

    @cached_property
    def _max_dpb_frames(self) -> int:
        """(#avc.A.3.1) MaxDpbFrames; the most there is where the level is not known."""
        level = self["level_idc"]
        if level == 11 and self["constraint_set3_flag"] and self["profile_idc"] in (66, 77, 88):
            level = 9
        macroblocks = MAX_DPB_MBS.get(level)
        if macroblocks is None:
            return MOST_FRAMES
        return min(macroblocks // self.geometry.mbs, MOST_FRAMES)

    @cached_property
    def _intra_only(self) -> bool:
        return bool(self["profile_idc"] in INTRA_PROFILES and self["constraint_set3_flag"])

    @cached_property
    def dpb_frames(self) -> int:
        """(#avc.E.2.1) max_dec_frame_buffering, or what stands for it; enough for the reference
        frames and at least 1."""
        restriction: Any = self._restriction
        if restriction is not None:
            frames = restriction["max_dec_frame_buffering"]
        else:
            frames = 0 if self._intra_only else self._max_dpb_frames
        return max(frames, self.max_num_ref_frames, 1)

    @cached_property
    def reorder_frames(self) -> int:
        """(#avc.E.2.1) max_num_reorder_frames, or what stands for it: frames that precede another
        one in decoding order and follow it in output order."""
        restriction: Any = self._restriction
        if self["pic_order_cnt_type"] == 2:
            return 0  # output order is decoding order (8.2.1.3)
        if restriction is not None:
            frames: int = restriction["max_num_reorder_frames"]
            return frames
        return 0 if self._intra_only else self.dpb_frames

    def check(self) -> None:
        """Raise HYP-E-AVC-01 for a feature that this decoder leaves out, HYP-E-AVC-08 when
        cropping leaves no picture."""
        for element, allowed, detail in UNSUPPORTED_SEQUENCES:
            if self[element] != allowed:
                raise unsupported(element, self[element], allowed, detail)
        left, top, right, bottom = self.crop
        width = 16 * self.geometry.width_mbs - left - right
        height = 16 * self.geometry.height_mbs - top - bottom
        if width <= 0 or height <= 0:
            raise errors.error(
                "HYP-E-AVC-08", element="frame_crop_right_offset", value=f"{width}x{height}"
            )


@dataclass(frozen=True)
class PictureParameters:
    """(#avc.7.4.2.2) A picture parameter set with the sequence parameter set that it refers to."""

    values: Structure
    sequence: SequenceParameters

    def __getitem__(self, element: str) -> Any:
        return self.values[element]

    @cached_property
    def scaling(self) -> ScalingMatrices:
        """Its scaling matrices after the fall-back rules."""
        return scaling_matrices(self.sequence.values, self.values)

    def check(self) -> None:
        """Raise HYP-E-AVC-01 for a feature that this decoder leaves out."""
        groups = self["num_slice_groups_minus1"]
        if groups:
            raise unsupported(
                "num_slice_groups_minus1",
                groups,
                0,
                "Flexible macroblock ordering (slice groups) is not decoded.",
            )


def read_sequence_parameters(nal_unit: Buffer) -> Structure:
    """(#avc.7.3.2.1.1) Return the values of a sequence parameter set NAL unit.

    Raises the errors of the syntax.
    """
    rbsp = remove_emulation_prevention(bytes(nal_unit[1:]))
    values = syntax.read(avc_syntax(), "seq_parameter_set_rbsp", rbsp)["seq_parameter_set_data"]
    assert isinstance(values, Structure)
    return values


def read_picture_parameters(nal_unit: Buffer, chroma_format_idc: int) -> Structure:
    """(#avc.7.3.2.2) Return the values of a picture parameter set NAL unit.

    Raises the errors of the syntax.
    """
    rbsp = remove_emulation_prevention(bytes(nal_unit[1:]))
    params = {"chroma_format_idc": chroma_format_idc}
    return syntax.read(avc_syntax(), "pic_parameter_set_rbsp", rbsp, params=params)
