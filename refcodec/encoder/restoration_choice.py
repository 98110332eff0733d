"""How much of the detail that a network finds decoders are to add to pictures: by decodes of some segments."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from refcodec.decoder import decode
from refcodec.encoder.assembly import FilePlan, write_file
from refcodec.encoder.perceptual_measure import seen
from refcodec.encoder.picture_store import StoredPictures
from refcodec.encoder.resizing import cropped
from refcodec.encoder.restored_measure import restored_distances
from refcodec.encoder.segment_job import CodedSegment
from refcodec.generator import load_model
from refcodec.restoration import LARGEST_GAIN

SCORED_PICTURES = 8


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


def run_restoration_job(job: RestorationJob) -> list[float]:
    """Return the mean distance of some pictures to the source for each restoration_gain from 0 on."""
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
            gains = range(LARGEST_GAIN + 1)
            found.append(restored_distances(source, decoded.picture, job.rung, gains))
    return [sum(each) / len(wanted) for each in zip(*found, strict=True)]


def best_gain(distances: Sequence[Sequence[float]]) -> int:
    """Return the restoration_gain that suits all segments, of which the distances for each gain are given."""
    means = [sum(column) / len(distances) for column in zip(*distances, strict=True)]
    return min(range(len(means)), key=lambda gain: means[gain])
