"""`python -m conformance.avc.reach`: small streams that together reach the whole decoder.

Meant for coverage measurements with the kernels as plain Python (NUMBA_DISABLE_JIT=1), which is a
thousand times slower than compiled: every stream is tiny. All of them are compared with libavcodec.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from typing import Any

from conformance.avc.decoders import reference_decoder
from conformance.avc.matrix import access_units, check
from conformance.avc.mutation.mutators import mutant
from conformance.avc.mutation.outcomes import ACCEPTABLE, outcome
from conformance.avc.streams import Stream

_SMALL = Stream(
    width=48, height=32, pictures=5, content="objects", seed=5, partitions="all", subme=7, me="hex"
)
_CABAC = replace(_SMALL, cabac=True)
_HIGH = replace(_CABAC, transform_8x8=True, trellis=1, psy=(1.0, 0.3))
_B: dict[str, Any] = {
    "bframes": 3,
    "b_pyramid": "normal",
    "pictures": 8,
    "ref": 3,
    "mixed_refs": True,
}

STREAMS: dict[str, Stream] = {
    "cavlc": replace(_SMALL, ref=3),
    "cavlc, fine": replace(_SMALL, quantiser=3, content="texture", pictures=2),
    "cavlc, coarse": replace(_SMALL, quantiser=51),
    "cavlc, 8x8": replace(_SMALL, transform_8x8=True, quantiser=18, **_B, direct="spatial"),
    "cavlc, B temporal": replace(_SMALL, **_B, direct="temporal", weightb=True),
    "cavlc, I_PCM": replace(_SMALL, content="noise", quantiser=1, pictures=2),
    "cavlc, slices": replace(_SMALL, slice_max_mbs=2, pictures=3),
    "cavlc, many slices": replace(_SMALL, height=48, slice_max_mbs=1, pictures=2),
    "cabac": replace(_CABAC, ref=3),
    "cabac, fine": replace(_CABAC, quantiser=2, content="texture", pictures=2),
    "cabac, coarse": replace(_CABAC, quantiser=50, content="cuts"),
    "cabac, I_PCM": replace(_CABAC, content="noise", quantiser=1, pictures=3),
    "cabac, B spatial": replace(_CABAC, **_B, direct="spatial", quantiser=20),
    "cabac, B temporal": replace(_CABAC, **_B, direct="temporal", weightb=True),
    "cabac, B, many references": replace(_CABAC, **_B, direct="auto", content="flashes", weightp=2),
    "high": replace(_HIGH, ref=3, quantiser=18),
    "high, B": replace(_HIGH, **_B, direct="auto", weightb=True, rate_factor=True, aq=(1, 2.0)),
    "high, matrices": replace(_HIGH, matrices="custom", matrices_seed=2, chroma_qp_offset=5),
    "high, default matrices": replace(_HIGH, matrices="jvt", quantiser=44),
    "weights": replace(_HIGH, content="fade", weightp=2, pictures=8, ref=3),
    "weights, cavlc": replace(_SMALL, content="fade", weightp=1, pictures=8),
    "constrained intra": replace(_HIGH, constrained_intra=True, content="cuts", pictures=8),
    "constrained intra, cavlc": replace(_SMALL, constrained_intra=True, content="cuts", pictures=8),
    "intra refresh": replace(_HIGH, intra_refresh=True, keyint=4, pictures=6),
    "filter": replace(_HIGH, deblock=(5, -4), slices=2, content="texture", quantiser=36),
    "no filter": replace(_HIGH, no_deblock=True, pictures=2),
    "open GOP": replace(_CABAC, **_B, open_gop=True, keyint=4),
    "cropped": replace(_CABAC, crop=(2, 4, 6, 8), width=40, pictures=2, aud=True),
    "dropped": replace(_CABAC, bframes=3, drop_unreferenced=2, pictures=8, filler=True,
                       rate_factor=True),
    "far vectors": replace(_SMALL, content="noise", me="esa", merange=32, pictures=3, quantiser=30),
}  # fmt: skip


def _rewritten() -> dict[str, Stream]:
    found = {}
    for seed in range(1, 13):
        base = replace(_HIGH if seed % 2 else _CABAC, pictures=12, ref=4, width=32)
        found[f"other headers {seed}"] = replace(base, rewriting=seed)
        with_b = (
            replace(base, **_B, direct="spatial")
            if seed % 3
            else replace(base, **_B, direct="temporal")
        )
        found[f"other headers, B {seed}"] = replace(with_b, rewriting=100 + seed)
    return found


def main() -> int:
    """Return 0 when everything was decoded as it should be."""
    parser = argparse.ArgumentParser(prog="python -m conformance.avc.reach", description=__doc__)
    parser.add_argument("--mutants", type=int, default=150, help="damaged streams besides")
    options = parser.parse_args()
    streams = STREAMS | _rewritten()
    bad = 0
    for name, stream in streams.items():
        begin = time.monotonic()
        pictures, failure = check(stream)
        bad += failure is not None
        took = time.monotonic() - begin
        print(f"{name}: {failure or f'{pictures} pictures equal'} ({took:.0f} s)", flush=True)
    # Two threads take other paths of control.
    threaded = list(reference_decoder(access_units(STREAMS["high, B"]), threads=2))
    bad += len(threaded) != STREAMS["high, B"].pictures
    for number in range(options.mutants):
        found = outcome(mutant(1, number))
        if found.kind not in ACCEPTABLE:
            bad += 1
            print(f"mutant {number}: {found.kind}: {found.detail}")
    print(f"{len(streams)} streams, {options.mutants} mutants, {bad} bad")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
