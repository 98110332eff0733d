"""Scores of several videos against one clip, read side by side so that memory stays small."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refcodec.comparison.measures import LPIPS_NETS
from refcodec.comparison.progress import Progress, silent
from refcodec.comparison.video import Clip, TimedPicture, Video
from refcodec.metrics.colour import planes_to_rgb
from refcodec.metrics.lpips import Lpips
from refcodec.metrics.ms_ssim import ms_ssim
from refcodec.metrics.psnr import psnr
from refcodec.metrics.temporal import temporal_error
from refcodec.picture import Picture

Scores = dict[str, dict[int, float]]
Observer = Callable[[int, Picture, Sequence[Picture]], None]


class Follower:
    """Gives a video's picture at the time of each picture of the source.

    `by_index`: the n-th picture belongs to the n-th of the source (peers code every picture); else
    the last picture whose time, rounded by half a picture, has come.
    """

    def __init__(self, video: Video, rate: Fraction, *, by_index: bool) -> None:
        self._iterator: Iterator[TimedPicture] = iter(video.pictures())
        self._period = 1 / rate
        self._by_index = by_index
        self._current: TimedPicture | None = None
        self._next: TimedPicture | None = next(self._iterator, None)

    def at(self, time: Fraction) -> Picture | None:
        """Return the picture shown at `time`; times ask in ascending order. None after the end."""
        if self._by_index:
            self._step()
            return None if self._current is None else self._current.picture
        while self._next is not None and self._next.time <= time + self._period / 2:
            self._step()
        if self._current is None:
            return None
        ended = self._next is None and time > self._current.time + self._period * 3 / 2
        return None if ended else self._current.picture

    def _step(self) -> None:
        self._current = self._next
        self._next = next(self._iterator, None) if self._next is not None else None


def side_by_side(
    clip: Clip, videos: Sequence[tuple[Video, bool]]
) -> Iterator[tuple[int, TimedPicture, list[Picture]]]:
    """Yield (index, source picture, decoded pictures) until the source or a video ends.

    `videos`: each with whether its pictures pair by index.
    """
    followers = [Follower(video, clip.rate, by_index=indexed) for video, indexed in videos]
    for index, source in zip(count(), clip.pictures()):
        shown = [follower.at(source.time) for follower in followers]
        decoded = [picture for picture in shown if picture is not None]
        if len(decoded) < len(followers):
            return
        yield index, source, decoded


def measure(
    clip: Clip,
    videos: Sequence[tuple[Video, bool]],
    strides: Mapping[str, int],
    nets: Mapping[str, Lpips],
    *,
    observer: Observer | None = None,
    observe_every: int = 1,
    progress: Progress = silent,
) -> tuple[list[float], list[Scores]]:
    """Return the source's times in seconds and the scores of each video.

    `strides`: measure id -> taken on every n-th picture. `nets`: LPIPS by measure id. `observer`
    sees every `observe_every`-th instant.
    """
    times: list[float] = []
    scores: list[Scores] = [{name: {} for name in strides} for _ in videos]
    before: tuple[Picture, list[Picture]] | None = None
    for index, source, decoded in side_by_side(clip, videos):
        times.append(float(source.time))
        due = {name for name, stride in strides.items() if index % stride == 0}
        context = _Instant(source.picture, due, nets)
        for number, picture in enumerate(decoded):
            values = context.scores(picture)
            if before is not None and "temporal" in due:
                values["temporal"] = temporal_error(
                    before[0], source.picture, before[1][number], picture
                )
            for name, value in values.items():
                scores[number][name][index] = value
        if observer is not None and index % observe_every == 0:
            observer(index, source.picture, decoded)
        before = (source.picture, decoded)
        progress(index + 1, clip.count, "measuring")
    return times, scores


class _Instant:
    """The source's side of one instant, computed once for all videos."""

    def __init__(self, source: Picture, due: set[str], nets: Mapping[str, Lpips]) -> None:
        self._source = source
        self._due = due
        self._nets = {name: nets[name] for name in LPIPS_NETS if name in due}
        self._rgb: NDArray[np.float32] | None = planes_to_rgb(source) if self._nets else None
        self._features: dict[str, list[Any]] = {
            name: net.features(self._rgb)
            for name, net in self._nets.items()
            if self._rgb is not None
        }

    def scores(self, picture: Picture) -> dict[str, float]:
        values: dict[str, float] = {}
        if "psnr_y" in self._due:
            values["psnr_y"] = psnr(self._source, picture)
        if "ms_ssim" in self._due:
            values["ms_ssim"] = ms_ssim(self._source, picture)
        if self._rgb is not None:
            rgb = planes_to_rgb(picture)
            for name, net in self._nets.items():
                values[name] = net.between(self._features[name], net.features(rgb))
        return values
