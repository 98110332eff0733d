"""One keyframe interval through x264: pictures of the macroblock grid in, H.264 access units out.

An interval is closed: nothing in it refers to another one. With a generated keyframe x264 is given the generated
picture first, at a near-lossless quantiser; its IDR access unit is left out of the result, since the receiver
builds that picture itself, and the interval's first picture is coded after it as a P picture (#dec.injection).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import av
import av.error
import llvmlite.binding
from av.video.frame import PictureType

from refcodec import errors
from refcodec.avc.nal import nal_units
from refcodec.encoder.resizing import CodedSize
from refcodec.encoder.sharpening import sharpened, strength_at
from refcodec.libav_frames import picture_to_frame
from refcodec.media import ColourDescription
from refcodec.picture import Picture

NAL_SLICE, NAL_IDR, NAL_SPS, NAL_PPS = 1, 5, 7, 8
X264_THREADS = 2
"""Threads of one x264 encoder. Constant, because the stream depends on it: the same settings give the same
bytes on any machine and with any number of worker processes."""


@dataclass(frozen=True, slots=True)
class AvcSettings:
    """What is the same for all intervals of a sequence. rate: nominal pictures a second; overrides: x264
    parameters that differ from the preset; where the keyframe is an ordinary one, behind_coded: those in addition,
    and sharpening: the largest strength with which pictures are sharpened."""

    size: CodedSize
    rate: Fraction
    colour: ColourDescription
    x264_preset: str
    overrides: tuple[tuple[str, str], ...] = ()
    behind_coded: tuple[tuple[str, str], ...] = ()
    sharpening: int = 0


@dataclass(frozen=True, slots=True)
class CodedPicture:
    """An access unit in decoding order. index: place of its picture in output order, 0 for the first picture
    of the interval; nal_units: without start codes, parameter sets or SEI."""

    index: int
    nal_units: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class CodedInterval:
    """parameter_sets: SPS, then PPS, NAL units without start codes."""

    parameter_sets: tuple[bytes, ...]
    pictures: tuple[CodedPicture, ...]

    @property
    def size(self) -> int:
        """Bytes of all NAL units of the access units."""
        return sum(len(unit) for picture in self.pictures for unit in picture.nal_units)


def encode_interval(
    pictures: Iterable[Picture],
    settings: AvcSettings,
    crf: float,
    generated: Picture | None = None,
    progress: Callable[[float], None] | None = None,
) -> CodedInterval:
    """Return the access units of one interval.

    pictures: of the size of the macroblock grid, in output order; crf: x264's constant rate factor, 0..51;
    generated: the generated keyframe (grid size), or None for an ordinary IDR. Deterministic.
    """
    hidden = 0 if generated is None else 1
    packets = encode_packets(pictures, settings, crf, generated, progress)
    parameter_sets: tuple[bytes, ...] = ()
    coded = []
    for order, packet in enumerate(packets):
        units = [bytes(unit) for unit in nal_units(bytes(packet))]
        kinds = [unit[0] & 31 for unit in units]
        if order == 0:
            parameter_sets = tuple(
                unit for kind in (NAL_SPS, NAL_PPS) for unit in units if unit[0] & 31 == kind
            )
            if NAL_IDR not in kinds or len(parameter_sets) != 2:
                raise errors.error("HYP-E-OUT-06", element="first NAL unit types", value=kinds)
            if hidden:
                continue
        elif NAL_IDR in kinds:
            raise errors.error("HYP-E-OUT-06", element="access unit", value=order)
        slices = tuple(unit for unit in units if unit[0] & 31 in (NAL_SLICE, NAL_IDR))
        coded.append(CodedPicture(packet.pts - hidden, slices))
    if coded[0].index != 0 or sorted(p.index for p in coded) != list(range(len(coded))):
        raise errors.error(
            "HYP-E-OUT-06", element="output order", value=[p.index for p in coded][:16]
        )
    return CodedInterval(parameter_sets, tuple(coded))


def encode_packets(
    pictures: Iterable[Picture],
    settings: AvcSettings,
    crf: float,
    generated: Picture | None = None,
    progress: Callable[[float], None] | None = None,
) -> list[Any]:
    """Return x264's own packets for one interval (Annex B), with the hidden IDR in front where there is one.

    `progress` hears how many pictures are done; one that x264 has taken but not given back counts as half.
    """
    encoder = _open(settings, crf, generated is not None)
    # A generated keyframe is sharp, and what follows is predicted from it.
    strength = 0 if generated is not None else strength_at(settings.sharpening, crf)
    packets: list[Any] = []
    for number, picture in enumerate(_inputs(pictures, generated, strength)):
        frame = picture_to_frame(picture)
        frame.pts = number
        if number == 0:
            frame.pict_type = PictureType.I
        elif number == 1 and generated is not None:
            frame.pict_type = PictureType.P  # repairs the generated picture at the same instant
        packets += encoder.encode(frame)
        if progress is not None:
            progress((number + 1 + len(packets)) / 2)
    return packets + list(encoder.encode(None))


def decode_packets(packets: Iterable[Any]) -> list[Any]:
    """Return libav's frames of x264's packets in output order, that of a hidden IDR picture among them."""
    decoder: Any = av.CodecContext.create("h264", "r")
    frames = [frame for packet in packets for frame in decoder.decode(packet)]
    return frames + list(decoder.decode(None))


def _inputs(
    pictures: Iterable[Picture], generated: Picture | None, strength: int
) -> Iterator[Picture]:
    if generated is not None:
        yield generated
    for picture in pictures:
        yield sharpened(picture, strength)


def x264_parameters(settings: AvcSettings, crf: float, hidden: bool) -> dict[str, str]:
    """Return the parameters given to x264 on top of its preset.

    Why some of them: stitchable makes the parameter sets independent of the rate factor; crop-rect lets x264 see
    the whole grid, as the receiver's injected picture has it; zones codes the hidden picture near-losslessly.
    """
    size, colour = settings.size, settings.colour
    parameters = {
        "crf": f"{crf:.3f}",
        "threads": str(X264_THREADS),
        # libavcodec would cut every picture into a slice a thread, which costs bits
        "sliced-threads": "0",
        "lookahead-threads": "1",
        "keyint": "infinite",
        "scenecut": "0",
        "open-gop": "0",
        "force-cfr": "1",
        "stitchable": "1",
        "repeat-headers": "1",
        "annexb": "1",
        "aud": "0",
        "fullrange": "on" if colour.full_range else "off",
        "colorprim": _NAMES_PRIMARIES.get(colour.primaries, "undef"),
        "transfer": _NAMES_TRANSFER.get(colour.transfer, "undef"),
        "colormatrix": _NAMES_MATRIX.get(colour.matrix, "undef"),
    }
    right, bottom = size.grid_width - size.width, size.grid_height - size.height
    if right or bottom:
        parameters["crop-rect"] = f"0,0,{right},{bottom}"
    if (cpu := deterministic_cpu()) is not None:
        parameters["asm"] = cpu
    if hidden:
        parameters["zones"] = "0,0,q=1"
        return parameters | dict(settings.overrides)
    return parameters | dict(settings.overrides) | dict(settings.behind_coded)


@cache
def deterministic_cpu() -> str | None:
    """Return the CPU features that x264 may use, or None for all that it finds.

    x264's AVX-512 code for the macroblock tree reads memory that nothing has written, unless the width is a
    multiple of 128 samples: two encodes of the same pictures then differ.
    """
    features = llvmlite.binding.get_host_cpu_features()
    if not features.get("avx512f"):
        return None
    return "MMX2,SSE2Fast,LZCNT,SSSE3,SSE4.2,AVX,FMA3,BMI1,BMI2,AVX2"


def _open(settings: AvcSettings, crf: float, hidden: bool) -> Any:
    parameters = x264_parameters(settings, crf, hidden)
    encoder: Any = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height = settings.size.grid_width, settings.size.grid_height
    encoder.pix_fmt = "yuv420p"
    encoder.framerate = settings.rate
    encoder.time_base = 1 / settings.rate
    encoder.thread_count = X264_THREADS
    encoder.options = {
        "preset": settings.x264_preset,
        "profile": "high",
        "x264-params": ":".join(f"{name}={value}" for name, value in parameters.items()),
    }
    try:
        encoder.open()
    except av.error.FFmpegError as problem:
        raise errors.error("HYP-E-OUT-06", detail=f"libav: {problem.strerror}.") from problem
    return encoder


# x264's names of the code points of ITU-T H.273.
_NAMES_PRIMARIES = {
    1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film", 9: "bt2020",
    10: "smpte428", 11: "smpte431", 12: "smpte432",
}  # fmt: skip
_NAMES_TRANSFER = {
    1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "linear", 9: "log100",
    10: "log316", 11: "iec61966-2-4", 12: "bt1361e", 13: "iec61966-2-1", 14: "bt2020-10",
    15: "bt2020-12", 16: "smpte2084", 17: "smpte428", 18: "arib-std-b67",
}  # fmt: skip
_NAMES_MATRIX = {
    1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "YCgCo", 9: "bt2020nc",
    10: "bt2020c", 11: "smpte2085", 12: "chroma-derived-nc", 13: "chroma-derived-c", 14: "ICtCp",
}  # fmt: skip
