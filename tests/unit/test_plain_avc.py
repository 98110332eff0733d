"""Plain H.264 input: byte streams, MP4 and Matroska; both backends, and their comparison."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from typer.testing import CliRunner

from refcodec import errors
from refcodec.avc.access_units import avc_configuration, to_avcc
from refcodec.avc.nal import configuration_units, length_prefixed_units, nal_units
from refcodec.cli.app import app
from refcodec.decoder import check, decode_any
from refcodec.decoder.backends import BACKENDS
from refcodec.picture import Picture
from tests.unit.avc_slice_streams import encode, moving_pictures

COUNT, WIDTH, HEIGHT = 12, 50, 38
PARAMETERS = "keyint=6:min-keyint=6:scenecut=0:bframes=2:ref=2"


@pytest.fixture(scope="module")
def byte_stream() -> bytes:
    return encode(moving_pictures(WIDTH, HEIGHT, COUNT), PARAMETERS)


@pytest.fixture(scope="module")
def files(byte_stream: bytes, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same stream as a byte stream, in MP4 and in Matroska."""
    folder = tmp_path_factory.mktemp("plain")
    paths = {"264": folder / "clip.264"}
    paths["264"].write_bytes(byte_stream)
    for form in ("mp4", "mkv"):
        paths[form] = folder / f"clip.{form}"
        with av.open(str(paths[form]), "w") as output:
            video: Any = output.add_stream("libx264", rate=25)
            video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            video.options = {"x264-params": PARAMETERS}
            for number, planar in enumerate(moving_pictures(WIDTH, HEIGHT, COUNT)):
                frame: Any = av.VideoFrame.from_ndarray(planar, format="yuv420p")
                frame.pts = number
                frame.time_base = Fraction(1, 25)
                output.mux(video.encode(frame))
            output.mux(video.encode(None))
    return paths


@pytest.mark.parametrize("form", ["264", "mp4", "mkv"])
def test_backends_give_the_same_pictures_and_times(files: dict[str, Path], form: str) -> None:
    found = []
    for backend in BACKENDS:
        with decode_any(files[form], backend=backend) as decoding:
            assert decoding.size == (WIDTH, HEIGHT)
            found.append([(each.time, each.segment, each.picture.sha256()) for each in decoding])
            assert decoding.report.intact
            assert (decoding.report.pictures, decoding.report.segments) == (COUNT, 2)
    assert found[0] == found[1]
    times = [float(time) for time, _, _ in found[0]]
    assert times == pytest.approx([number / 25 for number in range(COUNT)], abs=0.001)
    assert [segment for _, segment, _ in found[0]] == [0] * 6 + [1] * 6


def test_start_and_duration_choose_pictures(files: dict[str, Path]) -> None:
    with decode_any(files["264"], backend="numba", start=0.2, duration=0.16) as decoding:
        assert [each.time for each in decoding] == [Fraction(n, 25) for n in range(5, 9)]


@pytest.mark.parametrize("backend", BACKENDS)
def test_bytes_and_pipes_decode_too(byte_stream: bytes, backend: str) -> None:
    pipe = io.BufferedReader(io.BytesIO(byte_stream))
    for source in (byte_stream, pipe):
        with decode_any(source, backend=backend) as decoding:
            assert len(list(decoding)) == COUNT


@pytest.mark.parametrize("backend", BACKENDS)
def test_damage_costs_the_sequence_it_lies_in(byte_stream: bytes, backend: str) -> None:
    units = [bytes(unit) for unit in nal_units(byte_stream)]
    slices = [number for number, unit in enumerate(units) if unit[0] & 31 == 1]
    units[slices[0]] = units[slices[0]][:9]
    damaged = b"".join(b"\0\0\1" + unit for unit in units)
    with decode_any(damaged, backend=backend) as decoding:
        pictures = list(decoding)
    report = decoding.report
    assert [each.segment for each in pictures] == [0] + [1] * 6
    assert (report.loss_count, report.pictures_lost, report.losses[0].segment) == (1, 5, 0)


def test_other_files_are_refused_as_no_hyp_files(tmp_path: Path, byte_stream: bytes) -> None:
    path = tmp_path / "clip.mkv"
    with av.open(str(path), "w") as output:
        video: Any = output.add_stream("ffv1", rate=25)
        video.width, video.height, video.pix_fmt = 16, 16, "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((24, 16), np.uint8), format="yuv420p")
        output.mux(video.encode(frame))
        output.mux(video.encode(None))
    for source in (path, b"no video at all" * 100, path.read_bytes()):
        with pytest.raises(errors.CLASSES["HYP-E-FILE-01"]):
            decode_any(source)
    with pytest.raises(errors.CLASSES["HYP-E-DEC-05"]):
        decode_any(byte_stream, backend="hardware")


def test_length_prefixed_units_and_configuration_records(byte_stream: bytes) -> None:
    units = [bytes(unit) for unit in nal_units(byte_stream)]
    assert [bytes(unit) for unit in length_prefixed_units(to_avcc(units), 4)] == units
    cut = to_avcc(units[:2])[:-1]
    assert [bytes(unit) for unit in length_prefixed_units(cut, 4)] == [units[0], units[1][:-1]]
    # nothing between two start codes, or of size 0, is no NAL unit
    assert list(nal_units(b"\0\0\1\0\0\1x")) == [b"x"]
    assert list(length_prefixed_units(b"\0\0\0\0\0\0\0\1x", 4)) == [b"x"]
    sets = [unit for unit in units if unit[0] & 31 in (7, 8)][:2]
    record = avc_configuration(sets[0], sets[1:])
    assert configuration_units(record) == (4, sets)
    for length in range(len(record) - 4):
        with pytest.raises(ValueError, match="record"):
            configuration_units(record[:length])


def test_check_finds_no_difference(files: dict[str, Path]) -> None:
    report = check(files["mp4"], threads=1)
    assert report.equal
    assert report.pictures == COUNT
    assert str(report) == f"{COUNT} pictures, equal with libav and numba"


def test_check_names_the_first_difference(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def altered(source: Any, *, backend: str, **options: Any) -> Any:
        for number, each in enumerate(decode_any(source, backend=backend, **options)):
            if number == 3 and backend == "numba":
                u = each.picture.u.copy()
                u[9, 17] ^= 1
                y = each.picture.y.copy()
                y[37, 49] ^= 1
                each = type(each)(Picture(y, u, each.picture.v), each.time, each.segment)
            yield each

    class Altered:
        report = None

        def __init__(self, pictures: Any) -> None:
            self.pictures = pictures

        def __iter__(self) -> Any:
            return self.pictures

        def close(self) -> None:
            self.pictures.close()

    name = "refcodec.decoder.checking.decode_any"
    monkeypatch.setattr(name, lambda *a, **k: Altered(altered(*a, **k)))
    difference = check(files["264"]).difference
    assert difference is not None
    assert (difference.picture, difference.component, difference.macroblock) == (3, "Cb", 4 + 2)
    assert (difference.x, difference.y) == (17, 9)


def test_the_command_compares_and_decodes(files: dict[str, Path], tmp_path: Path) -> None:
    runner = CliRunner()
    result = runner.invoke(app, ["decode", str(files["264"]), "--check", "--quiet"])
    assert result.exit_code == 0
    assert "equal with libav and numba" in result.output
    target = tmp_path / "clip.y4m"
    result = runner.invoke(
        app, ["decode", str(files["mkv"]), str(target), "--backend", "numba", "--quiet"]
    )
    assert result.exit_code == 0
    assert target.stat().st_size > COUNT * WIDTH * HEIGHT * 3 // 2
