"""A training step as one CUDA graph: small networks spend their time launching kernels otherwise."""

from __future__ import annotations

from collections.abc import Callable

import torch

EAGER_STEPS = 3
"""Steps done without a graph first: they allocate optimiser states and choose kernels."""


class CapturedStep:
    """Calls `step` a few times, then records it once and replays the recording.

    `step` reads and writes tensors that stay where they are, and never waits for the device.
    """

    def __init__(self, step: Callable[[], None]) -> None:
        self._step = step
        self._calls = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._stream = torch.cuda.Stream()

    def __call__(self) -> None:
        """Do one step."""
        self._calls += 1
        if self._graph is not None:
            self._graph.replay()
        elif self._calls <= EAGER_STEPS:
            self._stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._stream):
                self._step()
            torch.cuda.current_stream().wait_stream(self._stream)
        else:
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                self._step()
            self._graph.replay()
