"""NAL units: emulation prevention, and the NAL units of a byte stream.

Anchors `#avc.…` are clause numbers of H.264.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Buffer = bytes | bytearray | memoryview


def add_emulation_prevention_plain(rbsp: Buffer) -> bytes:
    """(#avc.7.4.1) Return `rbsp` with 03 before each byte <= 03 that follows two zero bytes.

    Plain counterpart of `add_emulation_prevention`.
    """
    result = bytearray()
    zeros = 0
    for byte in rbsp:
        if zeros >= 2 and byte <= 3:
            result.append(3)
            zeros = 0
        result.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(result)


def remove_emulation_prevention_plain(payload: Buffer) -> bytes:
    """(#avc.7.3.1) Return `payload` without each 03 that follows two zero bytes.

    Plain counterpart of `remove_emulation_prevention`.
    """
    result = bytearray()
    zeros = 0
    for byte in payload:
        if zeros >= 2 and byte == 3:
            zeros = 0
            continue
        result.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(result)


def add_emulation_prevention(rbsp: Buffer) -> bytes:
    """(#avc.7.4.1) Return `rbsp` with 03 before each byte <= 03 that follows two zero bytes.

    A 03 that is put in ends the run of zeros, so within a long run every second zero gets one.
    """
    data = np.frombuffer(rbsp, np.uint8)
    candidates = _after_two_zeros(data, data[2:] <= 3) if data.size > 2 else _NONE
    if not candidates.size:
        return bytes(rbsp)
    return np.insert(data, _apart(candidates, data), np.uint8(3)).tobytes()


def remove_emulation_prevention(payload: Buffer) -> bytes:
    """(#avc.7.3.1) Return `payload` without each 03 that follows two zero bytes."""
    # 00 00 03 cannot overlap another 00 00 03, and none comes of the bytes around one
    return bytes(payload).replace(b"\0\0\3", b"\0\0")


_NONE: npt.NDArray[np.intp] = np.zeros(0, np.intp)


def _after_two_zeros(
    data: npt.NDArray[np.uint8], wanted: npt.NDArray[np.bool_]
) -> npt.NDArray[np.intp]:
    """Return the positions from 2 on where `wanted` holds and the two bytes before are zero."""
    zero = data == 0
    return np.flatnonzero(zero[:-2] & zero[1:-1] & wanted) + 2


def _apart(candidates: npt.NDArray[np.intp], data: npt.NDArray[np.uint8]) -> npt.NDArray[np.intp]:
    """Leave out the candidates whose two zeros lost their run to an insertion just before.

    Of a run of consecutive candidates the first, third, fifth … stay: after an insertion at p the
    zeros before p no longer count, so p + 1 has one zero before it and p + 2 has two.
    """
    breaks = np.flatnonzero(np.diff(candidates) != 1) + 1
    starts = np.zeros(candidates.size, np.intp)
    starts[breaks] = breaks
    rank = np.arange(candidates.size) - np.maximum.accumulate(starts)
    kept: npt.NDArray[np.intp] = candidates[rank % 2 == 0]
    return kept


def nal_units(stream: Buffer) -> Iterator[memoryview]:
    """(#avc.B.1) Yield the NAL units of a byte stream: what stands between start codes 00 00 01.

    Zero bytes at the end of each are left out, and bytes before the first start code; the views
    share the stream's memory.
    """
    data = memoryview(stream).cast("B")
    content = stream if isinstance(stream, (bytes, bytearray)) else bytes(data)
    start = content.find(b"\0\0\1")
    while start >= 0:
        start += 3
        following = content.find(b"\0\0\1", start)
        end = len(content) if following < 0 else following
        while end > start and content[end - 1] == 0:
            end -= 1
        if end > start:
            yield data[start:end]
        start = following


def length_prefixed_units(sample: Buffer, length_size: int) -> Iterator[memoryview]:
    """Yield the NAL units of a sample in which each one stands after its size, a big-endian integer
    of `length_size` bytes (ISO/IEC 14496-15); the views share the sample's memory.

    A unit whose size goes beyond the sample is cut off there.
    """
    data = memoryview(sample).cast("B")
    at = 0
    while at + length_size <= len(data):
        start = at + length_size
        at = start + int.from_bytes(data[at:start], "big")
        if at > start:
            yield data[start:at]


def configuration_units(record: Buffer) -> tuple[int, list[bytes]]:
    """Return the size of lengths in bytes and the parameter sets of an AVCDecoderConfigurationRecord
    (ISO/IEC 14496-15).

    Raises ValueError when the record is too short for what it says.
    """
    data = bytes(record)
    if len(data) < 7:
        raise ValueError("the record has less than seven bytes")
    units: list[bytes] = []
    at = 5
    for mask in (31, 255):
        if at >= len(data):
            raise ValueError("the record ends before its parameter sets")
        count, at = data[at] & mask, at + 1
        for _ in range(count):
            start = at + 2
            at = start + int.from_bytes(data[at:start], "big")
            if at > len(data):
                raise ValueError("the record ends inside a parameter set")
            units.append(data[start:at])
    return (data[4] & 3) + 1, units
