"""Prompts of keyframes: analysis of a picture, coding of its latents, generation of what the receiver will see."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from refcodec import generator
from refcodec.encoder import analysis
from refcodec.generator.prompt import settle
from refcodec.picture import Picture

CORE_GENERATOR_ID = 1
ANALYSIS_SUFFIX = ".analysis.safetensors"


@dataclass(frozen=True, slots=True)
class Prompt:
    """A keyframe's prompt_scale_index and prompt_data, and the picture that it generates (grid size)."""

    prompt_scale_index: int
    data: bytes
    picture: Picture


class Prompter:
    """Makes prompts with one generator model and its analysis networks."""

    def __init__(self, model_path: Path | None) -> None:
        if model_path is None:
            self.model = generator.bundled(CORE_GENERATOR_ID, None)
            self._analyser = analysis.bundled_analyser()
        else:
            self.model = generator.load_model(model_path)
            self._analyser = analysis.load_analyser(analysis_path(model_path))

    def bits(self, picture: Picture, q: int) -> float:
        """Return the estimated size of the prompt of a picture (grid size) in bits."""
        z, v = self._analyser.analyse(picture, q, self.model.contract.gain)
        return float(generator.estimate_bits(self.model, q, z, v))

    def prompt(self, picture: Picture, q: int) -> Prompt:
        """Return the prompt of a picture (grid size) at prompt_scale_index q."""
        z, v = self._analyser.analyse(picture, q, self.model.contract.gain)
        settled = settle(self.model, q, z, v)
        data = generator.encode_prompt(self.model, q, settled.hyper, settled.values)
        # Decoding what was coded, not trusting the arrays: the receiver's picture is what x264 must see.
        latents = self.model.decode_prompt(data, q, picture.width // 16, picture.height // 16)
        return Prompt(q, data, self.model.generate(latents, q))


def analysis_path(model_path: Path) -> Path:
    """Return where the analysis networks of a model file lie: beside it, with another suffix."""
    return model_path.with_name(model_path.name.removesuffix(".safetensors") + ANALYSIS_SUFFIX)


@lru_cache(maxsize=2)
def prompter(model_path: Path | None) -> Prompter:
    """Return the prompter of a model, kept for the life of the process."""
    return Prompter(model_path)
