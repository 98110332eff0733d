"""Independent jobs on worker processes. A job is a function of a module and one picklable argument.

The seam for a cluster: whatever offers `run` in place of `WorkerPool` can take over the jobs of an encode.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from queue import LifoQueue
from types import TracebackType

import refcodec
from refcodec import errors
from refcodec.encoder import worker
from refcodec.encoder.worker import Argument, Result

_REFRESH = 0.25
"""Seconds between two looks at what running jobs report."""

_ENVIRONMENT = {
    "OMP_WAIT_POLICY": "PASSIVE",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
    "MALLOC_TOP_PAD_": str(1 << 26),
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
"""Of workers, unless the user's says otherwise. torch's threads sleep while they wait: those of two workers would
take the processors from each other, for twice the time. And glibc keeps large blocks that are freed, in large pages:
it would give them back to the system, which clears each page when it is wanted again, 40 % of the processor time of
fits of 1080p."""


class WorkerPool:
    """Context manager. With one worker the jobs run in this process."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._processes: list[subprocess.Popen[bytes]] = []
        # The last one that was at work comes first: it has its libraries, models and memory at hand.
        self._idle: LifoQueue[subprocess.Popen[bytes] | None] = LifoQueue()
        self._threads: ThreadPoolExecutor | None = None

    @property
    def count(self) -> int:
        """Number of workers."""
        return self._count

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self._processes:
            process.kill()
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
        for process in self._processes:
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()

    def run(
        self,
        function: Callable[[Argument], Result],
        arguments: Iterable[Argument],
        progress: Callable[[float], None] | None = None,
    ) -> Iterator[Result]:
        """Yield the results in the order of the arguments. Arguments are drawn when a worker is nearly free, so
        a generator that prepares them needs room for no more than twice as many jobs as there are workers.
        `progress` is called from this thread with the number of jobs done, parts of running ones included."""
        parts: dict[int, float] = {}

        def listen(number: int) -> Callable[[float], None]:
            return lambda part: parts.__setitem__(number, part)

        def tell() -> None:
            if progress is not None:
                progress(sum(parts.copy().values()))

        if self._count == 1:
            for number, argument in enumerate(arguments):

                def heard(part: float, number: int = number) -> None:
                    parts[number] = part
                    tell()

                with worker.listening(heard):
                    result = worker.call(function, argument)
                heard(1.0)
                yield result
            return
        self._start()
        assert self._threads is not None
        pending: deque[Future[Result]] = deque()
        try:
            for number, argument in enumerate(arguments):
                pending.append(self._threads.submit(self._call, function, argument, listen(number)))
                while pending and pending[0].done():
                    yield pending.popleft().result()
                running = [future for future in pending if not future.done()]
                while len(running) > self._count:
                    _, waiting = wait(running, _REFRESH, return_when=FIRST_COMPLETED)
                    running = list(waiting)
                    tell()
            while pending:
                while not pending[0].done():
                    wait([pending[0]], _REFRESH)
                    tell()
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()

    def _start(self) -> None:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._count)
            for _ in range(self._count):
                self._idle.put(None)

    def _call(
        self,
        function: Callable[[Argument], Result],
        argument: Argument,
        listener: Callable[[float], None],
    ) -> Result:
        process = self._idle.get() or self._spawn()
        try:
            assert process.stdin is not None and process.stdout is not None
            worker.send(process.stdin, (function, argument))
            succeeded, result = worker.receive(process.stdout)
            while succeeded is None:
                listener(result)
                succeeded, result = worker.receive(process.stdout)
        except (EOFError, OSError) as problem:
            process.kill()
            self._idle.put(None)
            raise errors.error(
                "HYP-E-OUT-05", element="exit status", value=process.wait()
            ) from problem
        self._idle.put(process)
        if not succeeded:
            raise result
        listener(1.0)
        return result

    def _spawn(self) -> subprocess.Popen[bytes]:
        environment: dict[str, str] = _ENVIRONMENT | os.environ
        root = str(Path(refcodec.__file__).parent.parent)
        paths = [root, *filter(None, [environment.get("PYTHONPATH")])]
        environment["PYTHONPATH"] = os.pathsep.join(paths)
        process = subprocess.Popen(
            [sys.executable, "-c", "from refcodec.encoder.worker import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            start_new_session=True,  # an interrupt is for the parent, which ends its workers itself
        )
        self._processes.append(process)
        return process
