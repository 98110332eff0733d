"""`python -m conformance.avc`: compare the H.264 decoder with libavcodec on many x264 streams."""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from pathlib import Path

from conformance.avc import matrix, shared_clips
from conformance.avc.decoders import reference_decoder


class Counter:
    """A progress bar with its count on a terminal; elsewhere a line every 25 streams."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._begin = time.monotonic()
        self._bar = sys.stderr.isatty()

    def update(self, outcome: matrix.Outcome) -> None:
        """Show what was done."""
        done = outcome.streams
        if not self._bar and done % 25 and done != self._count:
            return
        filled = 30 * done // max(1, self._count)
        line = (
            f"{done}/{self._count} streams, {outcome.pictures} pictures, "
            f"{len(outcome.failures)} differ, {time.monotonic() - self._begin:.0f} s"
        )
        if self._bar:
            print(f"\r[{'#' * filled}{'.' * (30 - filled)}] {line} ", end="", file=sys.stderr)
        else:
            print(line, file=sys.stderr, flush=True)

    def close(self) -> None:
        """End the line of the bar."""
        if self._bar:
            print(file=sys.stderr)


def main() -> int:
    """Return 0 when all pictures of all streams are equal, else 1."""
    parser = argparse.ArgumentParser(prog="python -m conformance.avc", description=__doc__)
    parser.add_argument("--count", type=int, default=400, help="streams")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--keep-going", action="store_true", help="collect all failures, reduce none"
    )
    parser.add_argument(
        "--clips",
        type=Path,
        help=f"folder of H.264 files to compare too. [default: {shared_clips.VARIABLE}]",
    )
    parser.add_argument("--no-clips", action="store_true", help="only the x264 streams")
    parser.add_argument("--threads", type=int, default=1, help="threads of the decoder")
    options = parser.parse_args()

    counter = Counter(options.count)
    outcome = matrix.run(
        options.count,
        options.seed,
        keep_going=options.keep_going,
        decoder=partial(reference_decoder, threads=options.threads),
        progress=counter.update,
    )
    counter.close()
    for failure in outcome.failures:
        print(failure)
    bad = len(outcome.failures)
    print(f"{outcome.streams} streams, {outcome.pictures} pictures compared, {bad} differ")
    if not options.no_clips:
        for clip in shared_clips.clips(options.clips):
            begin = time.monotonic()
            pictures, difference = shared_clips.compare(clip)
            bad += difference is not None
            took = time.monotonic() - begin
            print(f"{clip.name}: {difference or f'{pictures} pictures equal'} ({took:.0f} s)")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
