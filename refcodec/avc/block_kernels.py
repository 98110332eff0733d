"""Sample arithmetic of inter prediction on blocks, one sample after the other: what the vector
functions of vector_blocks.py are measured against, and what runs where they cannot.

Samples of all planes and slots are one flat array; a block is the offset of its first sample and a
stride. `out` is that array too, or one of scratch samples. `average` 1 takes the rounded mean with
the samples that are there (the second prediction of default weighted prediction, 8.4.2.3.1), 0
replaces them.
"""

from __future__ import annotations

from typing import Any

from refcodec.avc.compilation import inlined, kernel, load


@inlined
def clip1(value: int) -> int:
    """(#avc.5.7) Clip1 for 8-bit samples."""
    return min(max(value, 0), 255)


@inlined
def _six_tap(samples: Any, at: int, step: int) -> int:
    """(#avc.8.4.2.2.1) b1 or h1 between the samples at `at` and `at + step`."""
    return (
        load(samples, at - 2 * step)
        - 5 * load(samples, at - step)
        + 20 * load(samples, at)
        + 20 * load(samples, at + step)
        - 5 * load(samples, at + 2 * step)
        + load(samples, at + 3 * step)
    )


@inlined
def _half(samples: Any, at: int, step: int) -> int:
    """(#avc.8.4.2.2.1) The half sample b or h."""
    return clip1((_six_tap(samples, at, step) + 16) >> 5)


@inlined
def _centre(samples: Any, at: int, stride: int) -> int:
    """(#avc.8.4.2.2.1) The half sample j."""
    j1 = (
        _six_tap(samples, at - 2 * stride, 1)
        - 5 * _six_tap(samples, at - stride, 1)
        + 20 * _six_tap(samples, at, 1)
        + 20 * _six_tap(samples, at + stride, 1)
        - 5 * _six_tap(samples, at + 2 * stride, 1)
        + _six_tap(samples, at + 3 * stride, 1)
    )
    return clip1((j1 + 512) >> 10)


@inlined
def _luma_sample(samples: Any, at: int, stride: int, x_frac: int, y_frac: int) -> int:
    """(#avc.8.4.2.2.1) One of the sixteen positions of Table 8-12; quarter samples are the
    rounded mean of their two nearest full or half samples."""
    if x_frac == 0 and y_frac == 0:
        return load(samples, at)
    if y_frac == 0:
        first = _half(samples, at, 1)
        second = first if x_frac == 2 else load(samples, at + x_frac // 2)
    elif x_frac == 0:
        first = _half(samples, at, stride)
        second = first if y_frac == 2 else load(samples, at + y_frac // 2 * stride)
    elif x_frac == 2:
        first = _centre(samples, at, stride)
        second = first if y_frac == 2 else _half(samples, at + y_frac // 2 * stride, 1)
    elif y_frac == 2:
        first = _centre(samples, at, stride)
        second = _half(samples, at + x_frac // 2, stride)
    else:
        first = _half(samples, at + y_frac // 2 * stride, 1)
        second = _half(samples, at + x_frac // 2, stride)
    return (first + second + 1) >> 1


@kernel
def luma_block(
    out: Any, at: int, stride: int, samples: Any, source: int, source_stride: int,
    width: int, height: int, x_frac: int, y_frac: int, average: int,
) -> None:  # fmt: skip
    """(#avc.8.4.2.2.1) Predict a block of luma samples from the full-sample position `source`."""
    for y in range(height):
        for x in range(width):
            value = _luma_sample(
                samples, source + y * source_stride + x, source_stride, x_frac, y_frac
            )
            place = at + y * stride + x
            if average:
                value = (value + load(out, place) + 1) >> 1
            out[place] = value


@kernel
def chroma_block(
    out: Any, at: int, stride: int, out_to_cr: int, samples: Any, source: int, source_stride: int,
    to_cr: int, width: int, height: int, x_frac: int, y_frac: int, average: int,
) -> None:  # fmt: skip
    """(#avc.8.4.2.2.2) Predict a block of Cb and the one of Cr, which begins `to_cr` samples
    further on (`out_to_cr` in `out`)."""
    for component in range(2):
        first, origin = at + component * out_to_cr, source + component * to_cr
        for y in range(height):
            for x in range(width):
                a = origin + y * source_stride + x
                c = a + source_stride
                value = (
                    (8 - x_frac) * (8 - y_frac) * load(samples, a)
                    + x_frac * (8 - y_frac) * load(samples, a + 1)
                    + (8 - x_frac) * y_frac * load(samples, c)
                    + x_frac * y_frac * load(samples, c + 1)
                    + 32
                ) >> 6
                place = first + y * stride + x
                if average:
                    value = (value + load(out, place) + 1) >> 1
                out[place] = value


@kernel
def copy_area(
    samples: Any, at: int, source: int, stride: int, width: int, height: int
) -> None:  # fmt: skip
    """(#avc.8.4.2.2) Predict an area whose vector is one of full samples; its width is a multiple
    of eight."""
    for y in range(height):
        for x in range(width):
            samples[at + y * stride + x] = samples[source + y * stride + x]


@kernel
def mean_area(
    samples: Any, at: int, first: int, second: int, stride: int, width: int, height: int
) -> None:  # fmt: skip
    """(#avc.8.4.2.3.1) The same from both lists: the rounded mean of two areas."""
    for y in range(height):
        for x in range(width):
            place = y * stride + x
            value = (load(samples, first + place) + load(samples, second + place) + 1) >> 1
            samples[at + place] = value


@kernel
def weight_area(
    samples: Any, at: int, first: int, second: int, stride: int, width: int, height: int,
    log2_denominator: int, weight0: int, weight1: int, offset: int,
) -> None:  # fmt: skip
    """(#avc.8.4.2.3.2) The same with weights; `offset` is (o0 + o1 + 1) >> 1."""
    for y in range(height):
        for x in range(width):
            place = y * stride + x
            value = (
                load(samples, first + place) * weight0
                + load(samples, second + place) * weight1
                + (1 << log2_denominator)
            ) >> (log2_denominator + 1)
            samples[at + place] = clip1(value + offset)


@kernel
def weight_block(
    samples: Any, at: int, stride: int, width: int, height: int,
    log2_denominator: int, weight: int, offset: int,
) -> None:  # fmt: skip
    """(#avc.8.4.2.3.2) Weight a block that was predicted from one list, in place."""
    rounding = (1 << log2_denominator) >> 1
    for y in range(height):
        for x in range(width):
            place = at + y * stride + x
            samples[place] = clip1(
                ((load(samples, place) * weight + rounding) >> log2_denominator) + offset
            )


@kernel
def weight_blocks(
    samples: Any, at: int, stride: int, other: Any, second: int, second_stride: int,
    width: int, height: int, log2_denominator: int, weight0: int, weight1: int, offset: int,
) -> None:  # fmt: skip
    """(#avc.8.4.2.3.2) Weight the prediction from list 0, in place, with that from list 1 in
    `other`; `offset` is (o0 + o1 + 1) >> 1."""
    for y in range(height):
        for x in range(width):
            place = at + y * stride + x
            value = (
                load(samples, place) * weight0
                + load(other, second + y * second_stride + x) * weight1
                + (1 << log2_denominator)
            ) >> (log2_denominator + 1)
            samples[place] = clip1(value + offset)
