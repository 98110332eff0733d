"""Residual blocks in CABAC (7.3.5.3, 7.3.5.3.3)."""

from __future__ import annotations

from typing import Any, Final

from refcodec.avc.cabac_engine import (
    BITS,
    ERROR_VALUE,
    PLACES,
    POSITION,
    RANGE,
    VALUE,
    bypass,
    decision,
)
from refcodec.avc.cabac_tables import (
    CHROMA_AC,
    CHROMA_DC,
    CODED_CONTEXT,
    COEFFICIENTS,
    LAST_CONTEXT,
    LEVEL_CONTEXT,
    LEVEL_POSITION,
    LUMA_4X4,
    LUMA_8X8,
    LUMA_16X16_AC,
    LUMA_16X16_DC,
    SIGNIFICANT_CONTEXT,
)
from refcodec.avc.compilation import kernel, load, store
from refcodec.avc.scans import LUMA_4X4_BLOCK

_PREFIX: Final = 14
"""uCoff of coeff_abs_level_minus1."""
_LAST_ORDER: Final = 14
_MAX_LEVEL: Final = 32767

# kind of a macroblock in `residual`
TRANSFORM_4X4: Final = 0
INTRA: Final = 1
TRANSFORM_8X8: Final = 2
INTRA_16X16: Final = 4


@kernel
def residual_block(cabac: Any, levels: Any, first: int, category: int, increment: int) -> int:
    """(#avc.7.3.5.3.3) residual_block_cabac: return how many levels are not zero, -1 when one is
    beyond 16 bits (ERROR_VALUE has it then).

    levels: int16, at `first` begin those of the block (or of the component, for DC), all zero;
    category: ctxBlockCat; increment: ctxIdxInc of coded_block_flag, not parsed for LUMA_8X8.
    """
    span = load(cabac, RANGE)
    value = load(cabac, VALUE)
    bits = load(cabac, BITS)
    position = load(cabac, POSITION)
    coded = 1
    count = 0
    if category != LUMA_8X8:
        coded, span, value, bits, position = decision(
            cabac, load(CODED_CONTEXT, category) + increment, span, value, bits, position
        )
    if coded:
        table = 64 * category
        end = table + load(COEFFICIENTS, category) - 1
        place = table
        last = 0
        while place < end:
            symbol, span, value, bits, position = decision(
                cabac, load(SIGNIFICANT_CONTEXT, place), span, value, bits, position
            )
            if symbol:
                store(cabac, PLACES + count, place)
                count += 1
                last, span, value, bits, position = decision(
                    cabac, load(LAST_CONTEXT, place), span, value, bits, position
                )
                if last:
                    break
            place += 1
        if last == 0:
            store(cabac, PLACES + count, end)
            count += 1
        # (#avc.9.3.3.1.3) ctxIdxInc of the first bin counts levels of 1 until there is a greater
        # one, that of the others counts the greater ones
        context = load(LEVEL_CONTEXT, category)
        first_bin = 1
        other_bins = 5
        most = 8 if category == CHROMA_DC else 9
        number = count
        while number > 0:
            number -= 1
            level = 1
            symbol, span, value, bits, position = decision(
                cabac, context + first_bin, span, value, bits, position
            )
            if symbol:
                while symbol and level <= _PREFIX:
                    level += 1
                    if level <= _PREFIX:
                        symbol, span, value, bits, position = decision(
                            cabac, context + other_bins, span, value, bits, position
                        )
                if symbol:
                    order = 0
                    symbol, value, bits, position = bypass(cabac, span, value, bits, position)
                    while symbol and order <= _LAST_ORDER:
                        level += 1 << order
                        order += 1
                        symbol, value, bits, position = bypass(cabac, span, value, bits, position)
                    while order > 0:
                        order -= 1
                        symbol, value, bits, position = bypass(cabac, span, value, bits, position)
                        level += symbol << order
                    if level > _MAX_LEVEL:
                        cabac[ERROR_VALUE] = level - 1
                        return -1
                first_bin = 0
                if other_bins < most:
                    other_bins += 1
            elif 0 < first_bin < 4:
                first_bin += 1
            sign, value, bits, position = bypass(cabac, span, value, bits, position)
            if sign:
                level = -level
            store(levels, first + load(LEVEL_POSITION, load(cabac, PLACES + number)), level)
    cabac[RANGE] = span
    cabac[VALUE] = value
    cabac[BITS] = bits
    cabac[POSITION] = position
    return count


