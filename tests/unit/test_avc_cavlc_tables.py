"""The code tables of CAVLC are complete prefix codes, and their look-up tables agree with them."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest

from refcodec.avc import cavlc_tables as tables
from refcodec.avc.bit_reading import leading_zeros

# What a set leaves out: the string of that many zeros
UNUSED_TOKENS = (15, 13, 10, None, None)


def missing(codes: dict[str, object]) -> Fraction:
    """Return the part of all bit strings that begins with no codeword; fail on prefixes."""
    words = sorted(codes)
    for first, second in itertools.pairwise(words):
        assert not second.startswith(first), (first, second)
    return 1 - sum(Fraction(1, 1 << len(word)) for word in words)


def test_coeff_token_codes_are_complete() -> None:
    for codes, zeros in zip(tables.COEFF_TOKEN_CODES, UNUSED_TOKENS, strict=True):
        largest = 4 if codes is tables.COEFF_TOKEN_CODES[tables.TOKEN_CLASS_CHROMA_DC] else 16
        assert sorted(codes.values()) == sorted(
            (ones, total) for total in range(largest + 1) for ones in range(min(total, 3) + 1)
        )
        if codes is tables.COEFF_TOKEN_CODES[tables.TOKEN_CLASS_FIXED]:
            assert missing(dict(codes)) == Fraction(2, 64)
        else:
            assert missing(dict(codes)) == (0 if zeros is None else Fraction(1, 1 << zeros))
            assert zeros is None or not any("0" * zeros in code[:zeros] for code in codes)


def test_total_zeros_and_run_before_codes_are_complete() -> None:
    for index, codes in enumerate(tables.TOTAL_ZEROS_CODES):
        assert sorted(codes.values()) == list(range(16 - index))
        assert missing(dict(codes)) == (Fraction(1, 1 << 9) if index == 0 else 0)
    for index, codes in enumerate(tables.TOTAL_ZEROS_CHROMA_DC_CODES):
        assert sorted(codes.values()) == list(range(4 - index))
        assert missing(dict(codes)) == 0
    for index, codes in enumerate(tables.RUN_BEFORE_CODES):
        assert sorted(codes.values()) == list(range(index + 2 if index < 6 else 15))
        assert missing(dict(codes)) == (Fraction(1, 1 << 11) if index == 6 else 0)


@pytest.mark.parametrize("token_class", [0, 1, 2, 4])
def test_token_look_up(token_class: int) -> None:
    for code, (ones, total) in tables.COEFF_TOKEN_CODES[token_class].items():
        for rest in ("0", "1", "01"):
            head = int((code + rest * 32)[:32], 2)
            zeros = min(leading_zeros(head), 15)
            at = 128 * token_class + 8 * zeros + ((head >> (28 - zeros)) & 7)
            assert int(tables.COEFF_TOKEN[at]) == len(code) | ones << 8 | total << 16


def test_fixed_tokens_of_table_9_5() -> None:
    fixed = tables.COEFF_TOKEN_FIXED
    assert fixed[0b000011] == 6
    assert fixed[0b000010] == tables.INVALID
    assert fixed[0b000111] == tables.INVALID
    assert fixed[0b111111] == 6 | 3 << 8 | 16 << 16
    assert fixed[0b000000] == 6 | 0 << 8 | 1 << 16


def test_run_look_ups() -> None:
    for index, codes in enumerate(tables.TOTAL_ZEROS_CODES):
        for code, value in codes.items():
            head = int((code + "10" * 9)[:9], 2)
            assert tables.TOTAL_ZEROS[512 * index + head] == value << 4 | len(code)
    for index, codes in enumerate(tables.RUN_BEFORE_CODES):
        for code, value in codes.items():
            entry = int(tables.RUN_BEFORE[8 * index + int((code + "00")[:3], 2)])
            if code.startswith("000") and index == 6:
                assert entry == tables.INVALID
                assert value == code.index("1") + 4
            else:
                assert entry == value << 4 | len(code)


def test_coded_block_patterns_are_permutations() -> None:
    for mapping in (tables.CODED_BLOCK_PATTERN_INTRA, tables.CODED_BLOCK_PATTERN_INTER):
        assert sorted(int(value) for value in mapping) == list(range(48))
