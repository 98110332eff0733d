"""(#substrate.access_units) The access units of a segment as H.264, down to the last macroblock."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from refcodec.avc.parameter_sets import SequenceParameterSet
from refcodec.container import AccessUnit, Keyframe, Pictures, Segment, SequenceHeader
from refcodec.decoder.decoding import MEMORY
from refcodec.decoder.numba_substrate import NumbaSubstrate
from refcodec.decoder.preparation import PreparedSegment, SequenceSetup
from refcodec.errors import HypError
from refcodec.picture import Picture

REQUIREMENT = "HYP-AVC-005"


class SliceDataRules:
    """Decodes each segment in which nothing else is wrong: what is, would show here once more.

    A grey picture stands for a generated keyframe, as no syntax of H.264 depends on samples.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._setup: SequenceSetup | None = None
        self._substrate: NumbaSubstrate | None = None
        self._keyframe: Keyframe | None = None
        self._offset = 0
        self._access_units: list[AccessUnit] = []

    def header(self, offset: int, header: SequenceHeader) -> Iterator[HypError]:
        """Take the sequence header; yield HYP-E-LVL-09 when its pictures are too large to be looked at."""
        try:
            self._setup = SequenceSetup(header, None, MEMORY, self._threads)
        except HypError as fault:
            if fault.klass == "resource":
                fault.bit_offset = 8 * offset
                yield fault
            return
        self._substrate = NumbaSubstrate(header.coded_width, header.coded_height, self._threads)

    def unit(self, offset: int, content: object, sound: bool) -> Iterator[HypError]:
        """Take a unit, and check the segment that it ends; `sound`: nothing is wrong with it."""
        if isinstance(content, Keyframe):
            yield from self.segment_end()
            self._keyframe, self._offset, self._access_units = content, offset, []
        if not sound:
            self.fault()
        elif isinstance(content, Pictures) and self._keyframe is not None:
            self._access_units += content.access_units

    def fault(self) -> None:
        """Say that something is wrong with the segment."""
        self._keyframe = None
        self._access_units = []

    def segment_end(self) -> Iterator[HypError]:
        """Check the segment that is over; called once more at the end of the file."""
        keyframe, self._keyframe = self._keyframe, None
        units, self._access_units = tuple(self._access_units), []
        if keyframe is None or not units or self._setup is None or self._substrate is None:
            return
        sets = self._setup.sets
        generated = _grey(sets.sps) if keyframe.generated else None
        segment = Segment(self._offset, keyframe, units)
        try:
            for _ in self._substrate.decode(PreparedSegment(segment, generated, []), sets):
                pass
        except HypError as fault:
            fault.requirement, fault.bit_offset = REQUIREMENT, 8 * self._offset
            fault.detail = f"{fault.detail or ''} It is in segment {segment.number}.".strip()
            yield fault

    def close(self) -> None:
        """End the decoder's threads."""
        if self._substrate is not None:
            self._substrate.close()


def _grey(sps: SequenceParameterSet) -> Picture:
    rows, columns = 16 * sps.pic_height_in_mbs, 16 * sps.pic_width_in_mbs
    chroma = np.full((rows // 2, columns // 2), 128, np.uint8)
    return Picture(np.full((rows, columns), 128, np.uint8), chroma, chroma)
