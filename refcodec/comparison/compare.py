"""The comparison: candidates and peers at the same total rate, measured against the source."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from refcodec import errors
from refcodec.comparison.codecs import PEERS, check_peers
from refcodec.comparison.crops import CropFinder
from refcodec.comparison.encoding import default_cache
from refcodec.comparison.entries import Entry, candidate_entry, candidate_labels, peer_entry
from refcodec.comparison.facts import hyp_facts, media_facts
from refcodec.comparison.measures import LPIPS_NETS, MEASURES
from refcodec.comparison.measuring import measure, side_by_side
from refcodec.comparison.model import Comparison, Crop, Source
from refcodec.comparison.progress import Progress, Share, silent
from refcodec.comparison.rungs import RUNGS, QuickScore, best_encode
from refcodec.comparison.video import (
    Clip,
    Video,
    file_digest,
    is_hyp,
)
from refcodec.generator import GeneratorModel
from refcodec.media import MediaSource
from refcodec.metrics.colour import planes_to_rgb, to_8bit
from refcodec.metrics.lpips import Lpips, lpips
from refcodec.metrics.lpips_layers import MINIMUM_SIZE
from refcodec.metrics.lpips_weights import ABSENT
from refcodec.nominal_rate import DEFAULT_RATE
from refcodec.picture import Picture

RATE_TOLERANCE = 0.02
SHOWN_INSTANTS = 3

_WORK_READ, _WORK_PEER, _WORK_MEASURE = 1.0, 12.0, 4.0
"""Typical time of the parts of a comparison, in units of reading the source."""


def compare(
    source: str | os.PathLike[str],
    candidates: Sequence[str | os.PathLike[str]] = (),
    *,
    peers: Sequence[str] = ("x264", "x265", "vp9", "svtav1"),
    bitrate: float | None = None,
    metrics: Iterable[str] | None = None,
    every: int | None = None,
    rungs: Sequence[Fraction] = RUNGS,
    start: float = 0.0,
    duration: float | None = None,
    lpips_path: str | os.PathLike[str] | None = None,
    cache: str | os.PathLike[str] | None = None,
    instants: int = SHOWN_INSTANTS,
    model: GeneratorModel | None = None,
    progress: Progress = silent,
) -> Comparison:
    """Compare HYP files, other video files and peers at one total rate with their source.

    `candidates`: files made from `source` between `start` and `start + duration` (seconds).
    `peers`: ids of `codecs.PEERS`, encoded now (or taken from `cache`) at `bitrate` bit/s, every
    byte of the file counted; by default the rate of the first candidate, side tracks not counted.
    `metrics`: ids of `measures.MEASURES`; by default all that can be taken. `every`: take the
    measures that are not taken on all pictures on every n-th (1: all), best an odd number; by
    default each has its stride. `rungs`: sizes that peers may choose. `instants`: how many the report shows. `model`:
    the generator of HYP files, by default the installed one that the file names. `progress(done,
    total, stage)` is called often.

    Raises typed errors: HYP-E-CLI-01 for a file that is not there, HYP-E-CLI-03 for an option,
    HYP-E-IN-* for a source that cannot be read, and those of the decoder for damaged HYP files.
    """
    metrics = None if metrics is None else tuple(metrics)
    _check(peers, metrics, every, rungs, bitrate, duration)
    source_path = _existing(source)
    paths = [_existing(candidate) for candidate in candidates]
    facts = [hyp_facts(path) if is_hyp(path) else media_facts(path) for path in paths]
    limit = min((coded.pictures for coded in facts), default=None)
    clip = _clip(source_path, start, duration, limit)
    progress(0, None, "reading the source")
    nets, notes = _nets(metrics, lpips_path, clip)
    strides = _strides(metrics, every, nets, clip)
    sampled = [MEASURES[name].label for name, stride in strides.items() if stride > 1]
    if every is not None and every % 2 == 0 and sampled:
        notes.append(
            f"{' and '.join(sampled)} on every {every} pictures: an even stride meets more of those that codecs give "
            "more bits to than of the others. An odd one tells more (docs/decisions/0009)."
        )

    labels = candidate_labels(paths)
    results: list[Entry] = []
    for path, coded, label in zip(paths, facts, labels, strict=True):
        results.append(candidate_entry(path, coded, label, clip, model))
    target = bitrate
    if target is None:
        preferred = [entry for entry in results if entry.kind == "hyp"] or results
        target = preferred[0].bitrate if preferred else None
    if peers and target is None:
        raise errors.error(
            "HYP-E-CLI-03",
            element="bitrate",
            detail="Without a file to compare, the rate of the peers must be given.",
        )
    units = _WORK_READ + len(peers) * _WORK_PEER + (len(peers) + len(paths) + 1) * _WORK_MEASURE
    quick = QuickScore(clip, nets.get("lpips_alex"))
    folder = Path(cache) if cache is not None else default_cache()
    for number, peer in enumerate(peers):
        codec = PEERS[peer]
        if not codec.available:
            lacking = f"the installed libavcodec has no {codec.encoder}."
            notes.append(f"{codec.label} was left out: {lacking}")
            continue
        assert target is not None
        share = Share(progress, _WORK_READ + number * _WORK_PEER, _WORK_PEER, units)
        found = best_encode(clip, codec, target, rungs, quick, quick.name, folder, progress=share)
        results.append(peer_entry(found, clip, quick.name))
        deviation = found.bitrate / target - 1
        if abs(deviation) > RATE_TOLERANCE:
            notes.append(
                f"{codec.label} is at {found.bitrate / 1000:.1f} kbit/s, {100 * deviation:+.1f} % "
                "from the target: none of its settings at that size comes nearer."
            )
    if not results:
        raise errors.error(
            "HYP-E-CLI-03", element="candidates", detail="There is nothing to compare."
        )

    finder = CropFinder(clip.width, clip.height)
    videos = [(entry.video, entry.by_index) for entry in results]
    begin = _WORK_READ + len(peers) * _WORK_PEER
    times, scores = measure(
        clip,
        videos,
        strides,
        nets,
        observer=finder,
        observe_every=_observed(strides, clip.count),
        progress=Share(progress, begin, units - begin, units),
    )
    if not times:
        raise errors.error("HYP-E-IN-05", source=str(source_path))
    if len(times) < clip.count:
        notes.append(f"Only the first {len(times)} of {clip.count} pictures are in all files.")
    crops = finder.best(instants)
    pictures = _pictures(clip, videos, [entry.label for entry in results], crops)
    return Comparison(
        source=Source(
            clip.name, clip.width, clip.height, clip.rate, clip.start, len(times),
            float(len(times) / clip.rate), clip.digest,
        ),
        target=target if target is not None else results[0].bitrate,
        times=tuple(times),
        results=tuple(entry.result(score) for entry, score in zip(results, scores, strict=True)),
        measures=strides,
        notes=tuple(notes),
        crops=crops,
        pictures=pictures,
    )  # fmt: skip


def _observed(strides: Mapping[str, int], count: int) -> int:
    """Return every how many pictures windows are looked for: where LPIPS is, 48 times at most."""
    base = strides.get("lpips_alex", strides.get("ms_ssim", 1))
    return base * max(1, -(-count // (48 * base)))


def _clip(path: Path, start: float, duration: float | None, limit: int | None) -> Clip:
    source = MediaSource(path, start=start, side_tracks=False)
    rate = source.description.nominal_rate or DEFAULT_RATE
    wanted = None if duration is None else max(1, round(Fraction(duration) * rate))
    bounds = [bound for bound in (wanted, limit) if bound is not None]
    most = min(bounds) if bounds else None
    number = sum(1 for _ in source.pictures(most))
    size = source.description.width, source.description.height
    return Clip(path, start, number, *size, rate, file_digest(path))


def _nets(
    metrics: Iterable[str] | None, path: str | os.PathLike[str] | None, clip: Clip
) -> tuple[dict[str, Lpips], list[str]]:
    wanted = [name for name in LPIPS_NETS if metrics is None or name in set(metrics)]
    if not wanted:
        return {}, []
    if min(clip.width, clip.height) < MINIMUM_SIZE:
        return {}, [
            f"LPIPS needs pictures of at least {MINIMUM_SIZE}x{MINIMUM_SIZE}; not measured."
        ]
    nets: dict[str, Lpips] = {}
    for name in wanted:
        net = lpips("alex" if name == "lpips_alex" else "squeeze", path)
        if net is not None:
            nets[name] = net
    if len(nets) == len(wanted):
        return nets, []
    missing = " and ".join(MEASURES[name].label for name in wanted if name not in nets)
    return nets, [ABSENT if not nets else f"{missing} was not measured: its weights are absent."]


def _strides(
    metrics: Iterable[str] | None,
    every: int | None,
    nets: Mapping[str, Lpips],
    clip: Clip,
) -> dict[str, int]:
    chosen = set(MEASURES if metrics is None else metrics)
    strides: dict[str, int] = {}
    for name, definition in MEASURES.items():
        if name not in chosen or (name in LPIPS_NETS and name not in nets):
            continue
        stride = definition.stride if every is None or definition.stride == 1 else every
        strides[name] = max(1, min(stride, clip.count))
    return strides


def _pictures(
    clip: Clip,
    videos: Sequence[tuple[Video, bool]],
    labels: Sequence[str],
    crops: Sequence[Crop],
) -> dict[str, dict[int, NDArray[np.uint8]]]:
    wanted = {crop.index for crop in crops}
    shown: dict[str, dict[int, NDArray[np.uint8]]] = {label: {} for label in ("source", *labels)}
    if not wanted:
        return shown
    for index, source, decoded in side_by_side(clip, videos):
        if index in wanted:
            every = [source.picture, *decoded]
            for label, picture in zip(shown, every, strict=True):
                shown[label][index] = _rgb(picture)
        if index >= max(wanted):
            break
    return shown


def _rgb(picture: Picture) -> NDArray[np.uint8]:
    return to_8bit(planes_to_rgb(picture))


def _existing(path: str | os.PathLike[str]) -> Path:
    path = Path(path)
    if not path.is_file():
        raise errors.error("HYP-E-CLI-01", source=str(path), detail="There is no such file.")
    return path


def _check(
    peers: Sequence[str],
    metrics: Iterable[str] | None,
    every: int | None,
    rungs: Sequence[Fraction],
    bitrate: float | None,
    duration: float | None,
) -> None:
    def refuse(element: str, value: object, allowed: str) -> None:
        raise errors.error("HYP-E-CLI-03", element=element, value=value, allowed=allowed)

    check_peers(peers)
    for name in metrics or ():
        if name not in MEASURES:
            refuse("metrics", name, ", ".join(MEASURES))
    if every is not None and every < 1:
        refuse("every", every, "1 or more")
    if not rungs or any(not 0 < rung <= 1 for rung in rungs):
        refuse("rungs", ", ".join(map(str, rungs)), "above 0, at most 1")
    if bitrate is not None and bitrate <= 0:
        refuse("bitrate", bitrate, "above 0")
    if duration is not None and duration <= 0:
        refuse("duration", duration, "above 0")
