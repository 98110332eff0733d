"""Transform coefficient levels under CAVLC (7.3.5.3.2, 9.2)."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from refcodec.avc.bit_reading import READER_END, READER_POSITION, leading_zeros, peek
from refcodec.avc.cavlc_tables import (
    COEFF_TOKEN,
    COEFF_TOKEN_FIXED,
    INVALID,
    RUN_BEFORE,
    TOKEN_CLASS,
    TOKEN_CLASS_CHROMA_DC,
    TOKEN_CLASS_FIXED,
    TOTAL_ZEROS,
    TOTAL_ZEROS_CHROMA_DC,
)
from refcodec.avc.compilation import inlined, kernel, load, store
from refcodec.avc.scans import LUMA_4X4_BLOCK, ZIGZAG_4X4, ZIGZAG_8X8

Array = NDArray[Any]

# What a residual block may fail with; the reader stands at the syntax element
BEYOND_END: Final = -1
COEFF_TOKEN_INVALID: Final = -2
LEVEL_PREFIX_INVALID: Final = -3
LEVEL_INVALID: Final = -4
TOTAL_ZEROS_INVALID: Final = -5
RUN_BEFORE_INVALID: Final = -6

LARGEST_LEVEL_PREFIX: Final = 19
"""With 20 and more every level is beyond 16 bits."""

LARGEST_LEVEL_CODE: Final = 65531
"""Before 2 may be added to it: then levels are within 16 bits."""

# Where the kinds of block begin in SCAN_POSITION
SCAN_4X4: Final = 0
SCAN_AC: Final = 1
SCAN_8X8: Final = 16
"""And at + 16, + 32, + 48 the second to fourth of the 4x4 blocks that an 8x8 block is coded as."""
SCAN_LUMA_DC: Final = 80
SCAN_CHROMA_DC: Final = 96

SCAN_POSITION: Final[Array] = np.concatenate(
    [
        ZIGZAG_4X4,
        *(ZIGZAG_8X8[part::4] for part in range(4)),
        16 * ZIGZAG_4X4,
        16 * np.arange(4, dtype=np.int64),
    ]
)
"""(#avc.7.3.5.3.2, 8.5.6, 8.5.7, 8.5.11.1) Place of coefficient k of a block in `levels`, from the
first entry of the block, component or macroblock on that it belongs to."""

NOT_AVAILABLE: Final = 64
"""In place of the number of coefficients of a block that is not available."""

# Blocks of a macroblock in the order of residual(): Intra16x16DCLevel is block 0
LUMA_BLOCK: Final = 1
CHROMA_DC_BLOCK: Final = 17
CHROMA_AC_BLOCK: Final = 19

BLOCKS: Final = 24
"""Entries of total_coeff in a macroblock."""


@inlined
def residual_block(
    windows: Array,
    reader: Array,
    levels: Array,
    scratch: Array,
    origin: int,
    scan: int,
    token_class: int,
    max_num_coeff: int,
) -> int:
    """(#avc.9.2) residual_block_cavlc: write the levels of one block to `levels` at `origin` +
    SCAN_POSITION[scan + k], where zeros have to stand, and return TotalCoeff( coeff_token ), or one
    of the errors above.

    scratch: int64 (16,). token_class: of cavlc_tables. max_num_coeff: 16, 15 or 4.
    """
    position = int(reader[READER_POSITION])
    if position > int(reader[READER_END]):
        return BEYOND_END
    # 9.2.1: coeff_token
    head = int(peek(windows, position, 32))
    if token_class == TOKEN_CLASS_FIXED:
        token = int(load(COEFF_TOKEN_FIXED, head >> 26))
    else:
        zeros = min(int(leading_zeros(head)), 15)
        token = int(load(COEFF_TOKEN, 128 * token_class + 8 * zeros + ((head >> (28 - zeros)) & 7)))
    total_coeff = token >> 16
    if token == INVALID or total_coeff > max_num_coeff:
        return COEFF_TOKEN_INVALID
    position += token & 255
    if total_coeff == 0:
        reader[READER_POSITION] = position
        return 0

    # 9.2.2: levels, that of the highest frequency first
    trailing_ones = (token >> 8) & 255
    signs = int(peek(windows, position, 3))
    for i in range(trailing_ones):
        store(scratch, i, 1 - (((signs << i) >> 1) & 2))
    position += trailing_ones
    suffix_length = 1 if total_coeff > 10 and trailing_ones < 3 else 0
    for i in range(trailing_ones, total_coeff):
        head = int(peek(windows, position, 32))
        prefix = int(leading_zeros(head))
        if prefix + (suffix_length == 0) < 15:
            level_code = (prefix << suffix_length) + (
                (head >> (31 - prefix - suffix_length)) & ((1 << suffix_length) - 1)
            )
            position += prefix + 1 + suffix_length
        elif prefix == 14:
            level_code = 14 + ((head >> 13) & 15)
            position += 19
        elif prefix <= LARGEST_LEVEL_PREFIX:
            suffix_size = prefix - 3
            level_code = (15 << suffix_length) + int(
                peek(windows, position + prefix + 1, suffix_size)
            )
            if suffix_length == 0:
                level_code += 15
            if prefix >= 16:
                level_code += (1 << suffix_size) - 4096
            if level_code > LARGEST_LEVEL_CODE:
                reader[READER_POSITION] = position
                return LEVEL_INVALID
            position += prefix + 1 + suffix_size
        else:
            reader[READER_POSITION] = position
            return LEVEL_PREFIX_INVALID
        if i == trailing_ones and trailing_ones < 3:
            level_code += 2
        magnitude = (level_code >> 1) + 1
        store(scratch, i, -magnitude if level_code & 1 else magnitude)
        if suffix_length == 0:
            suffix_length = 1
        if magnitude > (3 << (suffix_length - 1)) and suffix_length < 6:
            suffix_length += 1

    # 9.2.3: runs of zeros; 9.2.4: places
    zeros_left = 0
    if total_coeff < max_num_coeff:
        if max_num_coeff == 4:
            code = int(
                load(TOTAL_ZEROS_CHROMA_DC, 8 * total_coeff - 8 + int(peek(windows, position, 3)))
            )
        else:
            code = int(load(TOTAL_ZEROS, 512 * total_coeff - 512 + int(peek(windows, position, 9))))
        zeros_left = code >> 4
        if code == INVALID or zeros_left + total_coeff > max_num_coeff:
            reader[READER_POSITION] = position
            return TOTAL_ZEROS_INVALID
        position += code & 15
    place = scan + zeros_left + total_coeff - 1
    store(levels, origin + int(load(SCAN_POSITION, place)), int(load(scratch, 0)))
    for i in range(1, total_coeff):
        place -= 1
        if zeros_left > 0:
            head = int(peek(windows, position, 32))
            code = int(load(RUN_BEFORE, 8 * min(zeros_left, 7) - 8 + (head >> 29)))
            run = code >> 4
            length = code & 15
            if code == INVALID:
                zeros = int(leading_zeros(head))
                run = zeros + 4
                length = zeros + 1
            if run > zeros_left:
                reader[READER_POSITION] = position
                return RUN_BEFORE_INVALID
            position += length
            zeros_left -= run
            place -= run
        store(levels, origin + int(load(SCAN_POSITION, place)), int(load(scratch, i)))
    reader[READER_POSITION] = position
    return total_coeff


@kernel
def token_class_of(left: int, above: int) -> int:
    """(#avc.9.2.1) Return the class of coeff_token from nA and nB, each the number of coefficients
    of a neighbouring block or NOT_AVAILABLE."""
    both = left + above
    if both >= NOT_AVAILABLE:
        return int(load(TOKEN_CLASS, both & 31))
    return int(load(TOKEN_CLASS, (both + 1) >> 1))


@kernel
def luma_token_class(total_coeff: Array, mb: int, left_mb: int, above_mb: int, block: int) -> int:
    """(#avc.9.2.1) Return the class of coeff_token of luma block `block` (raster position).

    left_mb, above_mb: the neighbouring macroblocks, -1 where they are not available.
    """
    left = NOT_AVAILABLE
    if block & 3:
        left = int(load(total_coeff, BLOCKS * mb + block - 1))
    elif left_mb >= 0:
        left = int(load(total_coeff, BLOCKS * left_mb + block + 3))
    above = NOT_AVAILABLE
    if block >= 4:
        above = int(load(total_coeff, BLOCKS * mb + block - 4))
    elif above_mb >= 0:
        above = int(load(total_coeff, BLOCKS * above_mb + block + 12))
    return int(token_class_of(left, above))


@kernel
def chroma_token_class(total_coeff: Array, mb: int, left_mb: int, above_mb: int, block: int) -> int:
    """(#avc.9.2.1) The same for chroma block `block`: 0 to 3 Cb, 4 to 7 Cr, raster positions."""
    left = NOT_AVAILABLE
    if block & 1:
        left = int(load(total_coeff, BLOCKS * mb + 15 + block))
    elif left_mb >= 0:
        left = int(load(total_coeff, BLOCKS * left_mb + 17 + block))
    above = NOT_AVAILABLE
    if block & 2:
        above = int(load(total_coeff, BLOCKS * mb + 14 + block))
    elif above_mb >= 0:
        above = int(load(total_coeff, BLOCKS * above_mb + 18 + block))
    return int(token_class_of(left, above))


@inlined
def residual(
    windows: Array,
    reader: Array,
    levels: Array,
    scratch: Array,
    total_coeff: Array,
    origin: int,
    mb: int,
    left_mb: int,
    above_mb: int,
    coded_block_pattern: int,
    intra_16x16: int,
    transform_8x8: int,
) -> int:
    """(#avc.7.3.5.3) residual() of one macroblock: write its levels to `levels` from `origin` on,
    where zeros have to stand, and its entries of total_coeff, 0 before.

    Returns coded_dc + 8 * (1 if a luma AC, 4x4 or 8x8 or chroma AC block has levels), or an error of
    residual_block.
    """
    result = 0
    blocks = CHROMA_DC_BLOCK
    if coded_block_pattern & 32:
        blocks = CHROMA_AC_BLOCK + 8
    elif coded_block_pattern & 16:
        blocks = CHROMA_AC_BLOCK
    for number in range(0 if intra_16x16 else LUMA_BLOCK, blocks):
        entry = -1
        max_num_coeff = 16
        if number >= CHROMA_AC_BLOCK:
            block = number - CHROMA_AC_BLOCK
            token_class = int(chroma_token_class(total_coeff, mb, left_mb, above_mb, block))
            at = origin + 256 + 16 * block
            scan = SCAN_AC
            max_num_coeff = 15
            entry = 16 + block
        elif number >= CHROMA_DC_BLOCK:
            token_class = TOKEN_CLASS_CHROMA_DC
            at = origin + 256 + 64 * (number - CHROMA_DC_BLOCK)
            scan = SCAN_CHROMA_DC
            max_num_coeff = 4
        else:
            # luma4x4BlkIdx; the DC block has the neighbours of the first one
            index = max(number - LUMA_BLOCK, 0)
            block = int(load(LUMA_4X4_BLOCK, index))
            if number < LUMA_BLOCK:
                at = origin
                scan = SCAN_LUMA_DC
            elif not (coded_block_pattern >> (index >> 2)) & 1:
                continue
            else:
                entry = block
                if transform_8x8:
                    at = origin + 64 * (index >> 2)
                    scan = SCAN_8X8 + 16 * (index & 3)
                else:
                    at = origin + 16 * block
                    scan = SCAN_4X4
                    if intra_16x16:
                        scan = SCAN_AC
                        max_num_coeff = 15
            token_class = int(luma_token_class(total_coeff, mb, left_mb, above_mb, block))
        count = int(
            residual_block(windows, reader, levels, scratch, at, scan, token_class, max_num_coeff)
        )
        if count < 0:
            return count
        if count > 0:
            if entry >= 0:
                total_coeff[BLOCKS * mb + entry] = count
                result |= 8
            elif number == 0:
                result |= 1
            else:
                result |= 2 << (number - CHROMA_DC_BLOCK)
    return result
