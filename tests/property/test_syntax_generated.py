"""The generated reader gives what the reference reader gives, or nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refcodec import errors, syntax
from refcodec.syntax import generated, tree
from refcodec.syntax.fast import read_fast

AVC = syntax.load("avc")
READ = ("slice_header", "slice_header_start", "nal_unit_header", "vui_parameters", "hrd_parameters")
NOT_READ = ("seq_parameter_set_data", "pic_parameter_set_rbsp", "sei_message")

TEXT = """
constant ONE = 1
syntax part(A, b: head)
  size u(A)
  require size != 3 HYP-UNIT-002
  if (b.kind + size > 5)
    x se(v) -3..3
  else if (b.Twice == 4)
    infer x = size << 2
  while (size + x > 0 && x < 9)
    x2 u(1)
    infer x = x + 1
syntax head()
  kind ue(v) 0..4
  Twice = kind * 2
syntax all(n)
  head() as front
  flag u(1)
  if (flag)
    absent i(3)
  for (i = 0; i < (n ? n : ONE); i++)
    row[i] u(min(n, 9))
    if (row[i] % 2 == 1)
      infer mark[i] = ~row[i]
    else
      mark[i] i(2)
    do
      item() as item
    while (item.more)
  if (!flag || absent < 0)
    tail f(4) = 0b1010
  last u(max(mark[0], 0) * 60)
syntax item()
  more u(1)
"""
MADE = syntax.parse(TEXT, "made")
LONG = """
syntax long(n)
  for (i = 0; i < n; i++)
    a[i] u(8)
"""


def outcome(reader: Any, tree: Any, name: str, data: bytes, offset: int, params: Any) -> Any:
    try:
        values = reader(tree, name, data, offset, params)
    except errors.HypError as cause:
        return cause.id, cause.bit_offset, cause.element, cause.value, cause.allowed, cause.detail
    nested = [each for each in values.values() if isinstance(each, syntax.Structure)]
    return (
        values,
        list(values),
        values.derived,
        values.bit_length,
        [(each.derived, each.bit_length) for each in nested],
    )


def test_structures_of_integers_are_read_and_no_others() -> None:
    generator = generated.Generator(AVC)
    assert all(generator.function(name) for name in READ)
    assert not any(generator.function(name) for name in NOT_READ)


@pytest.mark.parametrize("name", ["all", "head", "item"])
@given(content=st.binary(max_size=24), offset=st.integers(0, 15), n=st.integers(-1, 70))
@settings(max_examples=300, deadline=None)
def test_any_bits(name: str, content: bytes, offset: int, n: int) -> None:
    offset = min(offset, 8 * len(content))
    params = {"n": n} if name == "all" else {}
    assert generated.Generator(MADE).function(name) is not None
    reference = outcome(syntax.read_reference, MADE, name, content, offset, params)
    assert outcome(read_fast, MADE, name, content, offset, params) == reference


@given(content=st.binary(max_size=6), kind=st.integers(0, 4), a=st.integers(-2, 66))
@settings(max_examples=300, deadline=None)
def test_structures_handed_on(content: bytes, kind: int, a: int) -> None:
    head = syntax.Structure()
    head["kind"], head.derived["Twice"] = kind, 2 * kind
    params = {"A": a, "b": head}
    reference = outcome(syntax.read_reference, MADE, "part", content, 0, params)
    assert outcome(read_fast, MADE, "part", content, 0, params) == reference


def slice_parameters(data: st.DataObject) -> dict[str, syntax.Structure]:
    """Parameter sets as slice headers ask for them."""
    flag = st.integers(0, 1)
    nal, sps, pps = (syntax.Structure() for _ in range(3))
    nal["nal_ref_idc"] = data.draw(st.integers(0, 3))
    nal["nal_unit_type"] = data.draw(st.sampled_from([1, 5]))
    sps["separate_colour_plane_flag"] = data.draw(flag)
    sps["log2_max_frame_num_minus4"] = data.draw(st.integers(0, 12))
    sps["frame_mbs_only_flag"] = data.draw(flag)
    sps["pic_order_cnt_type"] = data.draw(st.integers(0, 2))
    sps["log2_max_pic_order_cnt_lsb_minus4"] = data.draw(st.integers(0, 12))
    if data.draw(flag):
        sps["delta_pic_order_always_zero_flag"] = data.draw(flag)
    sps.derived["ChromaArrayType"] = data.draw(st.integers(0, 3))
    sps.derived["PicSizeInMapUnits"] = data.draw(st.integers(1, 99))
    for name in (
        "bottom_field_pic_order_in_frame_present_flag",
        "redundant_pic_cnt_present_flag",
        "weighted_pred_flag",
        "entropy_coding_mode_flag",
        "deblocking_filter_control_present_flag",
        "num_slice_groups_minus1",
    ):
        pps[name] = data.draw(flag)
    pps["weighted_bipred_idc"] = data.draw(st.integers(0, 2))
    for number in range(2):
        pps[f"num_ref_idx_l{number}_default_active_minus1"] = data.draw(st.integers(0, 31))
    pps["slice_group_map_type"] = data.draw(st.integers(0, 6))
    pps["slice_group_change_rate_minus1"] = data.draw(st.integers(0, 9))
    return {"nal": nal, "sps": sps, "pps": pps}


@given(data=st.data(), content=st.binary(max_size=200))
@settings(max_examples=500, deadline=None)
def test_slice_headers(data: st.DataObject, content: bytes) -> None:
    params = slice_parameters(data)
    # most random bits have a slice_type out of range: begin with one that is not
    start = data.draw(st.sampled_from([b"", b"\x9c", b"\xa7", b"\xb3", b"\x88\x9c"]))
    reference = outcome(syntax.read_reference, AVC, "slice_header", start + content, 0, params)
    assert outcome(read_fast, AVC, "slice_header", start + content, 0, params) == reference


def test_what_does_not_fit_in_the_window_is_read_all_the_same() -> None:
    made = syntax.parse(LONG, "long")
    size = generated.WINDOW + 8
    assert generated.Generator(made).function("long") is not None
    values = read_fast(made, "long", bytes(range(1, size + 1)), 0, {"n": size})
    assert values["a"] == list(range(1, size + 1))


def test_loops_without_end_end() -> None:
    made = syntax.parse("syntax s()\n  a u(1)\n  while (a)\n    b[0] u(0)\n", "endless")
    with pytest.raises(errors.HypError) as caught:
        read_fast(made, "s", b"\xff")
    with pytest.raises(errors.HypError) as expected:
        syntax.read_reference(made, "s", b"\xff")
    assert str(caught.value) == str(expected.value)


def test_names_that_are_no_identifiers_never_become_source() -> None:
    element = tree.Element(
        "x = 1", (), tree.Descriptor("u", tree.Number(1, "1")), None, (), None, "", 1
    )
    structure = tree.Structure("s", (), None, "#s", (element,), 1)
    hostile = tree.Syntax("hostile", {}, {}, {"s": structure}, {})
    assert generated.Generator(hostile).function("s") is None
