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
from dataclasses import dataclass, replace
from functools import cache
from math import prod
from sys import getrefcount
from threading import Lock
from time import thread_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refcodec.intnet import kernels
from refcodec.intnet.graph import Array, Network, Node
from refcodec.intnet.plan import SPATIAL, Group, make_groups

Tensor = NDArray[np.int16]

STRIP_BYTES = 8 << 20
"""Aim for the buffers of one strip: about a cache's size, yet several rows, as each strip repeats two."""


class Workspace:
    """Buffers of one thread, kept from call to call: fresh memory would cost a page fault every 4 KiB."""

    def __init__(self) -> None:
        self._buffers: dict[object, Array] = {}

    def take(self, key: object, shape: tuple[int, ...], dtype: Any = np.int16) -> Any:
        """Return an uninitialised C-contiguous array; the same key gives the same memory."""
        size = prod(shape)
        buffer = self._buffers.get(key)
        if buffer is None or buffer.size < size:
            buffer = np.empty(size, dtype)
            self._buffers[key] = buffer
        return buffer[:size].reshape(shape)


def _references(buffers: list[Tensor], i: int) -> int:
    return getrefcount(buffers[i])


_UNUSED = _references([np.empty(0, np.int16)], 0)
"""What is counted for a buffer that only the list refers to; Python versions differ."""


class Store:
    """Memory of whole tensors, for reuse: fresh memory of that size can cost more than what is computed in it.

    A buffer is free when no array refers to it any more, which holds for outputs in a caller's hands too.
    """

    LIMIT = 32 << 20
    """Elements kept; the memory of what is beyond is not reused."""

    def __init__(self) -> None:
        self._buffers: list[NDArray[np.int16]] = []
        self._lock = Lock()

    def take(self, shape: tuple[int, ...]) -> Tensor:
        """Return an uninitialised C-contiguous int16 array."""
        size = prod(shape)
        with self._lock:
            found = None
            for i, size_of in enumerate([kept.size for kept in self._buffers]):
                if size <= size_of <= 2 * size and _references(self._buffers, i) == _UNUSED:
                    found = self._buffers[i]
                    break
            if found is None:
                found = np.empty(size, np.int16)
                self._buffers.append(found)
                while sum(kept.size for kept in self._buffers) > self.LIMIT:
                    self._buffers.pop(0)
            return found[:size].reshape(shape)


Local = NDArray[np.int16] | NDArray[np.uint8]
"""A tensor within a group: int16, or packed: uint8, less the least value of its declared range."""


@dataclass(frozen=True)
class Addition:
    """An add node that a product performs: the tensor to add (N, O) int16 and the range of the sum."""

    other: Tensor
    lo: int
    hi: int


Product = Callable[[Local, Local, Workspace, Addition | None], None]
"""A prepared convolution: from x (N, I) to out (N, O), with buffers from the workspace."""

MakeProduct = Callable[[Node, NDArray[np.int16], tuple[int, int]], Product]
"""Prepares a convolution: the node, its weights as a matrix int16 (O, I), the range of its input."""


@dataclass(frozen=True)
class Filter:
    """A prepared 3x3 convolution: `run` goes from padded (rows + 2, W + 2, I) to out (rows, W, O).

    `padded` is int16 or, where `least` is given, uint8, less `least`.
    """

    run: Callable[[Local, Local, Workspace], None]
    least: int | None = None


MakeFilter = Callable[[Node, NDArray[np.int16]], Filter]
"""Prepares a depthwise convolution: the node and its weights int16 (C, 3, 3)."""

MakeConvolution = Callable[[Node, NDArray[np.int16], tuple[int, int]], Filter]
"""Prepares a convolution that mixes channels: the node, its weights int16 (O, 3, 3, I), the range of its input,
with the zeros around it."""

Watch = Callable[[Node, float, int], None]
"""Is told of each node in each strip: the node, processor seconds, positions."""


def plain_filter(node: Node, weight: NDArray[np.int16]) -> Filter:
    """Prepare a depthwise convolution for `kernels.depthwise`."""
    taps = np.ascontiguousarray(weight.reshape(len(weight), 9).T.astype(np.int32)).reshape(-1)

    def filter_rows(padded: Local, out: Local, _: Workspace) -> None:
        kernels.depthwise(
            padded.reshape(-1), taps, node.bias, node.multiplier, node.shift, node.lo, node.hi, out
        )

    return Filter(filter_rows)


