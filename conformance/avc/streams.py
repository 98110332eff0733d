"""Streams of x264: what one is made of, and the access units that it becomes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import av.error
import numpy as np

from conformance.avc.content import Planes, render
from refcodec.avc.nal import nal_units
from refcodec.encoder.avc_job import deterministic_cpu
from refcodec.libav_frames import picture_to_frame
from refcodec.picture import Picture

MOST_SLICES = 31
"""Slices of a picture that libavcodec tells apart in its loop filter."""


MOST_DC_SCALE = 28
"""Scale of DC up to which 18 * scale * 64 fits into 16 bits, so that libavcodec computes exactly."""


class ParametersRefusedError(Exception):
    """x264 takes no such combination of parameters, or libavcodec not what comes of it."""


@dataclass(frozen=True)
class Stream:
    """Everything an x264 stream follows from; the default of each field is its simplest value.

    width, height: even, of the coded picture before `crop` (left, top, right, bottom, even) takes
    from it; pictures: how many; content, seed: see conformance.avc.content. quantiser: 1 to 51, a
    constant QP, or x264's constant rate factor when `rate_factor` is set, with adaptive
    quantisation of `aq`, (mode, strength). The others are x264's parameters of like names.
    """

    width: int = 16
    height: int = 16
    crop: tuple[int, int, int, int] = (0, 0, 0, 0)
    pictures: int = 1
    content: str = "flat"
    seed: int = 0
    quantiser: int = 26
    rate_factor: bool = False
    aq: tuple[int, float] = (0, 0.0)
    cabac: bool = False
    transform_8x8: bool = False
    keyint: int = 250
    open_gop: bool = False
    intra_refresh: bool = False
    scenecut: int = 0
    bframes: int = 0
    b_pyramid: str = "none"
    b_adapt: int = 0
    b_bias: int = 0
    ref: int = 1
    mixed_refs: bool = False
    weightp: int = 0
    weightb: bool = False
    direct: str = "none"
    partitions: str = "none"
    me: str = "dia"
    subme: int = 0
    merange: int = 16
    mvrange: int = -1
    slices: int = 1
    slice_max_mbs: int = 0
    slice_max_size: int = 0
    matrices: str = "flat"
    matrices_seed: int = 0
    deblock: tuple[int, int] = (0, 0)
    no_deblock: bool = False
    constrained_intra: bool = False
    chroma_qp_offset: int = 0
    trellis: int = 0
    psy: tuple[float, float] = (0.0, 0.0)
    decimate: bool = True
    noise_reduction: int = 0
    aud: bool = False
    filler: bool = False
    fullrange: bool = False
    drop_unreferenced: int = 0
    rewriting: int = 0

    def __str__(self) -> str:
        """What differs from the simplest stream."""
        shown = [
            f"{field.name}={getattr(self, field.name)!r}"
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        ]
        return f"Stream({', '.join(shown)})"

    def source(self) -> list[Planes]:
        """Return the pictures that are coded."""
        return list(render(self.content, self.seed, self.width, self.height, self.pictures))

    def access_units(self) -> list[bytes]:
        """Return the access units in decoding order (Annex B). Raises ParametersRefusedError."""
        return encode(self, self.source())


def x264_parameters(stream: Stream) -> dict[str, str]:
    """Return the parameters given to x264."""
    parameters = {
        "threads": "1",
        "lookahead-threads": "1",
        "sync-lookahead": "0",
        "rc-lookahead": "8",
        "force-cfr": "1",
        "annexb": "1",
        "keyint": str(stream.keyint),
        "min-keyint": "1",
        "open-gop": str(int(stream.open_gop)),
        "intra-refresh": str(int(stream.intra_refresh)),
        "scenecut": str(stream.scenecut),
        "bframes": str(stream.bframes),
        "b-pyramid": stream.b_pyramid,
        "b-adapt": str(stream.b_adapt),
        "b-bias": str(stream.b_bias),
        "ref": str(stream.ref),
        "mixed-refs": str(int(stream.mixed_refs)),
        "weightp": str(stream.weightp),
        "weightb": str(int(stream.weightb)),
        "cabac": str(int(stream.cabac)),
        "8x8dct": str(int(stream.transform_8x8)),
        "direct": stream.direct,
        "partitions": stream.partitions,
        "me": stream.me,
        "subme": str(stream.subme),
        "merange": str(stream.merange),
        "constrained-intra": str(int(stream.constrained_intra)),
        "chroma-qp-offset": str(stream.chroma_qp_offset),
        "trellis": str(stream.trellis),
        "psy": str(int(any(stream.psy))),
        "psy-rd": f"{stream.psy[0]},{stream.psy[1]}",
        "dct-decimate": str(int(stream.decimate)),
        "nr": str(stream.noise_reduction),
        "aud": str(int(stream.aud)),
        "fullrange": "on" if stream.fullrange else "off",
        "mbtree": "0",
    }
    if stream.rate_factor:
        parameters |= {"crf": str(stream.quantiser)}
        parameters |= {"aq-mode": str(stream.aq[0]), "aq-strength": str(stream.aq[1])}
    else:
        parameters["qp"] = str(stream.quantiser)
    if stream.mvrange > 0:
        parameters["mvrange"] = str(stream.mvrange)
    if stream.slice_max_size:
        parameters["slice-max-size"] = str(stream.slice_max_size)
    elif stream.slice_max_mbs:
        parameters["slice-max-mbs"] = str(stream.slice_max_mbs)
    elif stream.slices > 1:
        parameters["slices"] = str(stream.slices)
    if stream.no_deblock:
        parameters["no-deblock"] = "1"
    else:
        parameters["deblock"] = f"{stream.deblock[0]},{stream.deblock[1]}"
    if any(stream.crop):
        parameters["crop-rect"] = ",".join(map(str, stream.crop))
    if stream.filler:
        parameters |= {"nal-hrd": "cbr", "bitrate": "200", "vbv-maxrate": "200"}
        parameters |= {"vbv-bufsize": "200"}
        parameters.pop("crf", None)
        parameters.pop("qp", None)
    if stream.matrices == "custom":
        parameters |= _custom_matrices(stream)
    else:
        parameters["cqm"] = stream.matrices
    if (cpu := deterministic_cpu()) is not None:
        parameters["asm"] = cpu
    return parameters


def _custom_matrices(stream: Stream) -> dict[str, str]:
    """Return scaling matrices, some of them left to x264's default."""
    random = np.random.Generator(np.random.PCG64(stream.matrices_seed))
    sizes = {"cqm4iy": 16, "cqm4ic": 16, "cqm4py": 16, "cqm4pc": 16, "cqm8i": 64, "cqm8p": 64}
    found = {}
    for name, size in sizes.items():
        lowest, highest = sorted(int(limit) for limit in random.integers(6, 80, 2))
        values = random.integers(lowest, highest + 1, size)
        # The assembler of libavcodec scales DC of Intra16x16 inexactly when its factor is larger.
        values[0] = min(values[0], MOST_DC_SCALE)
        if random.integers(0, 4) == 0:
            values[size // 2 :] = values[size // 2]  # a tail that repeats: the short form
        if random.integers(0, 4):
            found[name] = ",".join(map(str, values))
    return found


def encode(stream: Stream, source: list[Planes]) -> list[bytes]:
    """Return the access units of `source`, coded with the parameters of `stream`."""
    encoder: Any = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height = stream.width, stream.height
    encoder.pix_fmt = "yuv420p"
    encoder.framerate = 25
    encoder.time_base = Fraction(1, 25)
    encoder.thread_count = 1
    parameters = x264_parameters(stream)
    encoder.options = {
        "preset": "medium",
        "x264-params": ":".join(f"{name}={value}" for name, value in parameters.items()),
    }
    try:
        encoder.open()
    except av.error.FFmpegError as problem:
        raise ParametersRefusedError(str(stream)) from problem
    packets: list[Any] = []
    for number, planes in enumerate(source):
        packets += encoder.encode(to_frame(planes, number))
    packets += encoder.encode(None)
    units = [bytes(packet) for packet in packets]
    if any(slice_count(unit) > MOST_SLICES for unit in units):
        raise ParametersRefusedError(f"more than {MOST_SLICES} slices in a picture: {stream}")
    return units


def slice_count(access_unit: bytes) -> int:
    """Return how many slices an access unit has."""
    return sum(unit[0] & 31 in (1, 5) for unit in nal_units(access_unit))


def to_frame(planes: Planes, number: int) -> Any:
    """Return a frame of libav with these planes and presentation time `number`."""
    frame = picture_to_frame(Picture(*planes))
    frame.pts = number
    return frame
