"""Training: resumable, on CPU or GPU, from a configuration to checkpoints and a curve."""

from __future__ import annotations

import csv
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refcodec.metrics.lpips_weights import file_name
from refcodec.metrics.mixed_precision import mixed_precision
from refcodec.twin.colour import planes_to_rgb, rgb_to_planes
from trainer.adversary import Adversary, deceiving, discerning
from trainer.captured import CapturedStep
from trainer.coding import Coded, code, planes_from, planes_to
from trainer.data import CropStream, Pictures
from trainer.graph import Step, TorchExecutor
from trainer.lpips import LPIPS
from trainer.networks import Generator
from trainer.settings import Settings

PARTS = ["bits_per_pixel", "lpips", "squeeze", "mse"]
CURVE_FIELDS = ["step", "seconds", "loss", *PARTS, "learning_rate"]
DATA_THREADS = {"cpu": 1, "cuda": 12}
LAYOUT = {"cpu": torch.channels_last, "cuda": torch.contiguous_format}
"""The layout in which convolutions of a device are fastest."""


@dataclass
class Losses:
    """The parts of the loss of one batch, each (N,)."""

    bits_per_pixel: Tensor
    lpips: Tensor
    squeeze: Tensor
    mse: Tensor
    low: Tensor
    l1: Tensor
    rgb: Tensor
    """The coded pictures (N,3,H,W)."""


L1_SCALES = (1, 2, 4)
"""Sides of the squares whose means are compared."""


def scaled_l1(a: Tensor, b: Tensor) -> Tensor:
    """Return the mean absolute difference of pictures (N,3,H,W), mean over L1_SCALES, (N,)."""
    parts = [(F.avg_pool2d(a, n) - F.avg_pool2d(b, n)).abs().mean((1, 2, 3)) for n in L1_SCALES]
    return torch.stack(parts).mean(0)


def trade(settings: Settings, q: Tensor) -> Tensor:
    """Return the weight of distortion against bits per pixel for scale indices q."""
    return settings.trade_at_finest * torch.exp2(-q.float() / 63 * settings.trade_octaves)


def measure(
    coded: Coded, y: Tensor, c: Tensor, rgb: Tensor, judges: Mapping[str, LPIPS], s: Settings
) -> Losses:
    """Compare the coded planes with luma y (N,1,H,W) and chroma c (N,2,H/2,W/2).

    `judges`: the networks of LPIPS that judge, "alex" and "squeeze"; the distance of an absent one is zero.
    """
    pixels = y.shape[2] * y.shape[3]
    out_y, out_c = planes_to(coded.planes)
    mse = (out_y - y).square().mean((1, 2, 3))
    mse = mse + s.chroma_weight * 2 * (out_c - c).square().mean((1, 2, 3))
    target = torch.cat([F.avg_pool2d(y, 4), F.avg_pool2d(c, 2)], 1)
    low = (coded.low_picture - target).square().mean((1, 2, 3))
    out = planes_to_rgb(out_y, out_c).clamp(0, 1)
    alex, squeeze = (
        judges[net](out, rgb) if net in judges else torch.zeros_like(mse)
        for net in ("alex", "squeeze")
    )
    l1 = scaled_l1(out, rgb) if s.l1_weight else torch.zeros_like(mse)
    return Losses(coded.bits / pixels, alex, squeeze, mse, low, l1, out)


def calibrate(model: Generator, batches: list[Tensor]) -> None:
    """Set every learned step, but frozen ones, from the largest activations seen on batches of planes."""
    g = TorchExecutor("calibrate")
    device = batches[0].device
    learned = [
        module
        for module in model.modules()
        if isinstance(module, Step) and module.learned and module.exponent.requires_grad
    ]
    for step in learned:
        step.peak.zero_()
    with torch.no_grad(), mixed_precision(device):
        for planes in batches:
            q = torch.randint(0, 64, (planes.shape[0],)).to(device)
            code(model, planes, q, g, noise=False)
    for step in learned:
        # a little below the peak: the few largest values are worth less than a finer step
        step.exponent.data.copy_(torch.log2(step.peak.clamp_min(1e-3) * 0.7 / 127))


