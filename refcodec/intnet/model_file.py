"""(#net.file) Model files: safetensors with the description of the networks in its metadata.

A model file is one safetensors file of at most 8 MiB. Its tensors lie without gaps or overlaps and have
the types I8, I16 and I32 (little-endian). `__metadata__` has the entry "intnet", a JSON text:

    {"format": "intnet-1", "name": "core",
     "networks": {"hyper": N, "context_a": N, "context_b": N, "stage1": N, "stage2": N},
     "parameters": {"latent_channels": 96, ...},            whole numbers
     "tables": {"gain": "tensor name", ...}}

    N = {"inputs": [{"name": "latents", "channels": 96, "lo": -2047, "hi": 2047}, ...],
         "nodes": [{"op": "conv1x1", "in": ["latents"], "out": "first", "lo": -2047, "hi": 2047,
                    "weight": "tensor name", "bias": "tensor name", "multiplier": "tensor name", "shift": 14},
                   ...],
         "outputs": ["features", "low_picture"]}

Members of a node besides op, in, out, lo, hi (all required, none else allowed):

    conv1x1, conv3x3, depthwise3x3   weight  int8 (O,I) | (O,I,3,3) | (C,3,3);  bias int32 (O);
                                     multiplier int32 (O), each >= 1;  shift 0..31
    requantise                       multiplier int32 (C), each >= 1;  shift 0..31
    gather_channels                  index   list of channel numbers, repeats allowed
    pixel_shuffle, space_to_depth    factor  2..8
    lookup                           table   int16 (hi_in - lo_in + 1), declared range of the input
    add, concat, crop_like           nothing

Tensor names within a network: [a-z][a-z0-9_]*, at most 64 characters, each made once, used only after
it is made. Names of stored tensors are free. Entries of `__metadata__` besides "intnet" carry no
meaning. The model digest is the SHA-256 of the whole file.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from refcodec import errors
from refcodec.intnet.bounds import NetworkBounds, check_bounds
from refcodec.intnet.graph import (
    CONVOLUTIONS,
    INT16_HI,
    INT16_LO,
    OPS,
    Array,
    Network,
    NetworkInput,
    Node,
)

FORMAT = "intnet-1"
MAX_FILE_SIZE = 8 << 20
MAX_HEADER_SIZE = 1 << 20
MAX_NETWORKS = 16
MAX_NODES = 512
MAX_CHANNELS = 1024
MAX_TENSORS = 4096
MAX_WEIGHTS = 1 << 24

_DTYPES: dict[str, np.dtype[Any]] = {
    "I8": np.dtype("i1"),
    "I16": np.dtype("<i2"),
    "I32": np.dtype("<i4"),
}
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True, eq=False)
class ModelFile:
    """A checked model file.

    `networks` and `bounds` by network name, `parameters` whole numbers, `tables` integer arrays,
    `digest` the SHA-256 (32 bytes) of the file and `size` its bytes.
    """

    name: str
    networks: Mapping[str, Network]
    bounds: Mapping[str, NetworkBounds]
    parameters: Mapping[str, int]
    tables: Mapping[str, Array]
    digest: bytes
    size: int


def read_model_file(path: str | os.PathLike[str]) -> ModelFile:
    """(#net.file) Read and check the model file at `path`.

    Raises HYP-E-GEN-04 when it cannot be read and HYP-E-NET-01 to -10 when it is wrong. Nothing larger
    than the file itself is allocated before it is checked.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_FILE_SIZE + 1)
    except OSError as error:
        raise errors.error("HYP-E-GEN-04", element=str(path), detail=error.strerror) from error
    return parse_model_file(content)


