"""Measures of quality: by hand, against independent implementations, and against published values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from refcodec import errors
from refcodec.metrics import colour, lpips_layers, lpips_weights
from refcodec.metrics.colour import planes_to_rgb, to_8bit, upsample_chroma
from refcodec.metrics.lpips import Lpips, NumpyEvaluator, convolve, lpips
from refcodec.metrics.ms_ssim import ms_ssim, ms_ssim_plain, scale_plain, window
from refcodec.metrics.psnr import psnr, psnr_yuv
from refcodec.metrics.temporal import temporal_error
from refcodec.metrics.worst import worst_mean
from refcodec.picture import Picture


def grey(luma: NDArray[np.uint8], chroma: int = 128) -> Picture:
    height, width = luma.shape
    plane = np.full(((height + 1) // 2, (width + 1) // 2), chroma, np.uint8)
    return Picture(np.ascontiguousarray(luma), plane, plane.copy())


def flat(value: int, height: int = 16, width: int = 16, chroma: int = 128) -> Picture:
    return grey(np.full((height, width), value, np.uint8), chroma)


def scene(width: int, height: int) -> NDArray[np.uint8]:
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    waves = 128 + 60 * np.sin(x / 7) * np.cos(y / 11) + 30 * np.sin((x * y) / 900)
    return np.clip(np.floor(waves + 0.5), 0, 255).astype(np.uint8)


# ------------------------------------------------------------------------------------------ PSNR


def test_psnr_by_hand() -> None:
    assert psnr(flat(100), flat(105)) == pytest.approx(10 * math.log10(255**2 / 25))
    one = flat(100)
    other = one.y.copy()
    other[3, 5] = 116
    assert psnr(one, grey(other)) == pytest.approx(10 * math.log10(255**2 / (256 / 256)))


def test_psnr_of_equal_pictures_is_infinite() -> None:
    assert psnr(flat(7), flat(7)) == math.inf
    assert psnr_yuv(flat(7), flat(7)) == math.inf


def test_psnr_yuv_weighs_6_1_1() -> None:
    # Chroma errors 8 in both planes, luma none: (6*0 + 64 + 64) / 8 = 16.
    expected = 10 * math.log10(255**2 / 16)
    assert psnr_yuv(flat(90, chroma=128), flat(90, chroma=136)) == pytest.approx(expected)
    assert psnr(flat(90, chroma=128), flat(90, chroma=136)) == math.inf


def test_psnr_is_exact_at_the_largest_error() -> None:
    assert psnr(flat(0, 1080, 1920), flat(255, 1080, 1920)) == pytest.approx(0.0, abs=1e-12)


def test_other_sizes_are_refused() -> None:
    for measure in (psnr, ms_ssim):
        with pytest.raises(ValueError, match="cannot be compared"):
            measure(flat(0, 16, 16), flat(0, 16, 18))


# --------------------------------------------------------------------------------------- MS-SSIM


def distorted() -> dict[str, NDArray[np.uint8]]:
    a = scene(256, 192)
    noise = ((np.arange(a.size, dtype=np.int64) * 7919) % 41 - 20).reshape(a.shape)
    shifted = sum(np.roll(a, n, 1).astype(int) for n in range(4))
    return {
        "noise": np.clip(a + noise, 0, 255).astype(np.uint8),
        "contrast": np.clip(np.floor(a * 0.8 + 10), 0, 255).astype(np.uint8),
        "blur": (shifted // 4).astype(np.uint8),
    }


# From pytorch-msssim 1.0.0 (data_range 255, float64 inputs): MS-SSIM, and SSIM of the first scale.
INDEPENDENT = {
    "noise": (0.9694356637530356, 0.5984981136416138),
    "contrast": (0.9764140601961054, 0.9755166725867696),
    "blur": (0.9769821386804473, 0.9728666085646634),
}


@pytest.mark.parametrize("kind", INDEPENDENT)
def test_ms_ssim_agrees_with_an_independent_implementation(kind: str) -> None:
    a, b = scene(256, 192), distorted()[kind]
    multi, single = INDEPENDENT[kind]
    assert ms_ssim(grey(a), grey(b)) == pytest.approx(multi, abs=2e-6)
    found = scale_plain(a.astype(float), b.astype(float), window())
    assert found[0] == pytest.approx(single, abs=5e-6)


@settings(max_examples=15, deadline=None)
@given(st.integers(11, 70), st.integers(11, 70), st.integers(0, 2**32 - 1))
def test_ms_ssim_kernel_agrees_with_plain(height: int, width: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    a = grey(random.integers(0, 256, (height, width), dtype=np.uint8))
    b = grey(random.integers(0, 256, (height, width), dtype=np.uint8))
    assert ms_ssim(a, b) == pytest.approx(ms_ssim_plain(a, b), abs=1e-9)


def test_ms_ssim_identities() -> None:
    a, b = grey(scene(200, 180)), grey(distorted()["blur"][:180, :200])
    assert ms_ssim(a, a) == pytest.approx(1.0, abs=1e-12)
    assert ms_ssim(a, b) == pytest.approx(ms_ssim(b, a), abs=1e-12)
    assert ms_ssim(a, b) < 1


def test_ms_ssim_refuses_pictures_below_its_window() -> None:
    with pytest.raises(ValueError, match="at least 11"):
        ms_ssim(flat(0, 10, 40), flat(0, 10, 40))


# ------------------------------------------------------------------------------- time, worst part


def test_temporal_error_sees_flicker_only() -> None:
    offset = [flat(60), flat(60)]
    assert temporal_error(flat(50), flat(50), *offset) == 0
    assert temporal_error(flat(50), flat(50), flat(50), flat(53)) == pytest.approx(3)
    # The decoded video stands still while the source moves by 4.
    assert temporal_error(flat(50), flat(54), flat(50), flat(50)) == pytest.approx(4)


def test_worst_mean() -> None:
    values = [float(n) for n in range(40)]
    assert worst_mean(values, higher_is_better=True) == 0.5
    assert worst_mean(values, higher_is_better=False) == 38.5
    assert worst_mean(values[:20], higher_is_better=False) == 19
    assert worst_mean([3.0], higher_is_better=True) == 3
    assert math.isnan(worst_mean([], higher_is_better=True))


# ---------------------------------------------------------------------------------------- colour


def uniform(y: int, u: int, v: int) -> Picture:
    chroma = np.full((1, 1), 0, np.uint8)
    return Picture(np.full((2, 2), y, np.uint8), chroma + np.uint8(u), chroma + np.uint8(v))


@pytest.mark.parametrize(
    ("planes", "rgb"),
    [
        ((16, 128, 128), (0, 0, 0)),
        ((235, 128, 128), (1, 1, 1)),
        # Rec. BT.709: Y' of the primaries is their coefficient; codes rounded to whole numbers.
        ((63, 102, 240), (1, 0, 0)),
        ((173, 42, 26), (0, 1, 0)),
        ((32, 240, 118), (0, 0, 1)),
    ],
)
def test_bt709_limited_range(planes: tuple[int, int, int], rgb: tuple[int, int, int]) -> None:
    found = planes_to_rgb(uniform(*planes))[:, 0, 0]
    assert found == pytest.approx(rgb, abs=0.006)


def test_bt601_full_range() -> None:
    red = planes_to_rgb(uniform(76, 85, 255), matrix="bt601", full_range=True)[:, 0, 0]
    assert red == pytest.approx((1, 0, 0), abs=0.006)


def test_chroma_is_bilinear_and_keeps_a_ramp() -> None:
    plane = np.tile(np.arange(0, 80, 10, dtype=np.uint8), (3, 1))
    wide = upsample_chroma(plane, 5, 15)
    assert wide.shape == (5, 15)
    # Output x lies at (x - 0.5) / 2 of the input; the first sample repeats the edge.
    assert wide[2, 1:] == pytest.approx(np.minimum((np.arange(1, 15) - 0.5) * 5, 70))
    assert wide[0, 0] == 0
    assert np.array_equal(wide[0], wide[4])


def test_chroma_of_one_sample_is_flat() -> None:
    assert np.array_equal(upsample_chroma(np.array([[9]], np.uint8), 2, 1), [[9], [9]])


def test_to_8bit_rounds_and_clips() -> None:
    rgb = np.array([-0.2, 0.5, 1.4], np.float32).reshape(3, 1, 1)
    assert to_8bit(rgb).tolist() == [[[0, 128, 255]]]
    assert set(colour.LUMA_COEFFICIENTS) == {"bt709", "bt601"}


# ----------------------------------------------------------------------------------------- LPIPS

PUBLISHED = {"alex": (0.7219, 0.1376), "squeeze": (0.7110, 0.1479)}


def weights_path(net: lpips_layers.Net) -> str:
    path = lpips_weights.find_weights(net)
    if path is None:
        pytest.skip("the LPIPS weights are not here; they are no part of the project")
    return str(path)


def example(name: str, folder: str) -> NDArray[np.float32]:
    from pathlib import Path

    from PIL import Image

    file = Path(folder).parent / name
    if not file.is_file():
        pytest.skip("the LPIPS example pictures are not here; they are no part of the project")
    picture = np.asarray(Image.open(file).convert("RGB"), np.float32) / 255
    return np.ascontiguousarray(picture.transpose(2, 0, 1))


@pytest.mark.parametrize("net", lpips_layers.NETS)
@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_lpips_gives_the_published_values(net: lpips_layers.Net, backend: str) -> None:
    if backend == "torch":
        pytest.importorskip("torch")
    path = weights_path(net)
    measure = lpips(net, path, backend=backend)  # type: ignore[arg-type]
    assert measure is not None
    reference = example("ex_ref.png", path)
    for name, value in zip(("ex_p0.png", "ex_p1.png"), PUBLISHED[net], strict=True):
        assert measure.distance(reference, example(name, path)) == pytest.approx(value, abs=6e-5)


def random_weights(net: lpips_layers.Net, seed: int) -> dict[str, NDArray[np.float32]]:
    """Weights of the right shapes, scaled so that activations stay near 1."""
    random = np.random.default_rng(seed)
    tensors: dict[str, NDArray[np.float32]] = {}

    def layer(name: str, outputs: int, inputs: int, kernel: int) -> None:
        scale = (2 / (inputs * kernel * kernel)) ** 0.5
        shape = (outputs, inputs, kernel, kernel)
        tensors[f"net.features.{name}.weight"] = (random.standard_normal(shape) * scale).astype(
            "f4"
        )
        tensors[f"net.features.{name}.bias"] = random.standard_normal(outputs).astype("f4") * 0.1

    taps: list[int] = []
    if net == "alex":
        sizes = [("0", 64, 3, 11), ("3", 192, 64, 5), ("6", 384, 192, 3), ("8", 256, 384, 3)]
        for name, outputs, inputs, kernel in [*sizes, ("10", 256, 256, 3)]:
            layer(name, outputs, inputs, kernel)
            taps.append(outputs)
    else:
        layer("0", 64, 3, 3)
        squeezes = {"3": 16, "4": 16, "6": 32, "7": 32, "9": 48, "10": 48, "11": 64, "12": 64}
        inputs = 64
        for name, squeeze in squeezes.items():
            layer(f"{name}.squeeze", squeeze, inputs, 1)
            layer(f"{name}.expand1x1", 4 * squeeze, squeeze, 1)
            layer(f"{name}.expand3x3", 4 * squeeze, squeeze, 3)
            inputs = 8 * squeeze
        taps = [64, 128, 256, 384, 384, 512, 512]
    for index, channels in enumerate(taps):
        tensors[f"lin{index}.weight"] = random.random((1, channels, 1, 1)).astype("f4")
    return tensors


@pytest.mark.parametrize("net", lpips_layers.NETS)
@pytest.mark.parametrize("size", [(32, 32), (45, 67), (64, 50)])
def test_lpips_backends_agree(net: lpips_layers.Net, size: tuple[int, int]) -> None:
    pytest.importorskip("torch")
    weights = random_weights(net, 5)
    random = np.random.default_rng(6)
    a = random.random((3, *size), dtype=np.float32)
    b = np.clip(a + random.normal(0, 0.1, a.shape), 0, 1).astype(np.float32)
    plain = Lpips(net, weights, backend="numpy").distance(a, b)
    fast = Lpips(net, weights, backend="torch").distance(a, b)
    assert plain == pytest.approx(fast, rel=2e-5)
    assert plain > 0.01


@pytest.mark.parametrize("net", lpips_layers.NETS)
def test_lpips_identities(net: lpips_layers.Net) -> None:
    measure = Lpips(net, random_weights(net, 1), backend="numpy")
    a = np.random.default_rng(2).random((3, 40, 48), dtype=np.float32)
    assert measure.distance(a, a) == 0
    b = a[:, ::-1].copy()
    assert measure.distance(a, b) == pytest.approx(measure.distance(b, a), rel=1e-6)
    with pytest.raises(ValueError, match="at least 32"):
        measure.features(a[:, :31])
    with pytest.raises(ValueError, match="cannot be compared"):
        measure.distance(a, a[:, :38])


@settings(max_examples=20, deadline=None)
@given(
    st.integers(1, 3),
    st.sampled_from([(1, 1, 0), (3, 1, 1), (3, 2, 0), (5, 1, 2), (11, 4, 2)]),
    st.integers(11, 16),
    st.integers(11, 16),
    st.integers(0, 2**32 - 1),
)
def test_blocked_convolution_agrees_with_its_definition(
    channels: int, form: tuple[int, int, int], height: int, width: int, seed: int
) -> None:
    kernel, stride, padding = form
    random = np.random.default_rng(seed)
    x = random.standard_normal((channels, height, width)).astype(np.float32)
    weight = random.standard_normal((2, channels, kernel, kernel)).astype(np.float32)
    bias = random.standard_normal(2).astype(np.float32)
    padded = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    found = convolve(x, weight, bias, stride, padding)
    for (o, i, j), value in np.ndenumerate(found):
        place = padded[:, i * stride : i * stride + kernel, j * stride : j * stride + kernel]
        expected = float((place.astype(float) * weight[o]).sum() + bias[o])
        assert value == pytest.approx(expected, abs=1e-4)


def test_taps_of_the_networks() -> None:
    a = np.zeros((3, 64, 64), np.float32)
    shapes = {
        "alex": [(64, 15, 15), (192, 7, 7), (384, 3, 3), (256, 3, 3), (256, 3, 3)],
        "squeeze": [
            (64, 31, 31), (128, 15, 15), (256, 7, 7), (384, 3, 3), (384, 3, 3), (512, 3, 3), (512, 3, 3)
        ],
    }  # fmt: skip
    for net in lpips_layers.NETS:
        found = NumpyEvaluator(net, random_weights(net, 3)).features(a)
        assert [tap.shape for tap in found] == shapes[net]


def test_torch_module_is_differentiable_and_frozen() -> None:
    torch = pytest.importorskip("torch")
    from refcodec.metrics.lpips_torch import LpipsModule

    module = LpipsModule("alex", random_weights("alex", 4))
    assert not list(module.parameters())
    x = torch.zeros(1, 3, 48, 48, requires_grad=True)
    y = torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        distance = module(x, y)
    assert distance.dtype == torch.float32
    distance.sum().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()
    assert x.grad.abs().max() > 0
    shifted = LpipsModule("alex", random_weights("alex", 4), (-1.0, 1.0))
    with torch.no_grad():
        assert torch.allclose(shifted(2 * x - 1, 2 * y - 1), module(x, y), rtol=1e-4)


# --------------------------------------------------------------------------- where the weights are


def test_weights_are_looked_for_in_order(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    from pathlib import Path

    root = Path(str(tmp_path))
    project, work = root / "a" / "project", root / "b" / "work"
    for folder in (project, work):
        folder.mkdir(parents=True)
        (folder.parent / "shared/data/lpips").mkdir(parents=True)
    monkeypatch.setattr(lpips_weights, "PROJECT_ROOT", project)
    monkeypatch.chdir(work)
    monkeypatch.delenv(lpips_weights.VARIABLE, raising=False)
    assert lpips_weights.find_weights("alex") is None
    assert lpips("alex") is None

    beside_work = work.parent / "shared/data/lpips" / lpips_weights.file_name("alex")
    beside_work.write_bytes(b"")
    assert lpips_weights.find_weights("alex") == beside_work
    beside_project = project.parent / "shared/data/lpips" / lpips_weights.file_name("alex")
    beside_project.write_bytes(b"")
    assert lpips_weights.find_weights("alex") == beside_project
    named = root / "named"
    named.mkdir()
    (named / lpips_weights.file_name("alex")).write_bytes(b"")
    monkeypatch.setenv(lpips_weights.VARIABLE, str(named))
    assert lpips_weights.find_weights("alex") == named / lpips_weights.file_name("alex")
    assert lpips_weights.find_weights("alex", beside_work.parent) == beside_work
    assert lpips_weights.find_weights("alex", beside_work) == beside_work


def test_a_named_folder_without_weights_is_an_error(tmp_path: object) -> None:
    with pytest.raises(errors.CLASSES["HYP-E-CLI-01"]) as caught:
        lpips_weights.find_weights("squeeze", str(tmp_path))
    assert "lpips_squeeze_v0.1.npz" in str(caught.value)


def test_judges_are_all_networks_that_are_there(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path))
    with pytest.raises(errors.CLASSES["HYP-E-CLI-01"]):
        lpips_weights.find_judges(folder)
    monkeypatch.setenv(lpips_weights.VARIABLE, str(folder))
    monkeypatch.setattr(lpips_weights, "PROJECT_ROOT", folder / "a")
    monkeypatch.chdir(folder)
    assert lpips_weights.find_judges() == ()
    squeeze, alex = (folder / lpips_weights.file_name(net) for net in ("squeeze", "alex"))
    squeeze.write_bytes(b"")
    assert lpips_weights.find_judges() == lpips_weights.find_judges(folder) == (squeeze,)
    alex.write_bytes(b"")
    assert lpips_weights.find_judges() == lpips_weights.find_judges(folder) == (alex, squeeze)


@pytest.mark.parametrize("net", lpips_layers.NETS)
def test_weights_say_which_network_they_are_of(net: lpips_layers.Net) -> None:
    assert lpips_weights.net_of(random_weights(net, 0)) == net
