"""Working ahead in threads, with a bounded number of results in store."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class _End:
    """Marks the end of what a thread produces; carries what it raised."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class Prefetch(Generic[Item]):
    """Runs an iterator in a thread of its own, at most `depth` items ahead of who iterates over
    this.

    What the iterator raises is raised here, after the items before it. `close` ends the thread at
    the iterator's next item.
    """

    def __init__(self, items: Iterator[Item], depth: int) -> None:
        self._items = items
        self._queue: queue.Queue[Item | _End] = queue.Queue(depth)
        self._closed = threading.Event()
        # A thread that waits for a pipe to deliver must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, daemon=True, name="prefetch")
        self._thread.start()

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            for item in self._items:
                if not self._put(item):
                    return
        except BaseException as raised:
            error = raised
        self._put(_End(error))

    def _put(self, item: Item | _End) -> bool:
        while not self._closed.is_set():
            try:
                self._queue.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def __iter__(self) -> Iterator[Item]:
        while not self._closed.is_set():
            item = self._queue.get()
            if isinstance(item, _End):
                self._closed.set()
                if item.error is not None:
                    raise item.error
                return
            yield item

    def close(self, seconds: float = 5.0) -> bool:
        """Stop; wait up to `seconds` for the thread. Return whether it has ended."""
        self._closed.set()
        self._thread.join(seconds)
        return not self._thread.is_alive()


def ordered_map(
    function: Callable[[Item], Result], items: Iterator[Item], pool: Executor, depth: int
) -> Iterator[Result]:
    """Yield function(item) for each item in order, computed by `pool`, at most `depth` at a
    time."""
    pending: deque[Future[Result]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) >= depth:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()
