"""Stored cases of joint fitting: made of a HYP file and its source, fitted and timed on any device.

Only making one reads videos.
"""

from __future__ import annotations

import itertools
import time
from fractions import Fraction
from pathlib import Path

from refcodec import errors
from refcodec.fitting.case import CodedPictures, FitCase, Presentation
from refcodec.fitting.settings import FitSettings
from refcodec.generator.model import find_model
from refcodec.restoration import Restoration


def make_case(
    source: Path,
    coded: Path,
    number: int,
    start: float,
    every: int = 1,
    *,
    presented: bool = True,
) -> FitCase:
    """Return segment `number` of a HYP file that was made of `source` from `start` seconds on, with every
    `every`-th picture of the source, in presentation size or else in coded size.

    Raises the errors of reading either; HYP-E-CLI-03 where there is no such segment, or where it has no generated
    keyframe.
    """
    from refcodec.container import Segment, open_reader
    from refcodec.encoder.analysis import load_analyser
    from refcodec.encoder.prompts import analysis_path, latents_of
    from refcodec.encoder.resizing import CodedSize, coded_size, to_grid
    from refcodec.media import MediaSource

    reader = open_reader(coded)
    try:
        header = reader.sequence_header
        segments = [item for item in reader.items() if isinstance(item, Segment)]
    finally:
        reader.close()
    generated = [k for k, each in enumerate(segments) if each.keyframe.prompt_data]
    if number not in generated:
        raise errors.error(
            "HYP-E-CLI-03",
            element="segment",
            value=number,
            allowed=", ".join(map(str, generated))
            or "none: all keyframes of the file are coded ones",
        )
    segment = segments[number]
    keyframe = segment.keyframe
    path, model = find_model(header.generator_id, bytes(header.model_digest))
    size = CodedSize(header.coded_width, header.coded_height)
    shown = coded_size(header.presentation_width, header.presentation_height, Fraction(1))
    restoration = None
    if header.restoration_gain:
        restoration = Restoration(header.restoration_gain, bytes(header.restoration_digest))
    presented = presented and (shown != size or restoration is not None)
    q = keyframe.prompt_scale_index
    latents = latents_of(model, q, keyframe.prompt_data, size)
    before = sum(len(each.access_units) for each in segments[:number])
    count = len(segment.access_units)
    pictures = MediaSource(source, start=start, side_tracks=False).pictures()
    originals = {
        index: to_grid(item.picture, shown if presented else size)
        for index, item in enumerate(itertools.islice(pictures, before, before + count))
        if index % every == 0
    }
    rate = count / float(keyframe.segment_duration * header.tick)
    units = tuple(tuple(map(bytes, unit.nal_units)) for unit in segment.access_units)
    coded_pictures = CodedPictures(tuple(map(bytes, header.parameter_sets)), units)
    trade = load_analyser(analysis_path(path)).trade
    presentation = None
    if presented:
        sizes = (size.width, size.height), (shown.width, shown.height)
        presentation = Presentation(*sizes, restoration)
    return FitCase(model, q, trade.at(q), latents, originals, rate, coded_pictures, presentation)


def run_case(case: FitCase, settings: FitSettings) -> dict[str, float]:
    """Fit one round, as an encode does with these settings, and return costs, bits, seconds and the memory that torch
    took of a GPU."""
    import torch

    from refcodec.fitting.fit import FitState, fit
    from refcodec.fitting.presented import compared_distortion
    from refcodec.torch_devices import check_device

    check_device(settings.device, "--device")
    torch.set_num_threads(settings.threads)
    # inputs of convolutions have at most 11 bits, which TF32 holds
    torch.backends.cuda.matmul.allow_tf32 = False

    def progress(state: FitState) -> None:
        print(
            f"step {state.step:4d}: prompt {state.bits / 8:8.0f} bytes, cost {state.cost:.4f}, {state.seconds:6.1f} s",
            flush=True,
        )

    begin = time.monotonic()
    if case.coded is not None:
        settings = settings.for_interval(len(case.coded.access_units) / case.rate)
    fitted = fit(case, settings, compared_distortion(settings, case.presentation), progress)
    seconds = time.monotonic() - begin
    found = {
        "cost_before": fitted.cost_before,
        "cost_after": fitted.cost_after,
        "bits_before": fitted.bits_before,
        "bits_after": fitted.bits_after,
        "steps": fitted.steps,
        "seconds": seconds,
    }
    if settings.device.startswith("cuda"):
        found["peak_gigabytes"] = torch.cuda.max_memory_allocated() / 1e9
    return found
