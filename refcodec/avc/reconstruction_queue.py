"""Reconstruction of pictures beside the parsing of the following ones.

Nobody waits for a picture while there is another one to reconstruct: a picture is begun when those
that it is predicted from are complete, and the thread that parses takes one too when it is too far
ahead. So there are as many threads as the caller asks for, none sleeps while it could work, and each
picture takes the interpreter lock a few times only.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from threading import Condition

from refcodec.avc.completion import Completion
from refcodec.avc.picture_decoding import PictureDecoding

AHEAD = 3
"""Pictures in the works beyond a picture for each thread asked for: so far ahead is parsed while one of them
can be begun. What waits longer gets cold in the caches; fewer would leave threads without a picture to begin."""
MOST_AHEAD = 10
"""The same while none can be begun: behind a picture that takes long and that all others depend on."""


class _Work:
    """A picture in the works, and what it waits for."""

    __slots__ = ("completion", "decoding", "keep", "needs")

    def __init__(self, decoding: PictureDecoding, keep: bool, completion: Completion) -> None:
        self.decoding = decoding
        self.keep = keep
        self.completion = completion
        written = (lease.written for lease in decoding.references.values())
        self.needs = [each for each in written if each is not None]

    @property
    def ready(self) -> bool:
        """Whether all pictures are complete that this one is predicted from."""
        return all(each.done for each in self.needs)

    def do(self) -> None:
        """Reconstruct the picture; never raises."""
        try:
            for each in self.needs:
                each.result()
            reconstruct(self.decoding, self.keep)
        except BaseException as error:  # whoever asks for the picture gets it
            self.completion.error = error


class ReconstructionQueue:
    """Reconstructs pictures: at once with one thread, else the caller's thread and others take them
    in decoding order, each when those that it is predicted from are complete."""

    def __init__(self, threads: int) -> None:
        self._helpers = threads - 1
        self._pool = (
            ThreadPoolExecutor(self._helpers, thread_name_prefix="reconstruct")
            if threads > 1
            else None
        )
        self._enough = threads + AHEAD
        self.depths = (threads + MOST_AHEAD, self._enough) if threads > 1 else (0,)
        """Numbers of pictures, descending, that may be in the works beside the one that is being parsed."""
        self.depth = self.depths[0]
        """One of them."""
        # Guards what follows, and tells the caller's thread that a picture is complete.
        self._changed = Condition()
        self._waiting: deque[_Work] = deque()
        """Pictures that nobody has begun, in decoding order."""
        self._begun = 0
        """Pictures that threads are at."""
        self._in_the_works = 0
        """Both."""
        self._helping = 0
        """Threads of the pool that look for pictures."""
        self._closed = False

    def submit(self, decoding: PictureDecoding, *, keep: bool) -> None:
        """Reconstruct a picture whose slices are parsed; gives a hand when too many are in the
        works. Its arrays are released then, unless somebody is going to `keep` them."""
        if self._pool is None:
            reconstruct(decoding, keep)
            return
        while self._in_the_works >= self.depth or self._has_enough():
            self._help()
        completion = Completion(self._finish)
        work = _Work(decoding, keep, completion)
        decoding.lease.written = completion
        with self._changed:
            self._waiting.append(work)
            self._in_the_works += 1
            self._call_helpers()

    def _has_enough(self) -> bool:
        """Whether enough pictures are in the works, and one of them can be begun."""
        if self._in_the_works < self._enough:
            return False
        with self._changed:
            return any(work.ready for work in self._waiting)

    def wait(self) -> None:
        """Return when no picture is in the works."""
        while self._in_the_works:
            self._help()

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._closed = True
            self._pool.shutdown()

    def _finish(self, completion: Completion) -> None:
        """Give a hand until a picture is complete."""
        while not completion.done:
            self._help()

    def _take(self) -> _Work | None:
        """Take the first picture that can be begun, of those that others may be predicted from if
        there is one: then more can be begun. The lock is held."""
        found = None
        for work in self._waiting:
            if work.ready:
                if work.decoding.reference:
                    found = work
                    break
                found = found or work
        if found is not None:
            self._waiting.remove(found)
            self._begun += 1
        return found

    def _call_helpers(self) -> None:
        """Let threads that are idle look for pictures that can be begun. The lock is held."""
        if self._helping < self._helpers and not self._closed:
            ready = sum(work.ready for work in self._waiting)
            assert self._pool is not None
            for _ in range(min(ready, self._helpers - self._helping)):
                self._helping += 1
                self._pool.submit(self._work)

    def _help(self) -> None:
        """Reconstruct the next picture in the caller's thread, or wait until another thread is
        through with one, if none can be begun."""
        with self._changed:
            work = self._take()
            if work is None:
                # Some picture is begun: one that waits does so for earlier ones.
                if self._begun:
                    self._changed.wait()
                return
        try:
            work.do()
        finally:
            with self._changed:
                self._complete(work)
                self._call_helpers()
        error = work.completion.error
        if error is not None and not isinstance(error, Exception):
            raise error  # an interrupt is for the caller, whatever picture it hit

    def _complete(self, work: _Work) -> None:
        """Note that a picture is complete. The lock is held."""
        self._begun -= 1
        self._in_the_works -= 1
        work.completion.done = True
        self._changed.notify_all()

    def _work(self) -> None:
        """Reconstruct pictures as long as some can be begun, in a thread of the pool."""
        work = None
        while True:
            with self._changed:
                if work is not None:
                    self._complete(work)
                work = None if self._closed else self._take()
                if work is None:
                    self._helping -= 1
                    return
                self._call_helpers()
            work.do()


def reconstruct(decoding: PictureDecoding, keep: bool) -> None:
    """Reconstruct a picture; release its arrays, unless somebody is going to `keep` them."""
    decoding.reconstruct()
    if not keep:
        decoding.release()
