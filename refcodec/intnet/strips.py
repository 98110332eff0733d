"""Evaluation of networks over strips of rows by several threads; the matrix product is exchangeable.

Whatever the strips and threads are, each output element is computed by the same integer formula, so
the result does not depend on them.
"""

from __future__ import annotations

import os
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import cache
from threading import Lock
from time import thread_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refcodec.intnet import kernels
from refcodec.intnet.graph import Array, Network, Node
from refcodec.intnet.plan import SPATIAL, Group, make_groups

Tensor = NDArray[np.int16]

STRIP_BYTES = 2 << 20
"""Aim for the buffers of one strip: about a cache's size, yet several rows, as each strip repeats two."""


class Workspace:
    """Buffers of one thread, kept from call to call: fresh memory would cost a page fault every 4 KiB."""

    def __init__(self) -> None:
        self._buffers: dict[object, Array] = {}

    def take(self, key: object, shape: tuple[int, ...], dtype: Any = np.int16) -> Any:
        """Return an uninitialised C-contiguous array; the same key gives the same memory."""
        size = int(np.prod(shape))
        buffer = self._buffers.get(key)
        if buffer is None or buffer.size < size:
            buffer = np.empty(size, dtype)
            self._buffers[key] = buffer
        return buffer[:size].reshape(shape)


Product = Callable[[Tensor, Tensor, Workspace], None]
"""A prepared convolution: from x (N, I) to out (N, O), both int16, with buffers from the workspace."""


MakeProduct = Callable[[Node, NDArray[np.int16], tuple[int, int]], Product]
"""Prepares a convolution: the node, its weights as a matrix int16 (O, I), the range of its input."""

Filter = Callable[[Tensor, Tensor], None]
"""A prepared depthwise convolution: from padded (rows + 2, W + 2, C) to out (rows, W, C), both int16."""

MakeFilter = Callable[[Node, NDArray[np.int16]], Filter]
"""Prepares a depthwise convolution: the node and its weights int16 (C, 3, 3)."""

Watch = Callable[[Node, float, int], None]
"""Is told of each node in each strip: the node, processor seconds, positions."""


def plain_filter(node: Node, weight: NDArray[np.int16]) -> Filter:
    """Prepare a depthwise convolution for `kernels.depthwise`."""
    taps = np.ascontiguousarray(weight.reshape(len(weight), 9).T.astype(np.int32)).reshape(-1)

    def filter_rows(padded: Tensor, out: Tensor) -> None:
        kernels.depthwise(
            padded.reshape(-1), taps, node.bias, node.multiplier, node.shift, node.lo, node.hi, out
        )

    return filter_rows


