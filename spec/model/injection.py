"""Injection: the I_PCM IDR access unit that stands for a generated picture.

Plain integers. A picture is three lists of rows of samples (0..255), luma first; a string of bits
is a list of 0 and 1; a NAL unit is a list of bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

Rows = Sequence[Sequence[int]]

NAL_IDR_SLICE = 5
NAL_PICTURE_PARAMETER_SET = 8
SLICE_TYPE_I_ONLY = 7
MB_TYPE_I_PCM = 25


def u(width: int, value: int) -> list[int]:
    """(#avc.9.1) Bits of an unsigned integer, most significant first."""
    return [value >> (width - 1 - i) & 1 for i in range(width)]


def ue(value: int) -> list[int]:
    """(#avc.9.1) Bits of an unsigned Exp-Golomb code."""
    length = (value + 1).bit_length()
    return u(length - 1, 0) + u(length, value + 1)


def se(value: int) -> list[int]:
    """(#avc.9.1) Bits of a signed Exp-Golomb code."""
    return ue(2 * value - 1 if value > 0 else -2 * value)


def injected_parameter_set(pic_parameter_set_id: int, seq_parameter_set_id: int) -> list[int]:
    """(#dec.injection.pps) RBSP bits of the injected picture parameter set."""
    bits = ue(pic_parameter_set_id) + ue(seq_parameter_set_id)
    bits += u(1, 0)  # entropy_coding_mode_flag: CAVLC
    bits += u(1, 0)  # bottom_field_pic_order_in_frame_present_flag
    bits += ue(0)  # num_slice_groups_minus1
    bits += ue(0)  # num_ref_idx_l0_default_active_minus1
    bits += ue(0)  # num_ref_idx_l1_default_active_minus1
    bits += u(1, 0)  # weighted_pred_flag
    bits += u(2, 0)  # weighted_bipred_idc
    bits += se(0)  # pic_init_qp_minus26
    bits += se(0)  # pic_init_qs_minus26
    bits += se(0)  # chroma_qp_index_offset
    bits += u(1, 1)  # deblocking_filter_control_present_flag
    bits += u(1, 0)  # constrained_intra_pred_flag
    bits += u(1, 0)  # redundant_pic_cnt_present_flag
    return with_trailing_bits(bits)


def injected_slice_header(
    pic_parameter_set_id: int,
    log2_max_frame_num: int,
    pic_order_cnt_type: int,
    log2_max_pic_order_cnt_lsb: int,
    idr_pic_id: int,
) -> list[int]:
    """(#dec.injection.slice) Bits of the slice header of the injected picture."""
    bits = ue(0)  # first_mb_in_slice
    bits += ue(SLICE_TYPE_I_ONLY)  # slice_type
    bits += ue(pic_parameter_set_id)
    bits += u(log2_max_frame_num, 0)  # frame_num
    bits += ue(idr_pic_id)
    if pic_order_cnt_type == 0:
        bits += u(log2_max_pic_order_cnt_lsb, 0)  # pic_order_cnt_lsb
    bits += u(1, 0)  # no_output_of_prior_pics_flag
    bits += u(1, 0)  # long_term_reference_flag
    bits += se(0)  # slice_qp_delta
    bits += ue(1)  # disable_deblocking_filter_idc
    return bits


def injected_slice_data(header: list[int], y: Rows, u_plane: Rows, v_plane: Rows) -> list[int]:
    """(#dec.injection.data) RBSP bytes of the slice: the header, then every macroblock as I_PCM in
    raster order, luma before Cb before Cr, rows from top to bottom."""
    bits = list(header)
    payload: list[int] = []
    for mb_y in range(len(y) // 16):
        for mb_x in range(len(y[0]) // 16):
            bits += ue(MB_TYPE_I_PCM)
            bits += [0] * (-len(bits) % 8)  # pcm_alignment_zero_bit
            payload += bytes_of(bits)
            bits = []
            for rows, size in ((y, 16), (u_plane, 8), (v_plane, 8)):
                for row in rows[mb_y * size : (mb_y + 1) * size]:
                    payload += row[mb_x * size : (mb_x + 1) * size]
    return payload + bytes_of(with_trailing_bits(bits))


def with_trailing_bits(bits: list[int]) -> list[int]:
    """(#avc.9.1) Append rbsp_trailing_bits."""
    return [*bits, 1] + [0] * (-(len(bits) + 1) % 8)


def bytes_of(bits: list[int]) -> list[int]:
    """Bytes of a string of bits whose length is a multiple of 8."""
    return [
        sum(bit << 7 - i for i, bit in enumerate(bits[at : at + 8]))
        for at in range(0, len(bits), 8)
    ]


def nal_unit(nal_ref_idc: int, nal_unit_type: int, rbsp: list[int]) -> list[int]:
    """(#avc.7.4.1) NAL unit of an RBSP, with emulation prevention bytes."""
    unit = [nal_ref_idc << 5 | nal_unit_type]
    zeros = 0
    for value in rbsp:
        if zeros == 2 and value <= 3:
            unit.append(3)  # emulation_prevention_three_byte
            zeros = 0
        unit.append(value)
        zeros = zeros + 1 if value == 0 else 0
    return unit


def injected_idr(
    y: Rows,
    u_plane: Rows,
    v_plane: Rows,
    seq_parameter_set_id: int,
    log2_max_frame_num: int,
    pic_order_cnt_type: int,
    log2_max_pic_order_cnt_lsb: int,
    used_pic_parameter_set_ids: list[int],
    idr_pic_id: int,
) -> list[list[int]]:
    """(#dec.injection) The two NAL units of the injected access unit: the picture parameter set,
    the slice.

    The planes cover the whole macroblock grid of the sequence parameter set.
    """
    pps_id = 0
    while pps_id in used_pic_parameter_set_ids:
        pps_id += 1
    header = injected_slice_header(
        pps_id, log2_max_frame_num, pic_order_cnt_type, log2_max_pic_order_cnt_lsb, idr_pic_id
    )
    parameter_set = bytes_of(injected_parameter_set(pps_id, seq_parameter_set_id))
    slice_data = injected_slice_data(header, y, u_plane, v_plane)
    return [
        nal_unit(3, NAL_PICTURE_PARAMETER_SET, parameter_set),
        nal_unit(3, NAL_IDR_SLICE, slice_data),
    ]
