"""Many mutants, compiled as usual and compiled with bounds checking, side by side."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from conformance.avc.mutation.outcomes import ACCEPTABLE, Outcome

ROOT = Path(__file__).resolve().parents[3]
CHECKED_CACHE = ROOT / "out/numba-boundscheck"
"""Where Numba keeps what it compiles with bounds checking; its usual cache does not tell the two
apart."""

SECONDS_LIMIT = 20.0
START_LIMIT = 1800.0
"""Seconds that a worker may take to compile everything, beside whatever else the machine does."""

CRASH, HANG = "crash", "hang"


@dataclass(frozen=True)
class Fault:
    """A mutant that came out badly: in which of the two runs, and what happened."""

    number: int
    where: str
    what: str
    detail: str

    def __str__(self) -> str:
        return f"{self.number}: {self.where}: {self.what}: {self.detail}"


@dataclass
class Tally:
    """Outcomes by kind of damage, and the faults."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)
    count: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        kinds = sorted({kind for kind, _ in self.outcomes})
        names = sorted({name for _, name in self.outcomes})
        rows = [" " * 24 + "".join(f"{name:>14}" for name in names)]
        rows += [
            f"{kind:<24}" + "".join(f"{self.outcomes[kind, name]:>14}" for name in names)
            for kind in kinds
        ]
        rows.append(", ".join(f"{name} {count}" for name, count in sorted(self.errors.items())))
        rows.append(
            f"{self.count} mutated streams, twice each, in {self.seconds:.0f} s: "
            f"{len(self.faults)} faults"
        )
        return "\n".join(rows)


@dataclass(frozen=True)
class _Line:
    number: int
    kind: str
    outcome: Outcome


def _environment(checked: bool) -> dict[str, str]:
    environment = dict(os.environ)
    environment.pop("NUMBA_DISABLE_JIT", None)
    environment["NUMBA_BOUNDSCHECK"] = "1" if checked else "0"
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(ROOT), *filter(None, [environment.get("PYTHONPATH")])]
    )
    if checked:
        CHECKED_CACHE.mkdir(parents=True, exist_ok=True)
        environment["NUMBA_CACHE_DIR"] = str(CHECKED_CACHE)
    return environment


def _lines(seed: int, first: int, end: int, checked: bool) -> Iterator[_Line]:
    """Yield what comes of each mutant; a worker that dies or hangs is replaced by another."""
    while first < end:
        command = [sys.executable, "-m", "conformance.avc.mutation.worker"]
        process = subprocess.Popen(
            [*command, str(seed), str(first), str(end)],
            env=_environment(checked),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None and process.stderr is not None
        arrived: queue.Queue[str | None] = queue.Queue()
        complaints: list[str] = []
        threading.Thread(target=_drain, args=(process.stdout, arrived), daemon=True).start()
        threading.Thread(target=complaints.extend, args=(process.stderr,), daemon=True).start()
        try:
            patience = START_LIMIT
            while first < end:
                try:
                    line = arrived.get(timeout=patience)
                except queue.Empty:
                    yield _Line(first, "?", Outcome(HANG, "", f"no answer in {patience:.0f} s"))
                    first += 1
                    break
                if line is None:
                    status = process.wait()
                    if patience == START_LIMIT:
                        raise RuntimeError(f"a worker did not begin: {''.join(complaints[-5:])}")
                    detail = f"exit status {status}: {''.join(complaints[-3:])}"
                    yield _Line(first, "?", Outcome(CRASH, "", detail))
                    first += 1
                    break
                patience = SECONDS_LIMIT
                if line.startswith("["):
                    number, name, digest, detail, kind = json.loads(line)
                    yield _Line(number, kind, Outcome(name, digest, detail))
                    first = number + 1
        finally:
            process.kill()
            process.wait()


def _drain(stream: IO[str], arrived: queue.Queue[str | None]) -> None:
    for line in stream:
        arrived.put(line)
    arrived.put(None)


def run(
    count: int,
    *,
    seed: int = 1,
    first: int = 0,
    progress: Callable[[Tally], None] | None = None,
) -> Tally:
    """Decode mutants `first` to `first` + `count` - 1 of `seed` under both compilations."""
    tally = Tally()
    begun = time.monotonic()
    # Bounds checking is slower: it runs beside, not before.
    checked: queue.Queue[Any] = queue.Queue()

    def work() -> None:
        try:
            for line in _lines(seed, first, first + count, checked=True):
                checked.put(line)
        except Exception as raised:
            checked.put(raised)

    threading.Thread(target=work, daemon=True).start()
    for plain in _lines(seed, first, first + count, checked=False):
        other = checked.get()
        if isinstance(other, Exception):
            raise other
        tally.count += 1
        kind = plain.kind if plain.kind != "?" else other.kind
        tally.outcomes[kind, plain.outcome.kind] += 1
        tally.errors.update(
            plain.outcome.detail.split() if plain.outcome.kind in ACCEPTABLE else ()
        )
        for where, found in (("compiled", plain.outcome), ("bounds checked", other.outcome)):
            if found.kind not in ACCEPTABLE:
                tally.faults.append(Fault(plain.number, where, found.kind, found.detail))
        pair = plain.outcome, other.outcome
        if all(found.kind in ACCEPTABLE for found in pair) and pair[0] != pair[1]:
            detail = f"{pair[0]} and {pair[1]}"
            tally.faults.append(Fault(plain.number, "both", "differ", detail))
        if progress is not None:
            progress(tally)
    tally.seconds = time.monotonic() - begun
    return tally
