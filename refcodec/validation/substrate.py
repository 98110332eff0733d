"""(#substrate) The H.264 parameter sets and slice headers, against the subset of this document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from refcodec import syntax
from refcodec.avc.access_units import (
    NAL_IDR_SLICE,
    NAL_PICTURE_PARAMETER_SET,
    NAL_SEI,
    NAL_SEQUENCE_PARAMETER_SET,
    NAL_SLICE,
    Buffer,
    nal_unit_type,
)
from refcodec.avc.nal import remove_emulation_prevention
from refcodec.avc.parameter_sets import avc_syntax
from refcodec.container import AccessUnit, Keyframe, Pictures, SequenceHeader, Unit
from refcodec.errors import HypError, for_requirement
from refcodec.validation.output_order import OutputOrder

SLICE_HEADER_BYTES = 256
"""Bytes of a slice NAL unit that are looked at first: enough for almost every slice header."""

SLICE_TYPES = {0: "P", 1: "B", 2: "I"}

SUBSET = (
    ("HYP-SEQ-023", "profile_idc", (100,)),
    ("HYP-SEQ-023", "chroma_format_idc", (1,)),
    ("HYP-SEQ-023", "bit_depth_luma_minus8", (0,)),
    ("HYP-SEQ-023", "bit_depth_chroma_minus8", (0,)),
    ("HYP-SEQ-023", "qpprime_y_zero_transform_bypass_flag", (0,)),
    ("HYP-SEQ-023", "frame_mbs_only_flag", (1,)),
    ("HYP-AVC-001", "pic_order_cnt_type", (0, 2)),
    ("HYP-AVC-002", "gaps_in_frame_num_value_allowed_flag", (0,)),
    ("HYP-AVC-003", "frame_crop_left_offset", (0,)),
    ("HYP-AVC-003", "frame_crop_top_offset", (0,)),
)


class SubstrateRules:
    """Rules on NAL units. Slices are checked when the parameter sets are usable."""

    def __init__(self) -> None:
        self.level_idc: int | None = None
        self._sps: Any = None
        self._pps: dict[int, Any] = {}
        self._keyframe: Keyframe | None = None
        self._offset = 0
        self._order: OutputOrder | None = None

    # ---------------------------------------------------------------------- parameter sets

    def header(self, offset: int, header: SequenceHeader) -> Iterator[HypError]:
        """(#sem.sequence_header.parameter_set) Check the parameter sets."""
        kinds = [nal_unit_type(nal_unit) for nal_unit in header.parameter_sets]
        expected = [NAL_SEQUENCE_PARAMETER_SET]
        expected += [NAL_PICTURE_PARAMETER_SET] * (len(kinds) - 1)
        if kinds != expected:
            yield _broken("HYP-SEQ-018", offset, "nal_unit_type", str(kinds), str(expected))
            return
        try:
            sps = _read(header.parameter_sets[0], "seq_parameter_set_rbsp")
        except HypError as error:
            yield _unparsed(offset, error)
            return
        values = sps["seq_parameter_set_data"]
        usable = True
        for requirement, element, allowed in SUBSET:
            value = values.get(element, allowed[0])
            if value not in allowed:
                usable = False
                shown = " or ".join(map(str, allowed))
                yield _broken(requirement, offset, element, value, shown)
        if not usable:
            return
        yield from self._size(offset, header, values)
        yield from self._colour(offset, header, values)
        self.level_idc = values["level_idc"]
        yield from self._picture_parameter_sets(offset, header, values)
        self._sps = values

    def _size(self, offset: int, header: SequenceHeader, sps: Any) -> Iterator[HypError]:
        width = 16 * (sps["pic_width_in_mbs_minus1"] + 1)
        height = 16 * (sps["pic_height_in_map_units_minus1"] + 1)
        width -= 2 * sps.get("frame_crop_right_offset", 0)
        height -= 2 * sps.get("frame_crop_bottom_offset", 0)
        for element, allowed in (("coded_width", width), ("coded_height", height)):
            value = getattr(header, element)
            if value != allowed:
                yield _broken("HYP-SEQ-021", offset, element, value, allowed)

    def _colour(self, offset: int, header: SequenceHeader, sps: Any) -> Iterator[HypError]:
        vui = sps.get("vui_parameters")
        if not vui:
            return
        pairs = {
            "colour_primaries": "colour_primaries",
            "transfer_characteristics": "transfer_characteristics",
            "matrix_coefficients": "matrix_coefficients",
        }
        if not vui.get("colour_description_present_flag"):
            pairs = {}
        if vui.get("video_signal_type_present_flag"):
            pairs["full_range_flag"] = "video_full_range_flag"
        for element, name in pairs.items():
            value = getattr(header, element)
            if name in vui and vui[name] != value:
                yield _broken("HYP-SEQ-024", offset, element, value, vui[name])

    def _picture_parameter_sets(
        self, offset: int, header: SequenceHeader, sps: Any
    ) -> Iterator[HypError]:
        for nal_unit in header.parameter_sets[1:]:
            try:
                pps = _read(nal_unit, "pic_parameter_set_rbsp", {"chroma_format_idc": 1})
            except HypError as error:
                yield _unparsed(offset, error)
                continue
            number, refers = pps["pic_parameter_set_id"], pps["seq_parameter_set_id"]
            if number in self._pps:
                yield _broken("HYP-SEQ-018", offset, "pic_parameter_set_id", number, "one of each")
            if refers != sps["seq_parameter_set_id"]:
                yield _broken(
                    "HYP-SEQ-018",
                    offset,
                    "seq_parameter_set_id",
                    refers,
                    sps["seq_parameter_set_id"],
                )
            self._pps[number] = pps

    # ------------------------------------------------------------------------ access units

    def unit(self, unit: Unit, content: Any) -> Iterator[HypError]:
        """(#substrate.access_units) Check the NAL units of a pictures unit."""
        if isinstance(content, Keyframe):
            yield from self.segment_end()
            self._keyframe, self._offset = content, unit.offset
            if self._sps is not None:
                self._order = OutputOrder(self._sps, content.generated)
        if not isinstance(content, Pictures) or self._keyframe is None:
            return
        if content.segment_number != self._keyframe.segment_number:
            return
        for number, access_unit in enumerate(content.access_units):
            first = content.first_access_unit + number == 0
            yield from self._access_unit(unit.offset, access_unit, first)

    def segment_end(self) -> Iterator[HypError]:
        """(#dec.output) Check the segment that is over; called once more at the end of the file."""
        order, self._order = self._order, None
        if order is not None:
            yield from order.finished(self._offset)

    def _access_unit(self, offset: int, access_unit: AccessUnit, first: bool) -> Iterator[HypError]:
        assert self._keyframe is not None
        kinds = [nal_unit_type(nal_unit) for nal_unit in access_unit.nal_units]
        generated = self._keyframe.generated
        others = [kind for kind in kinds if kind not in (NAL_SLICE, NAL_IDR_SLICE, NAL_SEI)]
        if others:
            yield _broken("HYP-PIC-007", offset, "nal_unit_type", str(others), "1, 5 or 6")
        elif NAL_SLICE not in kinds and NAL_IDR_SLICE not in kinds:
            yield _broken("HYP-PIC-007", offset, "nal_unit_type", str(kinds), "1 or 5 among them")
        if generated and NAL_IDR_SLICE in kinds:
            yield _broken("HYP-PIC-024", offset, "nal_unit_type", NAL_IDR_SLICE, "1 or 6")
        if not generated and (NAL_IDR_SLICE in kinds) != first:
            shown = "5" if first else "1 or 6"
            yield _broken("HYP-PIC-025", offset, "nal_unit_type", str(kinds), shown)
        if self._sps is None:
            return
        leading = True
        for nal_unit, kind in zip(access_unit.nal_units, kinds, strict=True):
            if kind in (NAL_SLICE, NAL_IDR_SLICE):
                found = self._slice(nal_unit)
                if isinstance(found, HypError):
                    found.bit_offset = 8 * offset
                    yield found
                elif leading:
                    if generated and first:
                        yield from self._order_count(offset, found[1])
                    if self._order is not None:
                        self._order.access_unit(*found, access_unit.presentation_offset)
                leading = False

    def _slice(self, nal_unit: Buffer) -> tuple[Any, Any] | HypError:
        """Return the NAL unit header and the slice header, or what is wrong with them."""
        try:
            nal = syntax.read(avc_syntax(), "nal_unit_header", bytes(nal_unit[:1]))
            head = _read_slice(nal_unit, "slice_header_start", {})
        except HypError as error:
            return _broken("HYP-PIC-026", 0, "slice_header", None, None, str(error))
        number, kind = head["pic_parameter_set_id"], head["slice_type"] % 5
        if number not in self._pps:
            listed = ", ".join(map(str, sorted(self._pps)))
            return _broken("HYP-PIC-026", 0, "pic_parameter_set_id", number, listed)
        if kind not in SLICE_TYPES:
            return _broken("HYP-PIC-026", 0, "slice_type", head["slice_type"], "P, B or I")
        params = {"nal": nal, "sps": self._sps, "pps": self._pps[number]}
        try:
            return nal, _read_slice(nal_unit, "slice_header", params)
        except HypError as error:
            return _broken("HYP-PIC-026", 0, "slice_header", None, None, str(error))

    def _order_count(self, offset: int, header: Any) -> Iterator[HypError]:
        """(#substrate.access_units) The first picture comes after the injected IDR picture."""
        if self._sps["pic_order_cnt_type"] == 0:
            element = "pic_order_cnt_lsb"
            # After an IDR picture, a value in the upper half stands for a negative order count.
            most = (1 << (self._sps["log2_max_pic_order_cnt_lsb_minus4"] + 3)) - 1
        else:
            element = "frame_num"
            most = (1 << (self._sps["log2_max_frame_num_minus4"] + 4)) - 1
        if not 1 <= header[element] <= most:
            yield _broken("HYP-AVC-004", offset, element, header[element], (1, most))


def _read(nal_unit: Buffer, name: str, params: dict[str, object] | None = None) -> Any:
    rbsp = remove_emulation_prevention(bytes(nal_unit[1:]))
    return syntax.read(avc_syntax(), name, rbsp, params=params or {})


def _read_slice(nal_unit: Buffer, name: str, params: dict[str, object]) -> Any:
    """Read the beginning of a slice without going through all of it."""
    head = bytes(nal_unit[: SLICE_HEADER_BYTES + 1])
    try:
        return _read(head, name, params)
    except HypError:
        if len(nal_unit) <= len(head):
            raise
        return _read(nal_unit, name, params)


def _broken(
    requirement: str,
    offset: int,
    element: str,
    value: object,
    allowed: object,
    detail: str | None = None,
) -> HypError:
    return for_requirement(
        requirement,
        bit_offset=8 * offset,
        element=element,
        value=value,
        allowed=allowed,
        detail=detail,
    )


def _unparsed(offset: int, error: HypError) -> HypError:
    return _broken("HYP-SEQ-018", offset, error.element or "parameter_set", None, None, str(error))
