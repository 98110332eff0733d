"""Where keyframes stand: at scene cuts, and never further apart than the keyframe interval.

The measure is cheap: two differences between small luma pictures of consecutive pictures, one of them blind to
movement (histogram), one to brightness (mean removed). A cut is a picture where both stand out from their
neighbourhood, or the second one by far, so that fades and fast movement are no cuts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refcodec.picture import Picture

_SMALL_WIDTH = 64
_BINS = 32
_NEIGHBOURHOOD = 6
_DIFFERENCE_FLOOR = 10.0  # grey levels
_HISTOGRAM_FLOOR = 0.12  # of all samples
_RATIO = 3.0


@dataclass(frozen=True, slots=True)
class PictureFeatures:
    """Difference to the picture before: mean absolute difference of small luma without its mean (grey levels)
    and half the summed difference of histograms (0..1). Both 0 for the first picture."""

    difference: float
    histogram_difference: float


class FeatureExtractor:
    """Makes the features of pictures given one after the other."""

    def __init__(self) -> None:
        self._small: NDArray[np.float32] | None = None
        self._histogram: NDArray[np.float32] | None = None

    def __call__(self, picture: Picture) -> PictureFeatures:
        small = small_luma(picture)
        histogram = _soft_histogram(small)
        if self._small is None or self._histogram is None:
            features = PictureFeatures(0.0, 0.0)
        else:
            features = PictureFeatures(
                float(np.abs((small - small.mean()) - (self._small - self._small.mean())).mean()),
                float(np.abs(histogram - self._histogram).sum() / 2),
            )
        self._small, self._histogram = small, histogram
        return features


def small_luma(picture: Picture) -> NDArray[np.float32]:
    """Return luma averaged over square blocks, about 64 samples wide, float32."""
    step = max(1, picture.width // _SMALL_WIDTH)
    height, width = picture.height // step * step, picture.width // step * step
    blocks = picture.y[:height, :width].reshape(height // step, step, width // step, step)
    return blocks.mean(axis=(1, 3), dtype=np.float32)


def _soft_histogram(small: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the histogram with each sample shared between two bins, so that a slow fade moves it slowly."""
    place = small.ravel() * (_BINS - 1) / 255
    low = np.minimum(place.astype(np.int32), _BINS - 2)
    part = place - low
    counts = np.bincount(low, 1 - part, _BINS) + np.bincount(low + 1, part, _BINS)
    return (counts / place.size).astype(np.float32)


def find_cuts(features: Sequence[PictureFeatures]) -> list[int]:
    """Return the indices of pictures that begin a scene (never 0)."""
    difference = np.array([f.difference for f in features])
    histogram = np.array([f.histogram_difference for f in features])
    cuts = []
    for i in range(1, len(features)):
        around = np.r_[
            max(1, i - _NEIGHBOURHOOD) : i, i + 1 : min(len(features), i + 1 + _NEIGHBOURHOOD)
        ]
        usual, usual_histogram, largest = (
            (np.median(difference[around]), np.median(histogram[around]), difference[around].max())
            if around.size
            else (0.0, 0.0, 0.0)
        )
        clear = difference[i] >= max(_DIFFERENCE_FLOOR, _RATIO * usual) and histogram[i] >= max(
            _HISTOGRAM_FLOOR, _RATIO * usual_histogram
        )
        # Shots of equal brightness differ in place only; then the difference must be beyond doubt.
        alike = difference[i] >= max(2 * _DIFFERENCE_FLOOR, 2 * _RATIO * usual)
        if (clear or alike) and difference[i] >= largest:
            cuts.append(i)
    return cuts


def place_keyframes(
    times: Sequence[float],
    features: Iterable[PictureFeatures],
    *,
    interval: float,
    minimum_interval: float,
    longest: int = 1800,
) -> list[int]:
    """Return the indices of the pictures that begin a segment; the first is 0.

    times: seconds of each picture and, last, the end of the last picture. interval: longest segment in seconds;
    minimum_interval: shortest distance of a cut to the keyframe before it. longest: pictures of a segment at
    most. Shots longer than the interval are divided into equal parts.
    """
    count = len(times) - 1
    starts = [0]
    for cut in find_cuts(list(features)):
        if times[cut] - times[starts[-1]] >= minimum_interval:
            starts.append(cut)
    keyframes: list[int] = []
    for begin, end in zip(starts, [*starts[1:], count], strict=True):
        keyframes += _divided(times, begin, end, interval, longest)
    return keyframes


def _divided(
    times: Sequence[float], begin: int, end: int, interval: float, longest: int
) -> list[int]:
    """Divide one shot into the fewest equal parts of at most `interval` seconds and `longest` pictures."""
    length = times[end] - times[begin]
    # A hundredth of tolerance: five seconds of 29.97 pictures/s are one interval of five seconds.
    parts = max(1, int(np.ceil(length / interval - 0.01)), -(-(end - begin) // longest))
    while True:
        marks = sorted(
            {
                begin
                + int(np.searchsorted(times[begin:end], times[begin] + length * k / parts - 1e-9))
                for k in range(parts)
            }
        )
        spans = zip(marks, [*marks[1:], end], strict=True)
        if all(b - a <= longest for a, b in spans) or parts >= end - begin:
            return [mark for mark in marks if mark < end]
        parts += 1