def gathered(make_product: MakeProduct) -> MakeConvolution:
    """Return what prepares a 3x3 convolution as a product with neighbourhoods laid out one behind the other."""

    def make_convolution(
        node: Node, weight: NDArray[np.int16], declared: tuple[int, int]
    ) -> Filter:
        product = make_product(node, weight.reshape(len(weight), -1), declared)

        def convolve_rows(padded: Local, out: Local, workspace: Workspace) -> None:
            rows, width = out.shape[:2]
            key = (node.output, "matrix")
            matrix = workspace.take(key, (rows * width, 9 * padded.shape[2]))
            kernels.neighbourhoods(padded, matrix)
            product(matrix, _matrix(out), workspace, None)

        return Filter(convolve_rows)

    return make_convolution


@dataclass(frozen=True)
class Toolkit:
    """What the convolutions of an evaluator can do; without `make_convolution`, those of 3x3 are gathered products.

    `packs`: products read uint8 where the range of the input has at most 256 values, products and filters write
    it. `adds`: products perform an addition. Both for channels in multiples of 16 and at least `positions`
    positions; elsewhere tensors are int16.
    """

    make_product: MakeProduct
    make_filter: MakeFilter = plain_filter
    make_convolution: MakeConvolution | None = None
    packs: bool = False
    adds: bool = False
    positions: int = 0


@dataclass(frozen=True, eq=False)
class Shortcuts:
    """What a group does with less traffic: `packed` tensors, `sums` (add node's output -> convolution that performs it)
    and `same` (output of a requantisation that changes nothing -> its input)."""

    packed: frozenset[str]
    sums: Mapping[str, Node]
    same: Mapping[str, str]


NO_SHORTCUTS = Shortcuts(frozenset(), {}, {})


class StripEvaluator:
    """A network prepared for evaluation with one kind of product."""

    def __init__(self, network: Network, toolkit: Toolkit) -> None:
        self.network = network
        self._toolkit = toolkit
        self.groups = make_groups(network)
        self._products: dict[str, Product] = {}
        self._filters: dict[str, Filter] = {}
        self._workspaces: deque[Workspace] = deque()
        self._store = Store()
        self._uses: dict[str, int] = dict.fromkeys(network.outputs, 1)
        for group in self.groups:
            for name in _needs(group):
                self._uses[name] = self._uses.get(name, 0) + 1
        self._grouped = _grouped_convolutions(network, self.groups)
        make_convolution = toolkit.make_convolution or gathered(toolkit.make_product)
        self._shortcuts = {
            id(group): find_shortcuts(network, group, toolkit) for group in self.groups
        }
        for listed in network.nodes:
            if listed.weight is None:
                continue
            order = self._grouped.get(listed.output)
            node = listed if order is None else _with_order(listed, order)
            assert node.weight is not None
            weight = node.weight.astype(np.int16)
            if node.op == "depthwise3x3":
                self._filters[node.output] = toolkit.make_filter(node, weight)
                continue
            lo, hi = network.declared(node.inputs[0])
            if node.op == "conv3x3":
                weight = np.ascontiguousarray(weight.transpose(0, 2, 3, 1))
                self._filters[node.output] = make_convolution(
                    node, weight, (min(lo, 0), max(hi, 0))
                )
            else:
                self._products[node.output] = toolkit.make_product(
                    node, np.ascontiguousarray(weight), (lo, hi)
                )

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
                tensors[node.output] = self._store.take(shape)
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
        local: dict[str, Local] = {}
        width = tensors[self._source(group)].shape[1]
        short = self._shortcuts[id(group)]
        if (last - first) * width < self._toolkit.positions:
            short = NO_SHORTCUTS
        within = {node.output for node in short.sums.values()}

        def rows_of(name: str) -> Local:
            return local[name] if name in local else tensors[name][first:last]

        for node in group.nodes:
            if node.output in within:
                continue
            if node.output in short.same:
                local[node.output] = rows_of(short.same[node.output])
                continue
            out: Local
            done = node
            channels = self.network.channels[node.output]
            started = thread_time() if watch else 0.0
            if node.op == "space_to_depth":
                source = tensors[node.inputs[0]][first * node.factor : last * node.factor]
                out = tensors[node.output][first:last]
                one = source.shape[2] == 1 and node.factor in kernels.RUNS
                (kernels.space_to_depth_of_one if one else kernels.space_to_depth)(
                    source, node.factor, out
                )
            elif node.op == "pixel_shuffle":
                r = node.factor
                out = tensors[node.output][first * r : last * r]
                x = rows_of(node.inputs[0])
                if channels == 1 and r in kernels.RUNS and x.dtype == np.int16:
                    kernels.pixel_shuffle_of_one(x, r, out)
                elif node.inputs[0] in self._grouped:
                    kernels.pixel_shuffle_grouped(x, r, out)
                else:
                    kernels.pixel_shuffle(x, r, out)
            else:
                shape = (last - first, width, channels)
                if node.output in group.kept:
                    out = tensors[node.output][first:last]
                elif node.output in short.packed:
                    out = workspace.take((node.output, "uint8"), shape, np.uint8)
                else:
                    out = workspace.take(node.output, shape)
                if node.op in SPATIAL:
                    self._spatial(node, group, tensors, strip, out, workspace)
                elif node.output in short.sums:
                    product = short.sums[node.output]
                    (other,) = (name for name in node.inputs if name != product.output)
                    addition = Addition(_matrix(rows_of(other)), node.lo, node.hi)
                    x = rows_of(product.inputs[0])
                    self._products[product.output](_matrix(x), _matrix(out), workspace, addition)
                    done = product
                else:
                    self._pointwise(node, [rows_of(name) for name in node.inputs], out, workspace)
                local[node.output] = out
            if watch:
                watch(done, thread_time() - started, out.shape[0] * out.shape[1])

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
        out: Local,
        workspace: Workspace,
    ) -> None:
        source = tensors[self._source(group)]
        rows, width = out.shape[:2]
        made = self._filters[node.output]
        kind, least = (np.int16, 0) if made.least is None else (np.uint8, made.least)
        shape = (rows + 2, width + 2, source.shape[2])
        padded = workspace.take((node.output, "padded"), shape, kind)
        before = group.fused.get(node.output)
        if before is None:
            kernels.copy_padded(source, strip[0], least, padded)
        else:
            scale = (before.multiplier, before.shift, before.lo, before.hi)
            kernels.requantise_padded(source, strip[0], *scale, least, padded)
        made.run(padded, out, workspace)

    def _pointwise(self, node: Node, given: list[Local], out: Local, workspace: Workspace) -> None:
        x, y = _matrix(given[0]), _matrix(out)
        if node.op == "conv1x1":
            self._products[node.output](x, y, workspace, None)
        elif node.op == "requantise":
            requantise = kernels.requantise if y.dtype == np.int16 else kernels.requantise_uint8
            requantise(x, node.multiplier, node.shift, node.lo, node.hi, y)
        elif node.op == "add":
            kernels.add(x, _matrix(given[1]), node.lo, node.hi, y)
        elif node.op == "concat":
            np.concatenate(given, axis=2, out=out)
        elif node.op == "gather_channels":
            kernels.gather(x, np.array(node.index, np.uint64), y)
        else:
            kernels.lookup(x, node.table, self.network.declared(node.inputs[0])[0], y)


