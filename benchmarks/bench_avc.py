"""Speed of the H.264 decoder beside libavcodec: the same stream, the same run, processor seconds.

    python -m pytest benchmarks/bench_avc.py -m slow    times, with pytest-benchmark
    python -m benchmarks.bench_avc [FILM] [--no-start]  tables: ratios, scaling, end to end, starts,
                                                        memory

FILM (or the variable HYP_BENCH_SOURCE) is a 1080p source; without it the project's demo clip is
rendered. The x264 streams made of it are kept in out/bench and used again.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.bench_decode import FOLDER, SECONDS, source
from refcodec.avc.nal import nal_units
from refcodec.avc.stream_decoder import AvcDecoder
from refcodec.decoder import decode_any

RATES = {"200 kbit/s": 200_000, "2 Mbit/s": 2_000_000}
KEYFRAME_SECONDS = 4
ROUNDS = 3
SCALING_ROUNDS = 8
"""More for two threads beside one: where other machines share the processor, few decodes find both cores free."""


@dataclass(frozen=True)
class Result:
    """One decode: pictures, wall-clock and processor seconds."""

    pictures: int
    seconds: float
    processor: float

    @property
    def rate(self) -> float:
        """Pictures a second."""
        return self.pictures / self.seconds


def stream(rate: int) -> Path:
    """Return the source as a byte stream of x264 at 1080p, keyframes every four seconds."""
    film = source()
    path = FOLDER / f"{film.stem}-x264-{rate // 1000}k.264"
    if path.exists():
        return path
    FOLDER.mkdir(parents=True, exist_ok=True)
    with av.open(str(film)) as media:
        video = media.streams.video[0]
        pictures_a_second = Fraction(video.average_rate or 25)
        encoder: Any = av.CodecContext.create("libx264", "w")
        encoder.width, encoder.height = video.width, video.height
        encoder.pix_fmt = "yuv420p"
        encoder.framerate, encoder.time_base = pictures_a_second, 1 / pictures_a_second
        encoder.bit_rate = rate
        keyint = round(KEYFRAME_SECONDS * pictures_a_second)
        # libavcodec would cut every picture into a slice a thread
        parameters = f"keyint={keyint}:sliced-threads=0"
        encoder.options = {"preset": "medium", "x264-params": parameters}
        data = b""
        for number, frame in enumerate(media.decode(video)):
            if frame.time is not None and frame.time >= SECONDS:
                break
            frame.pict_type = av.video.frame.PictureType.NONE
            frame.pts, frame.time_base = number, encoder.time_base
            data += b"".join(map(bytes, encoder.encode(frame)))
        data += b"".join(map(bytes, encoder.encode(None)))
    temporary = path.with_suffix(".part")
    temporary.write_bytes(data)
    temporary.replace(path)
    return path


def access_units(path: Path) -> list[bytes]:
    """Return the access units of a byte stream."""
    with av.open(str(path)) as media:
        return [bytes(packet) for packet in media.demux(video=0) if packet.size]


def decode_libavcodec(units: list[bytes], threads: int = 1) -> int:
    """Decode by libavcodec; return the number of pictures, which stay where they are."""
    context: Any = av.CodecContext.create("h264", "r")
    context.thread_count = threads
    context.thread_type = "AUTO" if threads > 1 else "NONE"
    count = 0
    for data in units:
        count += len(context.decode(av.Packet(data)))
    return count + len(context.decode(None))


def decode_numba(units: list[bytes], threads: int = 1) -> int:
    """Decode by refcodec.avc; return the number of pictures, which stay where they are."""
    decoder = AvcDecoder(threads=threads)
    count = 0
    for number, data in enumerate(units):
        for unit in nal_units(data):
            count += len(decoder.decode(unit, number))
    count += len(decoder.flush())
    decoder.close()
    assert not decoder.losses
    return count


def decode_file(path: Path, threads: int = 1) -> int:
    """Decode from the file to pictures of one's own, as `hyp decode` does; return their number."""
    return sum(1 for _ in decode_any(path, threads=threads))


