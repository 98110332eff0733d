"""Model files round trip, and any other bytes give a typed error."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.generators.random_model import write_random_model
from refcodec import errors
from refcodec.generator.model import GeneratorModel
from refcodec.intnet.model_file import (
    MAX_FILE_SIZE,
    parse_model_file,
    read_model_file,
    write_model_file,
)

TINY = (2, 2, 2, 2, 2, 2, 2)


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    write_random_model(path, 1, TINY)
    return path.read_bytes()


def split(content: bytes) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    return header, json.loads(header["__metadata__"]["intnet"]), content[8 + size :]


def join(header: dict[str, Any], description: Any, body: bytes) -> bytes:
    header["__metadata__"] = {"intnet": json.dumps(description)}
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def load(content: bytes) -> GeneratorModel:
    return GeneratorModel(parse_model_file(content))


def test_writing_inverts_reading(content: bytes, tmp_path: Path) -> None:
    file = parse_model_file(content)
    again = tmp_path / "again.safetensors"
    digest = write_model_file(again, file.name, file.networks, file.parameters, file.tables)
    assert digest == file.digest
    assert again.read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["again.safetensors"]


def test_the_file_is_one_of_safetensors(content: bytes) -> None:
    safetensors = pytest.importorskip("safetensors.numpy")
    stored = safetensors.load(content)
    file = parse_model_file(content)
    np.testing.assert_array_equal(stored["tables.gain"], file.tables["gain"])
    weights = sum(node.weight is not None for net in file.networks.values() for node in net.nodes)
    assert sum(name.endswith(".weight") for name in stored) == weights > 20


def test_a_missing_file_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(errors.CLASSES["HYP-E-GEN-04"]):
        read_model_file(tmp_path / "none.safetensors")


def test_a_file_beyond_the_limit_is_refused(content: bytes) -> None:
    with pytest.raises(errors.CLASSES["HYP-E-NET-02"]):
        parse_model_file(content + bytes(MAX_FILE_SIZE))


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_a_typed_error(data: bytes) -> None:
    with pytest.raises(errors.HypError):
        parse_model_file(data)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_a_changed_byte_gives_a_model_or_a_typed_error(
    content: bytes, draws: st.DataObject
) -> None:
    changed = bytearray(content)
    for _ in range(draws.draw(st.integers(1, 4))):
        changed[draws.draw(st.integers(0, len(changed) - 1))] = draws.draw(st.integers(0, 255))
    try:
        load(bytes(changed))
    except errors.HypError as error:
        assert error.id.startswith("HYP-E-NET-")


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all members and items of a JSON value."""
    found = [path] if path else []
    items: Any = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, item in items:
        found += leaves(item, (*path, key))
    return found


STRANGE = st.sampled_from(
    [None, True, -1, 0, 1, 3, 40000, 2**31, 2**70, 1.5, "", "qplane", "x" * 70, [], {}, [[0]]]
)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_a_changed_description_gives_a_model_or_a_typed_error(
    content: bytes, draws: st.DataObject
) -> None:
    header, description, body = split(content)
    *path, last = draws.draw(st.sampled_from(leaves(description)))
    target = description
    for key in path:
        target = target[key]
    if draws.draw(st.booleans()):
        target[last] = draws.draw(STRANGE)
    else:
        del target[last]
    try:
        load(join(header, description, body))
    except errors.HypError as error:
        assert error.id.startswith("HYP-E-NET-")


def _node(description: dict[str, Any], op: str) -> dict[str, Any]:
    return next(node for node in description["networks"]["stage1"]["nodes"] if node["op"] == op)


def _set(op: str, /, **members: Any) -> Callable[[dict[str, Any]], None]:
    return lambda description: _node(description, op).update(members)


def _network(**members: Any) -> Callable[[dict[str, Any]], None]:
    return lambda description: description["networks"]["stage1"].update(members)


DEFECTS: list[tuple[str, str, Callable[[dict[str, Any]], Any]]] = [
    ("an unknown operator", "HYP-E-NET-03", _set("add", op="divide")),
    ("a member too many", "HYP-E-NET-03", _set("add", shift=3)),
    ("an input that is made later", "HYP-E-NET-03", _set("requantise", **{"in": ["features"]})),
    ("a tensor made twice", "HYP-E-NET-03", _set("add", out="latents")),
    ("a shift beyond 31", "HYP-E-NET-03", _set("requantise", shift=32)),
    ("a stored tensor of another shape", "HYP-E-NET-04", _set("conv1x1", bias="tables.gain")),
    ("a range beyond int16", "HYP-E-NET-03", _set("add", hi=32768)),
    ("an empty range", "HYP-E-NET-05", _set("add", lo=5, hi=4)),
    ("a shuffle that leaves its range", "HYP-E-NET-05", _set("pixel_shuffle", lo=0)),
    (
        "a product beyond int32",
        "HYP-E-NET-07",
        lambda d: _node(d, "requantise").update(multiplier="tables.huge"),
    ),
    ("another format", "HYP-E-NET-10", lambda d: d.update(format="intnet-2")),
    ("a missing network", "HYP-E-NET-09", lambda d: d["networks"].pop("hyper")),
    ("a missing table", "HYP-E-NET-09", lambda d: d["tables"].pop("gain")),
    ("a missing parameter", "HYP-E-NET-09", lambda d: d["parameters"].pop("latent_channels")),
    (
        "another number of scale indices",
        "HYP-E-NET-09",
        lambda d: d["parameters"].update(scale_count=63),
    ),
    ("an output that nobody asked for", "HYP-E-NET-09", _network(outputs=["features"])),
    ("an output that is not made", "HYP-E-NET-03", _network(outputs=["features", "nothing"])),
]


@pytest.mark.parametrize(
    ("error_id", "defect"), [row[1:] for row in DEFECTS], ids=[row[0] for row in DEFECTS]
)
def test_each_defect_has_its_error(
    content: bytes, error_id: str, defect: Callable[[dict[str, Any]], Any]
) -> None:
    header, description, body = split(content)
    shape = header[_node(description, "requantise")["multiplier"]]["shape"]
    header["tables.huge"] = {
        "dtype": "I32",
        "shape": shape,
        "data_offsets": [len(body), len(body) + 4 * shape[0]],
    }
    body += np.full(shape, 2**31 - 1, "<i4").tobytes()
    load(join(header, description, body))
    defect(description)
    with pytest.raises(errors.CLASSES[error_id]):
        load(join(header, description, body))


def test_an_accumulator_beyond_the_bound_is_refused(content: bytes) -> None:
    header, description, body = split(content)
    place = header[_node(description, "conv1x1")["bias"]]["data_offsets"][0]
    changed = body[:place] + (1 << 24).to_bytes(4, "little") + body[place + 4 :]
    with pytest.raises(errors.CLASSES["HYP-E-NET-06"]):
        load(join(header, description, changed))
