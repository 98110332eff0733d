"""How much of the detail that a network finds decoders are to add to pictures: by decodes of some segments."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from refcodec.decoder import decode
from refcodec.encoder.assembly import FilePlan, write_file
from refcodec.encoder.perceptual_measure import Seen, distance, seen
from refcodec.encoder.picture_store import StoredPictures
from refcodec.encoder.resizing import cropped
from refcodec.encoder.restoration_networks import network_for
from refcodec.encoder.segment_job import CodedSegment
from refcodec.generator import load_model
from refcodec.picture import Picture
from refcodec.restoration import each_gain

SCORED_PICTURES = 8
SMALLEST_RESTORED = 16_000
"""Bytes of a file of which a digest is no part worth mentioning; it comes after the search for the rate."""
_COUNTED = (1.0, 1.02, 1.05, 1.1)
_COUNTED_SMALL = (1.0, 1.02, 1.09, 1.15)
"""Times the distance that counts, by restoration_gain, the second for sizes up to _SMALL: the measure likes more of it
than LPIPS does, of small sizes above all (docs/decisions/0024)."""
_SMALL = Fraction(1, 2)


@dataclass(frozen=True, slots=True)
class RestorationJob:
    """data: a file of one segment; pictures: those of the source for it, of presentation size width x height; rung:
    the part of it that is coded; model: the generator's file (None: the installed one that the file names)."""

    data: bytes
    pictures: StoredPictures
    width: int
    height: int
    rung: Fraction
    model: Path | None


def segment_file(plan: FilePlan, number: int, segment: CodedSegment) -> bytes:
    """Return a file that has nothing but segment `number` of a plan."""
    alone = replace(plan, starts=plan.starts[number : number + 2], side_tracks=(), metadata=())
    file = io.BytesIO()
    write_file(file, alone, [segment], lambda _: iter(()))
    return file.getvalue()


def restored_distances(source: Seen, picture: Picture, rung: Fraction) -> list[float]:
    """Return the distance that counts of a presented picture to `source` for each restoration_gain from 0 on."""
    counted = _COUNTED_SMALL if rung <= _SMALL else _COUNTED
    variants = each_gain(network_for(rung), picture)
    return [
        times * distance(source, seen(variant))
        for times, variant in zip(counted, variants, strict=True)
    ]


def run_restoration_job(job: RestorationJob) -> list[float]:
    """Return the mean distance that counts of some pictures to the source for each restoration_gain from 0 on."""
    count = job.pictures.count
    step = max(1, count // SCORED_PICTURES)
    wanted = range(step // 2, count, step)
    model = None if job.model is None else load_model(job.model)
    found = []
    with decode(job.data, backend="libav", threads=1, model=model) as pictures:
        for number, decoded in enumerate(pictures):
            if number not in wanted:
                continue
            source = seen(cropped(job.pictures.picture(number), job.width, job.height))
            found.append(restored_distances(source, decoded.picture, job.rung))
    return [sum(each) / len(wanted) for each in zip(*found, strict=True)]


def best_gain(distances: Sequence[Sequence[float]]) -> int:
    """Return the restoration_gain that suits all segments, of which the distances for each gain are given."""
    means = [sum(column) / len(distances) for column in zip(*distances, strict=True)]
    return min(range(len(means)), key=lambda gain: means[gain])
