"""residual_block against a writer made from 9.2 directly: any levels come back, at their places."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as hs

from refcodec.avc import cavlc_residual as residual
from refcodec.avc import cavlc_tables as tables
from refcodec.avc.bit_reading import READER_END, READER_POSITION, bit_windows, stop_bit_position
from tests.property.examples import examples

SCANS = {
    16: (residual.SCAN_4X4, residual.SCAN_8X8 + 32, residual.SCAN_LUMA_DC),
    15: (residual.SCAN_AC,),
    4: (residual.SCAN_CHROMA_DC,),
}


def write_block(coefficients: list[int], token_class: int) -> str:
    """(#avc.9.2) Return the bits of one block; `coefficients` in scan order, all that it has."""
    places = [k for k, value in enumerate(coefficients) if value]
    levels = [coefficients[k] for k in reversed(places)]
    ones = 0
    while ones < min(3, len(levels)) and abs(levels[ones]) == 1:
        ones += 1
    code_of = {value: code for code, value in tables.COEFF_TOKEN_CODES[token_class].items()}
    bits = code_of[ones, len(levels)]
    if not levels:
        return bits
    bits += "".join("01"[level < 0] for level in levels[:ones])
    suffix_length = 1 if len(levels) > 10 and ones < 3 else 0
    for number, level in enumerate(levels[ones:]):
        code = 2 * abs(level) - 2 + (level < 0)
        if number == 0 and ones < 3:
            code -= 2
        bits += _level_code(code, suffix_length)
        suffix_length = max(suffix_length, 1)
        if abs(level) > 3 << (suffix_length - 1) and suffix_length < 6:
            suffix_length += 1
    zeros = places[-1] + 1 - len(levels)
    if len(levels) < len(coefficients):
        rows = tables.TOTAL_ZEROS_CODES
        if len(coefficients) == 4:
            rows = tables.TOTAL_ZEROS_CHROMA_DC_CODES
        bits += {value: code for code, value in rows[len(levels) - 1].items()}[zeros]
    for upper, lower in zip(reversed(places), list(reversed(places))[1:], strict=False):
        if zeros == 0:
            break
        run = upper - lower - 1
        row = tables.RUN_BEFORE_CODES[min(zeros, 7) - 1]
        bits += {value: code for code, value in row.items()}[run]
        zeros -= run
    return bits


def _level_code(code: int, suffix_length: int) -> str:
    """(#avc.9.2.2.1) Return level_prefix and level_suffix that give levelCode `code`."""
    if suffix_length == 0 and code < 14:
        return "0" * code + "1"
    if suffix_length == 0 and code < 30:
        return "0" * 14 + f"1{code - 14:04b}"
    if suffix_length and code < 15 << suffix_length:
        return "0" * (code >> suffix_length) + "1" + f"{code:032b}"[-suffix_length:]
    code -= 15 << suffix_length
    if suffix_length == 0:
        code -= 15
    prefix = 15
    while code >= (1 << (prefix - 3)) + ((1 << (prefix - 3)) - 4096 if prefix > 15 else 0):
        prefix += 1
    if prefix > 15:
        code -= (1 << (prefix - 3)) - 4096
    return "0" * prefix + f"1{code:0{prefix - 3}b}"


def read_block(
    bits: str, scan: int, token_class: int, size: int, kernel: Any = residual.residual_block
) -> tuple[int, Any, Any]:
    """Return what residual_block returns, the levels, and the reader after it."""
    text = bits + "1"
    text += "0" * (-len(text) % 8)
    rbsp = np.frombuffer(int(text, 2).to_bytes(len(text) // 8, "big"), np.uint8)
    reader = np.array([0, stop_bit_position(rbsp)], np.int64)
    levels = np.zeros(384, np.int16)
    scratch = np.zeros(16, np.int64)
    count = kernel(bit_windows(rbsp), reader, levels, scratch, 0, scan, token_class, size)
    return count, levels, reader


levels = hs.one_of(
    hs.just(0),
    hs.sampled_from([1, -1]),
    hs.integers(-40, 40),
    hs.integers(-3000, 3000),
    hs.integers(-32765, 32765),
)


@hs.composite
def blocks(draw: Any) -> tuple[list[int], int, int]:
    size = draw(hs.sampled_from([4, 15, 16]))
    common = draw(hs.sampled_from([hs.just(0), levels]))
    coefficients = [draw(hs.one_of(levels, common)) for _ in range(size)]
    token_class = tables.TOKEN_CLASS_CHROMA_DC if size == 4 else draw(hs.integers(0, 3))
    return coefficients, token_class, draw(hs.sampled_from(SCANS[size]))


@settings(max_examples=examples(600), deadline=None)
@given(blocks())
def test_written_levels_come_back(block: tuple[list[int], int, int]) -> None:
    coefficients, token_class, scan = block
    bits = write_block(coefficients, token_class)
    count, found, reader = read_block(bits, scan, token_class, len(coefficients))
    assert count == sum(value != 0 for value in coefficients)
    assert reader[READER_POSITION] == reader[READER_END] == len(bits)
    expected = np.zeros(384, np.int16)
    for k, value in enumerate(coefficients):
        expected[residual.SCAN_POSITION[scan + k]] = value
    assert np.array_equal(found, expected)


@settings(max_examples=examples(600), deadline=None)
@given(hs.binary(max_size=80), hs.integers(0, 4), hs.booleans())
def test_any_bits_give_levels_or_an_error_as_plain_python_does(
    data: bytes, token_class: int, ac: bool
) -> None:
    bits = "".join(f"{byte:08b}" for byte in data)
    size = 4 if token_class == tables.TOKEN_CLASS_CHROMA_DC else 16 - ac
    scan = SCANS[size][0]
    plain = getattr(residual.residual_block, "py_func", residual.residual_block)
    results = [
        read_block(bits, scan, token_class, size, kernel)
        for kernel in (residual.residual_block, plain)
    ]
    assert results[0][0] == results[1][0]
    assert residual.RUN_BEFORE_INVALID <= results[0][0] <= size
    assert np.array_equal(results[0][1], results[1][1])
    assert np.array_equal(results[0][2], results[1][2])


def test_scan_of_8x8_blocks_interleaves_four_4x4_blocks() -> None:
    from refcodec.avc.scans import ZIGZAG_8X8

    for part in range(4):
        start = residual.SCAN_8X8 + 16 * part
        for k in range(16):
            assert residual.SCAN_POSITION[start + k] == ZIGZAG_8X8[4 * k + part]


def test_errors_name_the_element() -> None:
    def error(bits: str, token_class: int = 0, size: int = 16) -> int:
        return read_block(bits, 0, token_class, size)[0]

    assert error("0" * 20 + "1") == residual.COEFF_TOKEN_INVALID
    assert error("0000000000000100", 0, 15) == residual.COEFF_TOKEN_INVALID  # 16 levels
    assert error("000101" + "0" * 20 + "1") == residual.LEVEL_PREFIX_INVALID
    assert error("000101" + "0" * 19 + "1" + "1" * 16) == residual.LEVEL_INVALID
    assert error("01" + "0" + "000000000") == residual.TOTAL_ZEROS_INVALID
    # two levels, eight zeros, thirteen of them before the last level
    assert error("001" + "00" + "0011" + "0" * 9 + "1") == residual.RUN_BEFORE_INVALID
    # fifteen zeros with one level do not fit the 15 places of an AC block
    assert error("01" + "0" + "000000001", 0, 15) == residual.TOTAL_ZEROS_INVALID
