"""Pictures to be coded: moving textures, noise, flat areas, cuts, fades.

Every picture follows from its description; the same description gives the same bytes everywhere, as
only integer arithmetic and NumPy's PCG64 generator are used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.uint8]
Planes = tuple[Plane, Plane, Plane]
Wide = NDArray[np.int32]


def _texture(random: np.random.Generator, rows: int, columns: int, smooth: int) -> Wide:
    """Return periodic noise 0..255, smoothed by `smooth` passes of a 2 x 2 mean, contrast restored."""
    texture = random.integers(0, 256, (rows, columns)).astype(np.int32)
    for _ in range(smooth):
        texture = texture + np.roll(texture, 1, 0)
        texture = (texture + np.roll(texture, 1, 1) + 2) >> 2
    low, high = int(texture.min()), int(texture.max())
    return (texture - low) * 255 // max(1, high - low)


def _shifted(texture: Wide, x: int, y: int, rows: int, columns: int) -> Wide:
    """Return a window at (x, y) in quarter samples, interpolated bilinearly."""
    whole_y, whole_x = y >> 2, x >> 2
    lines = (np.arange(rows + 1) + whole_y) % texture.shape[0]
    places = (np.arange(columns + 1) + whole_x) % texture.shape[1]
    window = texture[np.ix_(lines, places)]
    fy, fx = y & 3, x & 3
    window = (window[:-1] * (4 - fy) + window[1:] * fy) >> 2
    shifted: Wide = (window[:, :-1] * (4 - fx) + window[:, 1:] * fx) >> 2
    return shifted


class _Scene:
    """Textures of three planes, and objects that move across them, each by a vector of its own."""

    def __init__(self, random: np.random.Generator, rows: int, columns: int, objects: int) -> None:
        self.rows, self.columns = rows, columns
        smooth = int(random.integers(1, 7))
        sizes = [(rows, columns), (rows // 2, columns // 2), (rows // 2, columns // 2)]
        self.textures = [_texture(random, r + 16, c + 16, smooth) for r, c in sizes]
        self.pan = random.integers(-9, 10, 2)
        self.objects = []
        for _ in range(objects):
            height = int(random.integers(2, max(3, rows // 2))) & ~1
            width = int(random.integers(2, max(3, columns // 2))) & ~1
            place = (int(random.integers(0, rows)), int(random.integers(0, columns)))
            vector = random.integers(-24, 25, 2)
            self.objects.append((height, width, place, vector, int(random.integers(0, 256))))

    def planes(self, time: int) -> list[Wide]:
        out = []
        for index, texture in enumerate(self.textures):
            scale = 1 if index == 0 else 2
            rows, columns = self.rows // scale, self.columns // scale
            x, y = int(self.pan[0]) * time // scale, int(self.pan[1]) * time // scale
            plane = _shifted(texture, x, y, rows, columns)
            for height, width, (top, left), vector, level in self.objects:
                t = ((top + int(vector[1]) * time // 4) % self.rows) // scale
                a = ((left + int(vector[0]) * time // 4) % self.columns) // scale
                patch = plane[t : t + height // scale, a : a + width // scale]
                patch[...] = (texture[: patch.shape[0], : patch.shape[1]] + level * 3) >> 2
            out.append(plane)
        return out


def _moving(objects: int) -> Callable[..., Iterator[list[Wide]]]:
    def render(
        random: np.random.Generator, rows: int, columns: int, count: int
    ) -> Iterator[list[Wide]]:
        scene = _Scene(random, rows, columns, objects)
        for time in range(count):
            yield scene.planes(time)

    return render


def _flat(random: np.random.Generator, rows: int, columns: int, count: int) -> Iterator[list[Wide]]:
    levels = random.integers(0, 256, 3)
    for _ in range(count):
        yield [
            np.full((r, c), int(level), np.int32)
            for level, (r, c) in zip(levels, _sizes(rows, columns), strict=True)
        ]


def _noise(
    random: np.random.Generator, rows: int, columns: int, count: int
) -> Iterator[list[Wide]]:
    for _ in range(count):
        yield [random.integers(0, 256, size).astype(np.int32) for size in _sizes(rows, columns)]


def _cuts(random: np.random.Generator, rows: int, columns: int, count: int) -> Iterator[list[Wide]]:
    scene = _Scene(random, rows, columns, 2)
    for time in range(count):
        if time and random.integers(0, 5) == 0:
            scene = _Scene(random, rows, columns, int(random.integers(0, 4)))
        yield scene.planes(time)


def _fade(random: np.random.Generator, rows: int, columns: int, count: int) -> Iterator[list[Wide]]:
    scene = _Scene(random, rows, columns, 1)
    darkest, tint = int(random.integers(0, 128)), random.integers(32, 224, 3)
    for time in range(count):
        share = 256 - (256 - darkest) * time // max(1, count - 1)
        planes = scene.planes(time // 3)
        yield [
            (p * share + int(level) * (256 - share)) >> 8
            for p, level in zip(planes, tint, strict=True)
        ]


def _flashes(
    random: np.random.Generator, rows: int, columns: int, count: int
) -> Iterator[list[Wide]]:
    scene = _Scene(random, rows, columns, 1)
    for time in range(count):
        light = int(random.integers(-70, 71)) if random.integers(0, 3) == 0 else 0
        yield [p + light for p in scene.planes(time)]


def _screen(
    random: np.random.Generator, rows: int, columns: int, count: int
) -> Iterator[list[Wide]]:
    """Letters on flat ground that scroll by whole samples, with some new ones each picture."""
    ground = [np.full(size, 200, np.int32) for size in _sizes(rows + 64, columns)]
    for _ in range(max(4, rows * columns // 400)):
        _stroke(random, ground)
    for time in range(count):
        _stroke(random, ground)
        top = (2 * time) % 64
        yield [
            ground[0][top : top + rows],
            ground[1][top // 2 : top // 2 + rows // 2],
            ground[2][top // 2 : top // 2 + rows // 2],
        ]


def _stroke(random: np.random.Generator, ground: list[Wide]) -> None:
    y, x = (int(random.integers(0, side)) for side in ground[0].shape)
    height, width = (int(random.integers(1, 12)) for _ in range(2))
    for index, plane in enumerate(ground):
        s = min(1, index)
        plane[y >> s : (y + height) >> s, x >> s : (x + width) >> s] = int(random.integers(0, 256))


def _sizes(rows: int, columns: int) -> list[tuple[int, int]]:
    return [(rows, columns), (rows // 2, columns // 2), (rows // 2, columns // 2)]


KINDS: dict[str, Callable[..., Iterator[list[Wide]]]] = {
    "flat": _flat,
    "texture": _moving(0),
    "objects": _moving(5),
    "noise": _noise,
    "cuts": _cuts,
    "fade": _fade,
    "flashes": _flashes,
    "screen": _screen,
}


def render(kind: str, seed: int, width: int, height: int, count: int) -> Iterator[Planes]:
    """Yield `count` pictures (y, u, v), uint8; `width` and `height` are even, `kind` one of KINDS."""
    random = np.random.Generator(np.random.PCG64(seed))
    for planes in KINDS[kind](random, height, width, count):
        y, u, v = (np.clip(plane, 0, 255).astype(np.uint8) for plane in planes)
        yield y, u, v
