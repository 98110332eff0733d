"""A process that decodes mutants `first` to `end` - 1 and prints a line for each."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from conformance.avc.mutation.guarded import guard
from conformance.avc.mutation.mutators import base_units, mutant
from conformance.avc.mutation.outcomes import outcome
from refcodec.vectors import NO_VECTORS

MEMORY_LIMIT = 1 << 30
"""Bytes that mutants may make the process take beyond what it has when it begins."""


def main(arguments: list[str]) -> int:
    """Run with the arguments seed, first, end."""
    seed, first, end = map(int, arguments)
    from conformance.avc.mutation.mutators import BASES

    for name in BASES:
        base_units(name)
    if not NO_VECTORS:
        guard()  # bounds checking does not see what vector functions touch
    # A first run compiles; compilation is no part of what the limits are for.
    for number in range(8):
        outcome(mutant(seed, number))
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = mapped + MEMORY_LIMIT
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    print("ready", flush=True)
    for number in range(first, end):
        made = mutant(seed, number)
        found = outcome(made)
        print(json.dumps([number, found.kind, found.digest, found.detail, made.kind]), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
