"""A picture in the decoded picture buffer."""

from __future__ import annotations

from dataclasses import dataclass

from refcodec.avc.frame_slots import SlotLease

UNUSED, SHORT_TERM, LONG_TERM = 0, 1, 2
"""Marking: unused for reference, used for short-term or for long-term reference (8.2.5)."""


@dataclass(slots=True, eq=False)
class StoredPicture:
    """A decoded frame, or a "non-existing" one (8.2.5.2), which has no `lease` of a slot.

    `identity` is unique in the stream. `order_count` is PicOrderCnt, `frame_num_wrap` and the
    numbers that follow from it are those for the picture that is being decoded. `number` is the
    access unit's, given by who feeds the decoder. `hidden` pictures are never given out.
    """

    identity: int
    lease: SlotLease | None
    number: int
    frame_num: int
    order_count: int
    marking: int = UNUSED
    frame_num_wrap: int = 0
    long_term_frame_idx: int = -1
    waiting: bool = False
    hidden: bool = False

    @property
    def existing(self) -> bool:
        """Whether it has samples."""
        return self.lease is not None

    @property
    def lease_number(self) -> int:
        """The number of its lease; -1 when it has none."""
        return -1 if self.lease is None else self.lease.number

    @property
    def in_use(self) -> bool:
        """Whether it takes a frame buffer: for reference or waiting for output."""
        return self.marking != UNUSED or self.waiting
