"""A slice of the damaged H.264 streams; 100,000 run by `python -m conformance.avc.mutation`."""

from __future__ import annotations

import random
import signal
import subprocess
import sys

import pytest

from conformance.avc.mutation import running
from conformance.avc.mutation.mutators import BASES, KINDS, base_units, mutant
from conformance.avc.mutation.outcomes import DECODED, TYPED_ERROR, outcome
from conformance.avc.mutation.running import run


def test_slice_of_mutants_is_the_same_with_and_without_bounds_checking() -> None:
    tally = run(100, seed=2)
    print(tally)
    assert tally.count == 100
    assert not tally.faults, "\n".join(map(str, tally.faults))
    # A run in which nothing ever broke, or nothing ever survived, would prove little.
    assert {name for _, name in tally.outcomes} == {DECODED, TYPED_ERROR}
    assert len(tally.errors) > 4


_BEYOND = """
import sys
import numpy as np
from conformance.avc.mutation.guarded import guarded_bytes
from refcodec.avc import vector_blocks
samples = guarded_bytes(4096)
source = 4096 - int(sys.argv[1])
vector_blocks.copy_area(samples, 0, source, 64, 16, 1)
print("copied")
"""


def test_what_reads_beyond_an_array_does_not_live() -> None:
    inside, beyond = (
        subprocess.run([sys.executable, "-c", _BEYOND, str(left)], capture_output=True, text=True)
        for left in (16, 15)
    )
    assert (inside.returncode, inside.stdout) == (0, "copied\n")
    assert beyond.returncode == -signal.SIGSEGV


def test_mutants_follow_from_seed_and_number() -> None:
    for number in range(60):
        assert mutant(5, number) == mutant(5, number)
    assert mutant(5, 9) != mutant(6, 9)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_changes_the_stream(kind: str) -> None:
    changed = 0
    for seed in range(20):
        name = list(BASES)[seed % len(BASES)]
        units = [unit for group in base_units(name) for unit in group]
        before = list(units)
        assert KINDS[kind](units, random.Random(seed))
        changed += units != before
    assert changed > 10


@pytest.mark.parametrize("name", BASES)
def test_intact_streams_are_decoded(name: str) -> None:
    from conformance.avc.mutation.mutators import Mutant

    assert outcome(Mutant(base_units(name), "none", name)).kind == DECODED


_FAULTY = """
import json, os, sys
seed, first, end = map(int, sys.argv[-3:])
checked = os.environ["NUMBA_BOUNDSCHECK"] == "1"
print("ready", flush=True)
for number in range(first, end):
    if number == 1 and checked:
        os.abort()
    if number == 3 and not checked:
        import time
        time.sleep(60)
    digest = "other" if number == 4 and checked else "same"
    print(json.dumps([number, "decoded", digest, "", "kind"]), flush=True)
"""


def test_crashes_hangs_and_differences_are_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    popen = running.subprocess.Popen

    def faulty(command, **options):  # type: ignore[no-untyped-def]
        return popen([sys.executable, "-c", _FAULTY, *command[-3:]], **options)

    monkeypatch.setattr(running.subprocess, "Popen", faulty)
    monkeypatch.setattr(running, "SECONDS_LIMIT", 1.0)
    tally = run(6)
    assert tally.count == 6
    assert [(f.number, f.where, f.what) for f in tally.faults] == [
        (1, "bounds checked", "crash"),
        (3, "compiled", "hang"),
        (4, "both", "differ"),
    ]
