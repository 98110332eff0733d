"""Reconstruction of pictures beside the parsing of the following ones.

Nobody waits for a picture while there is another one to reconstruct: a picture is begun when those
that it is predicted from are complete, and the thread that parses takes one too when it is too far
ahead. A thread that finds no picture to begin helps another one with its picture. So there are as many
threads as the caller asks for, none sleeps while it could work, and each picture takes the interpreter
lock a few times only.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Condition

from refcodec.avc.completion import Completion
from refcodec.avc.picture_decoding import PictureDecoding
from refcodec.avc.picture_samples import SampleWork

AHEAD = 2
"""Pictures in the works beyond a picture for each thread asked for: so far ahead is parsed while one of them
can be begun. What waits longer gets cold in the caches; fewer would leave threads without a picture to begin."""
MOST_AHEAD = 3
"""The same while none can be begun: behind a picture that takes long and that all others depend on. Every further one
takes memory that has to be cleared first, and is cold when its turn comes: with 10, two threads take a tenth more
processor time for the beginning of a film."""


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

    def do(self, shareable: Callable[[], None]) -> None:
        """Reconstruct the picture; `shareable` is called when other threads may help. Never raises."""
        try:
            for each in self.needs:
                each.result()
            reconstruct(self.decoding, self.keep, shareable)
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
        self._begun: list[_Work] = []
        """Pictures that threads are at."""
        self._in_the_works = 0
        """Both."""
        self._helping = 0
        """Threads of the pool that look for pictures."""
        self._caller_waits = False
        """Whether the caller's thread has nothing to do."""
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
            with self._changed:
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
            self._begun.append(found)
        return found

    def _call_helpers(self) -> None:
        """Let threads that are idle look for pictures that can be begun. The lock is held."""
        if self._helping < self._helpers and not self._closed:
            ready = sum(work.ready for work in self._waiting)
            assert self._pool is not None
            for _ in range(min(ready, self._helpers - self._helping)):
                self._helping += 1
                self._pool.submit(self._work)

    def _shared(self) -> SampleWork | None:
        """Take a picture that another thread is at and that can do with help. The lock is held."""
        for work in self._begun:
            samples = work.decoding.sample_work
            if samples is not None and not samples.helped:
                samples.helped = True
                return samples
        return None

    def _call_for_help(self) -> None:
        """Say to the caller's thread, if it waits, that it may help with a picture."""
        if self._caller_waits:
            with self._changed:
                self._changed.notify_all()

    def _help(self) -> None:
        """Reconstruct the next picture in the caller's thread; if none can be begun, help another thread with its
        picture, or wait until one is through or can do with help."""
        samples = None
        with self._changed:
            work = self._take()
            if work is None:
                samples = self._shared()
                # Some picture is begun: one that waits does so for earlier ones.
                if samples is None and self._begun:
                    self._caller_waits = True
                    self._changed.wait()
                    self._caller_waits = False
        if samples is not None:
            samples.help()
        if work is None:
            return
        try:
            work.do(self._call_for_help)
        finally:
            with self._changed:
                self._complete(work)
                self._call_helpers()
        error = work.completion.error
        if error is not None and not isinstance(error, Exception):
            raise error  # an interrupt is for the caller, whatever picture it hit

    def _complete(self, work: _Work) -> None:
        """Note that a picture is complete. The lock is held."""
        self._begun.remove(work)
        self._in_the_works -= 1
        work.completion.done = True
        self._changed.notify_all()

    def _work(self) -> None:
        """Reconstruct pictures as long as some can be begun, or help with them, in a thread of the pool."""
        work = None
        while True:
            samples = None
            with self._changed:
                if work is not None:
                    self._complete(work)
                work = None if self._closed else self._take()
                if work is None and not self._closed:
                    samples = self._shared()
                if work is None and samples is None:
                    self._helping -= 1
                    return
                if work is not None:
                    self._call_helpers()
            if work is not None:
                work.do(self._call_for_help)
            elif samples is not None:
                with suppress(BaseException):  # whoever makes the picture gets it
                    samples.help()


def reconstruct(
    decoding: PictureDecoding, keep: bool, shareable: Callable[[], None] | None = None
) -> None:
    """Reconstruct a picture; release its arrays, unless somebody is going to `keep` them."""
    decoding.reconstruct(shareable)
    if not keep:
        decoding.release()
