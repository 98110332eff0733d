"""Many mutants in worker processes, each under a limit of memory and of time."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from conformance.mutation.checking import (
    MEMORY_LIMIT,
    SECONDS_LIMIT,
    Checker,
    Verdict,
    peak_memory,
)
from conformance.mutation.mutators import KINDS, mutant


@dataclass
class Tally:
    """Outcomes by kind, and the mutants that came out badly: number, kind, description, verdict."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: list[tuple[int, str, str, Verdict]] = field(default_factory=list)
    seconds: float = 0.0
    peak: int = 0

    @property
    def count(self) -> int:
        """Number of mutants."""
        return sum(self.outcomes.values())

    def __str__(self) -> str:
        names = sorted({outcome for _, outcome in self.outcomes})
        width = max(map(len, KINDS))
        rows = ["".ljust(width) + "".join(f"  {name}" for name in names)]
        for kind in [*KINDS, "all"]:
            row = kind.ljust(width)
            for name in names:
                value = sum(
                    count
                    for (found, outcome), count in self.outcomes.items()
                    if outcome == name and kind in (found, "all")
                )
                row += f"  {value:>{len(name)}}"
            rows.append(row)
        rows.append(
            f"{self.count} mutated files in {self.seconds:.0f} s, at most {self.peak >> 20} MiB: "
            f"{len(self.faults)} faults"
        )
        return "\n".join(rows)


Message = tuple[int, str, str, Verdict, int]


def _work(seed: int, files: Sequence[Path], orders: multiprocessing.connection.Connection) -> None:
    """Check the numbers that come until None; runs in a worker process."""
    checker = Checker(files)
    # The libraries map address space that they never touch; the limit counts from there.
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = mapped + MEMORY_LIMIT
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    orders.send(None)
    while (number := orders.recv()) is not None:
        base, made = mutant(checker.bases, seed, number)
        verdict = checker.check(base, made)
        orders.send((number, made.kind, made.description, verdict, peak_memory()))


class _Worker:
    """A process with what it is doing."""

    def __init__(self, seed: int, files: Sequence[Path]) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self.process = context.Process(target=_work, args=(seed, files, other), daemon=True)
        self.process.start()
        other.close()
        self.number: int | None = None
        self.since = time.monotonic()
        self.ready = False

    def give(self, number: int | None) -> None:
        self.number, self.since = number, time.monotonic()
        self.connection.send(number)

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


def run(
    count: int,
    *,
    seed: int = 1,
    first: int = 0,
    workers: int = 1,
    files: Sequence[Path] = (),
    progress: Callable[[int], None] | None = None,
) -> Tally:
    """Check mutants `first` to `first` + `count` - 1 of `seed`; return what came of them.

    They are made of tiny streams, or of `files`.
    """
    tally = Tally()
    begun = time.monotonic()
    numbers = iter(range(first, first + count))
    crew = [_Worker(seed, files) for _ in range(workers)]
    try:
        for number, kind, description, verdict, peak in _verdicts(crew, numbers, seed, files):
            tally.outcomes[kind, verdict.outcome] += 1
            tally.peak = max(tally.peak, peak)
            if not verdict.acceptable:
                tally.faults.append((number, kind, description, verdict))
            if progress is not None:
                progress(tally.count)
    finally:
        for worker in crew:
            worker.stop()
    tally.seconds = time.monotonic() - begun
    return tally


def _verdicts(
    crew: list[_Worker], numbers: Iterator[int], seed: int, files: Sequence[Path]
) -> Iterator[Message]:
    """Keep every worker busy; yield what they say, and what stopped them."""
    busy = set(crew)
    while busy:
        waiting = {worker.connection: worker for worker in busy}
        ready = multiprocessing.connection.wait(list(waiting), timeout=0.5)
        for connection in ready:
            worker = waiting[connection]  # type: ignore[index]
            try:
                message: Message | None = worker.connection.recv()
            except (EOFError, OSError):
                yield from _stopped(worker, "crash", f"exit status {worker.process.exitcode}")
                _replace(crew, busy, worker, _Worker(seed, files))
                continue
            if message is not None:
                yield message
            worker.ready = True
            number = next(numbers, None)
            worker.give(number)
            if number is None:
                busy.discard(worker)
        for worker in list(busy):
            # Making the base files takes a while at first: compilers run.
            patience = SECONDS_LIMIT if worker.ready else 300.0
            if worker.connection not in ready and time.monotonic() - worker.since > patience:
                yield from _stopped(worker, "hang", f"no answer in {patience:.0f} s")
                _replace(crew, busy, worker, _Worker(seed, files))


def _stopped(worker: _Worker, outcome: str, detail: str) -> Iterator[Message]:
    if worker.number is None:
        raise RuntimeError(f"a worker did not begin: {detail}")
    yield worker.number, "(worker lost)", f"mutant {worker.number}", Verdict(outcome, detail), 0


def _replace(crew: list[_Worker], busy: set[_Worker], worker: _Worker, fresh: _Worker) -> None:
    worker.stop()
    busy.discard(worker)
    crew[crew.index(worker)] = fresh
    busy.add(fresh)
