"""(#avc.8.2.1) Picture order counts of frames."""

from __future__ import annotations

from refcodec.avc.active_parameters import SequenceParameters
from refcodec.avc.slice_header import SliceHeader


class OrderCounter:
    """Derives the order counts of the pictures of a stream in decoding order."""

    def __init__(self, parameters: SequenceParameters) -> None:
        self._sequence = parameters
        self._type: int = parameters["pic_order_cnt_type"]
        self._most_significant = 0
        self._least_significant = 0
        self._frame_num = 0
        self._frame_num_offset = 0

    def decode(self, header: SliceHeader) -> tuple[int, int]:
        """(#avc.8.2.1) Return TopFieldOrderCnt and BottomFieldOrderCnt of the next picture."""
        if self._type == 0:
            return self._from_lsb(header)
        offset = self._advance(header.frame_num, header.idr)
        reference = header.nal_ref_idc != 0
        if self._type == 1:
            return self._from_cycle(
                offset + header.frame_num, reference, header.delta_pic_order_cnt
            )
        return self._from_frame_num(offset + header.frame_num, reference)

    def decode_non_existing(self, frame_num: int) -> int:
        """(#avc.8.2.5.2) Return PicOrderCnt of a frame that a gap in frame_num leaves out; with type
        0 there is none, and 0 stands for it."""
        if self._type == 0:
            return 0
        number = self._advance(frame_num, False) + frame_num
        if self._type == 1:
            return min(self._from_cycle(number, True, (0, 0)))
        return min(self._from_frame_num(number, True))

    def restart(self, top: int) -> None:
        """(#avc.8.2.1) Count on from a picture with memory_management_control_operation 5, whose
        TopFieldOrderCnt became `top`."""
        self._most_significant, self._least_significant = 0, top
        self._frame_num = self._frame_num_offset = 0

    def _from_lsb(self, header: SliceHeader) -> tuple[int, int]:
        """(#avc.8.2.1.1) Type 0."""
        if header.idr:
            self._most_significant = self._least_significant = 0
        period = 1 << (self._sequence["log2_max_pic_order_cnt_lsb_minus4"] + 4)
        value, before = header.pic_order_cnt_lsb, self._least_significant
        most = self._most_significant
        if value < before and before - value >= period // 2:
            most += period
        elif value > before and value - before > period // 2:
            most -= period
        if header.nal_ref_idc:
            self._most_significant, self._least_significant = most, value
        top = most + value
        return top, top + header.delta_pic_order_cnt_bottom

    def _advance(self, frame_num: int, idr: bool) -> int:
        """Return FrameNumOffset of the picture with `frame_num`."""
        if idr:
            self._frame_num_offset = 0
        elif self._frame_num > frame_num:
            self._frame_num_offset += self._sequence.max_frame_num
        self._frame_num = frame_num
        return self._frame_num_offset

    def _from_cycle(self, number: int, reference: bool, delta: tuple[int, int]) -> tuple[int, int]:
        """(#avc.8.2.1.2) Type 1; `number` is FrameNumOffset + frame_num."""
        sequence = self._sequence
        offsets = sequence.values.get("offset_for_ref_frame", [])
        assert isinstance(offsets, list)
        absolute = number if offsets else 0
        if not reference and absolute > 0:
            absolute -= 1
        expected = 0
        if absolute > 0:
            cycles, in_cycle = divmod(absolute - 1, len(offsets))
            expected = cycles * sum(offsets) + sum(offsets[: in_cycle + 1])  # type: ignore[arg-type]
        if not reference:
            expected += sequence["offset_for_non_ref_pic"]
        top = expected + delta[0]
        return top, top + sequence["offset_for_top_to_bottom_field"] + delta[1]

    @staticmethod
    def _from_frame_num(number: int, reference: bool) -> tuple[int, int]:
        """(#avc.8.2.1.3) Type 2; `number` is FrameNumOffset + frame_num."""
        count = 2 * number - (0 if reference or number == 0 else 1)
        return count, count
