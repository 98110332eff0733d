"""What a decode gave and what it lost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from refcodec.container.report import LONGEST_LIST, DamageReport
from refcodec.errors import HypError
from refcodec.wording import counted


@dataclass(frozen=True, slots=True)
class SegmentLoss:
    """Pictures of one segment that could not be decoded, and why."""

    segment: int
    pictures: int
    error: HypError

    def as_dict(self) -> dict[str, Any]:
        """Return the loss as plain values (for JSON)."""
        return {
            "segment": self.segment,
            "pictures": self.pictures,
            "error": self.error.as_dict(),
        }

    def __str__(self) -> str:
        return f"segment {self.segment}: {counted(self.pictures, 'picture')} lost; {self.error}"


@dataclass(slots=True)
class DecodeReport:
    """Counts of a decode, complete when its iterator ends.

    `container` is the report of the reader; `losses` are what decoding lost besides, the first
    LONGEST_LIST of them. Times are in seconds: of all generated keyframes, and of the slowest one,
    from prompt to injected access unit.
    """

    container: DamageReport
    pictures: int = 0
    segments: int = 0
    generated_keyframes: int = 0
    keyframe_seconds: float = 0.0
    worst_keyframe_seconds: float = 0.0
    loss_count: int = 0
    pictures_undecoded: int = 0
    losses: list[SegmentLoss] = field(default_factory=list)

    @property
    def intact(self) -> bool:
        """Whether nothing was lost and no rule of the container was broken."""
        return self.container.intact and not self.loss_count

    @property
    def pictures_lost(self) -> int:
        """Pictures known to be lost, by damage of the file or in decoding."""
        return self.container.pictures_lost + self.pictures_undecoded

    def lose(self, segment: int, pictures: int, error: HypError) -> None:
        """Add a loss."""
        self.loss_count += 1
        self.pictures_undecoded += pictures
        if len(self.losses) < LONGEST_LIST:
            self.losses.append(SegmentLoss(segment, pictures, error))

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain values (for JSON)."""
        return {
            "intact": self.intact,
            "pictures": self.pictures,
            "pictures_lost": self.pictures_lost,
            "segments": self.segments,
            "generated_keyframes": self.generated_keyframes,
            "keyframe_seconds": self.keyframe_seconds,
            "worst_keyframe_seconds": self.worst_keyframe_seconds,
            "losses": [loss.as_dict() for loss in self.losses],
            "container": self.container.as_dict(),
        }

    def __str__(self) -> str:
        """One line with the counts, then one a loss."""
        lines = [
            f"{counted(self.pictures, 'picture')} of {counted(self.segments, 'segment')} decoded"
        ]
        if self.pictures_lost:
            lines[0] += f", {self.pictures_lost} lost"
        lines += [f"  {loss}" for loss in self.losses]
        if not self.container.intact:
            lines.append(str(self.container))
        return "\n".join(lines)
