"""Threads that reconstruct pictures: order, errors, decodes that are given up; nothing may hang."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from refcodec.avc.completion import Completion
from refcodec.avc.reconstruction_queue import ReconstructionQueue

PATIENCE = 30.0
"""Seconds after which something hangs."""


class Picture:
    """Stands for a PictureDecoding: says when it is reconstructed, and does as it is told."""

    def __init__(
        self,
        number: int,
        log: list[int],
        needs: tuple[Picture, ...] = (),
        reference: bool = True,
        action: Any = None,
        help: Any = None,
    ) -> None:
        self.number = number
        self.lease = SimpleNamespace(written=None)
        self.references = {picture.number: picture.lease for picture in needs}
        self.needs = needs
        self.reference = reference
        self.released = False
        self._log = log
        self._action = action
        self._help = help
        self.sample_work: Any = None

    @property
    def completion(self) -> Completion:
        found = self.lease.written
        assert isinstance(found, Completion)
        return found

    def reconstruct(self, shareable: Callable[[], None] | None = None) -> None:
        assert all(picture.completion.done for picture in self.needs)
        if self._help is not None and shareable is not None:
            self.sample_work = SimpleNamespace(helped=False, help=self._help)
            shareable()
        if self._action is not None:
            self._action()
        self._log.append(self.number)

    def release(self) -> None:
        self.released = True


def submit(queue: ReconstructionQueue, *pictures: Picture, keep: bool = False) -> None:
    for picture in pictures:
        queue.submit(picture, keep=keep)  # type: ignore[arg-type]


def occupy(queue: ReconstructionQueue, log: list[int]) -> tuple[Picture, threading.Event]:
    """Keep a thread of the pool at picture 0 until the event is set; return both."""
    begun, go_on = threading.Event(), threading.Event()

    def stay() -> None:
        begun.set()
        assert go_on.wait(PATIENCE)

    busy = Picture(0, log, action=stay)
    submit(queue, busy)
    assert begun.wait(PATIENCE)
    return busy, go_on


def test_one_thread_reconstructs_at_once() -> None:
    queue = ReconstructionQueue(1)
    log: list[int] = []
    first, second = Picture(0, log), Picture(1, log)
    submit(queue, first)
    submit(queue, second, keep=True)
    assert log == [0, 1]
    assert (first.released, second.released) == (True, False)
    assert first.lease.written is None
    queue.wait()
    queue.close()


@pytest.mark.parametrize("threads", [2, 3, 4])
def test_pictures_come_after_those_they_need_whatever_the_number_of_threads(threads: int) -> None:
    """Each asserts so itself; groups of pictures like those of x264, and chains."""
    queue = ReconstructionQueue(threads)
    log: list[int] = []
    pictures: list[Picture] = []
    for number in range(400):
        if number < 200:
            back = {0: (4,), 1: (1, 5), 2: (1, 2), 3: (2, 3)}[number % 4]
        else:
            back = (1,)
        needs = tuple(pictures[number - step] for step in back if step <= number)
        pictures.append(Picture(number, log, needs, reference=number % 4 < 2))
        submit(queue, pictures[-1])
        assert sum(not picture.completion.done for picture in pictures) <= queue.depth
    queue.wait()
    assert all(picture.completion.done and picture.released for picture in pictures)
    assert sorted(log) == list(range(400))
    queue.close()


def test_pictures_that_others_need_come_first() -> None:
    """The thread of the pool is kept busy, so that the order is that of the caller's thread."""
    queue = ReconstructionQueue(2)
    log: list[int] = []
    busy, go_on = occupy(queue, log)
    waits = Picture(1, log, (busy,))
    loose = Picture(2, log, reference=False)
    needed = Picture(3, log)
    after = Picture(4, log, (needed,), reference=False)
    submit(queue, waits, loose, needed, after)
    after.completion.result()
    assert log == [3, 2, 4]
    go_on.set()
    queue.wait()
    assert log[3:] == [0, 1]
    queue.close()


def test_the_caller_waits_for_a_picture_that_another_thread_is_at() -> None:
    queue = ReconstructionQueue(2)
    log: list[int] = []
    busy, go_on = occupy(queue, log)
    chain = [busy]
    while len(chain) < queue.depth:
        chain.append(Picture(len(chain), log, (chain[-1],)))
        submit(queue, chain[-1])
    timer = threading.Timer(0.05, go_on.set)
    timer.start()
    # nothing can be begun, and there is no room for one more
    last = Picture(len(chain), log, (chain[-1],))
    submit(queue, last)
    last.completion.result()
    assert log == list(range(queue.depth + 1))
    timer.join()
    queue.close()


