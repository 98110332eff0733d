"""Times of the exported samples: where injected pictures stand so that nobody sees them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from refcodec.exporting.iso_boxes import Edit

UNITS_PER_TICK = 64
"""Media time units of one tick of the HYP file, where the time scale's 31 bits allow it."""

NOTHING = -1
"""Media time of an edit during which nothing is shown."""

LARGEST_TIME_SCALE = (1 << 31) - 1


def time_scale(tick: Fraction) -> int:
    """(#export.timeline) Return the units a second of the exported file for a tick of `tick`
    seconds."""
    fine = tick.denominator * UNITS_PER_TICK
    return fine if fine <= LARGEST_TIME_SCALE else LARGEST_TIME_SCALE


class Timeline:
    """(#export.timeline) Times of the samples of one track, and its edit list.

    An injected picture is inserted into the media time line for one unit, right before the segment
    that it begins; what follows is one unit later for it. The edit list leaves that unit out, so
    that the presentation has the times of the HYP file exactly. A player that ignores the list
    shows the picture for one unit, less than a millionth of a second at ordinary rates.
    """

    def __init__(self, tick: Fraction) -> None:
        self.scale = time_scale(tick)
        self._inserted = 0
        self._delay: int | None = None
        self._decoding = -1
        self._first = 0
        self._edits: list[Edit] = []
        self._shown = 0
        self._end = 0

    def units(self, seconds: Fraction) -> int:
        """Return `seconds` in media time units, rounded down."""
        return seconds * self.scale // 1

    def segment(
        self, times: Sequence[Fraction], end: Fraction, injected: bool
    ) -> list[tuple[int, int, int]]:
        """Return decoding time, composition time and duration of each sample of a segment: of the
        injected picture, if there is one, then of the access units presented at `times` (seconds).
        The segment ends at `end`.

        Decoding times are the composition times in order, less a delay that the first segment
        fixes, so that durations are those of the presentation: players take them for that. Where a
        later segment needs more delay, its times are moved; they increase by one unit at least and
        never exceed composition times.
        """
        start = self.units(min(times))
        if self._decoding < 0 and start > 0:
            self._edits.append(Edit(start, NOTHING))
            self._shown = self._first = start
        if injected:
            self._close_edit(start)
            self._inserted += 1
        composition = [self.units(time) + self._inserted for time in times]
        if injected:
            composition.insert(0, start + self._inserted - 1)
        decoding = sorted(composition)
        if self._delay is None:
            self._delay = max(a - b for a, b in zip(decoding, composition, strict=True))
        composition = [time + self._delay for time in composition]
        decoding = [min(pair) for pair in zip(decoding, composition, strict=True)]
        for i in range(len(decoding) - 2, -1, -1):
            decoding[i] = min(decoding[i], decoding[i + 1] - 1)
        for i, time in enumerate(decoding):
            decoding[i] = self._decoding = max(time, self._decoding + 1, self._first)
            composition[i] = max(composition[i], decoding[i])
        self._end = max(self._end, self.units(end), self.units(max(times)) + 1)
        following = [*decoding[1:], max(self._end + self._inserted, decoding[-1] + 1)]
        durations = [after - time for time, after in zip(decoding, following, strict=True)]
        return list(zip(decoding, composition, durations, strict=True))

    def _close_edit(self, until: int) -> None:
        """End the stretch of the presentation that has no injected picture inside at `until`."""
        if until > self._shown:
            # Media times count from the decoding time of the first sample.
            media_time = self._shown + self._inserted - self._first + (self._delay or 0)
            self._edits.append(Edit(until - self._shown, media_time))
            self._shown = until

    def edits(self) -> list[Edit]:
        """Return the edit list, in which movie and media have the same time scale."""
        self._close_edit(self._end)
        return self._edits
