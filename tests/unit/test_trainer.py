"""The trainer: a tiny model learns, resumes exactly, and what it ships decodes to what it computed."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from refcodec.encoder.analysis import load_analyser  # noqa: E402
from refcodec.fitting.case import FitCase  # noqa: E402
from refcodec.fitting.distortion import SquaredError  # noqa: E402
from refcodec.fitting.fit import fit  # noqa: E402
from refcodec.fitting.settings import FitSettings  # noqa: E402
from refcodec.fitting.trade import Trade  # noqa: E402
from refcodec.generator import decode_prompt, encode_prompt, generate, load_model  # noqa: E402
from refcodec.generator.prompt import settle  # noqa: E402
from refcodec.picture import Picture  # noqa: E402
from refcodec.twin.keyframe import KeyframeTwin  # noqa: E402
from refcodec.twin.rate import laplace_bits  # noqa: E402
from trainer.adversary import Adversary, deceiving, discerning  # noqa: E402
from trainer.checkpoints import load_averaged, load_weights, save_weights  # noqa: E402
from trainer.coding import code, planes_from, planes_to  # noqa: E402
from trainer.data import Pictures  # noqa: E402
from trainer.export import export_analysis, export_model, scale_to_integers  # noqa: E402
from trainer.graph import TorchExecutor  # noqa: E402
from trainer.networks import Architecture, Generator, float_conv  # noqa: E402
from trainer.settings import Settings, read_settings  # noqa: E402
from trainer.train import PARTS, Run, arranged, calibrate, scaled_l1  # noqa: E402

torch.set_num_threads(1)  # tiny tensors: a second thread only waits

TINY = Architecture(
    latent_channels=8, hyper_channels=4, hyper_width=8, context_width=8, wide=16, middle=12, narrow=8,
    wide_blocks=1, middle_blocks=1, stage1_narrow_blocks=1, stage2_blocks=1,
    analysis_narrow=8, analysis_middle=12, analysis_wide=16,
)  # fmt: skip


def textured(seed: int, height: int, width: int) -> np.ndarray:
    """A smooth random RGB picture."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


@pytest.fixture
def pictures(tmp_path: Path) -> Pictures:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for seed in range(3):
        Image.fromarray(textured(seed, 80, 96)).save(folder / f"{seed}.png")
    return Pictures(folder, tmp_path / "cache.rgb")


