"""The table of errors and the classes made of it."""

import pickle
import tomllib

import pytest

from refcodec import errors
from spec import data


def test_every_row_has_a_class() -> None:
    table = tomllib.loads(data("errors.toml").read_text())
    assert list(errors.CLASSES) == list(table)
    for error_id, row in table.items():
        klass = errors.CLASSES[error_id]
        assert klass is getattr(errors, row["name"])
        assert (klass.id, klass.klass, klass.clause) == (error_id, row["class"], row["clause"])
        assert row["text"].endswith(".") and row["reaction"].endswith(".")


def test_every_requirement_names_an_error_that_exists() -> None:
    for requirement, row in errors.requirements().items():
        named = row.get("error")
        assert not named or named in errors.CLASSES, requirement
        assert named or row["kind"] != "bitstream", requirement


def test_error_says_what_where_and_what_is_allowed() -> None:
    error = errors.for_requirement(
        "HYP-KF-004",
        bit_offset=8 * 5000 + 3,
        element="picture_count",
        value=70000,
        allowed=(1, 65535),
        source="a.hyp",
    )
    assert isinstance(error, errors.HypError)
    text = error.explain()
    for fact in ("HYP-E-KF-04", "byte 5000", "bit 3", "70000", "1..65535", "HYP-KF-004"):
        assert fact in text
    assert text.endswith("hyp trace a.hyp --at 5000")
    assert "70000" in str(error) and "byte 5000" in str(error)


def test_error_survives_the_way_between_processes() -> None:
    payload = memoryview(bytes(1000))
    error = errors.error("HYP-E-UNIT-03", bit_offset=9, value=payload, allowed=range(3))
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error) and copy.explain() == error.explain()
    assert copy.as_dict()["bit_offset"] == 9


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError):
        _ = errors.NoSuchError
    with pytest.raises(KeyError):
        errors.error("HYP-E-NONE-01")
