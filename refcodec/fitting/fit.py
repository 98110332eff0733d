"""One round of fitting: latents of a prompt, optimised with the syntax of the following pictures held constant."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from refcodec.fitting.case import FitCase
from refcodec.fitting.distortion import Distortion
from refcodec.fitting.following import Following
from refcodec.fitting.optimiser import CommonAdam
from refcodec.fitting.settings import FitSettings
from refcodec.generator import estimate_bits, generate
from refcodec.generator.prompt import Latents, settle
from refcodec.picture import Picture
from refcodec.twin.integer_network import Arithmetic
from refcodec.twin.keyframe import KeyframeTwin
from refcodec.twin.planes import Planes, planes_of

_CHECKPOINTED = 1 << 22
"""Luma samples from which on the generator is evaluated twice to save memory."""


@dataclass(frozen=True)
class FitState:
    """How far a round is: bits of the prompt, and the cost in bits per pixel, its distortion included."""

    step: int
    steps: int
    bits: float
    cost: float
    seconds: float


@dataclass(frozen=True)
class Fitted:
    """Result of a round. Costs, of exact decodes: bits per luma sample and distortion by the trade."""

    latents: Latents
    bits_before: float
    bits_after: float
    cost_before: float
    cost_after: float
    steps: int

    @property
    def improved(self) -> bool:
        """Whether the latents are others than those of the case."""
        return self.cost_after < self.cost_before


class Round:
    """Everything that a round evaluates: rate and distortion of latents, estimated and exact."""

    def __init__(self, case: FitCase, settings: FitSettings, distortion: Distortion) -> None:
        self.case, self.settings, self.distortion = case, settings, distortion
        original = case.originals[0]
        self.samples = case.samples
        self.trade = case.trade
        self._original = distortion.prepare(planes_of(original.planes, settings.device))
        self.following: Following | None = None
        if case.coded is not None and settings.targets:
            keyframe = generate(case.model, case.start.values, case.q)
            self.following = Following(case, keyframe, distortion, settings)

    def keyframe_distance(self, planes: Planes, turn: int | None = None) -> Tensor:
        """Return the distortion of the keyframe itself; turn: as `Distortion` has it."""
        return self.distortion.distance(planes, self._original, turn)

    def exact(self, latents: Latents) -> tuple[float, float]:
        """Return bits and cost of latents that can be coded, from the integer decoders."""
        case, device = self.case, self.settings.device
        bits = float(estimate_bits(case.model, case.q, latents.hyper, latents.values))
        picture: Picture = generate(case.model, latents.values, case.q)
        with torch.no_grad():
            distance = float(self.keyframe_distance(planes_of(picture.planes, device)))
        if self.following is not None:
            distance += self.settings.following_weight * self.following.exact(picture, device)
        return bits, bits / self.samples + self.trade * distance


def fit(
    case: FitCase,
    settings: FitSettings,
    distortion: Distortion,
    progress: Callable[[FitState], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Fitted:
    """Return latents whose rate and distortion is the lowest found in one round of `settings.steps` steps.

    `stop` is asked after each step; when it says so, the best so far is returned. The result is never worse than
    the start, by exact decodes.
    """
    work = Round(case, settings, distortion)
    search = _Search(work)
    begin = time.monotonic()
    for step in range(settings.steps):
        bits, cost = search.step(step)
        if progress is not None:
            progress(FitState(step + 1, settings.steps, bits, cost, time.monotonic() - begin))
        if stop is not None and stop():
            break
    bits, before = work.exact(case.start)
    best, after_bits, after = case.start, bits, before
    for values in search.candidates():
        latents = settle(case.model, case.q, case.start.hyper, values)
        found_bits, cost = work.exact(latents)
        if cost < after:
            best, after_bits, after = latents, found_bits, cost
    return Fitted(best, bits, after_bits, before, after, search.steps)


class _Search:
    """Descent on real-valued latents that are rounded, with noise that falls to nothing."""

    def __init__(self, work: Round) -> None:
        settings, case = work.settings, work.case
        self._work = work
        self._twin = KeyframeTwin(
            case.model,
            case.q,
            case.start.hyper,
            device=settings.device,
            arithmetic=Arithmetic.FAST,
            checkpoints=work.samples > _CHECKPOINTED,
        )
        start = torch.from_numpy(case.start.values.astype(np.float32))[None].to(settings.device)
        self._values = start.clone().requires_grad_()
        self._optimiser = CommonAdam(self._values)
        # on the host: the noise does not depend on the device
        self._generator = torch.Generator().manual_seed(settings.seed)
        self._best: tuple[float, np.ndarray] | None = None
        self.steps = 0

    def step(self, number: int) -> tuple[float, float]:
        """Take a step; return bits and cost of the latents before it."""
        work, settings = self._work, self._work.settings
        part = number / settings.steps
        values = self._values
        width = settings.noise * (1 - part) ** 2
        moved = values
        if width > 0:
            draw = torch.rand(values.shape, generator=self._generator).to(values.device)
            moved = values + width * (draw - 0.5)
        rendering = self._twin.render(moved)
        turn = number if settings.takes_turns else None
        distance = work.keyframe_distance(rendering.planes, turn)
        if work.following is not None:
            later = self._later(rendering.planes, None if turn is None else turn + 1)
            distance = distance + settings.following_weight * later
        cost = rendering.bits / work.samples + work.trade * distance
        (gradient,) = torch.autograd.grad(cost, values)
        bits, value = float(rendering.bits.detach()), float(cost.detach())
        # Judges that take turns have scales of their own.
        if turn is None and (self._best is None or value < self._best[0]):
            whole = rendering.values.detach()[0].cpu().numpy().astype(np.int16)
            self._best = value, whole
        joint = work.following is not None
        rate = settings.joint_rate if joint else settings.learning_rate
        self._optimiser.step(gradient, rate * (1 - 0.9 * part))
        self.steps += 1
        return bits, value

    def _later(self, planes: Planes, turn: int | None) -> Tensor:
        """Return the distortion of the following pictures, with its derivative at `planes`."""
        work = self._work
        assert work.following is not None
        at = planes.map(lambda plane: plane.detach())
        value, slope = work.following.gradient(at, work.settings.sampled, turn)
        moved = [
            (gradient * (plane - origin)).sum()
            for plane, origin, gradient in zip(planes, at, slope, strict=True)
        ]
        return value + torch.stack(moved).sum()

    def candidates(self) -> list[np.ndarray]:
        """Return latents that may be best: where the last step led, and those of the lowest estimate."""
        whole = np.floor(self._values.detach()[0].cpu().numpy() + 0.5).astype(np.int16)
        if self._best is None or (self._best[1] == whole).all():
            return [whole]
        return [whole, self._best[1]]