def rate_of(units: list[bytes], path: Path) -> float:
    """Return the kbit/s that a stream has; rate control need not meet what was asked for."""
    with av.open(str(path)) as media:
        seconds = len(units) / Fraction(media.streams.video[0].codec_context.framerate)
    return float(8 * sum(map(len, units)) / seconds / 1000)


def timed(decode: Any, units: Any, threads: int = 1) -> Result:
    """Time one decode."""
    wall, processor = time.perf_counter(), time.process_time()
    pictures = decode(units, threads)
    return Result(pictures, time.perf_counter() - wall, time.process_time() - processor)


def pairs(units: list[bytes]) -> tuple[Result, Result]:
    """Return the best of ROUNDS decodes by libavcodec and by refcodec.avc, taken in turns, one
    thread each."""
    decode_numba(units[:30])
    theirs, ours = [], []
    for _ in range(ROUNDS):
        theirs.append(timed(decode_libavcodec, units))
        ours.append(timed(decode_numba, units))
    return (
        min(theirs, key=lambda result: result.processor),
        min(ours, key=lambda result: result.processor),
    )


@dataclass(frozen=True)
class Scaling:
    """The best decodes with one thread and with two."""

    one: Result
    two: Result

    @property
    def factor(self) -> float:
        """How many times as many pictures a second two threads give."""
        return self.two.rate / self.one.rate


def scalings(units: list[bytes]) -> tuple[Scaling, Scaling]:
    """Return those of libavcodec, which says what the machine allows, and of refcodec.avc: the best of SCALING_ROUNDS
    decodes of each kind, taken in turns."""
    decode_numba(units[:30])
    kinds = [
        (decode, threads) for decode in (decode_libavcodec, decode_numba) for threads in (1, 2)
    ]
    found: list[list[Result]] = [[] for _ in kinds]
    for _ in range(SCALING_ROUNDS):
        for (decode, threads), results in zip(kinds, found, strict=True):
            results.append(timed(decode, units, threads))
    best = [min(results, key=lambda result: result.seconds) for results in found]
    return Scaling(*best[:2]), Scaling(*best[2:])


_START = """
import os, resource, sys, time
begin = time.perf_counter()
from itertools import islice
from pathlib import Path
from refcodec.decoder import decode_any
pictures = decode_any(Path(sys.argv[1]), threads=int(sys.argv[3]))
assert sum(1 for _ in islice(pictures, int(sys.argv[2]))) == int(sys.argv[2])
pictures.close()
# What getrusage says is never less than what the parent had.
status = Path("/proc/self/status").read_text().splitlines()
peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
beside = resource.getrusage(resource.RUSAGE_CHILDREN)
processor = sum(os.times()[:4])
print(time.perf_counter() - begin, processor, peak / 1024, beside.ru_maxrss / 1024)
"""


@dataclass(frozen=True)
class Start:
    """A process that decodes and ends: wall-clock and processor seconds with all imports, the latter
    with those of the process that compiles beside it; peak memory in MiB of the one and the other."""

    seconds: float
    processor: float
    peak: float
    beside: float


