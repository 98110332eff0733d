"""Programs of groups: what `walk` does for a strip, written once for each size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refcodec.intnet import steps
from refcodec.intnet.graph import Network, Node
from refcodec.intnet.layer_constants import LayerConstants
from refcodec.intnet.plan import SPATIAL, Group, source_of
from refcodec.intnet.vector_kernels import ADDED, INT16, UINT8
from refcodec.intnet.walk import COLUMNS, Step, address_of

ALIGNMENT = 64


@dataclass(frozen=True, eq=False)
class Shortcuts:
    """What a group does with less traffic, which changes no value.

    `packed` tensors are uint8 between layers, less the least value of their range. `sums` maps an add node's output
    to the convolution that performs the addition before it stores. `same` maps the output of a requantisation that
    changes nothing to its input.
    """

    packed: frozenset[str]
    sums: Mapping[str, Node]
    same: Mapping[str, str]


NO_SHORTCUTS = Shortcuts(frozenset(), {}, {})


def find_shortcuts(network: Network, group: Group, packs: bool) -> Shortcuts:
    """Find the shortcuts of a group; without `packs`, products cannot read uint8."""
    made = {node.output: node for node in group.nodes}
    readers: dict[str, list[Node]] = {}
    for node in group.nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node)

    def inner(name: str) -> bool:
        return name in made and name not in group.kept and network.channels[name] % 16 == 0

    sums: dict[str, Node] = {}
    for node in group.nodes:
        for name in node.inputs if node.op == "add" else ():
            if inner(name) and made[name].op == "conv1x1" and len(readers[name]) == 1:
                sums[node.output] = made[name]
                break
    packed = set()
    for name, node in made.items():
        lo, hi = network.declared(name)
        if (
            packs
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


@dataclass(frozen=True, eq=False)
class Program:
    """Steps int64 (n, COLUMNS) for strips of `rows` rows. Place p lies in the tensor `tensors[p]`, or in the
    workspace where that is None, `offsets[p]` bytes from its beginning and `pitches[p]` bytes further for each row.

    `workspace` is in bytes; `nodes` has the node that each step belongs to; `constants` are what addresses point to.
    """

    rows: int
    steps: NDArray[np.int64]
    tensors: tuple[str | None, ...]
    offsets: NDArray[np.int64]
    pitches: NDArray[np.int64]
    workspace: int
    nodes: tuple[Node, ...]
    constants: tuple[NDArray[np.generic], ...]


@dataclass(frozen=True)
class _Operand:
    """A tensor of the strip: its place, channels, and bytes of an element (1: packed)."""

    place: int
    channels: int
    bytes: int = 2

    @property
    def stride(self) -> int:
        return self.channels * self.bytes


class _Memory:
    """Gives out parts of a workspace that is as large as it needs to be."""

    def __init__(self) -> None:
        self.size = 0
        self._free: list[tuple[int, int]] = []

    def take(self, size: int) -> tuple[int, int]:
        """Return (offset, size) of a free part, of at least `size` bytes."""
        size = -(-size // ALIGNMENT) * ALIGNMENT
        fitting = [part for part in self._free if part[1] >= size]
        if fitting:
            best = min(fitting, key=lambda part: part[1])
            self._free.remove(best)
            return best
        self.size += size
        return self.size - size, size

    def give_back(self, part: tuple[int, int]) -> None:
        """Say that a part is not used any more."""
        self._free.append(part)


class ProgramWriter:
    """Writes the program of `group` for strips of `rows` rows of a tensor of `height` by `width` positions."""

    def __init__(
        self,
        network: Network,
        group: Group,
        layers: Mapping[str, LayerConstants],
        grouped: frozenset[str],
        shortcuts: Shortcuts,
        size: tuple[int, int],
        rows: int,
    ) -> None:
        self._network, self._group, self._layers, self._grouped = network, group, layers, grouped
        self._short = shortcuts
        self._height, self._width = size
        self._rows = rows
        self._steps: list[list[int]] = []
        self._nodes: list[Node] = []
        self._places: list[tuple[str | None, int, int]] = []
        self._constants: list[NDArray[np.generic]] = []
        self._memory = _Memory()
        self._local: dict[str, _Operand] = {}
        self._parts: dict[int, tuple[int, int]] = {}
        self._node = group.nodes[0]

    def write(self) -> Program:
        """Return the program."""
        performed = {node.output for node in self._short.sums.values()}
        todo = [
            node
            for node in self._group.nodes
            if node.output not in performed and node.output not in self._short.same
        ]
        left: dict[str, int] = {}
        for node in todo:
            for name in self._reads(node):
                left[name] = left.get(name, 0) + 1
        for node in todo:
            self._node = node
            self._write_node(node)
            for name in self._reads(node):
                left[name] -= 1
                if not left[name] and name in self._local:
                    self._release(self._local.pop(name).place)
        table = np.zeros((len(self._steps), COLUMNS), np.int64)
        for line, step in zip(table, self._steps, strict=True):
            line[: len(step)] = step
        tensors, offsets, pitches = zip(*self._places, strict=True)
        return Program(
            self._rows,
            table,
            tensors,
            np.array(offsets, np.int64),
            np.array(pitches, np.int64),
            self._memory.size,
            tuple(self._nodes),
            tuple(self._constants),
        )

    def _root(self, name: str) -> str:
        while name in self._short.same:
            name = self._short.same[name]
        return name

    def _other(self, node: Node) -> str:
        """Return what the convolution that performs the add node `node` adds to its products."""
        product = self._short.sums[node.output]
        (other,) = (name for name in node.inputs if name != product.output)
        return other

    def _reads(self, node: Node) -> list[str]:
        """Return the tensors that the steps of a node read."""
        if node.op in SPATIAL:
            return [source_of(self._group)]
        names: list[str] = list(node.inputs)
        if node.output in self._short.sums:
            names = [self._short.sums[node.output].inputs[0], self._other(node)]
        return [self._root(name) for name in names]

    def _step(self, step: Step, *arguments: int) -> None:
        self._steps.append([address_of(step), *arguments])
        self._nodes.append(self._node)

    def _place(self, tensor: str | None, offset: int, pitch: int) -> int:
        place = (tensor, offset, pitch)
        if tensor is None or place not in self._places:
            self._places.append(place)
            return len(self._places) - 1
        return self._places.index(place)

    def _take(self, size: int) -> int:
        part = self._memory.take(size)
        place = self._place(None, part[0], 0)
        self._parts[place] = part
        return place

    def _release(self, place: int) -> None:
        self._memory.give_back(self._parts.pop(place))

    def _address(self, array: NDArray[np.generic]) -> int:
        self._constants.append(array)
        return array.ctypes.data

    def _whole(self, name: str, factor: int = 1) -> _Operand:
        """Return the rows of a whole tensor that belong to the strip; it is `factor` times as large as the strip."""
        channels = self._network.channels[name]
        pitch = 2 * channels * self._width * factor * factor
        return _Operand(self._place(name, 0, pitch), channels)

    def _given(self, name: str) -> _Operand:
        name = self._root(name)
        return self._local[name] if name in self._local else self._whole(name)

    @property
    def _count(self) -> int:
        return self._rows * self._width

    def _write_node(self, node: Node) -> None:
        if node.op in ("space_to_depth", "pixel_shuffle"):
            self._write_shuffle(node)
            return
        channels = self._network.channels[node.output]
        if node.output in self._group.kept:
            out = self._whole(node.output)
        else:
            size = 1 if node.output in self._short.packed else 2
            out = _Operand(self._take(self._count * channels * size), channels, size)
            self._local[node.output] = out
        if node.op in SPATIAL:
            self._write_spatial(node, out)
        elif node.output in self._short.sums:
            product = self._short.sums[node.output]
            other = self._given(self._other(node)).place
            self._node = product
            self._write_product(product, self._given(product.inputs[0]), out, node, other)
        elif node.op == "conv1x1":
            self._write_product(node, self._given(node.inputs[0]), out)
        else:
            self._write_elementwise(node, [self._given(name) for name in node.inputs], out)

    def _write_shuffle(self, node: Node) -> None:
        r = node.factor
        if node.op == "space_to_depth":
            x, out = self._whole(node.inputs[0], r), self._whole(node.output)
            step: Step = steps.space_to_depth
            channels, runs = x.channels, steps.TO_DEPTH
        else:
            x, out = self._given(node.inputs[0]), self._whole(node.output, r)
            step = steps.pixel_shuffle
            channels, runs = out.channels, steps.FROM_DEPTH
            if node.inputs[0] in self._grouped:
                step = steps.pixel_shuffle_grouped
        if channels == 1:
            step = runs.get(r, step)
        self._step(step, x.place, out.place, self._width, channels, r)

    def _write_spatial(self, node: Node, out: _Operand) -> None:
        layer = self._layers[node.output]
        before = self._group.fused.get(node.output)
        source = source_of(self._group)
        channels = self._network.channels[source]
        packed = layer.packed
        fits = packed is None or 3 * channels % layer.instructions.depth == 0
        least = layer.least if fits else None  # what is gathered first is packed afterwards
        narrow = least is not None
        size = 1 if narrow else 2
        padded = self._take((self._rows + 2) * (self._width + 2) * channels * size)
        places = (self._place(source, 0, 0), padded)
        arguments = (*places, self._height, self._width, channels, least or 0)
        if before is None:
            self._step(steps.copy_padded_uint8 if narrow else steps.copy_padded, *arguments)
        else:
            assert before.multiplier is not None
            multiplier = np.ascontiguousarray(before.multiplier, np.int32)
            scale = (self._address(multiplier), before.shift, before.lo, before.hi)
            step = steps.requantise_padded_uint8 if narrow else steps.requantise_padded
            self._step(step, *arguments, *scale)
        if packed is None:
            self._write_depthwise(node, layer, padded, out)
        elif not fits:  # a step of the product would reach from one row into the next
            matrix = self._take(self._count * 9 * channels * 2)
            self._step(steps.neighbourhoods, padded, matrix, self._width, channels)
            self._write_product(node, _Operand(matrix, 9 * channels), out)
            self._release(matrix)
        elif self._width < layer.instructions.rows:
            plain = steps.plain_convolution_uint8 if narrow else steps.plain_convolution
            bias = np.ascontiguousarray(packed.constants[0, : out.channels])
            self._write_plain(plain, node, layer, padded, channels, out, bias)
        else:
            s, run = layer.instructions, packed.steps // 3
            line = (self._width + 2) * channels * size
            reading = (channels * size, self._width, self._rows, line, run)
            self._write_tiles(node, layer, padded, (*reading, line - run * s.depth * s.bytes), out)
        self._release(padded)

    def _write_depthwise(
        self, node: Node, layer: LayerConstants, padded: int, out: _Operand
    ) -> None:
        if layer.vectors is None:
            self._write_plain(
                steps.plain_depthwise, node, layer, padded, out.channels, out, layer.bias
            )
            return
        self._step(
            steps.depthwise if layer.least is None else steps.DEPTHWISE[layer.instructions.name],
            padded, out.place, self._address(layer.vectors),
            node.shift, node.lo, node.hi, self._width, out.channels, int(out.bytes == 1),
        )  # fmt: skip

    def _write_plain(
        self,
        step: Step,
        node: Node,
        layer: LayerConstants,
        x: int,
        inputs: int,
        out: _Operand,
        bias: NDArray[np.int32],
    ) -> None:
        addresses = [self._address(array) for array in (layer.plain, bias, layer.multiplier)]
        scale = (node.shift, node.lo, node.hi)
        self._step(step, x, out.place, *addresses, *scale, self._width, inputs, out.channels)

    def _write_product(
        self,
        node: Node,
        x: _Operand,
        out: _Operand,
        addition: Node | None = None,
        other: int = -1,
    ) -> None:
        layer = self._layers[node.output]
        packed = layer.packed
        assert packed is not None
        s, count = layer.instructions, self._count
        if count < s.rows:
            self._write_plain(
                steps.plain_product, node, layer, x.place, x.channels, out, layer.bias
            )
            return
        wide = packed.steps * s.depth
        given, stride = x.place, x.stride
        if s.bytes == 1 and x.bytes == 2:
            given, stride = self._take(count * wide), wide
            self._step(steps.pack, x.place, given, count, x.channels, layer.least or 0, wide)
        elif x.channels != wide:
            given, stride = self._take(count * wide * 2), 2 * wide
            self._step(steps.copy_columns, x.place, given, count, x.channels, 0, wide)
        reading = (stride, count, 1, 0, packed.steps, 0)
        self._write_tiles(node, layer, given, reading, out, addition, other)
        if given != x.place:
            self._release(given)

    def _write_tiles(
        self,
        node: Node,
        layer: LayerConstants,
        x: int,
        reading: tuple[int, ...],
        out: _Operand,
        addition: Node | None = None,
        other: int = -1,
    ) -> None:
        """`reading` is x_stride, count, lines, line, run and jump of a product; see `vector_kernels`."""
        packed = layer.packed
        assert packed is not None
        form, sum_range = (INT16 if out.bytes == 2 else UINT8), (0, 0)
        if addition is not None:
            form, sum_range = ADDED, (addition.lo, addition.hi)
        weights = (self._address(packed.weight), packed.steps)
        constants = (self._address(packed.constants), packed.constants.strides[0])
        scale = (node.shift, node.lo, node.hi)
        self._step(
            steps.PRODUCTS[layer.instructions.name], x, out.place, *reading, *weights, *constants, *scale,
            out.stride, out.channels, form, other, *sum_range,
        )  # fmt: skip

    def _write_elementwise(self, node: Node, given: list[_Operand], out: _Operand) -> None:
        x = given[0]
        places = (x.place, out.place, self._count, x.channels)
        if node.op == "requantise":
            assert node.multiplier is not None
            multiplier = self._address(np.ascontiguousarray(node.multiplier, np.int32))
            step = steps.requantise if out.bytes == 2 else steps.requantise_uint8
            self._step(step, *places, multiplier, node.shift, node.lo, node.hi)
        elif node.op == "add":
            self._step(steps.add, *places, given[1].place, node.lo, node.hi)
        elif node.op == "concat":
            first = 0
            for item in given:
                columns = (item.place, out.place, self._count, item.channels)
                self._step(steps.copy_columns, *columns, first, out.channels)
                first += item.channels
        elif node.op == "gather_channels":
            index = np.array(node.index, np.uint64)
            self._step(steps.gather, *places, self._address(index), len(index))
        else:
            assert node.table is not None
            table = np.ascontiguousarray(node.table, np.int16)
            least = self._network.declared(node.inputs[0])[0]
            self._step(steps.lookup, *places, self._address(table), len(table), least)
