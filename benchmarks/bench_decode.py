"""Speed of decoding to 1080p at 200 kbit/s, generation and upscaling included, with both H.264 decoders,
beside libavcodec on an x264 stream of equal rate.

    python -m pytest benchmarks/bench_decode.py     times, with pytest-benchmark
    python -m benchmarks.bench_decode [FILM]        one table

FILM (or the variable HYP_BENCH_SOURCE) is a 1080p source; without it the project's demo clip is
rendered. What is encoded for the benchmark is kept in out/bench and used again.
"""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from demo import clip
from refcodec.container import open_reader
from refcodec.decoder import decode
from refcodec.decoder.backends import BACKENDS
from refcodec.encoder import EncoderSettings, encode
from refcodec.encoder.prompts import CORE_GENERATOR_ID
from refcodec.generator import bundled

FOLDER = Path("out/bench")
RATE = 200_000
KEYFRAME_INTERVAL = 4.0
SECONDS = 12.0
THREADS = 2
RUNGS = {"1080p": Fraction(1), "720p": Fraction(2, 3), "540p": Fraction(1, 2)}


@dataclass(frozen=True)
class Result:
    """One decode: pictures, wall-clock and processor seconds, seconds of the slowest keyframe."""

    pictures: int
    seconds: float
    processor: float
    worst_keyframe: float = 0.0

    @property
    def rate(self) -> float:
        """Pictures a second."""
        return self.pictures / self.seconds


def source() -> Path:
    """Return the 1080p source, rendered if there is none."""
    given = os.environ.get("HYP_BENCH_SOURCE")
    if given:
        return Path(given)
    path = FOLDER / "clip.mp4"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        clip.write(path, seconds=SECONDS)
    return path


def hyp_file(rung: str) -> Path:
    """Return the source as a HYP file of 200 kbit/s with generated keyframes, coded at `rung`."""
    film = source()
    # Another model needs another file: it could not be decoded.
    digest = bundled(CORE_GENERATOR_ID).digest.hex()[:8]
    path = FOLDER / f"{film.stem}-{rung}-{digest}.hyp"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        settings = EncoderSettings(
            bitrate=RATE,
            preset="fast",
            keyframe_interval=KEYFRAME_INTERVAL,
            shortest_interval=KEYFRAME_INTERVAL,
            size=RUNGS[rung],
            keyframes="generated",
            side_tracks=False,
            duration=SECONDS,
        )
        encode(film, path, settings)
    return path


def x264_file() -> Path:
    """Return the source as an H.264 file of 1080p and 200 kbit/s by x264."""
    film = source()
    path = FOLDER / f"{film.stem}-x264.mp4"
    if path.exists():
        return path
    FOLDER.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part.mp4")
    with av.open(str(film)) as media, av.open(str(temporary), "w") as target:
        video = media.streams.video[0]
        stream: Any = target.add_stream("libx264", rate=video.average_rate)
        stream.width, stream.height = video.width, video.height
        stream.bit_rate = RATE
        stream.options = {"preset": "medium", "threads": str(THREADS)}
        for frame in media.decode(video):
            assert frame.time is not None
            if frame.time >= SECONDS:
                break
            frame.pict_type = av.video.frame.PictureType.NONE
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    temporary.replace(path)
    return path


def timed(work: Callable[[], tuple[int, float]]) -> Result:
    """Run `work`, which returns pictures and seconds of the slowest keyframe."""
    wall, processor = time.perf_counter(), time.process_time()
    pictures, worst = work()
    return Result(pictures, time.perf_counter() - wall, time.process_time() - processor, worst)


def decode_hyp(path: Path, backend: str) -> tuple[int, float]:
    """Decode a HYP file to presented pictures."""
    decoding = decode(path, threads=THREADS, backend=backend)
    pictures = sum(1 for _ in decoding)
    assert decoding.report.intact, decoding.report
    return pictures, decoding.report.worst_keyframe_seconds


def decode_plain(path: Path) -> tuple[int, float]:
    """Decode an H.264 file by libavcodec alone."""
    with av.open(str(path)) as media:
        media.streams.video[0].thread_type = "AUTO"
        media.streams.video[0].codec_context.thread_count = THREADS
        return sum(1 for _ in media.decode(video=0)), 0.0


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("rung", RUNGS)
def test_decode(benchmark: BenchmarkFixture, rung: str, backend: str) -> None:
    path = hyp_file(rung)
    with open_reader(path) as reader:
        assert reader.sequence_header.presentation_height == 1080
    reference = timed(lambda: decode_plain(x264_file()))
    pictures, worst = benchmark.pedantic(
        decode_hyp, args=(path, backend), rounds=3, warmup_rounds=1, iterations=1
    )
    if not benchmark.enabled:
        return
    rate = pictures / benchmark.stats.stats.mean
    benchmark.extra_info |= {
        "pictures_per_second": round(rate, 1),
        "libavcodec_pictures_per_second": round(reference.rate, 1),
        "ratio": round(rate / reference.rate, 3),
        "worst_keyframe_ms": round(1e3 * worst, 1),
    }


@pytest.mark.slow
def test_decode_x264(benchmark: BenchmarkFixture) -> None:
    path = x264_file()
    benchmark.pedantic(decode_plain, args=(path,), rounds=3, warmup_rounds=1, iterations=1)


def main() -> None:
    """Print a table: best of three runs each."""
    if len(sys.argv) > 1:
        os.environ["HYP_BENCH_SOURCE"] = sys.argv[1]
    plain = x264_file()
    decode_plain(plain)
    reference = max((timed(lambda: decode_plain(plain)) for _ in range(3)), key=lambda r: r.rate)
    print(f"{THREADS} threads        pictures/s  ratio  processor ms/picture  slowest keyframe ms")
    print(
        f"libavcodec, x264 {reference.rate:9.1f}   1.00"
        f"{1e3 * reference.processor / reference.pictures:14.2f}"
    )
    for rung, backend in itertools.product(RUNGS, BACKENDS):
        path = hyp_file(rung)
        decode_hyp(path, backend)
        runs = [timed(partial(decode_hyp, path, backend)) for _ in range(3)]
        best = max(runs, key=lambda result: result.rate)
        print(
            f"HYP {rung}, {backend:6} {best.rate:9.1f} {best.rate / reference.rate:6.2f}"
            f"{1e3 * best.processor / best.pictures:14.2f}"
            f"{1e3 * best.worst_keyframe:18.0f}"
        )


if __name__ == "__main__":
    main()
