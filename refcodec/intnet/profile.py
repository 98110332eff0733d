"""Where the time of an evaluation goes: processor seconds and multiplications of each node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refcodec.intnet.backends import prepared
from refcodec.intnet.graph import Network, Node


@dataclass
class NodeCost:
    """One node over a whole evaluation; `seconds` are processor time of all threads together."""

    output: str
    op: str
    channels: int
    seconds: float = 0.0
    multiplications: int = 0

    @property
    def rate(self) -> float:
        """Multiplications per second of one thread, in units of 10^9 (0 for nodes without)."""
        return self.multiplications / self.seconds / 1e9 if self.seconds else 0.0


def profile(
    network: Network, inputs: Mapping[str, NDArray[np.int16]], backend: str, threads: int = 1
) -> list[NodeCost]:
    """Evaluate once with a strip evaluator (not numpy, torch) and return the cost of each node, in order."""
    costs: dict[str, NodeCost] = {}

    def watch(node: Node, seconds: float, positions: int) -> None:
        cost = costs.setdefault(
            node.output, NodeCost(node.output, node.op, network.channels[node.output])
        )
        cost.seconds += seconds
        if node.weight is not None:
            cost.multiplications += positions * int(node.weight.size)

    prepared(backend).evaluate(network, inputs, threads, watch)
    order = {node.output: i for i, node in enumerate(network.nodes)}
    return sorted(costs.values(), key=lambda cost: order[cost.output])
