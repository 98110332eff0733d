"""Training of the encoder's measure: pairs are repeatable, and training brings it nearer to LPIPS."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

torch = pytest.importorskip("torch")

from refcodec.fitting.feature_distance import read_weights  # noqa: E402
from refcodec.intnet.installed import MODELS  # noqa: E402
from refcodec.metrics.analysis_features import WEIGHTS  # noqa: E402
from refcodec.metrics.lpips_layers import NETS  # noqa: E402
from refcodec.metrics.lpips_weights import file_name  # noqa: E402
from tests.unit.test_metrics import random_weights  # noqa: E402
from tests.unit.test_trainer import textured  # noqa: E402
from trainer import measure  # noqa: E402
from trainer.__main__ import app  # noqa: E402
from trainer.measure_pairs import Pairs, joined, make_pairs  # noqa: E402
from trainer.moving_pictures import SIZE  # noqa: E402


def write_training_folders(folder: Path) -> Path:
    """Write training pictures, and weights with the shapes of LPIPS, to `folder`; return it."""
    for name in ("pictures", "lpips"):
        (folder / name).mkdir()
    for seed in range(2):
        Image.fromarray(textured(seed, 280, 320)).save(folder / "pictures" / f"{seed}.png")
    for net in NETS:
        np.savez(folder / "lpips" / file_name(net), **random_weights(net, 5))
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_training_folders(tmp_path_factory.mktemp("measure"))


@pytest.fixture(scope="module")
def pairs(folders: Path) -> Pairs:
    made = make_pairs(folders / "pictures", folders / "cache.rgb", folders / "lpips", 4, 1, 1)
    return joined([pair for few in made for pair in few])


def test_pairs_are_what_was_asked_for(pairs: Pairs, tmp_path: Path) -> None:
    assert pairs.originals.shape == pairs.decoded.shape == (8, SIZE * SIZE * 3 // 2)
    differences = np.abs(pairs.originals.astype(int) - pairs.decoded).mean(1)
    assert (differences > 0).all() and (pairs.alex > 0).all() and (pairs.squeeze > 0).all()
    pairs.save(tmp_path / "pairs.npz")
    again = Pairs.load(tmp_path / "pairs.npz")
    for name, values in vars(pairs).items():
        np.testing.assert_array_equal(values, getattr(again, name))


def test_pairs_are_repeatable(pairs: Pairs, folders: Path) -> None:
    made = make_pairs(folders / "pictures", folders / "cache.rgb", folders / "lpips", 1, 1, 1)
    first = joined(next(made))
    np.testing.assert_array_equal(first.decoded, pairs.decoded[:2])


def test_training_brings_the_measure_nearer(pairs: Pairs) -> None:
    network = measure.begun(read_weights(MODELS / WEIGHTS))
    every = np.arange(len(pairs.alex))
    before = measure.agreement(network, pairs, every)
    settings = measure.Training(steps=12, batch=4, held_back=0.0)
    losses: list[float] = []
    measure.train(network, pairs, settings, lambda step, loss, seconds: losses.append(loss))
    assert len(losses) == 12
    assert measure.agreement(network, pairs, every).error < 0.9 * before.error


def test_command_writes_a_file_that_can_be_read(
    folders: Path, pairs: Pairs, tmp_path: Path
) -> None:
    joined([pairs] * 3).save(tmp_path / "pairs.npz")
    out = tmp_path / "measure.safetensors"
    command = ["measure", "--pairs", str(tmp_path / "pairs.npz"), "--out", str(out), "--steps", "2"]
    command += ["--start", str(MODELS / "core.analysis.safetensors")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "after: Agreement" in result.output
    written = read_weights(out)
    assert "difference.2" in written and "analysis.last.weight" not in written
