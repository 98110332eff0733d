"""Binarisation and contexts of the syntax elements of macroblocks in CABAC (9.3.2, 9.3.3.1).

Each kernel decodes one syntax element with the engine of cabac_engine and returns its value. What a
context depends on in neighbouring macroblocks comes as an argument: `increment` is the sum
condTermFlagA + condTermFlagB or condTermFlagA + 2 * condTermFlagB of the clause.
"""

from __future__ import annotations

from typing import Any, Final

from refcodec.avc.cabac_engine import (
    BITS,
    POSITION,
    RANGE,
    VALUE,
    bypass,
    decision,
    decode_decision,
    decode_terminate,
)
from refcodec.avc.cabac_tables import (
    CTX_CODED_BLOCK_PATTERN_CHROMA,
    CTX_CODED_BLOCK_PATTERN_LUMA,
    CTX_INTRA_CHROMA_PRED_MODE,
    CTX_MB_QP_DELTA,
    CTX_MB_TYPE_B,
    CTX_MB_TYPE_B_INTRA,
    CTX_MB_TYPE_I,
    CTX_MB_TYPE_P,
    CTX_MB_TYPE_P_INTRA,
    CTX_PREV_INTRA_PRED_MODE_FLAG,
    CTX_REF_IDX,
    CTX_REM_INTRA_PRED_MODE,
    CTX_SUB_MB_TYPE_B,
    CTX_SUB_MB_TYPE_P,
)
from refcodec.avc.compilation import kernel
from refcodec.avc.macroblock_types import (
    B_8X8_TYPE,
    B_INTER_TYPES,
    I_NXN_TYPE,
    I_PCM_TYPE,
    P_INTER_TYPES,
)

INVALID: Final = 1 << 20
"""Returned for a value that is out of range."""

_MVD_PREFIX: Final = 9
"""uCoff of mvd_l0 and mvd_l1."""
_MVD_ORDER: Final = 3
_MVD_LAST_ORDER: Final = 14
_MAX_MVD: Final = 32767
_MAX_QP_DELTA_CODE: Final = 52
"""Of mapped values: mb_qp_delta is -26 to 25 (7.4.5), -26 being code 52."""


@kernel
def _intra_16x16_or_pcm(cabac: Any, luma: int, chroma: int, mode: int, last: int) -> int:
    """(#avc.9.3.2.5) Return mb_type 1 to 25 of Table 7-11 after the bin that says "not I_NxN".

    The contexts of the bins: `luma` and the next one say whether there are levels of luma and
    chroma, `chroma` whether also AC of chroma, `mode` and `last` are those of Intra16x16PredMode.
    """
    if decode_terminate(cabac):
        return I_PCM_TYPE
    mb_type = 1 + 12 * decode_decision(cabac, luma)
    if decode_decision(cabac, luma + 1):
        mb_type += 4 + 4 * decode_decision(cabac, chroma)
    mb_type += 2 * decode_decision(cabac, mode)
    return mb_type + decode_decision(cabac, last)


@kernel
def intra_mb_type(cabac: Any, increment: int) -> int:
    """(#avc.9.3.2.5) mb_type of I slices."""
    if decode_decision(cabac, CTX_MB_TYPE_I + increment) == 0:
        return I_NXN_TYPE
    luma = CTX_MB_TYPE_I + 3
    return _intra_16x16_or_pcm(cabac, luma, luma + 2, luma + 3, luma + 4)


@kernel
def _intra_mb_type_suffix(cabac: Any, context: int) -> int:
    """(#avc.9.3.2.5) The suffix of mb_type of intra macroblocks in P and B slices, as mb_type of I
    slices."""
    if decode_decision(cabac, context) == 0:
        return I_NXN_TYPE
    return _intra_16x16_or_pcm(cabac, context + 1, context + 2, context + 3, context + 3)


@kernel
def p_mb_type(cabac: Any) -> int:
    """(#avc.9.3.2.5) mb_type of P slices; intra types from P_INTER_TYPES on."""
    if decode_decision(cabac, CTX_MB_TYPE_P):
        return P_INTER_TYPES + _intra_mb_type_suffix(cabac, CTX_MB_TYPE_P_INTRA)
    if decode_decision(cabac, CTX_MB_TYPE_P + 1):
        return 2 - decode_decision(cabac, CTX_MB_TYPE_P + 3)
    return 3 * decode_decision(cabac, CTX_MB_TYPE_P + 2)


