"""Second shot: pebbles at the water's edge seen from above, with drifting leaves and a wooden sign.

The ground is one periodic map that the camera slides over, turns and nears; everything is drawn by
sampling maps, so a frame costs a few samples a pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from demo.noise import Map, cells, fractal, sample, smooth_step

SIZE = 2048
STONES = 27


@dataclass(frozen=True)
class Beach:
    """ground (3, n, n), lit, 0..255; waves, foam and cloth maps, periodic; sign (h, w, 4), RGB and cover."""

    ground: Map
    waves: Map
    foam: Map
    cloth: Map
    sign: Map


def _stones(grid: int, seed: int, sharp: float) -> tuple[Map, NDArray[np.int32]]:
    """Return heights 0..1 of a layer of stones on a grid of `grid` cells a side, and whose each pixel is."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(0.1, 0.9, (grid, grid, 2)).astype(np.float32)
    warp = [0.05 * fractal(SIZE, 2.6, seed + k, grid) for k in (1, 2)]
    nearest, second, owner = cells(SIZE, points, *warp)
    edge = np.clip((second - nearest) * sharp, 0.0, 1.0)
    dome = np.sqrt(np.clip(1.0 - (1.0 - edge) ** 2.6, 0.0, 1.0))
    rises = rng.uniform(0.5, 1.0, grid * grid).astype(np.float32)
    return (dome * rises[owner]).astype(np.float32), owner


