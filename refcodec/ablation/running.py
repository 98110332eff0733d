"""Encodes variants of each clip, compares them with the peers, and keeps both for the next run."""

from __future__ import annotations

import hashlib
import json
import pickle
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import av

from refcodec.ablation.variants import VARIANTS, Variant
from refcodec.comparison import Comparison, compare
from refcodec.comparison.encoding import default_cache
from refcodec.comparison.progress import Progress, Share, silent
from refcodec.comparison.video import file_digest
from refcodec.container import Segment, open_reader
from refcodec.container.atomic import output_file
from refcodec.encoder import encode
from refcodec.encoder.prompts import prompter
from refcodec.encoder.sequence_encoder import WRITER_NAME
from refcodec.encoder.settings import EncoderSettings
from refcodec.metrics.lpips_weights import find_judges

METRICS = ("psnr_y", "lpips_alex", "lpips_squeeze", "temporal")
_ENCODE, _COMPARE = 10.0, 10.0
"""Typical time of an encode with fitting and of a comparison."""

Kept = TypeVar("Kept")


@dataclass(frozen=True)
class Ablation:
    """What is run on each clip. bitrate in bit/s; duration in seconds from the beginning; steps: of each round of a
    fit; every: LPIPS on every n-th picture, or None for the measures' own strides; size: coded size, or "auto"."""

    bitrate: int
    duration: float
    steps: int
    settings: EncoderSettings
    peers: tuple[str, ...] = ("x264", "x265", "vp9", "svtav1")
    every: int | None = None
    lpips: Path | None = None


@dataclass(frozen=True)
class VariantFacts:
    """How a variant was made: its file, seconds of the encode, prompt bits a second, prompt_scale_index (None without
    generated keyframes), notes of the encoder."""

    label: str
    path: Path
    seconds: float
    keyframe_rate: float
    prompt_scale_index: int | None
    coded_size: tuple[int, int]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class ClipResult:
    """All that is known of one clip."""

    clip: str
    comparison: Comparison
    variants: tuple[VariantFacts, ...]


def run_ablation(
    clips: Sequence[Path],
    ablation: Ablation,
    *,
    variants: Sequence[Variant] = VARIANTS,
    cache: Path | None = None,
    progress: Progress = silent,
    done: Callable[[ClipResult], None] | None = None,
) -> list[ClipResult]:
    """Run the experiment; what `cache` has is taken from there. `done` is told of each clip."""
    folder = cache or default_cache().parent / "ablation"
    results = []
    length = len(variants) * _ENCODE + _COMPARE
    for number, clip in enumerate(clips):
        begin, total = number * length, len(clips) * length

        def part(offset: float, work: float, begin: float = begin, total: float = total) -> Share:
            return Share(progress, begin + offset, work, total)

        facts: list[VariantFacts] = []
        for place, variant in enumerate(variants):
            shown = _named(part(place * _ENCODE, _ENCODE), f"{clip.stem}, {variant.label}")
            facts.append(_encoded(clip, ablation, variant, facts, folder, shown))
        shown = _named(part(len(variants) * _ENCODE, _COMPARE), clip.stem)
        result = ClipResult(
            clip.stem, _compared(clip, ablation, facts, folder, shown), tuple(facts)
        )
        results.append(result)
        if done is not None:
            done(result)
    return results


def _named(progress: Progress, name: str) -> Progress:
    def named(done: float, total: float | None = None, stage: str = "") -> None:
        progress(done, total, f"{name}: {stage}")

    return named