class StripEvaluator:
    """A network prepared for evaluation with one kind of product."""

    def __init__(
        self, network: Network, make_product: MakeProduct, make_filter: MakeFilter
    ) -> None:
        self.network = network
        self.groups = make_groups(network)
        self._products: dict[str, Product] = {}
        self._filters: dict[str, Filter] = {}
        self._workspaces: deque[Workspace] = deque()
        self._uses: dict[str, int] = dict.fromkeys(network.outputs, 1)
        for group in self.groups:
            for name in _needs(group):
                self._uses[name] = self._uses.get(name, 0) + 1
        self._grouped = _grouped_convolutions(network, self.groups)
        for listed in network.nodes:
            if listed.weight is None:
                continue
            order = self._grouped.get(listed.output)
            node = listed if order is None else _with_order(listed, order)
            assert node.weight is not None
            weight = node.weight.astype(np.int16)
            if node.op == "depthwise3x3":
                self._filters[node.output] = make_filter(node, weight)
                continue
            if node.op == "conv3x3":
                weight = weight.transpose(0, 2, 3, 1).reshape(len(weight), -1)
            lo, hi = network.declared(node.inputs[0])
            if node.op == "conv3x3":  # the zeros around it belong to its input
                lo, hi = min(lo, 0), max(hi, 0)
            self._products[node.output] = make_product(node, np.ascontiguousarray(weight), (lo, hi))

    def __call__(
        self, inputs: Mapping[str, Tensor], threads: int, watch: Watch | None = None
    ) -> dict[str, Tensor]:
        """Evaluate; see `evaluate_numpy.evaluate`. Outputs are (C,H,W) views of arrays with channels last."""
        tensors: dict[str, Tensor] = {
            name: np.ascontiguousarray(value.transpose(1, 2, 0)) for name, value in inputs.items()
        }
        uses = dict(self._uses)
        for group in self.groups:
            self._run(group, tensors, threads, watch)
            for name in _needs(group):
                uses[name] -= 1
                if not uses[name]:
                    del tensors[name]
        return {name: tensors[name].transpose(2, 0, 1) for name in self.network.outputs}

    def _run(
        self, group: Group, tensors: dict[str, Tensor], threads: int, watch: Watch | None
    ) -> None:
        head = group.nodes[0]
        source = group.fused.get(head.output, head).inputs[0]
        height, width = tensors[source].shape[:2]
        if head.op == "crop_like":
            like = tensors[head.inputs[1]].shape
            tensors[head.output] = np.ascontiguousarray(tensors[source][: like[0], : like[1]])
            return
        if head.op == "space_to_depth":
            height, width = height // head.factor, width // head.factor
        channels = self.network.channels
        for node in group.nodes:
            if node.output in group.kept:
                factor = node.factor if node.op == "pixel_shuffle" else 1
                shape = (height * factor, width * factor, channels[node.output])
                tensors[node.output] = np.empty(shape, np.int16)
        widest = sum(channels[node.output] for node in group.nodes) * 2 + max(
            6 * channels[node.output] for node in group.nodes
        )
        rows = max(1, min(STRIP_BYTES // (width * widest), -(-height // (2 * threads))))
        strips = [(first, min(first + rows, height)) for first in range(0, height, rows)]

        def work(strip: tuple[int, int]) -> None:
            try:
                workspace = self._workspaces.pop()
            except IndexError:
                workspace = Workspace()
            try:
                self._strip(group, tensors, strip, workspace, watch)
            finally:
                self._workspaces.append(workspace)

        if threads == 1 or len(strips) == 1:
            for strip in strips:
                work(strip)
        else:
            for _ in _pool(threads, os.getpid()).map(work, strips):
                pass

    def _strip(
        self,
        group: Group,
        tensors: Mapping[str, Tensor],
        strip: tuple[int, int],
        workspace: Workspace,
        watch: Watch | None,
    ) -> None:
        first, last = strip
        local: dict[str, Tensor] = {}

        def rows_of(name: str) -> Tensor:
            return local[name] if name in local else tensors[name][first:last]

        for node in group.nodes:
            channels = self.network.channels[node.output]
            started = thread_time() if watch else 0.0
            if node.op == "space_to_depth":
                source = tensors[node.inputs[0]][first * node.factor : last * node.factor]
                out = tensors[node.output][first:last]
                kernels.space_to_depth(source, node.factor, out)
            elif node.op == "pixel_shuffle":
                r = node.factor
                out = tensors[node.output][first * r : last * r]
                shuffle = (
                    kernels.pixel_shuffle_grouped
                    if node.inputs[0] in self._grouped
                    else kernels.pixel_shuffle
                )
                shuffle(rows_of(node.inputs[0]), r, out)
            else:
                width = tensors[self._source(group)].shape[1]
                if node.output in group.kept:
                    out = tensors[node.output][first:last]
                else:
                    out = workspace.take(node.output, (last - first, width, channels))
                if node.op in SPATIAL:
                    self._spatial(node, group, tensors, strip, out, workspace)
                else:
                    self._pointwise(node, [rows_of(name) for name in node.inputs], out, workspace)
                local[node.output] = out
            if watch:
                watch(node, thread_time() - started, out.shape[0] * out.shape[1])

    @staticmethod
    def _source(group: Group) -> str:
        head = group.nodes[0]
        return group.fused.get(head.output, head).inputs[0]

    def _spatial(
        self,
        node: Node,
        group: Group,
        tensors: Mapping[str, Tensor],
        strip: tuple[int, int],
        out: Tensor,
        workspace: Workspace,
    ) -> None:
        source = tensors[self._source(group)]
        rows, width = out.shape[:2]
        padded = workspace.take((node.output, "padded"), (rows + 2, width + 2, source.shape[2]))
        before = group.fused.get(node.output)
        if before is None:
            kernels.copy_padded(source, strip[0], padded)
        else:
            kernels.requantise_padded(
                source, strip[0], before.multiplier, before.shift, before.lo, before.hi, padded
            )
        if node.op == "depthwise3x3":
            self._filters[node.output](padded, out)
        else:
            matrix = workspace.take((node.output, "matrix"), (rows * width, 9 * source.shape[2]))
            kernels.neighbourhoods(padded, matrix)
            self._products[node.output](matrix, _matrix(out), workspace)

    def _pointwise(
        self, node: Node, given: list[Tensor], out: Tensor, workspace: Workspace
    ) -> None:
        x, y = _matrix(given[0]), _matrix(out)
        if node.op == "conv1x1":
            self._products[node.output](x, y, workspace)
        elif node.op == "requantise":
            kernels.requantise(x, node.multiplier, node.shift, node.lo, node.hi, y)
        elif node.op == "add":
            kernels.add(x, _matrix(given[1]), node.lo, node.hi, y)
        elif node.op == "concat":
            np.concatenate(given, axis=2, out=out)
        elif node.op == "gather_channels":
            kernels.gather(x, np.array(node.index, np.uint64), y)
        else:
            kernels.lookup(x, node.table, self.network.declared(node.inputs[0])[0], y)


def _grouped_convolutions(network: Network, groups: list[Group]) -> dict[str, list[int]]:
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


def _with_order(node: Node, order: list[int]) -> Node:
    assert node.weight is not None and node.bias is not None and node.multiplier is not None
    return replace(
        node, weight=node.weight[order], bias=node.bias[order], multiplier=node.multiplier[order]
    )


def _needs(group: Group) -> set[str]:
    """Return the whole tensors that a group reads."""
    made = {node.output for node in group.nodes}
    names: set[str] = set()
    for node in group.nodes:
        names |= set(group.fused.get(node.output, node).inputs) - made
    return names


def _matrix(tensor: Tensor) -> Tensor:
    return tensor.reshape(-1, tensor.shape[2])


@cache
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    # per process: a forked worker inherits the object but not its threads
    return ThreadPoolExecutor(threads, thread_name_prefix="intnet")


class Prepared:
    """Networks prepared with one kind of product, for as long as the networks live.

    `around` makes a context for the time of an evaluation.
    """

    def __init__(
        self,
        make_product: MakeProduct,
        make_filter: MakeFilter = plain_filter,
        around: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self._make = make_product, make_filter
        self._around = around
        self._known: weakref.WeakKeyDictionary[Network, StripEvaluator] = (
            weakref.WeakKeyDictionary()
        )
        self._lock = Lock()

    def evaluate(
        self,
        network: Network,
        inputs: Mapping[str, Tensor],
        threads: int,
        watch: Watch | None = None,
    ) -> dict[str, Tensor]:
        """(#net.evaluation) Evaluate a checked network; see `evaluate_numpy.evaluate`."""
        with self._lock:
            found = self._known.get(network)
            if found is None:
                found = StripEvaluator(network, *self._make)
                self._known[network] = found
        with self._around():
            return found(inputs, threads, watch)