def find_shortcuts(network: Network, group: Group, toolkit: Toolkit) -> Shortcuts:
    """Find what `toolkit` can do with less traffic in a group, which changes no value."""
    made = {node.output: node for node in group.nodes}
    readers: dict[str, list[Node]] = {}
    for node in group.nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node)

    def inner(name: str) -> bool:
        return name in made and name not in group.kept and network.channels[name] % 16 == 0

    sums: dict[str, Node] = {}
    if toolkit.adds:
        for node in group.nodes:
            for name in node.inputs if node.op == "add" else ():
                if inner(name) and made[name].op == "conv1x1" and len(readers[name]) == 1:
                    sums[node.output] = made[name]
                    break
    packed = set()
    for name, node in made.items():
        lo, hi = network.declared(name)
        if (
            toolkit.packs
            and inner(name)
            and hi - lo <= 255
            and node.op in ("conv1x1", "depthwise3x3", "requantise")
            and readers.get(name)
            and all(reader.op == "conv1x1" for reader in readers[name])
        ):
            packed.add(name)
    same = {}
    for node in group.nodes:
        if node.op == "requantise" and node.output not in group.kept | packed:
            assert node.multiplier is not None
            lo, hi = network.declared(node.inputs[0])
            if node.shift == 0 and (node.multiplier == 1).all() and node.lo <= lo and hi <= node.hi:
                same[node.output] = node.inputs[0]
    return Shortcuts(frozenset(packed), sums, same)


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


def _matrix(tensor: Local) -> Any:
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
        toolkit: Toolkit,
        around: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self.toolkit = toolkit
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
                found = StripEvaluator(network, self.toolkit)
                self._known[network] = found
        with self._around():
            return found(inputs, threads, watch)
