"""Prompts of keyframes: analysis of a picture, coding of its latents, generation of what the receiver will see."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from refcodec import generator
from refcodec.encoder import analysis
from refcodec.encoder.resizing import CodedSize
from refcodec.fitting.case import FitCase
from refcodec.fitting.settings import FitSettings
from refcodec.fitting.trade import Trade
from refcodec.generator import GeneratorModel
from refcodec.generator.prompt import Latents, settle
from refcodec.picture import Picture

if TYPE_CHECKING:
    from refcodec.fitting.fit import Fitted

CORE_GENERATOR_ID = 1
ANALYSIS_SUFFIX = ".analysis.safetensors"


@dataclass(frozen=True, slots=True)
class Prompt:
    """A keyframe's prompt_scale_index and prompt_data, and the picture that it generates (grid size).

    refinement_costs: cost of the prompt before and after refinement, or None where there was none.
    """

    prompt_scale_index: int
    data: bytes
    picture: Picture
    refinement_costs: tuple[float, float] | None = None


_REFINING_RATE = 0.015
"""Learning rate of a single round, by docs/decisions/0025; those of a fit in rounds are faster (0027)."""


@dataclass(frozen=True, slots=True)
class Refinement:
    """steps: at least 1; lpips: as FitSettings has it."""

    steps: int
    lpips: tuple[Path, ...]


class Prompter:
    """Makes prompts with one generator model and its analysis networks."""

    def __init__(self, model_path: Path | None) -> None:
        if model_path is None:
            self.model = generator.bundled(CORE_GENERATOR_ID, None)
            self._analyser = analysis.bundled_analyser()
        else:
            self.model = generator.load_model(model_path)
            self._analyser = analysis.load_analyser(analysis_path(model_path))

    @property
    def trade(self) -> Trade:
        """What the model was trained to weigh."""
        return self._analyser.trade

    def bits(self, picture: Picture, indices: Sequence[int]) -> list[float]:
        """Return the estimated size in bits of the prompt of a picture (grid size) at each of some indices."""
        found = self._analyser.analyse_at(picture, indices, self.model.contract.gain)
        return [
            float(generator.estimate_bits(self.model, q, z, v))
            for q, (z, v) in zip(indices, found, strict=True)
        ]

    def prompt(self, picture: Picture, q: int, refinement: Refinement | None = None) -> Prompt:
        """Return the prompt of a picture (grid size) at prompt_scale_index q; a refinement needs torch."""
        z, v = self._analyser.analyse(picture, q, self.model.contract.gain)
        settled = settle(self.model, q, z, v)
        costs = None
        if refinement is not None:
            refined = _refine(self.model, picture, q, settled, self.trade.at(q), refinement)
            settled = settle(self.model, q, refined.latents.hyper, refined.latents.values)
            costs = refined.cost_before, refined.cost_after
        return coded_prompt(self.model, q, settled, costs)


def coded_prompt(
    model: GeneratorModel, q: int, latents: Latents, costs: tuple[float, float] | None = None
) -> Prompt:
    """Return the prompt of settled latents, with the picture that the receiver makes of its bytes."""
    data = generator.encode_prompt(model, q, latents.hyper, latents.values)
    # Decoding what was coded, not trusting the arrays: the receiver's picture is what x264 must see.
    _, height, width = latents.values.shape
    decoded = generator.decode_prompt(model, data, q, width, height)
    return Prompt(q, data, generator.generate(model, decoded.values, q), costs)


def latents_of(model: GeneratorModel, q: int, data: bytes | memoryview, size: CodedSize) -> Latents:
    """Return what a prompt of pictures of a coded size holds."""
    return generator.decode_prompt(model, data, q, size.grid_width // 16, size.grid_height // 16)


def _refine(
    model: GeneratorModel,
    picture: Picture,
    q: int,
    start: Latents,
    trade: float,
    refinement: Refinement,
) -> Fitted:
    """Fit a prompt to its keyframe alone."""
    from refcodec.fitting.distortion import distortion_of
    from refcodec.fitting.fit import fit

    settings = FitSettings(
        steps=refinement.steps, targets=0, lpips=refinement.lpips, learning_rate=_REFINING_RATE
    )
    case = FitCase(model, q, trade, start, {0: picture}, 1.0, None)
    with torch_threads(settings.threads):
        return fit(case, settings, distortion_of(settings))


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """While this lasts, torch computes in `count` threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def analysis_path(model_path: Path) -> Path:
    """Return where the analysis networks of a model file lie: beside it, with another suffix."""
    return model_path.with_name(model_path.name.removesuffix(".safetensors") + ANALYSIS_SUFFIX)


@lru_cache(maxsize=2)
def prompter(model_path: Path | None) -> Prompter:
    """Return the prompter of a model, kept for the life of the process."""
    return Prompter(model_path)
