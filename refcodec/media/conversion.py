"""Decoded frames of any pixel format, sample shape and orientation as upright pictures of 8-bit 4:2:0."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av.error
import numpy as np
from av.video.reformatter import Colorspace, Interpolation

from refcodec import errors
from refcodec.libav_frames import frame_to_picture
from refcodec.media.description import (
    UNSPECIFIED,
    ColourDescription,
    Orientation,
    SourceDescription,
)
from refcodec.media.opening import reason
from refcodec.picture import Picture

PLANAR_420 = ("yuv420p", "yuvj420p")
"""Pixel formats whose samples are taken as they are."""
_MATRIX_BT709 = 1
_RANGE_LIMITED, _RANGE_FULL = 1, 2


def sane_aspect(aspect: Fraction | None) -> Fraction:
    """Return the sample aspect ratio; 1 where it is absent or far from what any system uses."""
    if not aspect or not Fraction(1, 8) <= aspect <= 8:
        return Fraction(1)
    return Fraction(aspect)


def square_size(width: int, height: int, aspect: Fraction) -> tuple[int, int]:
    """Return the size in square samples: the smaller direction is enlarged, so that no detail is lost."""
    if aspect > 1:
        return round(width * aspect), height
    if aspect < 1:
        return width, round(height / aspect)
    return width, height


def orientation_of(frame: Any) -> Orientation:
    """Read the display matrix (x' = a x + c y, y' = b x + d y) of a frame as one of eight orientations."""
    for entry in frame.side_data:
        if entry.type.name == "DISPLAYMATRIX":
            a, b, _, c, d = np.frombuffer(entry, np.int32)[:5].tolist()
            if abs(a) + abs(d) >= abs(b) + abs(c):
                return Orientation(False, a < 0, d < 0)
            # Upright x comes from stored y (sign of c), upright y from stored x (sign of b).
            return Orientation(True, c < 0, b < 0)
    return Orientation()


def colour_of(frame: Any) -> ColourDescription:
    """Return the colour of the picture that a frame is converted to."""
    matrix = int(frame.colorspace)
    full = int(frame.color_range) == _RANGE_FULL or frame.format.name.startswith("yuvj")
    if frame.format.is_rgb:
        matrix, full = _MATRIX_BT709, False
    elif matrix == 0:  # "identity" on YCbCr samples is a mislabelled source
        matrix = UNSPECIFIED
    return ColourDescription(int(frame.color_primaries), int(frame.color_trc), matrix, full)


def converted(frame: Any, about: SourceDescription) -> Picture:
    """Return a frame as a picture of presentation size. Raises HYP-E-IN-06 for pixel formats that swscale lacks."""
    width, height = about.width, about.height
    if about.orientation.transpose:
        width, height = height, width
    if frame.format.name not in PLANAR_420 or (frame.width, frame.height) != (width, height):
        frame = _reformatted(frame, about, width, height)
    picture = frame_to_picture(frame)
    if about.orientation.is_identity:
        return picture
    return Picture(*(about.orientation.apply(plane) for plane in picture.planes))


def _reformatted(frame: Any, about: SourceDescription, width: int, height: int) -> Any:
    is_rgb = frame.format.is_rgb
    full = about.colour.full_range
    flags = (
        Interpolation.LANCZOS
        | Interpolation.ACCURATE_RND
        | Interpolation.FULL_CHR_H_INT
        | Interpolation.FULL_CHR_H_INP
    )
    try:
        return frame.reformat(
            width=width,
            height=height,
            format="yuv420p",
            interpolation=flags,
            dst_colorspace=Colorspace.ITU709 if is_rgb else None,
            src_color_range=_RANGE_FULL if is_rgb or full else _RANGE_LIMITED,
            dst_color_range=_RANGE_FULL if full else _RANGE_LIMITED,
            threads=1,
        )
    except (av.error.FFmpegError, ValueError) as problem:
        raise errors.error(
            "HYP-E-IN-06",
            element="pixel format",
            value=frame.format.name,
            detail=reason(problem),
            source=str(about.path),
        ) from problem