def within(name: str, part: str) -> bool:
    """Return whether a tensor's name is `part` or lies in the module of that name."""
    return name == part or name.startswith(f"{part}.")


def freeze(model: Generator, parts: Sequence[str]) -> None:
    """Let the parameters of `parts` have no gradients. Raises ValueError for a part that has no parameters."""
    for part in parts:
        found = [p for name, p in model.named_parameters() if within(name, part)]
        if not found:
            raise ValueError(f"no parameters to freeze in {part!r}")
        for p in found:
            p.requires_grad_(False)


def folded(state: Mapping[str, Tensor], parts: Sequence[str]) -> dict[str, Tensor]:
    """Return weight and bias of the 1x1 convolution that does what those of `parts` do one after the other."""
    weight, bias = state[f"{parts[0]}.weight"], state[f"{parts[0]}.bias"]
    for part in parts[1:]:
        matrix = state[f"{part}.weight"][:, :, 0, 0]
        weight = torch.einsum("oi,ijhw->ojhw", matrix, weight)
        bias = matrix @ bias + state[f"{part}.bias"]
    return {"weight": weight, "bias": bias}


def arranged(
    state: Mapping[str, Tensor], names: Sequence[str], parts: Mapping[str, str | Sequence[str]]
) -> dict[str, Tensor]:
    """Return tensors under `names` from a state of another architecture, part by part as `Settings.start` says.

    Raises ValueError for a part that none of `names` lies in, KeyError for a tensor that `state` has not.
    """
    if unknown := [part for part in parts if not any(within(name, part) for name in names)]:
        raise ValueError(f"no parts {unknown} to start")
    result = {}
    for name in names:
        part = max((key for key in parts if within(name, key)), key=len, default="")
        source = parts.get(part, part)
        rest = name[len(part) :]
        if isinstance(source, str):
            result[name] = state[source + rest]
        else:
            result[name] = folded(state, source)[rest.removeprefix(".")]
    return result


def channels_last(module: nn.Module) -> None:
    """Lay the 4-D parameters and buffers of a module out channels last, the fast layout of CPU convolutions."""
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.dim() == 4:
            tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class Phase:
    """What of a step changes in the course of a run."""

    quantised: bool
    with_lpips: bool
    noise: bool


