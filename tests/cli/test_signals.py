"""A command that is asked to end leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.unit.test_media_source import write_video

START = "from refcodec.cli import main; main()"


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_an_encode_and_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    source, target, work = tmp_path / "source.mkv", tmp_path / "target.hyp", tmp_path / "work"
    work.mkdir()
    write_video(source, count=150)
    command = [sys.executable, "-c", START, "encode", source, target, "--keyframes", "coded", "-q"]
    # what this process ignores, under nohup for instance, a child would ignore too
    before = signal.signal(number, signal.SIG_DFL)
    process = subprocess.Popen(command, env=dict(os.environ, TMPDIR=str(work)))
    signal.signal(number, before)
    try:
        while not list(work.glob("hyp-*")):
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(number)
        assert process.wait(60) == 128 + number
    finally:
        process.kill()
    assert not list(work.glob("hyp-*"))
    assert not list(tmp_path.glob("*target*"))  # nor a part of it under another name
