"""Speed of the generator: a 1080p keyframe for each evaluator, its prompt, and the share of each layer.

    python -m benchmarks.bench_generator                    evaluators and layers, as text
    python -m benchmarks.bench_generator --model FILE --backend vnni --threads 1 --rounds 9
    python -m pytest benchmarks/bench_generator.py          times, with pytest-benchmark

Times are the least of several rounds: elapsed, and of the processor over all threads, which others who use the
machine disturb less. Uses the shipped model where there is one, else a random one of the same size.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from conformance.generators.random_model import SHIPPED, write_random_model
from refcodec import errors, generator
from refcodec.generator import GeneratorModel, decode_prompt, generate
from refcodec.generator.generation import control_points
from refcodec.generator.prompt import Latents, hyper_size, settle
from refcodec.intnet.backends import available, resolve
from refcodec.intnet.profile import NodeCost, profile
from refcodec.processors import default_threads

WIDTH, HEIGHT, Q = 120, 68, 30
SAMPLES = 256 * WIDTH * HEIGHT


def load() -> GeneratorModel:
    """Return the shipped model or a random one of its size."""
    try:
        return generator.bundled(1)
    except errors.CLASSES["HYP-E-GEN-01"]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "random.safetensors"
            write_random_model(path, 1, SHIPPED)
            return generator.load_model(path)


def sparse_latents(model: GeneratorModel) -> Latents:
    """Return latents like those of a keyframe of about 0.1 bit/sample: few that are not zero."""
    rng = np.random.default_rng(1)
    hyper_width, hyper_height = hyper_size(WIDTH, HEIGHT)
    values = np.round(rng.laplace(size=(model.latent_channels, HEIGHT, WIDTH)) * 0.15).astype(
        np.int16
    )
    hyper = np.round(
        rng.laplace(size=(model.hyper_channels, hyper_height, hyper_width)) * 0.5
    ).astype(np.int16)
    return settle(model, Q, hyper, values)


@pytest.fixture(scope="module")
def model() -> GeneratorModel:
    return load()


@pytest.fixture(scope="module")
def latents(model: GeneratorModel) -> Latents:
    return sparse_latents(model)


BACKENDS = [name for name in available() if name != "numpy"]


@pytest.mark.parametrize("threads", sorted({1, default_threads()}))
@pytest.mark.parametrize("backend", BACKENDS)
def test_generate_1080p(
    benchmark: BenchmarkFixture, model: GeneratorModel, latents: Latents, backend: str, threads: int
) -> None:
    generate(model, latents.values, Q, backend=backend, threads=threads)
    benchmark.group = "generate 1080p"
    benchmark.extra_info["MAC per luma sample"] = round(model.cost)
    benchmark.pedantic(
        generate,
        (model, latents.values, Q),
        {"backend": backend, "threads": threads},
        rounds=5,
        iterations=1,
    )
    if benchmark.enabled:
        least = benchmark.stats.stats.min
        networks = model.cost * SAMPLES
        benchmark.extra_info["GMAC/s"] = round(networks / least / 1e9, 1)


def test_decode_prompt_1080p(
    benchmark: BenchmarkFixture, model: GeneratorModel, latents: Latents
) -> None:
    prompt = generator.encode_prompt(model, Q, latents.hyper, latents.values)
    benchmark.group = "decode prompt 1080p"
    benchmark.extra_info["prompt bytes"] = len(prompt)
    found = benchmark.pedantic(
        decode_prompt, (model, prompt, Q, WIDTH, HEIGHT), rounds=5, warmup_rounds=1
    )
    np.testing.assert_array_equal(found.values, latents.values)


def layer_costs(model: GeneratorModel, backend: str) -> list[tuple[str, NodeCost]]:
    """Return (network, cost) of each node of both stages for one keyframe on one thread."""
    latents = sparse_latents(model)
    points = control_points(model, latents.values, Q, backend=backend, threads=1)
    rows = []
    for name in ("stage1", "stage2"):
        network = model.file.networks[name]
        size = points["latents" if name == "stage1" else "low_picture"].shape[1:]
        given = {item.name: points.get(item.name) for item in network.inputs}
        filled = {
            key: np.full((1, *size), Q, np.int16) if value is None else value
            for key, value in given.items()
        }
        rows += [(name, cost) for cost in profile(network, filled, backend)]
    return rows


@dataclass(frozen=True)
class Timing:
    """Least seconds: elapsed, and processor time of all threads."""

    elapsed: float
    processor: float

    def __str__(self) -> str:
        return f"{self.elapsed * 1e3:7.1f} / {self.processor * 1e3:6.1f}"


def least_time(work: Callable[[], object], rounds: int) -> Timing:
    """Do `work` `rounds` times after one round that prepares everything."""
    elapsed, processor = [], []
    for _ in range(rounds + 1):
        start, start_processor = time.perf_counter(), time.process_time()
        work()
        elapsed.append(time.perf_counter() - start)
        processor.append(time.process_time() - start_processor)
    return Timing(min(elapsed[1:]), min(processor[1:]))


def print_evaluators(
    model: GeneratorModel, backends: list[str], thread_counts: list[int], rounds: int
) -> None:
    """Print a line for each evaluator and number of threads."""
    latents = sparse_latents(model)
    prompt = generator.encode_prompt(model, Q, latents.hyper, latents.values)
    total = model.cost * SAMPLES / 1e9
    print(
        f"{16 * WIDTH}x{16 * HEIGHT} keyframe, {model.cost / 1e3:.2f} kMAC/pixel, {total:.2f} GMAC,"
        f" prompt of {8 * len(prompt) / SAMPLES:.3f} bit/pixel; times in ms, elapsed / processor"
    )
    print("evaluator    threads         generate   GMAC/s, a thread    decode prompt")
    for backend in backends:
        for threads in thread_counts:
            keyframe = least_time(
                lambda b=backend, n=threads: generate(
                    model, latents.values, Q, backend=b, threads=n
                ),
                rounds,
            )
            parsing = least_time(
                lambda b=backend, n=threads: decode_prompt(
                    model, prompt, Q, WIDTH, HEIGHT, backend=b, threads=n
                ),
                rounds,
            )
            print(
                f"{backend:12} {threads:7}  {keyframe} {total / keyframe.elapsed:7.1f}"
                f" {total / keyframe.processor:10.1f} {parsing}",
                flush=True,
            )


def print_layers(model: GeneratorModel, backend: str) -> None:
    """Print the share of each layer; an addition that a product performs counts there."""
    layer_costs(model, backend)
    rows = layer_costs(model, backend)
    total = sum(cost.seconds for _, cost in rows)
    print(f"\nlayers of {backend} on one thread, {total * 1e3:.1f} ms of processor time")
    for name, cost in rows:
        share = 100 * cost.seconds / total
        rate = f"{cost.rate:7.1f} GMAC/s" if cost.multiplications else ""
        print(
            f"{name:7} {cost.output:24} {cost.op:14} {cost.channels:4}"
            f"  {cost.seconds * 1e3:7.2f} ms {share:5.1f} % {rate}"
        )
    print("by operator")
    by_operator: dict[str, float] = {}
    for _, cost in rows:
        by_operator[cost.op] = by_operator.get(cost.op, 0.0) + cost.seconds
    for op, seconds in sorted(by_operator.items(), key=lambda item: -item[1]):
        print(f"{op:16} {seconds * 1e3:7.2f} ms {100 * seconds / total:5.1f} %")


def main() -> None:
    """Print the speed of the evaluators and the share of each layer."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--model", type=Path, help="model file instead of the shipped one")
    parser.add_argument("--backend", action="append", choices=available(), help="may be repeated")
    parser.add_argument("--threads", action="append", type=int, help="may be repeated")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    model = generator.load_model(given.model) if given.model else load()
    backends = given.backend or BACKENDS
    counts = given.threads or sorted({1, default_threads()})
    print_evaluators(model, backends, counts, given.rounds)
    strips = [name for name in backends if name not in ("numpy", "torch", "onnxruntime")]
    for backend in strips if given.backend else [resolve("auto")]:
        print_layers(model, backend)


if __name__ == "__main__":
    main()
