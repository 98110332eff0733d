"""Makes spec/tables/upscaler_taps.csv: the interpolation taps of the upscaler (clause
#dec.upscaling).

Run `python -m spec.tables.upscaler_taps > spec/tables/upscaler_taps.csv`. The table is normative,
this tool is not: a decoder reads the table and never computes a sine.

Phase p = 0..31 interpolates at the distance p / 32 behind the third of six samples. The taps are
the Lanczos kernel of three lobes, sinc(x) sinc(x / 3), normalised to the sum 64 and rounded to
nearest; what then misses of 64 goes to the tap of the nearest sample (for phase 16: half of it to
each of the two). Phases 17..31 mirror phases 15..1. The sum of magnitudes of a phase is at most
128, so that the first pass over 8-bit samples fits 16 bits.
"""

from __future__ import annotations

import math
import sys

PHASES = 32
TAPS = 6
SUM = 64


def _sinc(x: float) -> float:
    return 1.0 if x == 0 else math.sin(math.pi * x) / (math.pi * x)


def taps(phase: int) -> list[int]:
    """Return the six taps of `phase` in 0..31."""
    if phase > PHASES // 2:
        return taps(PHASES - phase)[::-1]
    distances = [t - 2 - phase / PHASES for t in range(TAPS)]
    weights = [_sinc(x) * _sinc(x / 3) for x in distances]
    total = sum(weights)
    result = [math.floor(SUM * w / total + 0.5) for w in weights]
    missing = SUM - sum(result)
    if phase == PHASES // 2:
        result[2] += missing // 2
        result[3] += missing // 2
    else:
        result[2] += missing
    return result


def text() -> str:
    """Return the file upscaler_taps.csv."""
    lines = [",".join(["phase", *(f"t{t}" for t in range(TAPS))])]
    lines += [",".join(map(str, [phase, *taps(phase)])) for phase in range(PHASES)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
