"""Fits on a device that is not the host: nothing mixes the two, and the result is the host's.

The device is pretended, so that this runs everywhere; how fast a real one is, it cannot show.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from refcodec.decoder import decode
from refcodec.encoder import encode
from refcodec.fitting.case import FitCase
from refcodec.fitting.settings import FitSettings
from tests.unit.test_encode import write_source
from tests.unit.test_fitting import SETTINGS, judges

torch = pytest.importorskip("torch")

from tests.unit.pretended_device import DeviceTensor, MixedDevicesError, pretended_device  # noqa: E402
from trainer.fit import make_case, run_case  # noqa: E402

SMALL = SETTINGS.with_(size=Fraction(1, 2), prompt_share=0.5, restoration=2)


@pytest.fixture
def device() -> Iterator[str]:
    with pretended_device() as name:
        yield name


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_source(tmp_path_factory.mktemp("devices") / "source.mkv", count=12, cut=12)


@pytest.fixture(scope="module")
def case(source: Path, tmp_path_factory: pytest.TempPathFactory) -> FitCase:
    """An interval that is upscaled and restored."""
    coded = tmp_path_factory.mktemp("devices") / "half.hyp"
    encode(source, coded, SMALL.with_(fit=0))
    return make_case(source, coded, 0, 0.0)


def test_the_pretended_device_is_one(device: str) -> None:
    there = torch.ones(3, device=device)
    assert isinstance(there, DeviceTensor) and str(there.device) == device
    with pytest.raises(MixedDevicesError):
        there + torch.ones(3)
    with pytest.raises(RuntimeError):
        there.numpy()
    leaf = there.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(leaf.square().sum(), leaf)
    np.testing.assert_array_equal(gradient.cpu().numpy(), [2, 2, 2])


@pytest.mark.parametrize(("joint", "judged"), [(False, False), (True, True)])
def test_a_round_on_a_device_is_that_of_the_host(
    case: FitCase, tmp_path: Path, joint: bool, judged: bool
) -> None:
    files = tuple(judges(tmp_path)) if judged else ()
    settings = FitSettings(steps=12, targets=3, sampled=2, lpips=files)
    here = case if joint else dataclasses.replace(case, coded=None)
    host = run_case(here, settings)
    with pretended_device() as device:
        found = run_case(here, dataclasses.replace(settings, device=device))
    assert found["cost_before"] == pytest.approx(host["cost_before"], rel=1e-4)
    assert found["bits_before"] == host["bits_before"]
    gain, expected = (each["cost_before"] - each["cost_after"] for each in (found, host))
    assert expected > 0
    assert gain == pytest.approx(expected, rel=0.01)


def test_an_encode_fits_on_a_device(source: Path, tmp_path: Path) -> None:
    notes = []
    with pretended_device() as device:
        for name in ("cpu", device):
            fitting = dataclasses.replace(SMALL.fit_settings, device=name)
            target = tmp_path / f"{name.partition(':')[0]}.hyp"
            report = encode(source, target, SMALL.with_(fit_settings=fitting))
            notes += [note for note in report.notes if "were fitted in " in note]
            assert sum(1 for _ in decode(target)) == 12
    assert len(notes) == 2
    # before the fit the two are the same file
    assert len({note.partition("->")[0] for note in notes}) == 1
