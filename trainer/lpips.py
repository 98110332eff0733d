"""LPIPS v0.1 as a loss: the torch module of the metrics, with weights read from a file.

The weights are no part of the project, so the file is given by its path.
"""

from __future__ import annotations

from pathlib import Path

from refcodec.metrics.lpips_layers import Net
from refcodec.metrics.lpips_torch import LpipsModule
from refcodec.metrics.lpips_weights import load_weights


class LPIPS(LpipsModule):
    """Learned perceptual distance with frozen weights, differentiable in both inputs.

    `npz_path`: file with `net.features.*` (OIHW) and `lin0..` (1,C,1,1), float32. `net`: "alex" or
    "squeeze", the backbone that the file holds. `input_range`: (lo, hi) of the inputs' RGB values,
    by default (0, 1). Call with two batches (N,3,H,W); returns (N,), float32.
    """

    def __init__(
        self,
        npz_path: str | Path,
        net: Net = "alex",
        input_range: tuple[float, float] = (0.0, 1.0),
    ) -> None:
        super().__init__(net, load_weights(Path(npz_path)), input_range)
