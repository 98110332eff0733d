"""A peer at its best rung: the size at which it scores best when it meets the rate."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from refcodec.comparison.codecs import PeerCodec
from refcodec.comparison.encoding import encode, rung_size
from refcodec.comparison.measuring import side_by_side
from refcodec.comparison.progress import Progress, silent
from refcodec.comparison.search import closest, meet_rate
from refcodec.comparison.video import Clip, VideoFile
from refcodec.metrics.colour import planes_to_rgb
from refcodec.metrics.lpips import Lpips
from refcodec.metrics.ms_ssim import ms_ssim

RUNGS = (Fraction(1), Fraction(2, 3), Fraction(1, 2), Fraction(1, 3))
START = Fraction(1, 2)

TOLERANCE = 0.02
COARSE_TOLERANCE = 0.04
"""How near the rate must be (a share) in the final encode, and while rungs are compared."""

TOO_MUCH = 1.15
"""A rung whose smallest rate is above this multiple of the target is out."""

SCORED_PICTURES = 4


@dataclass(frozen=True)
class PeerEncode:
    """The final encode of a peer. `tried`: score (lower is better) by rung that was looked at."""

    codec: PeerCodec
    path: Path
    quality: float
    rung: Fraction
    bitrate: float
    tried: dict[Fraction, float]


@dataclass
class QuickScore:
    """Score of a video on a few pictures spread over the clip; lower is better.

    LPIPS where `net` is given, else 1 - MS-SSIM. The source's features are computed once.
    """

    clip: Clip
    net: Lpips | None
    _features: dict[int, list[Any]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the measure."""
        return "MS-SSIM" if self.net is None else f"LPIPS ({self.net.net})"

    def indices(self) -> set[int]:
        """Return the indices of the scored pictures: the middles of equal parts of the clip."""
        parts = min(SCORED_PICTURES, self.clip.count)
        return {(2 * part + 1) * self.clip.count // (2 * parts) for part in range(parts)}

    def __call__(self, path: Path) -> float:
        video = VideoFile(path, self.clip.width, self.clip.height)
        wanted = self.indices()
        values = []
        for index, source, (decoded,) in side_by_side(self.clip, [(video, True)]):
            if index not in wanted:
                continue
            if self.net is None:
                values.append(1 - ms_ssim(source.picture, decoded))
                continue
            if index not in self._features:
                self._features[index] = self.net.features(planes_to_rgb(source.picture))
            found = self.net.features(planes_to_rgb(decoded))
            values.append(self.net.between(self._features[index], found))
        return math.fsum(values) / len(values) if values else math.inf


def best_encode(
    clip: Clip,
    codec: PeerCodec,
    target: float,
    rungs: Sequence[Fraction],
    score: Callable[[Path], float],
    score_name: str,
    cache: Path,
    *,
    progress: Progress = silent,
) -> PeerEncode:
    """Return `clip` coded by `codec` at `target` bit/s (every byte of the file) at its best rung.

    Rungs are climbed from 1/2 (else the middle one) towards better scores until both neighbours are
    worse. The decision is kept in `cache`.
    """
    ladder = sorted(set(rungs), reverse=True)
    memory = cache / _decision_name(clip, codec, target, ladder, score_name)
    climb = _Climb(clip, codec, target, score, cache, progress)
    if memory.is_file():
        known = json.loads(memory.read_text())
        tried = {Fraction(rung): value for rung, value in known["tried"].items()}
        rung, first = Fraction(known["rung"]), float(known["quality"])
    else:
        rung = climb.climb(ladder)
        tried = {r: s for r, (s, _) in climb.found.items()}
        first = climb.found[rung][1]
    rates = climb.search(rung, first, TOLERANCE)
    quality = closest(rates, target)
    path = encode(clip, codec, quality, rung, cache)
    _remember(memory, rung, quality, tried)
    return PeerEncode(codec, path, quality, rung, rates[quality], tried)


class _Climb:
    def __init__(
        self,
        clip: Clip,
        codec: PeerCodec,
        target: float,
        score: Callable[[Path], float],
        cache: Path,
        progress: Progress,
    ) -> None:
        self.clip, self.codec, self.target = clip, codec, target
        self.score, self.cache, self.progress = score, cache, progress
        self.found: dict[Fraction, tuple[float, float]] = {}

    def climb(self, ladder: Sequence[Fraction]) -> Fraction:
        position = ladder.index(START) if START in ladder else len(ladder) // 2
        while True:
            around = range(max(0, position - 1), min(len(ladder), position + 2))
            # A smaller rung is cheaper, so it is looked at before a larger one.
            for index in sorted(around, key=lambda i: (i != position, -i)):
                self._look_at(ladder[index])
            best = min(around, key=lambda i: self.found[ladder[i]][0])
            if best == position:
                return ladder[position]
            position = best

    def search(self, rung: Fraction, first: float, tolerance: float) -> dict[float, float]:
        def rate_of(quality: float) -> float:
            stage = f"{self.codec.label} at {rung} of the size, setting {quality:g}"
            self.progress(0, None, stage)
            path = encode(self.clip, self.codec, quality, rung, self.cache)
            return path.stat().st_size * 8 / float(self.clip.seconds)

        return meet_rate(self.codec, rate_of, self.target, first=first, tolerance=tolerance)

    def _look_at(self, rung: Fraction) -> None:
        if rung in self.found:
            return
        width, height = rung_size(self.clip, rung)
        samples = width * height
        if self.found:
            near = min(self.found, key=lambda r: abs(math.log(r / rung)))
            ratio = samples / math.prod(rung_size(self.clip, near))
            # At one setting the rate grows somewhat slower than the number of samples.
            first = self.found[near][1] + 0.75 * math.log(ratio) / self.codec.slope
        else:
            first = self.codec.guess(self.target / float(samples * self.clip.rate))
        rates = self.search(rung, first, COARSE_TOLERANCE)
        quality = closest(rates, self.target)
        if rates[quality] > TOO_MUCH * self.target:
            self.found[rung] = (math.inf, quality)
            return
        path = encode(self.clip, self.codec, quality, rung, self.cache)
        self.progress(0, None, f"{self.codec.label} at {rung} of the size, scoring")
        self.found[rung] = (self.score(path), quality)


def _decision_name(
    clip: Clip, codec: PeerCodec, target: float, ladder: Sequence[Fraction], score_name: str
) -> str:
    part = [clip.digest, clip.start, clip.count]
    facts = [*part, codec.id, round(target), [str(rung) for rung in ladder], score_name]
    return f"rung-{codec.id}-{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:24]}.json"


def _remember(memory: Path, rung: Fraction, quality: float, tried: dict[Fraction, float]) -> None:
    facts = {
        "rung": str(rung),
        "quality": quality,
        "tried": {str(r): s for r, s in tried.items()},
    }
    temporary = memory.with_suffix(".part")
    temporary.write_text(json.dumps(facts))
    os.replace(temporary, memory)