def test_the_caller_gives_a_hand_when_enough_is_parsed_and_something_can_be_begun() -> None:
    """Behind a picture that all need it parses on; of pictures that can be begun it takes one."""
    queue = ReconstructionQueue(2)
    log: list[int] = []
    busy, go_on = occupy(queue, log)
    enough = queue.depths[-1]
    assert enough < queue.depth
    chain = [Picture(1 + k, log, (busy,)) for k in range(enough - 1)]
    submit(queue, *chain)
    assert log == []
    loose = [Picture(100 + k, log) for k in range(3)]
    submit(queue, *loose)
    # each of the last two found another one that could be begun
    assert log == [100, 101]
    go_on.set()
    queue.wait()
    assert len(log) == enough + 3
    queue.close()


def test_the_caller_helps_with_a_picture_when_none_can_be_begun() -> None:
    """Once, and whoever makes the picture need not wait for it."""
    queue = ReconstructionQueue(2)
    log: list[int] = []
    begun, helped = threading.Event(), threading.Event()
    helpers: list[str] = []

    def help_with_it() -> None:
        helpers.append(threading.current_thread().name)
        helped.set()

    def stay() -> None:
        begun.set()
        assert helped.wait(PATIENCE)

    busy = Picture(0, log, action=stay, help=help_with_it)
    submit(queue, busy)
    assert begun.wait(PATIENCE)
    after = Picture(1, log, (busy,))
    submit(queue, after)
    after.completion.result()
    assert log == [0, 1]
    assert helpers == [threading.current_thread().name]
    queue.close()


def test_a_caller_that_waits_is_told_that_it_may_help() -> None:
    queue = ReconstructionQueue(2)
    log: list[int] = []
    begun, go_on, helped = threading.Event(), threading.Event(), threading.Event()

    class Late(Picture):
        def reconstruct(self, shareable: Callable[[], None] | None = None) -> None:
            begun.set()
            assert go_on.wait(PATIENCE)
            super().reconstruct(shareable)

    busy = Late(0, log, action=lambda: helped.wait(PATIENCE), help=helped.set)
    submit(queue, busy)
    assert begun.wait(PATIENCE)
    timer = threading.Timer(0.05, go_on.set)
    timer.start()
    busy.completion.result()
    timer.join()
    assert helped.is_set()
    queue.close()


@pytest.mark.parametrize("threads", [2, 3])
def test_what_fails_fails_for_all_pictures_that_need_it_and_for_no_other(threads: int) -> None:
    queue = ReconstructionQueue(threads)
    log: list[int] = []

    def fail() -> None:
        raise MemoryError("no")

    pictures = [Picture(0, log), Picture(1, log, action=fail)]
    pictures.append(Picture(2, log, (pictures[0],)))
    pictures.append(Picture(3, log, (pictures[1],)))
    pictures.append(Picture(4, log, (pictures[2], pictures[3])))
    submit(queue, *pictures)
    queue.wait()
    for picture in pictures:
        assert picture.completion.done
        if picture.number in (0, 2):
            picture.completion.result()
        else:
            with pytest.raises(MemoryError):
                picture.completion.result()
    assert sorted(log) == [0, 2]
    queue.close()


def test_an_interrupt_in_the_callers_thread_is_for_the_caller() -> None:
    queue = ReconstructionQueue(2)
    log: list[int] = []

    def interrupt() -> None:
        raise KeyboardInterrupt

    _, go_on = occupy(queue, log)
    hit = Picture(1, log, action=interrupt)
    submit(queue, hit)
    with pytest.raises(KeyboardInterrupt):
        hit.completion.result()
    go_on.set()
    queue.wait()
    assert log == [0]
    queue.close()


def test_closing_does_not_wait_for_pictures_that_nobody_has_begun() -> None:
    queue = ReconstructionQueue(2)
    log: list[int] = []
    busy, go_on = occupy(queue, log)
    after = Picture(1, log, (busy,))
    submit(queue, after)
    timer = threading.Timer(0.05, go_on.set)
    timer.start()
    queue.close()
    timer.join()
    assert log == [0]
    # who wants it all the same has it made
    after.completion.result()
    assert log == [0, 1]


def test_a_queue_that_is_dropped_leaves_no_thread() -> None:
    before = threading.active_count()
    log: list[int] = []
    queue = ReconstructionQueue(4)
    pictures = [Picture(number, log) for number in range(8)]
    submit(queue, *pictures)
    helpers = [each for each in threading.enumerate() if each.name.startswith("reconstruct")]
    assert helpers
    del queue, pictures
    for helper in helpers:
        helper.join(PATIENCE)
    assert threading.active_count() == before
