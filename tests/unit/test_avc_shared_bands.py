"""Of all threads that want a band, one gets it, whether they are compiled or plain Python."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from refcodec.avc import shared_bands
from refcodec.avc.compilation import kernel
from refcodec.avc.shared_bands import FREE, MADE, TAKEN

BANDS = 2000
THREADS = 4


def loops(take: Any, call_made: Any, await_made: Any) -> tuple[Callable[..., None], ...]:
    """Return what takes the bands that can be taken: and makes them, or no more than that."""

    def take_and_make(states: Any, taken: Any) -> None:
        for band in range(states.size):
            if take(states, band):
                taken[band] += 1
                call_made(states, band)
            else:
                await_made(states, band)

    def take_only(states: Any, taken: Any) -> None:
        for band in range(states.size):
            taken[band] = take(states, band)

    return take_and_make, take_only


compiled = tuple(
    map(kernel, loops(shared_bands.take, shared_bands.call_made, shared_bands.await_made))
)
plain = loops(shared_bands.plain_take, shared_bands.plain_call_made, shared_bands.plain_await_made)


@pytest.mark.parametrize("work", [compiled[0], plain[0]], ids=["compiled", "plain"])
def test_each_band_is_taken_once(work: Callable[..., None]) -> None:
    # compiled before, so that the threads run side by side
    work(np.zeros(1, np.int32), np.zeros(1, np.int64))
    states = np.full(BANDS, FREE, np.int32)
    taken = np.zeros((THREADS, BANDS), np.int64)
    threads = [threading.Thread(target=work, args=(states, each)) for each in taken]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert np.array_equal(taken.sum(0), np.ones(BANDS))
    assert np.array_equal(states, np.full(BANDS, MADE))


@pytest.mark.parametrize("work", [compiled[1], plain[1]], ids=["compiled", "plain"])
def test_a_band_that_is_taken_or_made_is_not_taken(work: Callable[..., None]) -> None:
    states = np.array([FREE, TAKEN, MADE], np.int32)
    taken = np.zeros(3, np.int64)
    work(states, taken)
    assert taken.tolist() == [1, 0, 0]
    assert states.tolist() == [TAKEN, TAKEN, MADE]
