"""A process beside this one compiles what this one needs, and nothing hangs when it does not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from refcodec.avc import first_start, motion_vectors, picture_samples
from refcodec.avc.compilation import is_kept
from refcodec.avc.nal import nal_units
from refcodec.avc.stream_decoder import AvcDecoder
from tests.unit.avc_slice_streams import encode, moving_pictures

KERNELS: tuple[Any, ...] = (picture_samples.picture_samples, motion_vectors._derive_motion)
compiled = pytest.mark.skipif(
    not hasattr(KERNELS[0], "signatures"), reason="kernels run as plain Python"
)


@pytest.fixture(autouse=True)
def first() -> Iterator[None]:
    """Nothing has begun, nor has it afterwards."""
    first_start.begin.cache_clear()
    first_start.finish.cache_clear()
    yield
    first_start.begin.cache_clear()
    first_start.finish.cache_clear()


def decode() -> int:
    """Decode some pictures, of all slice types; return how many there are."""
    decoder, count = AvcDecoder(), 0
    for unit in nal_units(encode(moving_pictures(48, 48, 6), "bframes=2:b-adapt=0")):
        count += len(decoder.decode(unit, 0)) + len(decoder.end_access_unit())
    return count + len(decoder.flush())


@compiled
def test_that_is_compiled_which_a_decode_calls() -> None:
    decode()
    called = [set(kernel.signatures) for kernel in KERNELS]
    first_start.compile_samples()
    first_start.compile_motion()
    assert [set(kernel.signatures) for kernel in KERNELS] == called
    assert all(is_kept(kernel) for kernel in KERNELS)


@compiled
def test_nothing_is_begun_when_all_is_kept() -> None:
    decode()
    first_start.begin.cache_clear()
    assert first_start.begin() is None


def test_a_process_beside_compiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_start, "is_kept", lambda kernel: False)
    monkeypatch.setattr(first_start, "default_threads", lambda: 2)
    assert decode() == 6
    beside = first_start.begin()
    assert isinstance(beside, subprocess.Popen)
    assert beside.returncode == 0  # it was waited for, and what it ran is there


@pytest.mark.parametrize("executable", ["", "/nowhere/python", sys.executable])
def test_without_it_the_decode_is_the_same(
    monkeypatch: pytest.MonkeyPatch, executable: str
) -> None:
    monkeypatch.setattr(first_start, "is_kept", lambda kernel: False)
    monkeypatch.setattr(first_start, "_COMPILE_SAMPLES", "raise SystemExit(3)")
    monkeypatch.setattr(first_start.sys, "executable", executable)
    assert decode() == 6


def test_one_processor_compiles_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_start, "is_kept", lambda kernel: False)
    monkeypatch.setattr(first_start, "default_threads", lambda: 1)
    assert first_start.begin() is None
