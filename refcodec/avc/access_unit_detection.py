"""Where a new picture begins in a sequence of NAL units."""

from __future__ import annotations

from refcodec.avc.access_units import (
    NAL_ACCESS_UNIT_DELIMITER,
    NAL_PICTURE_PARAMETER_SET,
    NAL_SEI,
    NAL_SEQUENCE_PARAMETER_SET,
)
from refcodec.avc.slice_header import SliceHeader

NAL_END_OF_SEQUENCE = 10
NAL_END_OF_STREAM = 11

_BEGINNING = {
    NAL_SEI,
    NAL_SEQUENCE_PARAMETER_SET,
    NAL_PICTURE_PARAMETER_SET,
    NAL_ACCESS_UNIT_DELIMITER,
    NAL_END_OF_SEQUENCE,
    NAL_END_OF_STREAM,
    14,  # prefix NAL unit
    15,  # subset sequence parameter set
    16,
    17,
    18,
}


def ends_picture(nal_unit_type: int) -> bool:
    """(#avc.7.4.1.2.3) Whether a NAL unit of this type, after slices of a picture, says that the
    picture has no more of them."""
    return nal_unit_type in _BEGINNING


def begins_picture(header: SliceHeader, before: SliceHeader) -> bool:
    """(#avc.7.4.1.2.4) Whether the slice with `header` is the first one of a picture, when the slice
    with the header `before` is the one before it."""
    return (
        header.frame_num != before.frame_num
        or header.parameters is not before.parameters
        or (header.nal_ref_idc == 0) != (before.nal_ref_idc == 0)
        or header.idr != before.idr
        or header.pic_order_cnt_lsb != before.pic_order_cnt_lsb
        or header.delta_pic_order_cnt_bottom != before.delta_pic_order_cnt_bottom
        or header.delta_pic_order_cnt != before.delta_pic_order_cnt
        or header.idr_pic_id != before.idr_pic_id
    )
