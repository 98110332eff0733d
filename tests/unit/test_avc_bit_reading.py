"""Readers of syntax elements against BitWriter, compiled and as plain Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from refcodec.avc import bit_reading
from refcodec.avc.bit_reading import READER_END, READER_POSITION, UE_INVALID
from refcodec.avc.bit_writer import BitWriter

VALUES = [0, 1, 2, 3, 6, 7, 254, 255, 65534, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 2]


def plain(kernel: Any) -> Callable[..., int]:
    """Return the kernel as plain Python; itself where nothing is compiled."""
    function: Callable[..., int] = getattr(kernel, "py_func", kernel)
    return function


def opened(writer: BitWriter, position: int = 0) -> tuple[Any, Any]:
    """Return windows and reader of what was written, trailing bits added."""
    writer.trailing_bits()
    rbsp = np.frombuffer(writer.to_bytes(), np.uint8)
    reader = np.array([position, bit_reading.stop_bit_position(rbsp)], np.int64)
    return bit_reading.bit_windows(rbsp), reader


@pytest.mark.parametrize("form", [lambda kernel: kernel, plain], ids=["compiled", "plain"])
@pytest.mark.parametrize("shift", [0, 1, 7, 29, 31])
def test_exp_golomb_codes_at_any_position(form: Callable[[Any], Any], shift: int) -> None:
    read_ue, read_se = form(bit_reading.read_ue), form(bit_reading.read_se)
    writer = BitWriter()
    writer.u(shift, 0)
    signed = [sign * value for value in VALUES for sign in (1, -1) if value < 2**31]
    for value in VALUES:
        writer.ue(value)
    for value in signed:
        writer.se(value)
    windows, reader = opened(writer, shift)
    assert [read_ue(windows, reader) for _ in VALUES] == VALUES
    assert [read_se(windows, reader) for _ in signed] == signed
    assert reader[READER_POSITION] == reader[READER_END]


@pytest.mark.parametrize("form", [lambda kernel: kernel, plain], ids=["compiled", "plain"])
def test_fixed_and_truncated_codes(form: Callable[[Any], Any]) -> None:
    read_bits, read_te = form(bit_reading.read_bits), form(bit_reading.read_te)
    writer = BitWriter()
    writer.u(3, 5)
    writer.u(32, 0xDEADBEEF)
    writer.u(1, 0)
    writer.u(1, 1)
    writer.ue(2)
    windows, reader = opened(writer)
    assert read_bits(windows, reader, 3) == 5
    assert read_bits(windows, reader, 32) == 0xDEADBEEF
    assert [read_te(windows, reader, 1) for _ in range(2)] == [1, 0]
    assert read_te(windows, reader, 2) == 2
    assert reader[READER_POSITION] == reader[READER_END]


@pytest.mark.parametrize("form", [lambda kernel: kernel, plain], ids=["compiled", "plain"])
def test_beyond_the_end_are_zeros_and_the_position_shows_it(form: Callable[[Any], Any]) -> None:
    read_ue, read_bits = form(bit_reading.read_ue), form(bit_reading.read_bits)
    rbsp = np.array([0x80], np.uint8)
    windows = bit_reading.bit_windows(rbsp)
    reader = np.array([8, 8], np.int64)
    for _ in range(1000):  # far more than the padding
        assert read_bits(windows, reader, 32) == 0
        assert read_ue(windows, reader) == UE_INVALID
    assert reader[READER_POSITION] > reader[READER_END]


def test_stop_bit() -> None:
    def place(data: bytes) -> int:
        return bit_reading.stop_bit_position(np.frombuffer(data, np.uint8))

    assert place(b"\x80") == 0
    assert place(b"\xff\x01") == 15
    assert place(b"\x10" + bytes(10000)) == 3
    assert place(bytes(5000)) == -1
    assert place(b"") == -1


def test_leading_zeros() -> None:
    assert [bit_reading.leading_zeros(value) for value in (0, 1, 2, 2**31, 2**32 - 1)] == [
        32,
        31,
        30,
        0,
        0,
    ]
