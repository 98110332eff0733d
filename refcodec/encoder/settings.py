"""What the user asks of the encoder, checked, and the presets that stand behind it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal

from refcodec import errors
from refcodec.fitting.settings import FitSettings
from refcodec.generator.contract import SCALE_COUNT
from refcodec.processors import default_threads
from refcodec.restoration import LARGEST_GAIN

SizeChoice = Literal["auto"] | Fraction
KeyframeChoice = Literal["auto", "generated", "coded"]
RestorationChoice = Literal["auto"] | int

LADDER: tuple[Fraction, ...] = (
    Fraction(1),
    Fraction(5, 6),
    Fraction(2, 3),
    Fraction(1, 2),
    Fraction(1, 3),
)
"""Coded size divided by presentation size, from large to small (design decision D7)."""

LOWEST_CRF = 4.0
HIGHEST_CRF = 51.0


@dataclass(frozen=True, slots=True)
class Preset:
    """Effort of the encoder. Presets change the cost of an encode, never the format."""

    name: str
    x264_preset: str
    overrides: tuple[tuple[str, str], ...]
    """x264 parameters that differ from its preset."""
    behind_coded: tuple[tuple[str, str], ...]
    """Overrides behind ordinary keyframes, in addition."""
    restless: tuple[tuple[str, str], ...]
    """Overrides that are tried beside those, in addition, for content that moves; empty: nothing is tried."""
    sharpening: int
    """With which strength pictures are sharpened in that manner, in 1/32 (docs/decisions/0021)."""
    trial_preset: str
    """x264 preset of the trial encodes that choose rung and keyframes."""
    trial_overrides: tuple[tuple[str, str], ...]
    thrift: float
    """Bits of the encode for one of a trial that looks like it."""
    crf_offset: float
    """Rate factor of the encode less that of a trial of as many such bits: presets mean different things by it."""
    rung_segments: int
    """Segments that are tried to choose the rung; 0: the rung follows from the bits per sample."""
    rung_pictures: int
    """Pictures of such a segment at most."""
    keyframe_pictures: int
    """Pictures of each segment at most that are coded both ways to choose its kind of keyframe: what a generated one
    gives fades, so the first pictures alone speak for it too much."""
    carry: bool
    """Ask the pictures behind a generated keyframe to keep its texture (docs/decisions/0020)."""
    refine: int
    """Steps of fitting each prompt to its keyframe, where torch and the weights of LPIPS are there."""


# mbtree also keeps the hidden picture near-lossless: without it adaptive quantisation coarsens it to 35 dB.
# Good vectors and few coefficients keep what the generator made (docs/decisions/0015).
_FULL = (
    ("mbtree", "1"), ("rc-lookahead", "60"), ("b-adapt", "2"), ("ref", "6"), ("me", "umh"), ("merange", "24"),
    ("subme", "10"), ("trellis", "2"), ("deadzone-inter", "32"), ("deblock", "-2,-2"),
)  # fmt: skip
# What x264 puts in the place of detail costs bits that the picture needs where nothing generated has the
# detail; behind generated keyframes less of it was worse (docs/decisions/0022).
_BEHIND_CODED = (("psy-rd", "0.5,0"),)
# Decisions by rate and distortion blur what moves (docs/decisions/0017).
_RESTLESS = (("subme", "2"), ("trellis", "0"), ("deadzone-inter", "21"), ("aq-mode", "3"))
_SHARPENING = 19  # of 32; more gains nothing further
_QUICK = (("mbtree", "1"), ("rc-lookahead", "30"), ("bframes", "3"))

PRESETS: dict[str, Preset] = {
    "fast": Preset(
        "fast", "veryfast", _QUICK, (), (), 0, "veryfast", _QUICK, 1.0, 0.0, 0, 0, 48, False, 0
    ),
    "medium": Preset(
        "medium",
        "medium",
        (*_FULL, ("bframes", "5")),
        _BEHIND_CODED,
        _RESTLESS,
        _SHARPENING,
        "veryfast",
        _QUICK,
        0.8,
        3.5,
        1,
        160,
        160,
        True,
        0,
    ),
    "slow": Preset(
        "slow",
        "slower",
        (*_FULL, ("bframes", "8")),
        _BEHIND_CODED,
        _RESTLESS,
        _SHARPENING,
        "faster",
        _QUICK,
        0.8,
        3.0,
        3,
        200,
        200,
        True,
        20,
    ),
}


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """Settings of one encode. Exactly one of `bitrate` and `quality` is given.

    bitrate: total rate of the file in bit/s, side tracks and all headers included; met within 2 %.
    quality: 0 (worst) to 100 (best), constant over the sequence; the rate follows from it.
    preset: "fast", "medium" or "slow".
    keyframe_interval: longest distance of two keyframes in seconds, 0.1 to 30.
    shortest_interval: how far the presets medium and slow may shorten it where motion asks for it, in seconds.
    size: "auto" or the coded size as a fraction of the presentation size, 1/8 to 1.
    keyframes: "auto" (by cost), "generated" or "coded" for every segment.
    model: path of a generator model file; None: the bundled model of profile core.
    prompt_share: part of the video's bits spent on prompts, 0.02 to 0.9; None: chosen by the encoder.
    prompt_scale_index: that of all prompts, 0 (finest) to 63; None: the one that spends their part of the bits.
    refine: steps of fitting the latents of each prompt to its keyframe, 0 (none) to 1000; needs torch. None: 20 with
        the preset slow where torch and the weights of LPIPS are found and `fit` is 0, else none.
    fit: steps a round of fitting each prompt to its keyframe and the pictures that follow, 0 (none) to 10000;
        needs torch.
    fit_settings: how that is done; its `steps` are those of `fit`, and LPIPS is looked for where it names none.
    restoration: "auto", by trial, or restoration_gain: how much of the detail that a network finds decoders add to
        pictures, 0 (none) to 3.
    inter_options: x264 parameters of the pictures beside those of the preset, such as ("deblock", "-1,-1").
    side_tracks: carry the audio and subtitle tracks of the source.
    start, duration: part of the source in seconds; duration None: to its end.
    workers: worker processes; None: one for each CPU. The file does not depend on it.
    workspace: folder for intermediate pictures; None: the system's folder for temporary files.
    """

    bitrate: int | None = None
    quality: float | None = None
    preset: str = "medium"
    keyframe_interval: float = 5.0
    shortest_interval: float = 1.0
    size: SizeChoice = "auto"
    keyframes: KeyframeChoice = "auto"
    model: Path | None = None
    prompt_share: float | None = None
    prompt_scale_index: int | None = None
    refine: int | None = None
    fit: int = 0
    fit_settings: FitSettings = field(default_factory=FitSettings)
    restoration: RestorationChoice = "auto"
    inter_options: tuple[tuple[str, str], ...] = ()
    side_tracks: bool = True
    start: float = 0.0
    duration: float | None = None
    workers: int | None = None
    workspace: Path | None = None

    def __post_init__(self) -> None:
        if (self.bitrate is None) == (self.quality is None):
            _refuse("bitrate, quality", (self.bitrate, self.quality), "exactly one of the two")
        if self.bitrate is not None and not 1_000 <= self.bitrate <= 1_000_000_000:
            _refuse("bitrate", self.bitrate, "1000..1000000000 bit/s")
        if self.quality is not None and not 0 <= self.quality <= 100:
            _refuse("quality", self.quality, "0..100")
        if self.preset not in PRESETS:
            _refuse("preset", self.preset, ", ".join(PRESETS))
        if not 0.1 <= self.keyframe_interval <= 30:
            _refuse("keyframe_interval", self.keyframe_interval, "0.1..30 s")
        if not 0.1 <= self.shortest_interval <= 30:
            _refuse("shortest_interval", self.shortest_interval, "0.1..30 s")
        if self.size != "auto" and not Fraction(1, 8) <= self.size <= 1:
            _refuse("size", self.size, "auto or 1/8..1")
        if self.keyframes not in ("auto", "generated", "coded"):
            _refuse("keyframes", self.keyframes, "auto, generated, coded")
        if self.prompt_share is not None and not 0.02 <= self.prompt_share <= 0.9:
            _refuse("prompt_share", self.prompt_share, "0.02..0.9")
        if self.prompt_scale_index is not None and not 0 <= self.prompt_scale_index < SCALE_COUNT:
            _refuse("prompt_scale_index", self.prompt_scale_index, f"0..{SCALE_COUNT - 1}")
        if self.refine is not None and not 0 <= self.refine <= 1000:
            _refuse("refine", self.refine, "0..1000 steps")
        if not 0 <= self.fit <= 10_000:
            _refuse("fit", self.fit, "0..10000 steps")
        if self.restoration != "auto" and self.restoration not in range(LARGEST_GAIN + 1):
            _refuse("restoration", self.restoration, f"auto, or 0..{LARGEST_GAIN}")
        if not 0 <= self.start < 1e7:
            _refuse("start", self.start, "0 s or more")
        if self.duration is not None and not 0 < self.duration < 1e7:
            _refuse("duration", self.duration, "more than 0 s")
        if self.workers is not None and not 1 <= self.workers <= 1024:
            _refuse("workers", self.workers, "1..1024")

    @property
    def effort(self) -> Preset:
        """The preset by its name."""
        return PRESETS[self.preset]

    @property
    def worker_count(self) -> int:
        """Worker processes to start."""
        return self.workers or default_threads()

    def with_(self, **changes: object) -> EncoderSettings:
        """Return a copy with some settings changed, checked again."""
        return replace(self, **changes)  # type: ignore[arg-type]


def quality_to_crf(quality: float) -> float:
    """Map quality 0..100 to x264's constant rate factor: 0 -> 51, 50 -> 30, 100 -> 9, linear."""
    return 51.0 - 0.42 * quality


def quality_to_prompt_scale_index(quality: float) -> int:
    """Map quality 0..100 to prompt_scale_index 63..0, linear: a larger index has coarser steps."""
    return min(63, max(0, round((100 - quality) * 63 / 100)))


def _refuse(name: str, value: object, allowed: str) -> None:
    raise errors.error("HYP-E-OUT-03", element=name, value=value, allowed=allowed)