@kernel
def _border(total_coeff: Any, left: int, top: int, plane: int, size: int, none: int) -> int:
    """Return the bits of a plane's grid that neighbouring macroblocks have: see `residual`.

    left, top: macroblock addresses, -1 where not available; plane: 0, 16 or 20, where its blocks
    begin in total_coeff; size: blocks a row; none: 1 where a missing macroblock counts as coded.
    """
    grid = 0
    for i in range(size):
        coded = none
        if left >= 0:
            coded = 1 if load(total_coeff, 24 * left + plane + size * i + size - 1) != 0 else 0
        grid |= coded << (8 * i + 8)
        coded = none
        if top >= 0:
            coded = 1 if load(total_coeff, 24 * top + plane + size * size - size + i) != 0 else 0
        grid |= coded << (i + 1)
    return grid


@kernel
def residual(
    cabac: Any,
    mb: int,
    left: int,
    top: int,
    kind: int,
    pattern: int,
    first: int,
    total_coeff: Any,
    coded_dc: Any,
    levels: Any,
) -> int:
    """(#avc.7.3.5.3) residual: return 1 when a level is not zero, 0 when all are, -1 when one is
    beyond 16 bits.

    kind: INTRA_16X16, TRANSFORM_8X8, or TRANSFORM_4X4, plus INTRA when the macroblock is intra;
    pattern: coded_block_pattern. `levels` are zero from `first` on, total_coeff and coded_dc of the
    macroblock are zero.

    coded_block_flag of the neighbours (9.3.3.1.1.9) is a bit grid: bit 8 * (y + 1) + x + 1 of block
    (x, y), with the blocks of the left and upper macroblock at x = -1 and y = -1. A block with
    coded_block_flag 1 has levels that are not zero, so total_coeff says it for each block.
    """
    none = 1 if kind & INTRA else 0
    dc_left = none * 7
    if left >= 0:
        dc_left = load(coded_dc, left)
    dc_top = none * 7
    if top >= 0:
        dc_top = load(coded_dc, top)
    dc = 0
    some = 0
    base = 24 * mb

    if kind & INTRA_16X16:
        increment = (dc_left & 1) + 2 * (dc_top & 1)
        count = residual_block(cabac, levels, first, LUMA_16X16_DC, increment)
        if count < 0:
            return -1
        if count > 0:
            dc = 1
    if pattern & 15:
        if kind & TRANSFORM_8X8:
            for quarter in range(4):
                if (pattern >> quarter) & 1:
                    count = residual_block(cabac, levels, first + 64 * quarter, LUMA_8X8, 0)
                    if count < 0:
                        return -1
                    some = 1
                    block = base + 8 * (quarter >> 1) + 2 * (quarter & 1)
                    count = min(count, 16)
                    store(total_coeff, block, count)
                    store(total_coeff, block + 1, count)
                    store(total_coeff, block + 4, count)
                    store(total_coeff, block + 5, count)
        else:
            category = LUMA_16X16_AC if kind & INTRA_16X16 else LUMA_4X4
            grid = _border(total_coeff, left, top, 0, 4, none)
            for index in range(16):
                if (pattern >> (index >> 2)) & 1:
                    block = load(LUMA_4X4_BLOCK, index)
                    at = 9 + 8 * (block >> 2) + (block & 3)
                    increment = ((grid >> (at - 1)) & 1) + 2 * ((grid >> (at - 8)) & 1)
                    count = residual_block(cabac, levels, first + 16 * block, category, increment)
                    if count != 0:
                        if count < 0:
                            return -1
                        some = 1
                        grid |= 1 << at
                        store(total_coeff, base + block, count)
    if pattern >> 4:
        for component in range(2):
            bit = 1 + component
            increment = ((dc_left >> bit) & 1) + 2 * ((dc_top >> bit) & 1)
            count = residual_block(
                cabac, levels, first + 256 + 64 * component, CHROMA_DC, increment
            )
            if count < 0:
                return -1
            if count > 0:
                dc |= 1 << bit
    if pattern >> 5:
        for component in range(2):
            plane = 16 + 4 * component
            grid = _border(total_coeff, left, top, plane, 2, none)
            for block in range(4):
                at = 9 + 8 * (block >> 1) + (block & 1)
                increment = ((grid >> (at - 1)) & 1) + 2 * ((grid >> (at - 8)) & 1)
                count = residual_block(
                    cabac,
                    levels,
                    first + 256 + 64 * component + 16 * block,
                    CHROMA_AC,
                    increment,
                )
                if count != 0:
                    if count < 0:
                        return -1
                    some = 1
                    grid |= 1 << at
                    store(total_coeff, base + plane + block, count)
    store(coded_dc, mb, dc)
    return 1 if some != 0 or dc != 0 else 0
