"""(#dec.output) The output order of H.264, for the rule that presentation times increase in it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from refcodec.errors import HypError, for_requirement


class OutputOrder:
    """Picture order counts of the access units of a segment, and their presentation offsets.

    Follows H.264, 8.2.1, for frames and pic_order_cnt_type 0 and 2.
    """

    def __init__(self, sps: Any, after_injected: bool) -> None:
        """`sps` are the values of the sequence parameter set. `after_injected` says that an
        injected IDR picture, with order count and frame_num 0, stands before the first one."""
        self._sps = sps
        self._known = after_injected
        self._most_significant = self._least_significant = 0
        self._frame_num = self._frame_num_offset = 0
        self._shown: list[tuple[int, int]] = []

    def access_unit(self, nal: Any, header: Any, presentation_offset: int) -> None:
        """Take the first slice of the next access unit, in decoding order."""
        if nal["nal_unit_type"] == 5:
            self._known = True
            self._most_significant = self._least_significant = self._frame_num_offset = 0
            self._frame_num = 0
        if not self._known:
            return
        if self._sps["pic_order_cnt_type"] == 0:
            count = self._from_lsb(nal, header)
        else:
            count = self._from_frame_num(nal, header)
        self._shown.append((count, presentation_offset))
        marking = header.get("dec_ref_pic_marking") or {}
        operations = marking.get("memory_management_operation") or []
        if any(row["memory_management_control_operation"] == 5 for row in operations):
            # Order counts begin anew behind this picture; what follows is not comparable.
            self._known = False

    def _from_lsb(self, nal: Any, header: Any) -> int:
        """(H.264, 8.2.1.1)"""
        period = 1 << (self._sps["log2_max_pic_order_cnt_lsb_minus4"] + 4)
        value: int = header["pic_order_cnt_lsb"]
        most, least = self._most_significant, self._least_significant
        if nal["nal_unit_type"] != 5:
            if value < least and least - value >= period // 2:
                most += period
            elif value > least and value - least > period // 2:
                most -= period
        if nal["nal_ref_idc"]:
            self._most_significant, self._least_significant = most, value
        return most + value

    def _from_frame_num(self, nal: Any, header: Any) -> int:
        """(H.264, 8.2.1.3)"""
        frame_num: int = header["frame_num"]
        if frame_num < self._frame_num:
            self._frame_num_offset += 1 << (self._sps["log2_max_frame_num_minus4"] + 4)
        self._frame_num = frame_num
        count = 2 * (self._frame_num_offset + frame_num)
        return count if nal["nal_ref_idc"] else count - 1

    def finished(self, offset: int) -> Iterator[HypError]:
        """(#sem.access_unit.presentation_offset) Yield a finding when the presentation offsets do not
        increase with the order counts; `offset` is the place of the keyframe unit."""
        times = [time for _, time in sorted(self._shown)]
        for before, after in pairwise(times):
            # Equal ones have a rule of their own.
            if after < before:
                yield for_requirement(
                    "HYP-PIC-028",
                    bit_offset=8 * offset,
                    element="presentation_offset",
                    value=after,
                    allowed=f"more than {before}",
                )
                return
