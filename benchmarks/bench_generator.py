"""Speed of the generator: a 1080p keyframe for each evaluator, its prompt, and the share of each layer.

    python -m pytest benchmarks/bench_generator.py          times, with pytest-benchmark
    python benchmarks/bench_generator.py [MODEL] [BACKEND]  the share of each layer

Uses the shipped model where there is one, else a random one of the same size.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from conformance.generators.random_model import SHIPPED, write_random_model
from refcodec import errors, generator
from refcodec.generator import GeneratorModel
from refcodec.generator.generation import control_points
from refcodec.generator.prompt import Latents, hyper_size, settle
from refcodec.intnet.backends import available, default_threads, resolve
from refcodec.intnet.profile import NodeCost, profile

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
    values = np.round(rng.laplace(size=(model.latent_channels, HEIGHT, WIDTH)) * 0.4).astype(
        np.int16
    )
    hyper = np.round(rng.laplace(size=(model.hyper_channels, hyper_height, hyper_width))).astype(
        np.int16
    )
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
    model.generate(latents, Q, backend=backend, threads=threads)
    benchmark.group = "generate 1080p"
    benchmark.extra_info["MAC per luma sample"] = round(model.cost)
    benchmark.pedantic(
        model.generate,
        (latents, Q),
        {"backend": backend, "threads": threads},
        rounds=5,
        iterations=1,
    )
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
        model.decode_prompt, (prompt, Q, WIDTH, HEIGHT), rounds=5, warmup_rounds=1
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


def main() -> None:
    """Print the share of each layer."""
    model = generator.load_model(sys.argv[1]) if len(sys.argv) > 1 else load()
    backend = resolve(sys.argv[2] if len(sys.argv) > 2 else "auto")
    layer_costs(model, backend)
    rows = layer_costs(model, backend)
    total = sum(cost.seconds for _, cost in rows)
    print(
        f"backend {backend}, one thread, {total * 1e3:.1f} ms, {model.cost:.0f} MAC per luma sample"
    )
    for name, cost in rows:
        share = 100 * cost.seconds / total
        rate = f"{cost.rate:7.1f} GMAC/s" if cost.multiplications else ""
        print(
            f"{name:7} {cost.output:24} {cost.op:14} {cost.channels:4}"
            f"  {cost.seconds * 1e3:7.2f} ms {share:5.1f} % {rate}"
        )


if __name__ == "__main__":
    main()
