"""Integer evaluation with the processor's dot-product instructions; the fastest where it can run."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from functools import cache, partial
from time import thread_time

import numpy as np
from numpy.typing import NDArray

from refcodec.intnet.graph import Network
from refcodec.intnet.layer_constants import prepare_layer
from refcodec.intnet.plan import Group, grouped_convolutions, with_order
from refcodec.intnet.prepared import GroupEvaluator, Prepared, Watch, work_off
from refcodec.intnet.programs import NO_SHORTCUTS, Program, ProgramWriter, find_shortcuts
from refcodec.intnet.store import Tensor
from refcodec.intnet.vector_kernels import (
    AVX2,
    AVXVNNI8,
    AVXVNNI16,
    VNNI8,
    VNNI16,
    InstructionSet,
    supported,
)
from refcodec.intnet.walk import walk

SETS: dict[str, tuple[InstructionSet, ...]] = {
    "vnni": (VNNI8, VNNI16),
    "avxvnni": (AVXVNNI8, AVXVNNI16),
    "avx2": (AVX2,),
}
"""Instruction sets of each backend; the first whose activations hold the input's range is taken."""

STRIP_BYTES = 2 << 20
"""Aim for the workspace of a strip: about the cache of a core, yet several rows, as each strip repeats two."""

JOBS = 4
"""So many a thread: the threads then end at about the same time, whoever else uses the machine."""

PROGRAMS = 512
"""Kept; a network has some for each size that it has been evaluated at."""


def can_run(name: str) -> bool:
    """Return whether this processor has what the backend `name` needs."""
    return all(supported(item) for item in SETS[name])


class VectorEvaluator(GroupEvaluator):
    """A network prepared for the instruction sets of the backend `name`."""

    def __init__(self, name: str, network: Network) -> None:
        super().__init__(network)
        sets = SETS[name]
        self._positions = max(s.rows for s in sets)
        grouped = grouped_convolutions(network, self.groups)
        self._grouped = frozenset(grouped)
        self._layers = {
            node.output: prepare_layer(
                network,
                with_order(node, grouped[node.output]) if node.output in grouped else node,
                sets,
            )
            for node in network.nodes
            if node.weight is not None
        }
        packs = sets[0].bytes == 1
        self._shortcuts = {
            id(group): find_shortcuts(network, group, packs) for group in self.groups
        }
        self._programs: dict[tuple[int, int, int, int], Program] = {}
        self._buffers: deque[NDArray[np.uint8]] = deque()

    def evaluate_group(
        self,
        group: Group,
        tensors: dict[str, Tensor],
        size: tuple[int, int],
        threads: int,
        watch: Watch | None,
    ) -> None:
        """See `GroupEvaluator`."""
        height = size[0]
        rows = self._rows(group, size, threads)
        whole = height // rows
        share = -(-whole // (JOBS * threads)) * rows
        jobs = [
            (rows, first, min(first + share, whole * rows))
            for first in range(0, whole * rows, share)
        ]
        if height > whole * rows:
            jobs.append((height - whole * rows, whole * rows, height))

        def work(job: tuple[int, int, int]) -> None:
            rows, begin, end = job
            program = self._program(group, size, rows)
            if watch is None:
                self._run(program, program.steps, tensors, begin, end)
            else:
                self._watched(program, tensors, begin, end, size[1], watch)

        work_off(jobs, work, threads)

    def _rows(self, group: Group, size: tuple[int, int], threads: int) -> int:
        height = size[0]
        most = -(-height // (2 * threads))
        trial = min(8, most)
        for_each = self._program(group, size, trial).workspace // trial
        return max(1, min(STRIP_BYTES // max(1, for_each), most))

    def _program(self, group: Group, size: tuple[int, int], rows: int) -> Program:
        key = (id(group), *size, rows)
        found = self._programs.get(key)
        if found is None:
            short = self._shortcuts[id(group)]
            if rows * size[1] < self._positions:
                short = NO_SHORTCUTS
            writer = ProgramWriter(
                self.network, group, self._layers, self._grouped, short, size, rows
            )
            found = writer.write()
            if len(self._programs) >= PROGRAMS:
                self._programs.clear()
            self._programs[key] = found
        return found

    def _run(
        self,
        program: Program,
        steps: NDArray[np.int64],
        tensors: Mapping[str, Tensor],
        begin: int,
        end: int,
    ) -> None:
        try:
            buffer = self._buffers.pop()
        except IndexError:
            buffer = np.empty(0, np.uint8)
        if buffer.size < program.workspace:
            buffer = np.empty(program.workspace, np.uint8)
        try:
            bases = program.offsets + np.array(
                [
                    (buffer if name is None else tensors[name]).ctypes.data
                    for name in program.tensors
                ],
                np.int64,
            )
            walk(steps, bases, program.pitches, begin, end, program.rows)
        finally:
            self._buffers.append(buffer)

    def _watched(
        self,
        program: Program,
        tensors: Mapping[str, Tensor],
        begin: int,
        end: int,
        width: int,
        watch: Watch,
    ) -> None:
        # a step must find what the one before left: the same thread takes the buffer again that it gave back last
        for first in range(begin, end, program.rows):
            for number, node in enumerate(program.nodes):
                factor = node.factor if node.op == "pixel_shuffle" else 1
                ends = program.nodes[number + 1 : number + 2] != (node,)
                started = thread_time()
                steps = program.steps[number : number + 1]
                self._run(program, steps, tensors, first, first + program.rows)
                positions = program.rows * width * factor**2 if ends else 0
                watch(node, thread_time() - started, positions)


@cache
def prepared(name: str) -> Prepared:
    """Return the store of networks prepared for the backend `name`."""
    return Prepared(partial(VectorEvaluator, name))
