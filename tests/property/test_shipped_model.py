"""The shipped model: found by id and digest, decoded alike by everything, without torch."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from conformance.generators.plain_model import plain_model, plain_tables
from conformance.generators.random_model import write_random_model
from refcodec import errors, generator
from refcodec.generator import decode_prompt, generate
from refcodec.generator.prompt import settle
from refcodec.intnet.backends import available
from refcodec.intnet.installed import MODELS
from spec.model import generation, prompt_decoding

SHIPPED = ("core", "core_small", "core_first", "core_first_fine")


def shipped_model(name: str) -> generator.GeneratorModel:
    return generator.load_model(MODELS / f"{name}.safetensors")


def test_the_first_shipped_model_is_the_default() -> None:
    assert generator.bundled(1).digest == shipped_model(SHIPPED[0]).digest


@pytest.mark.parametrize("name", SHIPPED)
def test_the_specification_and_all_evaluators_agree_on_shipped_models(name: str) -> None:
    model = shipped_model(name)
    q, width, height = 30, 3, 2
    rng = np.random.default_rng(3)
    values = np.round(rng.laplace(size=(model.latent_channels, height, width)) * 3).astype(np.int16)
    hyper = np.round(rng.laplace(size=(model.hyper_channels, 1, 1)) * 3).astype(np.int16)
    latents = settle(model, q, hyper, values, backend="numpy")
    prompt = generator.encode_prompt(model, q, latents.hyper, latents.values, backend="numpy")
    plain = plain_model(model.file)
    decoded = prompt_decoding.decode_prompt(plain, *plain_tables(), prompt, q, width, height)
    assert decoded == latents.values.tolist()
    planes = generation.generate(plain, decoded, q)
    for backend in available():
        for threads in (1, 2):
            found = decode_prompt(model, prompt, q, width, height, backend=backend, threads=threads)
            picture = generate(model, found.values, q, backend=backend, threads=threads)
            assert [plane.tolist() for plane in picture.planes] == list(planes)


def test_evaluators_agree_on_a_picture_of_many_strips() -> None:
    model = generator.bundled(1)
    rng = np.random.default_rng(4)
    values = np.round(rng.laplace(size=(model.latent_channels, 24, 40)) * 4).astype(np.int16)
    expected = generate(model, values, 40, backend="torch" if "torch" in available() else "numpy")
    for backend in set(available()) - {"numpy", "torch"}:
        for threads in (1, 2):
            assert generate(model, values, 40, backend=backend, threads=threads).same_as(expected)


def test_models_are_found_by_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = write_random_model(tmp_path / "core-test.safetensors", 5)
    with pytest.raises(errors.CLASSES["HYP-E-GEN-02"]):
        generator.bundled(1, digest)
    monkeypatch.setenv("HYP_MODELS", str(tmp_path))
    assert generator.bundled(1, digest).digest == digest
    shipped = generator.bundled(1)
    assert generator.bundled(1, shipped.digest) is shipped


def test_an_unknown_generator_is_a_typed_error() -> None:
    with pytest.raises(errors.CLASSES["HYP-E-GEN-01"]):
        generator.bundled(2)


def test_a_damaged_file_beside_a_good_one_hides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = write_random_model(tmp_path / "core-b.safetensors", 6)
    shutil.copy(MODELS / "core.safetensors", tmp_path / "core-a.safetensors")
    (tmp_path / "core-a.safetensors").write_bytes(b"not a model")
    monkeypatch.setenv("HYP_MODELS", str(tmp_path))
    assert generator.bundled(1, digest).digest == digest


def test_decoding_imports_no_torch() -> None:
    script = (
        "import sys, numpy as np\n"
        "from refcodec import generator\n"
        "model = generator.bundled(1)\n"
        "generator.generate(model, np.zeros((model.latent_channels, 1, 1), np.int16), 3)\n"
        "sys.exit('torch' in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
