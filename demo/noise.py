"""Textures: fractal noise by spectral synthesis, cellular patterns, and sampling of periodic maps.

All maps are periodic squares whose side is a power of two, so a kernel wraps coordinates with a mask.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Map = NDArray[np.float32]


def fractal(size: int, roughness: float, seed: int, lowest: int = 1) -> Map:
    """Return periodic noise (size, size), mean 0 and deviation 1, whose spectrum falls as 1/f**roughness.

    `lowest`: frequencies below it (cycles a side) are left out.
    """
    rng = np.random.default_rng(seed)
    white = np.fft.rfft2(rng.standard_normal((size, size), dtype=np.float32))
    fy = np.fft.fftfreq(size)[:, None] * size
    fx = np.fft.rfftfreq(size)[None, :] * size
    radius = np.hypot(fx, fy)
    gain = np.zeros_like(radius)
    keep = radius >= lowest
    gain[keep] = radius[keep] ** -roughness
    noise = np.fft.irfft2(white * gain, s=(size, size)).astype(np.float32)
    noise -= noise.mean()
    return np.ascontiguousarray(noise / noise.std(), dtype=np.float32)


def smooth_step(low: float, high: float, x: Map) -> Map:
    """Return the cubic ramp from 0 at `low` to 1 at `high`."""
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return (t * t * (3.0 - 2.0 * t)).astype(np.float32)


def blurred(image: Map, radius: int) -> Map:
    """Return periodic `image` (h, w) under a box blur of side 2 * radius + 1, applied twice."""
    out = image.astype(np.float64)
    for axis in (0, 1, 0, 1):
        padded = np.concatenate(
            [out.take(range(-radius - 1, 0), axis), out, out.take(range(radius), axis)], axis
        )
        total = padded.cumsum(axis)
        upper = total.take(range(2 * radius + 1, total.shape[axis]), axis)
        lower = total.take(range(total.shape[axis] - 2 * radius - 1), axis)
        out = (upper - lower) / (2 * radius + 1)
    return out.astype(np.float32)


def pyramid(image: Map, levels: int) -> Map:
    """Return mip levels of a periodic square map, (levels, size, size), coarse ones stored at full size."""
    out = [image]
    level = image
    for step in range(1, levels):
        size = level.shape[0] // 2
        level = level.reshape(size, 2, size, 2, *image.shape[2:]).mean((1, 3)).astype(np.float32)
        out.append(np.repeat(np.repeat(level, 1 << step, 0), 1 << step, 1))
    return np.ascontiguousarray(np.stack(out))


@njit(nogil=True, cache=True, inline="always")
def sample(image: Map, x: float, y: float) -> float:
    """Return the periodic map `image` at (x, y), bilinearly."""
    mask = image.shape[0] - 1
    x0 = int(np.floor(x))
    y0 = int(np.floor(y))
    fx = x - x0
    fy = y - y0
    x1 = (x0 + 1) & mask
    y1 = (y0 + 1) & mask
    x0 &= mask
    y0 &= mask
    top = image[y0, x0] * (1 - fx) + image[y0, x1] * fx
    bottom = image[y1, x0] * (1 - fx) + image[y1, x1] * fx
    return top * (1 - fy) + bottom * fy


@njit(nogil=True, cache=True)
def cells(
    size: int, points: NDArray[np.float32], warp_x: Map, warp_y: Map
) -> tuple[Map, Map, NDArray[np.int32]]:
    """Return distances to the nearest and second nearest of one jittered point a grid cell, and whose it is.

    points: (n, n, 2), offsets 0..1 inside its cell. The warp maps (size, size) displace in cells, which
    makes the outlines irregular. The result is periodic.
    """
    n = points.shape[0]
    scale = n / size
    nearest = np.empty((size, size), np.float32)
    second = np.empty((size, size), np.float32)
    owner = np.empty((size, size), np.int32)
    for row in range(size):
        for column in range(size):
            x = column * scale + warp_x[row, column]
            y = row * scale + warp_y[row, column]
            cx = int(np.floor(x))
            cy = int(np.floor(y))
            best = 9.0
            runner_up = 9.0
            who = 0
            for dy in range(-2, 3):
                for dx in range(-2, 3):
                    px = (cx + dx) % n
                    py = (cy + dy) % n
                    vx = cx + dx + points[py, px, 0] - x
                    vy = cy + dy + points[py, px, 1] - y
                    distance = np.sqrt(vx * vx + vy * vy)
                    if distance < best:
                        runner_up = best
                        best = distance
                        who = py * n + px
                    elif distance < runner_up:
                        runner_up = distance
            nearest[row, column] = best
            second[row, column] = runner_up
            owner[row, column] = who
    return nearest, second, owner
