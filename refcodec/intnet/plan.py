"""How the fast evaluators walk through a network: in groups of nodes, each over strips of rows.

Whole tensors of a 1080p picture are far larger than caches. So nodes that need no neighbours are chained
and evaluated strip by strip, in buffers that stay in the cache; a 3x3 convolution begins a new group,
because its rows above and below must be complete. Only what crosses groups is kept whole.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from refcodec.intnet.graph import Network, Node

SPATIAL = ("conv3x3", "depthwise3x3")
POINTWISE = ("conv1x1", "requantise", "add", "concat", "gather_channels", "lookup")


@dataclass(frozen=True, eq=False)
class Group:
    """Nodes evaluated together over the same strips.

    `fused` maps a spatial node's output to the requantise node that is computed on the way into its
    padded input. `kept` are the tensors that others need whole.
    """

    nodes: tuple[Node, ...]
    fused: dict[str, Node]
    kept: frozenset[str]


def make_groups(network: Network) -> list[Group]:
    """Split the nodes of a network into groups, in order."""
    consumers: dict[str, list[Node]] = {}
    for node in network.nodes:
        for name in node.inputs:
            consumers.setdefault(name, []).append(node)
    producers = {node.output: node for node in network.nodes}
    fused: dict[str, Node] = {}
    for node in network.nodes:
        if node.op in SPATIAL:
            source = producers.get(node.inputs[0])
            if (
                source is not None
                and source.op == "requantise"
                and len(consumers[source.output]) == 1
                and source.output not in network.outputs
            ):
                fused[node.output] = source
    absorbed = {source.output for source in fused.values()}

    groups: list[list[Node]] = []
    made: set[str] = set()
    size_of = _Sizes(network)
    for node in network.nodes:
        if node.output in absorbed:
            continue
        inputs = fused[node.output].inputs if node.output in fused else node.inputs
        joins = bool(groups) and _joins(node, inputs, groups[-1], made, size_of)
        if not joins:
            groups.append([])
            made = set()
        groups[-1].append(node)
        made.add(node.output)
    return [_close(nodes, fused, consumers, network) for nodes in groups]


class _Sizes:
    """Labels tensors of certainly equal size: a shuffle makes a new label from its input's, a crop takes one over.

    Inputs are told apart, as a caller may scale each differently, until an addition or a concatenation says
    that they are equal.
    """

    def __init__(self, network: Network) -> None:
        self._equal: dict[object, object] = {}
        self._labels: dict[str, object] = {
            item.name: ("input", item.name) for item in network.inputs
        }
        for node in network.nodes:
            label = self[node.inputs[0]]
            if node.op in ("pixel_shuffle", "space_to_depth"):
                label = (node.op, node.factor, label)
            elif node.op == "crop_like":
                label = self[node.inputs[1]]
            elif node.op in ("add", "concat"):
                for other in node.inputs[1:]:
                    if self[other] != label:
                        self._equal[self[other]] = label
            self._labels[node.output] = label

    def __getitem__(self, name: str) -> object:
        label = self._labels[name]
        while label in self._equal:
            label = self._equal[label]
        return label


def _joins(
    node: Node, inputs: tuple[str, ...], group: list[Node], made: set[str], size_of: _Sizes
) -> bool:
    # the group's strips are rows of its first node's output; a shuffle stands alone or ends a group
    head = group[0]
    if head.op in ("space_to_depth", "crop_like") or group[-1].op == "pixel_shuffle":
        return False
    base = size_of[head.output]
    if node.op in SPATIAL:
        return False
    if node.op == "pixel_shuffle":
        return inputs[0] in made and size_of[inputs[0]] == base
    if node.op not in POINTWISE:
        return False
    # what it reads of other groups is complete: they are evaluated before
    return size_of[node.output] == base


def _close(
    nodes: list[Node], fused: dict[str, Node], consumers: dict[str, list[Node]], network: Network
) -> Group:
    inside = {id(node) for node in nodes}
    mine = {node.output: fused[node.output] for node in nodes if node.output in fused}
    inside |= {id(source) for source in mine.values()}
    kept = frozenset(
        node.output
        for node in nodes
        if node.output in network.outputs
        or node.op in ("pixel_shuffle", "space_to_depth", "crop_like")
        or any(id(user) not in inside for user in consumers.get(node.output, []))
    )
    return Group(tuple(nodes), mine, kept)


def source_of(group: Group) -> str:
    """Return the tensor that a group's first node reads, or the requantisation before it."""
    head = group.nodes[0]
    return group.fused.get(head.output, head).inputs[0]


def needs(group: Group) -> set[str]:
    """Return the whole tensors that a group reads."""
    made = {node.output for node in group.nodes}
    names: set[str] = set()
    for node in group.nodes:
        names |= set(group.fused.get(node.output, node).inputs) - made
    return names


def uses(network: Network, groups: list[Group]) -> dict[str, int]:
    """Return how many groups read each whole tensor, and the caller those of the network's outputs."""
    counts = dict.fromkeys(network.outputs, 1)
    for group in groups:
        for name in needs(group):
            counts[name] = counts.get(name, 0) + 1
    return counts


def grouped_convolutions(network: Network, groups: list[Group]) -> dict[str, list[int]]:
    """Find the convolutions that only a shuffle reads, and the order dy, dx, c for their output channels.

    A permutation of weights, made once, spares the shuffle its transposition.
    """
    found: dict[str, list[int]] = {}
    for group in groups:
        last = group.nodes[-1]
        if last.op != "pixel_shuffle":
            continue
        name = last.inputs[0]
        source = next((node for node in group.nodes if node.output == name), None)
        if source is None or source.op != "conv1x1" or name in group.kept:
            continue
        if any(name in node.inputs for node in group.nodes[:-1]):
            continue
        square = last.factor**2
        channels = network.channels[last.output]
        found[name] = [c * square + tap for tap in range(square) for c in range(channels)]
    return found


def with_order(node: Node, order: list[int]) -> Node:
    """Return a convolution with its output channels in another order."""
    assert node.weight is not None and node.bias is not None and node.multiplier is not None
    return replace(
        node, weight=node.weight[order], bias=node.bias[order], multiplier=node.multiplier[order]
    )
