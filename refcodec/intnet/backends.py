"""The evaluators of integer networks by name. All give the same bits; they differ in speed and needs.

numpy     reference, int64, slow
numba     plain integer kernels
float32   binary32 matrix products of the BLAS library behind numpy
avx2      dot products of 16-bit integers (processors with AVX2)
avxvnni   dot products of 8-bit and 16-bit integers, 256 bits wide (processors with AVX-VNNI)
vnni      the same, 512 bits wide (processors with AVX512-VNNI)
torch     binary32 convolutions of PyTorch; imported only when asked for by name
onnxruntime  the exported ONNX model on the CPU; imported only when asked for by name
auto      the fastest that needs neither of the last two
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from refcodec.intnet.graph import Network
from refcodec.intnet.prepared import Prepared

Tensor = NDArray[np.int16]
Evaluate = Callable[[Network, Mapping[str, Tensor], int], dict[str, Tensor]]

NAMES = ("auto", "numpy", "numba", "float32", "avx2", "avxvnni", "vnni", "torch", "onnxruntime")

VECTOR = ("avx2", "avxvnni", "vnni")
"""Those with instructions that not every processor has, the fastest last."""


@cache
def available() -> tuple[str, ...]:
    """Return the names of the evaluators that can run here, the reference first."""
    return tuple(name for name in NAMES[1:] if _can_run(name))


def _can_run(name: str) -> bool:
    if name == "torch":
        return find_spec("torch") is not None
    if name == "onnxruntime":
        return find_spec("onnx") is not None and find_spec("onnxruntime") is not None
    if name in VECTOR:
        from refcodec.intnet import evaluate_vector

        return evaluate_vector.can_run(name)
    return True


def resolve(name: str) -> str:
    """Return `name`, or for auto the fastest evaluator that runs here without torch.

    Raises ValueError for a name that is unknown or that cannot run here.
    """
    if name == "auto":
        return next(fast for fast in (*reversed(VECTOR), "float32") if fast in available())
    if name not in NAMES:
        raise ValueError(f"no backend {name!r}; there are {', '.join(NAMES)}")
    if name not in available():
        raise ValueError(f"backend {name!r} cannot run on this machine")
    return name


def evaluator(name: str) -> Evaluate:
    """Return the evaluator `name`; modules are imported here, so that none pays for another.

    Raises what `resolve` does.
    """
    chosen = resolve(name)
    if chosen == "numpy":
        from refcodec.intnet import evaluate_numpy

        return evaluate_numpy.evaluate
    if chosen == "torch":
        from refcodec.intnet import evaluate_torch

        return evaluate_torch.evaluate
    if chosen == "onnxruntime":
        from refcodec.intnet import evaluate_onnx

        return evaluate_onnx.evaluate
    return prepared(chosen).evaluate


def prepared(name: str) -> Prepared:
    """Return the store of prepared networks of an evaluator that works over strips. Raises what `resolve` does."""
    chosen = resolve(name)
    if chosen == "numba":
        from refcodec.intnet import evaluate_numba

        return evaluate_numba.prepared
    if chosen == "float32":
        from refcodec.intnet import evaluate_float32

        return evaluate_float32.prepared
    if chosen in VECTOR:
        from refcodec.intnet import evaluate_vector

        return evaluate_vector.prepared(chosen)
    raise ValueError(f"{chosen!r} does not evaluate over strips")
