"""Speed of restoration: a 1080p picture for each evaluator, beside the upscaler from 960 x 540; where the time goes.

    python -m benchmarks.bench_restoration          evaluators and layers, as text
    python -m pytest benchmarks/bench_restoration.py   times, with pytest-benchmark

Times are processor time of one thread, the least of several rounds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from refcodec.encoder.restoration_networks import NETWORKS
from refcodec.intnet.backends import available, resolve
from refcodec.intnet.profile import profile
from refcodec.picture import Picture
from refcodec.restoration import RestorationModel, Restorer, shipped_restoration
from refcodec.restoration.model import LUMA
from refcodec.upscaling import Upscaler

WIDTH, HEIGHT = 1920, 1080
EVALUATORS = [name for name in available() if name not in ("numpy", "torch", "onnxruntime")]
ROUNDS = 9


def network() -> RestorationModel:
    """Return one of the networks that encoders choose from: all are of one size."""
    return shipped_restoration(NETWORKS[Fraction(1, 2)])


def noise(width: int, height: int) -> Picture:
    """Return a picture of noise: what a picture shows has no influence on the time."""
    rng = np.random.default_rng(1)
    sizes = ((height, width), (height // 2, width // 2), (height // 2, width // 2))
    return Picture(*(rng.integers(0, 256, size, np.uint8) for size in sizes))


@pytest.mark.parametrize("backend", EVALUATORS)
def test_restore(benchmark: BenchmarkFixture, backend: str) -> None:
    picture = noise(WIDTH, HEIGHT)
    restorer = Restorer(network(), 1, backend)
    restorer.restore(picture)
    benchmark.extra_info["samples"] = WIDTH * HEIGHT
    benchmark(restorer.restore, picture)


def _least(work: Callable[[], object]) -> float:
    """Return the least processor seconds of some rounds, after one that compiles."""
    work()
    times = []
    for _ in range(ROUNDS):
        begin = time.thread_time()
        work()
        times.append(time.thread_time() - begin)
    return min(times)


def main() -> None:
    """Print the tables."""
    model, picture = network(), noise(WIDTH, HEIGHT)
    coded = noise(WIDTH // 2, HEIGHT // 2)
    upscaler = Upscaler(coded.width, coded.height, WIDTH, HEIGHT)
    theirs = _least(lambda: upscaler.upscale(coded.planes))
    print(f"1080p, one thread, {model.cost:.0f} multiplications for each luma sample")
    print(f"upscaler from 960 x 540: {1000 * theirs:.1f} ms")
    for name in EVALUATORS:
        restorer = Restorer(model, 1, name)
        ours = _least(lambda chosen=restorer: chosen.restore(picture))
        print(f"restoration, {name}: {1000 * ours:.1f} ms, {ours / theirs:.1f} times the upscaler")
    values = picture.y.astype(np.int16)[None] - 128
    for cost in profile(model.network, {LUMA: values}, resolve("auto")):
        print(f"  {cost.op:<14} {cost.channels:>3} channels {1000 * cost.seconds:6.1f} ms")


if __name__ == "__main__":
    main()
