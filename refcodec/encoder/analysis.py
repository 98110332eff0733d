"""The analysis networks: from a picture to the latents of its prompt, in float32 numpy (not normative).

The encoder may find latents in any way; this is the trained one, which needs no torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numba
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from refcodec import errors
from refcodec.fitting.trade import Trade
from refcodec.picture import Picture

Float = NDArray[np.float32]
Int16 = NDArray[np.int16]

LARGEST_VALUE = 2047
LARGEST_HYPER_VALUE = 31


@numba.njit(nogil=True, error_model="numpy", cache=True)
def _depthwise(x: Float, weight: Float, bias: Float, out: Float) -> None:
    channels, height, width = x.shape
    for c in range(channels):
        for i in range(height):
            for j in range(width):
                out[c, i, j] = bias[c]
            for di in range(3):
                y = i + di - 1
                if y < 0 or y >= height:
                    continue
                left, middle, right = weight[c, di, 0], weight[c, di, 1], weight[c, di, 2]
                for j in range(width):
                    out[c, i, j] += middle * x[c, y, j]
                for j in range(1, width):
                    out[c, i, j] += left * x[c, y, j - 1]
                for j in range(width - 1):
                    out[c, i, j] += right * x[c, y, j + 1]


def space_to_depth(x: Float, r: int) -> Float:
    """Move r x r blocks of (C,H,W) into channels c*r*r + dy*r + dx: (C*r*r, H/r, W/r)."""
    c, h, w = x.shape
    blocks = x.reshape(c, h // r, r, w // r, r).transpose(0, 2, 4, 1, 3)
    return np.ascontiguousarray(blocks.reshape(c * r * r, h // r, w // r))


def sample_planes(picture: Picture) -> Float:
    """Return the 24 sample planes (24, H/4, W/4) of a picture whose sides are multiples of 16 (#gen.stage2)."""
    y = space_to_depth(picture.y[None].astype(np.float32), 4)
    u = space_to_depth(picture.u[None].astype(np.float32), 2)
    v = space_to_depth(picture.v[None].astype(np.float32), 2)
    return np.concatenate([y, u, v])


@dataclass(frozen=True)
class Analyser:
    """The trained analysis networks; weights by module name, float32."""

    weights: dict[str, Float]
    trade: Trade = field(default_factory=Trade)

    def _conv(self, name: str, x: Float) -> Float:
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        if weight.shape[1] == 1 and weight.shape[2] == 3:
            out = np.empty_like(x)
            _depthwise(x, weight[:, 0], bias, out)
            return out
        c, h, w = x.shape
        y = weight[:, :, 0, 0] @ x.reshape(c, h * w)
        y += bias[:, None]
        return y.reshape(-1, h, w)

    def _block(self, name: str, x: Float) -> Float:
        y = self._conv(f"{name}.expand", self._conv(f"{name}.spatial", x))
        np.maximum(y, 0, out=y)
        return x + self._conv(f"{name}.project", y)

    def _blocks(self, name: str, x: Float) -> Float:
        index = 0
        while f"{name}.{index}.expand.weight" in self.weights:
            x = self._block(f"{name}.{index}", x)
            index += 1
        return x

    def fine(self, picture: Picture) -> tuple[Float, Float]:
        """Return the features (C,h,w) at 1/4 and 1/8 of the size, which are the same for all indices; the picture's
        sides are multiples of 16."""
        x: Float = (sample_planes(picture) / np.float32(255) - np.float32(0.5)) * np.float32(4)
        x = self._blocks("analysis.narrow", self._conv("analysis.first", x))
        return x, self._blocks(
            "analysis.middle", self._conv("analysis.down1", space_to_depth(x, 2))
        )

    def coarse(self, middle: Float, q: int) -> Float:
        """Return the features (C,h,w) at 1/16 of the size from those at 1/8."""
        x = space_to_depth(middle, 2)
        x = self._conv("analysis.down2", np.concatenate([x, _plane(q, x)]))
        return self._blocks("analysis.wide", x)

    def latents(self, picture: Picture, q: int) -> Float:
        """Return latents (C, H/16, W/16) in real units (1/64 of a dequantised unit), not rounded."""
        return self._latents(self.fine(picture)[1], q)

    def _latents(self, middle: Float, q: int) -> Float:
        return self._conv("analysis.last", self.coarse(middle, q))

    def hyper_latents(self, values: Float, q: int) -> Int16:
        """Return hyper-latents (Cz, ceil(h/4), ceil(w/4)) for values (C,h,w) in quantised units."""
        x = np.concatenate([values / 4, _plane(q, values)])
        x = np.pad(x, ((0, 0), (0, -x.shape[1] % 4), (0, -x.shape[2] % 4)))
        x = self._block("hyper_analysis.block1", self._conv("hyper_analysis.first", x))
        x = self._conv("hyper_analysis.down1", space_to_depth(x, 2))
        x = self._block("hyper_analysis.block2", x)
        z = self._conv("hyper_analysis.down2", space_to_depth(x, 2)) * 8
        return np.clip(np.floor(z + 0.5), -LARGEST_HYPER_VALUE, LARGEST_HYPER_VALUE).astype(
            np.int16
        )

    def analyse(self, picture: Picture, q: int, gain: NDArray[np.int32]) -> tuple[Int16, Int16]:
        """Return hyper-latents z and latent values v, both int16, of a picture for prompt_scale_index q.

        `gain` is the model's table (64, C). The picture's sides are multiples of 16.
        """
        (found,) = self.analyse_at(picture, (q,), gain)
        return found

    def analyse_at(
        self, picture: Picture, indices: Sequence[int], gain: NDArray[np.int32]
    ) -> Iterator[tuple[Int16, Int16]]:
        """Yield the same for each of some indices; what they share is computed once."""
        _, middle = self.fine(picture)
        for q in indices:
            factors = (4096.0 / gain[q].astype(np.float32))[:, None, None]
            values = self._latents(middle, q) * factors
            v = np.clip(np.floor(values + 0.5), -LARGEST_VALUE, LARGEST_VALUE).astype(np.int16)
            yield self.hyper_latents(values, q), v


def _plane(q: int, like: Float) -> Float:
    return np.full((1, *like.shape[1:]), q / 32, np.float32)


@lru_cache(maxsize=4)
def load_analyser(path: Path) -> Analyser:
    """Read analysis weights from a safetensors file. Raises HYP-E-GEN-04 where that is not possible."""
    try:
        with safe_open(path, "numpy") as file:
            weights = {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}  # noqa: SIM118
            about = file.metadata() or {}
    except (OSError, SafetensorError) as problem:
        reason = "there is no such file" if not path.exists() else str(problem)
        raise errors.error(
            "HYP-E-GEN-04",
            element=str(path),
            detail=f"an encoder needs the weights in this file: {reason}.",
        ) from problem
    trade = {name: float(about[name]) for name in ("at_finest", "octaves") if name in about}
    return Analyser(weights, Trade(**trade))


def bundled_analyser() -> Analyser:
    """Return the analysis networks of the bundled generator `core`."""
    return load_analyser(
        Path(__file__).resolve().parent.parent / "models" / "core.analysis.safetensors"
    )
