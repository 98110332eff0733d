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


@kernel
def take_all(states: Any, taken: Any) -> None:
    """Take what can be taken, and call it made."""
    for band in range(states.size):
        if shared_bands.take(states, band):
            taken[band] += 1
            shared_bands.call_made(states, band)
        else:
            shared_bands.await_made(states, band)


def plain_take_all(states: Any, taken: Any) -> None:
    for band in range(states.size):
        if shared_bands.plain_take(states, band):
            taken[band] += 1
            shared_bands.plain_call_made(states, band)
        else:
            shared_bands.plain_await_made(states, band)


@pytest.mark.parametrize("work", [take_all, plain_take_all])
def test_each_band_is_taken_once(work: Callable[[Any, Any], None]) -> None:
    work(
        np.zeros(1, np.int32), np.zeros(1, np.int64)
    )  # compiled, so that the threads run side by side
    states = np.full(BANDS, FREE, np.int32)
    taken = np.zeros((THREADS, BANDS), np.int64)
    threads = [threading.Thread(target=work, args=(states, each)) for each in taken]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert np.array_equal(taken.sum(0), np.ones(BANDS))
    assert np.array_equal(states, np.full(BANDS, MADE))


@pytest.mark.parametrize("take", [shared_bands.take, shared_bands.plain_take])
def test_a_band_that_is_taken_or_made_is_not_taken(take: Any) -> None:
    states = np.array([FREE, TAKEN, MADE], np.int32)
    taken = np.zeros(3, np.int64)

    @kernel
    def each(states: Any, taken: Any) -> None:
        for band in range(states.size):
            taken[band] = shared_bands.take(states, band)

    if take is shared_bands.take:
        each(states, taken)
    else:
        taken[:] = [take(states, band) for band in range(3)]
    assert taken.tolist() == [1, 0, 0]
    assert states.tolist() == [TAKEN, TAKEN, MADE]