def _encoded(
    clip: Path,
    ablation: Ablation,
    variant: Variant,
    before: Sequence[VariantFacts],
    folder: Path,
    progress: Progress,
) -> VariantFacts:
    """Return a variant of a clip. The first one chooses the coded size, where keyframes stand, prompt_scale_index and
    the part of the rate for prompts; the others take what they do not change themselves."""
    settings = variant.change(
        replace(
            ablation.settings,
            bitrate=ablation.bitrate,
            duration=ablation.duration,
            side_tracks=False,
        ),
        ablation.steps,
    )
    if settings.fit and not settings.fit_settings.lpips:
        lpips = find_judges(ablation.lpips)
        settings = settings.with_(fit_settings=replace(settings.fit_settings, lpips=lpips))
    if before and settings.size == "auto":
        settings = settings.with_(size=_rung(before[0].path))
    # What a variant changes itself is its own, and other numbers of keyframes want another part of the rate.
    if before and _intervals(settings) == _intervals(ablation.settings):
        if settings.prompt_share is None:
            share = _prompt_share(before[0], ablation.bitrate)
            settings = settings.with_(
                prompt_share=share, prompt_scale_index=before[0].prompt_scale_index
            )
        interval = _longest_segment(before[0].path)
        settings = settings.with_(keyframe_interval=interval, shortest_interval=interval)
    place = folder / _key(clip, settings, prompter(settings.model).model.digest)
    path, report = place / f"{variant.label}.hyp", place / "report.json"
    if not report.is_file():
        place.mkdir(parents=True, exist_ok=True)
        begin = time.monotonic()
        found = encode(clip, path, settings, progress)
        facts = {
            "seconds": time.monotonic() - begin,
            "keyframe_rate": found.keyframe_rate,
            "prompt_scale_index": found.prompt_scale_index,
            "coded_size": [found.coded_width, found.coded_height],
            "rung": str(found.rung),
            "notes": list(found.notes),
        }
        _write(report, json.dumps(facts, indent=1).encode())
    facts = json.loads(report.read_text())
    width, height = facts["coded_size"]
    return VariantFacts(
        variant.label,
        path,
        facts["seconds"],
        facts["keyframe_rate"],
        facts["prompt_scale_index"],
        (width, height),
        tuple(facts["notes"]),
    )


def _intervals(settings: EncoderSettings) -> tuple[float, float]:
    return settings.shortest_interval, settings.keyframe_interval


def _rung(path: Path) -> Fraction:
    facts = json.loads((path.parent / "report.json").read_text())
    return Fraction(facts["rung"])


def _longest_segment(path: Path) -> float:
    """Return the length of the longest segment of a file in seconds: the interval that divides shots as its own did."""
    with open_reader(path) as reader:
        segments = (item for item in reader.items() if isinstance(item, Segment))
        ticks = max(segment.keyframe.segment_duration for segment in segments)
        return max(float(ticks * reader.sequence_header.tick), 0.1)


def _prompt_share(facts: VariantFacts, bitrate: int) -> float:
    """Return the part of the rate that prompts had, and a little more: fits make them larger."""
    share = 1.02 * facts.keyframe_rate / bitrate
    return min(max(round(share, 4), 0.02), 0.9)


def _compared(
    clip: Path, ablation: Ablation, facts: Sequence[VariantFacts], folder: Path, progress: Progress
) -> Comparison:
    about = {
        "files": [file_digest(each.path) for each in facts],
        "labels": [each.label for each in facts],
        "peers": ablation.peers,
        "every": ablation.every,
        "bitrate": ablation.bitrate,
        "duration": ablation.duration,
        "source": file_digest(clip),
        "libraries": av.library_versions,
    }
    path = folder / f"{_digest(about)}.comparison"
    if path.is_file():
        # Written by the lines below, in the user's own cache.
        with path.open("rb") as file:
            known: Comparison = pickle.load(file)
        return known
    found = compare(
        clip,
        [each.path for each in facts],
        peers=ablation.peers,
        bitrate=ablation.bitrate,
        metrics=METRICS,
        every=ablation.every,
        duration=ablation.duration,
        lpips_path=ablation.lpips,
        progress=progress,
    )
    _write(path, pickle.dumps(found))
    return found


def _key(clip: Path, settings: EncoderSettings, model: bytes) -> str:
    about: dict[str, Any] = asdict(settings)
    for name in ("workers", "workspace", "model"):
        del about[name]
    if settings.fit:
        lpips = settings.fit_settings.lpips
        about["fit_settings"]["lpips"] = [file_digest(file) for file in lpips]
    else:
        del about["fit_settings"]  # nothing is fitted by them
    about |= {"source": file_digest(clip), "model": model.hex(), "x264": av.library_versions}
    # What a preset means changes while the encoder is worked on.
    about |= {"effort": asdict(settings.effort), "writer": WRITER_NAME}
    return f"{clip.stem}-{_digest(about)}"


def _digest(about: dict[str, Any]) -> str:
    text = json.dumps(about, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _write(path: Path, data: bytes) -> None:
    with output_file(path) as file:
        file.write(data)
