"""Drawn structures and aimed mutations reach the whole of the HYP syntax."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.mutation.rules import mutations
from conformance.properties.coverage import Coverage
from conformance.properties.strategies import structures
from refcodec import syntax
from refcodec.syntax import tree

HYP = syntax.load("hyp")
UNITS = {"payload_size": st.integers(24, 64), "unit_type": st.integers(1, 10)}
QUIET = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def test_drawn_files_reach_every_row_and_branch() -> None:
    covered = Coverage(HYP)

    @QUIET
    @given(structures(HYP, "file", elements=UNITS))
    def read(drawn: Any) -> None:
        data = syntax.write(HYP, "file", drawn.values)
        syntax.read_reference(HYP, "file", data, observer=covered)

    read()
    missing = covered.missing(HYP.structures)
    # A loop of 1..n entries has no empty run, by its range.
    unreachable = [
        f"{name}: for ({variable} = 0; {variable} < {count}; {variable}++), no round"
        for name, variable, count in (
            ("sequence_header", "i", "parameter_set_count"),
            ("pictures", "i", "access_unit_count"),
            ("access_unit", "j", "nal_unit_count"),
            ("track_packets", "i", "packet_count"),
            ("metadata", "i", "entry_count"),
        )
    ]
    unreachable.append("sequence_header: for (i = 0; i < parameter_set_count; i++), one round")
    assert sorted(missing) == sorted(unreachable)


def test_every_range_and_pattern_gets_a_mutation() -> None:
    hit: set[str] = set()

    @settings(QUIET, max_examples=25)
    @given(st.data())
    def mutate(data: st.DataObject) -> None:
        for name in HYP.structures:
            params = {"payload_size": st.just(40)} if name == "keyframe" else None
            elements = {"unit_type": st.just(9), "payload_size": st.just(24)}
            if name == "file":
                continue
            drawn = data.draw(structures(HYP, name, params, elements))
            content = syntax.write(HYP, name, drawn.values, drawn.params)
            for mutation in mutations(HYP, name, content, drawn.params):
                if mutation.rule in ("value_range", "fixed_pattern"):
                    hit.add(mutation.path.split(".")[-1].split("[")[0])

    mutate()
    limited = {
        statement.name
        for name, structure in HYP.structures.items()
        if name != "file"
        for statement in tree.walk(structure.body)
        if isinstance(statement, tree.Element)
        and (statement.fixed is not None or _can_be_broken(statement))
    }
    assert hit == limited


def _can_be_broken(element: tree.Element) -> bool:
    """Tell whether the descriptor carries a value outside the element's range."""
    from refcodec.syntax.lint import descriptor_limits

    limits = descriptor_limits(element.descriptor)
    if limits is None or not element.allowed:
        return False
    (interval,) = element.allowed
    assert isinstance(interval.low, tree.Number)
    assert isinstance(interval.high, tree.Number)
    return (interval.low.value, interval.high.value) != limits
