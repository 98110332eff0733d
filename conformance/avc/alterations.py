"""Changes of a stream that leave it decodable: pictures that nothing refers to are dropped."""

from __future__ import annotations

from collections.abc import Sequence

from refcodec.avc.access_units import NAL_IDR_SLICE, NAL_SLICE, nal_unit_type
from refcodec.avc.nal import nal_units


def is_unreferenced(access_unit: bytes) -> bool:
    """(#avc.7.4.1) Whether all slices of an access unit have nal_ref_idc 0."""
    slices = [
        unit[0] >> 5
        for unit in nal_units(access_unit)
        if nal_unit_type(unit) in (NAL_SLICE, NAL_IDR_SLICE)
    ]
    return bool(slices) and not any(slices)


def drop_unreferenced(access_units: Sequence[bytes], every: int) -> list[bytes]:
    """Leave out each `every`-th access unit of those that no other refers to; none when 0."""
    kept = []
    seen = 0
    for unit in access_units:
        if every and is_unreferenced(unit):
            seen += 1
            if seen % every == 0:
                continue
        kept.append(unit)
    return kept
