"""The variants that are compared: what makes the prompts, and how the following pictures are coded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from refcodec.encoder.settings import EncoderSettings

TUNED: tuple[tuple[str, str], ...] = (("aq-strength", "0.5"),)
"""x264 parameters of variant d (docs/decisions/0014); others that were found there are the preset's own by now."""


def _analysis(settings: EncoderSettings, steps: int) -> EncoderSettings:
    return settings


def _keyframe(settings: EncoderSettings, steps: int) -> EncoderSettings:
    return settings.with_(fit=steps, fit_settings=replace(settings.fit_settings, targets=0))


def _joint(settings: EncoderSettings, steps: int) -> EncoderSettings:
    return settings.with_(fit=steps)


def _tuned(settings: EncoderSettings, steps: int) -> EncoderSettings:
    return settings.with_(fit=steps, inter_options=TUNED)


@dataclass(frozen=True)
class Variant:
    """One way to make a HYP file. label: name of the file and in tables; change(settings, steps) returns the
    settings of the variant from those that all share."""

    label: str
    description: str
    change: Callable[[EncoderSettings, int], EncoderSettings]


VARIANTS: tuple[Variant, ...] = (
    Variant("a analysis", "the prompt of the analysis network", _analysis),
    Variant("b keyframe", "fitted to the keyframe alone, in all rounds", _keyframe),
    Variant("c joint", "fitted to the keyframe and following pictures at once", _joint),
    Variant(
        "d joint tuned",
        "as c, following pictures coded with adaptive quantisation at half strength",
        _tuned,
    ),
)
