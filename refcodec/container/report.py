"""What was lost while a file was read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from refcodec.container.structures import type_name
from refcodec.errors import HypError
from refcodec.wording import counted

LONGEST_LIST = 1000
"""Entries of each kind that a report keeps; it goes on counting after them."""


@dataclass(slots=True)
class Loss:
    """Bytes [start, end) that gave nothing.

    `unit_type` and `segment` (its segment_number) where they are known; `pictures` the number of
    pictures lost by it, None where it cannot be known.
    """

    start: int
    end: int
    unit_type: int | None
    error: HypError
    segment: int | None = None
    pictures: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the loss as plain values (for JSON)."""
        return {
            "start": self.start,
            "end": self.end,
            "unit_type": self.unit_type,
            "segment": self.segment,
            "pictures": self.pictures,
            "error": self.error.as_dict(),
        }

    def __str__(self) -> str:
        what = "bytes" if self.unit_type is None else type_name(self.unit_type).replace("_", " ")
        parts = [f"bytes {self.start} to {self.end}: {what} lost"]
        if self.segment is not None:
            parts.append(f", segment {self.segment}")
        if self.pictures:
            parts.append(f", {counted(self.pictures, 'picture')}")
        parts.append(f"; {self.error}")
        return "".join(parts)


@dataclass(slots=True)
class DamageReport:
    """Losses in the order of the file, and what was read.

    `losses` are bytes that gave nothing; `findings` are rules that an intact unit breaks. Both keep
    the first LONGEST_LIST; `loss_count` and `finding_count` count all. `pictures_lost` counts the
    pictures known to be lost; `segments_damaged` the segments that are not complete.
    """

    losses: list[Loss] = field(default_factory=list)
    findings: list[HypError] = field(default_factory=list)
    loss_count: int = 0
    finding_count: int = 0
    segments_intact: int = 0
    segments_damaged: int = 0
    pictures_read: int = 0
    pictures_lost: int = 0
    unknown_units: int = 0
    end_reached: bool = False

    @property
    def intact(self) -> bool:
        """Whether nothing was lost and no rule was broken so far."""
        return not (self.loss_count or self.finding_count or self.segments_damaged)

    def lose(self, loss: Loss) -> Loss:
        """Add `loss`; return it."""
        self.loss_count += 1
        if len(self.losses) < LONGEST_LIST:
            self.losses.append(loss)
        return loss

    def find(self, finding: HypError) -> None:
        """Add a broken rule."""
        self.finding_count += 1
        if len(self.findings) < LONGEST_LIST:
            self.findings.append(finding)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain values (for JSON)."""
        return {
            "intact": self.intact,
            "segments_intact": self.segments_intact,
            "segments_damaged": self.segments_damaged,
            "pictures_read": self.pictures_read,
            "pictures_lost": self.pictures_lost,
            "unknown_units": self.unknown_units,
            "end_reached": self.end_reached,
            "loss_count": self.loss_count,
            "losses": [loss.as_dict() for loss in self.losses],
            "finding_count": self.finding_count,
            "findings": [finding.as_dict() for finding in self.findings],
        }

    def __str__(self) -> str:
        """One line a loss and a finding, after a line with the counts."""
        lines = [
            f"{counted(self.segments_intact, 'segment')} intact, {self.segments_damaged} damaged; "
            f"{counted(self.pictures_read, 'picture')} read, {self.pictures_lost} known to be lost"
        ]
        lines += [f"  {loss}" for loss in self.losses]
        lines += [f"  {finding}" for finding in self.findings]
        hidden = self.loss_count - len(self.losses) + self.finding_count - len(self.findings)
        if hidden:
            lines.append(f"  and {hidden} more")
        return "\n".join(lines)