def settings(**changes: object) -> Settings:
    base: dict[str, object] = {
        "batch": 2, "crop": 64, "warm_steps": 2, "mse_only_steps": 1000, "quantised_from": 6, "steps": 10,
        "decay_steps": 4, "architecture": TINY,
    }  # fmt: skip
    return Settings(**(base | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def lpips_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights with the shapes of LPIPS-alex: the loss need not mean anything here."""
    rng = np.random.default_rng(0)
    shapes = [
        (64, 3, 11, 11),
        (192, 64, 5, 5),
        (384, 192, 3, 3),
        (256, 384, 3, 3),
        (256, 256, 3, 3),
    ]
    arrays: dict[str, np.ndarray] = {}
    for index, (layer, shape) in enumerate(zip((0, 3, 6, 8, 10), shapes, strict=True)):
        arrays[f"net.features.{layer}.weight"] = rng.normal(0, 0.05, shape).astype(np.float32)
        arrays[f"net.features.{layer}.bias"] = np.zeros(shape[0], np.float32)
        arrays[f"lin{index}.weight"] = np.ones((1, shape[0], 1, 1), np.float32)
    path = tmp_path_factory.mktemp("lpips") / "lpips_alex_v0.1.npz"
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("more", [{}, {"adversarial_weight": 0.1, "l1_weight": 2.0}])
def test_resumed_run_equals_an_unbroken_one(
    tmp_path: Path, pictures: Pictures, lpips_path: Path, more: dict[str, float]
) -> None:
    torch.set_num_threads(1)
    whole = Run(tmp_path / "whole", settings(mse_only_steps=3, **more), lpips_path)
    torch.manual_seed(0)
    whole.run(pictures, report=5)
    first = Run(tmp_path / "parts", settings(mse_only_steps=3, **more), lpips_path)
    assert whole.step == 10
    lines = (tmp_path / "whole" / "curve.csv").read_text().splitlines()
    assert lines[0].startswith("step,") and len(lines) == 3
    first.run(pictures, seconds=0)
    assert first.step == 0
    again = Run(tmp_path / "parts", settings(mse_only_steps=3, **more), lpips_path)
    again.run(pictures)
    assert again.step == 10


def test_training_lowers_the_loss(tmp_path: Path, pictures: Pictures, lpips_path: Path) -> None:
    run = Run(
        tmp_path / "run",
        settings(quantised_from=10**6, steps=60, learning_rate=3e-3, decay_steps=1),
        lpips_path,
    )
    pixels = np.stack([textured(s, 64, 64) for s in (1, 2)]).transpose(0, 3, 1, 2)
    batch = torch.from_numpy(pixels.copy())
    losses = []
    for _ in range(60):
        run.train_step(batch)
        losses.append(run.means()[0])
    assert np.mean(losses[-10:]) < 0.6 * np.mean(losses[:10])


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Generator, Path]:
    """A calibrated random model and its exported files."""
    torch.manual_seed(3)
    model = Generator(TINY)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name.endswith("bias") or "project" in name:
                p.add_(0.05 * torch.randn_like(p))
        model.stage1.picture.conv.bias.fill_(2.0)
    rng = np.random.default_rng(0)
    calibrate(model, [torch.from_numpy(rng.random((2, 24, 16, 16), np.float32))])
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    export_model(model, path)
    export_analysis(model, path.with_suffix(".analysis.safetensors"), Trade(4.0, 5.0))
    return model, path


def a_picture() -> Picture:
    rgb = textured(9, 48, 64)
    y = np.ascontiguousarray(rgb[:, :, 1])
    return Picture(
        y, np.ascontiguousarray(rgb[::2, ::2, 0]), np.ascontiguousarray(rgb[::2, ::2, 2])
    )


def test_shipped_model_equals_the_trained_one(shipped: tuple[Generator, Path]) -> None:
    model, path = shipped
    generator, picture, q = load_model(path), a_picture(), 30
    z, v = load_analyser(path.with_suffix(".analysis.safetensors")).analyse(
        picture, q, generator.contract.gain
    )
    settled = settle(generator, q, z, v)
    prompt = encode_prompt(generator, q, settled.hyper, settled.values)
    decoded = generate(generator, decode_prompt(generator, prompt, q, 4, 3).values, q)
    y = torch.from_numpy(picture.y)[None, None].float() / 255
    c = torch.from_numpy(np.stack([picture.u, picture.v]))[None].float() / 255
    with torch.no_grad():
        coded = code(
            model, planes_from(y, c), torch.tensor([q]), TorchExecutor("quantised"), noise=False
        )
    agreement = np.mean(coded.values[0].numpy() == settled.values)
    assert agreement > 0.98  # float16 weights and binary32 sums may tip a few roundings
    luma = planes_to(coded.planes)[0][0, 0].numpy() * 255
    assert np.abs(luma - decoded.y).mean() < 1.0
    assert float(coded.bits) == pytest.approx(8 * len(prompt), rel=0.1, abs=80)


def test_twin_equals_the_decoder_and_a_fit_pays(shipped: tuple[Generator, Path]) -> None:
    _, path = shipped
    generator, picture, q = load_model(path), a_picture(), 30
    z, v = load_analyser(path.with_suffix(".analysis.safetensors")).analyse(
        picture, q, generator.contract.gain
    )
    start = settle(generator, q, z, v)
    rendering = KeyframeTwin(generator, q, start.hyper).render(
        torch.from_numpy(start.values.astype(np.float32))[None]
    )
    decoded = generate(generator, start.values, q)
    np.testing.assert_array_equal(rendering.luma[0, 0].detach().numpy(), decoded.y)
    np.testing.assert_array_equal(
        rendering.chroma[0].detach().numpy(), np.stack([decoded.u, decoded.v])
    )
    prompt = encode_prompt(generator, q, start.hyper, start.values)
    assert float(rendering.bits) == pytest.approx(8 * len(prompt), rel=0.05, abs=64)
    trade = load_analyser(path.with_suffix(".analysis.safetensors")).trade
    assert trade == Trade(4.0, 5.0)
    case = FitCase(generator, q, Trade().at(q), start, {0: picture}, 1.0, None)
    refined = fit(case, FitSettings(steps=12, targets=0), SquaredError(240.0))
    assert refined.cost_after < refined.cost_before
    settled = settle(generator, q, refined.latents.hyper, refined.latents.values)
    np.testing.assert_array_equal(settled.values, refined.latents.values)


def test_multipliers_stay_inside_32_bits() -> None:
    ratio, bound = np.array([0.3, 1e-5, 0.002]), np.array([200_000, 16_000_000, 5_000_000])
    multiplier, shift = scale_to_integers(ratio, bound)
    assert (bound * multiplier + 2 ** (shift - 1) < 2**31).all()
    assert multiplier.min() >= 1
    with pytest.raises(ValueError, match="32 bits"):
        scale_to_integers(np.array([200.0]), np.array([2**24]))


def test_rate_of_all_values_sums_to_one() -> None:
    x = torch.arange(-200, 201).float()
    for index in (3.0, 15.0, 30.0):
        p = torch.exp2(-laplace_bits(x, torch.full_like(x, 0.375), torch.full_like(x, index)))
        assert float(p[p > 2.0**-14.9].sum()) == pytest.approx(1, abs=2e-2)


def test_unknown_setting_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text("stepz = 3\n")
    with pytest.raises(ValueError, match="stepz"):
        read_settings(path)


def test_new_run_starts_from_saved_weights(
    tmp_path: Path, pictures: Pictures, lpips_path: Path
) -> None:
    torch.manual_seed(5)
    model = Generator(TINY)
    save_weights(model, tmp_path / "weights.safetensors")
    run = Run(tmp_path / "run", settings(steps=1), lpips_path)
    run.begin_from(load_weights(tmp_path / "weights.safetensors"))
    for name, value in run.model.state_dict().items():
        assert torch.allclose(value, model.state_dict()[name], rtol=1e-3, atol=1e-6), name
    run.run(pictures)
    assert run.step == 1


def test_checkpoint_restores_the_average(
    tmp_path: Path, pictures: Pictures, lpips_path: Path
) -> None:
    run = Run(tmp_path / "run", settings(steps=3), lpips_path)
    run.run(pictures)
    model = load_averaged(tmp_path / "run" / "checkpoint.pt")
    for name, value in model.state_dict().items():
        assert torch.equal(value, run.averaged[name]), name


def test_a_part_starts_from_the_part_that_is_named(tmp_path: Path, lpips_path: Path) -> None:
    """Blocks taken by a map, two linear maps in a row folded into one: the pruned network does the same."""
    torch.manual_seed(6)
    large = Generator(replace(TINY, middle_blocks=3))
    with torch.no_grad():
        for p in large.parameters():
            p.add_(0.05 * torch.randn_like(p))
    state = large.state_dict()
    parts = {
        "stage1.up1.conv": ("stage1.first", "stage1.up1.conv"),
        "stage1.middle": "stage1.middle",
        "stage1.middle.0": "stage1.middle.2",
    }
    run = Run(
        tmp_path / "run",
        settings(architecture=replace(TINY, wide_blocks=0), start=parts),
        lpips_path,
    )
    run.begin_from(large)
    found = run.model.state_dict()
    x = torch.randn(2, 9, 3, 3)
    both = float_conv(large.stage1.up1.conv, float_conv(large.stage1.first, x))
    assert torch.allclose(float_conv(run.model.stage1.up1.conv, x), both, atol=1e-5)
    for name, value in found.items():
        if not name.startswith("stage1.up1.conv"):
            source = name.replace("stage1.middle.0", "stage1.middle.2")
            assert torch.equal(value, state[source]), name
    with pytest.raises(ValueError, match=r"stage1\.wide\.3"):
        arranged(state, list(found), {"stage1.wide.3": "stage1.wide.0"})
    with pytest.raises(KeyError):
        arranged(state, list(found), {"stage1.middle.0": "stage1.middle.7"})


def test_frozen_parts_stay_as_they_are(
    tmp_path: Path, pictures: Pictures, lpips_path: Path
) -> None:
    """In floats, at calibration, and with fake quantisation; everything else learns."""
    frozen = ["analysis", "hyper_analysis", "hyper", "context_a", "context_b", "log_gain"]
    run = Run(tmp_path / "run", settings(frozen=frozen, average=0.0), lpips_path)
    before = {k: v.clone() for k, v in run.model.named_parameters()}
    run.run(pictures)
    assert run.step == 10
    for name, value in run.model.named_parameters():
        kept = any(name == part or name.startswith(f"{part}.") for part in frozen)
        assert torch.equal(value, before[name]) == kept, name
        assert torch.equal(value, run.averaged[name]), name
    again = Run(tmp_path / "run", settings(frozen=frozen, average=0.0), lpips_path)
    assert again.step == 10
    with pytest.raises(ValueError, match="synthesis"):
        Run(tmp_path / "other", settings(frozen=["synthesis"]), lpips_path)


def test_calibration_forgets_what_was_seen_before(shipped: tuple[Generator, Path]) -> None:
    model = copy.deepcopy(shipped[0])
    step = model.stage1.up1.entry.step
    expected = step.exponent.item()
    step.peak.fill_(1e6)
    rng = np.random.default_rng(0)
    torch.manual_seed(3)
    calibrate(model, [torch.from_numpy(rng.random((2, 24, 16, 16), np.float32))])
    assert step.exponent.item() < expected + 2


def test_the_small_configuration_starts_from_the_weights_of_core() -> None:
    trainer = Path(__file__).resolve().parents[2] / "trainer"
    small = read_settings(trainer / "configs" / "core-small.toml")
    core = load_weights(trainer / "weights" / "core.safetensors")
    model = Generator(small.architecture)
    model.load_state_dict(arranged(core.state_dict(), list(model.state_dict()), small.start))
    x, q = torch.rand(1, 24, 16, 16), torch.tensor([20])
    with torch.no_grad():
        of_core, of_small = (code(m, x, q, TorchExecutor(), False) for m in (core, model))
    assert torch.equal(of_small.values, of_core.values) and torch.equal(of_small.bits, of_core.bits)


@pytest.mark.parametrize("name", ["core", "core_small"])
def test_shipped_weights_are_of_the_shipped_models(name: str) -> None:
    root = Path(__file__).resolve().parents[2]
    model = load_weights(root / "trainer" / "weights" / f"{name}.safetensors")
    config = f"trainer/configs/{name.replace('_', '-')}-noise.toml"
    assert model.architecture == read_settings(root / config).architecture
    x, q = torch.rand(1, 24, 16, 16), torch.tensor([20])
    with torch.no_grad():
        latents = model.analysis((x - 0.5) * 4, (q.float() / 32).view(1, 1, 1, 1))
    shipped = load_analyser(root / f"refcodec/models/{name}.analysis.safetensors")
    y, c = planes_to(x)
    planes = [np.round(p.numpy() * 255).astype(np.uint8) for p in (y[0, 0], c[0, 0], c[0, 1])]
    close = torch.from_numpy(shipped.latents(Picture(*planes), 20))[None]
    assert (close - latents).abs().max() < 0.05 * latents.abs().max()


def test_enlarged_crops_are_whole_and_soft(pictures: Pictures, tmp_path: Path) -> None:
    folder = tmp_path / "sharp"
    folder.mkdir()
    noise = np.random.default_rng(1).integers(0, 256, (80, 96, 3)).astype(np.uint8)
    Image.fromarray(noise).save(folder / "noise.png")
    sharp = Pictures(folder, tmp_path / "sharp.rgb")

    def roughness(enlarged: float) -> float:
        rng = np.random.default_rng(2)
        crops = [sharp.crop(rng, 40, enlarged, 3.0).astype(float) for _ in range(40)]
        assert {crop.shape for crop in crops} == {(40, 40, 3)}
        return float(np.mean([np.abs(np.diff(crop, axis=1)).mean() for crop in crops]))

    assert roughness(1.0) < 0.7 * roughness(0.0)
    # pictures that are smaller than a crop would be are enlarged more
    assert pictures.crop(np.random.default_rng(3), 128, 1.0, 1.01).shape == (128, 128, 3)


@pytest.mark.parametrize(("rounded", "first_rounded"), [(0, 10), (3, 7)])
def test_the_rate_is_of_noisy_values_until_the_rounded_steps(
    rounded: int, first_rounded: int, tmp_path: Path, lpips_path: Path
) -> None:
    run = Run(tmp_path / "run", settings(rounded_steps=rounded), lpips_path)
    noisy = []
    for run.step in range(10):
        noisy.append(run.phase().noise)
    assert noisy == [step < first_rounded for step in range(10)]


def test_scaled_l1_is_the_mean_of_three_scales() -> None:
    a = torch.zeros(1, 3, 8, 8)
    b = a.clone()
    b[:, :, :2, :2] = torch.tensor([[1.0, -1.0], [-1.0, 1.0]])  # gone in means of two by two
    assert scaled_l1(a, b).item() == pytest.approx(4 / 64 / 3)
    assert scaled_l1(a, a + 0.25).item() == pytest.approx(0.25)


def test_an_adversary_learns_to_tell_noise_from_flat_pictures() -> None:
    torch.manual_seed(3)
    adversary = Adversary(8)
    optimiser = torch.optim.Adam(adversary.parameters(), 2e-3)
    noise = torch.rand(4, 3, 48, 48)
    flat_pictures = torch.rand(4, 3, 1, 1).expand(4, 3, 48, 48)
    for _ in range(40):
        optimiser.zero_grad()
        loss = discerning(adversary, noise, flat_pictures)
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        looks = [float(deceiving(adversary, each).mean()) for each in (noise, flat_pictures)]
    assert looks[0] > looks[1]
    assert float(loss.detach()) < 1


def random_squeeze_weights() -> dict[str, np.ndarray]:
    """Random weights with the shapes of LPIPS-squeeze."""
    rng = np.random.default_rng(4)
    fires = {3: (64, 16), 4: (128, 16), 6: (128, 32), 7: (256, 32), 9: (256, 48), 10: (384, 48)}
    fires |= {11: (384, 64), 12: (512, 64)}
    shapes: dict[str, tuple[int, ...]] = {"0": (64, 3, 3, 3)}
    for layer, (inputs, few) in fires.items():
        shapes[f"{layer}.squeeze"] = (few, inputs, 1, 1)
        shapes[f"{layer}.expand1x1"] = (4 * few, few, 1, 1)
        shapes[f"{layer}.expand3x3"] = (4 * few, few, 3, 3)
    arrays: dict[str, np.ndarray] = {}
    for name, shape in shapes.items():
        deviation = (2 / np.prod(shape[1:])) ** 0.5
        arrays[f"net.features.{name}.weight"] = rng.normal(0, deviation, shape).astype(np.float32)
        arrays[f"net.features.{name}.bias"] = np.zeros(shape[0], np.float32)
    for index, channels in enumerate((64, 128, 256, 384, 384, 512, 512)):
        arrays[f"lin{index}.weight"] = np.ones((1, channels, 1, 1), np.float32)
    return arrays


def test_lpips_squeeze_is_part_of_the_loss_where_it_has_a_weight(
    tmp_path: Path, pictures: Pictures, lpips_path: Path
) -> None:
    np.savez(lpips_path.with_name("lpips_squeeze_v0.1.npz"), **random_squeeze_weights())
    crop = torch.from_numpy(pictures.items[0][:64, :64].transpose(2, 0, 1).copy())
    means = []
    for weight in (0.0, 0.5):
        run = Run(
            tmp_path / str(weight),
            settings(mse_only_steps=0, squeeze_weight=weight, quantised_from=99),
            lpips_path,
        )
        torch.manual_seed(0)
        run.train_step(torch.stack([crop, crop]))
        means.append(dict(zip(("loss", *PARTS), run.means(), strict=True)))
    assert means[0]["squeeze"] == 0 < means[1]["squeeze"]
    assert means[0]["lpips"] == pytest.approx(means[1]["lpips"], rel=1e-3)
    assert means[0]["loss"] < means[1]["loss"]
