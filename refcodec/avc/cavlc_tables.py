"""The codes of CAVLC (Tables 9-4, 9-5, 9-7, 9-8, 9-9, 9-10): codewords as bit strings, and the
look-up tables that kernels use, made from them.

Every set of codewords is a prefix code, and complete but for the string of zeros alone that some
sets leave out (an invalid code).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Table = NDArray[Any]

# Classes of coeff_token by nC
TOKEN_CLASS_FIXED: Final = 3
"""8 <= nC: six bits each."""
TOKEN_CLASS_CHROMA_DC: Final = 4
"""nC == -1."""

TOKEN_CLASS: Final[Table] = np.array([0] * 2 + [1] * 2 + [2] * 4 + [3] * 9, np.int64)
"""Class of coeff_token by nC from 0 to 16."""

# Rows by TrailingOnes; in a row one codeword for each TotalCoeff from TrailingOnes on.
_COEFF_TOKEN_0 = (
    (
        "1 000101 00000111 000000111 0000000111 00000000111 0000000001111 0000000001011 "
        "0000000001000 00000000001111 00000000001011 000000000001111 000000000001011 "
        "0000000000001111 0000000000001011 0000000000000111 0000000000000100"
    ),
    (
        "01 000100 00000110 000000110 0000000110 00000000110 0000000001110 0000000001010 "
        "00000000001110 00000000001010 000000000001110 000000000001010 000000000000001 "
        "0000000000001110 0000000000001010 0000000000000110"
    ),
    (
        "001 0000101 00000101 000000101 0000000101 00000000101 0000000001101 0000000001001 "
        "00000000001101 00000000001001 000000000001101 000000000001001 0000000000001101 "
        "0000000000001001 0000000000000101"
    ),
    (
        "00011 000011 0000100 00000100 000000100 0000000100 00000000100 0000000001100 "
        "00000000001100 00000000001000 000000000001100 000000000001000 0000000000001100 "
        "0000000000001000"
    ),
)
_COEFF_TOKEN_2 = (
    (
        "11 001011 000111 0000111 00000111 00000100 000000111 00000001111 00000001011 "
        "000000001111 000000001011 000000001000 0000000001111 0000000001011 0000000000111 "
        "00000000001001 00000000000111"
    ),
    (
        "10 00111 001010 000110 0000110 00000110 000000110 00000001110 00000001010 "
        "000000001110 000000001010 0000000001110 0000000001010 00000000001011 00000000001000 "
        "00000000000110"
    ),
    (
        "011 001001 000101 0000101 00000101 000000101 00000001101 00000001001 000000001101 "
        "000000001001 0000000001101 0000000001001 0000000000110 00000000001010 00000000000101"
    ),
    (
        "0101 0100 00110 001000 000100 0000100 000000100 00000001100 00000001000 000000001100 "
        "0000000001100 0000000001000 0000000000001 00000000000100"
    ),
)
_COEFF_TOKEN_4 = (
    (
        "1111 001111 001011 001000 0001111 0001011 0001001 0001000 00001111 00001011 000001111 "
        "000001011 000001000 0000001101 0000001001 0000000101 0000000001"
    ),
    (
        "1110 01111 01100 01010 01000 001110 001010 0001110 00001110 00001010 000001110 "
        "000001010 000000111 0000001100 0000001000 0000000100"
    ),
    (
        "1101 01110 01011 01001 001101 001001 0001101 0001010 00001101 00001001 000001101 "
        "000001001 0000001011 0000000111 0000000011"
    ),
    (
        "1100 1011 1010 1001 1000 01101 001100 0001100 00001100 00001000 000001100 0000001010 "
        "0000000110 0000000010"
    ),
)
_COEFF_TOKEN_CHROMA_DC = (
    "01 000111 000100 000011 000010",
    "1 000110 0000011 00000011",
    "001 0000010 00000010",
    "000101 0000000",
)

# Rows by tzVlcIndex from 1 on; in a row one codeword for each total_zeros from 0 on.
_TOTAL_ZEROS = (
    (
        "1 011 010 0011 0010 00011 00010 000011 000010 0000011 0000010 00000011 00000010 000000011 "
        "000000010 000000001"
    ),
    "111 110 101 100 011 0101 0100 0011 0010 00011 00010 000011 000010 000001 000000",
    "0101 111 110 101 0100 0011 100 011 0010 00011 00010 000001 00001 000000",
    "00011 111 0101 0100 110 101 100 0011 011 0010 00010 00001 00000",
    "0101 0100 0011 111 110 101 100 011 0010 00001 0001 00000",
    "000001 00001 111 110 101 100 011 010 0001 001 000000",
    "000001 00001 101 100 011 11 010 0001 001 000000",
    "000001 0001 00001 011 11 10 010 001 000000",
    "000001 000000 0001 11 10 001 01 00001",
    "00001 00000 001 11 10 01 0001",
    "0000 0001 001 010 1 011",
    "0000 0001 01 1 001",
    "000 001 1 01",
    "00 01 1",
    "0 1",
)
_TOTAL_ZEROS_CHROMA_DC = (
    "1 01 001 000",
    "1 01 00",
    "1 0",
)

# Rows by zerosLeft from 1 on, the last for more than 6; in a row by run_before from 0 on.
_RUN_BEFORE = (
    "1 0",
    "1 01 00",
    "11 10 01 00",
    "11 10 01 001 000",
    "11 10 011 010 001 000",
    "11 000 001 011 010 101 100",
    (
        "111 110 101 100 011 010 001 0001 00001 000001 0000001 00000001 000000001 0000000001 "
        "00000000001"
    ),
)


def _token_codes(rows: tuple[str, ...]) -> dict[str, tuple[int, int]]:
    return {
        codeword: (ones, total)
        for ones, row in enumerate(rows)
        for total, codeword in enumerate(row.split(), start=ones)
    }


def _codes(rows: tuple[str, ...]) -> tuple[dict[str, int], ...]:
    return tuple({word: value for value, word in enumerate(row.split())} for row in rows)


def _fixed_token_codes() -> dict[str, tuple[int, int]]:
    codes = {
        f"{4 * (total - 1) + ones:06b}": (ones, total)
        for total in range(1, 17)
        for ones in range(min(total, 3) + 1)
    }
    return codes | {"000011": (0, 0)}


COEFF_TOKEN_CODES: Final = (
    _token_codes(_COEFF_TOKEN_0),
    _token_codes(_COEFF_TOKEN_2),
    _token_codes(_COEFF_TOKEN_4),
    _fixed_token_codes(),
    _token_codes(_COEFF_TOKEN_CHROMA_DC),
)
"""(#avc.9.2.1) By class of nC: (TrailingOnes, TotalCoeff) of each codeword (Table 9-5)."""

TOTAL_ZEROS_CODES: Final = _codes(_TOTAL_ZEROS)
"""(#avc.9.2.3) By tzVlcIndex - 1: total_zeros of each codeword (Tables 9-7 and 9-8)."""

TOTAL_ZEROS_CHROMA_DC_CODES: Final = _codes(_TOTAL_ZEROS_CHROMA_DC)
"""(#avc.9.2.3) By tzVlcIndex - 1: total_zeros of each codeword for chroma DC (Table 9-9 a)."""

RUN_BEFORE_CODES: Final = _codes(_RUN_BEFORE)
"""(#avc.9.2.3) By min(zerosLeft, 7) - 1: run_before of each codeword (Table 9-10)."""

# fmt: off
CODED_BLOCK_PATTERN_INTRA: Final[Table] = np.array([
    47, 31, 15, 0, 23, 27, 29, 30, 7, 11, 13, 14, 39, 43, 45, 46,
    16, 3, 5, 10, 12, 19, 21, 26, 28, 35, 37, 42, 44, 1, 2, 4,
    8, 17, 18, 20, 24, 6, 9, 22, 25, 32, 33, 34, 36, 40, 38, 41,
], np.int64)
"""(#avc.9.1.2) coded_block_pattern by codeNum, Intra_4x4 and Intra_8x8, ChromaArrayType 1
(Table 9-4)."""
CODED_BLOCK_PATTERN_INTER: Final[Table] = np.array([
    0, 16, 1, 2, 4, 8, 32, 3, 5, 10, 12, 15, 47, 7, 11, 13,
    14, 6, 9, 31, 35, 37, 42, 44, 33, 34, 36, 40, 39, 43, 45, 46,
    17, 18, 20, 24, 19, 21, 26, 28, 23, 27, 29, 30, 22, 25, 38, 41,
], np.int64)
"""(#avc.9.1.2) coded_block_pattern by codeNum, Inter, ChromaArrayType 1 (Table 9-4)."""
# fmt: on

INVALID: Final = 0
"""Entry of a look-up table where no codeword is."""


def _entry(codes: Mapping[str, Any], bits: str) -> tuple[Any, int] | None:
    """Return value and length of the codeword that `bits` begin with, None where none does."""
    for length in range(1, len(bits) + 1):
        if bits[:length] in codes:
            return codes[bits[:length]], length
    return None


def _token_entry(codes: Mapping[str, tuple[int, int]], bits: str) -> int:
    found = _entry(codes, bits)
    if found is None:
        return INVALID
    (ones, total), length = found
    return length | ones << 8 | total << 16


def _direct(codes: Mapping[str, int], bits: int) -> list[int]:
    """Return value << 4 | length by the next `bits` bits."""
    found = [_entry(codes, f"{head:0{bits}b}") for head in range(1 << bits)]
    return [INVALID if entry is None else entry[0] << 4 | entry[1] for entry in found]


COEFF_TOKEN: Final[Table] = np.array(
    [
        _token_entry(codes, "0" * zeros + f"1{after:03b}")
        for codes in COEFF_TOKEN_CODES
        for zeros in range(16)
        for after in range(8)
    ],
    np.int64,
)
"""length | TrailingOnes << 8 | TotalCoeff << 16 at 128 * class + 8 * leading zeros (15 at most) +
the three bits after the first 1. Not for TOKEN_CLASS_FIXED, where five bits decide."""

COEFF_TOKEN_FIXED: Final[Table] = np.array(
    [_token_entry(COEFF_TOKEN_CODES[TOKEN_CLASS_FIXED], f"{head:06b}") for head in range(64)],
    np.int64,
)
"""The same for TOKEN_CLASS_FIXED by the next six bits."""

TOTAL_ZEROS_BITS: Final = 9
TOTAL_ZEROS: Final[Table] = np.array(
    [_direct(codes, TOTAL_ZEROS_BITS) for codes in TOTAL_ZEROS_CODES], np.int64
).reshape(-1)
"""total_zeros << 4 | length at 512 * (tzVlcIndex - 1) + the next nine bits."""

TOTAL_ZEROS_CHROMA_DC_BITS: Final = 3
TOTAL_ZEROS_CHROMA_DC: Final[Table] = np.array(
    [_direct(codes, TOTAL_ZEROS_CHROMA_DC_BITS) for codes in TOTAL_ZEROS_CHROMA_DC_CODES], np.int64
).reshape(-1)
"""total_zeros << 4 | length at 8 * (tzVlcIndex - 1) + the next three bits."""

RUN_BEFORE_BITS: Final = 3
RUN_BEFORE: Final[Table] = np.array(
    [_direct(codes, RUN_BEFORE_BITS) for codes in RUN_BEFORE_CODES], np.int64
).reshape(-1)
"""run_before << 4 | length at 8 * (min(zerosLeft, 7) - 1) + the next three bits; INVALID for three
zeros with zerosLeft > 6, where run_before is the number of leading zeros + 4."""
