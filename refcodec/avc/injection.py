"""The I_PCM IDR access unit that carries a generated picture into an H.264 decoder.

Plain counterpart: spec.model.injection. The slice is one concatenation: after the first macroblock
each one starts at a byte boundary, so that its mb_type and alignment are the constant bytes 0D 00.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from refcodec import errors
from refcodec.avc.bit_writer import BitWriter
from refcodec.avc.nal import add_emulation_prevention
from refcodec.avc.parameter_sets import PictureParameterSet, SequenceParameterSet
from refcodec.picture import Picture

NAL_HEADER_PPS = 0x68
NAL_HEADER_IDR = 0x65
MB_TYPE_I_PCM = 25
SLICE_TYPE_I_ONLY = 7
MACROBLOCK_BYTES = 2 + 256 + 64 + 64


def free_pic_parameter_set_id(used: Iterable[int]) -> int:
    """(#dec.injection.pps) Return the lowest pic_parameter_set_id that is not in `used`.

    Raises HYP-E-INJ-01 when all 256 are used.
    """
    taken = set(used)
    for candidate in range(256):
        if candidate not in taken:
            return candidate
    raise errors.error("HYP-E-INJ-01", element="pic_parameter_set_id", allowed=range(256))


def injected_parameter_set(pic_parameter_set_id: int, seq_parameter_set_id: int) -> bytes:
    """(#dec.injection.pps) Return the NAL unit of the injected picture parameter set."""
    bits = BitWriter()
    bits.ue(pic_parameter_set_id)
    bits.ue(seq_parameter_set_id)
    bits.u(2, 0)  # entropy_coding_mode_flag, bottom_field_pic_order_in_frame_present_flag
    for _ in range(3):  # num_slice_groups_minus1, num_ref_idx_l0/l1_default_active_minus1
        bits.ue(0)
    bits.u(3, 0)  # weighted_pred_flag, weighted_bipred_idc
    for _ in range(3):  # pic_init_qp_minus26, pic_init_qs_minus26, chroma_qp_index_offset
        bits.se(0)
    bits.u(3, 0b100)  # deblocking control present; constrained intra, redundant pictures: no
    bits.trailing_bits()
    return bytes([NAL_HEADER_PPS]) + add_emulation_prevention(bits.to_bytes())


def injected_slice_header(
    sps: SequenceParameterSet, pic_parameter_set_id: int, idr_pic_id: int
) -> BitWriter:
    """(#dec.injection.slice) Return the slice header bits; 0 <= idr_pic_id <= 65535."""
    bits = BitWriter()
    bits.ue(0)  # first_mb_in_slice
    bits.ue(SLICE_TYPE_I_ONLY)
    bits.ue(pic_parameter_set_id)
    bits.u(sps.log2_max_frame_num, 0)
    bits.ue(idr_pic_id)
    if sps.pic_order_cnt_type == 0:
        bits.u(sps.log2_max_pic_order_cnt_lsb, 0)
    bits.u(2, 0)  # no_output_of_prior_pics_flag, long_term_reference_flag
    bits.se(0)  # slice_qp_delta
    bits.ue(1)  # disable_deblocking_filter_idc
    return bits


def macroblock_samples(picture: Picture) -> NDArray[np.uint8]:
    """(#dec.injection.data) Return uint8 (macroblocks, 384): per macroblock 256 luma, 64 Cb, 64 Cr
    samples.

    Width and height of `picture` are multiples of 16.
    """
    rows, columns = picture.height // 16, picture.width // 16
    samples = np.empty((rows, columns, 384), np.uint8)
    at = 0
    for plane, size in zip(picture.planes, (16, 8, 8), strict=True):
        blocks = plane.reshape(rows, size, columns, size).transpose(0, 2, 1, 3)
        target = samples[:, :, at : at + size * size].reshape(rows, columns, size, size)
        target[...] = blocks
        at += size * size
    return samples.reshape(rows * columns, 384)


def injected_idr(
    picture: Picture,
    sps: SequenceParameterSet,
    pps_list: Iterable[PictureParameterSet],
    idr_pic_id: int,
) -> list[bytes]:
    """(#dec.injection) Return the NAL units (no start codes) of the access unit that decodes to
    `picture`: the injected picture parameter set, then one IDR slice.

    `picture` covers the macroblock grid of `sps`: 16 * pic_width_in_mbs x 16 * pic_height_in_mbs;
    0 <= idr_pic_id <= 65535. `pps_list` is that of the sequence header. Raises HYP-E-INJ-01 when no
    pic_parameter_set_id is free, HYP-E-INJ-02 when the picture has another size.
    """
    expected = (16 * sps.pic_width_in_mbs, 16 * sps.pic_height_in_mbs)
    if (picture.width, picture.height) != expected:
        raise errors.error(
            "HYP-E-INJ-02",
            element="generated picture",
            value=f"{picture.width}x{picture.height}",
            allowed=f"{expected[0]}x{expected[1]}",
        )
    pps_id = free_pic_parameter_set_id(pps.pic_parameter_set_id for pps in pps_list)
    first = injected_slice_header(sps, pps_id, idr_pic_id)
    first.ue(MB_TYPE_I_PCM)
    first.align_with_zeros()
    head = first.to_bytes()
    samples = macroblock_samples(picture)
    body = np.empty((samples.shape[0], MACROBLOCK_BYTES), np.uint8)
    body[:, 0] = 0x0D
    body[:, 1] = 0x00
    body[:, 2:] = samples
    rbsp = b"".join((head, body.reshape(-1)[2:].data, b"\x80"))
    return [
        injected_parameter_set(pps_id, sps.seq_parameter_set_id),
        bytes([NAL_HEADER_IDR]) + add_emulation_prevention(rbsp),
    ]
