"""The writer wants exactly the values of the structure, and the reader the bytes of its rules."""

from __future__ import annotations

from typing import Any

import pytest

from refcodec import errors, syntax

HYP = syntax.load("hyp")

PICTURES: dict[str, Any] = {
    "segment_number": 300,
    "first_access_unit": 0,
    "access_unit_count": 2,
    "access_unit": [
        {
            "presentation_offset": 0,
            "nal_unit_count": 2,
            "nal_unit_size": [3, 1],
            "nal_unit_bytes": [b"abc", b"d"],
        },
        {
            "presentation_offset": 512,
            "nal_unit_count": 1,
            "nal_unit_size": [2],
            "nal_unit_bytes": [b"ef"],
        },
    ],
}


def test_bytes_are_those_of_the_document() -> None:
    data = syntax.write(HYP, "pictures", PICTURES)
    assert data.hex(" ") == "ac 02 00 02 00 02 03 61 62 63 01 64 80 04 01 02 65 66"


def test_bytes_elements_share_the_memory_of_the_data() -> None:
    data = syntax.write(HYP, "pictures", PICTURES)
    values: Any = syntax.read(HYP, "pictures", data)
    assert values == PICTURES
    assert values["access_unit"][0]["nal_unit_bytes"][0].obj is data


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"segment_number": None}, "HYP-E-SYN-20"),
        ({"access_unit_count": 3}, "HYP-E-SYN-20"),
        ({"access_unit_count": 1}, "HYP-E-SYN-21"),
        ({"more": 1}, "HYP-E-SYN-21"),
        ({"segment_number": "1"}, "HYP-E-SYN-22"),
        ({"segment_number": 1 << 32}, "HYP-E-PIC-01"),
        ({"access_unit": 5}, "HYP-E-SYN-20"),
        ({"access_unit_count": 0}, "HYP-E-PIC-03"),
    ],
)
def test_values_that_do_not_fit_are_refused(change: dict[str, Any], error: str) -> None:
    values = {k: v for k, v in (PICTURES | change).items() if v is not None}
    with pytest.raises(errors.HypError) as caught:
        syntax.write(HYP, "pictures", values)
    assert caught.value.id == error


@pytest.mark.parametrize(
    ("unit", "error"),
    [
        ({"nal_unit_size": [4, 1]}, "HYP-E-SYN-22"),
        ({"nal_unit_bytes": [b"abc", 7]}, "HYP-E-SYN-22"),
        ({"nal_unit_size": [3, 1, 2]}, "HYP-E-SYN-21"),
        ({"nal_unit_bytes": [b"abc"]}, "HYP-E-SYN-20"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(unit: dict[str, Any], error: str) -> None:
    first = PICTURES["access_unit"][0] | unit
    with pytest.raises(errors.HypError) as caught:
        syntax.write(
            HYP, "pictures", PICTURES | {"access_unit": [first, PICTURES["access_unit"][1]]}
        )
    assert caught.value.id == error


def test_unknown_structure_and_parameters_are_refused() -> None:
    for name, params in (("nothing", {}), ("keyframe", {}), ("pictures", {"x": 1})):
        with pytest.raises(errors.CLASSES["HYP-E-SYN-23"]):
            syntax.read(HYP, name, b"", 0, params)


def test_length_beyond_the_data_is_refused_before_allocating() -> None:
    # payload of one access unit whose NAL unit claims 16 MiB
    data = bytes.fromhex("00 00 01 00 01 ff ff ff 07")
    for reader in (syntax.read_reference, syntax.read_fast):
        with pytest.raises(errors.HypError) as caught:
            reader(HYP, "pictures", data)
        assert caught.value.id == "HYP-E-UNIT-07"
        assert caught.value.bit_offset == 8 * 9


def test_loop_that_reads_nothing_ends() -> None:
    tree = syntax.parse("syntax s()\n  n u(32)\n  for (i = 0; i < n; i++)\n    a[i] u(0)\n")
    for reader in (syntax.read_reference, syntax.read_fast):
        with pytest.raises(errors.CLASSES["HYP-E-SYN-12"]):
            reader(tree, "s", b"\xff\xff\xff\xff")


def test_number_of_elements_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    from refcodec.syntax import fast, interpreter

    monkeypatch.setattr(fast, "ELEMENT_LIMIT", 100)
    monkeypatch.setattr(interpreter, "ELEMENT_LIMIT", 100)
    tree = syntax.parse("syntax s()\n  n u(8)\n  for (i = 0; i < n; i++)\n    a[i] u(1)\n")
    for reader in (syntax.read_reference, syntax.read_fast):
        assert len(reader(tree, "s", b"\x40" + bytes(99))["a"]) == 64  # type: ignore[arg-type]
        with pytest.raises(errors.CLASSES["HYP-E-SYN-13"]):
            reader(tree, "s", b"\xff" + bytes(99))


def test_entries_of_an_array_come_in_order() -> None:
    tree = syntax.parse("syntax s()\n  n u(8)\n  for (i = 0; i < n; i++)\n    a[2 * i] u(8)\n")
    for reader in (syntax.read_reference, syntax.read_fast):
        with pytest.raises(errors.CLASSES["HYP-E-SYN-14"]):
            reader(tree, "s", bytes(4) if reader is None else b"\x02\x01\x01")


def test_two_subscripts_make_lists_of_lists() -> None:
    tree = syntax.parse(
        "syntax s()\n  n u(8)\n  for (i = 0; i < n; i++)\n    for (j = 0; j < i; j++)\n"
        "      a[i][j] u(8)\n"
    )
    data = bytes([3, 1, 2, 3])
    expected = {"n": 3, "a": [[], [1], [2, 3]]}
    for reader in (syntax.read_reference, syntax.read_fast):
        assert reader(tree, "s", data) == expected
    assert syntax.write(tree, "s", expected) == data


def test_trace_tells_where_and_what_each_element_is() -> None:
    payload = syntax.write(HYP, "pictures", PICTURES)
    unit = {
        "unit_type": 3,
        "payload_size": len(payload),
        "header_check": 0,
        "pictures": PICTURES,
        "unit_crc": 5,
    }
    data = syntax.write(HYP, "file", {"unit": [unit, unit]})
    events = syntax.trace(HYP, "file", data)
    assert events.error is None
    place = 0
    for event in events:
        assert event.bit_offset == place
        place += event.bit_length
    assert place == 8 * len(data)
    kinds = [event for event in events if event.path == "file.unit[1].unit_type"]
    assert [(event.value, event.meaning, event.descriptor) for event in kinds] == [
        (3, "pictures", "u(8)")
    ]
    assert kinds[0].clause == "#sem.unit.unit_type"
    assert kinds[0].requirement == "HYP-UNIT-002"

    cut = syntax.trace(HYP, "file", data[:-1], origin=800)
    assert cut.error is not None
    assert cut.error.bit_offset == 800 + 8 * (len(data) - 4)
    assert len(cut) == len(events) - 1
