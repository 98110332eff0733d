"""First shot: a flight over a lake between mountains, with balloons.

The terrain is a fractal height map. It is drawn column by column from near to far, which needs one march
over the map for a column instead of one for a pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from demo.noise import Map, blurred, fractal, sample, smooth_step

SIZE = 2048
WATER = 26.0
SUN = np.array([-0.62, 0.42, 0.66], np.float32)
SKY_TOP = np.array([58.0, 112.0, 178.0], np.float32)
SKY_LOW = np.array([214.0, 222.0, 224.0], np.float32)


@dataclass(frozen=True)
class Terrain:
    """height (n, n) in map cells; colour (3, n, n), lit, 0..255; detail and cloud maps, periodic."""

    height: Map
    colour: Map
    detail: Map
    ripples: Map
    clouds: Map


@dataclass(frozen=True)
class Camera:
    """Place in map cells, heading in radians, focal length and horizon row in samples."""

    x: float
    y: float
    z: float
    heading: float
    focal: float
    horizon: float


@njit(nogil=True, cache=True, parallel=True)
def _shadows(height: Map, dx: float, dy: float, rise: float) -> Map:
    """Return how much sun reaches each cell, 0..1, by walking towards the sun; soft at the edges."""
    size = height.shape[0]
    light = np.empty((size, size), np.float32)
    for row in prange(size):
        for column in range(size):
            x = float(column)
            y = float(row)
            base = height[row, column] + 0.3
            clear = 1.0
            for step in range(1, 90):
                distance = step * (1.0 + step * 0.04)
                gap = base + distance * rise - sample(height, x + dx * distance, y + dy * distance)
                clear = min(clear, 0.5 + 8.0 * gap / distance)
                if clear < 0.0:
                    break
            light[row, column] = min(1.0, max(0.0, clear))
    return light


def terrain(seed: int) -> Terrain:
    """Return the landscape of `seed`."""
    base = fractal(SIZE, 2.1, seed, 2)
    ridge = 1.0 - np.abs(fractal(SIZE, 2.0, seed + 1, 4))
    rough = fractal(SIZE, 1.75, seed + 2, 20)
    lift = smooth_step(-0.7, 1.6, base)
    height = 20.0 + 40.0 * lift + lift * lift * (52.0 * ridge + 5.0 * rough) + 0.8 * rough
    height = np.maximum(height, 2.0).astype(np.float32)

    gy, gx = np.gradient(np.pad(height, 1, mode="wrap"))
    gx, gy = gx[1:-1, 1:-1], gy[1:-1, 1:-1]
    length = np.sqrt(gx * gx + gy * gy + 1.0)
    slope = np.sqrt(gx * gx + gy * gy)
    flat = float(np.hypot(SUN[0], SUN[1]))
    shadow = _shadows(height, float(SUN[0]) / flat, float(SUN[1]) / flat, float(SUN[2]) / flat)
    direct = np.clip((-gx * SUN[0] - gy * SUN[1] + SUN[2]) / length, 0.0, None) * shadow
    open_sky = np.clip(0.75 + (height - blurred(height, 12)) / 30.0, 0.35, 1.1)

    patches = fractal(SIZE, 1.2, seed + 3, 16)
    trees = fractal(SIZE, 0.5, seed + 4, 300)
    grass = np.stack([106 + 18 * patches, 122 + 9 * patches, 56 + 5 * patches])
    forest = np.stack([48 + 13 * trees, 70 + 15 * trees, 38 + 8 * trees])
    rock = np.stack(
        [128 + 14 * rough + 8 * trees, 118 + 13 * rough + 8 * trees, 108 + 12 * rough + 8 * trees]
    )
    sand = np.stack([188 + 7 * trees, 168 + 7 * trees, 130 + 6 * trees])
    snow = np.stack([238 + 3 * trees, 241 + 3 * trees, 246 + 2 * trees])

    def over(under: Map, upper: Map, share: Map) -> Map:
        return under + (upper - under) * share[None]

    colour = over(
        grass,
        forest,
        smooth_step(-0.35, 0.25, patches + 0.4 * trees) * smooth_step(1.5, 0.8, slope),
    )
    colour = over(colour, rock, smooth_step(0.9, 1.35, slope + 0.14 * rough + 0.12 * trees))
    colour = over(colour, sand, smooth_step(WATER + 2.2, WATER + 1.0, height + 0.5 * trees))
    cold = smooth_step(92.0, 108.0, height + 9.0 * rough + 3 * trees) * smooth_step(1.7, 1.0, slope)
    colour = over(colour, snow, cold)
    sunlight = np.array([1.02, 0.93, 0.80], np.float32)[:, None, None]
    skylight = np.array([0.30, 0.36, 0.45], np.float32)[:, None, None]
    colour = colour * (1.12 * direct[None] * sunlight + open_sky[None] * skylight)
    clouds = smooth_step(-0.1, 1.7, fractal(1024, 1.45, seed + 5, 2))
    return Terrain(
        height=np.ascontiguousarray(height),
        colour=np.ascontiguousarray(np.clip(colour, 0, 255), dtype=np.float32),
        detail=fractal(1024, 0.9, seed + 6, 8),
        ripples=fractal(512, 1.3, seed + 7, 6),
        clouds=np.ascontiguousarray(clouds),
    )


@njit(nogil=True, cache=True, parallel=True)
def _draw(
    height: Map,
    colour: Map,
    detail: Map,
    clouds: Map,
    eye: NDArray[np.float64],
    sky_top: Map,
    sky_low: Map,
    water: float,
    out: Map,
    surface: NDArray[np.float32],
) -> None:
    """Draw terrain and sky into out (h, w, 3); surface (h, w) gets the distance of water samples, else 0."""
    rows, columns = surface.shape
    cam_x, cam_y, cam_z, heading, focal, horizon, drift = eye
    fx, fy = np.cos(heading), np.sin(heading)
    for column in prange(columns):
        side = (column + 0.5 - columns / 2) / focal
        dx = fx - fy * side
        dy = fy + fx * side
        top = rows
        before = float(rows) + 40.0
        near = 6.0
        distance = 6.0
        while distance < 1500.0 and top > 0:
            x = cam_x + dx * distance
            y = cam_y + dy * distance
            ground = max(water, sample(height, x, y))
            row = horizon + (cam_z - ground) * focal / distance
            if row < top:
                first = max(0, int(np.ceil(row)))
                for r in range(first, top):
                    share = min(1.0, max(0.0, (before - r) / max(1e-6, before - row)))
                    d = near + (distance - near) * share
                    px = cam_x + dx * d
                    py = cam_y + dy * d
                    level = sample(height, px, py)
                    haze = 1.0 - np.exp(-d / 1050.0)
                    if level < water:
                        surface[r, column] = d
                        lit = 1.0
                    else:
                        surface[r, column] = 0.0
                        step = d / focal
                        fade1 = max(0.0, 1.0 - 1.6 * step)
                        fade2 = max(0.0, 1.0 - 6.0 * step)
                        # The height in the coordinates keeps texture on steep ground from smearing.
                        u = px + 0.7 * level
                        v = py - 0.9 * level
                        coarse = fade1 * sample(detail, u * 11.0, v * 11.0)
                        fine = fade2 * sample(detail, u * 43.0 + 7.0, v * 43.0)
                        lit = max(0.3, 1.0 + 0.17 * coarse + 0.15 * fine)
                        px += 0.5 * coarse
                        py += 0.5 * fine
                    for c in range(3):
                        value = sample(colour[c], px, py) * lit
                        out[r, column, c] = value + (sky_low[c] * 0.93 - value) * haze
                top = min(top, first)
            before = row
            near = distance
            distance *= 1.0042
        for r in range(top):
            up = (horizon - r) / focal
            up = max(up, 0.002)
            share = min(1.0, up / 0.36) ** 0.62
            u = cam_x * 0.05 + dx / (up + 0.05) * 42.0 + drift
            v = cam_y * 0.05 + dy / (up + 0.05) * 42.0
            cloud = sample(clouds, u, v)
            lit = 1.0 - 0.22 * sample(clouds, u + 9.0, v - 7.0)
            cloud *= min(1.0, up * 9.0)
            surface[r, column] = 0.0
            for c in range(3):
                blue = sky_low[c] + (sky_top[c] - sky_low[c]) * share
                out[r, column, c] = blue + (250.0 * lit - blue) * cloud * 0.85


@njit(nogil=True, cache=True)
def _shores(surface: Map, reach: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the first water row of each column, and the same smoothed over `reach` columns each way.

    A mirror about the smoothed shore has no jumps where a headland ends.
    """
    rows, columns = surface.shape
    first = np.empty(columns, np.int64)
    for column in range(columns):
        first[column] = rows
        for row in range(rows):
            if surface[row, column] > 0.0:
                first[column] = row
                break
    smooth = np.empty(columns, np.float64)
    for column in range(columns):
        total = weight = 0.0
        for other in range(max(0, column - reach), min(columns, column + reach + 1)):
            share = 1.0 - abs(other - column) / (reach + 1)
            total += share * first[other]
            weight += share
        smooth[column] = total / weight
    return first, smooth