def start(path: Path, cache: Path, pictures: int = 8, threads: int = 1) -> Start:
    """Decode the first pictures in a process of their own that keeps compiled code and bytecode in
    `cache`."""
    environment = dict(os.environ) | {
        "NUMBA_CACHE_DIR": str(cache),
        "PYTHONPYCACHEPREFIX": str(cache / "bytecode"),
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # later starts have what the first one left
    command = [sys.executable, "-c", _START, str(path), str(pictures), str(threads)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return Start(*map(float, done.stdout.split()))


# ------------------------------------------------------------------------- pytest-benchmark


@pytest.mark.slow
@pytest.mark.parametrize("rate", RATES)
def test_one_thread(benchmark: BenchmarkFixture, rate: str) -> None:
    units = access_units(stream(RATES[rate]))
    theirs, ours = pairs(units)
    benchmark.pedantic(decode_numba, args=(units,), rounds=1, iterations=1)
    benchmark.extra_info |= {
        "pictures_per_second": round(ours.rate, 1),
        "libavcodec_pictures_per_second": round(theirs.rate, 1),
        "ratio_of_processor_seconds": round(theirs.processor / ours.processor, 3),
    }


@pytest.mark.slow
@pytest.mark.parametrize("rate", RATES)
def test_two_threads(benchmark: BenchmarkFixture, rate: str) -> None:
    units = access_units(stream(RATES[rate]))
    theirs, ours = scalings(units)
    benchmark.pedantic(decode_numba, args=(units, 2), rounds=1, iterations=1)
    benchmark.extra_info |= {
        "pictures_per_second": round(ours.two.rate, 1),
        "scaling": round(ours.factor, 3),
        "libavcodec_scaling": round(theirs.factor, 3),
    }


@pytest.mark.slow
def test_start(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    path = stream(RATES["200 kbit/s"])
    first = start(path, tmp_path)
    later = start(path, tmp_path)
    long = benchmark.pedantic(start, args=(path, tmp_path, 200, 2), rounds=1, iterations=1)
    benchmark.extra_info |= {
        "first_start_seconds": round(first.seconds, 2),
        "later_start_seconds": round(later.seconds, 2),
        "peak_memory_mib": round(long.peak),
    }


def main() -> None:
    """Print a table: the best of some runs each, taken in turns."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_avc")
    parser.add_argument("film", nargs="?", help="1080p source")
    parser.add_argument("--no-start", action="store_true", help="leave starts and memory out")
    options = parser.parse_args()
    if options.film:
        os.environ["HYP_BENCH_SOURCE"] = options.film
    print(
        "1080p            libavcodec, 1 thread   refcodec.avc, 1 thread   ratio   2 threads  scaling"
        "  libavcodec's"
    )
    print("kbit/s           CPU ms  pictures/s     CPU ms  pictures/s      of CPU  pictures/s")
    for rate in RATES.values():
        path = stream(rate)
        units = access_units(path)
        theirs, ours = pairs(units)
        their_scaling, our_scaling = scalings(units)
        print(
            f"{rate_of(units, path):<16.0f}{1e3 * theirs.processor / theirs.pictures:7.2f}"
            f"{theirs.rate:12.1f}{1e3 * ours.processor / ours.pictures:11.2f}{ours.rate:12.1f}"
            f"{theirs.processor / ours.processor:12.2f}{our_scaling.two.rate:12.1f}"
            f"{our_scaling.factor:9.2f}{their_scaling.factor:14.2f}"
        )
    path = stream(RATES["200 kbit/s"])
    whole = min((timed(decode_file, path, 2) for _ in range(ROUNDS)), key=lambda run: run.seconds)
    print(
        f"end to end, from the file to pictures, 2 threads: {whole.pictures} pictures, "
        f"{whole.rate:.1f} a second, {1e3 * whole.processor / whole.pictures:.2f} ms of processor each"
    )
    if options.no_start:
        return
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        first = start(path, cache)
        later = min((start(path, cache) for _ in range(ROUNDS)), key=lambda run: run.seconds)
        one_thread, two_threads = (start(path, cache, 200, threads) for threads in (1, 2))
    print(
        f"first start, everything compiled: {first.seconds:.1f} s, {first.processor:.1f} s of "
        f"processor; later starts: {later.seconds:.2f} s, {later.processor:.2f} s of processor"
    )
    print(
        f"peak memory: {one_thread.peak:.0f} MiB with one thread, {two_threads.peak:.0f} MiB with "
        f"two, {first.peak:.0f} MiB while compiling and {first.beside:.0f} MiB beside it"
    )


if __name__ == "__main__":
    main()
