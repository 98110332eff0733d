"""Cost of the differentiable twin: forward and backward of each part, beside the integer decoder.

    python -m benchmarks.bench_twin SOURCE FILE.hyp [--device cuda] [--threads 2]

FILE.hyp has a generated keyframe and was made of SOURCE; its first segment is taken. Times are processor seconds on a
CPU, which other work on the machine does not change, and wall-clock seconds on a GPU. The last lines are the memory of
a group of pictures and the cost of parts of it.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from refcodec.fitting.case import FitCase
from refcodec.fitting.distortion import LpipsDistance
from refcodec.generator import generate
from refcodec.metrics.lpips_weights import find_judges
from refcodec.twin.chain import ChainTwin
from refcodec.twin.integer_network import Arithmetic
from refcodec.twin.keyframe import KeyframeTwin
from refcodec.twin.planes import Planes, planes_of
from refcodec.twin.recording import Recording, decode_again, record_interval
from refcodec.twin.sequence import SequenceTwin
from trainer.fit import make_case


class Clock:
    """Seconds of processor on a CPU, of the clock where a GPU works beside it."""

    def __init__(self, device: str) -> None:
        self._cuda = device.startswith("cuda")

    def now(self) -> float:
        if self._cuda:
            torch.cuda.synchronize()
            return time.perf_counter()
        return time.process_time()

    def of(self, function: Callable[[], object], rounds: int = 2) -> float:
        """Return the least of the times of some calls."""
        best = float("inf")
        for _ in range(rounds):
            begin = self.now()
            function()
            best = min(best, self.now() - begin)
        return best


def _sum(planes: Planes) -> Tensor:
    return planes.y.mean() + planes.cb.mean() + planes.cr.mean()


def _row(what: str, seconds: float, of: str = "") -> None:
    print(f"{what:58} {1000 * seconds:9.1f} ms {of}", flush=True)


def _keyframe(case: FitCase, clock: Clock, device: str) -> None:
    start = torch.from_numpy(case.start.values.astype("float32"))[None].to(device)
    for arithmetic in (Arithmetic.EXACT, Arithmetic.FAST):
        for checkpoints in (False, True):
            twin = KeyframeTwin(
                case.model, case.q, case.start.hyper, device=device, arithmetic=arithmetic,
                checkpoints=checkpoints,
            )  # fmt: skip

            def forward(twin: KeyframeTwin = twin) -> None:
                with torch.no_grad():
                    twin.render(start)

            def both(twin: KeyframeTwin = twin) -> None:
                values = start.clone().requires_grad_()
                rendering = twin.render(values)
                torch.autograd.grad(rendering.bits / 1e6 + _sum(rendering.planes), values)

            name = f"keyframe, {arithmetic.value}{', checkpoints' if checkpoints else ''}"
            _row(f"{name}: forward", clock.of(forward))
            _row(f"{name}: forward and backward", clock.of(both))
    generator = case.model
    _row(
        "keyframe, integer generator",
        clock.of(lambda: generate(generator, case.start.values, case.q)),
    )


def _following(recording: Recording, clock: Clock, device: str) -> None:
    count = len(recording.pictures)
    keyframe = planes_of(recording.keyframe.planes, device)

    def integer() -> None:
        for _ in decode_again(recording, recording.keyframe):
            pass

    seconds = clock.of(integer)
    _row("integer decoder, all pictures", seconds / count, "a picture")
    begin = clock.now()
    twin = SequenceTwin(recording)
    _row("plans", (clock.now() - begin) / count, "a picture")

    def forward() -> None:
        with torch.no_grad():
            for _ in twin.pictures(keyframe):
                pass

    def both() -> None:
        twin.gradient(keyframe, lambda identity, planes: _sum(planes))

    _row("twin, all pictures: forward", clock.of(forward) / count, "a picture")
    _row("twin, all pictures: forward and backward", clock.of(both) / count, "a picture")
    for place in (0, count // 10, count // 2, count - 1):
        identity = recording.output[place]

        def one(identity: int = identity) -> None:
            twin.gradient(keyframe, lambda _, planes: _sum(planes), targets=[identity])

        live = len(SequenceTwin(recording, [identity]).live)
        _row(f"twin, picture {place} alone, {live} decoded: both", clock.of(one, 1))


def _presented(chain: ChainTwin, recording: Recording, clock: Clock, device: str) -> None:
    keyframe = planes_of(recording.keyframe.planes, device)

    def both() -> None:
        leaf = keyframe.map(lambda plane: plane.clone().requires_grad_())
        torch.autograd.grad(_sum(chain.upscaler(chain.shown(leaf))), list(leaf))

    if not chain.upscaler.is_identity:
        _row("upscaler: forward and backward", clock.of(both), "a picture")


def _lpips(recording: Recording, clock: Clock, device: str) -> None:
    for weights in find_judges():
        _judge(LpipsDistance(weights, device), weights.stem, recording, clock, device)


def _judge(
    distance: LpipsDistance, name: str, recording: Recording, clock: Clock, device: str
) -> None:
    keyframe = planes_of(recording.keyframe.planes, device)
    prepared = distance.prepare(keyframe)

    def both() -> None:
        leaf = keyframe.map(lambda plane: plane.clone().requires_grad_())
        torch.autograd.grad(distance.distance(leaf, prepared), list(leaf))

    _row(f"{name}: forward and backward", clock.of(both), "a picture")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("coded", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--width", type=int, default=1920, help="presented width")
    parser.add_argument("--height", type=int, default=1080, help="presented height")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    case = make_case(chosen.source, chosen.coded, 0, 0.0, presented=False)
    assert case.coded is not None
    picture = generate(case.model, case.start.values, case.q)
    recording = record_interval(case.coded.parameter_sets, case.coded.access_units, picture)
    print(f"{recording.width} x {recording.height}, {len(recording.pictures)} pictures")
    clock = Clock(chosen.device)
    _following(recording, clock, chosen.device)
    print(
        f"largest memory so far: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB"
    )
    _keyframe(case, clock, chosen.device)
    size = (chosen.width, chosen.height)
    chain = ChainTwin(
        case.model, case.q, case.start, recording, size, places=[0], device=chosen.device
    )
    _presented(chain, recording, clock, chosen.device)
    _lpips(recording, clock, chosen.device)
    print(f"largest memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")
    if chosen.device.startswith("cuda"):
        print(f"largest memory of the GPU: {torch.cuda.max_memory_allocated() / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
