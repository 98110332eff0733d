"""The evaluators of integer networks by name. All give the same bits; they differ in speed and needs.

    numpy     reference, int64, slow
    numba     plain integer kernels
    float32   binary32 matrix products of the BLAS library behind numpy
    torch     binary32 convolutions of PyTorch; imported only when asked for by name
    auto      the fastest that needs no torch
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from refcodec.intnet.graph import Network

Tensor = NDArray[np.int16]
Evaluate = Callable[[Network, Mapping[str, Tensor], int], dict[str, Tensor]]

NAMES = ("auto", "numpy", "numba", "float32", "torch")


def default_threads() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def available() -> list[str]:
    """Return the names of the evaluators that can run here, the reference first."""
    return [name for name in NAMES[1:] if name != "torch" or find_spec("torch") is not None]


def evaluator(name: str) -> Evaluate:
    """Return the evaluator `name`; modules are imported here, so that none pays for another.

    Raises ValueError for an unknown name and ImportError for torch where it is not installed.
    """
    if name == "numpy":
        from refcodec.intnet import evaluate_numpy

        return evaluate_numpy.evaluate
    if name == "numba":
        from refcodec.intnet import evaluate_numba

        return evaluate_numba.evaluate
    if name in ("float32", "auto"):
        from refcodec.intnet import evaluate_float32

        return evaluate_float32.evaluate
    if name == "torch":
        from refcodec.intnet import evaluate_torch

        return evaluate_torch.evaluate
    raise ValueError(f"no backend {name!r}; there are {', '.join(NAMES)}")
