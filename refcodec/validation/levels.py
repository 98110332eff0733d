"""(#level) The limits of the levels, from spec/tables/levels.toml."""

from __future__ import annotations

import tomllib
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from typing import Any

from refcodec.container import Keyframe, Pictures, SequenceHeader, Unit
from refcodec.errors import HypError, for_requirement
from spec import data

SAMPLES_PER_MACROBLOCK = 256


@cache
def limits(level: int) -> dict[str, int] | None:
    """Return the limits of `level` by name, or None for a level that the table does not have."""
    with data("tables/levels.toml").open("rb") as file:
        row: dict[str, int] | None = tomllib.load(file)["level"].get(str(level))
    return row


class LevelRules:
    """The limits that a stream promises to keep. `None` for the header means: nothing to check."""

    def __init__(self) -> None:
        self._header: SequenceHeader | None = None
        self._limits: dict[str, int] = {}
        self._coded_samples = 0
        self._keyframe: Keyframe | None = None
        self._offset = 0
        self._bytes = 0
        self._last_offset = 0
        self._generated: deque[Fraction] = deque()

    def header(self, offset: int, header: SequenceHeader) -> Iterator[HypError]:
        """(#level.size) Take the sequence header; yield the sizes beyond its level."""
        found = limits(header.level)
        if self._header is not None or found is None:
            return
        self._header, self._limits = header, found
        width, height = header.coded_width, header.coded_height
        macroblocks = -(-width // 16) * -(-height // 16)
        self._coded_samples = SAMPLES_PER_MACROBLOCK * macroblocks
        presented = header.presentation_width * header.presentation_height
        sides = (
            ("HYP-LVL-001", "coded_width, coded_height", max(width, height)),
            (
                "HYP-LVL-002",
                "presentation_width, presentation_height",
                max(header.presentation_width, header.presentation_height),
            ),
        )
        for requirement, element, side in sides:
            yield from self._above(requirement, offset, element, side, "max_dimension")
        yield from self._above(
            "HYP-LVL-001", offset, "coded samples", self._coded_samples, "max_coded_samples"
        )
        yield from self._above(
            "HYP-LVL-002", offset, "presentation samples", presented, "max_presentation_samples"
        )

    def cost(self, offset: int, cost: float) -> Iterator[HypError]:
        """(#level.generator) Check the cost of the model, multiplications a luma sample."""
        if self._header is not None and cost > self._limits["max_generator_cost"]:
            yield self._error("HYP-LVL-005", offset, "model_digest", cost, "max_generator_cost")

    def level_idc(self, offset: int, level_idc: int) -> Iterator[HypError]:
        """(#level.substrate) Check level_idc of the sequence parameter set."""
        if self._header is not None:
            yield from self._above(
                "HYP-LVL-007", offset, "level_idc", level_idc, "max_avc_level_idc"
            )

    def unit(self, unit: Unit, content: Any) -> Iterator[HypError]:
        """(#level) Check a unit, and the segment that it ends."""
        if self._header is None:
            return
        size = unit.payload_size
        yield from self._above("HYP-LVL-006", unit.offset, "payload_size", size, "max_unit_payload")
        if isinstance(content, Keyframe):
            yield from self.segment_end()
            self._keyframe, self._offset = content, unit.offset
            self._bytes, self._last_offset = len(unit.data), 0
            yield from self._above(
                "HYP-LVL-008",
                unit.offset,
                "picture_count",
                content.picture_count,
                "max_segment_pictures",
            )
            if content.generated:
                yield from self._above(
                    "HYP-LVL-006", unit.offset, "payload_size", size, "max_prompt_size"
                )
                yield from self._generated_rate(unit.offset, content)
        elif isinstance(content, Pictures) and self._keyframe is not None:
            self._bytes += len(unit.data)
            offsets = (access_unit.presentation_offset for access_unit in content.access_units)
            self._last_offset = max(self._last_offset, *offsets)

    def segment_end(self) -> Iterator[HypError]:
        """(#level.rate) Check the segment that is over; called once more at the end of the file."""
        keyframe, header = self._keyframe, self._header
        if keyframe is None or header is None:
            return
        self._keyframe = None
        ticks = keyframe.segment_duration
        if not ticks:
            ticks = self._last_offset + max(header.picture_duration, 1)
        duration = ticks * header.tick
        if duration > self._limits["max_segment_seconds"]:
            yield self._error(
                "HYP-LVL-008",
                self._offset,
                "segment_duration",
                float(duration),
                "max_segment_seconds",
            )
        yield from self._above(
            "HYP-LVL-008", self._offset, "segment bytes", self._bytes, "max_segment_size"
        )
        if 8 * self._bytes > self._limits["max_bit_rate"] * max(duration, Fraction(1)):
            rate = round(8 * self._bytes / max(duration, Fraction(1)))
            yield self._error("HYP-LVL-004", self._offset, "bit rate", rate, "max_bit_rate")
        if keyframe.picture_count == 1:
            return
        presented = header.presentation_width * header.presentation_height
        for samples, limit in (
            (self._coded_samples, "max_coded_sample_rate"),
            (presented, "max_presentation_sample_rate"),
        ):
            if keyframe.picture_count * samples > self._limits[limit] * duration:
                rate = round(keyframe.picture_count * samples / duration)
                yield self._error("HYP-LVL-003", self._offset, "samples a second", rate, limit)

    def _generated_rate(self, offset: int, keyframe: Keyframe) -> Iterator[HypError]:
        """(#level.generator) Check the generated samples of the second that ends here."""
        assert self._header is not None
        time = keyframe.segment_time * self._header.tick
        times = self._generated
        times.append(time)
        while times[0] <= time - 1 or times[0] > time:
            times.popleft()
        most = self._limits["max_generated_sample_rate"]
        rate = len(times) * self._coded_samples
        if len(times) > 1 and rate > most:
            yield self._error(
                "HYP-LVL-005", offset, "generated samples", rate, "max_generated_sample_rate"
            )
            # One finding for each crowd, not for each of its members.
            times.clear()

    def _above(
        self, requirement: str, offset: int, element: str, value: int, limit: str
    ) -> Iterator[HypError]:
        if value > self._limits[limit]:
            yield self._error(requirement, offset, element, value, limit)

    def _error(
        self, requirement: str, offset: int, element: str, value: float, limit: str
    ) -> HypError:
        assert self._header is not None
        return for_requirement(
            requirement,
            bit_offset=8 * offset,
            element=element,
            value=value,
            allowed=f"at most {self._limits[limit]}",
            detail=f"{limit} of level {self._header.level}.",
        )
