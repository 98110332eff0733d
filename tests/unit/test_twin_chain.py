"""The twin of the whole receiver against the decoder: every presented sample, and derivatives down to the latents."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from conformance.generators.random_restoration import write_random_restoration
from refcodec.container import Segment, open_reader
from refcodec.decoder import decode
from refcodec.encoder import EncoderSettings, encode
from refcodec.encoder.prompts import prompter
from refcodec.generator.prompt import Latents
from refcodec.intnet.installed import MODELS
from refcodec.restoration import Restorer, find_restoration, load_restoration
from refcodec.upscaling import Upscaler
from tests.unit.test_encode import HEIGHT, WIDTH, write_source

torch = pytest.importorskip("torch")

from refcodec.generator import decode_prompt  # noqa: E402
from refcodec.twin.chain import ChainTwin  # noqa: E402
from refcodec.twin.integer_network import Arithmetic  # noqa: E402
from refcodec.twin.planes import planes_of  # noqa: E402
from refcodec.twin.recording import Recording, record_segment  # noqa: E402

Coded = tuple[Path, Recording, Latents, int]


@pytest.fixture(scope="module")
def coded(tmp_path_factory: pytest.TempPathFactory) -> Coded:
    """A file coded at three quarters of its size: upscaled, and cropped since 72 rows are no macroblocks."""
    folder = tmp_path_factory.mktemp("chain")
    source = write_source(folder / "source.mkv", count=8, cut=8)
    path = folder / "coded.hyp"
    settings = EncoderSettings(
        bitrate=80_000, preset="fast", keyframes="generated", size=Fraction(3, 4), workers=1,
        side_tracks=False, model=MODELS / "core.safetensors", restoration=0,
    )  # fmt: skip
    encode(source, path, settings)
    reader = open_reader(path)
    try:
        (segment,) = [item for item in reader.items() if isinstance(item, Segment)]
    finally:
        reader.close()
    recording = record_segment(path)
    keyframe = segment.keyframe
    latents = decode_prompt(
        prompter(None).model,
        keyframe.prompt_data,
        keyframe.prompt_scale_index,
        recording.width // 16,
        recording.height // 16,
    )
    return path, recording, latents, keyframe.prompt_scale_index


def start(latents: Latents, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.from_numpy(latents.values.astype(np.float32))[None].to(dtype)


def test_samples_are_those_of_the_decoder(coded: Coded) -> None:
    path, recording, latents, q = coded
    assert any(recording.crop)
    chain = ChainTwin(prompter(None).model, q, latents, recording, (WIDTH, HEIGHT))
    with torch.no_grad():
        rendering, pictures = chain(start(latents))
    for plane, samples in zip(rendering.planes, recording.keyframe.planes, strict=True):
        np.testing.assert_array_equal(plane.numpy(), samples)
    shown = list(decode(path))
    assert len(pictures) == len(shown) == 8
    for planes, picture in zip(pictures.values(), (each.picture for each in shown), strict=True):
        for plane, samples in zip(planes, (picture.y, picture.u, picture.v), strict=True):
            np.testing.assert_array_equal(plane.numpy(), samples)


@pytest.mark.parametrize("size", [(WIDTH, HEIGHT), (WIDTH - 1, HEIGHT - 1)])
def test_restored_samples_are_those_of_the_decoder(
    coded: Coded, tmp_path: Path, size: tuple[int, int]
) -> None:
    path, recording, latents, q = coded
    write_random_restoration(tmp_path / "restoration.safetensors", 4)
    model = load_restoration(tmp_path / "restoration.safetensors")
    chain = ChainTwin(
        prompter(None).model, q, latents, recording, size, restoration=(model, 3), places=[3]
    )
    values = start(latents).requires_grad_()
    _, pictures = chain(values)
    coded_picture = list(decode(path, presentation=False))[3].picture
    upscaler = Upscaler(coded_picture.width, coded_picture.height, *size)
    expected = Restorer(model, 3).restore(upscaler.upscale(coded_picture.planes))
    for plane, samples in zip(pictures[3], expected.planes, strict=True):
        np.testing.assert_array_equal(plane.detach().numpy(), samples)
    (gradient,) = torch.autograd.grad(pictures[3].y.mean(), values)
    assert float(gradient.abs().max()) > 0


def test_following_pictures_have_derivatives_with_respect_to_the_latents(coded: Coded) -> None:
    _, recording, latents, q = coded
    model = prompter(None).model
    chain = ChainTwin(model, q, latents, recording, (WIDTH, HEIGHT), places=[2, 7])
    values = start(latents).requires_grad_()
    _, pictures = chain(values)
    assert list(pictures) == [2, 7]
    for planes in pictures.values():
        (gradient,) = torch.autograd.grad(planes.y.mean(), values, retain_graph=True)
        assert float(gradient.abs().max()) > 0


@pytest.mark.parametrize("restored", [False, True])
def test_smooth_derivatives_are_those_of_finite_differences(coded: Coded, restored: bool) -> None:
    """From latents to presented samples of following pictures and to the rate, all parts at once."""
    _, recording, latents, q = coded
    chain = ChainTwin(
        prompter(None).model, q, latents, recording, (WIDTH, HEIGHT), places=[1, 5],
        arithmetic=Arithmetic.SMOOTH, dtype=torch.float64,
        restoration=(find_restoration(), 2) if restored else None,
    )  # fmt: skip
    decisions = chain.sequence.decide(planes_of(recording.keyframe.planes, dtype=torch.float64))
    generator = torch.Generator().manual_seed(2)
    # off the whole numbers, at which the rate has kinks
    values = start(latents, torch.float64)
    values = values + 0.3 * torch.rand(values.shape, generator=generator, dtype=torch.float64)
    direction = torch.rand(values.shape, generator=generator, dtype=torch.float64) - 0.5

    def function(x: torch.Tensor) -> torch.Tensor:
        rendering, pictures = chain(x, decisions)
        parts = [rendering.bits / 1000]
        parts += [planes.y.square().mean() for planes in pictures.values()]
        parts += [planes.cb.mean() + planes.cr.mean() for planes in pictures.values()]
        return torch.stack(parts).sum()

    leaf = values.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(function(leaf), leaf)
    with torch.no_grad():
        step = 1e-7  # longer ones cross places where a network saturates
        difference = function(values + step * direction) - function(values - step * direction)
    slope = float((gradient * direction).sum())
    assert slope == pytest.approx(float(difference) / (2 * step), rel=1e-3)
