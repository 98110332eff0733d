"""(#gen.process) From quantised latents to the generated picture."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from refcodec.generator.contract import LATENT_LIMIT, QPLANE, SCALE_COUNT
from refcodec.generator.model import GeneratorModel
from refcodec.intnet.backends import evaluator
from refcodec.intnet.layout import channels_last
from refcodec.picture import Picture
from refcodec.processors import default_threads

Int16 = NDArray[np.int16]
_kernel = njit(nogil=True, cache=True, error_model="numpy")


@_kernel
def _scale(values: Any, gain: Any, out: Any) -> None:
    for n in range(values.shape[0]):
        for c in range(values.shape[1]):
            value = (np.int32(values[n, c]) * gain[c] + 32) >> 6
            out[n, c] = min(max(value, -LATENT_LIMIT), LATENT_LIMIT)


def dequantise(values: Int16, gain: NDArray[np.int32]) -> Int16:
    """(#gen.dequantisation) Scale quantised latents (C,h,w) by the gains (C) in 1/64, clamped to -2047..2047."""
    last = channels_last(np.asarray(values, np.int16))
    scaled = np.empty_like(last)
    _scale(last.reshape(-1, len(values)), gain, scaled.reshape(-1, len(values)))
    return scaled.transpose(2, 0, 1)


@_kernel
def _assemble(planes: Any, y: Any, u: Any, v: Any) -> None:
    height, width = planes.shape[0], planes.shape[1]
    for row in range(height):
        for dy in range(4):
            for column in range(width):
                for dx in range(4):
                    y[4 * row + dy, 4 * column + dx] = planes[row, column, 4 * dy + dx]
        for dy in range(2):
            for column in range(width):
                for dx in range(2):
                    u[2 * row + dy, 2 * column + dx] = planes[row, column, 16 + 2 * dy + dx]
                    v[2 * row + dy, 2 * column + dx] = planes[row, column, 20 + 2 * dy + dx]


def assemble_planes(planes: Int16) -> Picture:
    """(#gen.assembly) Put the 24 channels (24,h,w) of stage 2 together: Y (4h,4w), Cb and Cr (2h,2w), uint8."""
    last = channels_last(planes)
    height, width = last.shape[:2]
    y = np.empty((4 * height, 4 * width), np.uint8)
    u = np.empty((2 * height, 2 * width), np.uint8)
    v = np.empty_like(u)
    _assemble(last, y, u, v)
    return Picture(y, u, v)


def _qplane(q: int, like: Int16) -> Int16:
    return np.full((1, *like.shape[1:]), q, np.int16)


def control_points(
    model: GeneratorModel,
    values: Int16,
    q: int,
    *,
    backend: str = "auto",
    threads: int | None = None,
) -> dict[str, Int16]:
    """(#gen.process) Return the named tensors between the stages, int16 (channels,height,width):
    latents, features, low_picture, planes."""
    if not 0 <= q < SCALE_COUNT:
        raise ValueError(f"prompt_scale_index lies within 0..{SCALE_COUNT - 1}")
    if values.ndim != 3 or values.shape[0] != model.latent_channels:
        raise ValueError(f"latents have shape ({model.latent_channels}, height, width)")
    model.check_size(values.shape[2], values.shape[1])
    evaluate = evaluator(backend)
    count = threads or default_threads()
    networks = model.file.networks
    latents = dequantise(values, model.contract.gain[q])
    given = {"latents": latents, QPLANE: _qplane(q, latents)}
    stage1 = networks["stage1"]
    made = evaluate(stage1, {i.name: given[i.name] for i in stage1.inputs}, count)
    given = {**made, QPLANE: _qplane(q, made["low_picture"])}
    stage2 = networks["stage2"]
    planes = evaluate(stage2, {i.name: given[i.name] for i in stage2.inputs}, count)["planes"]
    return {"latents": latents, **made, "planes": planes}


def generate(
    model: GeneratorModel,
    values: Int16,
    q: int,
    *,
    backend: str = "auto",
    threads: int | None = None,
) -> Picture:
    """(#gen.process) Return the generated picture (16 * LatentWidth x 16 * LatentHeight) of quantised latents.

    `values` int16 (C, LatentHeight, LatentWidth) within -2047..2047, `q` prompt_scale_index 0..63. The
    result is the same for every backend and number of threads. Raises HYP-E-GEN-03 for sizes beyond all
    levels and ValueError for wrong arguments.
    """
    return assemble_planes(
        control_points(model, values, q, backend=backend, threads=threads)["planes"]
    )
