"""From prompt to planes: the specification and every evaluator give one result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.generators.plain_model import plain_model, plain_tables
from conformance.generators.random_model import write_random_model
from refcodec import errors, generator
from refcodec.generator import GeneratorModel, Latents, decode_prompt, generate
from refcodec.generator.prompt import hyper_size, settle
from refcodec.intnet.backends import available
from spec.model import generation, prompt_decoding

SMALL = (3, 2, 6, 5, 8, 6, 5)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> GeneratorModel:
    path = tmp_path_factory.mktemp("model") / "random.safetensors"
    write_random_model(path, 3)
    return generator.load_model(path)


def random_latents(
    model: GeneratorModel, q: int, width: int, height: int, seed: int, spread: float
) -> Latents:
    rng = np.random.default_rng(seed)
    hyper_width, hyper_height = hyper_size(width, height)
    hyper = rng.laplace(size=(model.hyper_channels, hyper_height, hyper_width)) * spread
    values = rng.laplace(size=(model.latent_channels, height, width)) * spread
    return settle(model, q, _quantised(hyper), _quantised(values), backend="numba")


def _quantised(x: np.ndarray) -> np.ndarray:
    return np.clip(np.round(x), -2047, 2047).astype(np.int16)


@pytest.mark.parametrize("seed", range(3))
def test_every_decoder_gives_the_same_picture(tmp_path: Path, seed: int) -> None:
    write_random_model(tmp_path / "m.safetensors", seed, SMALL)
    model = generator.load_model(tmp_path / "m.safetensors")
    q, width, height = 20 * seed, 3, 2
    latents = random_latents(model, q, width, height, seed, 3.0)
    prompt = generator.encode_prompt(model, q, latents.hyper, latents.values)

    plain = plain_model(model.file)
    values = prompt_decoding.decode_prompt(plain, *plain_tables(), prompt, q, width, height)
    assert values == latents.values.tolist()
    planes = generation.generate(plain, values, q)
    for backend in available():
        for threads in (1, 2):
            found = decode_prompt(model, prompt, q, width, height, backend=backend, threads=threads)
            picture = generate(model, found.values, q, backend=backend, threads=threads)
            assert [plane.tolist() for plane in picture.planes] == list(planes)
    assert len(np.unique(planes[0])) > 50, "a picture without contrast proves nothing"


@given(
    st.integers(0, 63),
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(0, 2**32),
    st.sampled_from([0.5, 4.0, 100.0, 3000.0]),
)
@settings(max_examples=40, deadline=None)
def test_prompts_round_trip(
    model: GeneratorModel, q: int, width: int, height: int, seed: int, spread: float
) -> None:
    latents = random_latents(model, q, width, height, seed, spread)
    prompt = generator.encode_prompt(model, q, latents.hyper, latents.values, backend="numba")
    bits = generator.estimate_bits(model, q, latents.hyper, latents.values, backend="numba")
    assert abs(8 * len(prompt) - bits) < bits * 0.003 + 17
    found = decode_prompt(model, prompt, q, width, height, backend="numba")
    np.testing.assert_array_equal(found.values, latents.values)
    np.testing.assert_array_equal(found.hyper, latents.hyper)


@given(st.integers(0, 63), st.integers(1, 6), st.integers(1, 6), st.binary(max_size=400))
@settings(max_examples=150, deadline=2000)
def test_any_bytes_give_a_picture_or_a_typed_error(
    model: GeneratorModel, q: int, width: int, height: int, data: bytes
) -> None:
    try:
        latents = decode_prompt(model, data, q, width, height, backend="numba")
    except errors.HypError as error:
        assert error.id.startswith("HYP-E-ENT-")
    else:
        picture = generate(model, latents.values, q, backend="numba")
        assert picture.y.shape == (16 * height, 16 * width)


@pytest.mark.parametrize("size", [(0, 1), (1, 0), (513, 1), (512, 512), (1 << 40, 1 << 40)])
def test_impossible_sizes_are_refused_before_allocation(
    model: GeneratorModel, size: tuple[int, int]
) -> None:
    with pytest.raises(errors.CLASSES["HYP-E-GEN-03"]):
        decode_prompt(model, b"", 0, *size)


def test_values_that_cannot_be_coded_are_refused(model: GeneratorModel) -> None:
    latents = random_latents(model, 5, 4, 4, 1, 2.0)
    values = latents.values.copy()
    values[0, 0, 0] = 2048
    with pytest.raises(ValueError, match="2047"):
        generator.encode_prompt(model, 5, latents.hyper, values)
