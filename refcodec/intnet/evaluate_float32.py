"""Evaluation with binary32 matrix products of the BLAS library behind numpy.

Exact by the bound of #net.bounds: every partial sum is a whole number below 2^24, whatever the order of
summation. Bias and requantisation are integer arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from refcodec.intnet import kernels
from refcodec.intnet.graph import Network, Node
from refcodec.intnet.prepared import Prepared
from refcodec.intnet.store import Tensor
from refcodec.intnet.strips import Product, StripEvaluator, Workspace


def make_product(node: Node, weight: NDArray[np.int16]) -> Product:
    """Prepare a convolution as a product with a float32 matrix (I, O)."""
    matrix = np.ascontiguousarray(weight.T.astype(np.float32))
    inputs, outputs = matrix.shape

    def product(x: Tensor, out: Tensor, workspace: Workspace) -> None:
        count = len(x)
        given = workspace.take("float32 input", (count, inputs), np.float32)
        total = workspace.take("float32 output", (count, outputs), np.float32)
        kernels.to_float32(x, given)
        np.matmul(given, matrix, out=total)
        kernels.finish_float32(total, node.bias, node.multiplier, node.shift, node.lo, node.hi, out)

    return product


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()


def _one_thread() -> AbstractContextManager[object]:
    # strips already occupy the threads: a library that starts its own would only get in their way
    context: AbstractContextManager[object] = _blas().limit(limits=1, user_api="blas")
    return context


prepared = Prepared(partial(StripEvaluator, make_product=make_product), around=_one_thread)


def evaluate(network: Network, inputs: Mapping[str, Tensor], threads: int = 1) -> dict[str, Tensor]:
    """(#net.evaluation) Evaluate a checked network; see `evaluate_numpy.evaluate`."""
    return prepared.evaluate(network, inputs, threads)
