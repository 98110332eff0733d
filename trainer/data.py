"""Training pictures: decoded once into a memory-mapped cache, served as random crops by background threads."""

import json
import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

SUFFIXES = {".avif", ".png", ".jpg", ".jpeg", ".webp"}


def build_cache(folder: Path, cache: Path) -> None:
    """Decode every picture of `folder` to RGB and append its samples to `cache` (uint8), with `cache`.json as index."""
    cache.parent.mkdir(parents=True, exist_ok=True)
    shapes: list[tuple[int, int]] = []
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
    with open(cache, "wb") as file, ThreadPoolExecutor(os.cpu_count()) as pool:
        for rgb in pool.map(_decode, paths):
            shapes.append((rgb.shape[0], rgb.shape[1]))
            file.write(rgb.tobytes())
    cache.with_suffix(".json").write_text(json.dumps(shapes))


def _decode(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


class Pictures:
    """The cached pictures as arrays (H,W,3) uint8; nothing is read before it is needed."""

    def __init__(self, folder: Path, cache: Path) -> None:
        if not cache.with_suffix(".json").exists():
            build_cache(folder, cache)
        shapes = json.loads(cache.with_suffix(".json").read_text())
        samples = np.memmap(cache, np.uint8, "r")
        self.items: list[np.ndarray] = []
        position = 0
        for height, width in shapes:
            size = height * width * 3
            self.items.append(samples[position : position + size].reshape(height, width, 3))
            position += size
        areas = np.array([h * w for h, w in shapes], np.float64)
        self.weights = np.sqrt(areas) / np.sqrt(areas).sum()

    def crop(self, rng: np.random.Generator, size: int, enlarged: float, most: float) -> np.ndarray:
        """Return one random crop (size,size,3): random picture, scale of 0.4 to 1, place and flip.

        A part `enlarged` of the crops has a scale of 1 to `most` instead.
        """
        picture = self.items[rng.choice(len(self.items), p=self.weights)]
        if enlarged and rng.random() < enlarged:
            crop = _enlarged(rng, picture, size, most)
        else:
            crop = _shrunk(rng, picture, size)
        return crop[:, ::-1] if rng.random() < 0.5 else crop


def _shrunk(rng: np.random.Generator, picture: np.ndarray, size: int) -> np.ndarray:
    """Return a crop (size,size,3) of a picture at a scale of 0.4 to 1."""
    limit = min(picture.shape[:2]) / size
    zoom = min(float(np.exp(rng.uniform(0.0, np.log(2.5)))) if rng.random() < 0.6 else 1.0, limit)
    side = max(size, int(size * zoom))
    if min(picture.shape[:2]) < side:
        side = min(picture.shape[:2])
    top = int(rng.integers(picture.shape[0] - side + 1))
    left = int(rng.integers(picture.shape[1] - side + 1))
    crop = np.asarray(picture[top : top + side, left : left + side])
    if side != size:
        resample = Image.Resampling.LANCZOS if rng.random() < 0.5 else Image.Resampling.BOX
        crop = np.asarray(Image.fromarray(crop).resize((size, size), resample))
    return crop


def _enlarged(rng: np.random.Generator, picture: np.ndarray, size: int, most: float) -> np.ndarray:
    """Return a crop (size,size,3) of a picture enlarged 1 to `most` times."""
    side = min(size / float(np.exp(rng.uniform(0.0, np.log(most)))), *picture.shape[:2])
    left, top = (rng.uniform(0, length - side) for length in (picture.shape[1], picture.shape[0]))
    # Only what the crop needs, with a margin for the filter: a whole picture is slow to wrap.
    x, y, reach = int(max(0, left - 4)), int(max(0, top - 4)), int(side) + 9
    near = Image.fromarray(np.asarray(picture[y : y + reach, x : x + reach]))
    box = (
        left - x,
        top - y,
        min(left - x + side, near.width),
        min(top - y + side, near.height),
    )
    resample = Image.Resampling.BICUBIC if rng.random() < 0.5 else Image.Resampling.LANCZOS
    return np.asarray(near.resize((size, size), resample, box))


class CropStream:
    """An endless stream of batches (N,3,size,size) uint8, prepared ahead by threads.

    The batch of step `k` depends on (seed, k) alone, so that a resumed run sees what an unbroken one would.
    """

    AHEAD = 4

    def __init__(
        self,
        pictures: Pictures,
        batch: int,
        size: int,
        seed: int,
        first_step: int,
        enlarged: float,
        enlarged_most: float,
        workers: int = 1,
    ) -> None:
        self.pictures, self.batch, self.size, self.seed = pictures, batch, size, seed
        self.enlarged, self.enlarged_most = enlarged, enlarged_most
        self.step = first_step
        self._pool = ThreadPoolExecutor(workers)
        self._waiting: deque[Future[Tensor]] = deque()
        for _ in range(self.AHEAD * workers):
            self._order()

    def _order(self) -> None:
        self._waiting.append(self._pool.submit(self._prepare, self.step))
        self.step += 1

    def _prepare(self, step: int) -> Tensor:
        rng = np.random.default_rng([self.seed, step])
        crops = np.stack(
            [
                self.pictures.crop(rng, self.size, self.enlarged, self.enlarged_most)
                for _ in range(self.batch)
            ]
        )
        return torch.from_numpy(np.ascontiguousarray(crops.transpose(0, 3, 1, 2)))

    def next(self) -> Tensor:
        """Return the next batch."""
        batch = self._waiting.popleft().result()
        self._order()
        return batch

    def close(self) -> None:
        """Drop what was prepared."""
        self._pool.shutdown(wait=False, cancel_futures=True)
