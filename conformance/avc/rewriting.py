"""Streams of x264 with other headers, for the parts of H.264 that x264 never uses.

The macroblocks stay as they are; around them picture order counts get another type, reference
pictures become long-term or are marked unused, lists are modified, weights are explicit in B slices,
scaling matrices fall back, frame numbers have gaps. The pictures then are others than x264 meant, but
a conforming stream says exactly which, and two decoders have to agree on them.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from refcodec import syntax
from refcodec.avc.access_units import (
    NAL_IDR_SLICE,
    NAL_PICTURE_PARAMETER_SET,
    NAL_SEQUENCE_PARAMETER_SET,
    NAL_SLICE,
    nal_unit_type,
    to_annex_b,
)
from refcodec.avc.nal import add_emulation_prevention, nal_units, remove_emulation_prevention
from refcodec.avc.parameter_sets import avc_syntax

P, B = 0, 1

LARGEST_LEVEL = 51
"""Sixteen pictures of up to 1920x1088 fit into its decoded picture buffer."""


def rewritten(
    access_units: Sequence[bytes], seed: int, *, other_matrices: bool = True
) -> list[bytes]:
    """Return the stream with headers that follow from `seed`; as it is when `seed` is 0.

    other_matrices: scaling matrices may be replaced. Where residuals are large they would leave the
    range that H.264 allows (8.5.12.1), and what decoders do then is theirs.
    """
    if not seed:
        return list(access_units)
    return _Rewriter(access_units, seed, other_matrices).run()


@dataclass
class _Reference:
    """A picture of the buffer model. index: LongTermFrameIdx, None for a short-term picture."""

    frame_num: int
    number: int
    existing: bool = True
    index: int | None = None


class _Buffer:
    """(#avc.8.2.5) Which pictures are references, as the headers written so far mark them."""

    def __init__(self, capacity: int, max_frame_num: int) -> None:
        self.capacity = capacity
        self.max_frame_num = max_frame_num
        self.references: list[_Reference] = []
        self.long_term_indices = 0

    @property
    def short(self) -> list[_Reference]:
        return [r for r in self.references if r.index is None]

    @property
    def long(self) -> list[_Reference]:
        return [r for r in self.references if r.index is not None]

    @property
    def existing(self) -> list[_Reference]:
        return [r for r in self.references if r.existing]

    def slide(self) -> None:
        """(#avc.8.2.5.3) Make room for one picture."""
        if len(self.references) >= self.capacity and self.short:
            self.references.remove(min(self.short, key=lambda r: r.number))

    def add(self, frame_num: int, number: int, existing: bool = True) -> None:
        self.references.append(_Reference(frame_num, number, existing))


class _Rewriter:
    def __init__(self, access_units: Sequence[bytes], seed: int, other_matrices: bool) -> None:
        self.other_matrices = other_matrices
        self.units = [[bytes(unit) for unit in nal_units(data)] for data in access_units]
        self.random = random.Random(seed)
        self.sets: dict[int, Any] = {}
        self.new_sets: dict[int, Any] = {}
        headers = self._headers()
        b_slices = [h for _, h in headers if h["slice_type"] % 5 == B]
        self.has_b = bool(b_slices)
        # Temporal direct prediction takes the references of a colocated picture from list 0: other
        # lists would make the stream invalid.
        temporal = any(not h["direct_spatial_mv_pred_flag"] for h in b_slices)
        chance = self.random
        self.other_marking = not temporal and chance.random() < 0.8
        self.gaps = not temporal and not self.has_b and chance.random() < 0.3
        self.other_marking = self.other_marking or self.gaps
        self.other_lists = self.other_marking or (not temporal and chance.random() < 0.5)
        types = [0, 1] if self.has_b else [0, 1, 2]
        self.order_count_type = chance.choice(types)
        self.other_filter = chance.random() < 0.5
        self.explicit_b = chance.random() < 0.5
        self.cycle = [chance.randint(-2, 6) for _ in range(chance.randint(0, 3))]
        self.unreferenced_offset = chance.randint(-3, 2)
        self.inference = chance.random() < 0.5
        self.buffer = _Buffer(1, 16)
        self.reference_frame_num = 0
        self.number = 0
        self.base = 0
        self.frame_num_offset = 0
        self.previous_frame_num = 0
        self.missing = 0

    # ------------------------------------------------------------------ reading

    def _headers(self) -> list[tuple[int, Any]]:
        found = []
        for number, units in enumerate(self.units):
            for unit in units:
                self._learn(unit)
                if nal_unit_type(unit) in (NAL_SLICE, NAL_IDR_SLICE):
                    found.append((number, self._slice_header(unit)[0]))
        return found

    def _learn(self, unit: bytes) -> None:
        kind = nal_unit_type(unit)
        rbsp = remove_emulation_prevention(unit[1:])
        tree = avc_syntax()
        if kind == NAL_SEQUENCE_PARAMETER_SET:
            self.sets[kind] = syntax.read(tree, "seq_parameter_set_rbsp", rbsp)
        elif kind == NAL_PICTURE_PARAMETER_SET:
            params = {"chroma_format_idc": 1}
            self.sets[kind] = syntax.read(tree, "pic_parameter_set_rbsp", rbsp, 0, params)

    @staticmethod
    def _params(sets: dict[int, Any], unit: bytes) -> dict[str, Any]:
        nal = syntax.read(avc_syntax(), "nal_unit_header", unit[:1])
        sps = sets[NAL_SEQUENCE_PARAMETER_SET]["seq_parameter_set_data"]
        return {"nal": nal, "sps": sps, "pps": sets[NAL_PICTURE_PARAMETER_SET]}

    def _slice_header(self, unit: bytes) -> tuple[Any, bytes]:
        rbsp = remove_emulation_prevention(unit[1:])
        params = self._params(self.sets, unit)
        return syntax.read(avc_syntax(), "slice_header", rbsp, 0, params), rbsp

    # ------------------------------------------------------------------ writing

    def run(self) -> list[bytes]:
        order = _OrderCounts(self.sets[NAL_SEQUENCE_PARAMETER_SET]["seq_parameter_set_data"])
        out = []
        for units in self.units:
            slices = [u for u in units if nal_unit_type(u) in (NAL_SLICE, NAL_IDR_SLICE)]
            written = []
            for unit in units:
                kind = nal_unit_type(unit)
                if kind in (NAL_SEQUENCE_PARAMETER_SET, NAL_PICTURE_PARAMETER_SET):
                    self._learn(unit)
                    written.append(self._parameter_set(unit))
                elif kind not in (NAL_SLICE, NAL_IDR_SLICE):
                    written.append(unit)
            first = self._slice_header(slices[0])[0]
            count = order.next(first, slices[0])
            if self._drops(slices[0]):
                self.missing += 1
                continue
            written += self._picture(slices, first, count)
            out.append(to_annex_b(written))
        return out

    def _drops(self, unit: bytes) -> bool:
        """Whether to leave this reference picture out, which makes a gap in frame_num."""
        if not self.gaps or nal_unit_type(unit) == NAL_IDR_SLICE or not unit[0] >> 5:
            return False
        if self.random.random() > 0.25:
            return False
        # Some picture has to remain that can be referred to.
        room = self.buffer.capacity - len(self.buffer.long)
        ages = sorted((r.number for r in self.buffer.short if r.existing), reverse=True)
        return bool(self.buffer.long) or (bool(ages) and self.missing + 2 < room)

    def _picture(self, slices: list[bytes], first: Any, count: int) -> list[bytes]:
        idr = nal_unit_type(slices[0]) == NAL_IDR_SLICE
        referenced = slices[0][0] >> 5
        max_frame_num = self.buffer.max_frame_num
        if idr:
            frame_num = 0
            self.buffer.references.clear()
            self.buffer.long_term_indices = 0
            self.base, self.missing = count, 0
            self.frame_num_offset = self.previous_frame_num = 0
        else:
            for step in range(self.missing):
                gap = (self.reference_frame_num + 1 + step) % max_frame_num
                self.buffer.slide()
                self.number += 1
                self.buffer.add(gap, self.number, existing=False)
                self._advance(gap)
            frame_num = (self.reference_frame_num + 1 + self.missing) % max_frame_num
            self.missing = 0
        self._advance(frame_num)
        self.number += 1
        marking = self._marking(idr, frame_num, first) if referenced else None
        # lists are those before marking
        before = list(self.before) if referenced else list(self.buffer.references)
        out = [self._slice(unit, frame_num, count, marking, before) for unit in slices]
        if referenced:
            self.reference_frame_num = 0 if self.cleared else frame_num
            if self.cleared:
                self.base = count
                self.frame_num_offset = self.previous_frame_num = 0
        return out

    def _advance(self, frame_num: int) -> None:
        """(#avc.8.2.1.2) Follow FrameNumOffset."""
        if frame_num < self.previous_frame_num:
            self.frame_num_offset += self.buffer.max_frame_num
        self.previous_frame_num = frame_num

    before: list[_Reference]
    cleared = False

    def _marking(self, idr: bool, frame_num: int, header: Any) -> dict[str, Any]:
        """(#avc.7.4.3.3) Return the marking of a reference picture; apply it to the model."""
        chance, buffer = self.random, self.buffer
        self.before = list(buffer.references)
        before_state = [(r, r.index) for r in self.before]
        self.cleared = False
        if idr:
            long_term = int(self.other_marking and chance.random() < 0.5 and buffer.capacity > 1)
            buffer.add(0, self.number)
            if long_term:
                buffer.references[-1].index = 0
                buffer.long_term_indices = 1
            return {"no_output_of_prior_pics_flag": 0, "long_term_reference_flag": long_term}
        if not self.other_marking:
            return self._same_marking(frame_num, header["dec_ref_pic_marking"])
        stale = [
            r
            for r in buffer.short
            if (frame_num - r.frame_num) % buffer.max_frame_num > buffer.max_frame_num // 2
        ]
        if not stale and chance.random() < 0.5:
            buffer.slide()
            buffer.add(frame_num, self.number)
            return {"adaptive_ref_pic_marking_mode_flag": 0}
        operations = self._operations(frame_num, stale)
        # The lists of this picture see the buffer before these operations.
        self.before = [
            _Reference(r.frame_num, r.number, r.existing, index) for r, index in before_state
        ]
        operations.append({"memory_management_control_operation": 0})
        return {
            "adaptive_ref_pic_marking_mode_flag": 1,
            "memory_management_operation": operations,
        }

    def _same_marking(self, frame_num: int, marking: dict[str, Any]) -> dict[str, Any]:
        """Apply x264's own marking, which has no operation but the first, to the model."""
        buffer = self.buffer
        if not marking["adaptive_ref_pic_marking_mode_flag"]:
            buffer.slide()
        for operation in marking.get("memory_management_operation", []):
            if operation["memory_management_control_operation"] == 1:
                gone = frame_num - operation["difference_of_pic_nums_minus1"] - 1
                gone %= buffer.max_frame_num
                buffer.references = [r for r in buffer.references if r.frame_num != gone]
        buffer.add(frame_num, self.number)
        return marking

    def _operations(self, frame_num: int, stale: list[_Reference]) -> list[dict[str, int]]:
        chance, buffer = self.random, self.buffer
        found: list[dict[str, int]] = []

        def operation(kind: int, **values: int) -> None:
            found.append({"memory_management_control_operation": kind, **values})

        def difference(reference: _Reference) -> int:
            return (frame_num - reference.frame_num) % buffer.max_frame_num - 1

        def discard(reference: _Reference) -> None:
            buffer.references.remove(reference)
            if reference.index is None:
                operation(1, difference_of_pic_nums_minus1=difference(reference))
            else:
                operation(2, long_term_pic_num=reference.index)

        if not self.has_b and chance.random() < 0.15:
            operation(5)
            buffer.references.clear()
            buffer.long_term_indices = 0
            self.cleared = True
            buffer.add(0, self.number)
            return found
        for reference in stale:
            discard(reference)
        if chance.random() < 0.6 and buffer.capacity > 1:
            buffer.long_term_indices = chance.randint(0, min(3, buffer.capacity - 1))
            operation(4, max_long_term_frame_idx_plus1=buffer.long_term_indices)
            buffer.references = [
                r
                for r in buffer.references
                if r.index is None or r.index < buffer.long_term_indices
            ]
        able = [r for r in buffer.short if r.existing]
        if able and buffer.long_term_indices and chance.random() < 0.5:
            chosen, index = chance.choice(able), chance.randrange(buffer.long_term_indices)
            buffer.references = [r for r in buffer.references if r.index != index]
            chosen.index = index
            operation(
                3,
                difference_of_pic_nums_minus1=difference(chosen),
                long_term_frame_idx=index,
            )
        if buffer.references and chance.random() < 0.3:
            discard(chance.choice(buffer.references))
        current = _Reference(frame_num, self.number)
        if buffer.long_term_indices and chance.random() < 0.3:
            current.index = chance.randrange(buffer.long_term_indices)
            buffer.references = [r for r in buffer.references if r.index != current.index]
        while len(buffer.references) >= buffer.capacity:
            discard(chance.choice(buffer.references))
        if current.index is not None:
            operation(6, long_term_frame_idx=current.index)
        buffer.references.append(current)
        return found

    def _slice(
        self,
        unit: bytes,
        frame_num: int,
        count: int,
        marking: dict[str, Any] | None,
        before: list[_Reference],
    ) -> bytes:
        header, rbsp = self._slice_header(unit)
        bits = header.bit_length
        cabac = self.sets[NAL_PICTURE_PARAMETER_SET]["entropy_coding_mode_flag"]
        kind = header["slice_type"] % 5
        header["frame_num"] = frame_num
        header.pop("pic_order_cnt_lsb", None)
        header.pop("delta_pic_order_cnt_bottom", None)
        self._order_count(header, unit, frame_num, count)
        if kind in (P, B) and self.other_lists:
            self._lists(header, kind, frame_num, before)
        if kind == B and self.explicit_b:
            self._weights(header)
        if marking is not None:
            header["dec_ref_pic_marking"] = marking
        if self.other_filter and "slice_alpha_c0_offset_div2" in header:
            header["disable_deblocking_filter_idc"] = self.random.choice((0, 0, 1, 2))
            off = header["disable_deblocking_filter_idc"] == 1
            for name in ("slice_alpha_c0_offset_div2", "slice_beta_offset_div2"):
                header[name] = 0 if off else self.random.randint(-6, 6)
        written, structure = syntax.written(
            avc_syntax(), "slice_header", header, self._params(self.new_sets, unit)
        )
        text = _bits(written, structure.bit_length)
        data = _bits(rbsp, 8 * len(rbsp))
        if cabac:
            text += "1" * (-len(text) % 8) + data[bits + -bits % 8 :]
        else:
            last = data.rindex("1")  # rbsp_stop_one_bit
            text += data[bits : last + 1]
        text += "0" * (-len(text) % 8)
        return unit[:1] + add_emulation_prevention(int(text, 2).to_bytes(len(text) // 8, "big"))

    def _order_count(self, header: Any, unit: bytes, frame_num: int, count: int) -> None:
        wanted = count - self.base
        sps = self.new_sets[NAL_SEQUENCE_PARAMETER_SET]["seq_parameter_set_data"]
        if self.order_count_type == 0:
            lsb = 1 << (sps["log2_max_pic_order_cnt_lsb_minus4"] + 4)
            header["pic_order_cnt_lsb"] = wanted % lsb
        elif self.order_count_type == 1:
            header["delta_pic_order_cnt_0"] = wanted - self._expected(frame_num, bool(unit[0] >> 5))

    def _expected(self, frame_num: int, referenced: bool) -> int:
        """(#avc.8.2.1.2) Return expectedPicOrderCnt."""
        number = self.frame_num_offset + frame_num if self.cycle else 0
        if not referenced and number > 0:
            number -= 1
        expected = 0
        if number > 0:
            whole, rest = divmod(number - 1, len(self.cycle))
            expected = whole * sum(self.cycle) + sum(self.cycle[: rest + 1])
        return expected + (0 if referenced else self.unreferenced_offset)

    def _lists(self, header: Any, kind: int, frame_num: int, before: list[_Reference]) -> None:
        """Name every entry of the lists, where it would otherwise be missing, or at random."""
        lists: dict[str, Any] = {}
        known = [r for r in before if r.existing]
        for which in range(2 if kind == B else 1):
            size = header[f"num_ref_idx_l{which}_active_minus1"] + 1
            whole = len(known) == len(before) and size <= len(known)
            if whole and self.random.random() < 0.3:
                lists[f"ref_pic_list_modification_flag_l{which}"] = 0
                continue
            steps = []
            predicted = frame_num
            maximum = self.buffer.max_frame_num
            for _ in range(size):
                chosen = self.random.choice(known)
                if chosen.index is not None:
                    steps.append(
                        {"modification_of_pic_nums_idc": 2, "long_term_pic_num": chosen.index}
                    )
                    continue
                ahead = (chosen.frame_num - predicted) % maximum
                idc = self.random.randrange(2) if ahead else 0
                amount = ahead if idc else maximum - ahead
                steps.append(
                    {
                        "modification_of_pic_nums_idc": idc,
                        "abs_diff_pic_num_minus1": amount - 1,
                    }
                )
                predicted = chosen.frame_num
            steps.append({"modification_of_pic_nums_idc": 3})
            lists[f"ref_pic_list_modification_flag_l{which}"] = 1
            lists[f"list_modification_l{which}"] = steps
        header["ref_pic_list_modification"] = lists

    def _weights(self, header: Any) -> None:
        """Add a prediction weight table, whose sums of two weights stay in range."""
        chance = self.random
        table: dict[str, Any] = {
            "luma_log2_weight_denom": chance.randint(0, 6),
            "chroma_log2_weight_denom": chance.randint(0, 6),
        }
        for which in range(2):
            rows = []
            for _ in range(header[f"num_ref_idx_l{which}_active_minus1"] + 1):
                row: dict[str, Any] = {"luma_weight_flag": chance.randrange(2)}
                if row["luma_weight_flag"]:
                    row["luma_weight"] = chance.randint(-64, 63)
                    row["luma_offset"] = chance.randint(-128, 127)
                row["chroma_weight_flag"] = chance.randrange(2)
                if row["chroma_weight_flag"]:
                    row["chroma_weight"] = [chance.randint(-64, 63) for _ in range(2)]
                    row["chroma_offset"] = [chance.randint(-128, 127) for _ in range(2)]
                rows.append(row)
            table[f"weights_l{which}"] = rows
        header["pred_weight_table"] = table

    # ------------------------------------------------------------------ parameter sets

    def _parameter_set(self, unit: bytes) -> bytes:
        kind = nal_unit_type(unit)
        rbsp = remove_emulation_prevention(unit[1:])
        tree = avc_syntax()
        if kind == NAL_SEQUENCE_PARAMETER_SET:
            values: Any = syntax.read(tree, "seq_parameter_set_rbsp", rbsp)
            if kind not in self.new_sets:
                self._choose_sequence(values["seq_parameter_set_data"])
            self._sequence(values["seq_parameter_set_data"])
            data = syntax.write(tree, "seq_parameter_set_rbsp", values)
            self.new_sets[kind] = syntax.read(tree, "seq_parameter_set_rbsp", data)
        else:
            params = {"chroma_format_idc": 1}
            values = syntax.read(tree, "pic_parameter_set_rbsp", rbsp, 0, params)
            if kind not in self.new_sets:
                self._choose_picture(values)
            values |= self.picture_values
            if not values.get("pic_scaling_matrix_present_flag", 0):
                values.pop("scaling_list_entry", None)
            data = syntax.write(tree, "pic_parameter_set_rbsp", values, params)
            self.new_sets[kind] = syntax.read(tree, "pic_parameter_set_rbsp", data, 0, params)
        return unit[:1] + add_emulation_prevention(data)

    def _choose_sequence(self, sps: Any) -> None:
        self.matrices = (
            _scaling_lists(self.random, 8)
            if self.other_matrices and sps["profile_idc"] == 100 and self.random.random() < 0.5
            else None
        )
        # x264's own list modifications can depend on MaxFrameNum
        more = self.random.choice((1, 4)) if self.other_lists else 0
        self.frame_num_bits = frame_num_bits = max(sps["log2_max_frame_num_minus4"], more)
        self.buffer = _Buffer(max(1, sps["max_num_ref_frames"]), 1 << (frame_num_bits + 4))

    def _sequence(self, sps: Any) -> None:
        sps["log2_max_frame_num_minus4"] = self.frame_num_bits
        sps["gaps_in_frame_num_value_allowed_flag"] = int(self.gaps)
        sps["pic_order_cnt_type"] = self.order_count_type
        if self.other_marking and self.has_b:
            # Pictures that are no references any more may still wait for their output.
            sps["level_idc"] = LARGEST_LEVEL
            sps["vui_parameters"]["max_dec_frame_buffering"] = 16
        if self.order_count_type:
            sps.pop("log2_max_pic_order_cnt_lsb_minus4", None)
        else:
            sps.setdefault("log2_max_pic_order_cnt_lsb_minus4", 4)
        if self.order_count_type == 1:
            sps["delta_pic_order_always_zero_flag"] = 0
            sps["offset_for_non_ref_pic"] = self.unreferenced_offset
            sps["offset_for_top_to_bottom_field"] = 0
            sps["num_ref_frames_in_pic_order_cnt_cycle"] = len(self.cycle)
            if self.cycle:
                sps["offset_for_ref_frame"] = list(self.cycle)
        transform = self.sets[NAL_PICTURE_PARAMETER_SET]["transform_8x8_mode_flag"]
        if not transform and not self.inference:
            # with the 8x8 transform the flag decides on syntax, too
            sps["direct_8x8_inference_flag"] = 0
        if self.matrices is not None:
            sps["seq_scaling_matrix_present_flag"] = 1
            sps["scaling_list_entry"] = self.matrices

    def _choose_picture(self, pps: Any) -> None:
        chance = self.random
        found: dict[str, Any] = {}
        sps = self.new_sets[NAL_SEQUENCE_PARAMETER_SET]["seq_parameter_set_data"]
        if self.explicit_b:
            found["weighted_bipred_idc"] = 1
        else:
            found["weighted_bipred_idc"] = chance.choice((0, 2))
        if sps["profile_idc"] == 100:
            found["more_rbsp_data_flag"] = 1
            found["transform_8x8_mode_flag"] = pps["transform_8x8_mode_flag"]
            offset = pps["second_chroma_qp_index_offset"]
            if self.other_matrices:
                offset = chance.randint(-12, min(12, pps["chroma_qp_index_offset"] + 3))
            found["second_chroma_qp_index_offset"] = offset
            found["pic_scaling_matrix_present_flag"] = (
                chance.randrange(2)
                if self.other_matrices
                else pps.get("pic_scaling_matrix_present_flag", 0)
            )
            if self.other_matrices and found["pic_scaling_matrix_present_flag"]:
                lists = 6 + 2 * pps["transform_8x8_mode_flag"]
                found["scaling_list_entry"] = _scaling_lists(chance, lists)
        self.picture_values = found


class _OrderCounts:
    """(#avc.8.2.1.1) PicOrderCnt of the pictures as x264 wrote them, all of type 0."""

    def __init__(self, sps: Any) -> None:
        # libx264 chooses type 2 where nothing is reordered
        self.type = sps["pic_order_cnt_type"]
        self.size = 1 << (sps.get("log2_max_pic_order_cnt_lsb_minus4", 0) + 4)
        self.msb = self.lsb = 0
        self.count = 0

    def next(self, header: Any, unit: bytes) -> int:
        if self.type != 0:
            self.count = 0 if nal_unit_type(unit) == NAL_IDR_SLICE else self.count + 2
            return self.count
        if nal_unit_type(unit) == NAL_IDR_SLICE:
            self.msb = self.lsb = 0
        lsb = header["pic_order_cnt_lsb"]
        msb = self.msb
        if lsb < self.lsb and self.lsb - lsb >= self.size // 2:
            msb += self.size
        elif lsb > self.lsb and lsb - self.lsb > self.size // 2:
            msb -= self.size
        if unit[0] >> 5:
            self.msb, self.lsb = msb, lsb
        return int(msb + lsb)


def _scaling_lists(chance: random.Random, count: int) -> list[dict[str, Any]]:
    """Return entries of a scaling matrix: left out, the default, short, or whole."""
    entries: list[dict[str, Any]] = []
    for index in range(count):
        size = 16 if index < 6 else 64
        kind = chance.randrange(4)
        if kind == 0:
            entries.append({"scaling_list_present_flag": 0})
            continue
        deltas = []
        if kind == 1:
            deltas = [-8]  # UseDefaultScalingMatrixFlag
        else:
            last = 8
            for position in range(size):
                value = chance.randint(4, 16)
                if kind == 2 and position and chance.random() < 0.1:
                    deltas.append((-last + 128) % 256 - 128)
                    break
                deltas.append(value - last)
                last = value
        entries.append({"scaling_list_present_flag": 1, "scaling_list": {"delta_scale": deltas}})
    return entries


def _bits(data: bytes, count: int) -> str:
    return format(int.from_bytes(data, "big"), f"0{8 * len(data)}b")[:count]
