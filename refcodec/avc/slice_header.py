"""Slice headers as decoding uses them: read through spec/syntax/avc.syn, then typed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from refcodec import errors, syntax
from refcodec.avc.active_parameters import PictureParameters, unsupported
from refcodec.avc.parameter_sets import avc_syntax
from refcodec.avc.slice_table import B, I
from refcodec.syntax import Structure

MOST_REFERENCES = 16
"""Entries of a reference picture list of a frame, at most (7.4.3)."""

UNSUPPORTED_SLICE_TYPES = {3: "SP slices are not decoded.", 4: "SI slices are not decoded."}

Weights = tuple[tuple[int, int], ...]
"""Weight and offset of Y, Cb and Cr."""


@dataclass(frozen=True, slots=True)
class ListModification:
    """(#avc.7.4.3.1) `operation` is modification_of_pic_nums_idc, 0 to 2, `value` is
    abs_diff_pic_num_minus1 or long_term_pic_num."""

    operation: int
    value: int


@dataclass(frozen=True, slots=True)
class MemoryManagement:
    """(#avc.7.4.3.3) `operation` is memory_management_control_operation, 1 to 6; the others are 0
    where the operation does not have them."""

    operation: int
    difference_of_pic_nums_minus1: int = 0
    long_term_pic_num: int = 0
    long_term_frame_idx: int = 0
    max_long_term_frame_idx_plus1: int = 0


@dataclass(frozen=True, slots=True)
class PredictionWeights:
    """(#avc.7.4.3.2) Explicit weights: denominators, and the weights of both lists."""

    luma_log2_weight_denom: int
    chroma_log2_weight_denom: int
    weights: tuple[tuple[Weights, ...], tuple[Weights, ...]]


@dataclass(frozen=True, slots=True)
class SliceHeader:
    """(#avc.7.4.3) A slice header of a frame.

    `slice_type` is P, B or I of slice_table; `num_ref_idx_active` are the sizes of the two
    reference picture lists; `marking` is None for sliding window marking and in IDR pictures;
    `qp` is SliceQP_Y; `filter_offset_a` and `filter_offset_b` are FilterOffsetA and FilterOffsetB;
    `bit_length` is where slice_data begins in the RBSP.
    """

    parameters: PictureParameters
    nal_ref_idc: int
    idr: bool
    first_mb: int
    slice_type: int
    frame_num: int
    idr_pic_id: int
    pic_order_cnt_lsb: int
    delta_pic_order_cnt_bottom: int
    delta_pic_order_cnt: tuple[int, int]
    direct_spatial_mv_pred: int
    num_ref_idx_active: tuple[int, int]
    modifications: tuple[tuple[ListModification, ...], tuple[ListModification, ...]]
    weights: PredictionWeights | None
    no_output_of_prior_pics: bool
    long_term_reference: bool
    marking: tuple[MemoryManagement, ...] | None
    cabac_init_idc: int
    qp: int
    disable_deblocking_filter_idc: int
    filter_offset_a: int
    filter_offset_b: int
    bit_length: int

    @property
    def has_mmco5(self) -> bool:
        """Whether the picture marks all reference pictures as unused and begins counting anew."""
        return self.marking is not None and any(each.operation == 5 for each in self.marking)


@cache
def _nal_unit_header(byte: int) -> Structure:
    """(#avc.7.3.1) Return the NAL unit header that `byte` is."""
    return syntax.read(avc_syntax(), "nal_unit_header", bytes((byte,)))


def pic_parameter_set_id(rbsp: bytes | bytearray) -> int:
    """(#avc.7.3.3) Return pic_parameter_set_id of the slice header that `rbsp` begins with.

    Raises HYP-E-AVC-01 for slice types that are refused, whatever their headers look like.
    """
    start = syntax.read(avc_syntax(), "slice_header_start", rbsp)
    slice_type = start.number("slice_type")
    if slice_type % 5 in UNSUPPORTED_SLICE_TYPES:
        detail = UNSUPPORTED_SLICE_TYPES[slice_type % 5]
        raise unsupported("slice_type", slice_type, "P, B or I", detail)
    return start.number("pic_parameter_set_id")


def read_slice_header(
    nal_byte: int, rbsp: bytes | bytearray, parameters: PictureParameters
) -> SliceHeader:
    """(#avc.7.3.3) Read the slice header that `rbsp` begins with; `nal_byte` is the NAL unit header,
    `parameters` the picture parameter set that the slice names.

    Raises the errors of the syntax, HYP-E-AVC-01 for redundant slices, and HYP-E-AVC-08 for values
    that contradict the parameter sets.
    """
    nal = _nal_unit_header(nal_byte)
    params = {"nal": nal, "sps": parameters.sequence.values, "pps": parameters.values}
    values: Any = syntax.read(avc_syntax(), "slice_header", rbsp, params=params)
    slice_type = values["slice_type"] % 5
    if values["redundant_pic_cnt"]:
        raise unsupported(
            "redundant_pic_cnt", values["redundant_pic_cnt"], 0, "Redundant slices are not decoded."
        )
    get = values.get
    active = (
        values["num_ref_idx_l0_active_minus1"] + 1 if slice_type != I else 0,
        values["num_ref_idx_l1_active_minus1"] + 1 if slice_type == B else 0,
    )
    marking = get("dec_ref_pic_marking") or {}
    modification = values["ref_pic_list_modification"]
    qp = 26 + parameters["pic_init_qp_minus26"] + values["slice_qp_delta"]
    header = SliceHeader(
        parameters=parameters,
        nal_ref_idc=nal.number("nal_ref_idc"),
        idr=nal["nal_unit_type"] == 5,
        first_mb=values["first_mb_in_slice"],
        slice_type=slice_type,
        frame_num=values["frame_num"],
        idr_pic_id=get("idr_pic_id", 0),
        pic_order_cnt_lsb=get("pic_order_cnt_lsb", 0),
        delta_pic_order_cnt_bottom=get("delta_pic_order_cnt_bottom", 0),
        delta_pic_order_cnt=(get("delta_pic_order_cnt_0", 0), get("delta_pic_order_cnt_1", 0)),
        direct_spatial_mv_pred=get("direct_spatial_mv_pred_flag", 0),
        num_ref_idx_active=active,
        modifications=(
            _modifications(modification.get("list_modification_l0", ())),
            _modifications(modification.get("list_modification_l1", ())),
        ),
        weights=_weights(get("pred_weight_table")),
        no_output_of_prior_pics=bool(marking.get("no_output_of_prior_pics_flag", 0)),
        long_term_reference=bool(marking.get("long_term_reference_flag", 0)),
        marking=_marking(marking),
        cabac_init_idc=get("cabac_init_idc", 3),
        qp=qp,
        disable_deblocking_filter_idc=values["disable_deblocking_filter_idc"],
        filter_offset_a=2 * values["slice_alpha_c0_offset_div2"],
        filter_offset_b=2 * values["slice_beta_offset_div2"],
        bit_length=values.bit_length,
    )
    _check(header)
    return header


def _check(header: SliceHeader) -> None:
    """Raise HYP-E-AVC-08 for values that the syntax cannot judge."""
    macroblocks = header.parameters.sequence.geometry.mbs
    if header.first_mb >= macroblocks:
        raise contradiction("first_mb_in_slice", header.first_mb, range(macroblocks))
    if not 0 <= header.qp <= 51:
        raise contradiction("slice_qp_delta", header.qp, range(52))
    for number, active in enumerate(header.num_ref_idx_active):
        if active > MOST_REFERENCES:
            raise contradiction(
                f"num_ref_idx_l{number}_active_minus1", active - 1, range(MOST_REFERENCES)
            )
        operations = len(header.modifications[number])
        if operations > active:
            raise contradiction(f"list_modification_l{number}", operations, f"at most {active}")
    if header.idr and header.nal_ref_idc == 0:
        raise contradiction("nal_ref_idc", 0, "1 to 3 in an IDR picture")
    if header.idr and header.frame_num:
        raise contradiction("frame_num", header.frame_num, "0 in an IDR picture")
    if header.idr and header.slice_type != I:
        raise contradiction("slice_type", "PB"[header.slice_type], "I in an IDR picture")


def contradiction(element: str, value: object, allowed: object) -> errors.HypError:
    """Return HYP-E-AVC-08."""
    return errors.error("HYP-E-AVC-08", element=element, value=value, allowed=allowed)


def _modifications(rows: Any) -> tuple[ListModification, ...]:
    return tuple(
        ListModification(
            row["modification_of_pic_nums_idc"],
            row.get("abs_diff_pic_num_minus1", row.get("long_term_pic_num")),
        )
        for row in rows
        if row["modification_of_pic_nums_idc"] != 3
    )


def _marking(values: Any) -> tuple[MemoryManagement, ...] | None:
    if not values.get("adaptive_ref_pic_marking_mode_flag", 0):
        return None
    rows = values["memory_management_operation"]
    return tuple(
        MemoryManagement(
            row["memory_management_control_operation"],
            row.get("difference_of_pic_nums_minus1", 0),
            row.get("long_term_pic_num", 0),
            row.get("long_term_frame_idx", 0),
            row.get("max_long_term_frame_idx_plus1", 0),
        )
        for row in rows
        if row["memory_management_control_operation"]
    )


def _weights(values: Any) -> PredictionWeights | None:
    if values is None:
        return None
    return PredictionWeights(
        values["luma_log2_weight_denom"],
        values["chroma_log2_weight_denom"],
        (
            tuple(map(_planes, values.get("weights_l0", ()))),
            tuple(map(_planes, values.get("weights_l1", ()))),
        ),
    )


def _planes(row: Any) -> Weights:
    return (
        (row["luma_weight"], row["luma_offset"]),
        *zip(row["chroma_weight"], row["chroma_offset"], strict=True),
    )


def injected_header(parameters: PictureParameters, idr_pic_id: int) -> SliceHeader:
    """(#dec.injection.slice) Return the slice header that an injected picture has."""
    return SliceHeader(
        parameters=parameters,
        nal_ref_idc=3,
        idr=True,
        first_mb=0,
        slice_type=I,
        frame_num=0,
        idr_pic_id=idr_pic_id,
        pic_order_cnt_lsb=0,
        delta_pic_order_cnt_bottom=0,
        delta_pic_order_cnt=(0, 0),
        direct_spatial_mv_pred=0,
        num_ref_idx_active=(0, 0),
        modifications=((), ()),
        weights=None,
        no_output_of_prior_pics=False,
        long_term_reference=False,
        marking=None,
        cabac_init_idc=3,
        qp=26,
        disable_deblocking_filter_idc=1,
        filter_offset_a=0,
        filter_offset_b=0,
        bit_length=0,
    )
