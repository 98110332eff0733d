"""Whatever the syntax allows can be written and read back, by both readers alike."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.mutation.rules import mutations
from conformance.properties.strategies import Drawn, structures
from refcodec import errors, syntax
from refcodec.syntax.tree import Syntax

HYP = syntax.load("hyp")
AVC = syntax.load("avc")

PARAMETERS: dict[str, dict[str, Any]] = {
    "scaling_list": {"SizeOfScalingList": st.sampled_from([16, 64])},
    "scaling_list_entry": {"SizeOfScalingList": st.sampled_from([16, 64])},
    "keyframe": {"payload_size": st.integers(24, 64)},
    "ref_pic_list_modification": {"SliceType": st.integers(0, 4)},
    "pred_weight_table": {"SliceType": st.integers(0, 1)},
}
ELEMENTS: dict[str, dict[str, Any]] = {
    "unit": {"payload_size": st.integers(24, 64), "unit_type": st.integers(1, 10)},
    "file": {"payload_size": st.integers(24, 64), "unit_type": st.integers(1, 10)},
}
CASES = [(tree, name) for tree in (HYP, AVC) for name in tree.structures]
IDS = [f"{tree.name}-{name}" for tree, name in CASES]
MODERATE = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.large_base_example,
        HealthCheck.filter_too_much,
    ],
)


def strategy(tree: Syntax, name: str) -> st.SearchStrategy[Drawn]:
    return structures(tree, name, PARAMETERS.get(name), ELEMENTS.get(name))


def outcome(reader: Any, tree: Syntax, drawn: Drawn, data: bytes) -> tuple[object, ...]:
    """Everything that a reader says of `data`."""
    try:
        values = reader(tree, drawn.name, data, 0, drawn.params)
    except errors.HypError as cause:
        return cause.id, cause.bit_offset, cause.element, cause.value, cause.allowed, cause.detail
    return values, values.derived, values.bit_length


@pytest.mark.parametrize(("tree", "name"), CASES, ids=IDS)
@MODERATE
@given(data=st.data())
def test_written_structures_read_back(tree: Syntax, name: str, data: st.DataObject) -> None:
    drawn = data.draw(strategy(tree, name))
    content = syntax.write(tree, name, drawn.values, drawn.params)
    expected = drawn.values, drawn.values.derived
    for reader in (syntax.read_reference, syntax.read_fast):
        values = reader(tree, name, content, 0, drawn.params)
        assert (values, values.derived) == expected
        assert len(content) == (values.bit_length + 7) // 8
    assert syntax.write(tree, name, values, drawn.params) == content


@pytest.mark.parametrize(("tree", "name"), CASES, ids=IDS)
@MODERATE
@given(data=st.data())
def test_readers_agree_on_damaged_data(tree: Syntax, name: str, data: st.DataObject) -> None:
    drawn = data.draw(strategy(tree, name))
    content = bytearray(syntax.write(tree, name, drawn.values, drawn.params))
    for _ in range(data.draw(st.integers(0, 3))):
        if content:
            place = data.draw(st.integers(0, len(content) - 1))
            content[place] = data.draw(st.sampled_from([0, 1, 127, 128, 255]))
    cut = data.draw(st.integers(0, len(content)))
    for damaged in (bytes(content), bytes(content[:cut])):
        reference = outcome(syntax.read_reference, tree, drawn, damaged)
        assert outcome(syntax.read_fast, tree, drawn, damaged) == reference


@pytest.mark.parametrize(("tree", "name"), CASES, ids=IDS)
@settings(MODERATE, max_examples=4)
@given(data=st.data())
def test_every_mutation_gives_its_error(tree: Syntax, name: str, data: st.DataObject) -> None:
    drawn = data.draw(strategy(tree, name))
    content = syntax.write(tree, name, drawn.values, drawn.params)
    aimed = list(mutations(tree, name, content, drawn.params))
    # long lists of equal rows are sampled, so that the test stays quick
    for mutation in random.Random(len(content)).sample(aimed, min(len(aimed), 40)):
        for reader in (syntax.read_reference, syntax.read_fast):
            found = outcome(reader, tree, drawn, mutation.data)
            assert found[0] == mutation.error, (mutation, found)


@given(content=st.binary(max_size=40), offset=st.integers(0, 7))
@settings(max_examples=200, deadline=None)
def test_readers_agree_on_any_bits(content: bytes, offset: int) -> None:
    """Every descriptor at every bit alignment, on data that nobody wrote."""
    text = "\n".join(
        [
            "syntax all()",
            "  a u(3)",
            "  c ue(v)",
            "  d se(v)",
            "  e i(7)",
            "  if (a != 1)",
            "    g u(bits_to_alignment())",
            "  b leb128(20)",
            "  f sleb128(9)",
            "  if (a == 2)",
            "    l u(1)",
            "  h utf8(a)",
            "  i bytes(a)",
            "  j u(0)",
            "  k u(64)",
        ]
    )
    tree = syntax.parse(text)
    drawn = Drawn("all", syntax.Structure(), {})

    def at(reader: Any) -> Any:
        return lambda tree, name, data, _, params: reader(tree, name, data, offset, params)

    if 8 * len(content) >= offset:
        reference = outcome(at(syntax.read_reference), tree, drawn, content)
        assert outcome(at(syntax.read_fast), tree, drawn, content) == reference
