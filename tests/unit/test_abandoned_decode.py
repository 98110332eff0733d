"""A decode that nobody finishes is collected as garbage without waiting for threads that are gone."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

from refcodec.encoder import EncoderSettings, encode
from tests.unit.test_encode import write_source

SCRIPT = """
import gc, sys
from refcodec.decoder import decode
for wanted in range(1, 30):
    pictures = iter(decode(sys.argv[1], threads=2))
    for _ in range(wanted):
        next(pictures)
    cycle = [pictures]
    cycle.append(cycle)
    del pictures, cycle
    gc.collect()
print("collected")
"""


def test_garbage_collection_does_not_hang(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source.mkv", count=40, cut=40)
    path = tmp_path / "coded.hyp"
    encode(
        source, path, EncoderSettings(bitrate=80_000, preset="fast", workers=1, size=Fraction(1))
    )
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(path)], capture_output=True, text=True, timeout=240
    )
    assert done.stdout.strip() == "collected", done.stderr