def parse_model_file(content: bytes) -> ModelFile:
    """(#net.file) Check the bytes of a model file and return what it holds. Raises HYP-E-NET-01 to -10."""
    if len(content) > MAX_FILE_SIZE:
        raise errors.error("HYP-E-NET-02", element="file size", allowed=(0, MAX_FILE_SIZE))
    tensors, description = _read_safetensors(content)
    root = _members(
        "intnet", _json(description), {"format", "name", "networks", "parameters", "tables"}
    )
    if root["format"] != FORMAT:
        raise errors.error("HYP-E-NET-10", element="format", value=root["format"], allowed=FORMAT)
    name = _text("name", root["name"])
    described = _mapping("networks", root["networks"])
    if not 1 <= len(described) <= MAX_NETWORKS:
        _graph("networks", len(described), (1, MAX_NETWORKS))
    networks: dict[str, Network] = {}
    bounds: dict[str, NetworkBounds] = {}
    for key, value in described.items():
        networks[key] = _network(_text("networks", key), value, tensors)
    # many nodes may share a stored tensor, so the size of the file does not bound the work of the checks
    total = sum(
        n.weight.size for net in networks.values() for n in net.nodes if n.weight is not None
    )
    if total > MAX_WEIGHTS:
        raise errors.error("HYP-E-NET-08", element="weights", value=total, allowed=(0, MAX_WEIGHTS))
    for key, network in networks.items():
        bounds[key] = check_bounds(network)
    parameters = {
        _text("parameters", key): _integer(f"parameters.{key}", value, 0, 1 << 31)
        for key, value in _mapping("parameters", root["parameters"]).items()
    }
    tables = {
        _text("tables", key): _tensor(f"tables.{key}", value, tensors)
        for key, value in _mapping("tables", root["tables"]).items()
    }
    digest = hashlib.sha256(content).digest()
    return ModelFile(name, networks, bounds, parameters, tables, digest, len(content))


def write_model_file(
    path: str | os.PathLike[str],
    name: str,
    networks: Mapping[str, Network],
    parameters: Mapping[str, int],
    tables: Mapping[str, Array],
) -> bytes:
    """Write a model file, whole or not at all, and return its digest.

    The bytes depend on the arguments only. The file is checked first: raises what `parse_model_file` does.
    """
    stored: dict[str, Array] = {}
    described: dict[str, Any] = {}
    for key, network in networks.items():
        described[key] = {
            "inputs": [
                {"name": i.name, "channels": i.channels, "lo": i.lo, "hi": i.hi}
                for i in network.inputs
            ],
            "nodes": [_describe(network.name, node, stored) for node in network.nodes],
            "outputs": list(network.outputs),
        }
    for key, table in tables.items():
        stored[f"tables.{key}"] = table
    description = {
        "format": FORMAT,
        "name": name,
        "networks": described,
        "parameters": dict(parameters),
        "tables": {key: f"tables.{key}" for key in tables},
    }
    content = _pack(stored, json.dumps(description, separators=(",", ":")))
    digest = parse_model_file(content).digest
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    return digest


def _describe(network: str, node: Node, stored: dict[str, Array]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "op": node.op,
        "in": list(node.inputs),
        "out": node.output,
        "lo": node.lo,
        "hi": node.hi,
    }
    for member in sorted(_MEMBERS[node.op]):
        value = getattr(node, member)
        if member in ("weight", "bias", "multiplier", "table"):
            key = f"{network}.{node.output}.{member}"
            stored[key] = value
            value = key
        row[member] = list(value) if member == "index" else value
    return row


