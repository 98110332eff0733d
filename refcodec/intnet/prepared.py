"""Networks prepared for evaluation with channels last, kept for as long as the networks live."""

from __future__ import annotations

import os
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from threading import Lock
from typing import TypeVar

import numpy as np

from refcodec.intnet.graph import Network, Node
from refcodec.intnet.layout import channels_last
from refcodec.intnet.plan import Group, make_groups, needs, source_of, uses
from refcodec.intnet.store import Store, Tensor

Job = TypeVar("Job")

Watch = Callable[[Node, float, int], None]
"""Is told of each node in each strip: the node, processor seconds, positions."""


@cache
def pool(threads: int, process: int) -> ThreadPoolExecutor:
    """Return a pool of `threads` threads for the process of this number: a forked worker inherits the object alone."""
    return ThreadPoolExecutor(threads, thread_name_prefix="intnet")


def work_off(jobs: list[Job], work: Callable[[Job], None], threads: int) -> None:
    """Do `work` for each job, in several threads where there is more than one of either."""
    if threads == 1 or len(jobs) == 1:
        for job in jobs:
            work(job)
    else:
        for _ in pool(threads, os.getpid()).map(work, jobs):
            pass


class GroupEvaluator(ABC):
    """A network that is evaluated group by group; what evaluates a group is for a subclass to say."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.groups = make_groups(network)
        self._store = Store()
        self._uses = uses(network, self.groups)

    def __call__(
        self, inputs: Mapping[str, Tensor], threads: int, watch: Watch | None = None
    ) -> dict[str, Tensor]:
        """Evaluate; see `evaluate_numpy.evaluate`. Outputs are (C,H,W) views of arrays with channels last."""
        tensors: dict[str, Tensor] = {name: channels_last(value) for name, value in inputs.items()}
        left = dict(self._uses)
        for group in self.groups:
            self._group(group, tensors, threads, watch)
            for name in needs(group):
                left[name] -= 1
                if not left[name]:
                    del tensors[name]
        return {name: tensors[name].transpose(2, 0, 1) for name in self.network.outputs}

    def _group(
        self, group: Group, tensors: dict[str, Tensor], threads: int, watch: Watch | None
    ) -> None:
        head = group.nodes[0]
        source = source_of(group)
        height, width = tensors[source].shape[:2]
        if head.op == "crop_like":
            like = tensors[head.inputs[1]].shape
            tensors[head.output] = np.ascontiguousarray(tensors[source][: like[0], : like[1]])
            return
        if head.op == "space_to_depth":
            height, width = height // head.factor, width // head.factor
        for node in group.nodes:
            if node.output in group.kept:
                factor = node.factor if node.op == "pixel_shuffle" else 1
                shape = (height * factor, width * factor, self.network.channels[node.output])
                tensors[node.output] = self._store.take(shape)
        self.evaluate_group(group, tensors, (height, width), threads, watch)

    @abstractmethod
    def evaluate_group(
        self,
        group: Group,
        tensors: dict[str, Tensor],
        size: tuple[int, int],
        threads: int,
        watch: Watch | None,
    ) -> None:
        """Fill the tensors that the group keeps; its nodes have `size` positions, before a last shuffle."""


class Prepared:
    """Networks prepared with `make`, for as long as the networks live.

    `around` makes a context for the time of an evaluation.
    """

    def __init__(
        self,
        make: Callable[[Network], GroupEvaluator],
        around: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self._make = make
        self._around = around
        self._known: weakref.WeakKeyDictionary[Network, GroupEvaluator] = (
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
                found = self._make(network)
                self._known[network] = found
        with self._around():
            return found(inputs, threads, watch)
