"""The first start in little more than half the time: while this process compiles the kernels of parsing, one
beside it compiles that of samples, which takes as long as all others together, and leaves it in Numba's cache.

Numba compiles one function at a time in a process, so threads would not do.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
from functools import cache

from refcodec.avc.compilation import is_kept
from refcodec.avc.frame_store import FrameStore, Geometry
from refcodec.avc.motion_vectors import derive_motion
from refcodec.avc.picture_samples import SampleWork, Scratch, flat, picture_samples
from refcodec.avc.side_information import SideInformation
from refcodec.avc.slice_table import SliceTable
from refcodec.processors import default_threads

_COMPILE_SAMPLES = "from refcodec.avc.first_start import compile_samples; compile_samples()"


@cache
def begin() -> subprocess.Popen[bytes] | None:
    """Begin to compile what writes samples in another process, unless that is done or one processor is all there
    is. What goes wrong there is of no account: this process then compiles it itself."""
    if is_kept(picture_samples) or default_threads() < 2:
        return None
    if getattr(sys, "frozen", False) or not sys.executable:
        return None  # no interpreter to call
    path = os.pathsep.join(entry or os.curdir for entry in sys.path)
    quiet = subprocess.DEVNULL
    try:
        beside = subprocess.Popen(
            [sys.executable, "-c", _COMPILE_SAMPLES],
            env=os.environ | {"PYTHONPATH": path},
            stdin=quiet,
            stdout=quiet,
            stderr=quiet,
        )
    except OSError:
        return None
    atexit.register(beside.kill)  # it has nothing to do if nobody waits for it
    return beside


@cache
def finish() -> None:
    """Wait for what was begun, which will be in Numba's cache then; meanwhile compile what derives motion."""
    beside = begin()
    if beside is not None:
        compile_motion()
        beside.wait()


def compile_motion() -> None:
    """Have `derive_motion` compiled: derive the motion of a slice without macroblocks."""
    derive_motion(0, SliceTable.allocate(1), SideInformation.allocate(1), None, 1)


def compile_samples() -> None:
    """Have `picture_samples` compiled: write the samples of a picture without macroblocks."""
    store = FrameStore(Geometry(1, 0), 1)
    info = SideInformation.allocate(1)
    SampleWork(flat(info), SliceTable.allocate(1), Scratch(1), store, 0, reference=False).write()
