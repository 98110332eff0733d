"""Upscaling: from the coded picture to the presented picture.

Plain integers. A plane is a list of rows of samples (0..255); `taps` is the table of upscaler
taps, 32 phases of 6.
"""

from __future__ import annotations

from collections.abc import Sequence

Rows = Sequence[Sequence[int]]

CENTRED = 2
CO_SITED = 1


def clip(lowest: int, highest: int, value: int) -> int:
    """(#conv.functions) Limit `value` to lowest..highest."""
    return min(max(value, lowest), highest)


def source_position(index: int, coded: int, presented: int, siting: int) -> int:
    """(#dec.upscaling.position) Place of presented sample `index` among the coded samples of a row
    or column, in 1/32 of their distance, rounded to nearest, halves upwards.

    `siting` is CENTRED where the outer edges of both grids coincide (luma, and chroma vertically),
    CO_SITED for chroma horizontally, whose samples stand on even luma columns.
    """
    place = (4 * index + siting) * coded - siting * presented
    return (32 * place + 2 * presented) // (4 * presented)


def upscale_row(
    row: Sequence[int], presented: int, siting: int, taps: Sequence[Sequence[int]]
) -> list[int]:
    """(#dec.upscaling.horizontal) Horizontal pass over one row: values in 1/64 of a sample step,
    within 16 bits, not rounded."""
    coded = len(row)
    result = []
    for x in range(presented):
        position = source_position(x, coded, presented, siting)
        first = (position >> 5) - 2
        phase = position & 31
        value = 0
        for t in range(6):
            value += taps[phase][t] * row[clip(0, coded - 1, first + t)]
        result.append(value)
    return result


def upscale_plane(
    plane: Rows, width: int, height: int, siting: int, taps: Sequence[Sequence[int]]
) -> list[list[int]]:
    """(#dec.upscaling.vertical) Both passes over one plane; `siting` holds horizontally."""
    coded = len(plane)
    rows = [upscale_row(row, width, siting, taps) for row in plane]
    result = []
    for y in range(height):
        position = source_position(y, coded, height, CENTRED)
        first = (position >> 5) - 2
        phase = position & 31
        row = []
        for x in range(width):
            value = 0
            for t in range(6):
                value += taps[phase][t] * rows[clip(0, coded - 1, first + t)][x]
            row.append(clip(0, 255, (value + 2048) >> 12))
        result.append(row)
    return result


def upscale(
    y: Rows, u: Rows, v: Rows, width: int, height: int, taps: Sequence[Sequence[int]]
) -> tuple[list[list[int]], list[list[int]], list[list[int]]]:
    """(#dec.upscaling) The presented picture of `width` x `height` samples of a coded picture of
    even size: upscaled to the next even size, then cropped on the right and at the bottom."""
    even_width = width + width % 2
    even_height = height + height % 2
    luma = upscale_plane(y, even_width, even_height, CENTRED, taps)
    chroma = [
        upscale_plane(plane, even_width // 2, even_height // 2, CO_SITED, taps) for plane in (u, v)
    ]
    return [row[:width] for row in luma[:height]], chroma[0], chroma[1]
