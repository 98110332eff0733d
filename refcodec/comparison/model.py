"""What a comparison found."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from refcodec.comparison.measures import MEASURES
from refcodec.metrics.worst import worst_mean

Kind = Literal["hyp", "file", "peer"]


@dataclass(frozen=True)
class Source:
    """Facts of the compared part of the source; `seconds` is `pictures` / `rate`."""

    name: str
    width: int
    height: int
    rate: Fraction
    start: float
    pictures: int
    seconds: float
    sha256: str


@dataclass(frozen=True)
class Summary:
    """Mean, and mean of the worst 5 % (at least one picture), over `count` measured pictures."""

    mean: float
    worst: float
    count: int


@dataclass(frozen=True)
class CodecResult:
    """One compared video.

    `bytes`: the whole file. `side_bytes`: audio and other side tracks in it, not counted in
    `bitrate` (bit/s). `sizes`: (time in seconds, bytes) of the coded pictures. `scores`: by measure
    id, then by picture index. `rung`: coded size over source size, None where the file does not
    tell.
    """

    label: str
    kind: Kind
    description: str
    file: str
    bytes: int
    side_bytes: int
    bitrate: float
    coded_width: int
    coded_height: int
    rung: Fraction | None
    setting: str
    sizes: tuple[tuple[float, int], ...]
    scores: dict[str, dict[int, float]]

    def summary(self, measure: str) -> Summary | None:
        """Return the summary of a measure, None where it was not taken."""
        values = list(self.scores.get(measure, {}).values())
        if not values:
            return None
        worst = worst_mean(values, higher_is_better=MEASURES[measure].higher_is_better)
        return Summary(math.fsum(values) / len(values), worst, len(values))


@dataclass(frozen=True)
class Crop:
    """A window of `width` x `height` luma samples of picture `index`, at (`x`, `y`)."""

    index: int
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Comparison:
    """Result of `compare`.

    `target`: the rate that the peers were to meet, bit/s. `measures`: id -> every how many pictures
    it was taken. `notes`: plain sentences on what a reader must know (measures left out, rates
    missed). `pictures`: by label ("source" first) and picture index, RGB (height, width, 3) uint8.
    """

    source: Source
    target: float
    times: tuple[float, ...]
    results: tuple[CodecResult, ...]
    measures: dict[str, int]
    notes: tuple[str, ...]
    crops: tuple[Crop, ...]
    pictures: dict[str, dict[int, NDArray[np.uint8]]] = field(repr=False)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write one row a picture and codec. The file appears whole or not at all."""
        from refcodec.comparison.tables import pictures_csv, write_whole

        write_whole(Path(path), pictures_csv(self).encode())

    def to_summary_csv(self, path: str | os.PathLike[str]) -> None:
        """Write one row a codec: rate, settings, mean and worst 5 % of each measure."""
        from refcodec.comparison.tables import summary_csv, write_whole

        write_whole(Path(path), summary_csv(self).encode())

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write the report: one HTML file that needs nothing else."""
        from refcodec.comparison.report import render
        from refcodec.comparison.tables import write_whole

        write_whole(Path(path), render(self).encode())

    def to_dict(self) -> dict[str, object]:
        """Return the summaries as plain values, for JSON."""
        from refcodec.comparison.tables import as_dict

        return as_dict(self)
