"""`python -m conformance.avc.mutation`: decode damaged H.264 streams, with and without bounds checks."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from conformance.avc.mutation.mutators import byte_stream, mutant
from conformance.avc.mutation.running import Tally, run


def main() -> int:
    """Return 0 when every mutant gave typed errors or pictures, the same in both runs, else 1."""
    parser = argparse.ArgumentParser(prog="python -m conformance.avc.mutation", description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="damaged streams")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first one")
    parser.add_argument("--keep", type=Path, help="folder for the streams that came out badly")
    options = parser.parse_args()

    def progress(tally: Tally) -> None:
        if tally.count % 1000 == 0:
            line = f"{tally.count} of {options.count}, {len(tally.faults)} faults"
            print(line, file=sys.stderr, flush=True)

    tally = run(options.count, seed=options.seed, first=options.first, progress=progress)
    for fault in tally.faults[:50]:
        print(fault)
        print(f"  {mutant(options.seed, fault.number).description}")
    if options.keep is not None and tally.faults:
        options.keep.mkdir(parents=True, exist_ok=True)
        for number in {fault.number for fault in tally.faults}:
            made = mutant(options.seed, number)
            (options.keep / f"{options.seed}-{number}.264").write_bytes(byte_stream(made))
    print(tally)
    return 1 if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())