def beach(seed: int) -> Beach:
    """Return the beach of `seed`."""
    rng = np.random.default_rng(seed)
    big, big_owner = _stones(STONES, seed + 10, 2.4)
    small, small_owner = _stones(3 * STONES, seed + 20, 2.2)
    present = (rng.uniform(size=STONES * STONES) < 0.62)[big_owner]
    height = np.where(present & (big > 0.08), 26.0 * big + 4.0, 8.0 * small).astype(np.float32)

    grain = fractal(SIZE, 0.75, seed + 30, 40)
    cloudy = fractal(SIZE, 1.35, seed + 31, 24)
    layers = np.sin(0.09 * np.arange(SIZE, dtype=np.float32)[:, None] + 2.4 * cloudy)

    tones = np.array(
        [
            [126, 120, 114],
            [158, 150, 138],
            [96, 98, 104],
            [176, 158, 136],
            [134, 108, 92],
            [196, 192, 184],
            [82, 84, 82],
            [150, 128, 118],
        ],
        np.float32,
    )

    def paint(owner: NDArray[np.int32], count: int, spread: float) -> Map:
        tone = tones[rng.integers(0, len(tones), count)]
        tone = tone * rng.uniform(1 - spread, 1 + spread, (count, 1))
        return np.moveaxis(tone[owner], 2, 0).astype(np.float32)

    big_colour = paint(big_owner, STONES * STONES, 0.16)
    banded = (rng.uniform(size=STONES * STONES) < 0.3)[big_owner]
    big_colour *= 1.0 + np.where(banded, 0.13 * layers, 0.05 * cloudy)[None]
    small_colour = paint(small_owner, 9 * STONES * STONES, 0.22) * 0.86
    colour = np.where((present & (big > 0.08))[None], big_colour, small_colour)
    colour = colour * (1.0 + 0.085 * grain[None])

    relief = height + 0.2 * grain + 0.6 * cloudy
    gy = (np.roll(relief, -1, 0) - np.roll(relief, 1, 0)) / 2
    gx = (np.roll(relief, -1, 1) - np.roll(relief, 1, 1)) / 2
    length = np.sqrt(gx * gx + gy * gy + 1.0)
    direct = np.clip((0.52 * gx + 0.46 * gy + 0.72) / length, 0.0, None)
    shadow = np.ones_like(height)
    for step in range(2, 26, 2):
        # The sun stands at the upper left: what lies there and higher by the sun's slope hides it.
        blocker = np.roll(height, (step * 2 // 3, step), (0, 1)) - 0.78 * step
        shadow = np.minimum(shadow, np.clip(1.0 - (blocker - height) / 4.0, 0.0, 1.0))
    crevice = np.clip(0.45 + height / 16.0, 0.0, 1.0)
    light = 0.36 * crevice + 0.92 * direct * (0.25 + 0.75 * shadow)
    warm = np.array([1.06, 1.0, 0.9], np.float32)[:, None, None]
    ground = np.clip(colour * light[None] * warm, 0, 255).astype(np.float32)
    return Beach(
        ground=np.ascontiguousarray(ground),
        waves=fractal(512, 2.2, seed + 40, 5),
        foam=np.ascontiguousarray(1.0 - np.abs(fractal(1024, 1.9, seed + 41, 16))),
        cloth=fractal(512, 1.1, seed + 42, 6),
        sign=sign(
            (
                "Harbour path  1.4 km",
                "Lighthouse  3.2 km",
                "Please take nothing but pictures. No. 27",
            ),
            seed,
        ),
    )


def font(size: int) -> ImageFont.FreeTypeFont:
    """Return the sans-serif font that matplotlib carries, so that every machine draws the same letters."""
    import matplotlib

    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)


def sign(lines: tuple[str, str, str], seed: int) -> Map:
    """Return a weathered wooden board with two large lines and a small one, (h, w, 4)."""
    high, wide = 190, 430
    y, x = np.mgrid[0:high, 0:wide].astype(np.float32)
    bend = fractal(512, 1.8, seed + 50, 2)[:high, :wide]
    fibre = fractal(512, 0.9, seed + 51, 30)[:high, :wide]
    rings = np.sin(0.32 * y + 1.9 * bend + 0.01 * x)
    tone = 1.0 + 0.10 * rings + 0.06 * fibre
    board = np.stack([168 * tone, 128 * tone, 84 * tone, np.full_like(tone, 255)], 2)
    inside = np.minimum(np.minimum(x, wide - 1 - x), np.minimum(y, high - 1 - y))
    corner = np.hypot(
        np.minimum(np.minimum(x, wide - 1 - x) - 14, 0),
        np.minimum(np.minimum(y, high - 1 - y) - 14, 0),
    )
    board[..., 3] = np.clip(14.5 - corner, 0, 1)
    board[..., :3] *= (0.62 + 0.38 * smooth_step(0, 7, inside))[..., None]
    ink = Image.new("L", (wide, high), 0)
    pen = ImageDraw.Draw(ink)
    pen.text((26, 24), lines[0], fill=255, font=font(32))
    pen.text((26, 78), lines[1], fill=255, font=font(32))
    pen.text((28, 142), lines[2], fill=235, font=font(17))
    cover = np.asarray(ink, np.float32)[..., None] / 255
    board[..., :3] += (np.array([46.0, 34, 26]) - board[..., :3]) * cover * 0.92
    return np.ascontiguousarray(board, dtype=np.float32)


@njit(nogil=True, cache=True, parallel=True)
def _draw(
    ground: Map, waves: Map, foam: Map, view: NDArray[np.float64], time: float, out: Map
) -> None:
    rows, columns = out.shape[:2]
    middle_x, middle_y, scale, turn = view
    cosine, sine = np.cos(turn) / scale, np.sin(turn) / scale
    for lane in prange(rows):
        row = np.int64(lane)
        for column in range(columns):
            u = column + 0.5 - columns / 2
            v = row + 0.5 - rows / 2
            x = middle_x + u * cosine - v * sine
            y = middle_y + u * sine + v * cosine
            edge = (
                1210.0
                + 120.0 * np.sin(0.95 * time + 0.6)
                + 26.0 * sample(waves, x * 0.11 + 3 * time, 7.0)
            )
            depth = y - edge - 16.0 * sample(waves, x * 0.31, 90.0 + 2 * time)
            if depth < -46.0:
                wet = 0.0
            elif depth < 0.0:
                wet = (depth + 46.0) / 46.0
            else:
                wet = 1.0
            red = blue = green = 0.0
            if depth > 0.0:
                bend = min(1.0, depth / 60.0)
                w1 = sample(waves, x * 0.42 + 21.0 * time, y * 0.42 - 13.0 * time)
                w2 = sample(waves, x * 0.9 - 26.0 * time, y * 0.9 + 16.0 * time)
                px = x + 5.5 * bend * (w1 + 0.5 * w2)
                py = y + 5.5 * bend * (w2 - 0.5 * w1)
                caustic = max(0.0, 1.0 - 1.6 * abs(w1 + 0.55 * w2 - 0.3)) ** 3
                deep = min(1.0, depth / 700.0)
                lit = 0.72 + 0.42 * caustic * bend
                red = sample(ground[0], px, py) * lit * (1 - 0.62 * deep) + 6 * deep
                green = sample(ground[1], px, py) * lit * (1 - 0.34 * deep) + 34 * deep
                blue = sample(ground[2], px, py) * lit * (1 - 0.22 * deep) + 44 * deep
                sky = max(0.0, w1 * 0.7 + w2 * 0.5 - 1.25) * 70.0
                red, green, blue = red + sky, green + sky * 1.02, blue + sky * 1.05
            else:
                dark = 1.0 - 0.36 * wet
                red = sample(ground[0], x, y) * dark
                green = sample(ground[1], x, y) * dark
                blue = sample(ground[2], x, y) * (dark + 0.02 * wet)
            # Lace of foam along the edge, thinning out behind it.
            band = 0.0
            if -6.0 < depth < 150.0:
                lace = sample(foam, x * 0.55 + 6 * time, y * 0.55 - 15 * time)
                need = 0.42 + 0.5 * min(1.0, max(0.0, depth - 10.0) / 140.0)
                band = min(1.0, max(0.0, (lace - need) * 3.0))
                front = max(0.0, 1.0 - abs(depth - 3.0) / 9.0)
                band = min(1.0, band + front * 0.7)
            out[row, column, 0] = red + (240.0 - red) * band
            out[row, column, 1] = green + (244.0 - green) * band
            out[row, column, 2] = blue + (245.0 - blue) * band


@njit(nogil=True, cache=True, inline="always")
def _leaf_radius(angle: float) -> float:
    """Return the outline of a maple-like leaf: five lobes with teeth, stem at angle pi/2."""
    lobe = 0.5 + 0.5 * np.cos(5.0 * (angle + np.pi / 2))
    shape = 0.46 + 0.44 * lobe**1.1 + 0.05 * np.cos(23.0 * angle) * lobe
    return shape * (1.0 + 0.12 * np.cos(angle + np.pi / 2))


@njit(nogil=True, cache=True)
def _leaf(
    out: Map,
    cloth: Map,
    cx: float,
    cy: float,
    radius: float,
    turn: float,
    tilt: float,
    colour: Map,
    shade: bool,
) -> None:
    """Draw a leaf, or with `shade` its soft shadow, with its middle at (cx, cy)."""
    rows, columns = out.shape[:2]
    soft = 9.0 if shade else 0.8
    reach = radius * 1.25
    for r in range(max(0, int(cy - reach)), min(rows, int(cy + reach) + 1)):
        for c in range(max(0, int(cx - reach)), min(columns, int(cx + reach) + 1)):
            dx = (c + 0.5 - cx) / radius
            dy = (r + 0.5 - cy) / radius
            u = (dx * np.cos(turn) + dy * np.sin(turn)) / max(0.25, tilt)
            v = -dx * np.sin(turn) + dy * np.cos(turn)
            distance = np.sqrt(u * u + v * v)
            angle = np.arctan2(v, u)
            cover = min(
                1.0, max(0.0, (_leaf_radius(angle) - distance) * radius * tilt / soft + 0.5)
            )
            if v > 0.1 and abs(u + 0.05 * v) < 0.018 and v < 1.05:
                cover = max(cover, 0.9)
            if cover <= 0.0:
                continue
            if shade:
                for i in range(3):
                    out[r, c, i] *= 1.0 - 0.42 * cover
                continue
            spoke = abs(np.sin(2.5 * (angle + np.pi / 2)))
            vein = max(0.0, 1.0 - spoke * distance * 34.0) * min(1.0, 1.3 - distance)
            side = max(0.0, 1.0 - abs(np.sin(11.0 * distance + 5.0 * spoke)) * 9.0) * 0.4
            lit = (
                0.86
                + 0.20 * u * tilt
                - 0.12 * v
                + 0.07 * sample(cloth, u * 90.0 + 40.0, v * 90.0 + 40.0)
            )
            lit += 0.25 * max(vein, side)
            brown = min(1.0, max(0.0, distance / max(0.05, _leaf_radius(angle)) - 0.55) * 1.1)
            for i in range(3):
                value = (colour[i] * (1.0 - 0.35 * brown)) * lit
                out[r, c, i] += (value - out[r, c, i]) * cover


@njit(nogil=True, cache=True)
def _paste(
    out: Map, sprite: Map, x: float, y: float, scale: float, turn: float, shade: bool
) -> None:
    """Draw `sprite` (h, w, 4) with its middle at (x, y), or with `shade` only its shadow."""
    rows, columns = out.shape[:2]
    high, wide = sprite.shape[:2]
    cosine, sine = np.cos(turn) / scale, np.sin(turn) / scale
    reach = 0.5 * scale * np.sqrt(float(high * high + wide * wide))
    for r in range(max(0, int(y - reach)), min(rows, int(y + reach) + 1)):
        for c in range(max(0, int(x - reach)), min(columns, int(x + reach) + 1)):
            dx = c + 0.5 - x
            dy = r + 0.5 - y
            u = dx * cosine + dy * sine + wide / 2 - 0.5
            v = -dx * sine + dy * cosine + high / 2 - 0.5
            if shade:
                inside = min(min(u, wide - u), min(v, high - v))
                cover = min(1.0, max(0.0, 0.5 + inside / 16.0))
                for i in range(3):
                    out[r, c, i] *= 1.0 - 0.5 * cover
                continue
            if u < 0.0 or v < 0.0 or u >= wide - 1 or v >= high - 1:
                continue
            u0, v0 = int(u), int(v)
            fu, fv = u - u0, v - v0
            a = (1 - fu) * (1 - fv)
            b = fu * (1 - fv)
            d = (1 - fu) * fv
            e = fu * fv
            cover = (
                a * sprite[v0, u0, 3]
                + b * sprite[v0, u0 + 1, 3]
                + d * sprite[v0 + 1, u0, 3]
                + e * sprite[v0 + 1, u0 + 1, 3]
            )
            for i in range(3):
                value = (
                    a * sprite[v0, u0, i]
                    + b * sprite[v0, u0 + 1, i]
                    + d * sprite[v0 + 1, u0, i]
                    + e * sprite[v0 + 1, u0 + 1, i]
                )
                out[r, c, i] += (value - out[r, c, i]) * cover


def draw(scene: Beach, time: float, rows: int, columns: int) -> Map:
    """Return the view at `time` seconds as (rows, columns, 3), RGB 0..255."""
    out = np.empty((rows, columns, 3), np.float32)
    unit = rows / 1080
    scale = (1.02 + 0.035 * time) * unit
    turn = 0.012 * time
    middle = (900.0 + 62.0 * time, 1000.0 + 10.0 * time)
    _draw(scene.ground, scene.waves, scene.foam, np.array([*middle, scale, turn]), time, out)

    # The sign lies on the ground and moves with it; the leaves drift in the wind above it.
    at = np.array([760.0, 760.0]) - middle
    x = columns / 2 + scale * (at[0] * np.cos(turn) + at[1] * np.sin(turn))
    y = rows / 2 + scale * (-at[0] * np.sin(turn) + at[1] * np.cos(turn))
    _paste(out, scene.sign, x + 12 * unit, y + 14 * unit, scale, -turn - 0.06, True)
    _paste(out, scene.sign, x, y, scale, -turn - 0.06, False)
    leaves = (
        (
            1330 - 170 * time,
            250 + 60 * time + 18 * np.sin(3 * time),
            104.0,
            0.9 * time,
            0.86 + 0.14 * np.sin(2 * time),
            (214, 92, 30),
        ),
        (
            1720 - 120 * time,
            640 - 34 * time,
            78.0,
            2.0 - 1.2 * time,
            0.8 + 0.2 * np.cos(2.4 * time),
            (206, 158, 38),
        ),
        (
            420 + 90 * time,
            900 - 46 * time,
            62.0,
            0.7 * time + 4,
            0.85 + 0.15 * np.sin(3 * time),
            (168, 48, 34),
        ),
    )
    for x, y, radius, turn, tilt, tone in leaves:
        colour = np.array(tone, np.float32)
        lift = 26 * unit
        _leaf(
            out,
            scene.cloth,
            x * unit + lift,
            y * unit + lift,
            radius * unit,
            turn,
            tilt,
            colour,
            True,
        )
        _leaf(out, scene.cloth, x * unit, y * unit, radius * unit, turn, tilt, colour, False)
    return out
