"""What all parts of one encode share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from refcodec.encoder.jobs import WorkerPool
from refcodec.encoder.progress import ProgressMeter
from refcodec.encoder.prompts import Refinement
from refcodec.encoder.settings import EncoderSettings
from refcodec.encoder.survey import Survey
from refcodec.fitting.settings import FitSettings
from refcodec.media import MediaSource


@dataclass(frozen=True, slots=True)
class EncodeContext:
    """use_generator: whether keyframes may be generated; refinement: of the final prompts, or None; fit: how
    prompts are fitted to their intervals, or None; folder: for intermediate files."""

    source: MediaSource
    settings: EncoderSettings
    survey: Survey
    use_generator: bool
    refinement: Refinement | None
    fit: FitSettings | None
    pool: WorkerPool
    meter: ProgressMeter
    folder: Path
