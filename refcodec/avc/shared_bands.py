"""Bands of a picture that two threads share: one makes the picture from its first band on, another may help it from
the last one on, and each band is taken by one of them.

The state of each band is a number that the threads read and write by LLVM's atomic operations, without the interpreter
lock; what a thread wrote before it calls a band made is there for whoever finds that it is.
"""

from __future__ import annotations

import threading
import time
from typing import Any, Final

from llvmlite import ir
from numba import config

from refcodec.avc.compilation import inlined
from refcodec.vectors import Code, Value, address_of, vector_function

FREE: Final = 0
TAKEN: Final = 1
MADE: Final = 2

_BYTES: Final = 4
"""Of a state, int32."""

_lock = threading.Lock()


@vector_function
def _exchange(code: Code, address: Value, expected: Value, state: Value) -> Value:
    """Replace the state at an address if it is the expected one; return what it was."""
    place = code.builder.inttoptr(address.value, ir.IntType(32).as_pointer())
    old = code.builder.cmpxchg(
        place, expected.narrow(32).value, state.narrow(32).value, "acq_rel", "acquire"
    )
    return Value(code, code.builder.extract_value(old, 0)).widen(64)


@vector_function
def _read(code: Code, address: Value) -> Value:
    """Return the state at an address."""
    place = code.builder.inttoptr(address.value, ir.IntType(32).as_pointer())
    return Value(code, code.builder.load_atomic(place, "acquire", _BYTES)).widen(64)


@inlined
def take(states: Any, band: int) -> bool:
    """Take a band that nobody has taken; return whether that was so. states: int32, of all bands."""
    return _exchange(address_of(states) + _BYTES * band, FREE, TAKEN) == FREE


@inlined
def call_made(states: Any, band: int) -> None:
    """Say that a band that was taken is made."""
    _exchange(address_of(states) + _BYTES * band, TAKEN, MADE)


@inlined
def await_made(states: Any, band: int) -> None:
    """Return when a band that was taken is made: at once mostly, as threads meet in one band of a picture only."""
    while _read(address_of(states) + _BYTES * band) != MADE:
        pass


def plain_take(states: Any, band: int) -> bool:
    """Do what `take` does, as plain Python."""
    with _lock:
        free = bool(states[band] == FREE)
        if free:
            states[band] = TAKEN
    return free


def plain_call_made(states: Any, band: int) -> None:
    """Do what `call_made` does, as plain Python."""
    states[band] = MADE


def plain_await_made(states: Any, band: int) -> None:
    """Do what `await_made` does, as plain Python."""
    while states[band] != MADE:
        time.sleep(0)


if getattr(config, "DISABLE_JIT", False):
    take, call_made, await_made = plain_take, plain_call_made, plain_await_made
