"""A worker process: runs calls that arrive on standard input, one after the other, until it is closed.

Started by refcodec.encoder.jobs. A plain subprocess instead of
multiprocessing's spawn: the caller's main module is not imported again, so the API needs no `__main__` guard.
"""

from __future__ import annotations

import os
import pickle
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any, TypeVar

from refcodec import errors

Argument = TypeVar("Argument")
Result = TypeVar("Result")

LENGTH = struct.Struct("<Q")


def send(stream: IO[bytes], message: Any) -> None:
    """Write one pickled message with its length before it."""
    data = pickle.dumps(message)
    stream.write(LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """Read one message; raises EOFError where the stream ends."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        raise EOFError
    (size,) = LENGTH.unpack(head)
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return pickle.loads(data)


class _Reporting:
    listener: Callable[[float], None] | None = None


def report(part: float) -> None:
    """Say that `part` (0..1) of the running job is done; heard where somebody listens."""
    if _Reporting.listener is not None:
        _Reporting.listener(part)


@contextmanager
def listening(listener: Callable[[float], None] | None) -> Iterator[None]:
    """Give `listener` what jobs in this process report."""
    before, _Reporting.listener = _Reporting.listener, listener
    try:
        yield
    finally:
        _Reporting.listener = before


def call(function: Callable[[Argument], Result], argument: Argument) -> Result:
    """Run a job in this process. Raises what it raises; HYP-E-OUT-05 where it lacks memory."""
    try:
        return function(argument)
    except (MemoryError, RuntimeError) as problem:
        if not _lacks_memory(problem):
            raise
        text = str(problem).partition("\n")[0]
        raise errors.error("HYP-E-OUT-05", element="memory", detail=text) from problem


def _lacks_memory(problem: Exception) -> bool:
    """Return whether an exception says so; torch has one of its own for devices, and none for the host."""
    if isinstance(problem, MemoryError) or "DefaultCPUAllocator" in str(problem):
        return True
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(problem, torch.OutOfMemoryError)


def main() -> None:
    """Serve calls (function, argument) with answers (succeeded, result or exception), and before an answer any
    number of reports (None, part)."""
    # Whatever a library prints must not get between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while True:
        try:
            function, argument = receive(sys.stdin.buffer)
        except EOFError:
            return
        try:
            with listening(lambda part: send(answers, (None, part))):
                answer = (True, call(function, argument))
        except Exception as problem:
            answer = (False, problem)
        send(answers, answer)
