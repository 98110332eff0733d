"""Any number of threads gives the same pictures and losses, and nothing hangs when a decode is given
up."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, reject, settings

from conformance.avc.matrix import access_units
from conformance.avc.mutation.mutators import Mutant, mutant
from conformance.avc.mutation.outcomes import EXCEPTION, TYPED_ERROR, outcome
from conformance.avc.strategies import streams
from conformance.avc.streams import ParametersRefusedError, Stream
from refcodec.avc.nal import nal_units
from refcodec.avc.stream_decoder import AvcDecoder
from tests.property.examples import examples

PATIENCE = 120.0
"""Seconds after which something hangs."""
THREADS = (1, 2, 3, 4)


@settings(deadline=None, max_examples=examples(25), suppress_health_check=list(HealthCheck))
@given(streams())
def test_streams_come_out_the_same_with_any_number_of_threads(stream: Stream) -> None:
    try:
        coded = access_units(stream)
    except ParametersRefusedError:
        reject()
    made = Mutant(tuple(tuple(map(bytes, nal_units(data))) for data in coded), "none", "")
    alone, *others = (outcome(made, threads=threads) for threads in THREADS)
    assert alone.kind != EXCEPTION, alone.detail
    assert others == [alone] * len(others)


def test_damaged_streams_come_out_the_same_with_any_number_of_threads() -> None:
    damaged = 0
    for number in range(examples(80)):
        made = mutant(21, number)
        alone, *others = (outcome(made, threads=threads) for threads in THREADS)
        assert others == [alone] * len(others), made.description
        damaged += alone.kind == TYPED_ERROR
    assert damaged


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("close", [True, False])
def test_a_decode_that_is_given_up_leaves_no_thread(threads: int, close: bool) -> None:
    """After any number of access units, the last of them without its end; closed or dropped."""

    def give_up(number: int, after: int) -> None:
        decoder = AvcDecoder(threads=threads)
        for unit in mutant(22, number).units[:after]:
            for nal_unit in unit:
                decoder.decode(nal_unit, after)
        if close:
            decoder.close()

    def many() -> None:
        for number in range(examples(12)):
            give_up(number, 1 + number)

    before = set(threading.enumerate())
    with ThreadPoolExecutor(1) as pool:
        pool.submit(many).result(PATIENCE)
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE)
        assert not thread.is_alive()