def _pack(stored: Mapping[str, Array], description: str) -> bytes:
    codes = {dtype: code for code, dtype in _DTYPES.items()}
    header: dict[str, Any] = {"__metadata__": {"intnet": description}}
    body = bytearray()
    # widest elements first, so that every tensor is aligned
    for key, value in sorted(stored.items(), key=lambda item: -item[1].dtype.itemsize):
        data = np.ascontiguousarray(value)
        dtype = data.dtype.newbyteorder("<")
        code = codes[dtype]
        begin = len(body)
        body += data.astype(dtype, copy=False).tobytes()
        header[key] = {"dtype": code, "shape": list(data.shape), "data_offsets": [begin, len(body)]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + bytes(body)


# ------------------------------------------------------------------------------------- safetensors


def _malformed(detail: str) -> NoReturn:
    raise errors.error("HYP-E-NET-01", detail=detail)


def _graph(element: str, value: object, allowed: object, detail: str | None = None) -> NoReturn:
    raise errors.error("HYP-E-NET-03", element=element, value=value, allowed=allowed, detail=detail)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a member occurs twice")
    return result


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number of JSON")


def _json(text: str | bytes) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise errors.error("HYP-E-NET-01", detail=f"JSON: {str(error)[:120]}.") from error


def _read_safetensors(content: bytes) -> tuple[dict[str, Array], str]:
    if len(content) < 8:
        _malformed("The file is shorter than 8 bytes.")
    size = int.from_bytes(content[:8], "little")
    if size > min(MAX_HEADER_SIZE, len(content) - 8):
        _malformed("The header is longer than the file or than 1 MiB.")
    header = _json(content[8 : 8 + size])
    if not isinstance(header, dict):
        _malformed("The header is not a JSON object.")
    metadata = header.pop("__metadata__", None)
    description = metadata.get("intnet") if isinstance(metadata, dict) else None
    if not isinstance(description, str):
        _malformed("The metadata have no entry intnet.")
    if len(header) > MAX_TENSORS:
        _malformed(f"The file has more than {MAX_TENSORS} tensors.")
    body = memoryview(content)[8 + size :]
    tensors: dict[str, Array] = {}
    spans: list[tuple[int, int]] = []
    for name, entry in header.items():
        tensors[name] = _stored(name, entry, body, spans)
    expected = 0
    for begin, end in sorted(spans):
        if begin != expected:
            _malformed("The tensors overlap or leave gaps.")
        expected = end
    if expected != len(body):
        _malformed("The tensors do not cover the file.")
    return tensors, description


def _stored(name: str, entry: Any, body: memoryview, spans: list[tuple[int, int]]) -> Array:
    shown = name[:64]
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        _malformed(f"The entry of tensor {shown} is not one of safetensors.")
    dtype = _DTYPES.get(entry["dtype"]) if isinstance(entry["dtype"], str) else None
    if dtype is None:
        _malformed(f"Tensor {shown} is not I8, I16 or I32.")
    shape, offsets = entry["shape"], entry["data_offsets"]
    for numbers in (shape, offsets):
        if not isinstance(numbers, list) or not all(
            type(n) is int and 0 <= n <= MAX_FILE_SIZE for n in numbers
        ):
            _malformed(f"Tensor {shown} has an impossible shape or place.")
    if len(shape) > 4 or len(offsets) != 2:
        _malformed(f"Tensor {shown} has an impossible shape or place.")
    begin, end = offsets
    count = 1
    for n in shape:
        count *= n
    if not begin <= end <= len(body) or count * dtype.itemsize != end - begin:
        _malformed(f"Tensor {shown} does not fit its place.")
    spans.append((begin, end))
    array = np.frombuffer(body[begin:end], dtype=dtype).reshape(shape)
    native: Array = array.astype(dtype.newbyteorder("="))
    native.setflags(write=False)
    return native


# ------------------------------------------------------------------------------------- description


def _mapping(element: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        _graph(element, type(value).__name__, "object")
    return value


def _members(element: str, value: Any, names: set[str]) -> dict[str, Any]:
    mapping = _mapping(element, value)
    if set(mapping) != names:
        _graph(element, ", ".join(sorted(mapping))[:120], ", ".join(sorted(names)))
    return mapping


def _list(element: str, value: Any, lo: int, hi: int) -> list[Any]:
    if not isinstance(value, list):
        _graph(element, type(value).__name__, "array")
    if not lo <= len(value) <= hi:
        _graph(f"length of {element}", len(value), (lo, hi))
    return value


def _integer(element: str, value: Any, lo: int, hi: int) -> int:
    if type(value) is not int:
        _graph(element, type(value).__name__, "whole number")
    if not lo <= value <= hi:
        _graph(element, value, (lo, hi))
    return value


def _text(element: str, value: Any) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        _graph(element, value, "a name: [a-z][a-z0-9_]*, at most 64 characters")
    return value


def _tensor(element: str, value: Any, tensors: Mapping[str, Array]) -> Array:
    if not isinstance(value, str) or value not in tensors:
        _graph(element, value, "the name of a stored tensor")
    return tensors[value]


def _shaped(
    element: str,
    value: Any,
    tensors: Mapping[str, Array],
    dtype: type[np.signedinteger[Any]],
    shape: tuple[int, ...],
) -> Array:
    array = _tensor(element, value, tensors)
    if array.dtype != dtype or array.shape != shape:
        raise errors.error(
            "HYP-E-NET-04",
            element=element,
            value=f"{array.dtype} {array.shape}",
            allowed=f"{np.dtype(dtype)} {shape}",
        )
    return array


_SCALED = {"multiplier", "shift"}
_MEMBERS: dict[str, set[str]] = {
    **{op: {"weight", "bias"} | _SCALED for op in CONVOLUTIONS},
    "requantise": _SCALED,
    "add": set(),
    "concat": set(),
    "gather_channels": {"index"},
    "pixel_shuffle": {"factor"},
    "space_to_depth": {"factor"},
    "lookup": {"table"},
    "crop_like": set(),
}
_ARITY: dict[str, tuple[int, int]] = dict.fromkeys(OPS, (1, 1)) | {
    "add": (2, 2),
    "concat": (2, 16),
    "crop_like": (2, 2),
}


def _network(name: str, value: Any, tensors: Mapping[str, Array]) -> Network:
    root = _members(name, value, {"inputs", "nodes", "outputs"})
    channels: dict[str, int] = {}
    ranges: dict[str, tuple[int, int]] = {}
    inputs = []
    for row in _list(f"{name}.inputs", root["inputs"], 1, 16):
        entry = _members(f"{name}.inputs", row, {"name", "channels", "lo", "hi"})
        item = NetworkInput(
            _text(f"{name}.inputs", entry["name"]),
            _integer(f"{name}.inputs.channels", entry["channels"], 1, MAX_CHANNELS),
            _integer(f"{name}.inputs.lo", entry["lo"], INT16_LO, INT16_HI),
            _integer(f"{name}.inputs.hi", entry["hi"], INT16_LO, INT16_HI),
        )
        _declare(name, item.name, item.channels, (item.lo, item.hi), channels, ranges)
        inputs.append(item)
    nodes = []
    for row in _list(f"{name}.nodes", root["nodes"], 1, MAX_NODES):
        node, count = _node(name, row, tensors, channels, ranges)
        _declare(name, node.output, count, (node.lo, node.hi), channels, ranges)
        nodes.append(node)
    outputs = []
    for item in _list(f"{name}.outputs", root["outputs"], 1, 16):
        output = _text(f"{name}.outputs", item)
        if output not in channels or output in outputs:
            _graph(f"{name}.outputs", output, "a tensor of the network, named once")
        outputs.append(output)
    return Network(name, tuple(inputs), tuple(nodes), tuple(outputs), channels)


def _declare(
    network: str,
    tensor: str,
    count: int,
    bounds: tuple[int, int],
    channels: dict[str, int],
    ranges: dict[str, tuple[int, int]],
) -> None:
    if tensor in channels:
        _graph(f"{network}.{tensor}", "made twice", "made once")
    if not 1 <= count <= MAX_CHANNELS:
        _graph(f"channels of {network}.{tensor}", count, (1, MAX_CHANNELS))
    channels[tensor] = count
    ranges[tensor] = bounds


def _node(
    network: str,
    value: Any,
    tensors: Mapping[str, Array],
    channels: Mapping[str, int],
    ranges: Mapping[str, tuple[int, int]],
) -> tuple[Node, int]:
    """Check one node and return it with the number of its output channels."""
    mapping = _mapping(f"{network}.nodes", value)
    op = mapping.get("op")
    if not isinstance(op, str) or op not in OPS:
        _graph(f"{network}.nodes.op", op, ", ".join(OPS))
    entry = _members(f"{network}.{op}", mapping, {"op", "in", "out", "lo", "hi"} | _MEMBERS[op])
    output = _text(f"{network}.{op}.out", entry["out"])
    label = f"{network}.{output}"
    given = []
    for item in _list(f"{label}.in", entry["in"], *_ARITY[op]):
        tensor = _text(f"{label}.in", item)
        if tensor not in channels:
            _graph(f"{label}.in", tensor, "a tensor made before")
        given.append(tensor)
    lo = _integer(f"{label}.lo", entry["lo"], INT16_LO, INT16_HI)
    hi = _integer(f"{label}.hi", entry["hi"], INT16_LO, INT16_HI)
    details, count = _OPERATORS[op](
        label, entry, tensors, [channels[name] for name in given], ranges[given[0]]
    )
    return Node(op, tuple(given), output, lo, hi, **details), count


_Checked = tuple[dict[str, Any], int]


def _scaling(
    label: str, entry: Mapping[str, Any], tensors: Mapping[str, Array], count: int
) -> dict[str, Any]:
    multiplier = _shaped(f"{label}.multiplier", entry["multiplier"], tensors, np.int32, (count,))
    if count and int(multiplier.min()) < 1:
        raise errors.error(
            "HYP-E-NET-04",
            element=f"{label}.multiplier",
            value=int(multiplier.min()),
            allowed="at least 1",
        )
    return {"multiplier": multiplier, "shift": _integer(f"{label}.shift", entry["shift"], 0, 31)}


def _check_convolution(
    label: str,
    entry: Mapping[str, Any],
    tensors: Mapping[str, Array],
    given: list[int],
    _: tuple[int, int],
) -> _Checked:
    stored = _tensor(f"{label}.weight", entry["weight"], tensors)
    count = given[0] if entry["op"] == "depthwise3x3" else (stored.shape or (0,))[0]
    shape = {
        "conv1x1": (count, given[0]),
        "conv3x3": (count, given[0], 3, 3),
        "depthwise3x3": (count, 3, 3),
    }[entry["op"]]
    weight = _shaped(f"{label}.weight", entry["weight"], tensors, np.int8, shape)
    bias = _shaped(f"{label}.bias", entry["bias"], tensors, np.int32, (count,))
    return {"weight": weight, "bias": bias} | _scaling(label, entry, tensors, count), count


def _check_requantise(
    label: str,
    entry: Mapping[str, Any],
    tensors: Mapping[str, Array],
    given: list[int],
    _: tuple[int, int],
) -> _Checked:
    return _scaling(label, entry, tensors, given[0]), given[0]


def _check_add(
    label: str,
    _: Mapping[str, Any],
    __: Mapping[str, Array],
    given: list[int],
    ___: tuple[int, int],
) -> _Checked:
    if given[0] != given[1]:
        _graph(f"{label}: channels", given[1], given[0])
    return {}, given[0]


def _check_concat(
    label: str,
    _: Mapping[str, Any],
    __: Mapping[str, Array],
    given: list[int],
    ___: tuple[int, int],
) -> _Checked:
    return {}, sum(given)


def _check_gather(
    label: str,
    entry: Mapping[str, Any],
    _: Mapping[str, Array],
    given: list[int],
    __: tuple[int, int],
) -> _Checked:
    numbers = _list(f"{label}.index", entry["index"], 1, MAX_CHANNELS)
    index = tuple(_integer(f"{label}.index", item, 0, given[0] - 1) for item in numbers)
    return {"index": index}, len(index)


def _check_shuffle(
    label: str,
    entry: Mapping[str, Any],
    _: Mapping[str, Array],
    given: list[int],
    __: tuple[int, int],
) -> _Checked:
    factor = _integer(f"{label}.factor", entry["factor"], 2, 8)
    if entry["op"] == "space_to_depth":
        return {"factor": factor}, given[0] * factor * factor
    if given[0] % (factor * factor):
        _graph(f"{label}: channels", given[0], f"a multiple of {factor * factor}")
    return {"factor": factor}, given[0] // (factor * factor)


def _check_lookup(
    label: str,
    entry: Mapping[str, Any],
    tensors: Mapping[str, Array],
    given: list[int],
    source: tuple[int, int],
) -> _Checked:
    length = source[1] - source[0] + 1
    return {
        "table": _shaped(f"{label}.table", entry["table"], tensors, np.int16, (length,))
    }, given[0]


def _check_crop(
    label: str,
    _: Mapping[str, Any],
    __: Mapping[str, Array],
    given: list[int],
    ___: tuple[int, int],
) -> _Checked:
    return {}, given[0]


_Check = Callable[
    [str, Mapping[str, Any], Mapping[str, Array], list[int], tuple[int, int]], _Checked
]
_OPERATORS: dict[str, _Check] = {
    **dict.fromkeys(CONVOLUTIONS, _check_convolution),
    "requantise": _check_requantise,
    "add": _check_add,
    "concat": _check_concat,
    "gather_channels": _check_gather,
    "pixel_shuffle": _check_shuffle,
    "space_to_depth": _check_shuffle,
    "lookup": _check_lookup,
    "crop_like": _check_crop,
}
