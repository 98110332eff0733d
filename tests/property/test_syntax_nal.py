"""Fast and plain emulation prevention agree, and undo each other."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from refcodec.avc import nal

RISKY = st.lists(st.sampled_from([0, 0, 0, 1, 2, 3, 4, 255]), max_size=60).map(bytes)


@given(RISKY)
@example(bytes(9))
@example(b"\0\0\3")
@example(b"\0\0\3\0\0\3")
@example(b"")
def test_adding(rbsp: bytes) -> None:
    added = nal.add_emulation_prevention(rbsp)
    assert added == nal.add_emulation_prevention_plain(rbsp)
    assert not any(bytes([0, 0, low]) in added for low in (0, 1, 2))
    assert nal.remove_emulation_prevention(added) == rbsp


@given(RISKY)
@example(b"\0\0\3\3")
def test_removing(payload: bytes) -> None:
    plain = nal.remove_emulation_prevention_plain(payload)
    assert nal.remove_emulation_prevention(payload) == plain
    assert nal.remove_emulation_prevention(memoryview(payload)) == plain


@given(st.lists(RISKY.map(lambda rbsp: b"\x65" + nal.add_emulation_prevention(rbsp) + b"\x80")))
def test_byte_stream_splits_into_its_nal_units(units: list[bytes]) -> None:
    stream = b"\0" + b"".join(b"\0\0\1" + unit + b"\0" for unit in units)
    assert [bytes(unit) for unit in nal.nal_units(stream)] == units
