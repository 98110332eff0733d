"""The videos that take part in a comparison: the user's files and the peers' encodes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from refcodec.comparison.codecs import PEERS
from refcodec.comparison.facts import CodedFacts, media_facts
from refcodec.comparison.measuring import Scores
from refcodec.comparison.model import CodecResult, Kind
from refcodec.comparison.rungs import PeerEncode
from refcodec.comparison.video import Clip, HypFile, Video, VideoFile, is_hyp
from refcodec.generator import GeneratorModel


class Entry:
    """A video that takes part, before it is measured."""

    def __init__(
        self,
        label: str,
        kind: Kind,
        path: Path,
        video: Video,
        coded: CodedFacts,
        clip: Clip,
        description: str,
        setting: str,
    ) -> None:
        self.label, self.kind, self.path, self.video = label, kind, path, video
        self.coded, self.description, self.setting = coded, description, setting
        self.by_index = kind == "peer"
        seconds = coded.pictures / float(clip.rate)
        counted = coded.bytes - coded.side_bytes
        self.bitrate = counted * 8 / seconds if seconds else 0.0
        self.rung = Fraction(coded.height, clip.height) if clip.height else None

    def result(self, scores: Scores) -> CodecResult:
        """Return the measured video."""
        return CodecResult(
            label=self.label,
            kind=self.kind,
            description=self.description,
            file=self.path.name,
            bytes=self.coded.bytes,
            side_bytes=self.coded.side_bytes,
            bitrate=self.bitrate,
            coded_width=self.coded.width,
            coded_height=self.coded.height,
            rung=self.rung,
            setting=self.setting,
            sizes=self.coded.sizes,
            scores=scores,
        )


def candidate_entry(
    path: Path, coded: CodedFacts, label: str, clip: Clip, model: GeneratorModel | None
) -> Entry:
    """Return the entry of a file that the user gave."""
    video: Video
    if is_hyp(path):
        video = HypFile(path, clip.width, clip.height, coded.full_range, model)
        kind: Kind = "hyp"
    else:
        video = VideoFile(path, clip.width, clip.height)
        kind = "file"
    return Entry(label, kind, path, video, coded, clip, coded.description, coded.setting)


def peer_entry(found: PeerEncode, clip: Clip, score_name: str) -> Entry:
    """Return the entry of a peer's encode."""
    coded = media_facts(found.path)
    tried = ", ".join(
        f"{rung}: {score:.4f}" for rung, score in sorted(found.tried.items(), reverse=True)
    )
    setting = f"crf {found.quality:g}; {score_name} by size: {tried}"
    video = VideoFile(found.path, clip.width, clip.height)
    entry = Entry(
        found.codec.label, "peer", found.path, video, coded, clip, found.codec.full_label, setting
    )
    entry.rung = found.rung
    entry.bitrate = found.bitrate
    return entry


def candidate_labels(paths: Sequence[Path]) -> list[str]:
    """Return a label for each file: "HYP" for a single HYP file, else the file's name; unique."""
    hyp = [path for path in paths if is_hyp(path)]
    plain = ["HYP" if path in hyp and len(hyp) == 1 else path.stem for path in paths]
    labels: list[str] = []
    for name in plain:
        names = itertools.chain([name], (f"{name} ({n})" for n in itertools.count(2)))
        taken = {*labels, "source", *(codec.label for codec in PEERS.values())}
        labels.append(next(label for label in names if label not in taken))
    return labels
