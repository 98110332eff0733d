"""Stored cases of joint fitting: made of a HYP file and its source, fitted and timed on any device.

    python -m trainer.fit_case make SOURCE FILE.hyp CASE.npz
    python -m trainer.fit_case run CASE.npz --device cuda --lpips WEIGHTS

`run` needs numpy, numba and torch; only `make` reads videos.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from refcodec.fitting.case import CodedPictures, FitCase, load_case
from refcodec.fitting.settings import FitSettings
from refcodec.generator import bundled, load_model
from refcodec.generator.model import find_model


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

    Raises the errors of reading either; ValueError when the segment has no generated keyframe.
    """
    from refcodec.container import Segment, open_reader
    from refcodec.encoder.analysis import load_analyser
    from refcodec.encoder.media_source import MediaSource
    from refcodec.encoder.prompts import analysis_path, latents_of
    from refcodec.encoder.resizing import CodedSize, coded_size, to_grid

    reader = open_reader(coded)
    try:
        header = reader.sequence_header
        segments = [item for item in reader.items() if isinstance(item, Segment)]
    finally:
        reader.close()
    segment = segments[number]
    keyframe = segment.keyframe
    if not keyframe.prompt_data:
        raise ValueError(f"segment {number} has a coded keyframe")
    path, model = find_model(header.generator_id, bytes(header.model_digest))
    size = CodedSize(header.coded_width, header.coded_height)
    shown = coded_size(header.presentation_width, header.presentation_height, Fraction(1))
    presented = presented and shown != size
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
    sizes = ((size.width, size.height), (shown.width, shown.height)) if presented else None
    return FitCase(model, q, trade.at(q), latents, originals, rate, coded_pictures, sizes)


def run_case(case: FitCase, settings: FitSettings) -> dict[str, float]:
    """Fit one round, as an encode does with these settings, and return costs, bits, seconds and the memory that torch
    took."""
    import torch

    from refcodec.fitting.fit import FitState, fit
    from refcodec.fitting.presented import compared_distortion
    from refcodec.torch_devices import check_device

    check_device(settings.device, "--device")
    torch.set_num_threads(settings.threads)
    cuda = settings.device.startswith("cuda")
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
    fitted = fit(case, settings, compared_distortion(settings, case.sizes), progress)
    seconds = time.monotonic() - begin
    return {
        "cost_before": fitted.cost_before,
        "cost_after": fitted.cost_after,
        "bits_before": fitted.bits_before,
        "bits_after": fitted.bits_after,
        "steps": fitted.steps,
        "seconds": seconds,
        "peak_gigabytes": torch.cuda.max_memory_allocated() / 1e9 if cuda else float("nan"),
    }


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True, dest="command")
    make = commands.add_parser("make", help="store a segment of a HYP file as a case")
    make.add_argument("source", type=Path)
    make.add_argument("coded", type=Path)
    make.add_argument("case", type=Path)
    make.add_argument("--segment", type=int, default=0)
    make.add_argument("--start", type=float, default=0.0)
    make.add_argument(
        "--every", type=int, default=1, help="keep every n-th picture, which can be targets"
    )
    make.add_argument(
        "--coded-size",
        action="store_true",
        help="pictures in coded size, not as they are presented",
    )
    run = commands.add_parser("run", help="fit a case and say what it took")
    run.add_argument("case", type=Path)
    run.add_argument("--model", type=Path, help="model file; default: the bundled one")
    defaults = FitSettings()
    for name in ("steps", "targets", "sampled", "threads", "seed"):
        run.add_argument(f"--{name}", type=int, default=getattr(defaults, name))
    for name in ("following_weight", "learning_rate", "joint_rate", "noise", "decay"):
        option = "--" + name.replace("_", "-")
        run.add_argument(option, type=float, default=getattr(defaults, name))
    run.add_argument("--device", default=defaults.device)
    run.add_argument("--lpips", type=Path, nargs="*", default=(), help="files of weights of LPIPS")
    chosen = parser.parse_args()
    if chosen.command == "make":
        made = make_case(
            chosen.source,
            chosen.coded,
            chosen.segment,
            chosen.start,
            chosen.every,
            presented=not chosen.coded_size,
        )
        made.save(chosen.case)
        return
    model = load_model(chosen.model) if chosen.model else bundled(1, None)
    case = load_case(chosen.case, model)
    settings = replace(
        defaults,
        **{
            name: getattr(chosen, name)
            for name in (
                "steps", "targets", "sampled", "threads", "seed", "following_weight",
                "learning_rate", "joint_rate", "noise", "decay", "device",
            )
        },
        lpips=tuple(chosen.lpips),
    )  # fmt: skip
    result = run_case(case, settings)
    print(json.dumps({name: float(np.round(value, 6)) for name, value in result.items()}, indent=1))


if __name__ == "__main__":
    main()
