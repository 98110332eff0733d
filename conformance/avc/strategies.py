"""Hypothesis strategies: streams from the whole range of x264's parameters.

Strategies shrink towards the defaults of Stream, so that a failing stream is reduced to what it
takes to fail.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from conformance.avc.content import KINDS
from conformance.avc.streams import Stream

_PARTITIONS = ("none", "p8x8", "i4x4", "p8x8,b8x8,i4x4", "p8x8,b8x8,i4x4,i8x8", "all")
_DIRECT = ("none", "spatial", "temporal", "auto")


def _even(low: int, high: int) -> st.SearchStrategy[int]:
    return st.integers(low // 2, high // 2).map(lambda half: 2 * half)


@st.composite
def _sizes(draw: st.DrawFn, large: bool) -> dict[str, Any]:
    """Width, height, crop and number of pictures: small and short, or large and very short."""
    kind = draw(st.integers(0, 39))
    if large:
        width, height = draw(
            st.sampled_from(((1280, 720), (1920, 1080), (1920, 1088), (1920, 800)))
        )
        pictures = draw(st.integers(2, 4))
    elif kind < 16:
        width, height = draw(_even(16, 64)), draw(_even(16, 64))
        pictures = draw(st.integers(1, 40))
    elif kind < 34:
        width, height = draw(_even(16, 160)), draw(_even(16, 160))
        pictures = draw(st.integers(1, 20))
    elif kind < 38:
        width, height = draw(_even(160, 480)), draw(_even(160, 320))
        pictures = draw(st.integers(1, 6))
    else:
        # a row or a column of macroblocks
        width, height = draw(st.sampled_from(((16, 640), (1920, 16), (640, 18), (32, 480))))
        pictures = draw(st.integers(1, 8))
    crop = (0, 0, 0, 0)
    if draw(st.integers(0, 3)) == 3:
        across, down = min(8, (width - 2) // 4), min(8, (height - 2) // 4)
        limits = (across, down, across, down)
        crop = tuple(draw(_even(0, limit)) for limit in limits)  # type: ignore[assignment]
    return {"width": width, "height": height, "pictures": pictures, "crop": crop}


@st.composite
def _structures(draw: st.DrawFn) -> dict[str, Any]:
    """GOP structure, reference pictures, B pictures."""
    found: dict[str, Any] = {
        "keyint": draw(st.sampled_from((250, 1, 2, 5, 9, 12))),
        "scenecut": draw(st.sampled_from((0, 40))),
        "ref": draw(st.sampled_from((1, 2, 3, 4, 5, 8, 16))),
        "weightp": draw(st.integers(0, 2)),
        "mixed_refs": draw(st.booleans()),
    }
    found["bframes"] = draw(st.sampled_from((0, 1, 2, 3, 5, 8, 16)))
    if found["bframes"]:
        found["b_pyramid"] = draw(st.sampled_from(("none", "strict", "normal")))
        found["b_adapt"] = draw(st.integers(0, 2))
        found["b_bias"] = draw(st.sampled_from((0, 50, -50)))
        found["weightb"] = draw(st.booleans())
        found["direct"] = draw(st.sampled_from(_DIRECT))
        found["open_gop"] = draw(st.booleans())
    if draw(st.integers(0, 7)) == 7:
        found["intra_refresh"] = True
    return found


@st.composite
def _searches(draw: st.DrawFn) -> dict[str, Any]:
    """Partitions and search, which decide what kinds of vectors occur."""
    return {
        "partitions": draw(st.sampled_from(_PARTITIONS)),
        "me": draw(st.sampled_from(("dia", "hex", "umh", "esa"))),
        "subme": draw(st.integers(0, 10)),
        "merange": draw(st.sampled_from((16, 4, 32))),
        "mvrange": draw(st.sampled_from((-1, -1, 32, 64))),
    }


@st.composite
def _residuals(draw: st.DrawFn) -> dict[str, Any]:
    """Quantisation, transforms, entropy coding."""
    found: dict[str, Any] = {
        "quantiser": draw(st.one_of(st.just(26), st.integers(1, 51), st.sampled_from((1, 2, 51)))),
        "rate_factor": draw(st.booleans()),
        "cabac": draw(st.booleans()),
        "transform_8x8": draw(st.booleans()),
        "matrices": draw(st.sampled_from(("flat", "flat", "jvt", "custom"))),
        "chroma_qp_offset": draw(st.one_of(st.just(0), st.integers(-12, 12))),
        "decimate": draw(st.sampled_from((True, False))),
        "noise_reduction": draw(st.sampled_from((0, 0, 400))),
        "psy": draw(st.sampled_from(((0.0, 0.0), (1.0, 0.0), (1.0, 0.5), (4.0, 2.0)))),
        "fullrange": draw(st.booleans()),
    }
    if found["cabac"]:
        found["trellis"] = draw(st.integers(0, 2))
    if found["rate_factor"]:
        strength = draw(st.sampled_from((0.0, 1.0, 3.0)))
        found["aq"] = (draw(st.integers(0, 3)), strength)
        found["filler"] = draw(st.integers(0, 9)) == 9
    if found["matrices"] == "custom":
        found["matrices_seed"] = draw(st.integers(0, 1000))
        # x264 refuses a QP at which a large entry of a matrix overflows its arithmetic
        found["quantiser"] = max(found["quantiser"], 8)
    return found


@st.composite
def _layouts(draw: st.DrawFn) -> dict[str, Any]:
    """Slices, loop filter, NAL units."""
    found: dict[str, Any] = {
        "no_deblock": draw(st.integers(0, 6)) == 6,
        "constrained_intra": draw(st.booleans()),
        "aud": draw(st.booleans()),
        "drop_unreferenced": draw(st.sampled_from((0, 0, 0, 1, 2))),
    }
    if not found["no_deblock"]:
        found["deblock"] = draw(
            st.one_of(st.just((0, 0)), st.tuples(st.integers(-6, 6), st.integers(-6, 6)))
        )
    kind = draw(st.integers(0, 5))
    if kind == 3:
        found["slices"] = draw(st.integers(2, 8))
    elif kind == 4:
        found["slice_max_mbs"] = draw(st.integers(1, 40))
    elif kind == 5:
        found["slice_max_size"] = draw(st.integers(100, 1500))
    return found


@st.composite
def streams(draw: st.DrawFn, rewrite: bool = True, large: bool = False) -> Stream:
    """Streams of every kind that x264 makes and this decoder takes; with `rewrite` some have other
    headers (see conformance.avc.rewriting); `large` ones are up to 1920x1088."""
    return Stream(
        rewriting=draw(st.integers(0, 999)) if rewrite and draw(st.integers(0, 2)) == 2 else 0,
        **draw(_sizes(large)),
        content=draw(st.sampled_from(tuple(KINDS))),
        seed=draw(st.integers(0, 9999)),
        **draw(_structures()),
        **draw(_searches()),
        **draw(_residuals()),
        **draw(_layouts()),
    )
