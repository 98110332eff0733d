"""Integer evaluation with plain Numba kernels: no library, no special instructions."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from refcodec.intnet import kernels
from refcodec.intnet.graph import Network, Node
from refcodec.intnet.prepared import Prepared
from refcodec.intnet.store import Tensor
from refcodec.intnet.strips import Product, StripEvaluator, Workspace


def make_product(node: Node, weight: NDArray[np.int16]) -> Product:
    """Prepare a convolution for `kernels.mix`."""

    def product(x: Tensor, out: Tensor, _: Workspace) -> None:
        kernels.mix(x, weight, node.bias, node.multiplier, node.shift, node.lo, node.hi, out)

    return product


prepared = Prepared(partial(StripEvaluator, make_product=make_product))


def evaluate(network: Network, inputs: Mapping[str, Tensor], threads: int = 1) -> dict[str, Tensor]:
    """(#net.evaluation) Evaluate a checked network; see `evaluate_numpy.evaluate`."""
    return prepared.evaluate(network, inputs, threads)
