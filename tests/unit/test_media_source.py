"""Sources of every kind: what comes out is 8-bit 4:2:0, upright, of square samples, at the right times."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.codec.context import Flags

from refcodec import errors
from refcodec.encoder.timing import find_timing
from refcodec.media import MediaSource


def ramp(width: int, height: int, number: int) -> np.ndarray:
    """A colour picture (height, width, 3), uint8: brightness rises to the right, red to the bottom."""
    x = np.linspace(40, 200, width)[None, :]
    y = np.linspace(0, 50, height)[:, None]
    rgb = np.stack([x + y, x + 0 * y, x + 0 * y + number], axis=2)
    return np.clip(rgb, 0, 255).astype(np.uint8)


def write_video(
    path: Path,
    *,
    width: int = 64,
    height: int = 48,
    count: int = 5,
    codec: str = "ffv1",
    pix_fmt: str = "yuv420p",
    rate: Fraction = Fraction(25),
    stamps: list[int] | None = None,
    time_base: Fraction | None = None,
    rotation: int = 0,
    aspect: Fraction | None = None,
    options: dict[str, str] | None = None,
    full_range: bool = False,
    interlaced: bool = False,
    audio: bool = False,
    colour: tuple[int, int, int] | None = None,
) -> Path:
    """Write `count` ramp pictures with av."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if interlaced:
            stream.codec_context.flags |= Flags.interlaced_dct
        if full_range:
            stream.codec_context.color_range = 2
        if colour is not None:
            context = stream.codec_context
            context.color_primaries, context.color_trc, context.colorspace = colour
        if rotation:
            stream.set_display_rotation(rotation)
        stream.codec_context.time_base = time_base or 1 / rate
        sound: Any = None
        if audio:
            sound = container.add_stream("aac", rate=48000, layout="mono")
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(ramp(width, height, number), format="rgb24")
            frame = frame.reformat(
                format=pix_fmt, dst_color_range=2 if full_range else 1, dst_colorspace=1
            )
            frame.time_base = time_base or 1 / rate
            frame.pts = stamps[number] if stamps else number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if audio:
            samples = np.zeros((1, 48000 * count // 25), np.float32)
            chunk = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            chunk.sample_rate, chunk.pts, chunk.time_base = 48000, 0, Fraction(1, 48000)
            container.mux(sound.encode(chunk))
            container.mux(sound.encode(None))
    return path


def luma(path: Path) -> np.ndarray:
    return next(MediaSource(path).pictures()).picture.y


@pytest.mark.parametrize(("width", "height"), [(64, 48), (63, 47), (17, 64)])
def test_sizes_odd_or_not_are_kept(tmp_path: Path, width: int, height: int) -> None:
    path = write_video(tmp_path / "a.mkv", width=width, height=height)
    pictures = list(MediaSource(path).pictures())
    assert len(pictures) == 5
    assert {(p.picture.width, p.picture.height) for p in pictures} == {(width, height)}
    assert pictures[0].picture.u.shape == ((height + 1) // 2, (width + 1) // 2)


@pytest.mark.parametrize(
    "pix_fmt", ["yuv420p10le", "yuv422p", "yuv444p", "yuv444p10le", "bgr0", "bgra"]
)
def test_other_pixel_formats_give_the_same_picture(tmp_path: Path, pix_fmt: str) -> None:
    plain = luma(write_video(tmp_path / "plain.mkv")).astype(int)
    other = luma(write_video(tmp_path / "other.mkv", pix_fmt=pix_fmt)).astype(int)
    assert np.abs(plain - other).mean() < 1.0
    assert np.abs(plain - other).max() <= 3


def test_ten_bits_are_rounded_without_bias(tmp_path: Path) -> None:
    path = tmp_path / "flat.mkv"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p10le"
        frame = av.VideoFrame(64, 64, "yuv420p10le")
        for plane, value in zip(frame.planes, (401, 512, 512), strict=True):
            np.frombuffer(plane, np.uint16)[:] = value
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    samples = luma(path)
    assert abs(samples.mean() - 401 / 4) <= 0.3
    assert samples.max() - samples.min() <= 1


def test_grey_samples_are_full_range_and_become_limited(tmp_path: Path) -> None:
    path = write_video(tmp_path / "grey.mkv", pix_fmt="gray")
    with av.open(str(path)) as container:
        stored = next(container.decode(video=0)).to_ndarray()
    picture = next(MediaSource(path).pictures()).picture
    assert np.abs(picture.y - (16 + stored * (219 / 255))).max() <= 1
    assert (picture.u == 128).all() and (picture.v == 128).all()


def test_full_range_is_kept_and_flagged(tmp_path: Path) -> None:
    limited = MediaSource(write_video(tmp_path / "limited.mkv"))
    full = MediaSource(write_video(tmp_path / "full.mkv", full_range=True))
    assert not limited.description.colour.full_range
    assert full.description.colour.full_range
    a = next(limited.pictures()).picture.y.astype(float)
    b = next(full.pictures()).picture.y.astype(float)
    assert np.abs(16 + b * 219 / 255 - a).mean() < 1


def test_full_range_of_ten_bits_is_kept(tmp_path: Path) -> None:
    eight = luma(write_video(tmp_path / "8.mkv", full_range=True)).astype(int)
    ten = luma(write_video(tmp_path / "10.mkv", full_range=True, pix_fmt="yuv420p10le"))
    assert np.abs(eight - ten.astype(int)).max() <= 2


def test_colour_description_is_kept_and_absence_too(tmp_path: Path) -> None:
    options = {"x264-params": "colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"}
    marked = write_video(tmp_path / "m.mp4", codec="libx264", options=options)
    colour = MediaSource(marked).description.colour
    assert (colour.primaries, colour.transfer, colour.matrix) == (9, 16, 9)
    plain = write_video(tmp_path / "p.mp4", codec="libx264")
    colour = MediaSource(plain).description.colour
    assert (colour.primaries, colour.transfer) == (2, 2)


def test_rgb_becomes_bt709(tmp_path: Path) -> None:
    colour = MediaSource(write_video(tmp_path / "rgb.mkv", pix_fmt="bgr0")).description.colour
    assert (colour.matrix, colour.full_range) == (1, False)


@pytest.mark.parametrize("rotation", [90, -90, 180])
def test_rotated_sources_stand_upright(tmp_path: Path, rotation: int) -> None:
    stored = luma(write_video(tmp_path / "stored.mp4", codec="libx264", options={"qp": "0"}))
    path = write_video(
        tmp_path / "turned.mp4", codec="libx264", options={"qp": "0"}, rotation=rotation
    )
    source = MediaSource(path)
    # av counts counter-clockwise, as numpy does.
    expected = np.rot90(stored, rotation // 90)
    assert (source.description.height, source.description.width) == expected.shape
    assert np.array_equal(next(source.pictures()).picture.y, expected)


def test_oblong_samples_become_square_without_loss_of_detail(tmp_path: Path) -> None:
    wide = write_video(tmp_path / "w.mp4", codec="libx264", aspect=Fraction(4, 3))
    assert MediaSource(wide).description.width == 85
    assert MediaSource(wide).description.height == 48
    tall = write_video(tmp_path / "t.mp4", codec="libx264", aspect=Fraction(1, 2))
    assert next(MediaSource(tall).pictures()).picture.y.shape == (96, 64)


def test_interlaced_sources_are_deinterlaced(tmp_path: Path) -> None:
    path = write_video(tmp_path / "i.mp4", codec="libx264", interlaced=True, count=8)
    source = MediaSource(path)
    assert source.description.interlaced
    assert "deinterlaced" in source.description.conversions
    pictures = list(source.pictures())
    assert len(pictures) == 8
    assert [p.time for p in pictures] == [Fraction(k, 25) for k in range(8)]


def test_variable_rate_keeps_its_times(tmp_path: Path) -> None:
    stamps = [0, 40, 90, 100, 500]
    path = write_video(tmp_path / "v.mkv", stamps=stamps, time_base=Fraction(1, 1000))
    source = MediaSource(path)
    times = [p.time for p in source.pictures()]
    assert times == [Fraction(s, 1000) for s in stamps]
    timing = find_timing(times, source.description.nominal_rate, source.description.time_base)
    assert timing.picture_duration == 0
    assert [s * timing.tick for s in timing.stamps[:-1]] == times


def test_millisecond_stamps_of_a_constant_rate_are_recognised() -> None:
    rate = Fraction(30000, 1001)
    times = [Fraction(round(1000 * k / rate), 1000) for k in range(200)]
    timing = find_timing(times, None, Fraction(1, 1000))
    assert (timing.tick, timing.picture_duration) == (1 / rate, 1)
    assert timing.rate == rate


def test_part_of_a_source(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", count=50)
    pictures = list(MediaSource(path, start=1.0, duration=0.4).pictures())
    assert len(pictures) == 10
    assert pictures[0].time == 0
    whole = list(MediaSource(path).pictures())
    assert pictures[0].picture.same_as(whole[25].picture)


def test_seeking_gives_the_same_pictures(tmp_path: Path) -> None:
    path = write_video(
        tmp_path / "long.mp4",
        codec="libx264",
        options={"g": "25", "preset": "ultrafast"},
        count=300,
    )
    part = next(MediaSource(path, start=10.0).pictures()).picture
    assert part.same_as(list(MediaSource(path).pictures())[250].picture)


def test_audio_is_carried_with_its_times(tmp_path: Path) -> None:
    path = write_video(tmp_path / "s.mkv", codec="libx264", audio=True, count=25)
    source = MediaSource(path)
    (track,) = source.description.side_tracks
    assert (track.codec_name, track.sample_rate, track.channel_layout) == ("aac", 48000, "mono")
    assert track.extradata
    assert list(source.pictures())
    packets = list(source.side_packets())
    assert sum(packet.duration for packet in packets) * track.time_base > Fraction(95, 100)
    assert not MediaSource(path, side_tracks=False).description.side_tracks


@pytest.mark.parametrize("content", [b"", b"no media at all", bytes(5000)])
def test_no_media_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.mp4"
    path.write_bytes(content)
    with pytest.raises(errors.CLASSES["HYP-E-IN-01"]):
        MediaSource(path)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.CLASSES["HYP-E-IN-01"], match="no such file"):
        MediaSource(tmp_path / "none.mp4")


def test_sound_alone_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        chunk = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        chunk.sample_rate = 8000
        container.mux(stream.encode(chunk))
        container.mux(stream.encode(None))
    with pytest.raises(errors.CLASSES["HYP-E-IN-02"]):
        MediaSource(path)


def damaged(path: Path) -> Path:
    """Write a video of H.264 and damage its middle."""
    # the same stream on every processor: docs/decisions/0011-repeatable-x264.md
    options = {"crf": "5", "x264-params": "asm=SSE2,SSSE3:threads=1"}
    write_video(path, codec="libx264", count=60, width=320, height=240, options=options)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2000] = bytes(b ^ 0x5A for b in data[middle : middle + 2000])
    path.write_bytes(data)
    return path


def test_damaged_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.CLASSES["HYP-E-IN-03"]):
        list(MediaSource(damaged(tmp_path / "d.mkv")).pictures())


def test_too_small_sources_are_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.CLASSES["HYP-E-IN-04"]):
        MediaSource(write_video(tmp_path / "s.mkv", width=8, height=64))


def test_empty_part_is_refused(tmp_path: Path) -> None:
    source = MediaSource(write_video(tmp_path / "a.mkv"), start=100.0)
    with pytest.raises(errors.CLASSES["HYP-E-IN-05"]):
        list(source.pictures())
