"""Evaluation of networks over strips of rows, node by node from Python; the matrix product is exchangeable.

Whatever the strips and threads are, each output element is computed by the same integer formula, so
the result does not depend on them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import prod
from time import thread_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refcodec.intnet import kernels
from refcodec.intnet.graph import Array, Network, Node
from refcodec.intnet.plan import SPATIAL, Group, grouped_convolutions, source_of, with_order
from refcodec.intnet.prepared import GroupEvaluator, Watch, work_off
from refcodec.intnet.store import Tensor

STRIP_BYTES = 8 << 20
"""Aim for the buffers of one strip: about a cache's size, yet several rows, as each strip repeats two and each
call of a kernel from Python takes about 10 microseconds."""


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


class Workspaces:
    """Workspaces that are not in use."""

    def __init__(self) -> None:
        self._free: deque[Workspace] = deque()

    @contextmanager
    def one(self) -> Iterator[Workspace]:
        """Lend a workspace."""
        try:
            workspace = self._free.pop()
        except IndexError:
            workspace = Workspace()
        try:
            yield workspace
        finally:
            self._free.append(workspace)


Product = Callable[[Tensor, Tensor, Workspace], None]
"""A prepared convolution: from x (N, I) to out (N, O), with buffers from the workspace."""

MakeProduct = Callable[[Node, NDArray[np.int16]], Product]
"""Prepares a convolution: the node, its weights as a matrix int16 (O, I)."""

_Filter = Callable[[Tensor, Tensor, Workspace], None]
"""A prepared 3x3 convolution: from padded (rows + 2, W + 2, I) to out (rows, W, O)."""


def _make_depthwise(node: Node, weight: NDArray[np.int16]) -> _Filter:
    taps = np.ascontiguousarray(weight.reshape(len(weight), 9).T.astype(np.int32)).reshape(-1)

    def filter_rows(padded: Tensor, out: Tensor, _: Workspace) -> None:
        kernels.depthwise(
            padded.reshape(-1), taps, node.bias, node.multiplier, node.shift, node.lo, node.hi, out
        )

    return filter_rows


def _make_convolution(make_product: MakeProduct, node: Node, weight: NDArray[np.int16]) -> _Filter:
    """Prepare a 3x3 convolution as a product with neighbourhoods laid out one behind the other."""
    matrix = np.ascontiguousarray(weight.transpose(0, 2, 3, 1)).reshape(len(weight), -1)
    product = make_product(node, matrix)

    def convolve_rows(padded: Tensor, out: Tensor, workspace: Workspace) -> None:
        rows, width = out.shape[:2]
        key = (node.output, "matrix")
        given = workspace.take(key, (rows * width, 9 * padded.shape[2]))
        kernels.neighbourhoods(padded, given)
        product(given, _matrix(out), workspace)

    return convolve_rows


class StripEvaluator(GroupEvaluator):
    """A network prepared for evaluation with one kind of product."""

    def __init__(self, network: Network, make_product: MakeProduct) -> None:
        super().__init__(network)
        self._products: dict[str, Product] = {}
        self._filters: dict[str, _Filter] = {}
        self._workspaces = Workspaces()
        self._grouped = grouped_convolutions(network, self.groups)
        for listed in network.nodes:
            if listed.weight is None:
                continue
            order = self._grouped.get(listed.output)
            node = listed if order is None else with_order(listed, order)
            assert node.weight is not None
            weight = np.ascontiguousarray(node.weight.astype(np.int16))
            if node.op == "depthwise3x3":
                self._filters[node.output] = _make_depthwise(node, weight)
            elif node.op == "conv3x3":
                self._filters[node.output] = _make_convolution(make_product, node, weight)
            else:
                self._products[node.output] = make_product(node, weight)

    def evaluate_group(
        self,
        group: Group,
        tensors: dict[str, Tensor],
        size: tuple[int, int],
        threads: int,
        watch: Watch | None,
    ) -> None:
        """See `GroupEvaluator`."""
        height, width = size
        channels = self.network.channels
        widest = sum(channels[node.output] for node in group.nodes) * 2 + max(
            6 * channels[node.output] for node in group.nodes
        )
        rows = max(1, min(STRIP_BYTES // (width * widest), -(-height // (2 * threads))))
        strips = [(first, min(first + rows, height)) for first in range(0, height, rows)]

        def work(strip: tuple[int, int]) -> None:
            with self._workspaces.one() as workspace:
                self._strip(group, tensors, strip, workspace, watch)

        work_off(strips, work, threads)

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
            started = thread_time() if watch else 0.0
            r = node.factor
            if node.op == "space_to_depth":
                out = tensors[node.output][first:last]
                self._space_to_depth(tensors[node.inputs[0]][first * r : last * r], r, out)
            elif node.op == "pixel_shuffle":
                out = tensors[node.output][first * r : last * r]
                self._pixel_shuffle(node, rows_of(node.inputs[0]), out)
            else:
                width = tensors[source_of(group)].shape[1]
                shape = (last - first, width, self.network.channels[node.output])
                if node.output in group.kept:
                    out = tensors[node.output][first:last]
                else:
                    out = workspace.take(node.output, shape)
                if node.op in SPATIAL:
                    self._spatial(node, group, tensors, strip, out, workspace)
                else:
                    self._pointwise(node, [rows_of(name) for name in node.inputs], out, workspace)
                local[node.output] = out
            if watch:
                watch(node, thread_time() - started, out.shape[0] * out.shape[1])

    def _space_to_depth(self, x: Tensor, r: int, out: Tensor) -> None:
        one = x.shape[2] == 1 and r in kernels.RUNS
        (kernels.space_to_depth_of_one if one else kernels.space_to_depth)(x, r, out)

    def _pixel_shuffle(self, node: Node, x: Tensor, out: Tensor) -> None:
        if out.shape[2] == 1 and node.factor in kernels.RUNS:
            kernels.pixel_shuffle_of_one(x, node.factor, out)
        elif node.inputs[0] in self._grouped:
            kernels.pixel_shuffle_grouped(x, node.factor, out)
        else:
            kernels.pixel_shuffle(x, node.factor, out)

    def _spatial(
        self,
        node: Node,
        group: Group,
        tensors: Mapping[str, Tensor],
        strip: tuple[int, int],
        out: Tensor,
        workspace: Workspace,
    ) -> None:
        source = tensors[source_of(group)]
        rows, width = out.shape[:2]
        shape = (rows + 2, width + 2, source.shape[2])
        padded = workspace.take((node.output, "padded"), shape)
        before = group.fused.get(node.output)
        if before is None:
            kernels.copy_padded(source, strip[0], 0, padded)
        else:
            scale = (before.multiplier, before.shift, before.lo, before.hi)
            kernels.requantise_padded(source, strip[0], *scale, 0, padded)
        self._filters[node.output](padded, out, workspace)

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


def _matrix(tensor: Tensor) -> Any:
    return tensor.reshape(-1, tensor.shape[2])