class Run:
    """A training run in a folder: checkpoint.pt, curve.csv."""

    def __init__(
        self, folder: Path, settings: Settings, lpips_path: Path, device: str = "cpu"
    ) -> None:
        self.folder, self.settings, self.device = folder, settings, device
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(settings.seed)
        self.model = Generator(settings.architecture).to(device)
        freeze(self.model, settings.frozen)
        self.averaged = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        weights: list[nn.Parameter] = []
        steps: list[nn.Parameter] = []
        for name, p in self.model.named_parameters():
            if p.requires_grad:
                (steps if name.endswith("exponent") else weights).append(p)
        self._parameters = [*weights, *steps]
        groups: list[dict[str, Any]] = [{"params": weights}, {"params": steps, "scale": 0.3}]
        self.optimiser = torch.optim.Adam(
            groups,
            lr=settings.learning_rate,
            betas=(0.9, 0.98),
            fused=True,
            capturable=device == "cuda",
        )
        self.judges = {"alex": LPIPS(lpips_path).to(device)}
        if settings.squeeze_weight:
            path = lpips_path.with_name(file_name("squeeze"))
            self.judges["squeeze"] = LPIPS(path, "squeeze").to(device)
        if device == "cpu":
            for judge in self.judges.values():
                channels_last(judge)
        self.adversary: Adversary | None = None
        if settings.adversarial_weight:
            self.adversary = Adversary().to(device)
            self._adversary_optimiser = torch.optim.Adam(
                self.adversary.parameters(),
                lr=settings.adversary_rate,
                betas=(0.5, 0.9),
                capturable=device == "cuda",
            )
        self.step = 0
        self.seconds = 0.0
        if (folder / "checkpoint.pt").exists():
            self.load(torch.load(folder / "checkpoint.pt", map_location=device, weights_only=True))
        s = settings
        self._pixels = torch.zeros((s.batch, 3, s.crop, s.crop), dtype=torch.uint8, device=device)
        self._q = torch.zeros(s.batch, dtype=torch.long, device=device)
        self._rates = [torch.zeros((), device=device) for _ in groups]
        for group, rate in zip(self.optimiser.param_groups, self._rates, strict=True):
            group["lr"] = rate
        self._totals = torch.zeros(1 + len(PARTS), device=device)
        self._summed = 0
        self.layout = LAYOUT.get(device, torch.contiguous_format)
        torch.backends.cudnn.benchmark = device == "cuda"
        self._phase: Phase | None = None
        self._do: Callable[[], None] = lambda: None

    def load(self, state: dict[str, Any]) -> None:
        """Continue from a checkpoint."""
        self.model.load_state_dict(state["model"])
        self.averaged = dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.seconds = int(state["step"]), float(state["seconds"])
        if self.adversary is not None and "adversary" in state:
            self.adversary.load_state_dict(state["adversary"])
            self._adversary_optimiser.load_state_dict(state["adversary_optimiser"])

    def begin_from(self, model: Generator) -> None:
        """Start at the weights of another run, part by part as `settings.start` says.

        Raises what `arranged` does, and RuntimeError when a tensor has another shape.
        """
        names = list(self.model.state_dict())
        self.model.load_state_dict(arranged(model.state_dict(), names, self.settings.start))
        self.averaged = {k: v.detach().clone() for k, v in self.model.state_dict().items()}

    def save(self) -> None:
        """Write checkpoint.pt whole or not at all."""
        temporary = self.folder / "checkpoint.tmp"
        adversary = {}
        if self.adversary is not None:
            adversary["adversary"] = self.adversary.state_dict()
            adversary["adversary_optimiser"] = self._adversary_optimiser.state_dict()
        torch.save(
            {
                **adversary,
                "model": self.model.state_dict(),
                "averaged": self.averaged,
                "optimiser": self.optimiser.state_dict(),
                "step": self.step,
                "seconds": self.seconds,
                "architecture": self.settings.architecture.as_dict(),
                "trade": asdict(self.settings.trade),
            },
            temporary,
        )
        os.replace(temporary, self.folder / "checkpoint.pt")

    def learning_rate(self) -> float:
        """Warm up, hold, then fall to zero over the last `decay_steps`."""
        s = self.settings
        rate = s.learning_rate * min(1.0, (self.step + 1) / s.warm_steps)
        left = s.steps - self.step
        return rate * min(1.0, max(0.0, left / s.decay_steps))

    def phase(self) -> Phase:
        """Return the phase of the next step."""
        s = self.settings
        return Phase(
            self.step >= s.quantised_from,
            self.step >= s.mse_only_steps,
            self.step < s.steps - s.rounded_steps,
        )

    def train_step(self, pixels: Tensor) -> None:
        """Do one step on a batch (N,3,H,W) uint8 of RGB; `means` says what it gave."""
        s = self.settings
        generator = torch.Generator().manual_seed(s.seed * 1_000_003 + self.step)
        self._q.copy_(torch.randint(0, 64, (s.batch,), generator=generator))
        self._pixels.copy_(pixels, non_blocking=True)
        for group, rate in zip(self.optimiser.param_groups, self._rates, strict=True):
            rate.fill_(self.learning_rate() * float(group.get("scale", 1.0)))
        phase = self.phase()
        if phase != self._phase:
            self._phase = phase

            def do() -> None:
                self._compute(phase)

            self._do = CapturedStep(do) if self.device == "cuda" else do
        self._do()
        self.step += 1
        self._summed += 1
        decay = min(s.average, self.step / (self.step + 50))
        with torch.no_grad():
            trained = {n: p for n, p in self.model.named_parameters() if p.requires_grad}
            averaged = [self.averaged[name] for name in trained]
            torch._foreach_lerp_(averaged, list(trained.values()), 1 - decay)

    def _compute(self, phase: Phase) -> None:
        s = self.settings
        with mixed_precision(self.device, cache_enabled=False):
            loss, losses = self._loss(phase)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, s.clip)
        # The fused optimiser leaves everything as it is where this is 1: no wait for the device.
        self.optimiser.found_inf = (~torch.isfinite(norm)).float()  # type: ignore[attr-defined]
        self.optimiser.step()
        if self.adversary is not None:
            self._teach(self.adversary, losses.rgb.detach())
        with torch.no_grad():
            self._totals += torch.stack([loss, *(getattr(losses, part).mean() for part in PARTS)])

    def _originals(self) -> tuple[Tensor, Tensor]:
        """Return luma and chroma of the batch, rounded as those of video are."""
        y, c = rgb_to_planes(self._pixels.float() / 255)
        return torch.round(y * 255) / 255, torch.round(c * 255) / 255

    def _teach(self, adversary: Adversary, coded: Tensor) -> None:
        """Do a step of the adversary."""
        original = planes_to_rgb(*self._originals()).clamp(0, 1)
        with mixed_precision(self.device, cache_enabled=False):
            loss = discerning(adversary, coded, original)
        self._adversary_optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._adversary_optimiser.step()

    def _loss(self, phase: Phase) -> tuple[Tensor, Losses]:
        s = self.settings
        y, c = self._originals()
        planes = planes_from(y, c).contiguous(memory_format=self.layout)
        executor = TorchExecutor("quantised" if phase.quantised else "float")
        coded = code(self.model, planes, self._q, executor, phase.noise)
        judges = self.judges if phase.with_lpips else {}
        losses = measure(coded, y, c, planes_to_rgb(y, c).clamp(0, 1), judges, s)
        mse_weight = s.mse_weight if phase.with_lpips else 4 * s.mse_weight
        weight = trade(s, self._q)
        distortion = s.lpips_weight * losses.lpips + s.squeeze_weight * losses.squeeze
        distortion = distortion + mse_weight * losses.mse + s.low_weight * losses.low
        distortion = distortion + s.l1_weight * losses.l1
        if self.adversary is not None:
            distortion = distortion + s.adversarial_weight * deceiving(self.adversary, losses.rgb)
        loss = ((losses.bits_per_pixel + weight * distortion) / (0.3 + weight)).mean()
        return loss, losses

    def means(self) -> list[float]:
        """Return the loss and its PARTS, means since the last call."""
        result = (self._totals / max(1, self._summed)).tolist()
        self._totals.zero_()
        self._summed = 0
        return result

    def run(self, pictures: Pictures, seconds: float = math.inf, report: int = 50) -> None:
        """Train until `settings.steps` or for `seconds`; saves every few minutes and at the end."""
        s = self.settings
        stream = CropStream(
            pictures, s.batch, s.crop, s.seed, self.step, s.enlarged, s.enlarged_most,
            DATA_THREADS.get(self.device, 1),
        )  # fmt: skip
        began = saved = time.monotonic()
        before = self.seconds
        with open(self.folder / "curve.csv", "a", newline="") as file:
            writer = csv.writer(file)
            if file.tell() == 0:
                writer.writerow(CURVE_FIELDS)
            while self.step < s.steps and time.monotonic() - began < seconds:
                if self.step == s.quantised_from > 0:
                    self.begin_quantised(stream)
                self.train_step(stream.next())
                self.seconds = before + time.monotonic() - began
                if self.step % report == 0:
                    mean = [f"{v:.6g}" for v in self.means()]
                    writer.writerow(
                        [self.step, f"{self.seconds:.1f}", *mean, f"{self.learning_rate():.3g}"]
                    )
                    file.flush()
                if time.monotonic() - saved > 120:
                    self.save()
                    saved = time.monotonic()
        stream.close()
        self.save()

    def begin_quantised(self, stream: CropStream) -> None:
        """Set the activation steps, in the model and in its average."""
        batches = []
        for _ in range(4):
            y, c = rgb_to_planes(stream.next().to(self.device).float() / 255)
            batches.append(planes_from(y, c))
        calibrate(self.model, batches)
        for name, value in self.model.state_dict().items():
            if name.endswith("exponent"):
                self.averaged[name].copy_(value)
