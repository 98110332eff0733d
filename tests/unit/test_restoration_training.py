"""Training of restoration networks: repeatable pairs, pictures that come nearer, an export of what was trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

torch = pytest.importorskip("torch")

from refcodec.metrics.lpips_layers import NETS  # noqa: E402
from refcodec.metrics.lpips_weights import file_name  # noqa: E402
from refcodec.restoration import Restorer, load_restoration  # noqa: E402
from tests.unit.test_measure_training import write_training_folders  # noqa: E402
from trainer import restoration  # noqa: E402
from trainer.__main__ import app  # noqa: E402
from trainer.graph import TorchExecutor, Value  # noqa: E402
from trainer.lpips import LPIPS  # noqa: E402
from trainer.moving_pictures import SIZE  # noqa: E402
from trainer.restoration_pairs import (  # noqa: E402
    PairSettings,
    RestorationPair,
    load_pairs,
    make_restoration_pairs,
    save_pairs,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_training_folders(tmp_path_factory.mktemp("restoration"))


@pytest.fixture(scope="module")
def pairs(folder: Path) -> list[RestorationPair]:
    made = make_restoration_pairs(folder / "pictures", folder / "cache.rgb", 4, PairSettings(), 1)
    return [pair for few in made for pair in few]


@pytest.fixture(scope="module")
def lpips(folder: Path) -> list[LPIPS]:
    return [LPIPS(folder / "lpips" / file_name(net), net) for net in NETS]


def test_pairs_are_repeatable_and_read_back(
    pairs: list[RestorationPair], folder: Path, tmp_path: Path
) -> None:
    assert len(pairs) == 12
    assert all(pair.decoded.y.shape == pair.original.y.shape == (SIZE, SIZE) for pair in pairs)
    assert not any(pair.decoded.same_as(pair.original) for pair in pairs)
    again = next(
        make_restoration_pairs(folder / "pictures", folder / "cache.rgb", 1, PairSettings(), 1)
    )
    save_pairs(pairs, tmp_path / "pairs.npz")
    for others in (again, load_pairs(tmp_path / "pairs.npz")):
        for ours, theirs in zip(pairs, others, strict=False):
            assert ours.original.same_as(theirs.original)
            assert ours.decoded.same_as(theirs.decoded)


def test_training_restores(
    pairs: list[RestorationPair], lpips: list[LPIPS], tmp_path: Path
) -> None:
    settings = restoration.RestorationTraining(steps=30, quantised_from=15, widths=(8,), crop=128)
    torch.manual_seed(1)
    network = restoration.RestorationNetwork(settings.factor, settings.widths)
    losses: list[float] = []
    restoration.train(network, pairs, lpips, settings, lambda step, loss, _: losses.append(loss))
    assert len(losses) == 30
    restoration.export(network, tmp_path / "restoration.safetensors")
    scores = restoration.scores(
        load_restoration(tmp_path / "restoration.safetensors"), pairs, lpips
    )
    assert scores.shape == (4, 2)
    assert scores[1:].mean(1).min() < scores[0].mean()


@pytest.mark.parametrize(("factor", "widths"), [(2, (8, 8)), (4, (16,)), (8, ())])
def test_exported_network_is_the_trained_one(
    tmp_path: Path, pairs: list[RestorationPair], factor: int, widths: tuple[int, ...]
) -> None:
    """But for halves, which torch rounds to even, and for weights that the multipliers round."""
    torch.manual_seed(2)
    network = restoration.RestorationNetwork(factor, widths)
    with torch.no_grad():
        network.last.weight.mul_(20)
    restoration.export(network, tmp_path / "restoration.safetensors")
    model = load_restoration(tmp_path / "restoration.safetensors")
    luma = pairs[0].decoded.y
    value = torch.from_numpy(luma.astype(np.float32))[None, None] / 255 - 128 / 255
    with torch.no_grad():
        trained = network(TorchExecutor("quantised"), Value(value, 1, network.luma)).data
    ours = Restorer(model, 2).detail(luma).astype(int)
    theirs = np.rint(trained[0, 0].numpy() * 510).astype(int)
    assert np.abs(ours).max() > 20
    assert np.abs(ours - theirs).max() <= 3
    assert np.abs(ours - theirs).mean() < 0.5


def test_command_writes_a_network_that_decoders_take(folder: Path, tmp_path: Path) -> None:
    config = tmp_path / "restoration.toml"
    config.write_text(
        "factor = 4\nwidths = [8]\nsteps = 2\ncrop = 64\n"
        '[pairs]\nsizes = ["1/3", "1/2"]\nrate_factors = [30, 40]\n'
    )
    out = tmp_path / "restoration.safetensors"
    command = [
        "restoration",
        str(config),
        "--pairs",
        str(tmp_path / "pairs.npz"),
        "--out",
        str(out),
    ]
    command += ["--pictures", str(folder / "pictures"), "--lpips", str(folder / "lpips")]
    result = CliRunner().invoke(app, [*command, "--intervals", "2", "--workers", "1"])
    assert result.exit_code == 0, result.output
    assert load_restoration(out).digest.hex() in result.output
    assert "gain 3: alex" in result.output
