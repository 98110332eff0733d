"""Views of the H.264 parameter sets: the values that decoding and injection need, checked against
the subset."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SequenceParameterSet:
    """(#avc.sps) What of a sequence parameter set decoding depends on; sizes in macroblocks and
    luma samples."""

    seq_parameter_set_id: int
    profile_idc: int
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
        """(#avc.sps) Width after cropping, luma samples."""
        return 16 * self.pic_width_in_mbs - self.crop_right

    @property
    def height(self) -> int:
        """(#avc.sps) Height after cropping, luma rows."""
        return 16 * self.pic_height_in_mbs - self.crop_bottom


@dataclass(frozen=True)
class PictureParameterSet:
    """(#avc.pps) Ids and entropy coding mode of a picture parameter set."""

    pic_parameter_set_id: int
    seq_parameter_set_id: int
    entropy_coding_mode_flag: int