@njit(nogil=True, cache=True, parallel=True)
def _reflect(
    out: Map,
    surface: Map,
    ripples: Map,
    eye: NDArray[np.float64],
    time: float,
    first: NDArray[np.int64],
    smooth: NDArray[np.float64],
) -> None:
    """Turn water samples into a rippled mirror of what stands above the shore."""
    rows, columns = surface.shape
    cam_x, cam_y, _, heading, focal, horizon, _ = eye
    fx, fy = np.cos(heading), np.sin(heading)
    for lane in prange(columns):
        column = np.int64(lane)
        side = (column + 0.5 - columns / 2) / focal
        dx = fx - fy * side
        dy = fy + fx * side
        for r in range(first[column], rows):
            d = surface[r, column]
            if d <= 0.0:
                continue
            x = cam_x + dx * d
            y = cam_y + dy * d
            wave = sample(ripples, x * 3.1 + 6.0 * time, y * 3.1 + 2.0 * time)
            wave += (
                0.6
                * sample(ripples, x * 9.7 - 9.0 * time, y * 9.7 + 7.0 * time)
                * min(1.0, 160.0 / d)
            )
            below = max(0.0, r - smooth[column])
            depth = (r - horizon) / rows
            mirrored = (
                smooth[column]
                - 1
                - below * (1.0 + 0.06 * wave)
                - 3.0 * wave * min(1.0, below / 30.0)
            )
            m = int(min(float(first[column] - 1), max(0.0, mirrored)))
            k = int(min(columns - 1.0, max(0.0, column + 5.0 * wave * min(1.0, below / 60.0))))
            if m >= first[k]:
                k = column
            mirror = max(0.32, 0.86 - 1.25 * depth) * (0.96 + 0.07 * wave)
            deep = (22.0, 52.0, 58.0)
            glint = max(0.0, wave - 2.1) * 60.0
            for c in range(3):
                value = deep[c] + (out[m, k, c] - deep[c]) * mirror + glint
                out[r, column, c] = max(0.0, value)


