"""Frozen model, prompt and pictures: what was decodable once stays decodable, bit for bit.

`python tests/golden/test_frozen_generator.py` writes the files anew; do that only when the format changes.
"""

from __future__ import annotations

import hashlib
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from conformance.generators.random_model import write_random_model
from refcodec import generator
from refcodec.generator import decode_prompt, generate
from refcodec.generator.prompt import hyper_size, settle
from refcodec.intnet.backends import available
from spec import data
from spec.tables import latent_cdf

FOLDER = Path(__file__).with_name("generator")
SEED, Q, WIDTH, HEIGHT = 2026, 28, 3, 2


def expected() -> dict[str, str]:
    values: dict[str, str] = json.loads((FOLDER / "expected.json").read_text())
    return values


def test_the_table_of_distributions_is_the_frozen_one() -> None:
    text = data("tables/latent_cdf.csv").read_text()
    assert hashlib.sha256(text.encode()).hexdigest() == expected()["latent_cdf"]


def test_the_tool_makes_the_table_of_distributions() -> None:
    assert latent_cdf.text() == data("tables/latent_cdf.csv").read_text()


def test_the_distributions_are_valid() -> None:
    rows = latent_cdf.rows()
    assert len(rows) == 39 * 8
    for _, _, order, *cumulative in rows:
        assert 0 <= order <= 4
        assert cumulative[0] == 0 and cumulative[-1] == 1 << 15
        assert all(b > a for a, b in pairwise(cumulative))


def test_a_seed_makes_the_frozen_model(tmp_path: Path) -> None:
    write_random_model(tmp_path / "m.safetensors", SEED)
    assert (tmp_path / "m.safetensors").read_bytes() == (FOLDER / "model.safetensors").read_bytes()


@pytest.mark.parametrize("backend", available())
def test_the_frozen_prompt_gives_the_frozen_picture(backend: str) -> None:
    model = generator.load_model(FOLDER / "model.safetensors")
    assert model.digest.hex() == expected()["model"]
    prompt = (FOLDER / "prompt.bin").read_bytes()
    latents = decode_prompt(model, prompt, Q, WIDTH, HEIGHT, backend=backend)
    assert (
        hashlib.sha256(latents.values.astype("<i2").tobytes()).hexdigest() == expected()["latents"]
    )
    assert generate(model, latents.values, Q, backend=backend).sha256() == expected()["picture"]
    assert (
        generator.encode_prompt(model, Q, latents.hyper, latents.values, backend=backend) == prompt
    )


def main() -> None:
    """Write the frozen files."""
    FOLDER.mkdir(exist_ok=True)
    write_random_model(FOLDER / "model.safetensors", SEED)
    model = generator.load_model(FOLDER / "model.safetensors")
    rng = np.random.default_rng(SEED)
    hyper_width, hyper_height = hyper_size(WIDTH, HEIGHT)
    hyper = np.round(rng.laplace(size=(model.hyper_channels, hyper_height, hyper_width)) * 4)
    values = np.round(rng.laplace(size=(model.latent_channels, HEIGHT, WIDTH)) * 8)
    latents = settle(model, Q, hyper.astype(np.int16), values.astype(np.int16), backend="numpy")
    prompt = generator.encode_prompt(model, Q, latents.hyper, latents.values, backend="numpy")
    (FOLDER / "prompt.bin").write_bytes(prompt)
    table = data("tables/latent_cdf.csv").read_bytes()
    facts = {
        "latent_cdf": hashlib.sha256(table).hexdigest(),
        "model": model.digest.hex(),
        "latents": hashlib.sha256(latents.values.astype("<i2").tobytes()).hexdigest(),
        "picture": generate(model, latents.values, Q, backend="numpy").sha256(),
    }
    (FOLDER / "expected.json").write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    main()