@kernel
def b_mb_type(cabac: Any, increment: int) -> int:
    """(#avc.9.3.2.5) mb_type of B slices; intra types from B_INTER_TYPES on."""
    if decode_decision(cabac, CTX_MB_TYPE_B + increment) == 0:
        return 0
    if decode_decision(cabac, CTX_MB_TYPE_B + 3) == 0:
        return 1 + decode_decision(cabac, CTX_MB_TYPE_B + 5)
    code = decode_decision(cabac, CTX_MB_TYPE_B + 4)
    for _ in range(3):
        code = 2 * code + decode_decision(cabac, CTX_MB_TYPE_B + 5)
    if code < 8:
        return 3 + code
    if code == 13:
        return B_INTER_TYPES + _intra_mb_type_suffix(cabac, CTX_MB_TYPE_B_INTRA)
    if code == 14:
        return 11
    if code == 15:
        return B_8X8_TYPE
    return 2 * code - 4 + decode_decision(cabac, CTX_MB_TYPE_B + 5)


@kernel
def p_sub_mb_type(cabac: Any) -> int:
    """(#avc.9.3.2.5) sub_mb_type of P macroblocks."""
    if decode_decision(cabac, CTX_SUB_MB_TYPE_P):
        return 0
    if decode_decision(cabac, CTX_SUB_MB_TYPE_P + 1) == 0:
        return 1
    return 3 - decode_decision(cabac, CTX_SUB_MB_TYPE_P + 2)


@kernel
def b_sub_mb_type(cabac: Any) -> int:
    """(#avc.9.3.2.5) sub_mb_type of B macroblocks."""
    if decode_decision(cabac, CTX_SUB_MB_TYPE_B) == 0:
        return 0
    if decode_decision(cabac, CTX_SUB_MB_TYPE_B + 1) == 0:
        return 1 + decode_decision(cabac, CTX_SUB_MB_TYPE_B + 3)
    sub_mb_type = 3
    if decode_decision(cabac, CTX_SUB_MB_TYPE_B + 2):
        if decode_decision(cabac, CTX_SUB_MB_TYPE_B + 3):
            return 11 + decode_decision(cabac, CTX_SUB_MB_TYPE_B + 3)
        sub_mb_type = 7
    sub_mb_type += 2 * decode_decision(cabac, CTX_SUB_MB_TYPE_B + 3)
    return sub_mb_type + decode_decision(cabac, CTX_SUB_MB_TYPE_B + 3)


@kernel
def intra_pred_mode(cabac: Any) -> int:
    """(#avc.9.3.2.4) prev_intra4x4_pred_mode_flag or prev_intra8x8_pred_mode_flag and, where it is
    0, rem_intra4x4_pred_mode or rem_intra8x8_pred_mode: return that, -1 for the flag."""
    if decode_decision(cabac, CTX_PREV_INTRA_PRED_MODE_FLAG):
        return -1
    mode = decode_decision(cabac, CTX_REM_INTRA_PRED_MODE)
    mode += 2 * decode_decision(cabac, CTX_REM_INTRA_PRED_MODE)
    return mode + 4 * decode_decision(cabac, CTX_REM_INTRA_PRED_MODE)


@kernel
def intra_chroma_pred_mode(cabac: Any, increment: int) -> int:
    """(#avc.9.3.3.1.1.8) intra_chroma_pred_mode."""
    mode = decode_decision(cabac, CTX_INTRA_CHROMA_PRED_MODE + increment)
    while 0 < mode < 3 and decode_decision(cabac, CTX_INTRA_CHROMA_PRED_MODE + 3):
        mode += 1
        if mode == 3:
            return mode
    return mode


@kernel
def ref_idx(cabac: Any, increment: int, entries: int) -> int:
    """(#avc.9.3.3.1.1.6) ref_idx_l0 or ref_idx_l1 of a list with `entries` active entries; `entries`
    or more when it is out of range."""
    value = 0
    context = CTX_REF_IDX + increment
    while value < entries and decode_decision(cabac, context):
        context = CTX_REF_IDX + 4 if value == 0 else CTX_REF_IDX + 5
        value += 1
    return value


