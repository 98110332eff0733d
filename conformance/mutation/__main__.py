"""`python -m conformance.mutation`: mutate files, count what comes of them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from conformance.mutation.checking import Checker
from conformance.mutation.mutators import mutant
from conformance.mutation.running import run


def main() -> int:
    """Return 0 when every mutant came out as the specification allows, else 1."""
    parser = argparse.ArgumentParser(prog="python -m conformance.mutation", description=__doc__)
    parser.add_argument("--count", type=int, default=20_000, help="mutated files")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first one")
    parser.add_argument(
        "--file", type=Path, action="append", default=[], help="HYP file to mutate, again for more"
    )
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--keep", type=Path, help="folder for the files that came out badly")
    options = parser.parse_args()

    def progress(done: int) -> None:
        if done % 500 == 0:
            print(f"{done} of {options.count}", file=sys.stderr, flush=True)

    tally = run(
        options.count,
        seed=options.seed,
        first=options.first,
        workers=options.workers,
        files=options.file,
        progress=progress,
    )
    for number, kind, description, verdict in tally.faults[:50]:
        print(f"{number}: {kind}: {description}: {verdict.outcome}: {verdict.detail}")
    if options.keep is not None and tally.faults:
        options.keep.mkdir(parents=True, exist_ok=True)
        bases = Checker(options.file).bases
        for number, *_ in tally.faults:
            _, made = mutant(bases, options.seed, number)
            (options.keep / f"{options.seed}-{number}.hyp").write_bytes(made.data)
    print(tally)
    return 1 if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())
