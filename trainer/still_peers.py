"""Intra pictures of the peers: one still picture each, and their scores at a given rate."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from refcodec.avc.nal import nal_units
from refcodec.comparison.codecs import PEERS, PeerCodec
from refcodec.comparison.encoding import default_cache
from refcodec.comparison.scheduling import scheduling_kept

Samples = NDArray[np.uint8]
Yuv = tuple[Samples, Samples, Samples]

STILL_PEERS = ("x264", "x265", "svtav1")
_FINEST = 12.0
_STEPS = {"x264": 0.25, "x265": 0.25, "svtav1": 1.0}
_DECODERS = {"x264": "h264", "x265": "hevc", "svtav1": "libdav1d"}


def intra_picture(picture: Yuv, codec: PeerCodec, quality: float) -> tuple[int, Yuv]:
    """Code one intra picture; return its bits, without parameter sets and messages, and its decoded planes."""
    height, width = picture[0].shape
    encoder: Any = av.CodecContext.create(codec.encoder, "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base = Fraction(1, 25)
    encoder.framerate = Fraction(25)
    encoder.bit_rate = 0
    encoder.gop_size = 1
    encoder.options = {**codec.options(quality, 1), "threads": "1"}
    with scheduling_kept():
        packets = [*encoder.encode(_frame(picture)), *encoder.encode(None)]
    decoder: Any = av.CodecContext.create(_DECODERS[codec.id], "r")
    frames = [f for p in packets for f in decoder.decode(p)] + list(decoder.decode(None))
    bits = 8 * sum(_picture_bytes(codec, bytes(p)) for p in packets)
    return bits, _planes(frames[0])


def intra_around_bits(
    picture: Yuv, codec: PeerCodec, bits: float
) -> tuple[tuple[int, Yuv], tuple[int, Yuv]]:
    """Return the intra pictures at two neighbouring settings: with at least `bits` bits, and with fewer."""
    step = _STEPS[codec.id]
    lo, hi = round(_FINEST / step), round(codec.high / step)
    above = intra_picture(picture, codec, lo * step)
    below = intra_picture(picture, codec, hi * step)
    while hi - lo > 1:
        middle = (lo + hi) // 2
        result = intra_picture(picture, codec, middle * step)
        if result[0] >= bits:
            lo, above = middle, result
        else:
            hi, below = middle, result
    return above, below


class PeerScores:
    """Scores of the peers' intra pictures, kept in the folder of cached encodes: they do not change from one
    evaluation of a generator to the next."""

    def __init__(self, score: Callable[[Yuv, Yuv, float], dict[str, float]]) -> None:
        self._score = score

    def of(self, picture: Yuv, codec: PeerCodec, bits_per_pixel: float) -> dict[str, float]:
        """Return what `score` says of the peer's intra picture at a rate, between its two nearest settings."""
        digest = hashlib.sha256(b"".join(plane.tobytes() for plane in picture)).hexdigest()
        libraries = {name: list(version) for name, version in av.library_versions.items()}
        options = {**codec.options(0, 1), "step": _STEPS[codec.id]}
        facts = json.dumps([digest, codec.id, options, bits_per_pixel, libraries], sort_keys=True)
        path = default_cache() / f"still-{hashlib.sha256(facts.encode()).hexdigest()[:24]}.json"
        if path.is_file():
            found: dict[str, float] = json.loads(path.read_text())
            return found
        goal = bits_per_pixel * picture[0].size
        around = intra_around_bits(picture, codec, goal)
        above, below = (self._score(picture, decoded, bits) for bits, decoded in around)
        # Settings have steps of up to a fifth of the rate; between two of them scores are taken to be
        # linear in the logarithm of the rate.
        high, low = (math.log2(bits) for bits, _ in around)
        part = 0.0 if high == low else min(1.0, max(0.0, (math.log2(goal) - low) / (high - low)))
        scores = {name: part * above[name] + (1 - part) * below[name] for name in above}
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps(scores))
        partial.replace(path)
        return scores


def first_picture(path: Path) -> Yuv:
    """Return the first picture of a video, cropped to multiples of 16."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0)).reformat(format="yuv420p")
    y, u, v = _planes(frame)
    height, width = y.shape[0] // 16 * 16, y.shape[1] // 16 * 16
    chroma = slice(0, height // 2), slice(0, width // 2)
    return y[:height, :width].copy(), u[chroma].copy(), v[chroma].copy()


def _frame(picture: Yuv) -> Any:
    frame: Any = av.VideoFrame(picture[0].shape[1], picture[0].shape[0], "yuv420p")
    for plane, samples in zip(frame.planes, picture, strict=True):
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        rows[:, : samples.shape[1]] = samples
    frame.pts = 0
    return frame


def _planes(frame: Any) -> Yuv:
    planes = [
        np.frombuffer(memoryview(p), np.uint8)
        .reshape(-1, p.line_size)[: p.height, : p.width]
        .copy()
        for p in frame.planes
    ]
    return planes[0], planes[1], planes[2]


def _picture_bytes(codec: PeerCodec, data: bytes) -> int:
    """Return the bytes of `data` that code samples."""
    if codec.id == "svtav1":
        return _frame_obu_bytes(data)
    units = list(nal_units(data))
    if codec.id == "x264":
        coded = [unit for unit in units if unit[0] & 31 in (1, 5)]
    else:
        coded = [unit for unit in units if unit[0] >> 1 & 63 < 32]
    return sum(3 + len(unit) for unit in coded)


def _frame_obu_bytes(data: bytes) -> int:
    """Return the bytes of an AV1 temporal unit without temporal delimiter and sequence header (OBU types 2, 1)."""
    position = total = 0
    while position < len(data):
        begin = position
        kind, has_size = data[position] >> 3 & 15, data[position] >> 1 & 1
        position += 2 if data[position] & 4 else 1
        size, shift = (0, 0) if has_size else (len(data) - position, 0)
        while has_size:
            byte = data[position]
            size |= (byte & 127) << shift
            shift += 7
            position += 1
            has_size = byte >> 7
        position += size
        if kind not in (1, 2):
            total += position - begin
    return total


def peer(name: str) -> PeerCodec:
    """Return a peer by its name in STILL_PEERS."""
    return PEERS[name]