def draw(land: Terrain, camera: Camera, time: float, rows: int, columns: int) -> Map:
    """Return the view at `time` seconds as (rows, columns, 3), RGB 0..255."""
    out = np.empty((rows, columns, 3), np.float32)
    surface = np.zeros((rows, columns), np.float32)
    eye = np.array(
        [camera.x, camera.y, camera.z, camera.heading, camera.focal, camera.horizon, 4.0 * time]
    )
    _draw(
        land.height,
        land.colour,
        land.detail,
        land.clouds,
        eye,
        SKY_TOP,
        SKY_LOW,
        WATER,
        out,
        surface,
    )
    first, smooth = _shores(surface, columns // 8)
    _reflect(out, surface, land.ripples, eye, time, first, smooth)
    return out


@njit(nogil=True, cache=True)
def _balloon(
    out: Map,
    cloth: Map,
    cx: float,
    cy: float,
    radius: float,
    turn: float,
    stripes: int,
    colours: Map,
    haze: float,
) -> None:
    """Draw one balloon with its middle at (cx, cy): colours (k, 3) alternate around the envelope."""
    rows, columns = out.shape[:2]
    for r in range(max(0, int(cy - 1.3 * radius)), min(rows, int(cy + 2.4 * radius) + 1)):
        v = (r + 0.5 - cy) / radius
        half = 0.0
        if v < 0.35:
            half = np.sqrt(max(0.0, 1.0 - v * v)) if v > -1.0 else 0.0
        elif v < 1.45:
            half = 0.9367 - (v - 0.35) * 0.66
        elif 1.72 < v < 2.02:
            half = 0.155
        ropes = 1.45 <= v <= 1.72
        for c in range(max(0, int(cx - 1.1 * radius)), min(columns, int(cx + 1.1 * radius) + 1)):
            u = (c + 0.5 - cx) / radius
            cover = min(1.0, max(0.0, (half - abs(u)) * radius + 0.5)) if half > 0.0 else 0.0
            if ropes:
                wide = 0.21 - (v - 1.45) * 0.2
                cover = max(0.0, 0.7 - abs(abs(u) - wide) * radius)
            if cover <= 0.0:
                continue
            red, green, blue = 74.0, 54.0, 38.0
            if v < 1.45:
                across = min(0.999, max(-0.999, u / max(half, 0.03)))
                angle = np.arcsin(across) + turn
                place = angle * stripes / np.pi
                k = int(np.floor(place)) % colours.shape[0]
                seam = abs(place - np.floor(place) - 0.5) * 2.0
                depth = np.sqrt(1.0 - across * across)
                light = 0.42 + 0.5 * max(
                    0.0, -0.66 * across * min(1.0, half) - 0.42 * v + 0.45 * depth
                )
                light += 0.12 * depth
                light *= 1.0 - 0.22 * max(0.0, seam - 0.86) / 0.14
                light *= 1.0 + 0.045 * sample(cloth, angle * 170.0, v * 120.0)
                if abs(v + 0.02) < 0.13:
                    k = (k + 1) % colours.shape[0]
                    light *= 0.93
                red, green, blue = (
                    colours[k, 0] * light,
                    colours[k, 1] * light,
                    colours[k, 2] * light,
                )
            elif v > 1.72:
                weave = 0.8 + 0.25 * np.sin(u * 95.0) * np.sin(v * 110.0)
                red, green, blue = 128.0 * weave, 92.0 * weave, 56.0 * weave
            for i in range(3):
                value = red if i == 0 else (green if i == 1 else blue)
                value = value + (205.0 - value) * haze
                out[r, c, i] += (value - out[r, c, i]) * cover


BALLOON_COLOURS = (
    np.array([[226, 62, 44], [248, 214, 92], [240, 236, 224]], np.float32),
    np.array([[44, 92, 168], [236, 238, 240]], np.float32),
    np.array([[238, 150, 40], [122, 44, 96], [250, 226, 160]], np.float32),
)


def draw_balloons(out: Map, cloth: Map, time: float) -> None:
    """Draw the balloons at `time` seconds into out (h, w, 3)."""
    unit = out.shape[0] / 1080
    places = (
        (1420 - 34 * time, 300 - 15 * time, 128 + 2.5 * time, 0.25 * time, 6, 0.10),
        (640 + 22 * time, 214 - 6 * time, 54.0, 1.0 - 0.2 * time, 5, 0.28),
        (1020 - 12 * time, 330 - 9 * time, 27.0, 0.4 + 0.1 * time, 6, 0.45),
    )
    for (x, y, radius, turn, stripes, haze), colours in zip(places, BALLOON_COLOURS, strict=True):
        _balloon(out, cloth, x * unit, y * unit, radius * unit, turn, stripes, colours, haze)
