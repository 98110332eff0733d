"""Tiny complete HYP files, the same from a seed with the same release of x264.

A random generator model makes the keyframes; x264 codes a moving pattern on top of them. They
exercise every unit of the format in milliseconds; they are no example of good coding.

    stream = tiny_stream.build(tmp_path / "tiny.hyp", seed=1)
    decode(stream.path, model=stream.model)      or HYP_MODELS=stream.model_path.parent
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.frame import PictureType

from conformance.generators.random_model import write_random_model
from conformance.generators.random_restoration import write_random_restoration
from refcodec.avc.nal import nal_units
from refcodec.container import (
    AccessUnit,
    Keyframe,
    Metadata,
    Packet,
    SequenceHeader,
    TrackHeader,
    Writer,
    output_file,
)
from refcodec.generator import GeneratorModel, generate, load_model
from refcodec.generator.prompt import encode_prompt, hyper_size, settle
from refcodec.libav_frames import picture_to_frame
from refcodec.picture import Picture

MODEL_SEED = 0
PICTURE_RATE = 25
GENERATOR_ID = 1
SLICE_TYPES = (1, 5)
PARAMETER_SET_TYPES = (7, 8)
AUDIO_RATE = 8000


@dataclass(frozen=True)
class TinyStream:
    """A file that was made: its path, the model it needs (None without generated keyframes), and
    the generated pictures by segment."""

    path: Path
    model_path: Path | None
    model: GeneratorModel | None
    generated: tuple[Picture | None, ...]
    picture_count: int


def build(
    path: str | os.PathLike[str],
    *,
    seed: int = 0,
    width: int = 32,
    height: int = 32,
    segments: int = 2,
    pictures: int = 4,
    generated: bool | Sequence[bool] = True,
    presentation: tuple[int, int] | None = None,
    full_range: bool = False,
    audio: bool = False,
    restoration_gain: int = 0,
) -> TinyStream:
    """Write a HYP file of `segments` segments of `pictures` pictures each, coded at `width` x
    `height` (even, 16 or more) and presented at `presentation` (None: the same size).

    `generated` says for all segments or for each whether its keyframe is generated. With `audio`, a
    side track of 16-bit PCM is carried. The model is written next to the file, once, as
    core-random.safetensors; with a `restoration_gain` a restoration network is, too, as
    restoration-random.safetensors.
    """
    target = Path(path)
    modes = [generated] * segments if isinstance(generated, bool) else list(generated)
    rng = np.random.default_rng([seed, width, height])
    model = model_path = None
    if any(modes):
        model_path = target.parent / "core-random.safetensors"
        if not model_path.exists():
            write_random_model(model_path, MODEL_SEED)
        model = load_model(model_path)
    latent_size = -(-width // 16), -(-height // 16)
    pattern = _pattern(rng, 16 * latent_size[0], 16 * latent_size[1], segments * pictures)
    crop = 16 * latent_size[0] - width, 16 * latent_size[1] - height

    coded = []
    parameter_sets: tuple[bytes, ...] = ()
    for number, mode in enumerate(modes):
        prompt, q, keyframe = b"", 0, None
        if mode and model is not None:
            q = int(rng.integers(0, 64))
            prompt, keyframe = _prompt(rng, model, q, *latent_size)
        shown = pattern[number * pictures : (number + 1) * pictures]
        if keyframe is not None:
            shown = [_moved(keyframe, picture, t) for t, picture in enumerate(shown)]
        sets, access_units = _inter_coded(shown, keyframe, crop, full_range)
        if parameter_sets and sets != parameter_sets:
            raise ValueError("x264 changed its parameter sets between segments")
        parameter_sets = sets
        unit = Keyframe(
            segment_number=number,
            segment_time=number * pictures,
            segment_duration=pictures,
            picture_count=pictures,
            keyframe_mode=0 if mode else 1,
            prompt_scale_index=q,
            prompt_data=prompt,
        )
        coded.append((unit, access_units, keyframe))

    restoration_digest = b""
    if restoration_gain:
        restoration_digest = write_random_restoration(
            target.parent / "restoration-random.safetensors", MODEL_SEED
        )
    shown_width, shown_height = presentation or (width, height)
    header = SequenceHeader(
        level=1,
        coded_width=width,
        coded_height=height,
        presentation_width=shown_width,
        presentation_height=shown_height,
        colour_primaries=1,
        transfer_characteristics=1,
        matrix_coefficients=1,
        full_range_flag=int(full_range),
        restoration_gain=restoration_gain,
        restoration_digest=restoration_digest,
        tick_numerator=1,
        tick_denominator=PICTURE_RATE,
        picture_duration=1,
        generator_id=0 if model is None else GENERATOR_ID,
        model_digest=b"" if model is None else model.digest,
        parameter_sets=parameter_sets,
    )
    with output_file(target) as file:
        writer = Writer(file)
        writer.sequence_header(header)
        if audio:
            seconds = Fraction(segments * pictures, PICTURE_RATE)
            writer.track_header(*_audio_track(rng, seconds))
        writer.metadata(Metadata((("title", f"tiny stream {seed}"),)))
        for unit, access_units, _ in coded:
            writer.segment(unit, access_units)
        writer.finish()
    return TinyStream(
        target, model_path, model, tuple(entry[2] for entry in coded), segments * pictures
    )


def _pattern(rng: np.random.Generator, width: int, height: int, count: int) -> list[Picture]:
    """Return `count` pictures of blocks that move over a ramp."""
    blocks = rng.integers(0, 256, (height // 4 + count + 2, width // 4 + count + 2))
    texture = blocks.repeat(4, 0).repeat(4, 1)
    ramp = np.add.outer(np.arange(height), np.arange(width)) % 256
    shown = []
    for t in range(count):
        y = (texture[t : t + height, 2 * t : 2 * t + width] + ramp) // 2
        u, v = 255 - y[::2, ::2], y[::2, ::2] // 2 + 64
        shown.append(Picture(*(np.ascontiguousarray(p, np.uint8) for p in (y, u, v))))
    return shown


def _moved(keyframe: Picture, pattern: Picture, t: int) -> Picture:
    """Return the generated picture moved by (2t, 2t) samples, with `pattern` in its lower right
    quarter, so that x264 predicts from the generated picture and repairs it too."""
    planes = []
    for plane, other, step in zip(keyframe.planes, pattern.planes, (2, 1, 1), strict=True):
        moved = np.roll(plane, (step * t, step * t), (0, 1))
        half = plane.shape[0] // 2, plane.shape[1] // 2
        moved[half[0] :, half[1] :] = other[half[0] :, half[1] :]
        planes.append(moved)
    return Picture(*planes)


def _prompt(
    rng: np.random.Generator, model: GeneratorModel, q: int, width: int, height: int
) -> tuple[bytes, Picture]:
    """Return a prompt of random latents and the picture that it means."""
    hyper_width, hyper_height = hyper_size(width, height)
    hyper = rng.integers(-3, 4, (model.hyper_channels, hyper_height, hyper_width), np.int16)
    values = rng.integers(-6, 7, (model.latent_channels, height, width), np.int16)
    latents = settle(model, q, hyper, values, backend="numpy")
    data = encode_prompt(model, q, latents.hyper, latents.values, backend="numpy")
    return data, generate(model, latents.values, q, backend="numpy")


def _inter_coded(
    shown: Sequence[Picture], keyframe: Picture | None, crop: tuple[int, int], full_range: bool
) -> tuple[tuple[bytes, ...], list[AccessUnit]]:
    """Return parameter sets and access units of one segment, coded by x264 with fixed
    parameters."""
    hidden = keyframe is not None
    parameters = {
        "threads": 1,
        "crf": 26,
        "keyint": "infinite",
        "scenecut": 0,
        "stitchable": 1,
        "annexb": 1,
        "repeat-headers": 1,
        "no-asm": 1,
        "bframes": 2,
        "b-adapt": 0,
        "fullrange": "on" if full_range else "off",
        "colorprim": "bt709",
        "transfer": "bt709",
        "colormatrix": "bt709",
    }
    if any(crop):
        parameters["crop-rect"] = f"0,0,{crop[0]},{crop[1]}"
    if hidden:
        parameters["zones"] = "0,0,q=1"
    encoder: Any = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height = shown[0].width, shown[0].height
    encoder.pix_fmt = "yuv420p"
    encoder.framerate = PICTURE_RATE
    encoder.time_base = Fraction(1, PICTURE_RATE)
    encoder.thread_count = 1
    encoder.options = {
        "preset": "medium",
        "profile": "high",
        "x264-params": ":".join(f"{name}={value}" for name, value in parameters.items()),
    }
    packets = []
    for index, picture in enumerate([*([keyframe] if keyframe is not None else []), *shown]):
        frame = picture_to_frame(picture)
        frame.pts = index
        if hidden and index == 1:
            frame.pict_type = PictureType.P
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    sets: tuple[bytes, ...] = ()
    access_units = []
    for position, packet in enumerate(packets):
        units = [bytes(unit) for unit in nal_units(bytes(packet))]
        if position == 0:
            sets = tuple(unit for unit in units if unit[0] & 31 in PARAMETER_SET_TYPES)
            if hidden:
                continue
        slices = tuple(unit for unit in units if unit[0] & 31 in SLICE_TYPES)
        access_units.append(AccessUnit(packet.pts - hidden, slices))
    return sets, access_units


def _audio_track(
    rng: np.random.Generator, seconds: Fraction
) -> tuple[TrackHeader, list[tuple[int, Packet]]]:
    """Return a track of noise, 16-bit PCM, one channel, and its packets of 20 ms."""
    header = TrackHeader(
        track_id=0,
        track_kind=0,
        codec_name="pcm_s16le",
        track_tick_numerator=1,
        track_tick_denominator=AUDIO_RATE,
        sample_rate=AUDIO_RATE,
        channel_count=1,
        channel_layout="mono",
        language="eng",
    )
    size = AUDIO_RATE // 50
    packets = []
    for start in range(0, int(seconds * AUDIO_RATE), size):
        samples = rng.integers(-1000, 1000, size).astype("<i2")
        packets.append((start, Packet(0, size, samples.tobytes())))
    return header, packets
