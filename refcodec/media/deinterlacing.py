"""Interlaced frames as pictures."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import av.error
import av.filter


class Deinterlacer:
    """libavfilter's bwdif, one output picture a frame; frames that are not flagged interlaced pass unchanged."""

    def __init__(self, frame: Any) -> None:
        # Times go round the filter in a list: its own time base may be finer than the stream's.
        graph = av.filter.Graph()
        source = graph.add_buffer(
            width=frame.width,
            height=frame.height,
            format=frame.format,
            time_base=Fraction(1, 1000),
        )
        bwdif = graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced")
        sink = graph.add("buffersink")
        graph.link_nodes(source, bwdif, sink)
        graph.configure()
        self._graph = graph
        self._stamps: list[Fraction] = []
        self._pushed = 0

    def push(self, frame: Any, stamp: Fraction) -> Iterator[tuple[Any, Fraction]]:
        """Take a frame and its time; yield what is ready by now, likewise."""
        frame.pts = self._pushed
        frame.time_base = Fraction(1, 1000)
        self._pushed += 1
        self._stamps.append(stamp)
        self._graph.vpush(frame)
        yield from self._pulled()

    def finish(self) -> Iterator[tuple[Any, Fraction]]:
        """Yield what is left."""
        self._graph.vpush(None)
        yield from self._pulled()

    def _pulled(self) -> Iterator[tuple[Any, Fraction]]:
        while self._stamps:
            try:
                frame = self._graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            yield frame, self._stamps.pop(0)
