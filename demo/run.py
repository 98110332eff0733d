"""`make demo`: render a clip, encode, decode, compare with x264 at the same rate, write a report.

python -m demo.run --out out/demo [--input film.mp4] [--bitrate 200k] [--peers x264,svtav1]
"""

from __future__ import annotations

import argparse
import sys
import time
from fractions import Fraction
from pathlib import Path

from hybridprompt import api
from refcodec.cli.progress import Progress
from refcodec.cli.reporting import print_error
from refcodec.cli.values import bit_rate, rate_text
from refcodec.errors import HypError

LONGEST_INPUT = 10.0
"""Seconds of the user's film that the demonstration takes, unless --seconds says otherwise."""


def main(arguments: list[str] | None = None) -> int:
    """Run the demonstration; return the exit code."""
    options = _options(arguments)
    try:
        report = demonstrate(options)
    except HypError as error:
        return print_error(error)
    print(f"\nThe report is ready. Open it in a browser:\n  {report}")
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m demo.run", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument(
        "--out", type=Path, default=Path("out/demo"), help="folder for everything made"
    )
    parser.add_argument("--input", type=Path, help="your film; without it a clip is rendered")
    parser.add_argument("--bitrate", default="200k", help="total rate (default 200k)")
    parser.add_argument("--preset", default="fast", help="preset of the encoder (default fast)")
    parser.add_argument(
        "--keyframes", default="auto", help="auto, generated or coded (default auto)"
    )
    parser.add_argument("--peers", default="x264", help="codecs to compare with, comma-separated")
    parser.add_argument("--seconds", type=float, help="use only so much of the clip")
    return parser.parse_args(arguments)


def demonstrate(options: argparse.Namespace) -> Path:
    """Do everything in the folder `options.out` and return the path of the report."""
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    rate = bit_rate(options.bitrate)
    begin = time.monotonic()

    seconds = options.seconds
    if options.input is None:
        source = out / "clip.mp4"
        _step(1, "rendering the clip", "1920 x 1080, two shots, a few seconds")
        if not source.exists():
            from demo.clip import write

            with Progress("  rendering") as progress:
                write(source, progress=progress.update)
    else:
        source = options.input
        seconds = seconds or LONGEST_INPUT
        _step(1, f"taking {source}", f"its first {seconds:g} s at most")

    coded = out / "clip.hyp"
    _step(2, f"encoding at {rate_text(rate)}, all included", f"preset {options.preset}")
    with Progress("  encoding") as progress:
        report = api.encode(
            source,
            coded,
            bitrate=rate,
            preset=options.preset,
            keyframes=options.keyframes,
            duration=seconds,
            progress=progress.update,
        )
    generated = sum(segment.generated for segment in report.segments)
    print(
        f"  {report.size} bytes, {rate_text(report.rate)}, {report.picture_count} pictures in "
        f"{len(report.segments)} segments, {generated} generated keyframes, coded at "
        f"{report.coded_width} x {report.coded_height}; took {report.elapsed:.0f} s"
    )

    _step(3, "decoding", "generated keyframes into a stock H.264 decoder, libavcodec")
    started = time.monotonic()
    with api.decode(coded, backend="libav") as decoding, Progress("  decoding") as progress:
        for number, _ in enumerate(decoding, 1):
            progress.update(number, report.picture_count)
    took = time.monotonic() - started
    print(
        f"  {decoding.report.pictures} pictures in {took:.1f} s, "
        f"{decoding.report.pictures / took:.0f} a second (compilation of the kernels included); "
        f"slowest keyframe {1000 * decoding.report.worst_keyframe_seconds:.0f} ms"
    )
    playable = out / "clip-hyp.mp4"
    api.export(coded, playable)
    print(f"  for any player: {playable}")

    peers = () if options.peers == "none" else tuple(options.peers.split(","))
    _step(
        4,
        f"comparing with {', '.join(peers) or 'the source'}",
        "same total rate, every byte counted",
    )
    with Progress("  comparing") as progress:
        comparison = _compare(source, coded, peers, seconds, progress)
    from refcodec.cli.compare import print_table

    print_table(comparison)
    print("`hyp compare` measures more pictures, sizes and codecs; this took a sample of them.")
    page = out / "report.html"
    comparison.to_html(page)
    comparison.to_csv(out / "pictures.csv")
    print(
        f"\nDone in {time.monotonic() - begin:.0f} s. `--peers x264,x265,vp9,svtav1 --preset slow` takes longer."
    )
    return page.resolve()


def _compare(
    source: Path, coded: Path, peers: tuple[str, ...], seconds: float | None, progress: Progress
) -> api.Comparison:
    from refcodec.comparison import compare

    # Two of the four sizes, three of the five measures, costly ones on each ninth picture: that is
    # enough to see, and takes a tenth of the time of `hyp compare`.
    return compare(
        source,
        [coded],
        peers=peers,
        duration=seconds,
        rungs=(Fraction(2, 3), Fraction(1, 2)),
        metrics=("psnr_y", "ms_ssim", "lpips_alex"),
        every=9,
        progress=progress.update,
    )


def _step(number: int, what: str, detail: str) -> None:
    print(f"[{number}/4] {what} ({detail})", flush=True)


if __name__ == "__main__":
    sys.exit(main())
