"""The upscaler of pictures from one coded size to one presentation size."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refcodec.picture import Picture, Plane
from refcodec.upscaling.kernels import EDGE, STRIP, horizontal, vertical
from refcodec.upscaling.taps import CENTRED, CO_SITED, TAPS, positions


@dataclass(frozen=True)
class _PlaneScale:
    """Positions and taps of one plane, and the sizes of its output."""

    coded_width: int
    coded_height: int
    columns: tuple[NDArray[np.int32], NDArray[np.int16]]
    rows: tuple[NDArray[np.int32], NDArray[np.int16]]
    width: int
    height: int

    def band(self, plane: Plane, target: Plane, begin: int, end: int) -> None:
        """Make rows `begin` to `end` - 1 of `target` from `plane`, any row stride."""
        first = self.rows[0]
        top = min(max(int(first[begin]), 0), self.coded_height - 1)
        bottom = min(max(int(first[end - 1]) + TAPS - 1, 0), self.coded_height - 1)
        presented = self.columns[0].size
        between = np.empty((bottom + 1 - top) * presented, np.int16)
        horizontal(
            _flat(plane),
            plane.strides[0],
            self.coded_width,
            top,
            bottom + 1 - top,
            *self.columns,
            np.empty((self.coded_width + 2 * EDGE) * STRIP, np.int16),
            np.empty(32 * STRIP, np.int16),
            between,
        )
        vertical(
            between,
            presented,
            top,
            self.coded_height,
            *self.rows,
            begin,
            end,
            self.width,
            target.reshape(-1),
        )


def _flat(plane: Plane) -> Plane:
    """View the rows of `plane` and the gaps between them as one array of bytes."""
    height, width = plane.shape
    if plane.strides[1] != 1 or plane.strides[0] < width:
        raise ValueError("the samples of a row follow each other in memory")
    size = (height - 1) * plane.strides[0] + width
    return np.lib.stride_tricks.as_strided(plane, (size,), (1,), writeable=False)


class Upscaler:
    """(#dec.upscaling) Upscales pictures of `coded_width` x `coded_height` (even) to `width` x
    `height` (1 or more, any ratio). Positions and taps are computed once.

    Thread-safe: several threads may call `upscale` of one object.
    """

    def __init__(self, coded_width: int, coded_height: int, width: int, height: int) -> None:
        if coded_width % 2 or coded_height % 2 or min(coded_width, coded_height) < 2:
            raise ValueError(f"the coded size {coded_width}x{coded_height} is not even")
        if min(width, height) < 1:
            raise ValueError(f"the presentation size {width}x{height} is empty")
        self.coded_width, self.coded_height = coded_width, coded_height
        self.width, self.height = width, height
        even_width, even_height = width + width % 2, height + height % 2
        self._luma = _PlaneScale(
            coded_width,
            coded_height,
            positions(coded_width, even_width, CENTRED),
            positions(coded_height, even_height, CENTRED),
            width,
            height,
        )
        self._chroma = _PlaneScale(
            coded_width // 2,
            coded_height // 2,
            positions(coded_width // 2, even_width // 2, CO_SITED),
            positions(coded_height // 2, even_height // 2, CENTRED),
            even_width // 2,
            even_height // 2,
        )

    @property
    def is_identity(self) -> bool:
        """Whether presented pictures equal coded ones."""
        return (self.coded_width, self.coded_height) == (self.width, self.height)

    def upscale(
        self, planes: tuple[Plane, Plane, Plane], pool: ThreadPoolExecutor | None = None
    ) -> Picture:
        """(#dec.upscaling) Return the presented picture of the coded `planes` (y, u, v): uint8 of
        the coded size, rows contiguous, any row stride. With `pool`, its threads share the work.
        """
        scales = (self._luma, self._chroma, self._chroma)
        for plane, scale in zip(planes, scales, strict=True):
            if plane.shape != (scale.coded_height, scale.coded_width):
                raise ValueError(f"a plane has the shape {plane.shape}")
        if self.is_identity:
            return Picture(*(np.array(plane, order="C") for plane in planes))
        targets = [np.empty((scale.height, scale.width), np.uint8) for scale in scales]
        work = list(zip(scales, planes, targets, strict=True))
        if pool is None:
            for scale, plane, target in work:
                scale.band(plane, target, 0, scale.height)
        else:
            # Two halves of luma and both chroma planes: four jobs of about equal size for two
            # threads.
            jobs = [(*work[0], 0, self.height // 2), (*work[0], self.height // 2, self.height)]
            jobs += [(*plane, 0, plane[0].height) for plane in work[1:]]
            futures = [
                pool.submit(scale.band, plane, target, begin, end)
                for scale, plane, target, begin, end in jobs
                if begin < end
            ]
            for future in futures:
                future.result()
        return Picture(*targets)