@kernel
def mvd(cabac: Any, context: int, total: int) -> int:
    """(#avc.9.3.3.1.1.7) A component of mvd_l0 or mvd_l1, INVALID beyond 16 bits.

    `context` is ctxIdxOffset of the component, `total` absMvdComp of A and B together.
    """
    span = int(cabac[RANGE])
    value = int(cabac[VALUE])
    bits = int(cabac[BITS])
    position = int(cabac[POSITION])
    increment = 0
    if total > 32:
        increment = 2
    elif total > 2:
        increment = 1
    result = 0
    symbol, span, value, bits, position = decision(
        cabac, context + increment, span, value, bits, position
    )
    if symbol:
        increment = 3
        while symbol:
            result += 1
            if result == _MVD_PREFIX:
                break
            symbol, span, value, bits, position = decision(
                cabac, context + increment, span, value, bits, position
            )
            if increment < 6:
                increment += 1
        if symbol:
            order = _MVD_ORDER
            symbol, value, bits, position = bypass(cabac, span, value, bits, position)
            while symbol and order <= _MVD_LAST_ORDER:
                result += 1 << order
                order += 1
                symbol, value, bits, position = bypass(cabac, span, value, bits, position)
            while order > 0:
                order -= 1
                symbol, value, bits, position = bypass(cabac, span, value, bits, position)
                result += symbol << order
        symbol, value, bits, position = bypass(cabac, span, value, bits, position)
        if result > _MAX_MVD:
            result = INVALID
        elif symbol:
            result = -result
    cabac[RANGE] = span
    cabac[VALUE] = value
    cabac[BITS] = bits
    cabac[POSITION] = position
    return result


@kernel
def coded_block_pattern(cabac: Any, left: int, top: int) -> int:
    """(#avc.9.3.2.6) coded_block_pattern, as CodedBlockPatternLuma + 16 * CodedBlockPatternChroma.

    `left` and `top` are those of the neighbouring macroblocks: 0 for skipped ones, 15 + 32 for
    I_PCM and 15 where there is none.
    """
    # (#avc.9.3.3.1.1.4) condTermFlagN is 1 where the block N has its bit 0
    b0 = decode_decision(
        cabac,
        CTX_CODED_BLOCK_PATTERN_LUMA + ((~left >> 1) & 1) + 2 * ((~top >> 2) & 1),
    )
    b1 = decode_decision(cabac, CTX_CODED_BLOCK_PATTERN_LUMA + (1 - b0) + 2 * ((~top >> 3) & 1))
    b2 = decode_decision(cabac, CTX_CODED_BLOCK_PATTERN_LUMA + ((~left >> 3) & 1) + 2 * (1 - b0))
    b3 = decode_decision(cabac, CTX_CODED_BLOCK_PATTERN_LUMA + (1 - b2) + 2 * (1 - b1))
    luma = b0 + 2 * b1 + 4 * b2 + 8 * b3
    left >>= 4
    top >>= 4
    increment = (1 if left != 0 else 0) + (2 if top != 0 else 0)
    if decode_decision(cabac, CTX_CODED_BLOCK_PATTERN_CHROMA + increment) == 0:
        return luma
    increment = 4 + (1 if left == 2 else 0) + (2 if top == 2 else 0)
    return luma + 16 + 16 * decode_decision(cabac, CTX_CODED_BLOCK_PATTERN_CHROMA + increment)


@kernel
def mb_qp_delta(cabac: Any, increment: int) -> int:
    """(#avc.9.3.2.7) mb_qp_delta, INVALID out of its range."""
    code = 0
    context = CTX_MB_QP_DELTA + increment
    while decode_decision(cabac, context):
        context = CTX_MB_QP_DELTA + 2 if code == 0 else CTX_MB_QP_DELTA + 3
        code += 1
        if code > _MAX_QP_DELTA_CODE:
            return INVALID
    # (#avc.9.1.1) codes 1, 2, 3, 4 … are 1, -1, 2, -2 …
    if code & 1:
        return (code + 1) >> 1
    return -(code >> 1)
