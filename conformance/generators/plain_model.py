"""Model files and tables as the nested lists that the executable specification takes."""

from __future__ import annotations

import csv
from typing import Any

from refcodec.intnet.graph import Network, Node
from refcodec.intnet.model_file import ModelFile
from spec import data

_MEMBERS = ("weight", "bias", "multiplier", "table")


def plain_node(node: Node) -> dict[str, Any]:
    """Return a node as spec.model.integer_network takes it."""
    plain: dict[str, Any] = {
        "op": node.op,
        "in": list(node.inputs),
        "out": node.output,
        "lo": node.lo,
        "hi": node.hi,
        "shift": node.shift,
        "factor": node.factor,
        "index": list(node.index),
    }
    for member in _MEMBERS:
        array = getattr(node, member)
        if array is not None:
            plain[member] = array.tolist()
    return plain


def plain_network(network: Network) -> dict[str, Any]:
    """Return a network as spec.model.integer_network takes it."""
    return {
        "inputs": [
            {"name": i.name, "channels": i.channels, "lo": i.lo, "hi": i.hi} for i in network.inputs
        ],
        "nodes": [plain_node(node) for node in network.nodes],
        "outputs": list(network.outputs),
    }


def plain_model(file: ModelFile) -> dict[str, Any]:
    """Return a model as spec.model.prompt_decoding and spec.model.generation take it."""
    return {
        "networks": {name: plain_network(network) for name, network in file.networks.items()},
        "parameters": dict(file.parameters),
        "tables": {name: table.tolist() for name, table in file.tables.items()},
    }


def plain_tables() -> tuple[list[list[list[int]]], list[int]]:
    """Return (cdf, escape_order) of spec/tables/latent_cdf.csv: cdf[s][f + 4] has 34 entries."""
    cdf: list[list[list[int]]] = [[[] for _ in range(8)] for _ in range(40)]
    escape_order = [0] * 40
    with data("tables/latent_cdf.csv").open(newline="") as file:
        rows = csv.reader(file)
        next(rows)
        for row in rows:
            s, f, order, *entries = (int(cell) for cell in row)
            cdf[s][f + 4] = entries
            escape_order[s] = order
    return cdf, escape_order
