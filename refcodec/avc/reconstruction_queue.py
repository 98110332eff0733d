"""Reconstruction of pictures beside the parsing of the following ones."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

from refcodec.avc.picture_decoding import PictureDecoding

WAITING = 2
"""Threads beside those that the caller asks for. Of a group of pictures some always wait for
others, and would keep the next one, which could begin, from a thread."""
AHEAD = 4
"""Pictures in the works beyond a picture for each thread asked for: so far ahead is parsed."""


class ReconstructionQueue:
    """Reconstructs pictures: at once with one thread, else in threads, each picture when those that
    it is predicted from are complete."""

    def __init__(self, threads: int) -> None:
        self._pool = (
            ThreadPoolExecutor(threads + WAITING, thread_name_prefix="reconstruct")
            if threads > 1
            else None
        )
        self._pending: deque[Future[None]] = deque()
        self.depth = threads + AHEAD if threads > 1 else 0
        """Pictures that may be in the works beside the one that is being parsed."""

    def submit(self, decoding: PictureDecoding, *, keep: bool) -> None:
        """Reconstruct a picture whose slices are parsed; waits when too many are in the works. Its
        arrays are released then, unless somebody is going to `keep` them."""
        if self._pool is None:
            _reconstruct(decoding, keep)
            return
        while len(self._pending) >= self.depth:
            self._pending.popleft().exception()
        # Pictures are begun in decoding order, so those that one waits for are not behind it.
        future = self._pool.submit(_reconstruct, decoding, keep)
        decoding.lease.written = future
        self._pending.append(future)

    def wait(self) -> None:
        """Wait until no picture is in the works."""
        while self._pending:
            self._pending.popleft().exception()

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


def _reconstruct(decoding: PictureDecoding, keep: bool) -> None:
    decoding.reconstruct()
    if not keep:
        decoding.release()
