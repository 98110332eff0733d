"""Byte-stream forms of access units: Annex B start codes, AVCC lengths, and the NAL units between
them."""

from __future__ import annotations

from collections.abc import Iterable

START_CODE = b"\0\0\0\1"

NAL_SLICE = 1
NAL_IDR_SLICE = 5
NAL_SEI = 6
NAL_SEQUENCE_PARAMETER_SET = 7
NAL_PICTURE_PARAMETER_SET = 8
NAL_ACCESS_UNIT_DELIMITER = 9

Buffer = bytes | bytearray | memoryview


def nal_unit_type(nal_unit: Buffer) -> int:
    """(#avc.7.4.1) Return nal_unit_type of a NAL unit of at least one byte."""
    return nal_unit[0] & 31


def to_annex_b(nal_units: Iterable[Buffer]) -> bytes:
    """(#avc.B.1) Return the NAL units, each after a start code 00 00 00 01."""
    parts: list[Buffer] = []
    for nal_unit in nal_units:
        parts += (START_CODE, nal_unit)
    return b"".join(parts)


def to_avcc(nal_units: Iterable[Buffer]) -> bytes:
    """(#avc.B.1) Return the NAL units, each after its size as a 32-bit big-endian
    integer."""
    parts: list[Buffer] = []
    for nal_unit in nal_units:
        parts += (len(nal_unit).to_bytes(4, "big"), nal_unit)
    return b"".join(parts)


def avc_configuration(sps: bytes, pps_list: Iterable[bytes]) -> bytes:
    """Return the AVCDecoderConfigurationRecord (ISO/IEC 14496-15) of a High profile 4:2:0 8-bit
    stream with sizes of four bytes, made of one sequence parameter set and up to 255 picture
    parameter sets."""
    picture_sets = list(pps_list)
    record = bytearray((1, sps[1], sps[2], sps[3], 0xFC | 3, 0xE0 | 1))
    record += len(sps).to_bytes(2, "big") + sps
    record.append(len(picture_sets))
    for pps in picture_sets:
        record += len(pps).to_bytes(2, "big") + pps
    if sps[1] in (100, 110, 122, 144):
        record += bytes((0xFC | 1, 0xF8, 0xF8, 0))  # 4:2:0, 8 bits, 8 bits, no SPS extensions
    return bytes(record)
